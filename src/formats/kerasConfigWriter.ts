/**
 * A KerasModel as the JSON of Keras 3 (.keras), or as the older form that Keras 2, Keras 3 and TF.js read from .h5 and
 * model.json: `batch_input_shape`, dtypes as texts, no modules, no initializers (their defaults do: weights follow).
 * Not here: reading (kerasConfig.ts).
 */
import { isList, type Json, type JsonObject } from './kerasJson.js'
import type { KerasLayer } from './kerasLayers.js'
import type { KerasCompile, KerasModel } from './kerasTypes.js'
import { placeLayers } from './kerasVariables.js'
import type { NetShape } from './netShapes.js'

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
const merging: ReadonlySet<string> = new Set([
  'Add',
  'Subtract',
  'Multiply',
  'Average',
  'Maximum',
  'Minimum',
  'Concatenate',
])

/** [C, H, W] → [null, H, W, C]. */
function batchShape(shape: NetShape): Json {
  return shape.length === 3 ? [null, shape[1] ?? null, shape[2] ?? null, shape[0] ?? null] : [null, ...shape]
}

function inbound(layer: KerasLayer, dialect: Dialect, shapes: ReadonlyMap<string, NetShape>): Json {
  if (layer.inbound.length === 0) return []
  if (dialect === 'legacy') return [layer.inbound.map((name) => [name, 0, 0, {}])]
  const tensors = layer.inbound.map((name): Json => ({
    class_name: '__keras_tensor__',
    config: { shape: batchShape(shapes.get(name) ?? []), dtype: 'float32', keras_history: [name, 0, 0] },
  }))
  return [{ args: merging.has(layer.className) ? [tensors] : tensors, kwargs: {} }]
}

function functionalConfig(model: KerasModel, dialect: Dialect): JsonObject {
  const ends = (names: readonly string[]): Json => {
    const [first, ...others] = names.map((name) => [name, 0, 0])
    return dialect === 'keras3' && first !== undefined && others.length === 0
      ? first
      : names.map((name) => [name, 0, 0])
  }
  const placed = placeLayers(model, 'the model being saved')
  const shapes = new Map(placed.map(({ layer, output }) => [layer.name, output]))
  return {
    name: model.name,
    trainable: true,
    layers: model.layers.map((layer) => ({
      ...layerJson(layer, dialect),
      name: layer.name,
      inbound_nodes: inbound(layer, dialect, shapes),
    })),
    input_layers: ends(model.inputs),
    output_layers: ends(model.outputs),
  }
}

const modelClass = {
  Sequential: { module: 'keras', registered_name: null },
  Functional: { module: 'keras.src.models.functional', registered_name: 'Functional' },
} as const

/** The model's config with `class_name`; `compile` goes into Keras 3's alone. */
export function kerasConfigJson(model: KerasModel, dialect: Dialect, compile?: KerasCompile): JsonObject {
  const config =
    model.className === 'Functional'
      ? functionalConfig(model, dialect)
      : { name: model.name, trainable: true, layers: model.layers.map((layer) => layerJson(layer, dialect)) }
  if (dialect === 'legacy') return { class_name: model.className, config }
  const whole = { ...modelClass[model.className], class_name: model.className, config }
  return compile === undefined ? whole : { ...whole, compile_config: compile }
}
