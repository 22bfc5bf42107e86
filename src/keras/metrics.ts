/** Metrics under Keras' names: what a batch adds to a mean. Not here: means over batches (run.ts). */
import { UsageError } from '../base/index.js'
import { arange, type Tensor } from '../tensor/index.js'
import type { Config } from './layer.js'
import type { Loss, Prediction } from './losses.js'
import { sameName, snakeCase } from './naming.js'

export interface Metric {
  /** The key in logs and history: 'accuracy'. */
  readonly name: string
  /** Whether more is better; null: neither is known. */
  readonly direction: 'up' | 'down' | null
  /** The sum over the batch, of which means are taken. */
  sum(labels: Tensor, prediction: Prediction): Tensor
  /** As Keras writes it: a name where it was given by name. */
  serialize(): string | Config
}

type Sum = Metric['sum']

const sparseAccuracy: Sum = (labels, { output }) => output.argmax(1).eq(labels).sum()
const categoricalAccuracy: Sum = (labels, { output }) => output.argmax(1).eq(labels.argmax(1)).sum()
const binaryAccuracy =
  (threshold = 0.5): Sum =>
  (labels, { output }) =>
    output.gt(threshold).eq(labels).mean(1).sum()
const squaredError: Sum = (labels, { output }) => output.sub(labels).square().flatten(1).mean(1).sum()

/** The label's score is among the k largest. */
const inTop =
  (k: number): Sum =>
  (labels, { output }) => {
    const isLabel = labels.unsqueeze(1).eq(arange(output.size(1)))
    const score = output.mul(isLabel).sum(1, true)
    return output.gt(score).sum(1).lt(k).sum()
  }

class Named implements Metric {
  readonly name: string
  readonly direction: 'up' | 'down'
  readonly sum: Sum
  readonly #config: Config | null

  constructor(name: string, sum: Sum, direction: 'up' | 'down' = 'up', config: Config | null = null) {
    this.name = name
    this.sum = sum
    this.direction = direction
    this.#config = config
  }

  serialize(): string | Config {
    return this.#config ?? this.name
  }
}

export interface TopKOptions {
  /** Default 5. */
  readonly k?: number
  /** Default: the class's name in snake case, 'sparse_top_k_categorical_accuracy'. */
  readonly name?: string
}

export interface BinaryAccuracyOptions {
  /** Outputs above it are taken for 1; default 0.5, for logits 0. */
  readonly threshold?: number
  /** Default 'binary_accuracy'. */
  readonly name?: string
}

type TopK = (options?: TopKOptions) => Metric

function topK(className: string, sum: (k: number) => Sum): TopK {
  return ({ k = 5, name = snakeCase(className) } = {}) => {
    if (!Number.isInteger(k) || k < 1) throw new UsageError(`${className}: k must be 1 or more, got ${k}`)
    const config = { name, dtype: 'float32', k, from_sorted_ids: false }
    return new Named(name, sum(k), 'up', {
      module: 'keras.metrics',
      class_name: className,
      config,
      registered_name: null,
    })
  }
}

const inTopOneHot =
  (k: number): Sum =>
  (labels, prediction) =>
    inTop(k)(labels.argmax(1), prediction)

/** Those that take an option. */
const topKs = {
  /** How often the label is among the k largest outputs. */
  sparseTopKCategoricalAccuracy: topK('SparseTopKCategoricalAccuracy', inTop),
  /** The same for one-hot labels. */
  topKCategoricalAccuracy: topK('TopKCategoricalAccuracy', inTopOneHot),
} as const

export const metrics = {
  /** How often the class of the largest output is the label. */
  sparseCategoricalAccuracy: (): Metric => new Named('sparse_categorical_accuracy', sparseAccuracy),
  /** The same for one-hot labels. */
  categoricalAccuracy: (): Metric => new Named('categorical_accuracy', categoricalAccuracy),
  /** How often outputs above the threshold are labels of 1, and others of 0. */
  binaryAccuracy: ({ threshold = 0.5, name = 'binary_accuracy' }: BinaryAccuracyOptions = {}): Metric => {
    const config = { name, dtype: 'float32', threshold }
    const whole = { module: 'keras.metrics', class_name: 'BinaryAccuracy', config, registered_name: null }
    return new Named(
      name,
      binaryAccuracy(threshold),
      'up',
      threshold === 0.5 && name === 'binary_accuracy' ? null : whole,
    )
  },
  ...topKs,
  meanSquaredError: (): Metric => new Named('mean_squared_error', squaredError, 'down'),
} as const

const byName: Readonly<Record<string, () => Metric>> = metrics

/** `accuracy` is that of the loss's labels and of the outputs. */
function accuracyFor(name: string, loss: Loss, outputs: readonly number[]): Metric {
  if (loss.labels === 'classes') return new Named(name, sparseAccuracy)
  return new Named(name, outputs.at(-1) === 1 ? binaryAccuracy() : categoricalAccuracy)
}

export type MetricInput = string | Metric | Config

const isMetric = (value: Metric | Config): value is Metric => typeof value['sum'] === 'function'

/** By name, by Keras' configuration, or itself. `outputs`: sizes of an output without the batch. */
export function metricOf(metric: MetricInput, loss: Loss, outputs: readonly number[]): Metric {
  if (typeof metric !== 'string' && isMetric(metric)) return metric
  const config = typeof metric === 'string' ? {} : (metric['config'] ?? {})
  const name = typeof metric === 'string' ? metric : String(metric['class_name'])
  if (name === 'accuracy' || name === 'acc') return accuracyFor(name, loss, outputs)
  const found = Object.keys(byName).find((known) => sameName(known) === sameName(name))
  if (found === undefined)
    throw new UsageError(`compile: there is no metric '${name}'; there are accuracy, ${Object.keys(byName).join(', ')}`)
  const { k = 5, threshold = 0.5, name: given }: Config = { ...(typeof config === 'object' ? config : {}) }
  const named = typeof given === 'string' ? { name: given } : {}
  if (found === 'binaryAccuracy') return metrics.binaryAccuracy({ threshold: Number(threshold), ...named })
  if (!Object.hasOwn(topKs, found)) return byName[found]?.() ?? accuracyFor(name, loss, outputs)
  return topKs[found as keyof typeof topKs]({ k: Number(k), ...named })
}
