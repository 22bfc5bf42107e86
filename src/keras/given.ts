/** What people give to fit and evaluate, and as rows. Not here: rows themselves (rows.ts), labels (labels.ts). */
import { expectOptions, LenetError, showShape, UsageError, isMap } from '../base/index.js'
import { fromArray, type Tensor, type TensorData } from '../tensor/index.js'
import type { Callback } from './callbacks/callback.js'
import { labelRows } from './labels.js'
import { asTensor, expectWhole } from './layer.js'
import type { Loss } from './losses.js'
import type { Metric } from './metric.js'
import type { Verbose } from './progbar.js'
import { Places, Rows } from './rows.js'
import type { Data } from './run.js'

/** Pictures [N, height, width, channels] or vectors [N, features]: a tensor, or nested numbers. */
export type Inputs = Tensor | TensorData

/** By class number. */
export type ClassWeights = Readonly<Record<number, number>> | ReadonlyMap<number, number>

export interface FitOptions {
  /** The epoch to train to; default 1. */
  readonly epochs?: number
  /** Default 32. */
  readonly batchSize?: number
  /** Evaluated after each epoch. */
  readonly validationData?: readonly [x: Inputs, y: Inputs, sampleWeight?: Inputs | undefined]
  /** How much pictures of each class count in the loss, by class number; 1 where nothing is said. */
  readonly classWeight?: ClassWeights
  /** How much each picture counts in the loss: [N]. */
  readonly sampleWeight?: Inputs
  /** Pictures at a time when they are evaluated: it changes only the time. Default `batchSize`. */
  readonly validationBatchSize?: number
  /** The last part of the data, before shuffling, is not trained on but evaluated; a fraction of 1. */
  readonly validationSplit?: number
  /** Another order in each epoch; default true. */
  readonly shuffle?: boolean
  /** The first epoch, from 0: to go on; default 0. */
  readonly initialEpoch?: number
  /** Our own: batches of that epoch that are done already; its order is drawn as if from its beginning. Default 0. */
  readonly initialBatch?: number
  readonly callbacks?: readonly Callback[]
  /** 0: silent, 1 or 'auto' (default): a progress bar, 2: a line an epoch. */
  readonly verbose?: Verbose | 'auto'
  /** Stops after the batch in progress. */
  readonly signal?: AbortSignal
}

export interface EvaluateOptions {
  /** Default 32. */
  readonly batchSize?: number
  readonly verbose?: Verbose | 'auto'
  readonly callbacks?: readonly Callback[]
  /** How much each picture counts in the loss: [N]. */
  readonly sampleWeight?: Inputs
}

export type PredictOptions = Omit<EvaluateOptions, 'sampleWeight'>

const predictOptions = ['batchSize', 'verbose', 'callbacks']
const evaluateOptions = [...predictOptions, 'sampleWeight']
const known = {
  fit: [
    ...evaluateOptions,
    'epochs',
    'classWeight',
    'validationData',
    'validationSplit',
    'validationBatchSize',
    'shuffle',
    'initialEpoch',
    'initialBatch',
    'signal',
  ],
  evaluate: evaluateOptions,
  predict: predictOptions,
} as const

/** Throws UsageError for an option that is not there, and for one that makes no sense. */
export function checkOptions(what: keyof typeof known, options: FitOptions): void {
  expectOptions(what, options, known[what])
  const { batchSize = 32, epochs = 1, initialEpoch = 0, verbose = 'auto' } = options
  expectWhole(what, 'batchSize', batchSize)
  expectWhole(what, 'validationBatchSize', options.validationBatchSize ?? batchSize)
  expectWhole(what, 'epochs', epochs)
  expectWhole(what, 'initialEpoch', initialEpoch, 0)
  if (![0, 1, 2, 'auto'].includes(verbose))
    throw new UsageError(`${what}: verbose must be 0, 1, 2 or 'auto', got ${String(verbose)}`)
}

/** As many rows of both. Throws LenetError where they do not fit together, or the loss. */
export async function dataOf(
  loss: Loss,
  outputs: readonly number[],
  [x, y, sampleWeight]: readonly [x: Inputs, y: Inputs, sampleWeight?: Inputs | undefined],
): Promise<Data> {
  const [inputs, labels] = [new Rows(asTensor(x)), await labelRows(asTensor(y), loss, outputs)]
  if (inputs.length !== labels.length)
    throw new LenetError(
      `Data cardinality is ambiguous. Make sure all arrays contain the same number of samples. 'x' sizes: ${inputs.length}, 'y' sizes: ${labels.length}`,
    )
  if (inputs.length === 0) throw new LenetError('there are no pictures: the data has no rows')
  return { inputs, labels, weights: sampleWeight === undefined ? null : weightRows(sampleWeight, labels.length) }
}

function weightRows(given: Inputs, count: number): Rows {
  const weights = asTensor(given)
  if (weights.dim() === 1 && weights.size(0) === count) return new Rows(weights.float())
  throw new LenetError(
    `sampleWeight: expects one number a picture, [${count}], got the shape ${showShape(weights.shape)}`,
  )
}

/** With weights of 1 where a metric wants weights and there are none. */
export function withWeights(data: Data, metrics: readonly Metric[]): Data {
  if (data.weights || metrics.every(({ isWeighted }) => isWeighted !== true)) return data
  const { length } = data.labels
  return { ...data, weights: new Rows(fromArray(new Float32Array(length).fill(1), [length], 'f32')) }
}

/** A weight a picture, by its class. Throws UsageError where pictures have weights of their own already. */
export async function byClass(data: Data, classWeight: ClassWeights | undefined): Promise<Data> {
  if (classWeight === undefined) return data
  if (data.weights) throw new UsageError('fit: You cannot use `classWeight` and `sampleWeight` at the same time.')
  const entries = isMap(classWeight) ? [...classWeight] : Object.entries(classWeight)
  const known = new Map(entries.map(([label, weight]) => [Number(label), weight]))
  for (const [label, weight] of known)
    if (!Number.isInteger(label) || typeof weight !== 'number' || !(weight >= 0))
      throw new UsageError(`fit: classWeight must give a number of 0 or more by class number, got ${label}: ${weight}`)
  const weights = Float32Array.from(await classesOf(data.labels), (label) => known.get(label) ?? 1)
  return { ...data, weights: new Rows(fromArray(weights, [weights.length], 'f32')) }
}

/** The class of each row; of several values, which of them is the largest. */
async function classesOf(labels: Rows): Promise<number[]> {
  const all = labels.at(new Places(Int32Array.from({ length: labels.length }, (_, i) => i)))
  const values = Array.from(await all.toTypedArrayAsync())
  const size = values.length / labels.length
  if (size === 1) return values
  return Array.from({ length: labels.length }, (_, n) => {
    const row = values.slice(n * size, (n + 1) * size)
    return row.indexOf(Math.max(...row))
  })
}

/** The last part, before any shuffling, is held back for validation: a fraction of 1; none by default. */
export function split(data: Data, share = 0): { data: Data; validation: Data | null } {
  if (share === 0) return { data, validation: null }
  const count = data.inputs.length
  const at = Math.floor(count * (1 - share))
  if (!(share > 0 && share < 1) || at === 0 || at === count)
    throw new UsageError(`fit: validationSplit ${share} of ${count} pictures leaves nothing on one side`)
  const part = (from: number, to: number): Data => {
    const { inputs, labels, weights } = data
    return { inputs: inputs.part(from, to), labels: labels.part(from, to), weights: weights?.part(from, to) ?? null }
  }
  return { data: part(0, at), validation: part(at, count) }
}
