/**
 * Stochastic gradient descent with momentum, PyTorch's formulas or Keras'. Sources: Sutskever et al. 2013; torch.optim.SGD;
 * keras.optimizers.SGD.
 */
import { ops, type Node } from '../../tensor/index.js'
import { UsageError } from '../../base/index.js'
import { expectOptions } from '../layers/check.js'
import { constantOf, flushed, type Block } from './block.js'
import { expectFormula, expectNumber, numberIn, Optimizer, type Formula, type ParamsInput } from './optimizer.js'

export interface SGDOptions {
  /** Learning rate; default 1e-3. May be changed between steps. */
  lr: number
  /** How much of the last direction stays; default 0. */
  momentum: number
  /** How much of the gradient is left out of the momentum; default 0. */
  dampening: number
  /** Times the parameter, added to the gradient; default 0. */
  weightDecay: number
  /** The gradient as if the momentum had been followed already; default false. */
  nesterov: boolean
  /** 'keras': the momentum has the learning rate of each step in it; default 'torch': that of the present one. */
  formula: Formula
}

const defaults: SGDOptions = { lr: 1e-3, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, formula: 'torch' }

/** @param options lr 1e-3, momentum 0, dampening 0, weightDecay 0, nesterov false, formula 'torch' */
export class SGD extends Optimizer<SGDOptions> {
  protected readonly stateNames = { momentum: 'momentum_buffer' }

  constructor(params: ParamsInput<SGDOptions>, options: Partial<SGDOptions> = {}) {
    super(params, { ...defaults, ...options })
  }

  protected check(options: SGDOptions): void {
    expectOptions('SGD', options, [...Object.keys(defaults), 'params'])
    const { lr, momentum, dampening, weightDecay, nesterov, formula } = options
    expectFormula('SGD', formula)
    expectNumber('SGD', 'lr', lr)
    expectNumber('SGD', 'momentum', momentum)
    expectNumber('SGD', 'weightDecay', weightDecay)
    if (nesterov && (momentum <= 0 || dampening !== 0)) {
      throw new UsageError(`SGD: nesterov needs a momentum above 0 and no dampening, got ${momentum} and ${dampening}`)
    }
  }

  protected setHypers(block: Block, { lr, dampening }: SGDOptions): void {
    block.setHyper('rate', -lr)
    // The first step takes the whole gradient: 0 · momentum + g · 1 gives its bits.
    block.setHyper('taken', block.steps === 0 ? 1 : 1 - dampening)
  }

  protected update(block: Block, { momentum, weightDecay, nesterov, formula }: SGDOptions): Node[] {
    const { whole } = block
    const gradient = block.gradient()
    const g = weightDecay === 0 ? gradient : ops.add(gradient, ops.mul(whole, constantOf(weightDecay)))
    const rate = block.hyper('rate')
    if (momentum === 0) return block.writes(ops.add(whole, ops.mul(g, rate)), {})
    const own = formula === 'keras' ? ops.mul(g, rate) : g
    const taken = ops.mul(own, block.hyper('taken'))
    const velocity = flushed(ops.add(ops.mul(block.state('momentum'), constantOf(momentum)), taken))
    const way = nesterov ? ops.add(own, ops.mul(velocity, constantOf(momentum))) : velocity
    return block.writes(ops.add(whole, formula === 'keras' ? way : ops.mul(way, rate)), { momentum: velocity })
  }

  protected groupState({
    lr,
    momentum,
    dampening,
    weightDecay,
    nesterov,
    formula,
  }: SGDOptions): Record<string, unknown> {
    const fixed = { maximize: false, foreach: null, differentiable: false, fused: null }
    const own = { lr, momentum, dampening, weight_decay: weightDecay, nesterov, ...fixed }
    return { ...own, ...(formula !== 'torch' && { formula }) }
  }

  protected groupFrom(state: Readonly<Record<string, unknown>>): Partial<SGDOptions> {
    const [lr, momentum, dampening] = [numberIn(state['lr']), numberIn(state['momentum']), numberIn(state['dampening'])]
    const weightDecay = numberIn(state['weight_decay'])
    return {
      ...(lr !== undefined && { lr }),
      ...(momentum !== undefined && { momentum }),
      ...(dampening !== undefined && { dampening }),
      ...(weightDecay !== undefined && { weightDecay }),
      ...(typeof state['nesterov'] === 'boolean' && { nesterov: state['nesterov'] }),
      ...(state['formula'] === 'keras' && { formula: 'keras' as const }),
    }
  }
}
