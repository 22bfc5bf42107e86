/**
 * What is told of a training by Keras' `fit`: the events of `lenet train`, times of steps, and the state from which it goes
 * on within an epoch. Not here: files (trainKeras.ts), the training itself (keras).
 */
import { Callback, type Logs } from '../keras/index.js'
import { randomState, setRandomState, tierInUse, type RandomState, type TierName } from '../tensor/index.js'
import { logEvery, StepTimes, type EpochEvent, type LogEvent, type Means, type Progress } from '../train/index.js'

export interface KerasWatchOptions {
  /** Pictures, and how many in a batch. */
  readonly count: number
  readonly batchSize: number
  readonly from?: Progress | undefined
  readonly onEvent: (event: LogEvent | EpochEvent) => void
  /** After each batch of training: epoch from 1, batches done of it. */
  readonly onBatch?: (epoch: number, batch: number, means: Means) => void
  readonly onEpochEnd?: () => void
}

interface Sums {
  readonly loss: number // of all pictures
  readonly correct: number
  readonly seen: number
  readonly batches: number
}

const none: Sums = { loss: 0, correct: 0, seen: 0, batches: 0 }

const combine = (a: Sums, b: Sums, sign: 1 | -1): Sums => ({
  loss: a.loss + sign * b.loss,
  correct: a.correct + sign * b.correct,
  seen: a.seen + sign * b.seen,
  batches: a.batches + sign * b.batches,
})

const meansOf = ({ loss, correct, seen }: Sums): Means => ({ loss: loss / seen, accuracy: correct / seen })

export class KerasWatch extends Callback {
  readonly #options: KerasWatchOptions
  readonly #times = new StepTimes()
  /** Sums of this epoch that an earlier run has made. */
  #carried: Sums = none
  #whole: Sums = none
  #logged: Sums = none
  #epoch = 0
  #batch = 0
  #epochStart: RandomState = randomState()
  #goOn: RandomState | null = null
  #epochBegan = 0
  #stepBegan = 0

  constructor(options: KerasWatchOptions) {
    super()
    this.#options = options
    const { from } = options
    if (!from) return
    this.#epoch = from.epoch
    this.#batch = from.batch
    this.#carried = this.#whole = from.whole
    this.#logged = combine(from.whole, from.window, -1)
    this.#epochStart = from.epochStart
    this.#goOn = from.now
    setRandomState(from.batch > 0 ? from.epochStart : from.now)
  }

  /** NaN before the first step that counts. */
  get medianStepMs(): number {
    return this.#times.median()
  }

  /** What those steps ran on. */
  get tier(): TierName {
    return this.#times.tier ?? tierInUse()
  }

  /** Where it stands between two steps, apart from weights and the optimizer's state. */
  get progress(): Progress {
    const now = this.#goOn ?? randomState()
    const window = combine(this.#whole, this.#logged, -1)
    return { epoch: this.#epoch, batch: this.#batch, epochStart: this.#epochStart, now, window, whole: this.#whole }
  }

  override onEpochBegin(): void {
    this.#epochBegan = performance.now()
    if (this.#batch > 0) return
    this.#epochStart = randomState()
    this.#goOn = null
  }

  override onTrainBatchBegin(): void {
    this.#resume()
    this.#stepBegan = performance.now()
  }

  /** The order of the epoch is drawn anew from its beginning; what comes after goes on from where it stood. */
  #resume(): void {
    if (this.#goOn) setRandomState(this.#goOn)
    this.#goOn = null
  }

  override onTrainBatchEnd(batch: number, logs: Logs): void {
    this.#times.add(performance.now() - this.#stepBegan, tierInUse())
    this.#batch = batch + 1
    this.#whole = this.#sumsAt(batch + 1, logs)
    if (this.#batch % logEvery === 0) this.#log()
    this.#options.onBatch?.(this.#epoch + 1, this.#batch, meansOf(this.#whole))
  }

  /** Keras tells means since this run's part of the epoch began. */
  #sumsAt(batch: number, { loss = NaN, accuracy = NaN }: Logs): Sums {
    const seen = Math.min(batch * this.#options.batchSize, this.#options.count)
    const own = seen - this.#carried.seen
    const correct = this.#carried.correct + Math.round(accuracy * own)
    return { loss: this.#carried.loss + loss * own, correct, seen, batches: batch }
  }

  #log(): void {
    const means = meansOf(combine(this.#whole, this.#logged, -1))
    this.#logged = this.#whole
    this.#options.onEvent({ event: 'log', epoch: this.#epoch + 1, batch: this.#batch, ...means })
  }

  override onEpochEnd(epoch: number, logs: Logs): void {
    this.#resume() // where no batch was left
    const means = meansOf(this.#whole)
    Object.assign(logs, means) // of the whole epoch, where this run has trained only its rest
    const { val_loss: valLoss, val_accuracy: valAccuracy } = logs
    const validated = valLoss === undefined || valAccuracy === undefined ? {} : { valLoss, valAccuracy }
    const seconds = (performance.now() - this.#epochBegan) / 1000
    this.#options.onEvent({ event: 'epoch', epoch: epoch + 1, ...means, ...validated, seconds })
    this.#epoch = epoch + 1
    this.#batch = 0
    this.#carried = this.#whole = this.#logged = none
    this.#options.onEpochEnd?.()
  }
}

/** Asks after each batch of an evaluation whether a signal came. */
export class StopCheck extends Callback {
  readonly #check: () => void
  constructor(check: () => void) {
    super()
    this.#check = check
  }
  override onTestBatchEnd(): void {
    this.#check()
  }
}
