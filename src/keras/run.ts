/**
 * Epochs and batches: what `fit`, `evaluate` and `predict` run. Not here: one batch (steps.ts), checks of what is given
 * (sequential.ts).
 */
import { Generator, LenetError, pauser, type HostArray } from '../base/index.js'
import { defaultGenerator, endBatch } from '../tensor/index.js'
import type { Logs } from './callbacks/callback.js'
import type { CallbackList } from './callbacks/list.js'
import type { ProgbarLogger } from './callbacks/progbarLogger.js'
import type { Metric } from './metrics.js'
import { Places, type Rows } from './rows.js'
import { Means, type Batch, type Steps } from './steps.js'

/** Pictures and their labels, as many rows of both. */
export interface Data {
  readonly inputs: Rows
  readonly labels: Rows
  /** How much each row counts in the loss; null: all alike. */
  readonly weights: Rows | null
}

export interface RunOptions {
  readonly steps: Steps
  readonly metrics: readonly Metric[]
  readonly callbacks: CallbackList
  readonly progress: ProgbarLogger | null
  readonly batchSize: number
  /** Batches between two tellings. */
  readonly perTelling: number
}

export interface FitOptions extends RunOptions {
  readonly data: Data
  readonly validation: Data | null
  readonly validationBatchSize: number
  readonly shuffle: boolean
  readonly epochs: number
  /** Called at the beginning of training: a callback may have changed the first epoch. */
  readonly firstEpoch: () => number
  /** Batches of the first epoch that were done in an earlier run. */
  readonly initialBatch: number
  readonly isStopped: () => boolean
  readonly signal: AbortSignal | undefined
  /** Called after each update. */
  readonly onUpdate: () => void
}

/** Indices of the batches of a pass, one after the other. */
function* batchesOf(
  length: number,
  batchSize: number,
  shuffle: boolean,
): globalThis.Generator<Int32Array<ArrayBuffer>> {
  const order = shuffle
    ? new Int32Array(new Generator(defaultGenerator.random64()).randperm(length))
    : Int32Array.from({ length }, (_, i) => i)
  for (let start = 0; start < length; start += batchSize) {
    endBatch()
    yield order.slice(start, start + batchSize)
  }
}

const noLogs: Logs = {}

/** Batches, told to callbacks in groups of `perTelling`. */
async function eachBatch(
  { callbacks, progress, batchSize, perTelling }: RunOptions,
  [length, shuffle]: readonly [number, boolean],
  hooks: 'Train' | 'Test' | 'Predict',
  body: (index: Int32Array<ArrayBuffer>) => Promise<void>,
  logs: () => Logs,
  isStopped: () => boolean = () => false,
  done = 0,
): Promise<void> {
  const pause = pauser()
  const [begin, end] = [`on${hooks}BatchBegin`, `on${hooks}BatchEnd`] as const
  const [hearsBegin, hearsEnd] = [callbacks.hears(begin), callbacks.hears(end)]
  const last = Math.ceil(length / batchSize) - 1
  let batch = 0
  for (const index of batchesOf(length, batchSize, shuffle)) {
    if (batch < done) {
      batch++
      continue
    }
    if (hearsBegin && batch % perTelling === 0) await callbacks.tellBatch(begin, batch, noLogs)
    await body(index)
    const isTold = (batch + 1) % perTelling === 0 || batch === last
    if (hearsEnd && isTold) await callbacks.tellBatch(end, batch, logs())
    if (batch === done) progress?.first()
    if (progress?.isDue === true && isTold) progress.progress(batch + 1, logs())
    batch++
    if (isStopped()) break
    await pause()
  }
}

function rowsAt({ inputs, labels, weights }: Data, index: Int32Array<ArrayBuffer>): Batch {
  const places = new Places(index)
  return { inputs: inputs.at(places).float(), labels: labels.at(places), weights: weights?.at(places) ?? null }
}

/** [loss, metrics…] and logs of a whole pass. */
export async function test(options: RunOptions, data: Data): Promise<Means> {
  const means = new Means(options.metrics)
  const { callbacks, steps } = options
  await callbacks.tell('onTestBegin')
  const body = async (index: Int32Array<ArrayBuffer>): Promise<void> => {
    means.add(await steps.test(rowsAt(data, index)), index.length)
  }
  await eachBatch(options, [data.inputs.length, false], 'Test', body, () => means.logs())
  await callbacks.tell('onTestEnd', means.logs())
  return means
}

/** Outputs of all rows, in our order. */
export async function predict(
  options: RunOptions,
  inputs: Rows,
  take: (output: HostArray, first: number) => void,
): Promise<void> {
  const { callbacks, steps } = options
  await callbacks.tell('onPredictBegin')
  let done = 0
  const body = async (index: Int32Array<ArrayBuffer>): Promise<void> => {
    const found = await steps.predict(inputs.at(new Places(index)).float())?.toTypedArrayAsync()
    if (found) take(found, done)
    done += index.length
  }
  await eachBatch(options, [inputs.length, false], 'Predict', body, () => noLogs)
  await callbacks.tell('onPredictEnd')
}

/** Trains to the last epoch, or until it is stopped. Throws LenetError when the loss is not a number any more. */
export async function train(options: FitOptions): Promise<void> {
  const { callbacks, epochs, isStopped } = options
  const isAborted = (): boolean => options.signal?.aborted === true
  await callbacks.tell('onTrainBegin')
  let logs: Logs = {}
  const first = options.firstEpoch()
  for (let epoch = first; epoch < epochs && !isAborted(); epoch++) {
    await callbacks.tellEpoch('onEpochBegin', epoch)
    logs = await trainEpoch(options, epoch, epoch === first ? options.initialBatch : 0)
    if (isAborted()) break
    await callbacks.tellEpoch('onEpochEnd', epoch, logs)
    if (isStopped()) break
  }
  // Whoever broke it off wants to go on later: nothing is cleaned up.
  if (!isAborted()) await callbacks.tell('onTrainEnd', logs)
}

async function trainEpoch(options: FitOptions, epoch: number, done: number): Promise<Logs> {
  const { data, steps, isStopped, signal, validation, onUpdate } = options
  const means = new Means(options.metrics)
  let [batch, bad] = [done, NaN]
  const body = async (index: Int32Array<ArrayBuffer>): Promise<void> => {
    const values = await steps.train(rowsAt(data, index), index.length)
    onUpdate()
    means.add(values, index.length)
    batch++
    bad = values[0] ?? NaN
  }
  const stops = (): boolean => {
    if (!Number.isFinite(bad) && !isStopped()) throw diverged(bad, epoch, batch)
    return isStopped() || signal?.aborted === true
  }
  await eachBatch(options, [data.inputs.length, options.shuffle], 'Train', body, () => means.logs(), stops, done)
  if (!validation || signal?.aborted === true) return means.logs()
  const validated = await test({ ...options, progress: null, batchSize: options.validationBatchSize }, validation)
  return { ...means.logs(), ...validated.logs('val_') }
}

function diverged(loss: number, epoch: number, batch: number): LenetError {
  return new LenetError(
    `the loss is ${loss} at epoch ${epoch + 1}, batch ${batch}: training has diverged; try a smaller learning rate, or pictures divided by 255`,
  )
}
