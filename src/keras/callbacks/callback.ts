/** Callback: what is told during training, under Keras' names in camelCase. Not here: who tells (run.ts). */
import { expectOptions } from '../../base/index.js'
import type { Tensor } from '../../tensor/index.js'
import type { Model } from '../model.js'
import type { Logs } from '../progbar.js'

export type { Logs }

/** May be a promise: training goes on when it is there. */
export type Told = void | Promise<void>

export interface CallbackParams {
  readonly verbose: 0 | 1 | 2
  readonly epochs: number
  /** Batches in an epoch. */
  readonly steps: number
}

/** What is told of a predicted batch. */
export interface PredictLogs {
  readonly outputs?: Tensor
}

/** Source: keras.callbacks.Callback. Epochs and batches are counted from 0. */
export class Callback {
  params: CallbackParams = { verbose: 0, epochs: 1, steps: 0 }
  #model: Model | null = null

  /** The model that is trained. */
  get model(): Model {
    if (!this.#model) throw new Error('a callback has no model before training begins')
    return this.#model
  }

  setModel(model: Model): void {
    this.#model = model
  }

  setParams(params: CallbackParams): void {
    this.params = params
  }

  onTrainBegin(_logs: Logs): Told {}
  onTrainEnd(_logs: Logs): Told {}
  onEpochBegin(_epoch: number, _logs: Logs): Told {}
  /** `logs` may be added to: later callbacks and the history see it. */
  onEpochEnd(_epoch: number, _logs: Logs): Told {}
  onTrainBatchBegin(_batch: number, _logs: Logs): Told {}
  onTrainBatchEnd(_batch: number, _logs: Logs): Told {}
  onTestBegin(_logs: Logs): Told {}
  onTestEnd(_logs: Logs): Told {}
  onTestBatchBegin(_batch: number, _logs: Logs): Told {}
  onTestBatchEnd(_batch: number, _logs: Logs): Told {}
  onPredictBegin(_logs: Logs): Told {}
  onPredictEnd(_logs: Logs): Told {}
  onPredictBatchBegin(_batch: number, _logs: Logs): Told {}
  /** `outputs`: of this batch, in Keras' order of dimensions. */
  onPredictBatchEnd(_batch: number, _logs: PredictLogs): Told {}
}

const lambdaHooks = [
  'onTrainBegin',
  'onTrainEnd',
  'onEpochBegin',
  'onEpochEnd',
  'onTrainBatchBegin',
  'onTrainBatchEnd',
] as const

export type LambdaHooks = Partial<Pick<Callback, (typeof lambdaHooks)[number]>>

/** A callback of functions. Source: keras.callbacks.LambdaCallback. */
export class LambdaCallback extends Callback {
  constructor(hooks: LambdaHooks) {
    super()
    expectOptions('LambdaCallback', hooks, lambdaHooks)
    Object.assign(this, hooks)
  }
}

/** What was told after each epoch. Source: keras.callbacks.History. */
export class History extends Callback {
  /** One list a key: loss, accuracy, val_loss, val_accuracy, … */
  readonly history: Record<string, number[]> = {}
  /** The epochs, from 0. */
  epoch: number[] = []

  override onTrainBegin(): void {
    this.epoch = []
  }

  override onEpochEnd(epoch: number, logs: Logs): void {
    this.epoch.push(epoch)
    for (const [name, value] of Object.entries(logs)) (this.history[name] ??= []).push(value)
  }
}
