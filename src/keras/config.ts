/** Configurations of models and compilations, as Keras writes them. Not here: those of layers (layers/fromConfig.ts). */
import { LenetError } from '../base/index.js'
import type { Config, Layer } from './layer.js'
import { asConfig } from './layers/fromConfig.js'
import type { Loss } from './losses.js'
import type { Metric, MetricInput } from './metrics.js'
import type { Optimizer } from './optimizer.js'

export interface CompileOptions {
  /** A name or an optimizer; default 'rmsprop'. */
  readonly optimizer?: Optimizer | string | Config
  readonly loss: Loss | string | Config
  /** Names or metrics; default none. */
  readonly metrics?: readonly MetricInput[]
  /** Batches between two calls of callbacks; default 1. */
  readonly stepsPerExecution?: number
}

/** What `compile` was told, and made of it. */
export interface Compilation {
  readonly options: CompileOptions
  readonly optimizer: Optimizer
  readonly loss: Loss
}

interface Configured {
  readonly name: string
  readonly trainable: boolean
  readonly inputShape: readonly number[] | null
  readonly allLayers: readonly Layer[]
}

export function configOf({ name, trainable, inputShape, allLayers }: Configured): Config {
  const dtype = { module: 'keras', class_name: 'DTypePolicy', config: { name: 'float32' }, registered_name: null }
  const input = inputShape ? { build_input_shape: [null, ...inputShape] } : {}
  return { name, trainable, dtype, layers: allLayers.map((layer) => layer.serialize()), ...input }
}

export interface ModelConfig {
  readonly name: string | undefined
  readonly layers: readonly unknown[]
  /** What the model was built for, without the batch. */
  readonly sizes: readonly number[] | null
}

export function readConfig(config: unknown): ModelConfig {
  const { name, layers, build_input_shape } = asConfig(config, 'the model')
  if (!Array.isArray(layers)) throw new LenetError('the model has no list of layers in its configuration')
  const sizes: unknown[] = Array.isArray(build_input_shape) ? build_input_shape.slice(1) : []
  const known = sizes.filter((size) => typeof size === 'number')
  const isKnown = known.length > 0 && known.length === sizes.length
  return { name: typeof name === 'string' ? name : undefined, layers, sizes: isKnown ? known : null }
}

const isMetric = (metric: MetricInput): metric is Metric =>
  typeof metric !== 'string' && typeof metric['serialize'] === 'function'

export function compileConfigOf({ optimizer, loss, options }: Compilation): Config {
  const metrics = (options.metrics ?? []).map((metric) => (isMetric(metric) ? metric.serialize() : metric))
  const steps_per_execution = options.stepsPerExecution ?? 1
  const fixed = { loss_weights: null, weighted_metrics: null, run_eagerly: false, jit_compile: false }
  return { optimizer: optimizer.serialize(), loss: loss.serialize(), metrics, steps_per_execution, ...fixed }
}

export function readCompileConfig({ optimizer, loss, metrics, steps_per_execution }: Config): CompileOptions {
  const part = (value: unknown): string | Config =>
    typeof value === 'string' ? value : asConfig(value, 'the compilation')
  const list: unknown[] = Array.isArray(metrics) ? metrics : []
  return {
    optimizer: part(optimizer),
    loss: part(loss),
    metrics: list.map(part),
    stepsPerExecution: typeof steps_per_execution === 'number' ? steps_per_execution : 1,
  }
}
