/**
 * Metrics that count what was found over all batches: precision, recall, F1, AUC. Labels have the outputs' shape, 0 or 1.
 * Not here: metrics that are means (metrics.ts).
 */
import { expectOptions, UsageError } from '../base/index.js'
import { cat, fromArray, type Tensor } from '../tensor/index.js'
import type { Prediction } from './losses.js'
import { configured, type Metric, type MetricOptions } from './metric.js'

export interface CountOptions extends MetricOptions {
  /** Outputs above it are taken for found; default 0.5. */
  readonly threshold?: number
  /** Of outputs [N, C], the one class that is looked at; default all alike. */
  readonly classId?: number
}

/** What is there and what is given as [N, places], for one class or all. */
interface Pairs {
  readonly labels: Tensor
  readonly output: Tensor
}

function pairs(what: string, labels: Tensor, output: Tensor): Pairs {
  if (labels.dim() !== output.dim())
    throw new UsageError(
      `${what} needs labels of the outputs' shape: zeros and ones, one-hot for several classes; class numbers have only accuracies`,
    )
  return { labels: labels.ne(0).float().flatten(1), output: output.flatten(1) }
}

/** [N, …] times [N]. */
const weigh = (values: Tensor, weights: Tensor | null): Tensor =>
  weights ? values.mul(weights.view(-1, ...values.shape.slice(1).map(() => 1))) : values

const ratio = (part: number, whole: number): number => (whole > 0 ? part / whole : 0)

/** Hits over all that is found, or over all that is there. */
function hitRate(className: string, options: CountOptions, wholeOf: (given: Pairs) => Tensor): Metric {
  expectOptions(className, options, ['name', 'threshold', 'classId'])
  const { name = className.toLowerCase(), threshold = 0.5, classId = null } = options
  if (typeof threshold !== 'number' || !(threshold >= 0 && threshold <= 1))
    throw new UsageError(`${className}: threshold must be one number from 0 to 1, got ${String(threshold)}`)
  const config = { thresholds: options.threshold ?? null, top_k: null, class_id: classId }
  return {
    name,
    direction: 'up',
    sum(labels, { output }, weights = null) {
      const all = pairs(className, labels, output)
      const found = all.output.gt(threshold).float()
      const given = { labels: ofClass(all.labels, classId), output: ofClass(found, classId) }
      const hits = weigh(given.labels.mul(given.output), weights).sum()
      return cat([hits.view(1), weigh(wholeOf(given), weights).sum().view(1)])
    },
    result: ([hits = NaN, whole = NaN]) => ratio(hits, whole),
    serialize: () => configured(className, { name, dtype: 'float32', ...config }),
  }
}

const ofClass = (values: Tensor, classId: number | null): Tensor =>
  classId === null ? values : values.narrow(1, classId, 1)

/** Of what is found, how much is right. Source: keras.metrics.Precision. */
export const precisionMetric = (options: CountOptions = {}): Metric =>
  hitRate('Precision', options, ({ output }) => output)

/** Of what is there, how much is found. Source: keras.metrics.Recall. */
export const recallMetric = (options: CountOptions = {}): Metric => hitRate('Recall', options, ({ labels }) => labels)

export interface F1Options extends MetricOptions {
  /**
   * How the classes' figures become one: their mean ('macro'), weighted by how often each is there ('weighted'), or of all
   * counts together ('micro'). Keras' default, null, gives a figure a class: here for one class alone.
   */
  readonly average?: 'micro' | 'macro' | 'weighted' | null
  /** Outputs above it are taken for found; default null: the largest of a picture alone. */
  readonly threshold?: number | null
}

/** Outputs [N, C] and one-hot labels. Source: keras.metrics.F1Score. */
export function f1Metric(options: F1Options = {}): Metric {
  expectOptions('F1Score', options, ['name', 'average', 'threshold'])
  const { name = 'f1_score', average = null, threshold = null } = options
  if (average !== null && !['micro', 'macro', 'weighted'].includes(average))
    throw new UsageError(`F1Score: average must be 'micro', 'macro', 'weighted' or null, got ${String(average)}`)
  return {
    name,
    direction: 'up',
    sum(labels, { output }, weights = null) {
      const given = pairs('F1Score', labels, output)
      if (average === null && given.output.size(1) > 1)
        throw new UsageError(
          `F1Score: for ${given.output.size(1)} classes pass average: 'macro', 'weighted' or 'micro'; logs hold one number a metric`,
        )
      const found = foundIn(given, threshold)
      return cat([found.mul(given.labels), found, given.labels].map((each) => weigh(each, weights).sum(0)))
    },
    result: (sums) => f1Of(sums, average),
    serialize: () => configured('F1Score', { name, dtype: 'float32', average, threshold }),
  }
}

function foundIn({ output }: Pairs, threshold: number | null): Tensor {
  if (threshold !== null) return output.gt(threshold).float()
  return output.ge(output.max(1, true).values).float()
}

