/** Metrics under Keras' names. Not here: what a metric is (metric.ts), those that count hits (counts.ts). */
import { expectOptions, UsageError, type Shape } from '../base/index.js'
import { arange } from '../tensor/index.js'
import { aucMetric, f1Metric, precisionMetric, recallMetric } from './counts.js'
import { classDim } from './dims.js'
import type { Config } from './layer.js'
import { lossNamed, type Loss } from './losses.js'
import { meanMetric, weightedMetric, type MeanParts, type Metric, type MetricOptions, type Values } from './metric.js'
import { sameName, snakeCase, type SnakeCase } from './naming.js'

const sparseHits: Values = (labels, { output }) => output.argmax(1).eq(labels).float()
const categoricalHits: Values = (labels, { output }) => {
  const dim = classDim(output)
  return output.argmax(dim).eq(labels.argmax(dim)).float()
}
const binaryHits =
  (threshold: number): Values =>
  (labels, { output }) =>
    output.gt(threshold).eq(labels).float().mean(classDim(output))
const squares: Values = (labels, { output }) => output.sub(labels).square().mean(classDim(output))
const distances: Values = (labels, { output }) => output.sub(labels).abs().mean(classDim(output))

/** The label's score is among the k largest. */
const inTop =
  (k: number): Values =>
  (labels, { output }) => {
    const isLabel = labels.unsqueeze(1).eq(arange(output.size(1)))
    const score = output.mul(isLabel).sum(1, true)
    return output.gt(score).sum(1).lt(k).float()
  }

const inTopOneHot =
  (k: number): Values =>
  (labels, prediction) =>
    inTop(k)(labels.argmax(1), prediction)

/** Of a class that takes a name and no more. */
function plain(className: string, parts: MeanParts): (options?: MetricOptions) => Metric {
  return (options = {}) => {
    expectOptions(className, options, ['name'])
    return meanMetric(className, options.name ?? snakeCase(className), parts)
  }
}

export interface TopKOptions extends MetricOptions {
  /** Default 5. */
  readonly k?: number
}

function topK(className: string, values: (k: number) => Values): (options?: TopKOptions) => Metric {
  return (options = {}) => {
    expectOptions(className, options, ['name', 'k'])
    const { k = 5, name = snakeCase(className) } = options
    if (!Number.isInteger(k) || k < 1) throw new UsageError(`${className}: k must be 1 or more, got ${String(k)}`)
    return meanMetric(className, name, { values: values(k), config: { k, from_sorted_ids: false } })
  }
}

export interface BinaryAccuracyOptions extends MetricOptions {
  /** Outputs above it are taken for 1; default 0.5, for logits 0. */
  readonly threshold?: number
}

function binaryAccuracy(options: BinaryAccuracyOptions = {}): Metric {
  expectOptions('BinaryAccuracy', options, ['name', 'threshold'])
  const { threshold = 0.5, name = 'binary_accuracy' } = options
  if (typeof threshold !== 'number')
    throw new UsageError(`BinaryAccuracy: threshold must be a number, got ${String(threshold)}`)
  return meanMetric('BinaryAccuracy', name, { values: binaryHits(threshold), config: { threshold } })
}

/** A loss's value as a metric, by Keras' name of both. */
const ofLoss =
  (className: string, known: readonly string[]) =>
  (options: MetricOptions = {}): Metric => {
    expectOptions(className, options, ['name', ...known])
    const loss = lossNamed(className)?.(options)
    if (!loss) throw new Error(`there is no loss ${className}`)
    const { name: _name, reduction: _reduction, ...config } = Object(loss.serialize()['config']) as Config
    return meanMetric(className, options.name ?? snakeCase(className), {
      values: (labels, prediction) => loss.values(labels, prediction),
      direction: 'down',
      config,
    })
  }

const smoothOptions = ['fromLogits', 'labelSmoothing']

export const metrics = {
  /** How often the class of the largest output is the label. */
  sparseCategoricalAccuracy: plain('SparseCategoricalAccuracy', { values: sparseHits }),
  /** The same for one-hot labels. */
  categoricalAccuracy: plain('CategoricalAccuracy', { values: categoricalHits }),
  /** How often outputs above the threshold are labels of 1, and others of 0. */
  binaryAccuracy,
  /** How often the label is among the k largest outputs. */
  sparseTopKCategoricalAccuracy: topK('SparseTopKCategoricalAccuracy', inTop),
  /** The same for one-hot labels. */
  topKCategoricalAccuracy: topK('TopKCategoricalAccuracy', inTopOneHot),
  meanSquaredError: plain('MeanSquaredError', { values: squares, direction: 'down' }),
  meanAbsoluteError: plain('MeanAbsoluteError', { values: distances, direction: 'down' }),
  rootMeanSquaredError: plain('RootMeanSquaredError', { values: squares, direction: 'down', finish: Math.sqrt }),
  binaryCrossentropy: ofLoss('BinaryCrossentropy', smoothOptions),
  categoricalCrossentropy: ofLoss('CategoricalCrossentropy', smoothOptions),
  sparseCategoricalCrossentropy: ofLoss('SparseCategoricalCrossentropy', ['fromLogits', 'ignoreClass']),
  /** Of what is found, how much is right. */
  precision: precisionMetric,
  /** Of what is there, how much is found. */
  recall: recallMetric,
  /** The area under the curve of what is found over thresholds. */
  auc: aucMetric,
  /** The harmonic mean of precision and recall, by class and their mean. */
  f1Score: f1Metric,
} as const

