/**
 * Epochs and batches: what `fit`, `evaluate` and `predict` run. Not here: one batch (steps.ts), checks of what is given
 * (sequential.ts).
 */
import { Generator, LenetError, pauser, type HostArray } from '../base/index.js'
import { defaultGenerator, endBatch, type Tensor } from '../tensor/index.js'
import type { Logs } from './callbacks/callback.js'
import type { CallbackList } from './callbacks/list.js'
import type { ProgbarLogger } from './callbacks/progbarLogger.js'
import type { Metric } from './metric.js'
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
  /** Begins the validation, and gives what says whether it is to stop. */
  readonly beginTest: () => () => boolean
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

/** Batches one after the other: what is done, and who is told. */
interface Pass {
  readonly length: number
  readonly shuffle?: boolean
  readonly begin: `on${'Train' | 'Test' | 'Predict'}BatchBegin`
  /** Null: nobody listens. */
  readonly tellEnd: ((batch: number) => Promise<void> | undefined) | null
  /** What the progress bar shows. */
  readonly logs: () => Logs
  readonly isStopped: () => boolean
  /** Batches that were done in an earlier run. */
  readonly done?: number
  body(index: Int32Array<ArrayBuffer>): Promise<void>
}

/** Batches, told to callbacks in groups of `perTelling`. */
async function eachBatch({ callbacks, progress, batchSize, perTelling }: RunOptions, pass: Pass): Promise<void> {
  const { length, shuffle = false, begin, tellEnd, done = 0 } = pass
  const pause = pauser()
  const hearsBegin = callbacks.hears(begin)
  const last = Math.ceil(length / batchSize) - 1
  let batch = 0
  for (const index of batchesOf(length, batchSize, shuffle)) {
    if (batch < done) {
      batch++
      continue
    }
    if (hearsBegin && batch % perTelling === 0) await callbacks.tellBatch(begin, batch, noLogs)
    await pass.body(index)
    const isTold = (batch + 1) % perTelling === 0 || batch === last
    if (tellEnd && isTold) await tellEnd(batch)
    if (batch === done) progress?.first()
    if (progress?.isDue === true && isTold) progress.progress(batch + 1, pass.logs())
    batch++
    if (pass.isStopped()) break
    await pause()
  }
}

/** Tells all who listen to that hook; null where nobody does. */
function teller(
  callbacks: CallbackList,
  hook: 'onTrainBatchEnd' | 'onTestBatchEnd',
  logs: () => Logs,
): Pass['tellEnd'] {
  return callbacks.hears(hook) ? (batch) => callbacks.tellBatch(hook, batch, logs()) : null
}

function rowsAt({ inputs, labels, weights }: Data, index: Int32Array<ArrayBuffer>): Batch {
  const places = new Places(index)
  return { inputs: inputs.at(places).float(), labels: labels.at(places), weights: weights?.at(places) ?? null }
}

/** [loss, metrics…] and logs of a whole pass. */
export async function test(options: RunOptions, data: Data, begin: FitOptions['beginTest']): Promise<Means> {
  const isStopped = begin()
  const means = new Means(options.metrics)
  const { callbacks, steps } = options
  await callbacks.tell('onTestBegin')
  const logs = (): Logs => means.logs()
  await eachBatch(options, {
    length: data.inputs.length,
    begin: 'onTestBatchBegin',
    tellEnd: teller(callbacks, 'onTestBatchEnd', logs),
    logs,
    isStopped,
    body: async (index) => means.add(await steps.test(rowsAt(data, index)), index.length),
  })
  await callbacks.tell('onTestEnd', means.logs())
  return means
}

/**
 * Outputs batch by batch, in our order.
 * @param take is given them with the row of the first, and gives them as callbacks see them
 */
export async function predict(
  options: RunOptions,
  inputs: Rows,
  take: (output: HostArray, first: number) => () => Tensor,
  isStopped: () => boolean,
): Promise<void> {
  const { callbacks, steps } = options
  await callbacks.tell('onPredictBegin')
  let done = 0
  let outputs: (() => Tensor) | null = null
  const hears = callbacks.hears('onPredictBatchEnd')
  await eachBatch(options, {
    length: inputs.length,
    begin: 'onPredictBatchBegin',
    tellEnd: hears ? (batch) => callbacks.tellPredicted(batch, outputs ? { outputs: outputs() } : {}) : null,
    logs: () => noLogs,
    isStopped,
    async body(index) {
      const found = await steps.predict(inputs.at(new Places(index)).float())?.toTypedArrayAsync()
      if (found) outputs = take(found, done)
      done += index.length
    },
  })
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
    bad = values[0]?.[0] ?? NaN
  }
  const stops = (): boolean => {
    if (!Number.isFinite(bad) && !isStopped()) throw diverged(bad, epoch, batch)
    return isStopped() || signal?.aborted === true
  }
  const logs = (): Logs => means.logs()
  await eachBatch(options, {
    length: data.inputs.length,
    shuffle: options.shuffle,
    begin: 'onTrainBatchBegin',
    tellEnd: teller(options.callbacks, 'onTrainBatchEnd', logs),
    logs,
    isStopped: stops,
    done,
    body,
  })
  if (!validation || signal?.aborted === true) return means.logs()
  const held = { ...options, progress: null, batchSize: options.validationBatchSize }
  const validated = await test(held, validation, options.beginTest)
  return { ...means.logs(), ...validated.logs('val_') }
}

function diverged(loss: number, epoch: number, batch: number): LenetError {
  return new LenetError(
    `the loss is ${loss} at epoch ${epoch + 1}, batch ${batch}: training has diverged; try a smaller learning rate, or pictures divided by 255`,
  )
}
