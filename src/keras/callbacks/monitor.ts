/**
 * Callbacks that watch a value: EarlyStopping, ReduceLROnPlateau. Not here: those that write files (*.node.ts).
 * Source: keras.src.callbacks.monitor_callback.
 */
import { expectOptions, LenetError, UsageError } from '../../base/index.js'
import type { Tensor } from '../../tensor/index.js'
import { output } from '../output.js'
import { floatText } from '../pythonText.js'
import { Callback, type Logs } from './callback.js'

export type Mode = 'auto' | 'min' | 'max'

/** A key of logs; these are the usual ones. */
export type MonitorName = 'loss' | 'accuracy' | 'val_loss' | 'val_accuracy' | (string & Record<never, never>)

export interface MonitorOptions {
  /** The key in logs; default 'val_loss'. */
  readonly monitor?: MonitorName
  /** Whether less or more is better; 'auto' (default) knows it of losses and metrics. */
  readonly mode?: Mode
  /** How much better counts; default 0 (ReduceLROnPlateau: 1e-4). */
  readonly minDelta?: number
  /** 1 tells what is done; default 0. */
  readonly verbose?: 0 | 1
}

const monitorOptions = ['monitor', 'mode', 'minDelta', 'verbose'] as const

export abstract class MonitorCallback extends Callback {
  readonly monitor: string
  protected readonly verbose: number
  readonly #mode: Mode
  readonly #minDelta: number
  #isMore: boolean | null = null

  /** @param known options of the class itself */
  constructor(what: string, options: MonitorOptions, known: readonly string[]) {
    super()
    expectOptions(what, options, [...known, ...monitorOptions])
    const { monitor = 'val_loss', mode = 'auto', minDelta = 0, verbose = 0 } = options
    if (!['auto', 'min', 'max'].includes(mode))
      throw new UsageError(`mode must be 'auto', 'min' or 'max', got '${mode}'`)
    this.monitor = monitor
    this.verbose = verbose
    this.#mode = mode
    this.#minDelta = Math.abs(minDelta)
  }

  /** Whether more is better. Throws LenetError where nobody knows. */
  #wantsMore(): boolean {
    if (this.#isMore !== null) return this.#isMore
    const name = this.monitor.replace(/^val_/, '')
    const direction = name === 'loss' ? 'down' : this.model.direction(name)
    if (this.#mode === 'auto' && direction === null)
      throw new LenetError(
        `${this.constructor.name} watches ${this.monitor}, of which it is not known whether more or less is better; pass mode: 'max' or 'min'`,
      )
    this.#isMore = this.#mode === 'auto' ? direction === 'up' : this.#mode === 'max'
    return this.#isMore
  }

  protected isBetter(value: number, than: number | null): boolean {
    if (than === null) return true
    return this.#wantsMore() ? value - this.#minDelta > than : value + this.#minDelta < than
  }

  /** The watched value; undefined, with a warning, where logs do not have it. */
  protected watched(logs: Logs, what: string): number | undefined {
    const value = logs[this.monitor]
    if (value === undefined)
      console.warn(`${what} ${this.monitor}, which is not there; there are ${Object.keys(logs).join(', ')}`)
    return value
  }
}

export interface EarlyStoppingOptions extends MonitorOptions {
  /** Epochs without anything better before training stops; default 0. */
  readonly patience?: number
  /** Must be bettered, or training stops. */
  readonly baseline?: number
  /** Ends with the weights of the best epoch; default false. */
  readonly restoreBestWeights?: boolean
  /** Epochs before are not looked at; default 0. */
  readonly startFromEpoch?: number
}

/** Stops when nothing becomes better. Source: keras.callbacks.EarlyStopping. */
export class EarlyStopping extends MonitorCallback {
  readonly #options: EarlyStoppingOptions
  wait = 0
  /** The epoch after which it stopped, from 0; 0: it did not. */
  stoppedEpoch = 0
  best: number | null = null
  bestEpoch = 0
  #bestWeights: Tensor[] | null = null

