/**
 * Learning rates that follow a plan: each `step()`, after the optimizer's, makes the next rate of the present one, as
 * PyTorch's do. Source: torch.optim.lr_scheduler. Not here: the optimizers, which take the rate of their groups.
 */
import { LenetError, UsageError } from '../../base/index.js'
import { expectOptions, expectWhole } from '../layers/check.js'
import { expectNumber } from './optimizer.js'

/** What a scheduler needs of an optimizer. */
export interface Scheduled {
  readonly paramGroups: { lr: number }[]
}

/** A scheduler's own numbers, under PyTorch's names. */
export type SchedulerState = Readonly<Record<string, unknown>>

const numbersIn = (state: SchedulerState, name: string, what: string): number[] => {
  const list = state[name]
  if (Array.isArray(list) && list.every((item) => typeof item === 'number')) return list
  throw new LenetError(`${what}.loadStateDict: ${name} must be a list of numbers`)
}

function numberIn(state: SchedulerState, name: string, what: string): number {
  const value = state[name]
  if (typeof value === 'number') return value
  throw new LenetError(`${what}.loadStateDict: ${name} must be a number`)
}

const firstRates = new WeakMap<object, number>()

/** Schedulers that are made later begin from it too. */
function firstRate(group: { readonly lr: number }): number {
  const rate = firstRates.get(group) ?? group.lr
  firstRates.set(group, rate)
  return rate
}

abstract class Scheduler {
  readonly optimizer: Scheduled
  /** The learning rates of the groups before the first of all their schedulers: PyTorch's initial_lr. */
  protected baseRates: number[]
  /** Steps done. */
  protected epoch = 0

  constructor(optimizer: Scheduled) {
    this.optimizer = optimizer
    this.baseRates = optimizer.paramGroups.map(firstRate)
  }

  /** The rate of a group after step `epoch`, from the one before it. */
  protected abstract next(rate: number, base: number, epoch: number): number

  /** The next learning rates: after the optimizer's step, once an epoch or once a batch. */
  step(): void {
    this.epoch++
    this.optimizer.paramGroups.forEach((group, i) => {
      group.lr = this.next(group.lr, this.baseRates[i] ?? group.lr, this.epoch)
    })
  }

  /** The learning rates of the groups now. */
  getLastLr(): number[] {
    return this.optimizer.paramGroups.map(({ lr }) => lr)
  }

  /** Numbers from which `loadStateDict` goes on, PyTorch's names. The optimizer's rates are in its own state. */
  stateDict(): SchedulerState {
    return { base_lrs: [...this.baseRates], last_epoch: this.epoch, _last_lr: this.getLastLr() }
  }

  loadStateDict(state: SchedulerState): void {
    const what = this.constructor.name
    const rates = numbersIn(state, 'base_lrs', what)
    if (rates.length !== this.baseRates.length)
      throw new LenetError(
        `${what}.loadStateDict: expected rates of ${this.baseRates.length} parameter groups, found ${rates.length}`,
      )
    this.epoch = numberIn(state, 'last_epoch', what)
    this.baseRates = [...rates]
  }
}

/** Times gamma (default 0.1) every stepSize steps. */
export class StepLR extends Scheduler {
  readonly stepSize: number
  readonly gamma: number
  constructor(optimizer: Scheduled, stepSize: number, gamma = 0.1) {
    super(optimizer)
    expectWhole('StepLR', { stepSize })
    this.stepSize = stepSize
    this.gamma = gamma
  }
  protected next(rate: number, _base: number, epoch: number): number {
    return epoch % this.stepSize === 0 ? rate * this.gamma : rate
  }
}

/** Times gamma (default 0.1) at each of the milestones. */
export class MultiStepLR extends Scheduler {
  readonly milestones: readonly number[]
  readonly gamma: number
  constructor(optimizer: Scheduled, milestones: readonly number[], gamma = 0.1) {
    super(optimizer)
    milestones.forEach((milestone) => expectWhole('MultiStepLR', { milestone }, 0))
    this.milestones = [...milestones]
    this.gamma = gamma
    for (const group of optimizer.paramGroups) group.lr = this.next(group.lr, group.lr, 0)
  }
  protected next(rate: number, _base: number, epoch: number): number {
    return rate * this.gamma ** this.milestones.filter((milestone) => milestone === epoch).length
  }
}

/** Times gamma every step. */
export class ExponentialLR extends Scheduler {
  readonly gamma: number
  constructor(optimizer: Scheduled, gamma: number) {
    super(optimizer)
    expectNumber('ExponentialLR', 'gamma', gamma)
    this.gamma = gamma
  }
  protected next(rate: number): number {
    return rate * this.gamma
  }
}

/** The first rate times `factor(steps done)`. */
export class LambdaLR extends Scheduler {
  readonly #factor: (epoch: number) => number
  constructor(optimizer: Scheduled, factor: (epoch: number) => number) {
    super(optimizer)
    this.#factor = factor
    optimizer.paramGroups.forEach((group, i) => (group.lr = (this.baseRates[i] ?? group.lr) * factor(0)))
  }
  protected next(_rate: number, base: number, epoch: number): number {
    return base * this.#factor(epoch)
  }
}

