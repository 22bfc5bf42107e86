/**
 * A KerasModel as the JSON of Keras 3 (.keras), or as the older form that Keras 2, Keras 3 and TF.js read from .h5 and
 * model.json: `batch_input_shape`, dtypes as texts, no modules, no initializers (their defaults do: weights follow).
 * Not here: reading (kerasConfig.ts).
 */
import { isList, isObject, type Json, type JsonObject } from './kerasJson.js'
import type { KerasLayer } from './kerasLayers.js'
import type { KerasCompile, KerasModel, KerasOptimizer } from './kerasTypes.js'

type Dialect = 'keras3' | 'legacy'

/** Names that Keras 2 and TF.js use for a field. */
const legacyNames: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  InputLayer: { batch_shape: 'batch_input_shape' },
  LeakyReLU: { negative_slope: 'alpha' },
}

/** One number where all channels have the same. */
function plainValue(layer: KerasLayer, key: string, value: Json): Json {
  const single = layer.className === 'Rescaling' && (key === 'scale' || key === 'offset')
  return single && isList(value) && value.length === 1 ? (value[0] ?? 0) : value
}

function layerConfig(layer: KerasLayer, dialect: Dialect): JsonObject {
  const config: JsonObject = layer.config
  const names = dialect === 'legacy' ? (legacyNames[layer.className] ?? {}) : {}
  const fields = Object.entries(config).map(([key, value]) => [names[key] ?? key, plainValue(layer, key, value)])
  const own: JsonObject = Object.fromEntries(fields)
  const head = { name: layer.name, dtype: 'float32' }
  return layer.className === 'InputLayer'
    ? { ...own, ...head, sparse: false }
    : { ...head, trainable: layer.trainable, ...own }
}

function layerJson(layer: KerasLayer, dialect: Dialect): JsonObject {
  const common = { class_name: layer.className, config: layerConfig(layer, dialect) }
  return dialect === 'legacy' ? common : { module: 'keras.layers', ...common, registered_name: null }
}

/** Layers that take a list of tensors as one argument. */
const merging: ReadonlySet<string> = new Set(['Add', 'Multiply', 'Concatenate'])

function inbound(layer: KerasLayer, dialect: Dialect): Json {
  if (layer.inbound.length === 0) return []
  if (dialect === 'legacy') return [layer.inbound.map((name) => [name, 0, 0, {}])]
  const tensors = layer.inbound.map((name): Json => ({
    class_name: '__keras_tensor__',
    config: { dtype: 'float32', keras_history: [name, 0, 0] },
  }))
  return [{ args: merging.has(layer.className) ? [tensors] : tensors, kwargs: {} }]
}

function functionalConfig(model: KerasModel, dialect: Dialect): JsonObject {
  const ends = (names: readonly string[]): Json => names.map((name) => [name, 0, 0])
  return {
    name: model.name,
    trainable: true,
    layers: model.layers.map((layer) => ({
      ...layerJson(layer, dialect),
      name: layer.name,
      inbound_nodes: inbound(layer, dialect),
    })),
    input_layers: ends(model.layers.filter(({ className }) => className === 'InputLayer').map(({ name }) => name)),
    output_layers: ends(model.outputs),
  }
}

/** The model's config with `class_name`; `compile` goes into Keras 3's alone. */
export function kerasConfigJson(model: KerasModel, dialect: Dialect, compile?: KerasCompile): JsonObject {
  const config =
    model.className === 'Functional'
      ? functionalConfig(model, dialect)
      : { name: model.name, trainable: true, layers: model.layers.map((layer) => layerJson(layer, dialect)) }
  if (dialect === 'legacy') return { class_name: model.className, config }
  const whole = { module: 'keras', class_name: model.className, config, registered_name: null }
  return compile === undefined ? whole : { ...whole, compile_config: compile }
}

/** How the model is compiled with its optimizer as it is now; undefined where it is not compiled. */
export function compileWith(
  compile: KerasCompile | undefined,
  optimizer: KerasOptimizer | undefined,
): KerasCompile | undefined {
  if (optimizer === undefined) return compile
  const config = { ...optimizer.config, learning_rate: optimizer.learningRate }
  const own = { module: 'keras.optimizers', class_name: optimizer.className, config, registered_name: null }
  return { loss: null, metrics: null, ...compile, optimizer: own }
}

/** Settings of Keras 3's optimizers that Keras 2 does not know and refuses; null in nearly every file. */
const onlyKeras3: ReadonlySet<string> = new Set(['loss_scale_factor', 'gradient_accumulation_steps'])

/** `compile_config` as the `training_config` of an .h5 file. */
export function trainingConfig(compile: KerasCompile): JsonObject {
  const { optimizer = null, loss = null, metrics = null, loss_weights = null } = compile
  return {
    loss: withoutModules(loss),
    metrics: withoutModules(metrics),
    weighted_metrics: null,
    loss_weights,
    optimizer_config: typeof optimizer === 'string' ? optimizerByName(optimizer) : withoutModules(optimizer),
  }
}

function optimizerByName(name: string): JsonObject {
  return { class_name: name, config: {} }
}

function withoutModules(value: Json): Json {
  if (isList(value)) return value.map(withoutModules)
  if (!isObject(value)) return value
  const kept = Object.entries(value).filter(
    ([key, item]) => key !== 'module' && key !== 'registered_name' && !(onlyKeras3.has(key) && item === null),
  )
  return Object.fromEntries(kept.map(([key, item]) => [key, withoutModules(item)]))
}

/** The other way: an .h5 file's training config as `compile_config`. */
export function compileFromTraining(training: JsonObject): KerasCompile {
  const { optimizer_config: optimizer = null, ...rest } = training
  return { ...rest, optimizer }
}
