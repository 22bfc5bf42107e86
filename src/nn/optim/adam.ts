/**
 * Adam, AMSGrad and AdamW with PyTorch's formulas and order of operations (its single-tensor path).
 * Sources: Kingma & Ba 2015; Reddi et al. 2018; Loshchilov & Hutter 2019; torch.optim.Adam.
 */
import { fromArray, type Node, ops, type Tensor } from '../../tensor/index.js'
import { expectOptions } from '../layers/check.js'
import { constantOf, flushed, type Block } from './block.js'
import { expectNumber, numberIn, Optimizer, type ParamsInput } from './optimizer.js'

export interface AdamOptions {
  /** Learning rate; default 1e-3. May be changed between steps. */
  lr: number
  /** How much of the running means of the gradient and its square stays; default [0.9, 0.999]. */
  betas: readonly [number, number]
  /** Added to the denominator; default 1e-8. */
  eps: number
  /** Adam: times the parameter, added to the gradient; default 0. AdamW: times lr, taken off the parameter; default 0.01. */
  weightDecay: number
  /** The largest mean square so far instead of the present one; default false. */
  amsgrad: boolean
}

const defaults = { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, amsgrad: false } as const

/** β^steps by repeated multiplication, as it was reached step by step. */
class Powers {
  #steps = 0
  #values: [number, number] = [1, 1]
  #betas: readonly [number, number] = [0, 0]

  at(steps: number, betas: readonly [number, number]): readonly [number, number] {
    if (this.#betas[0] !== betas[0] || this.#betas[1] !== betas[1] || steps < this.#steps) {
      this.#betas = [...betas]
      this.#values = [1, 1]
      this.#steps = 0
    }
    for (; this.#steps < steps; this.#steps++) {
      this.#values[0] *= betas[0]
      this.#values[1] *= betas[1]
    }
    return this.#values
  }
}

/** a + weight · (b - a), computed from the nearer end. */
function lerp(a: Node, b: Node, weight: number): Node {
  const way = ops.sub(b, a)
  return weight < 0.5 ? ops.add(a, ops.mul(way, constantOf(weight))) : ops.sub(b, ops.mul(way, constantOf(1 - weight)))
}

abstract class AdamBase extends Optimizer<AdamOptions> {
  readonly #powers = new WeakMap<Block, Powers>()
  protected readonly stateNames = { mean: 'exp_avg', square: 'exp_avg_sq', largest: 'max_exp_avg_sq' }
  /** Weight decay apart from the gradient. */
  protected abstract get decoupled(): boolean

  protected check(options: AdamOptions): void {
    const what = this.constructor.name
    expectOptions(what, options, [...Object.keys(defaults), 'params'])
    const { lr, betas, eps, weightDecay } = options
    expectNumber(what, 'lr', lr)
    expectNumber(what, 'eps', eps)
    expectNumber(what, 'betas[0]', betas[0], 0, 1)
    expectNumber(what, 'betas[1]', betas[1], 0, 1)
    expectNumber(what, 'weightDecay', weightDecay)
  }

  protected setHypers(block: Block, { lr, betas, weightDecay }: AdamOptions): void {
    const [power1, power2] = this.#powersOf(block).at(block.steps + 1, betas)
    block.setHyper('kept', 1 - lr * weightDecay)
    block.setHyper('root2', Math.sqrt(1 - power2))
    block.setHyper('step', -lr / (1 - power1))
  }

  protected update(block: Block, { betas, eps, weightDecay, amsgrad }: AdamOptions): Node[] {
    const gradient = block.gradient()
    const decayed = weightDecay !== 0 && this.decoupled
    const { whole } = block
    const before = decayed ? ops.mul(whole, block.hyper('kept')) : whole
    const g = weightDecay !== 0 && !decayed ? ops.add(gradient, ops.mul(whole, constantOf(weightDecay))) : gradient
    const mean = flushed(lerp(block.state('mean'), g, 1 - betas[0]))
    const old = ops.mul(block.state('square'), constantOf(betas[1]))
    const square = flushed(ops.add(old, ops.mul(ops.mul(g, constantOf(1 - betas[1])), g)))
    const largest = amsgrad ? ops.maximum(block.state('largest'), square) : undefined
    const root = ops.div(ops.sqrt(largest ?? square), block.hyper('root2'))
    const step = ops.mul(mean, block.hyper('step'))
    const after = ops.add(before, ops.div(step, ops.add(root, constantOf(eps))))
    return block.writes(after, { mean, square, ...(largest && { largest }) })
  }

  #powersOf(block: Block): Powers {
    let powers = this.#powers.get(block)
    if (!powers) this.#powers.set(block, (powers = new Powers()))
    return powers
  }

  protected override stepState(block: Block): [string, Tensor][] {
    return [['step', fromArray(Float32Array.of(block.steps), [], 'f32')]]
  }

  protected override stepsFrom(entry: ReadonlyMap<string, Tensor>): number {
    return entry.get('step')?.item() ?? 0
  }

  protected groupState({ lr, betas, eps, weightDecay, amsgrad }: AdamOptions): Record<string, unknown> {
    const fixed = { maximize: false, foreach: null, capturable: false, differentiable: false, fused: null }
    const own = { lr, betas: [...betas], eps, weight_decay: weightDecay, amsgrad }
    return { ...own, ...fixed, decoupled_weight_decay: this.decoupled }
  }

  protected groupFrom(state: Readonly<Record<string, unknown>>): Partial<AdamOptions> {
    const betas = Array.isArray(state['betas']) ? state['betas'].map(numberIn) : []
    const [lr, eps, weightDecay] = [numberIn(state['lr']), numberIn(state['eps']), numberIn(state['weight_decay'])]
    return {
      ...(lr !== undefined && { lr }),
      ...(eps !== undefined && { eps }),
      ...(weightDecay !== undefined && { weightDecay }),
      ...(betas[0] !== undefined && betas[1] !== undefined && { betas: [betas[0], betas[1]] as const }),
      ...(typeof state['amsgrad'] === 'boolean' && { amsgrad: state['amsgrad'] }),
    }
  }
}

/**
 * Adam: steps of about `lr`, whatever the size of the gradient.
 * @param options lr 1e-3, betas [0.9, 0.999], eps 1e-8, weightDecay 0, amsgrad false
 */
export class Adam extends AdamBase {
  constructor(params: ParamsInput<AdamOptions>, options: Partial<AdamOptions> = {}) {
    super(params, { ...defaults, ...options })
  }
  protected get decoupled(): boolean {
    return false
  }
}

/** Adam with weight decay apart from the gradient; weightDecay 0.01 by default, else as Adam. */
export class AdamW extends AdamBase {
  constructor(params: ParamsInput<AdamOptions>, options: Partial<AdamOptions> = {}) {
    super(params, { ...defaults, weightDecay: 1e-2, ...options })
  }
  protected get decoupled(): boolean {
    return true
  }
}
