/** Scalars for TensorBoard. Source: keras.callbacks.TensorBoard (graphs, histograms and profiles are not written). */
import { join } from 'node:path'
import { expectOptions, UsageError } from '../../base/index.js'
import { Callback, type Logs } from './callback.js'
import { EventFile } from './eventFile.node.js'

export interface TensorBoardOptions {
  /** Default 'logs'. */
  readonly logDir?: string
  /** 'epoch' (default), or batches between two values, 'batch' being 1. */
  readonly updateFreq?: 'epoch' | 'batch' | number
}

export class TensorBoard extends Callback {
  readonly #folder: string
  readonly #every: number
  readonly #files = new Map<string, EventFile>()
  #batches = 0

  constructor(options: TensorBoardOptions = {}) {
    super()
    expectOptions('TensorBoard', options, ['logDir', 'updateFreq'])
    const { logDir = 'logs', updateFreq = 'epoch' } = options
    this.#folder = logDir
    this.#every = updateFreq === 'epoch' ? Infinity : updateFreq === 'batch' ? 1 : updateFreq
    if (!(this.#every >= 1))
      throw new UsageError(`TensorBoard: updateFreq must be 'epoch', 'batch' or 1 or more, got ${updateFreq}`)
  }

  #file(part: 'train' | 'validation'): EventFile {
    const file = this.#files.get(part) ?? new EventFile(join(this.#folder, part))
    this.#files.set(part, file)
    return file
  }

  override onTrainBegin(): void {
    this.#batches = 0
    this.#files.clear()
  }

  override onTrainBatchEnd(_batch: number, logs: Logs): void {
    this.#batches++
    if (this.#batches % this.#every !== 0) return
    for (const [name, value] of Object.entries(logs)) this.#file('train').scalar(`batch_${name}`, value, this.#batches)
  }

  override onTestEnd(logs: Logs): void {
    const step = this.model.optimizer?.iterations ?? 0
    for (const [name, value] of Object.entries(logs))
      this.#file('validation').scalar(`evaluation_${name}_vs_iterations`, value, step)
  }

  override onEpochEnd(epoch: number, logs: Logs): void {
    const learning_rate = this.model.optimizer?.learningRate ?? NaN
    for (const [name, value] of Object.entries({ ...logs, learning_rate })) {
      const isValidation = name.startsWith('val_')
      this.#file(isValidation ? 'validation' : 'train').scalar(`epoch_${name.replace(/^val_/, '')}`, value, epoch)
    }
  }
}
