/** Callbacks that neither watch a value nor write files. */
import { expectOptions, LenetError, UsageError } from '../../base/index.js'
import { output } from '../output.js'
import { floatText } from '../pythonText.js'
import { Callback, type Logs } from './callback.js'

/** From the epoch (from 0) and the present learning rate: the next. */
export type Schedule = (epoch: number, learningRate: number) => number

/** Source: keras.callbacks.LearningRateScheduler. */
export class LearningRateScheduler extends Callback {
  readonly #schedule: Schedule
  readonly #verbose: number

  constructor(schedule: Schedule, options: { readonly verbose?: 0 | 1 } = {}) {
    super()
    expectOptions('LearningRateScheduler', options, ['verbose'])
    this.#schedule = schedule
    this.#verbose = options.verbose ?? 0
  }

  override onEpochBegin(epoch: number): void {
    const { optimizer } = this.model
    if (!optimizer) return
    const rate = this.#schedule(epoch, optimizer.learningRate)
    if (typeof rate !== 'number' || !Number.isFinite(rate))
      throw new UsageError(`The output of the \`schedule\` function should be a number. Got: ${String(rate)}`)
    optimizer.learningRate = rate
    if (this.#verbose > 0)
      output.write(`\nEpoch ${epoch + 1}: LearningRateScheduler setting learning rate to ${floatText(rate)}.\n`)
  }

  override onEpochEnd(_epoch: number, logs: Logs): void {
    logs['learning_rate'] = this.model.optimizer?.learningRate ?? NaN
  }
}

/** Ends training when the loss is not a number any more, without an error. Source: keras.callbacks.TerminateOnNaN. */
export class TerminateOnNaN extends Callback {
  readonly #raise: boolean

  constructor(options: { readonly raiseError?: boolean } = {}) {
    super()
    expectOptions('TerminateOnNaN', options, ['raiseError'])
    this.#raise = options.raiseError ?? false
  }

  override onTrainBatchEnd(batch: number, logs: Logs): void {
    const loss = logs['loss']
    if (loss === undefined || Number.isFinite(loss)) return
    if (this.#raise)
      throw new LenetError(
        `NaN or Inf loss encountered at batch ${batch}. Loss value: ${loss}. Terminating training immediately.`,
      )
    output.write(`Batch ${batch}: Invalid loss, terminating training\n`)
    this.model.stopTraining = true
  }
}