/** Down to etaMin (default 0) in tMax steps along half a cosine, and up again (Loshchilov & Hutter 2017). */
export class CosineAnnealingLR extends Scheduler {
  readonly tMax: number
  readonly etaMin: number
  constructor(optimizer: Scheduled, tMax: number, etaMin = 0) {
    super(optimizer)
    expectWhole('CosineAnnealingLR', { tMax })
    this.tMax = tMax
    this.etaMin = etaMin
  }
  protected next(rate: number, base: number, epoch: number): number {
    const at = (i: number): number => 1 + Math.cos((Math.PI * i) / this.tMax)
    if ((epoch - 1 - this.tMax) % (2 * this.tMax) === 0)
      return rate + ((base - this.etaMin) * (1 - Math.cos(Math.PI / this.tMax))) / 2
    return (at(epoch) / at(epoch - 1)) * (rate - this.etaMin) + this.etaMin
  }
}

export interface PlateauOptions {
  /** 'min' (default): the metric should fall, as a loss; 'max': it should rise. */
  readonly mode?: 'min' | 'max'
  /** The rate is multiplied by it; default 0.1. */
  readonly factor?: number
  /** Steps without improvement that are let pass; default 10. */
  readonly patience?: number
  /** What counts as an improvement; default 1e-4. */
  readonly threshold?: number
  /** 'rel' (default): by a part of the best; 'abs': by so much. */
  readonly thresholdMode?: 'rel' | 'abs'
  /** Steps after a reduction in which nothing is counted; default 0. */
  readonly cooldown?: number
  /** Rates do not fall below; one number, or one a group; default 0. */
  readonly minLr?: number | readonly number[]
  /** A smaller change of the rate is not made; default 1e-8. */
  readonly eps?: number
}

const plateau = {
  mode: 'min',
  factor: 0.1,
  patience: 10,
  threshold: 1e-4,
  thresholdMode: 'rel',
  cooldown: 0,
  minLr: 0,
  eps: 1e-8,
} as const satisfies Required<PlateauOptions>

/** Lowers the rate when a metric has stopped improving: `scheduler.step(valLoss)`. */
export class ReduceLROnPlateau {
  readonly optimizer: Scheduled
  readonly #options: Required<PlateauOptions>
  #best: number
  #bad = 0
  #cooling = 0
  #epoch = 0

  constructor(optimizer: Scheduled, options: PlateauOptions = {}) {
    expectOptions('ReduceLROnPlateau', options, Object.keys(plateau))
    const all = { ...plateau, ...options }
    if (all.mode !== 'min' && all.mode !== 'max')
      throw new UsageError(`ReduceLROnPlateau: mode must be 'min' or 'max', got '${String(all.mode)}'`)
    if (all.thresholdMode !== 'rel' && all.thresholdMode !== 'abs')
      throw new UsageError(
        `ReduceLROnPlateau: thresholdMode must be 'rel' or 'abs', got '${String(all.thresholdMode)}'`,
      )
    expectNumber('ReduceLROnPlateau', 'factor', all.factor, 0, 1)
    const count = optimizer.paramGroups.length
    if (typeof all.minLr !== 'number' && all.minLr.length !== count)
      throw new UsageError(`ReduceLROnPlateau: minLr must be a number, or ${count}, one for each group`)
    this.optimizer = optimizer
    this.#options = all
    this.#best = all.mode === 'min' ? Infinity : -Infinity
  }

  /** Takes the metric of an epoch. */
  step(metric: number): void {
    this.#epoch++
    this.#count(metric)
    if (this.#bad <= this.#options.patience) return
    const { factor, minLr, eps, cooldown } = this.#options
    this.optimizer.paramGroups.forEach((group, i) => {
      const lower = Math.max(group.lr * factor, typeof minLr === 'number' ? minLr : (minLr[i] ?? 0))
      if (group.lr - lower > eps) group.lr = lower
    })
    this.#cooling = cooldown
    this.#bad = 0
  }

  #count(metric: number): void {
    if (this.#isBetter(metric)) {
      this.#best = metric
      this.#bad = 0
    } else this.#bad++
    if (this.#cooling > 0) {
      this.#cooling--
      this.#bad = 0
    }
  }

  #isBetter(metric: number): boolean {
    const { mode, threshold, thresholdMode } = this.#options
    if (mode === 'min')
      return metric < (thresholdMode === 'rel' ? this.#best * (1 - threshold) : this.#best - threshold)
    return metric > (thresholdMode === 'rel' ? this.#best * (threshold + 1) : this.#best + threshold)
  }

  /** The learning rates of the groups now. */
  getLastLr(): number[] {
    return this.optimizer.paramGroups.map(({ lr }) => lr)
  }

  /** Numbers from which `loadStateDict` goes on, PyTorch's names. */
  stateDict(): SchedulerState {
    const counts = { num_bad_epochs: this.#bad, cooldown_counter: this.#cooling, last_epoch: this.#epoch }
    return { best: this.#best, ...counts, _last_lr: this.getLastLr() }
  }

  loadStateDict(state: SchedulerState): void {
    const number = (name: string): number => numberIn(state, name, 'ReduceLROnPlateau')
    const [best, bad, cooling, epoch] = ['best', 'num_bad_epochs', 'cooldown_counter', 'last_epoch'].map(number)
    this.#best = best ?? this.#best
    this.#bad = bad ?? 0
    this.#cooling = cooling ?? 0
    this.#epoch = epoch ?? 0
  }
}
