/**
 * Optimizer: what Keras' optimizers share: learning rate, step count, state in Keras' names and order.
 * Not here: the optimizers (optimizers.ts), their updates (nn's optim). Source: keras.optimizers.Optimizer.
 */
import { LenetError, markCopy, UsageError } from '../base/index.js'
import { forgetPasses, refuseOthers, type optim } from '../nn/index.js'
import { fromArray, type Tensor } from '../tensor/index.js'
import type { Config } from './layer.js'
import type { Weight } from './weight.js'

/** A number or list of the optimizer's state, as Keras names it: 'adam/iteration'. */
export interface OptimizerVariable {
  readonly path: string
  readonly shape: readonly number[]
  readonly data: Float32Array
  readonly dtype: 'int64' | 'float32'
}

export type Steps =
  | optim.Optimizer<optim.AdamOptions>
  | optim.Optimizer<optim.SGDOptions>
  | optim.Optimizer<optim.RMSpropOptions>
  | optim.Optimizer<optim.AdagradOptions>

/** State of all weights under one of Keras' names: 'momentum'. */
export type Slot = readonly [kerasName: string, ourName: string]

export const unsupported = {
  clipnorm: null,
  global_clipnorm: null,
  clipvalue: null,
  use_ema: false,
  ema_momentum: 0.99,
  ema_overwrite_frequency: null,
  loss_scale_factor: null,
  gradient_accumulation_steps: null,
} as const

type ValueOf = (slot: string, weight: Weight) => ArrayLike<number> | undefined

/** A list of the optimizer's state for a weight: 'momentum', in Keras' order. */
export interface SlotValue {
  readonly slot: string
  readonly weight: Weight
  readonly data: Float32Array
}

export abstract class Optimizer {
  static {
    markCopy(Optimizer, 'Keras object')
  }

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

  /** Begins with these weights; goes on when it has them already, whichever of them were frozen meanwhile. */
  build(weights: readonly Weight[]): void {
    if (weights.every((weight) => this.#weights.includes(weight))) return
    if (this.#steps && this.#weights.every((weight) => weights.includes(weight)))
      throw new LenetError(
        `the optimizer '${this.name}' was begun when fewer layers were trainable; call compile() again with a new optimizer`,
      )
    if (this.#steps)
      throw new LenetError(`the optimizer '${this.name}' trains another model already; make a new one for this model`)
    this.#weights = weights
    this.#steps = this.make(weights.map(({ tensor }) => tensor))
  }

  /** Whether there is anything to train: not where all layers are frozen. */
  get isIdle(): boolean {
    return this.#weights.every(({ tensor }) => !tensor.requiresGrad)
  }

  zeroGrad(): void {
    forgetPasses() // of something else, that ended without a step
    this.#steps?.zeroGrad()
  }

  step(): void {
    refuseOthers('the model')
    this.#steps?.step()
  }

  /** Keras' numbers of a slot over ours. */
  protected factor(_slot: string): number {
    return 1
  }

  /** What a slot begins with. */
  protected get initial(): number {
    return 0
  }

  /** The lists of the state, weight by weight, in Keras' order; zeros before the first step. */
  *slotValues(): Generator<SlotValue> {
    const state = this.#steps?.stateDict().state
    for (const names of this.slots)
      for (const [i, weight] of this.#weights.entries())
        for (const [slot, ours] of names) {
          const inner = state?.get(i)?.[ours]?.toTypedArray() ?? new Float32Array(weight.size).fill(this.initial)
          const data = weight.toKeras(inner)
          const factor = this.factor(slot)
          if (factor !== 1) data.forEach((item, k) => (data[k] = item * factor))
          yield { slot, weight, data }
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
    valueOf: ValueOf,
  ): void {
    this.learningRate = learningRate
    const entries = this.#weights.map((weight) => this.#entry(weight, iterations, valueOf))
    this.iterations = iterations
    const steps = this.#steps
    if (!steps || iterations === 0) return
    steps.loadStateDict({ state: new Map(entries.entries()), param_groups: steps.stateDict().param_groups })
  }

  /** A weight's state as ours: the values that Keras would have, in our order and with our factors. */
  #entry(weight: Weight, iterations: number, valueOf: ValueOf): Record<string, Tensor> {
    const lists = this.slots.flat().map(([slot, ours]): [string, Tensor] => {
      const values = valueOf(slot, weight)
      if (values?.length !== weight.size)
        throw new LenetError(
          `the optimizer's ${slot} of ${weight.path} has ${values?.length ?? 0} values, ${weight.size} are expected`,
        )
      const factor = this.factor(slot)
      const inner = weight.fromKeras(values).map((item) => (factor === 0 ? 0 : item / factor))
      return [ours, fromArray(inner, weight.tensor.shape, 'f32')]
    })
    return { step: fromArray(Float32Array.of(iterations), [], 'f32'), ...Object.fromEntries(lists) }
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
