/** What people give to fit and evaluate, and as rows. Not here: rows themselves (rows.ts), labels (labels.ts). */
import { LenetError, UsageError } from '../base/index.js'
import type { Tensor, TensorData } from '../tensor/index.js'
import type { Callback } from './callbacks/callback.js'
import { labelRows } from './labels.js'
import { asTensor, expectWhole } from './layer.js'
import type { Loss } from './losses.js'
import type { Verbose } from './progbar.js'
import { Rows } from './rows.js'
import type { Data } from './run.js'

/** Pictures [N, height, width, channels] or vectors [N, features]: a tensor, or nested numbers. */
export type Inputs = Tensor | TensorData

export interface FitOptions {
  /** The epoch to train to; default 1. */
  readonly epochs?: number
  /** Default 32. */
  readonly batchSize?: number
  /** Evaluated after each epoch. */
  readonly validationData?: readonly [x: Inputs, y: Inputs]
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
}

export type PredictOptions = EvaluateOptions

const evaluateOptions = ['batchSize', 'verbose', 'callbacks']
const known = {
  fit: [
    ...evaluateOptions,
    'epochs',
    'validationData',
    'validationSplit',
    'validationBatchSize',
    'shuffle',
    'initialEpoch',
    'initialBatch',
    'signal',
  ],
  evaluate: evaluateOptions,
  predict: evaluateOptions,
} as const

/** Throws UsageError for an option that is not there, and for one that makes no sense. */
export function checkOptions(what: keyof typeof known, options: FitOptions): void {
  const list: readonly string[] = known[what]
  for (const name of Object.keys(options))
    if (!list.includes(name)) throw new UsageError(`${what}: there is no option ${name}; there are ${list.join(', ')}`)
  const { batchSize = 32, epochs = 1, initialEpoch = 0, verbose = 'auto' } = options
  expectWhole(what, 'batchSize', batchSize)
  expectWhole(what, 'validationBatchSize', options.validationBatchSize ?? batchSize)
  expectWhole(what, 'epochs', epochs)
  expectWhole(what, 'initialEpoch', initialEpoch, 0)
  if (![0, 1, 2, 'auto'].includes(verbose))
    throw new UsageError(`${what}: verbose must be 0, 1, 2 or 'auto', got ${String(verbose)}`)
}

/** As many rows of both. Throws LenetError where they do not fit together, or the loss. */
export function dataOf(loss: Loss, outputs: readonly number[], x: Inputs, y: Inputs): Data {
  const [inputs, labels] = [new Rows(asTensor(x)), labelRows(asTensor(y), loss, outputs)]
  if (inputs.length !== labels.length)
    throw new LenetError(
      `Data cardinality is ambiguous. Make sure all arrays contain the same number of samples. 'x' sizes: ${inputs.length}, 'y' sizes: ${labels.length}`,
    )
  if (inputs.length === 0) throw new LenetError('there are no pictures: the data has no rows')
  return { inputs, labels }
}

/** The last part, before any shuffling, is held back for validation: a fraction of 1; none by default. */
export function split(data: Data, share = 0): { data: Data; validation: Data | null } {
  if (share === 0) return { data, validation: null }
  const count = data.inputs.length
  const at = Math.floor(count * (1 - share))
  if (!(share > 0 && share < 1) || at === 0 || at === count)
    throw new UsageError(`fit: validationSplit ${share} of ${count} pictures leaves nothing on one side`)
  const part = (from: number, to: number): Data => {
    return { inputs: data.inputs.part(from, to), labels: data.labels.part(from, to) }
  }
  return { data: part(0, at), validation: part(at, count) }
}