const byName: Readonly<Record<string, (options: object) => Metric>> = {
  ...metrics,
  mse: metrics.meanSquaredError,
  mae: metrics.meanAbsoluteError,
}

/** 'accuracy' is that of the loss's labels and of the outputs; the others are the metrics' names, in Keras' spelling too. */
export type MetricName = 'accuracy' | 'acc' | 'mse' | 'mae' | keyof typeof metrics | SnakeCase<keyof typeof metrics>

export type MetricInput = MetricName | Metric | Config

/** `accuracy` is that of the loss's labels and of the outputs. */
function accuracyFor(name: string, loss: Loss, outputs: Shape): Metric {
  const options = { name }
  if (loss.labels === 'classes') return metrics.sparseCategoricalAccuracy(options)
  return outputs.at(-1) === 1 ? metrics.binaryAccuracy(options) : metrics.categoricalAccuracy(options)
}

/** Keras' names of options. */
const optionNames: Readonly<Record<string, string>> = {
  name: 'name',
  k: 'k',
  threshold: 'threshold',
  thresholds: 'threshold',
  from_logits: 'fromLogits',
  label_smoothing: 'labelSmoothing',
  num_thresholds: 'numThresholds',
  curve: 'curve',
  average: 'average',
  class_id: 'classId',
}

/** What changes nothing as it is: the value that Keras writes by default. */
const fixed: Readonly<Record<string, unknown>> = {
  dtype: 'float32',
  from_sorted_ids: false,
  top_k: null,
  summation_method: 'interpolation',
  multi_label: false,
  num_labels: null,
  label_weights: null,
  axis: -1,
  fn: undefined,
}

/** Options of Keras' configuration; throws UsageError for those that would change the figure and are not known. */
function optionsOf(what: string, config: unknown): object {
  const options: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(config ?? {})) {
    const name = optionNames[key]
    if (name !== undefined) {
      if (value !== null) options[name] = value
    } else if (fixed[key] !== value && !isPolicy(key))
      throw new UsageError(`compile: the metric ${what} has ${key}: ${JSON.stringify(value)}, which is not known here`)
  }
  return options
}

/** Which numbers Keras computes with, or its function's name. */
const isPolicy = (key: string): boolean => key === 'dtype' || key === 'fn'

const isMetric = (value: Metric | Config): value is Metric => typeof value['sum'] === 'function'

/** By name, by Keras' configuration, or itself. `outputs`: sizes of an output without the batch. */
export function metricOf(metric: MetricInput, loss: Loss, outputs: Shape): Metric {
  if (typeof metric !== 'string' && isMetric(metric)) return metric
  const isName = typeof metric === 'string'
  const name = isName ? metric : String(metric['class_name'])
  if (name === 'accuracy' || name === 'acc') return accuracyFor(name, loss, outputs)
  const make = Object.entries(byName).find(([known]) => sameName(known) === sameName(name))?.[1]
  if (!make)
    throw new UsageError(`compile: there is no metric '${name}'; there are accuracy, ${Object.keys(byName).join(', ')}`)
  return make(isName ? { name } : optionsOf(name, metric['config']))
}

/** Metrics of both lists of a compilation under names of their own, as Keras gives them: accuracy, accuracy_1, … */
export function namedApart(metrics: readonly Metric[], weighted: readonly Metric[]): Metric[] {
  const counts = new Map<string, number>()
  const apart = (metric: Metric, prefix: string): Metric => {
    const name = counts.has(metric.name) ? prefix + metric.name : metric.name
    const count = counts.get(name) ?? 0
    counts.set(name, count + 1)
    return renamed(metric, count === 0 ? name : `${name}_${count}`)
  }
  return [
    ...metrics.map((metric) => apart(metric, '')),
    ...weighted.map((metric) => apart(weightedMetric(metric), 'weighted_')),
  ]
}

/** A metric of somebody's own class keeps its methods. */
const renamed = (metric: Metric, name: string): Metric =>
  name === metric.name ? metric : Object.create(metric, { name: { value: name, enumerable: true } })
