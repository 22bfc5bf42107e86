/** Batch normalisation, with running statistics as PyTorch keeps them. Not here: the arithmetic (graph). */
import { LenetError, showShape } from '../../base/index.js'
import { everyStep, flushWrites, ops, Tensor, writeLater } from '../../tensor/index.js'
import { ones_ } from '../init.js'
import { Module } from '../module.js'
import { countBuffer, emptyParameter, filledBuffer, type Buffer, type Parameter } from '../parameter.js'
import { expectOptions, expectWhole } from './check.js'
import { showBool, showFloat } from './text.js'

export interface BatchNormOptions {
  /** Added to the variance; default 1e-5. */
  readonly eps?: number
  /** The weight of a batch in the running statistics; default 0.1. */
  readonly momentum?: number
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
  readonly #momentum: number

  constructor(numFeatures: number, options: BatchNormOptions = {}) {
    super()
    expectOptions(new.target.name, options, ['eps', 'momentum', 'affine'])
    expectWhole(new.target.name, { numFeatures })
    const { eps = 1e-5, momentum = 0.1, affine = true } = options
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
    this.#follow(this.runningMean, mean)
    this.#follow(this.runningVar, unbiasedVariance)
    everyStep(() => this.numBatchesTracked.copy_([this.numBatchesTracked.item() + 1]))
    return new Tensor(output)
  }

  /** running = (1 - momentum) · running + momentum · now */
  #follow(running: Buffer, now: Tensor['node']): void {
    const kept = ops.mul(running.node, ops.constant(1 - this.#momentum))
    writeLater(running, ops.add(kept, ops.mul(ops.detach(now), ops.constant(this.#momentum))))
  }

  override extraRepr(): string {
    const affine = showBool(this.weight !== null)
    return `${this.#features}, eps=${showFloat(this.#eps)}, momentum=${showFloat(this.#momentum)}, affine=${affine}, bias=${affine}, track_running_stats=True`
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
