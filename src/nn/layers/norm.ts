/** Batch normalisation, with running statistics as PyTorch keeps them. Not here: the arithmetic (graph). */
import { LenetError, showShape, UsageError } from '../../base/index.js'
import { everyStep, flushWrites, ops, Tensor, writeLater } from '../../tensor/index.js'
import { ones_ } from '../init.js'
import { Module } from '../module.js'
import { countBuffer, emptyParameter, filledBuffer, type Buffer, type Parameter } from '../parameter.js'
import { expectOptions, expectWhole } from './check.js'
import { showBool, showFloat } from './text.js'

export interface BatchNormOptions {
  /** Added to the variance; default 1e-5. */
  readonly eps?: number
  /**
   * The weight of a batch in the running statistics; default 0.1. null: they are the mean of all batches so far (1 /
   * numBatchesTracked). Files of other families than PyTorch's do not know that: they say 0.1.
   */
  readonly momentum?: number | null
  /** A factor (from 1) and a summand (from 0) a channel are trained; default true. */
  readonly affine?: boolean
}

abstract class BatchNorm extends Module {
  readonly weight: Parameter | null
  readonly bias: Parameter | null
  readonly runningMean: Buffer
  readonly runningVar: Buffer
  readonly numBatchesTracked: Buffer
  readonly #features: number
  readonly #eps: number
  readonly #momentum: number | null

  /** @param numFeatures channels C; options: eps 1e-5, momentum 0.1, affine true */
  constructor(numFeatures: number, options: BatchNormOptions = {}) {
    super()
    expectOptions(new.target.name, options, ['eps', 'momentum', 'affine'])
    expectWhole(new.target.name, { numFeatures })
    const { eps = 1e-5, momentum = 0.1, affine = true } = options
    if (momentum !== null && !(momentum >= 0 && momentum <= 1))
      throw new UsageError(`${new.target.name}: momentum must be from 0 to 1, or null, got ${momentum}`)
    this.#features = numFeatures
    this.#eps = eps
    this.#momentum = momentum
    this.weight = affine ? emptyParameter([numFeatures]) : null
    if (this.weight) ones_(this.weight)
    this.bias = affine ? emptyParameter([numFeatures]) : null
    this.runningMean = filledBuffer([numFeatures], 0)
    this.runningVar = filledBuffer([numFeatures], 1)
    this.numBatchesTracked = countBuffer()
  }

  /** The ranks of input that the class takes. */
  protected abstract readonly ranks: readonly number[]

  forward(x: Tensor): Tensor {
    if (!this.ranks.includes(x.dim())) {
      throw new LenetError(`expects an input of ${this.ranks.join(' or ')} dimensions, got ${showShape(x.shape)}`)
    }
    const affine = { weight: this.weight?.node, bias: this.bias?.node, eps: this.#eps }
    // A second pass before the first one's statistics were written: they go first.
    flushWrites(this.runningMean.node)
    if (!this.training) {
      return new Tensor(ops.batchNormEval(x.node, this.runningMean.node, this.runningVar.node, affine))
    }
    const { output, mean, unbiasedVariance } = ops.batchNormTrain(x.node, affine)
    everyStep(() => this.numBatchesTracked.copy_([this.numBatchesTracked.item() + 1]))
    const shares = this.#shares()
    this.#follow(this.runningMean, mean, shares)
    this.#follow(this.runningVar, unbiasedVariance, shares)
    return new Tensor(output)
  }

  /** How much the running statistics count, and this batch. The count of batches is read when the step runs. */
  #shares(): readonly [Tensor['node'], Tensor['node']] {
    const momentum = this.#momentum
    if (momentum !== null) return [ops.constant(1 - momentum), ops.constant(momentum)]
    const share = ops.div(ops.constant(1), ops.cast(this.numBatchesTracked.node, 'f32'))
    return [ops.sub(ops.constant(1), share), share]
  }

  #follow(running: Buffer, now: Tensor['node'], [kept, share]: readonly [Tensor['node'], Tensor['node']]): void {
    writeLater(running, ops.add(ops.mul(running.node, kept), ops.mul(ops.detach(now), share)))
  }

  override extraRepr(): string {
    const affine = showBool(this.weight !== null)
    const momentum = this.#momentum === null ? 'None' : showFloat(this.#momentum)
    return `${this.#features}, eps=${showFloat(this.#eps)}, momentum=${momentum}, affine=${affine}, bias=${affine}, track_running_stats=True`
  }
}

/** Normalises each channel of [N, C, H, W] (Ioffe & Szegedy 2015). Source: torch.nn.BatchNorm2d. */
export class BatchNorm2d extends BatchNorm {
  protected get ranks(): readonly number[] {
    return [4]
  }
}

/** Normalises each feature of [N, C] or [N, C, L]. Source: torch.nn.BatchNorm1d. */
export class BatchNorm1d extends BatchNorm {
  protected get ranks(): readonly number[] {
    return [2, 3]
  }
}