  constructor(options: EarlyStoppingOptions = {}) {
    super('EarlyStopping', options, ['patience', 'baseline', 'restoreBestWeights', 'startFromEpoch'])
    this.#options = options
  }

  override onTrainBegin(): void {
    this.wait = 0
    this.stoppedEpoch = 0
    this.best = null
    this.bestEpoch = 0
    this.#bestWeights = null
  }

  override onEpochEnd(epoch: number, logs: Logs): void {
    const { startFromEpoch = 0, restoreBestWeights = false, patience = 0, baseline = null } = this.#options
    const value = this.watched(logs, 'EarlyStopping watches')
    if (value === undefined || epoch < startFromEpoch) return
    if (restoreBestWeights && !this.#bestWeights) this.#keep(epoch)
    this.wait++
    if (this.isBetter(value, this.best)) {
      this.best = value
      this.bestEpoch = epoch
      if (restoreBestWeights) this.#keep(epoch)
      if (this.isBetter(value, baseline)) this.wait = 0
      return
    }
    if (this.wait < patience || epoch === 0) return
    this.stoppedEpoch = epoch
    this.model.stopTraining = true
  }

  #keep(epoch: number): void {
    this.#bestWeights = this.model.getWeights()
    this.bestEpoch = epoch
  }

  override onTrainEnd(): void {
    if (this.stoppedEpoch > 0 && this.verbose > 0) output.write(`Epoch ${this.stoppedEpoch + 1}: early stopping\n`)
    if (!this.#bestWeights) return
    if (this.verbose > 0)
      output.write(`Restoring model weights from the end of the best epoch: ${this.bestEpoch + 1}.\n`)
    this.model.setWeights(this.#bestWeights)
  }
}

export interface ReduceLROnPlateauOptions extends MonitorOptions {
  /** The learning rate is multiplied by it; default 0.1. */
  readonly factor?: number
  /** Epochs without anything better before; default 10. */
  readonly patience?: number
  /** Epochs after it in which nothing is counted; default 0. */
  readonly cooldown?: number
  /** Default 0. */
  readonly minLr?: number
}

/** Lowers the learning rate when nothing becomes better. Source: keras.callbacks.ReduceLROnPlateau. */
export class ReduceLROnPlateau extends MonitorCallback {
  readonly #options: ReduceLROnPlateauOptions
  #best: number | null = null
  #wait = 0
  #cooling = 0

  constructor(options: ReduceLROnPlateauOptions = {}) {
    super('ReduceLROnPlateau', { minDelta: 1e-4, ...options }, ['factor', 'patience', 'cooldown', 'minLr'])
    const { factor = 0.1 } = options
    if (!(factor < 1))
      throw new UsageError(`ReduceLROnPlateau does not support a factor >= 1.0. Received factor=${factor}`)
    this.#options = options
  }

  override onTrainBegin(): void {
    this.#best = null
    this.#wait = 0
    this.#cooling = 0
  }

  override onEpochEnd(epoch: number, logs: Logs): void {
    const { patience = 10, cooldown = 0 } = this.#options
    logs['learning_rate'] = this.model.optimizer?.learningRate ?? NaN
    const value = this.watched(logs, 'ReduceLROnPlateau watches')
    if (value === undefined) return
    if (this.#cooling > 0) {
      this.#cooling--
      this.#wait = 0
    }
    if (this.isBetter(value, this.#best)) {
      this.#best = value
      this.#wait = 0
    } else if (this.#cooling <= 0 && ++this.#wait >= patience && this.#reduce(epoch)) {
      this.#cooling = cooldown
      this.#wait = 0
    }
  }

  #reduce(epoch: number): boolean {
    const { factor = 0.1, minLr = 0 } = this.#options
    const { optimizer } = this.model
    if (!optimizer || !(optimizer.learningRate > Math.fround(minLr))) return false
    const rate = Math.max(optimizer.learningRate * factor, minLr)
    optimizer.learningRate = rate
    if (this.verbose > 0)
      output.write(`\nEpoch ${epoch + 1}: ReduceLROnPlateau reducing learning rate to ${floatText(rate)}.\n`)
    return true
  }
}
