/**
 * How a model is compiled (optimizer, loss, metrics), between Keras 3's `compile_config` and the `training_config` of .h5
 * files. Read from either, it is one thing here: Keras 3's, without what Keras 2 alone writes.
 * Not here: the optimizer's state (kerasOptimizer.ts).
 * Source: keras/src/legacy/saving/saving_utils.py of Keras 3.15; tf_keras/src/optimizers of tf_keras 2.21.
 */
import { isList, isObject, type Json, type JsonObject } from './kerasJson.js'
import type { KerasCompile, KerasOptimizer } from './kerasTypes.js'

/** What Keras 2 writes and Keras 3 refuses. */
const onlyKeras2: ReadonlySet<string> = new Set(['fn', 'is_legacy_optimizer', 'jit_compile'])

/** In the words of Keras 3: built-in classes without "Custom>", Keras 2's wrapped metrics by their names. */
export function plainCompile(value: JsonObject): KerasCompile {
  const { optimizer_config: optimizer, ...rest } = value
  const whole: JsonObject = optimizer === undefined ? rest : { ...rest, optimizer }
  return Object.fromEntries(Object.entries(whole).map(([key, item]) => [key, plainValue(item)]))
}

function plainValue(value: Json): Json {
  if (isList(value)) {
    const items = value.map(plainValue)
    const [only] = items
    return items.length === 1 && isList(only) ? only : items // Keras 2's metrics, by output
  }
  if (!isObject(value)) return value
  const config = value['config'] ?? null
  if (value['class_name'] === 'MeanMetricWrapper' && isObject(config)) return config['name'] ?? null
  const kept = Object.entries(value).filter(([key]) => !onlyKeras2.has(key))
  return Object.fromEntries(
    kept.map(([key, item]) => {
      if (key === 'class_name' && typeof item === 'string') return [key, item.replace(/^Custom>/, '')]
      return [key, key === 'reduction' && item === 'auto' ? 'sum_over_batch_size' : plainValue(item)]
    }),
  )
}

/** The loss of the one output, also where it stands in a list or by the output's name. */
function lossOf(compile: KerasCompile): Json {
  const loss = compile['loss'] ?? null
  if (isList(loss)) return loss.length === 1 ? (loss[0] ?? null) : null
  if (!isObject(loss) || 'class_name' in loss) return loss
  const all = Object.values(loss)
  return all.length === 1 ? (all[0] ?? null) : null
}

/** What makes probabilities of the outputs by how a model was compiled; undefined where classes exclude each other, or it is open. */
export function activationOfLoss(compile: KerasCompile = {}): 'sigmoid' | 'none' | undefined {
  const loss = lossOf(compile)
  const given = isObject(loss) ? (loss['class_name'] === 'function' ? loss['config'] : loss['class_name']) : loss
  if (typeof given !== 'string' || !/^binary_?(focal_?)?crossentropy$/i.test(given)) return undefined
  const config = isObject(loss) ? (loss['config'] ?? null) : null
  return isObject(config) && config['from_logits'] === true ? 'sigmoid' : 'none'
}

const modules = { optimizer: 'keras.optimizers', loss: 'keras.losses', metrics: 'keras.metrics' } as const

/** As .keras wants it: every object with its module, the optimizer as it is now. Undefined where nothing is compiled. */
export function compileConfig(compile: KerasCompile | undefined, optimizer?: KerasOptimizer): KerasCompile | undefined {
  const whole = withOptimizer(compile, optimizer)
  if (whole === undefined) return undefined
  return {
    ...whole,
    optimizer: withModule(whole['optimizer'] ?? null, modules.optimizer),
    loss: withModule(whole['loss'] ?? null, modules.loss),
    metrics: withModule(whole['metrics'] ?? null, modules.metrics),
  }
}

function withModule(value: Json, module: string): Json {
  if (isList(value)) return value.map((item) => withModule(item, module))
  if (!isObject(value) || typeof value['class_name'] !== 'string' || 'module' in value) return value
  return { module, ...value, registered_name: null }
}

function withOptimizer(
  compile: KerasCompile | undefined,
  optimizer: KerasOptimizer | undefined,
): KerasCompile | undefined {
  if (optimizer === undefined) return compile
  const config = { ...optimizer.config, learning_rate: optimizer.learningRate }
  return { loss: null, metrics: null, ...compile, optimizer: { class_name: optimizer.className, config } }
}

/** As .h5 wants it, in a form that Keras 2 and 3 both read. */
export function trainingConfig(compile: KerasCompile | undefined, optimizer?: KerasOptimizer): JsonObject | undefined {
  const whole = withOptimizer(compile, optimizer)
  if (whole === undefined) return undefined
  return {
    loss: withoutModules(whole['loss'] ?? null),
    metrics: withoutModules(whole['metrics'] ?? null),
    weighted_metrics: null,
    loss_weights: whole['loss_weights'] ?? null,
    optimizer_config: plainOptimizer(whole['optimizer'] ?? null),
  }
}

function withoutModules(value: Json): Json {
  if (isList(value)) return value.map(withoutModules)
  if (!isObject(value)) return value
  const kept = Object.entries(value).filter(([key]) => key !== 'module' && key !== 'registered_name')
  return Object.fromEntries(kept.map(([key, item]) => [key, withoutModules(item)]))
}

/** Settings that Keras 2's optimizers do not take, left out where they say nothing. */
const emaSettings: ReadonlySet<string> = new Set(['use_ema', 'ema_momentum', 'ema_overwrite_frequency', 'jit_compile'])

function plainOptimizer(value: Json): Json {
  if (!isObject(value)) return typeof value === 'string' ? { class_name: value, config: {} } : value
  const plain = withoutModules(value)
  const config: Json = isObject(plain) ? (plain['config'] ?? {}) : {}
  if (!isObject(plain) || !isObject(config)) return plain
  const hasEma = config['use_ema'] === true
  const kept = Object.entries(config).filter(([key, item]) => item !== null && (hasEma || !emaSettings.has(key)))
  return { ...plain, config: Object.fromEntries(kept) }
}