/** @param sums hits, found and there of each class */
function f1Of(sums: readonly number[], average: F1Options['average']): number {
  const classes = sums.length / 3
  const part = (which: number): readonly number[] => sums.slice(which * classes, (which + 1) * classes)
  const [hits, found, there] = [part(0), part(1), part(2)]
  const total = (list: readonly number[]): number => list.reduce((sum, value) => sum + value, 0)
  const f1 = (hit: number, both: number): number => ratio(2 * hit, both)
  if (average === 'micro') return f1(total(hits), total(found) + total(there))
  const each = hits.map((hit, i) => f1(hit, (found[i] ?? 0) + (there[i] ?? 0)))
  if (average === 'weighted') return ratio(total(each.map((value, i) => value * (there[i] ?? 0))), total(there))
  return total(each) / classes
}

export interface AUCOptions extends MetricOptions {
  /** Default 200. */
  readonly numThresholds?: number
  /** 'ROC' (default): hits over false alarms; 'PR': precision over recall. */
  readonly curve?: 'ROC' | 'PR'
  /** The model gives logits: they go through a sigmoid first; default false. */
  readonly fromLogits?: boolean
}

const edge = 1e-7

/** The area under a curve of hits over thresholds, by trapezoids. Source: keras.metrics.AUC. */
export function aucMetric(options: AUCOptions = {}): Metric {
  expectOptions('AUC', options, ['name', 'numThresholds', 'curve', 'fromLogits'])
  const { name = 'auc', numThresholds = 200, curve = 'ROC', fromLogits = false } = options
  if (!Number.isInteger(numThresholds) || numThresholds < 2)
    throw new UsageError(`AUC: numThresholds must be a whole number of 2 or more, got ${String(numThresholds)}`)
  if (curve !== 'ROC' && curve !== 'PR') throw new UsageError(`AUC: curve must be 'ROC' or 'PR', got ${String(curve)}`)
  const inner = Array.from({ length: numThresholds - 2 }, (_, i) => (i + 1) / (numThresholds - 1))
  const thresholds = fromArray(Float32Array.from([-edge, ...inner, 1 + edge]), [1, 1, numThresholds], 'f32')
  const config = { num_thresholds: numThresholds, curve, from_logits: fromLogits }
  return {
    name,
    direction: 'up',
    sum(labels, prediction, weights = null) {
      const given = pairs('AUC', labels, scoresOf(prediction, fromLogits))
      const there = weigh(given.labels, weights)
      const absent = weigh(given.labels.neg().add(1), weights)
      const isFound = given.output.unsqueeze(2).gt(thresholds).float()
      const counted = (each: Tensor): Tensor => isFound.mul(each.unsqueeze(2)).sum(0).sum(0)
      return cat([counted(there), counted(absent), there.sum().view(1), absent.sum().view(1)])
    },
    result: (sums) => areaUnder(countsOf(sums, numThresholds), curve),
    serialize: () => configured('AUC', { name, dtype: 'float32', ...otherOptions, ...config }),
  }
}

/** Keras' other options, as they are by default. */
const otherOptions = { summation_method: 'interpolation', multi_label: false, num_labels: null, label_weights: null }

const scoresOf = ({ output }: Prediction, fromLogits: boolean): Tensor => (fromLogits ? output.sigmoid() : output)

/** By rising threshold: hits and false alarms; and how much there is to find, and not to find. */
interface Counts {
  readonly hits: readonly number[]
  readonly alarms: readonly number[]
  readonly there: number
  readonly absent: number
}

const countsOf = (sums: readonly number[], count: number): Counts => ({
  hits: sums.slice(0, count),
  alarms: sums.slice(count, 2 * count),
  there: sums[2 * count] ?? NaN,
  absent: sums[2 * count + 1] ?? NaN,
})

function areaUnder(counts: Counts, curve: 'ROC' | 'PR'): number {
  const step = curve === 'ROC' ? rocStep : prStep
  return counts.hits.slice(1).reduce((area, _, i) => area + step(counts, i), 0)
}

/** The trapezoid between threshold i and the next. */
function rocStep({ hits, alarms, there, absent }: Counts, i: number): number {
  const at = (list: readonly number[], whole: number, k: number): number => ratio(list[k] ?? NaN, whole)
  const width = at(alarms, absent, i) - at(alarms, absent, i + 1)
  return (width * (at(hits, there, i) + at(hits, there, i + 1))) / 2
}

/**
 * Between two thresholds hits rise with false alarms on a line, and precision does not. Source: Davis and Goadrich, "The
 * Relationship Between Precision-Recall and ROC Curves" (2006).
 */
function prStep({ hits, alarms, there }: Counts, i: number): number {
  const [hit = NaN, next = NaN] = hits.slice(i, i + 2)
  const [found, foundNext] = [hit + (alarms[i] ?? NaN), next + (alarms[i + 1] ?? NaN)]
  const slope = ratio(hit - next, found - foundNext)
  const growth = found > 0 && foundNext > 0 ? Math.log(found / foundNext) : 0
  return ratio(slope * (hit - next + (next - slope * foundNext) * growth), there)
}
