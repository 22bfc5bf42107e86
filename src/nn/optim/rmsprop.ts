/**
 * RMSprop with PyTorch's formulas and order of operations, or Keras'. Sources: Hinton's lecture 6 (2012), Graves 2013;
 * torch.optim.RMSprop, keras.optimizers.RMSprop.
 */
import { fromArray, type Node, ops, type Tensor } from '../../tensor/index.js'
import { expectOptions } from '../layers/check.js'
import { constantOf, flushed, type Block } from './block.js'
import { expectFormula, expectNumber, numberIn, Optimizer, type Formula, type ParamsInput } from './optimizer.js'

export interface RMSpropOptions {
  /** Learning rate; default 1e-2. May be changed between steps. */
  lr: number
  /** How much of the running mean of the gradient's square stays; default 0.99 (Keras' rho: 0.9). */
  alpha: number
  /** Added to the denominator; default 1e-8 (Keras: 1e-7). */
  eps: number
  /** Times the parameter, added to the gradient; default 0. */
  weightDecay: number
  /** How much of the last direction stays; default 0. */
  momentum: number
  /** Divides by the deviation from the gradient's running mean; default false. */
  centered: boolean
  /**
   * 'torch' (default): g / (√square + eps), the learning rate outside of the momentum. 'keras': g / √(square + eps), the
   * learning rate inside of the momentum.
   */
  formula: Formula
}

const defaults: RMSpropOptions = {
  lr: 1e-2,
  alpha: 0.99,
  eps: 1e-8,
  weightDecay: 0,
  momentum: 0,
  centered: false,
  formula: 'torch',
}

/** @param options lr 1e-2, alpha 0.99, eps 1e-8, weightDecay 0, momentum 0, centered false, formula 'torch' */
export class RMSprop extends Optimizer<RMSpropOptions> {
  protected readonly stateNames = { square: 'square_avg', momentum: 'momentum_buffer', mean: 'grad_avg' }

  constructor(params: ParamsInput<RMSpropOptions>, options: Partial<RMSpropOptions> = {}) {
    super(params, { ...defaults, ...options })
  }

  protected check(options: RMSpropOptions): void {
    const what = this.constructor.name
    expectOptions(what, options, [...Object.keys(defaults), 'params'])
    expectNumber(what, 'lr', options.lr)
    expectNumber(what, 'alpha', options.alpha)
    expectNumber(what, 'eps', options.eps)
    expectNumber(what, 'weightDecay', options.weightDecay)
    expectNumber(what, 'momentum', options.momentum)
    expectFormula(what, options.formula)
  }

  protected setHypers(block: Block, { lr }: RMSpropOptions): void {
    block.setHyper('rate', -lr)
  }

  protected update(block: Block, options: RMSpropOptions): Node[] {
    const { alpha, weightDecay, momentum, centered, formula } = options
    const { whole } = block
    const gradient = block.gradient()
    const g = weightDecay === 0 ? gradient : ops.add(gradient, ops.mul(whole, constantOf(weightDecay)))
    const taken = ops.mul(ops.mul(g, constantOf(1 - alpha)), g)
    const square = flushed(ops.add(ops.mul(block.state('square'), constantOf(alpha)), taken))
    const mean = centered ? flushed(runningMean(block.state('mean'), g, alpha)) : undefined
    const spread = mean ? ops.sub(square, ops.mul(mean, mean)) : square
    const rate = block.hyper('rate')
    const step = ops.div(formula === 'torch' && momentum > 0 ? g : ops.mul(g, rate), denominator(spread, options))
    if (momentum === 0) return block.writes(ops.add(whole, step), { square, ...(mean && { mean }) })
    const velocity = flushed(ops.add(ops.mul(block.state('momentum'), constantOf(momentum)), step))
    const way = formula === 'torch' ? ops.mul(velocity, rate) : velocity
    return block.writes(ops.add(whole, way), { square, momentum: velocity, ...(mean && { mean }) })
  }

  protected override stepState(block: Block): [string, Tensor][] {
    return [['step', fromArray(Float32Array.of(block.steps), [], 'f32')]]
  }

  protected override stepsFrom(entry: ReadonlyMap<string, Tensor>): number {
    return entry.get('step')?.item() ?? 0
  }

  protected groupState(options: RMSpropOptions): Record<string, unknown> {
    const { lr, momentum, alpha, eps, centered, weightDecay, formula } = options
    const own = { lr, momentum, alpha, eps, centered, weight_decay: weightDecay }
    const fixed = { capturable: false, foreach: null, maximize: false, differentiable: false }
    return { ...own, ...fixed, ...(formula !== 'torch' && { formula }) }
  }

  protected groupFrom(state: Readonly<Record<string, unknown>>): Partial<RMSpropOptions> {
    const [lr, momentum, alpha] = [numberIn(state['lr']), numberIn(state['momentum']), numberIn(state['alpha'])]
    const [eps, weightDecay] = [numberIn(state['eps']), numberIn(state['weight_decay'])]
    return {
      ...(lr !== undefined && { lr }),
      ...(momentum !== undefined && { momentum }),
      ...(alpha !== undefined && { alpha }),
      ...(eps !== undefined && { eps }),
      ...(weightDecay !== undefined && { weightDecay }),
      ...(typeof state['centered'] === 'boolean' && { centered: state['centered'] }),
      ...(state['formula'] === 'keras' && { formula: 'keras' as const }),
    }
  }
}

/** mean + (1 − alpha) · (g − mean), computed from the nearer end. */
function runningMean(mean: Node, g: Node, alpha: number): Node {
  const way = ops.sub(g, mean)
  const near = 1 - alpha < 0.5
  return near ? ops.add(mean, ops.mul(way, constantOf(1 - alpha))) : ops.sub(g, ops.mul(way, constantOf(alpha)))
}

function denominator(spread: Node, { eps, formula }: RMSpropOptions): Node {
  if (formula === 'keras') return ops.sqrt(ops.add(spread, constantOf(eps)))
  return ops.add(ops.sqrt(spread), constantOf(eps))
}
