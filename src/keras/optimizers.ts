/**
 * The optimizers with Keras' names, defaults and formulas, on ours. Not here: what they share (optimizer.ts), the updates
 * (nn's optim). Source: keras.optimizers.
 */
import { expectOptions, LenetError, refuseForeign, UsageError } from '../base/index.js'
import { optim } from '../nn/index.js'
import type { Tensor } from '../tensor/index.js'
import type { Config } from './layer.js'
import { sameName } from './naming.js'
import { Optimizer, unsupported, type Slot, type Steps } from './optimizer.js'

interface Hypers {
  readonly steps: number
  setHyper(name: string, value: number): void
}

/** Keras' ε is added to √v, ours to √v / √(1 - β₂ᵗ): the divisor moves into the step. */
function setKerasHypers(block: Hypers, { lr, betas, weightDecay }: optim.AdamOptions): void {
  const time = block.steps + 1
  block.setHyper('kept', 1 - lr * weightDecay)
  block.setHyper('root2', 1)
  block.setHyper('step', (-lr * Math.sqrt(1 - betas[1] ** time)) / (1 - betas[0] ** time))
}

class AdamSteps extends optim.Adam {
  protected override setHypers(block: Hypers, options: optim.AdamOptions): void {
    setKerasHypers(block, options)
  }
}

class AdamWSteps extends optim.AdamW {
  protected override setHypers(block: Hypers, options: optim.AdamOptions): void {
    setKerasHypers(block, options)
  }
}

export interface AdamOptions {
  /** Default 0.001. */
  readonly learningRate?: number
  /** Default 0.9. */
  readonly beta1?: number
  /** Default 0.999. */
  readonly beta2?: number
  /** Added to √v; default 1e-7. */
  readonly epsilon?: number
  /** The largest v so far instead of the present one; default false. */
  readonly amsgrad?: boolean
  /** Times the learning rate, taken off the weights; default none (AdamW: 0.004). */
  readonly weightDecay?: number | null
}

/** Source: keras.optimizers.Adam. */
export class Adam extends Optimizer {
  readonly name: string = 'adam'
  readonly className: string = 'Adam'
  readonly #options: Required<AdamOptions>

  constructor(options: AdamOptions = {}) {
    super(options.learningRate ?? 1e-3)
    const defaults = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, amsgrad: false, weightDecay: null }
    expectOptions('adam', options, Object.keys(defaults))
    this.#options = { ...defaults, ...options }
  }

  protected get slots(): readonly (readonly Slot[])[] {
    const means: readonly Slot[] = [
      ['momentum', 'exp_avg'],
      ['velocity', 'exp_avg_sq'],
    ]
    return this.#options.amsgrad ? [means, [['velocity_hat', 'max_exp_avg_sq']]] : [means]
  }

  protected make(weights: readonly Tensor[]): Steps {
    const { beta1, beta2, epsilon, amsgrad, weightDecay } = this.#options
    const options = { lr: this.learningRate, betas: [beta1, beta2] as const, eps: epsilon, amsgrad }
    return weightDecay ? new AdamWSteps(weights, { ...options, weightDecay }) : new AdamSteps(weights, options)
  }

  protected ownConfig(): Config {
    const { beta1, beta2, epsilon, amsgrad, weightDecay } = this.#options
    return { weight_decay: weightDecay, beta_1: beta1, beta_2: beta2, epsilon, amsgrad }
  }
}

/** Adam with a weight decay of 0.004 by default. Source: keras.optimizers.AdamW. */
export class AdamW extends Adam {
  override readonly name = 'adam_w'
  override readonly className = 'AdamW'
  constructor(options: AdamOptions = {}) {
    super({ weightDecay: 0.004, ...options })
  }
}

export interface SGDOptions {
  /** Default 0.01. */
  readonly learningRate?: number
  /** Default 0. */
  readonly momentum?: number
  /** Default false. */
  readonly nesterov?: boolean
}

/** Source: keras.optimizers.SGD. */
export class SGD extends Optimizer {
  readonly name = 'sgd'
  readonly className = 'SGD'
  readonly #momentum: number
  readonly #nesterov: boolean

  constructor(options: SGDOptions = {}) {
    super(options.learningRate ?? 0.01)
    expectOptions('sgd', options, ['learningRate', 'momentum', 'nesterov'])
    const { momentum = 0, nesterov = false } = options
    if (!(momentum >= 0 && momentum <= 1)) throw new UsageError(`sgd: momentum must be from 0 to 1, got ${momentum}`)
    this.#momentum = momentum
    this.#nesterov = nesterov
  }

  protected get slots(): readonly (readonly Slot[])[] {
    return this.#momentum === 0 ? [] : [[['momentum', 'momentum_buffer']]]
  }

