/** A training's epochs as plain objects in camelCase, the form of our other trainings' events (room train). */
import { Callback, type Logs } from './callback.js'

/** Means over the epoch; accuracies are fractions of 1, NaN where the model was compiled without that metric. */
export interface KerasEpochEvent {
  readonly event: 'epoch'
  readonly epoch: number // from 1
  readonly loss: number
  readonly accuracy: number
  readonly valLoss?: number
  readonly valAccuracy?: number
  readonly seconds: number
}

/** Tells each epoch when it is over, validation included. */
export class EpochEvents extends Callback {
  readonly #tell: (event: KerasEpochEvent) => void
  #start = 0

  constructor(tell: (event: KerasEpochEvent) => void) {
    super()
    this.#tell = tell
  }

  override onEpochBegin(): void {
    this.#start = performance.now()
  }

  override onEpochEnd(epoch: number, logs: Logs): void {
    const { loss = NaN, accuracy = NaN, val_loss: valLoss, val_accuracy: valAccuracy } = logs
    const seconds = (performance.now() - this.#start) / 1000
    const validated = { ...(valLoss !== undefined && { valLoss }), ...(valAccuracy !== undefined && { valAccuracy }) }
    this.#tell({ event: 'epoch', epoch: epoch + 1, loss, accuracy, ...validated, seconds })
  }
}
