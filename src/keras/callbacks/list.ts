/** All callbacks of a run, told one after the other. Promises are waited for; nothing is waited for where there is none. */
import { isPromise } from '../../base/index.js'
import { Callback, type CallbackParams, type Logs, type PredictLogs, type Told } from './callback.js'
import type { Model } from '../model.js'

type Hook = Exclude<keyof Callback, 'model' | 'params' | 'setModel' | 'setParams'>
type BatchHook = Exclude<Extract<Hook, `on${string}Batch${string}`>, 'onPredictBatchEnd'>
type EpochHook = 'onEpochBegin' | 'onEpochEnd'
type PlainHook = Exclude<Hook, BatchHook | EpochHook | 'onPredictBatchEnd'>

export class CallbackList {
  readonly #all: readonly Callback[]

  constructor(callbacks: readonly Callback[], model: Model, params: CallbackParams) {
    this.#all = callbacks
    for (const callback of callbacks) {
      callback.setModel(model)
      callback.setParams(params)
    }
  }

  /** Whether anybody listens: values need not be made for nobody. */
  hears(hook: Hook): boolean {
    return this.#all.some((callback) => callback[hook] !== Callback.prototype[hook])
  }

  async tell(hook: PlainHook, logs: Logs = {}): Promise<void> {
    for (const callback of this.#all) await callback[hook](logs)
  }

  async tellEpoch(hook: EpochHook, epoch: number, logs: Logs = {}): Promise<void> {
    for (const callback of this.#all) await callback[hook](epoch, logs)
  }

  tellBatch(hook: BatchHook, batch: number, logs: Logs): Promise<void> | undefined {
    return this.#each((callback) => callback[hook](batch, logs))
  }

  tellPredicted(batch: number, logs: PredictLogs): Promise<void> | undefined {
    return this.#each((callback) => callback.onPredictBatchEnd(batch, logs))
  }

  /** A promise only where a callback gave one: batches are many. */
  #each(tell: (callback: Callback) => Told): Promise<void> | undefined {
    let waiting: Promise<void> | undefined
    for (const callback of this.#all) {
      const told = tell(callback)
      if (isPromise(told)) waiting = waiting ? Promise.all([waiting, told]).then(() => undefined) : told
    }
    return waiting
  }
}
