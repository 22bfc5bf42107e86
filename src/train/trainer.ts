/**
 * The training loop: epochs of batches, events, a state from which it can go on to the same bits.
 * Not here: files (cli), evaluation (evaluate.ts), what net on which pictures.
 */
import { LenetError, pauser } from '../base/index.js'
import { DataLoader, type Dataset } from '../data/index.js'
import { nn, type optim } from '../nn/index.js'
import { compileStep, randomState, setRandomState, tierInUse, type RandomState, type Tensor } from '../tensor/index.js'
import type { TierName } from '../tensor/index.js'
import type { TrainEvent } from './events.js'
import { evaluateNet, type Net } from './evaluate.js'
import { StepTimes } from './stepTimes.js'

/** Batches between two log events. */
export const logEvery = 500

export interface TrainerOptions {
  readonly net: Net
  /**
   * Record a step and repeat it (compileStep), which spares some ten microseconds a step. Only for a net whose `forward`
   * does the same each time, whatever else changes. Default false.
   */
  readonly recordSteps?: boolean
  readonly optimizer: optim.Optimizer<{ lr: number }>
  readonly set: Dataset
  readonly batchSize: number
  readonly epochs: number
  /** Evaluated after each epoch. */
  readonly validation?: Dataset | undefined
  readonly onEvent: (event: TrainEvent) => void
  /** Called after each step with the epoch (from 1), the batches done of it, and the means since the last log event. */
  readonly onStep?: (epoch: number, batch: number, means: () => Means) => void
  /** Called when a whole epoch is done: the moment to save a checkpoint. */
  readonly onEpochEnd?: () => void
  readonly signal?: AbortSignal
}

export interface Means {
  readonly loss: number
  readonly accuracy: number
}

/** Where a training stands between two steps, apart from parameters and the optimizer's state. */
export interface Progress {
  readonly epoch: number // epochs done
  readonly batch: number // batches done of the next one
  /** Random numbers when that epoch began, and now. */
  readonly epochStart: RandomState
  readonly now: RandomState
  /** Sums since the last log event, and since the epoch began. */
  readonly window: Sums
  readonly whole: Sums
}

export interface Sums {
  readonly loss: number
  readonly correct: number
  readonly seen: number
  readonly batches: number
}

/** Adds up losses and right answers. */
class Tally {
  #loss: number
  #correct: number
  #seen: number
  #batches: number

  constructor(sums: Sums = { loss: 0, correct: 0, seen: 0, batches: 0 }) {
    this.#loss = sums.loss
    this.#correct = sums.correct
    this.#seen = sums.seen
    this.#batches = sums.batches
  }

  add(loss: number, correct: number, pictures: number): void {
    this.#loss += loss
    this.#correct += correct
    this.#seen += pictures
    this.#batches++
  }

  sums(): Sums {
    return { loss: this.#loss, correct: this.#correct, seen: this.#seen, batches: this.#batches }
  }

  means(): Means {
    const { loss, correct, seen, batches } = this.sums()
    return { loss: loss / batches, accuracy: correct / seen }
  }
}

export class Trainer {
  readonly #options: TrainerOptions
  readonly #times = new StepTimes()
  readonly #trainStep: (inputs: Tensor, labels: Tensor) => [loss: Tensor, correct: Tensor]
  readonly #criterion = new nn.CrossEntropyLoss()
  readonly #pause = pauser()
  readonly #resumed: Progress | undefined
  #epoch = 0
  #batch = 0
  #epochStart: RandomState = randomState()
  #window = new Tally()
  #whole = new Tally()

  constructor(options: TrainerOptions, from?: Progress) {
    this.#options = options
    const learn = (inputs: Tensor, labels: Tensor): [Tensor, Tensor] => this.#learn(inputs, labels)
    this.#trainStep = options.recordSteps === true ? compileStep(learn) : learn
    if (!from) return
    this.#resumed = from
    this.#epoch = from.epoch
    this.#batch = from.batch
    this.#epochStart = from.epochStart
    this.#window = new Tally(from.window)
    this.#whole = new Tally(from.whole)
    setRandomState(from.batch > 0 ? from.epochStart : from.now)
  }

