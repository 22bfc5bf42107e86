/** What a metric is: what a batch adds, and the figure that sums make. Not here: those that there are (metrics.ts, counts.ts). */
import { cat, type Tensor } from '../tensor/index.js'
import type { Config } from './layer.js'
import type { Prediction } from './losses.js'

export interface Metric {
  /** The key in logs and history: 'accuracy'. */
  readonly name: string
  /** Whether more is better; null: neither is known. */
  readonly direction: 'up' | 'down' | null
  /**
   * What the batch adds: one number, of which means over pictures are taken, or as many as `result` takes.
   * @param weights how much each picture counts, [N]; null: all alike
   */
  sum(labels: Tensor, prediction: Prediction, weights?: Tensor | null): Tensor
  /** The figure of sums over `count` pictures (their weights' sum, where they have weights); default sums[0] / count. */
  result?(sums: readonly number[], count: number): number
  /** Whether `sum` is given the sample weights; default false: every picture counts alike. */
  readonly isWeighted?: boolean
  /** As Keras writes it: a name where it was given by name. */
  serialize(): string | Config
}

export interface MetricOptions {
  /** The key in logs; default: the class's name in snake case, 'mean_squared_error'. */
  readonly name?: string
}

/** A value of each picture or place: [N, …]. */
export type Values = (labels: Tensor, prediction: Prediction) => Tensor

export interface MeanParts {
  readonly values: Values
  readonly direction?: 'up' | 'down'
  readonly config?: Config
  readonly finish?: (mean: number) => number
}

/** The mean of a value over all pictures. */
export function meanMetric(className: string, name: string, parts: MeanParts): Metric {
  const { values, direction = 'up', config = {}, finish = (mean: number) => mean } = parts
  return {
    name,
    direction,
    sum(labels, prediction, weights = null) {
      const each = values(labels, prediction)
      const means = each.dim() === 1 ? each : each.flatten(1).mean(1)
      return (weights ? means.mul(weights) : means).sum()
    },
    result: ([sum = NaN], count) => finish(sum / count),
    serialize: () => configured(className, { name, dtype: 'float32', ...config }),
  }
}

/** What a metric makes of its sums. */
export function figureOf(metric: Metric, sums: readonly number[], count: number): number {
  return metric.result ? metric.result(sums, count) : (sums[0] ?? NaN) / count
}

export const configured = (className: string, config: Config): Config => ({
  module: 'keras.metrics',
  class_name: className,
  config,
  registered_name: null,
})

/** The same figure with sample weights: the sum of the weights stands behind the metric's own sums. */
export function weightedMetric(metric: Metric): Metric {
  return {
    name: metric.name,
    direction: metric.direction,
    isWeighted: true,
    sum(labels, prediction, weights = null) {
      const own = metric.sum(labels, prediction, weights).view(-1)
      if (!weights) throw new Error(`${metric.name}: a weighted metric needs weights`)
      return cat([own, weights.sum().view(1)])
    },
    result: (sums) => figureOf(metric, sums.slice(0, -1), sums.at(-1) ?? NaN),
    serialize: () => metric.serialize(),
  }
}
