/** Normalisations without statistics of other pictures. Not here: the arithmetic (graph), batch norm (norm.ts). */
import { LenetError, showShape, sizeOf, UsageError, type Shape } from '../../base/index.js'
import type { Tensor } from '../../tensor/index.js'
import * as F from '../functional.js'
import { ones_ } from '../init.js'
import { Module } from '../module.js'
import { emptyParameter, type Parameter } from '../parameter.js'
import { expectOptions, expectWhole } from './check.js'
import { showBool, showFloat } from './text.js'

const onesOf = (shape: Shape): Parameter => {
  const parameter = emptyParameter(shape)
  ones_(parameter)
  return parameter
}

export interface LayerNormOptions {
  /** Added to the variance; default 1e-5. */
  readonly eps?: number
  /** Factors (from 1) and summands (from 0) are trained; default true. */
  readonly elementwiseAffine?: boolean
  /** Default: as elementwiseAffine. */
  readonly bias?: boolean
}

/** Normalises over the last dimensions (Ba et al. 2016). Source: torch.nn.LayerNorm. */
export class LayerNorm extends Module {
  readonly weight: Parameter | null
  readonly bias: Parameter | null
  readonly #shape: Shape
  readonly #eps: number

  /** @param normalizedShape the last size, or the last sizes; options: eps 1e-5, elementwiseAffine true, bias true */
  constructor(normalizedShape: number | Shape, options: LayerNormOptions = {}) {
    super()
    expectOptions('LayerNorm', options, ['eps', 'elementwiseAffine', 'bias'])
    const { eps = 1e-5, elementwiseAffine = true, bias = true } = options
    this.#shape = typeof normalizedShape === 'number' ? [normalizedShape] : [...normalizedShape]
    this.#shape.forEach((size) => expectWhole('LayerNorm', { 'a size': size }))
    this.#eps = eps
    this.weight = elementwiseAffine ? onesOf(this.#shape) : null
    this.bias = elementwiseAffine && bias ? emptyParameter(this.#shape) : null
  }

  forward(x: Tensor): Tensor {
    return F.layerNorm(x, this.#shape, this.weight, this.bias, this.#eps)
  }

  override extraRepr(): string {
    const shape = this.#shape.length === 1 ? `(${this.#shape.join()},)` : `(${this.#shape.join(', ')})`
    const affine = showBool(this.weight !== null)
    return `${shape}, eps=${showFloat(this.#eps)}, elementwise_affine=${affine}, bias=${showBool(this.bias !== null)}`
  }
}

export interface GroupNormOptions {
  /** Added to the variance; default 1e-5. */
  readonly eps?: number
  /** A factor (from 1) and a summand (from 0) a channel are trained; default true. */
  readonly affine?: boolean
}

/**
 * Normalises each picture of [N, C, …] over runs of its channels, in training and evaluation alike (Wu & He 2018). Source:
 * torch.nn.GroupNorm.
 */
export class GroupNorm extends Module {
  readonly weight: Parameter | null
  readonly bias: Parameter | null
  readonly #groups: number
  readonly #channels: number
  readonly #eps: number

  /**
   * @param numGroups runs of numChannels / numGroups channels; options: eps 1e-5, affine true
   * @throws UsageError where the channels do not fall into equal runs
   */
  constructor(numGroups: number, numChannels: number, options: GroupNormOptions = {}) {
    super()
    expectOptions('GroupNorm', options, ['eps', 'affine'])
    expectWhole('GroupNorm', { numGroups, numChannels })
    if (numChannels % numGroups !== 0)
      throw new UsageError(`GroupNorm: ${numChannels} channels do not fall into ${numGroups} equal groups`)
    const { eps = 1e-5, affine = true } = options
    this.#groups = numGroups
    this.#channels = numChannels
    this.#eps = eps
    this.weight = affine ? onesOf([numChannels]) : null
    this.bias = affine ? emptyParameter([numChannels]) : null
  }

  forward(x: Tensor): Tensor {
    return F.groupNorm(x, this.#groups, this.weight, this.bias, this.#eps)
  }

  override extraRepr(): string {
    const affine = showBool(this.weight !== null)
    return `${this.#groups}, ${this.#channels}, eps=${showFloat(this.#eps)}, affine=${affine}, bias=${affine}`
  }
}

export interface InstanceNormOptions {
  /** Added to the variance; default 1e-5. */
  readonly eps?: number
  /** A factor (from 1) and a summand (from 0) a channel are trained; default false. */
  readonly affine?: boolean
}

abstract class InstanceNorm extends Module {
  readonly weight: Parameter | null
  readonly bias: Parameter | null
  readonly #features: number
  readonly #eps: number

  /** @param numFeatures channels C; options: eps 1e-5, affine false */
  constructor(numFeatures: number, options: InstanceNormOptions = {}) {
    super()
    expectOptions(new.target.name, options, ['eps', 'affine'])
    expectWhole(new.target.name, { numFeatures })
    const { eps = 1e-5, affine = false } = options
    this.#features = numFeatures
    this.#eps = eps
    this.weight = affine ? onesOf([numFeatures]) : null
    this.bias = affine ? emptyParameter([numFeatures]) : null
  }

  /** The rank of input that the class takes. */
  protected abstract readonly rank: number

  forward(x: Tensor): Tensor {
    const channels = x.shape[1]
    if (x.dim() !== this.rank || channels !== this.#features)
      throw new LenetError(
        `expects an input of ${this.rank} dimensions and ${this.#features} channels, got ${showShape(x.shape)}`,
      )
    if (sizeOf(x.shape.slice(2)) <= 1 && this.training)
      throw new LenetError(
        `expects more than 1 value for each channel of a picture in training, got ${showShape(x.shape)}`,
      )
    return F.groupNorm(x, channels, this.weight, this.bias, this.#eps)
  }

  override extraRepr(): string {
    const affine = showBool(this.weight !== null)
    return `${this.#features}, eps=${showFloat(this.#eps)}, momentum=0.1, affine=${affine}, bias=${affine}, track_running_stats=False`
  }
}

/**
 * Normalises each channel of each picture of [N, C, H, W] by itself (Ulyanov et al. 2016), in training and evaluation alike:
 * running statistics are not built. Source: torch.nn.InstanceNorm2d.
 */
export class InstanceNorm2d extends InstanceNorm {
  protected get rank(): number {
    return 4
  }
}

/** As InstanceNorm2d, of [N, C, L]. Source: torch.nn.InstanceNorm1d. */
export class InstanceNorm1d extends InstanceNorm {
  protected get rank(): number {
    return 3
  }
}