  /** Milliseconds of a whole step on `tier`, the median; NaN before the first that counts. */
  get medianStepMs(): number {
    return this.#times.median()
  }

  /** What the last steps ran on; what `medianStepMs` is of. */
  get tier(): TierName {
    return this.#times.tier ?? tierInUse()
  }

  progress(): Progress {
    const [epochStart, now] = [this.#epochStart, randomState()]
    const [window, whole] = [this.#window.sums(), this.#whole.sums()]
    return { epoch: this.#epoch, batch: this.#batch, epochStart, now, window, whole }
  }

  /** Trains to the last epoch. Returns false if the signal stopped it first. Throws LenetError when the loss is NaN. */
  async run(): Promise<boolean> {
    const { epochs, net, onEpochEnd, signal } = this.#options
    net.train()
    while (this.#epoch < epochs) {
      if (signal?.aborted) return false // before the epoch's order is drawn: whoever goes on draws it then
      if (!(await this.#runEpoch())) return false
      onEpochEnd?.()
    }
    return true
  }

  async #runEpoch(): Promise<boolean> {
    const { set, batchSize, signal, validation, net } = this.#options
    const start = performance.now()
    if (this.#batch === 0) this.#epochStart = randomState()
    const loader = new DataLoader(set, { batchSize, shuffle: true })
    let skip = this.#batch
    for (const [inputs, labels] of loader) {
      if (skip > 0) {
        if (--skip === 0 && this.#resumed) setRandomState(this.#resumed.now)
        continue
      }
      if (signal?.aborted) return false
      await this.#step(inputs, labels)
      await this.#pause()
    }
    const validated = validation && (await evaluateNet(net, validation))
    const seconds = (performance.now() - start) / 1000
    const values = validated && { valLoss: validated.loss, valAccuracy: validated.accuracy }
    this.#options.onEvent({ event: 'epoch', epoch: this.#epoch + 1, ...this.#whole.means(), ...values, seconds })
    this.#epoch++
    this.#batch = 0
    this.#window = new Tally()
    this.#whole = new Tally()
    return true
  }

  async #step(inputs: Tensor, labels: Tensor): Promise<void> {
    const start = performance.now()
    const { onStep } = this.#options
    const found = this.#trainStep(inputs, labels).map((value) => value.itemAsync())
    const [loss = NaN, correct = NaN] = await Promise.all(found)
    this.#account(loss, correct, labels.size(0))
    this.#times.add(performance.now() - start, tierInUse())
    onStep?.(this.#epoch + 1, this.#batch, () => this.#window.means())
    if (this.#batch % logEvery === 0) this.#log()
  }

  /** One step; loss and number of right answers. */
  #learn(inputs: Tensor, labels: Tensor): [loss: Tensor, correct: Tensor] {
    const { net, optimizer } = this.#options
    const outputs = net(inputs)
    const loss = this.#criterion(outputs, labels)
    const correct = outputs.detach().max(1).indices.eq(labels).sum()
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return [loss, correct]
  }

  #account(loss: number, correct: number, pictures: number): void {
    this.#batch++
    if (!Number.isFinite(loss)) {
      throw new LenetError(
        `the loss is ${loss} at epoch ${this.#epoch + 1}, batch ${this.#batch}: training has diverged; try a smaller --lr`,
      )
    }
    this.#window.add(loss, correct, pictures)
    this.#whole.add(loss, correct, pictures)
  }

  #log(): void {
    this.#options.onEvent({ event: 'log', epoch: this.#epoch + 1, batch: this.#batch, ...this.#window.means() })
    this.#window = new Tally()
  }
}
