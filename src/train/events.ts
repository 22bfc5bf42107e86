/** What a training tells while it runs: plain objects, one a line with --json. Accuracies are fractions of 1. */

/** Every 500 batches: means over those batches. */
export interface LogEvent {
  readonly event: 'log'
  readonly epoch: number // from 1
  readonly batch: number // of the epoch, from 1
  readonly loss: number
  readonly accuracy: number
}

/** After an epoch: means over it, in training mode; valLoss and valAccuracy where validation was asked for. */
export interface EpochEvent {
  readonly event: 'epoch'
  readonly epoch: number
  readonly loss: number
  readonly accuracy: number
  readonly valLoss?: number
  readonly valAccuracy?: number
  readonly seconds: number
}

/** What is kept of each epoch, for curves: no times, so that the same run gives the same file. */
export type EpochFigures = Omit<EpochEvent, 'event' | 'seconds'>

export interface DoneEvent {
  readonly event: 'done'
  readonly trainAccuracy: number
  readonly testAccuracy: number
  readonly seconds: number
  readonly medianStepMs: number
  readonly device: string
  readonly threads: number
  readonly model: string
}

export interface EvaluateEvent {
  readonly event: 'done'
  readonly testAccuracy: number
  readonly testLoss: number
  readonly count: number
}

export type TrainEvent = LogEvent | EpochEvent
