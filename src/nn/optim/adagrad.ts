/**
 * Adagrad with PyTorch's formulas and order of operations, or Keras'. Sources: Duchi et al. 2011; torch.optim.Adagrad,
 * keras.optimizers.Adagrad.
 */
import { fromArray, type Node, ops, type Tensor } from '../../tensor/index.js'
import { expectOptions } from '../layers/check.js'
import { constantOf, flushed, type Block } from './block.js'
import { expectFormula, expectNumber, numberIn, Optimizer, type Formula, type ParamsInput } from './optimizer.js'

export interface AdagradOptions {
  /** Learning rate; default 1e-2. May be changed between steps. */
  lr: number
  /** Step t has the rate lr / (1 + (t − 1) · lrDecay); default 0. */
  lrDecay: number
  /** Times the parameter, added to the gradient; default 0. */
  weightDecay: number
  /** What the sum of squares begins with; default 0 (Keras: 0.1). */
  initialAccumulatorValue: number
  /** Added to the denominator; default 1e-10 (Keras: 1e-7). */
  eps: number
  /** 'torch' (default): g / (√sum + eps). 'keras': g / √(sum + eps). */
  formula: Formula
}

const defaults: AdagradOptions = {
  lr: 1e-2,
  lrDecay: 0,
  weightDecay: 0,
  initialAccumulatorValue: 0,
  eps: 1e-10,
  formula: 'torch',
}

/** @param options lr 1e-2, lrDecay 0, weightDecay 0, initialAccumulatorValue 0, eps 1e-10, formula 'torch' */
export class Adagrad extends Optimizer<AdagradOptions> {
  protected readonly stateNames = { sum: 'sum' }

  constructor(params: ParamsInput<AdagradOptions>, options: Partial<AdagradOptions> = {}) {
    super(params, { ...defaults, ...options })
  }

  protected check(options: AdagradOptions): void {
    const what = this.constructor.name
    expectOptions(what, options, [...Object.keys(defaults), 'params'])
    expectNumber(what, 'lr', options.lr)
    expectNumber(what, 'lrDecay', options.lrDecay)
    expectNumber(what, 'weightDecay', options.weightDecay)
    expectNumber(what, 'initialAccumulatorValue', options.initialAccumulatorValue)
    expectNumber(what, 'eps', options.eps)
    expectFormula(what, options.formula)
  }

  protected setHypers(block: Block, { lr, lrDecay }: AdagradOptions): void {
    block.setHyper('rate', -lr / (1 + block.steps * lrDecay))
  }

  protected update(block: Block, options: AdagradOptions): Node[] {
    const { weightDecay, initialAccumulatorValue, eps, formula } = options
    const { whole } = block
    const gradient = block.gradient()
    const g = weightDecay === 0 ? gradient : ops.add(gradient, ops.mul(whole, constantOf(weightDecay)))
    const sum = flushed(ops.add(block.state('sum', initialAccumulatorValue), ops.mul(g, g)))
    const root = formula === 'keras' ? ops.sqrt(ops.add(sum, constantOf(eps))) : ops.add(ops.sqrt(sum), constantOf(eps))
    return block.writes(ops.add(whole, ops.div(ops.mul(g, block.hyper('rate')), root)), { sum })
  }

  protected override stepState(block: Block): [string, Tensor][] {
    return [['step', fromArray(Float32Array.of(block.steps), [], 'f32')]]
  }

  protected override stepsFrom(entry: ReadonlyMap<string, Tensor>): number {
    return entry.get('step')?.item() ?? 0
  }

  protected groupState(options: AdagradOptions): Record<string, unknown> {
    const { lr, lrDecay, eps, weightDecay, initialAccumulatorValue, formula } = options
    const own = { lr, lr_decay: lrDecay, eps, weight_decay: weightDecay }
    const fixed = { foreach: null, maximize: false, differentiable: false, fused: null }
    const initial = { initial_accumulator_value: initialAccumulatorValue }
    return { ...own, ...initial, ...fixed, ...(formula !== 'torch' && { formula }) }
  }

  protected groupFrom(state: Readonly<Record<string, unknown>>): Partial<AdagradOptions> {
    const [lr, lrDecay, eps] = [numberIn(state['lr']), numberIn(state['lr_decay']), numberIn(state['eps'])]
    const weightDecay = numberIn(state['weight_decay'])
    const initialAccumulatorValue = numberIn(state['initial_accumulator_value'])
    return {
      ...(lr !== undefined && { lr }),
      ...(lrDecay !== undefined && { lrDecay }),
      ...(eps !== undefined && { eps }),
      ...(weightDecay !== undefined && { weightDecay }),
      ...(initialAccumulatorValue !== undefined && { initialAccumulatorValue }),
      ...(state['formula'] === 'keras' && { formula: 'keras' as const }),
    }
  }
}
