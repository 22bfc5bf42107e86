/** Configurations of models and compilations, as Keras writes them. Not here: those of layers (layers/fromConfig.ts). */
import { LenetError, UsageError } from '../base/index.js'
import type { Config, Layer } from './layer.js'
import { asConfig } from './layers/fromConfig.js'
import { MeanSquaredError, type Loss, type LossName } from './losses.js'
import type { Metric } from './metric.js'
import { metricOf, type MetricInput, type MetricName } from './metrics.js'
import type { Optimizer } from './optimizer.js'
import type { OptimizerName } from './optimizers.js'

export interface CompileOptions {
  /** A name or an optimizer; default 'rmsprop'. */
  readonly optimizer?: Optimizer | OptimizerName | Config
  readonly loss: Loss | LossName | Config
  /** Names or metrics; default none. */
  readonly metrics?: readonly MetricInput[]
  /** Metrics in which pictures count by `sampleWeight` or `classWeight`; default none. */
  readonly weightedMetrics?: readonly MetricInput[]
  /** What the loss is multiplied by; Keras writes a list or an object of one number. Default 1. */
  readonly lossWeights?: number | readonly number[] | Readonly<Record<string, number>>
  /** Batches between two calls of callbacks; default 1. */
  readonly stepsPerExecution?: number
}

export const compileOptions = [
  'optimizer',
  'loss',
  'metrics',
  'weightedMetrics',
  'lossWeights',
  'stepsPerExecution',
] as const

/** What `compile` was told, and made of it. */
export interface Compilation {
  readonly options: CompileOptions
  readonly optimizer: Optimizer
  readonly loss: Loss
  readonly lossWeight: number
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

/** The number of `lossWeights`. Throws UsageError for what is not one number. */
export function lossWeightOf({ lossWeights = 1 }: CompileOptions): number {
  const values: readonly unknown[] = typeof lossWeights === 'number' ? [lossWeights] : Object.values(lossWeights)
  const [weight] = values
  if (values.length === 1 && typeof weight === 'number' && Number.isFinite(weight)) return weight
  throw new UsageError(
    `compile: lossWeights must be one number, as many as there are outputs, got ${JSON.stringify(lossWeights)}`,
  )
}

const isMetric = (metric: MetricInput): metric is Metric =>
  typeof metric !== 'string' && typeof metric['serialize'] === 'function'

export function compileConfigOf({ optimizer, loss, options }: Compilation): Config {
  const listOf = (metrics: readonly MetricInput[]): unknown[] =>
    metrics.map((metric) => (isMetric(metric) ? metric.serialize() : metric))
  const { metrics = [], weightedMetrics, lossWeights = null, stepsPerExecution: steps_per_execution = 1 } = options
  const weighted = { loss_weights: lossWeights, weighted_metrics: weightedMetrics ? listOf(weightedMetrics) : null }
  const fixed = { run_eagerly: false, jit_compile: false }
  const own = { optimizer: optimizer.serialize(), loss: loss.serialize(), metrics: listOf(metrics) }
  return { ...own, ...weighted, steps_per_execution, ...fixed }
}

/** Says what is wrong with a metric of a file; null: nothing. */
function problemOf(metric: MetricInput): string | null {
  try {
    metricOf(metric, new MeanSquaredError(), [1])
    return null
  } catch (error) {
    if (error instanceof UsageError) return error.message
    throw error
  }
}

/** @param warn told of metrics that are not known here: the model is compiled without them */
export function readCompileConfig(config: Config, warn: (text: string) => void): CompileOptions {
  const part = <T extends string>(value: unknown): T | Config =>
    typeof value === 'string' ? (value as T) : asConfig(value, 'the compilation')
  const listOf = (metrics: unknown): MetricInput[] => {
    const list: unknown[] = Array.isArray(metrics) ? metrics.flat() : []
    return list
      .map((metric) => part<MetricName>(metric))
      .filter((metric) => {
        const problem = problemOf(metric)
        if (problem !== null) warn(`${problem}; the model is compiled without it`)
        return problem === null
      })
  }
  const { optimizer, loss, metrics, weighted_metrics, loss_weights, steps_per_execution } = config
  const weights = loss_weights as CompileOptions['lossWeights'] | null
  return {
    optimizer: part<OptimizerName>(optimizer),
    loss: part<LossName>(loss),
    metrics: listOf(metrics),
    ...(Array.isArray(weighted_metrics) && { weightedMetrics: listOf(weighted_metrics) }),
    ...(weights !== null && weights !== undefined && { lossWeights: weights }),
    stepsPerExecution: typeof steps_per_execution === 'number' ? steps_per_execution : 1,
  }
}
