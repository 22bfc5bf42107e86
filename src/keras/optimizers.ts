/**
 * Optimizers with Keras' names, defaults and formulas, on ours. Not here: the updates (nn's optim).
 * Source: keras.optimizers.
 */
import { LenetError, UsageError } from '../base/index.js'
import { optim } from '../nn/index.js'
import { fromArray, type Tensor } from '../tensor/index.js'
import type { Config } from './layer.js'
import { sameName } from './naming.js'
import type { Weight } from './weight.js'

/** A number or list of the optimizer's state, as Keras names it: 'adam/iteration'. */
export interface OptimizerVariable {
  readonly path: string
  readonly shape: readonly number[]
  readonly data: Float32Array
  readonly dtype: 'int64' | 'float32'
}

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

type Steps = optim.Optimizer<optim.AdamOptions> | optim.Optimizer<optim.SGDOptions>

/** State of all weights under one of Keras' names: 'momentum'. */
type Slot = readonly [kerasName: string, ourName: string]

const unsupported = {
  clipnorm: null,
  global_clipnorm: null,
  clipvalue: null,
  use_ema: false,
  ema_momentum: 0.99,
  ema_overwrite_frequency: null,
  loss_scale_factor: null,
  gradient_accumulation_steps: null,
} as const

/** A list of the optimizer's state for a weight: 'momentum', in Keras' order. */
export interface SlotValue {
  readonly slot: string
  readonly weight: Weight
  readonly data: Float32Array
}

export abstract class Optimizer {
  abstract readonly name: string
  abstract readonly className: string
  /** Steps done. */
  iterations = 0
  #learningRate: number
  #steps: Steps | null = null
  #weights: readonly Weight[] = []

  constructor(learningRate: number) {
    this.#learningRate = Math.fround(learningRate)
    if (!(learningRate >= 0)) throw new UsageError(`the learning rate must be 0 or more, got ${learningRate}`)
  }

  protected abstract make(weights: readonly Tensor[]): Steps
  /** Lists of the state: first those that Keras writes weight by weight, then those that follow one after the other. */
  protected abstract readonly slots: readonly (readonly Slot[])[]
  protected abstract ownConfig(): Config

  /** A float32, as in Keras. May be changed at any time. */
  get learningRate(): number {
    return this.#learningRate
  }