  protected make(weights: readonly Tensor[]): Steps {
    const [momentum, nesterov] = [this.#momentum, this.#nesterov && this.#momentum > 0]
    return new optim.SGD(weights, { lr: this.learningRate, momentum, nesterov, formula: 'keras' })
  }

  protected ownConfig(): Config {
    return { momentum: this.#momentum, nesterov: this.#nesterov }
  }
}

export interface RMSpropOptions {
  /** Default 0.001. */
  readonly learningRate?: number
  /** How much of the mean square of the gradient stays; default 0.9. */
  readonly rho?: number
  /** Default 0. */
  readonly momentum?: number
  /** Added under the root; default 1e-7. */
  readonly epsilon?: number
  /** Divides by the deviation from the gradient's mean; default false. */
  readonly centered?: boolean
}

/** Source: keras.optimizers.RMSprop. */
export class RMSprop extends Optimizer {
  readonly name = 'rm_sprop'
  readonly className = 'RMSprop'
  readonly #options: Required<RMSpropOptions>

  constructor(options: RMSpropOptions = {}) {
    super(options.learningRate ?? 1e-3)
    const defaults = { learningRate: 1e-3, rho: 0.9, momentum: 0, epsilon: 1e-7, centered: false }
    expectOptions('rmsprop', options, Object.keys(defaults))
    this.#options = { ...defaults, ...options }
  }

  protected get slots(): readonly (readonly Slot[])[] {
    const { momentum, centered } = this.#options
    const own: (readonly Slot[])[] = [[['velocity', 'square_avg']]]
    if (momentum > 0) own.push([['momentum', 'momentum_buffer']])
    if (centered) own.push([['average_gradient', 'grad_avg']])
    return own
  }

  protected make(weights: readonly Tensor[]): Steps {
    const { rho, momentum, epsilon, centered } = this.#options
    const options = { lr: this.learningRate, alpha: rho, momentum, eps: epsilon, centered }
    return new optim.RMSprop(weights, { ...options, formula: 'keras' })
  }

  /** Keras takes its momentum off the weight, ours is added. */
  protected override factor(slot: string): number {
    return slot === 'momentum' ? -1 : 1
  }

  protected ownConfig(): Config {
    const { rho, momentum, epsilon, centered } = this.#options
    return { rho, momentum, epsilon, centered }
  }
}

export interface AdagradOptions {
  /** Default 0.001. */
  readonly learningRate?: number
  /** What the sums of squares begin with; default 0.1. */
  readonly initialAccumulatorValue?: number
  /** Added under the root; default 1e-7. */
  readonly epsilon?: number
}

/** Source: keras.optimizers.Adagrad. */
export class Adagrad extends Optimizer {
  readonly name = 'adagrad'
  readonly className = 'Adagrad'
  readonly #options: Required<AdagradOptions>

  constructor(options: AdagradOptions = {}) {
    super(options.learningRate ?? 1e-3)
    const defaults = { learningRate: 1e-3, initialAccumulatorValue: 0.1, epsilon: 1e-7 }
    expectOptions('adagrad', options, Object.keys(defaults))
    this.#options = { ...defaults, ...options }
  }

  protected get slots(): readonly (readonly Slot[])[] {
    return [[['accumulator', 'sum']]]
  }

  protected override get initial(): number {
    return this.#options.initialAccumulatorValue
  }

  protected make(weights: readonly Tensor[]): Steps {
    const { initialAccumulatorValue, epsilon } = this.#options
    return new optim.Adagrad(weights, {
      lr: this.learningRate,
      initialAccumulatorValue,
      eps: epsilon,
      formula: 'keras',
    })
  }

  protected ownConfig(): Config {
    const { initialAccumulatorValue, epsilon } = this.#options
    return { initial_accumulator_value: initialAccumulatorValue, epsilon }
  }
}

export const optimizers = {
  adam: (options: AdamOptions = {}) => new Adam(options),
  adamW: (options: AdamOptions = {}) => new AdamW(options),
  sgd: (options: SGDOptions = {}) => new SGD(options),
  rmsprop: (options: RMSpropOptions = {}) => new RMSprop(options),
  adagrad: (options: AdagradOptions = {}) => new Adagrad(options),
} as const

/** 'rmsprop' or, as Keras writes it, 'RMSprop'. */
export type OptimizerName =
  | keyof typeof optimizers
  | 'Adam'
  | 'AdamW'
  | 'adamw'
  | 'adam_w'
  | 'SGD'
  | 'RMSprop'
  | 'Adagrad'

const optionNames: Readonly<Record<string, string>> = {
  learning_rate: 'learningRate',
  beta_1: 'beta1',
  beta_2: 'beta2',
  epsilon: 'epsilon',
  amsgrad: 'amsgrad',
  weight_decay: 'weightDecay',
  momentum: 'momentum',
  nesterov: 'nesterov',
  rho: 'rho',
  centered: 'centered',
  initial_accumulator_value: 'initialAccumulatorValue',
}

/** They say nothing where `use_ema` is false, as it must be; Keras 2's RMSprop has another default. */
const emaSettings: ReadonlySet<string> = new Set(['ema_momentum', 'ema_overwrite_frequency'])

/** Of a configuration: options under our names. Throws LenetError for what we do not do. */
function optionsFrom(what: string, config: unknown): Record<string, unknown> {
  const options: Record<string, unknown> = {}
  const fixed: Readonly<Record<string, unknown>> = unsupported
  for (const [key, value] of Object.entries(config ?? {})) {
    const name = optionNames[key]
    const isNone = key === 'weight_decay' && value === null
    if (name !== undefined && !isNone) options[name] = value
    else if (key in fixed && !emaSettings.has(key) && value !== fixed[key])
      throw new LenetError(`${what}: ${key} is ${JSON.stringify(value)}, which is not supported`)
  }
  return options
}

/** By name, by Keras' configuration, or itself. */
export function optimizerOf(optimizer: Optimizer | string | Config): Optimizer {
  if (optimizer instanceof Optimizer) return optimizer
  refuseForeign('compile: the optimizer', optimizer)
  const name = typeof optimizer === 'string' ? optimizer : String(optimizer['class_name'] ?? '')
  const found = Object.keys(optimizers).find((known) => sameName(known) === sameName(name))
  if (found === undefined)
    throw new UsageError(`compile: there is no optimizer '${name}'; there are ${Object.keys(optimizers).join(', ')}`)
  const options = typeof optimizer === 'string' ? {} : optionsFrom(found, optimizer['config'])
  return optimizers[found as keyof typeof optimizers](options)
}