  set learningRate(rate: number) {
    if (!(rate >= 0)) throw new UsageError(`the learning rate must be 0 or more, got ${rate}`)
    this.#learningRate = Math.fround(rate)
    if (this.#steps) for (const group of this.#steps.paramGroups) group.lr = this.#learningRate
  }

  get built(): boolean {
    return this.#steps !== null
  }

  /** Begins with these weights; does nothing when it has them already. */
  build(weights: readonly Weight[]): void {
    const isSame = weights.length === this.#weights.length && weights.every((weight, i) => weight === this.#weights[i])
    if (this.#steps && isSame) return
    if (this.#steps)
      throw new LenetError(`the optimizer '${this.name}' trains another model already; make a new one for this model`)
    this.#weights = weights
    this.#steps = this.make(weights.map(({ tensor }) => tensor))
  }

  zeroGrad(): void {
    this.#steps?.zeroGrad()
  }

  step(): void {
    this.#steps?.step()
  }

  /** How one of our numbers looks in Keras, and back. */
  protected toKeras(value: number): number {
    return value
  }
  protected fromKeras(value: number): number {
    return value
  }

  /** The lists of the state, weight by weight, in Keras' order; zeros before the first step. */
  *slotValues(): Generator<SlotValue> {
    const state = this.#steps?.stateDict().state
    for (const names of this.slots)
      for (const [i, weight] of this.#weights.entries())
        for (const [slot, ours] of names) {
          const inner = state?.get(i)?.[ours]?.toTypedArray() ?? new Float32Array(weight.size)
          yield { slot, weight, data: weight.toKeras(inner).map((item) => this.toKeras(item)) }
        }
  }

  /** All variables in Keras' order; only the first two before it is built. */
  variables(): OptimizerVariable[] {
    const scalar = (name: string, value: number, dtype: OptimizerVariable['dtype']): OptimizerVariable => {
      return { path: `${this.name}/${name}`, shape: [], data: Float32Array.of(value), dtype }
    }
    const lists = Array.from(this.slotValues(), ({ slot, weight, data }): OptimizerVariable => {
      const path = `${this.name}/${weight.path.replaceAll('/', '_')}_${slot}`
      return { path, shape: weight.shape, data, dtype: 'float32' }
    })
    const rate = scalar('learning_rate', this.learningRate, 'float32')
    return [scalar('iteration', this.iterations, 'int64'), rate, ...lists]
  }

  /**
   * Goes on from a state. Throws LenetError where a list is missing or of another size.
   * @param valueOf the list of a slot for a weight, in Keras' order
   */
  setState(
    { iterations, learningRate }: { readonly iterations: number; readonly learningRate: number },
    valueOf: (slot: string, weight: Weight) => ArrayLike<number> | undefined,
  ): void {
    const entries = this.#weights.map((weight): Record<string, Tensor> => {
      const lists = this.slots.flat().map(([slot, ours]): [string, Tensor] => {
        const values = valueOf(slot, weight)
        if (values?.length !== weight.size)
          throw new LenetError(
            `the optimizer's ${slot} of ${weight.path} has ${values?.length ?? 0} values, ${weight.size} are expected`,
          )
        return [ours, fromArray(weight.fromKeras(values), weight.tensor.shape, 'f32')]
      })
      return { step: fromArray(Float32Array.of(iterations), [], 'f32'), ...Object.fromEntries(lists) }
    })
    this.iterations = iterations
    this.learningRate = learningRate
    const steps = this.#steps
    if (!steps || iterations === 0) return
    for (const entry of entries)
      for (const [name, values] of Object.entries(entry))
        if (name !== 'step') values.copy_(values.toTypedArray().map((item) => this.fromKeras(item)))
    steps.loadStateDict({ state: new Map(entries.entries()), param_groups: steps.stateDict().param_groups })
  }

  /** As Keras' `serialize_keras_object(optimizer)`. */
  serialize(): Config {
    const config = {
      name: this.name,
      learning_rate: this.learningRate,
      weight_decay: null,
      ...unsupported,
      ...this.ownConfig(),
    }
    return { module: 'keras.optimizers', class_name: this.className, config, registered_name: null }
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

function expectKnown(what: string, options: object, known: readonly string[]): void {
  for (const name of Object.keys(options))
    if (!known.includes(name))
      throw new UsageError(`${what}: there is no option ${name}; there are ${known.join(', ')}`)
}

/** Source: keras.optimizers.Adam. */
export class Adam extends Optimizer {
  readonly name: string = 'adam'
  readonly className: string = 'Adam'
  readonly #options: Required<AdamOptions>

  constructor(options: AdamOptions = {}) {
    super(options.learningRate ?? 1e-3)
    const defaults = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, amsgrad: false, weightDecay: null }
    expectKnown('adam', options, Object.keys(defaults))
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

/**
 * Source: keras.optimizers.SGD. Keras keeps -rate · gradient in its momentum, we the gradient: they part a little for a few
 * steps after the learning rate was changed.
 */
export class SGD extends Optimizer {
  readonly name = 'sgd'
  readonly className = 'SGD'
  readonly #momentum: number
  readonly #nesterov: boolean

  constructor(options: SGDOptions = {}) {
    super(options.learningRate ?? 0.01)
    expectKnown('sgd', options, ['learningRate', 'momentum', 'nesterov'])
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
    return new optim.SGD(weights, { lr: this.learningRate, momentum, nesterov })
  }

  protected override toKeras(value: number): number {
    return -value * this.learningRate
  }

  protected override fromKeras(value: number): number {
    return this.learningRate === 0 ? 0 : -value / this.learningRate
  }

  protected ownConfig(): Config {
    return { momentum: this.#momentum, nesterov: this.#nesterov }
  }
}

export const optimizers = {
  adam: (options: AdamOptions = {}) => new Adam(options),
  adamW: (options: AdamOptions = {}) => new AdamW(options),
  sgd: (options: SGDOptions = {}) => new SGD(options),
} as const

const optionNames: Readonly<Record<string, string>> = {
  learning_rate: 'learningRate',
  beta_1: 'beta1',
  beta_2: 'beta2',
  epsilon: 'epsilon',
  amsgrad: 'amsgrad',
  weight_decay: 'weightDecay',
  momentum: 'momentum',
  nesterov: 'nesterov',
}

/** Of a configuration: options under our names. Throws LenetError for what we do not do. */
function optionsFrom(what: string, config: unknown): Record<string, unknown> {
  const options: Record<string, unknown> = {}
  const fixed: Readonly<Record<string, unknown>> = unsupported
  for (const [key, value] of Object.entries(config ?? {})) {
    const name = optionNames[key]
    if (name !== undefined && !(what === 'sgd' && key === 'weight_decay' && value === null)) options[name] = value
    else if (key in fixed && key !== 'ema_momentum' && value !== fixed[key])
      throw new LenetError(`${what}: ${key} is ${JSON.stringify(value)}, which is not supported`)
  }
  return options
}

/** By name, by Keras' configuration, or itself. */
export function optimizerOf(optimizer: Optimizer | string | Config): Optimizer {
  if (optimizer instanceof Optimizer) return optimizer
  const name = typeof optimizer === 'string' ? optimizer : String(optimizer['class_name'] ?? '')
  const found = Object.keys(optimizers).find((known) => sameName(known) === sameName(name))
  if (found === undefined)
    throw new UsageError(`compile: there is no optimizer '${name}'; there are ${Object.keys(optimizers).join(', ')}`)
  const options = typeof optimizer === 'string' ? {} : optionsFrom(found, optimizer['config'])
  return optimizers[found as keyof typeof optimizers](options)
}
