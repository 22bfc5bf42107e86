/** Conv2d and Linear: the layers whose weights are initialised at random. Not here: what they compute (graph). */
import { UsageError } from '../../base/index.js'
import { ops, type Tensor } from '../../tensor/index.js'
import * as F from '../functional.js'
import { fans, kaimingUniform_, uniform_ } from '../init.js'
import { Module } from '../module.js'
import { emptyParameter, type Parameter } from '../parameter.js'
import { expectOptions, expectSize, expectWhole } from './check.js'
import { checkSamePadding } from '../samePadding.js'
import { showBool, showSize } from './text.js'

/** PyTorch's default, drawn in its order: the weight of ±1/√fanIn, then the bias of the same. */
function initialise(weight: Parameter, bias: Parameter | null): void {
  kaimingUniform_(weight, Math.sqrt(5))
  if (!bias) return
  const bound = 1 / Math.sqrt(fans(weight).fanIn)
  uniform_(bias, -bound, bound)
}

export interface Conv2dOptions extends F.ConvOptions {
  /** Adds a number a channel; default true. */
  readonly bias?: boolean
}

type Pair = readonly [number, number]

/** All options of a convolution. */
interface Slide {
  readonly stride: Pair
  readonly padding: Pair | 'same' | 'valid'
  readonly dilation: Pair
  readonly groups: number
}

function slideOf({ stride = 1, padding = 0, dilation = 1, groups = 1 }: Conv2dOptions): Slide {
  if (typeof padding === 'string' && padding !== 'same' && padding !== 'valid')
    throw new UsageError(`Conv2d: padding must be numbers, 'same' or 'valid', got '${String(padding)}'`)
  const pads = padding === 'same' || padding === 'valid' ? padding : ops.pair(padding)
  return { stride: ops.pair(stride), padding: pads, dilation: ops.pair(dilation), groups }
}

function checkSlide(inChannels: number, outChannels: number, { stride, padding, dilation, groups }: Slide): void {
  expectWhole('Conv2d', { 'vertical stride': stride[0], 'horizontal stride': stride[1] })
  expectWhole('Conv2d', { 'vertical dilation': dilation[0], 'horizontal dilation': dilation[1], groups })
  if (typeof padding !== 'string')
    expectWhole('Conv2d', { 'vertical padding': padding[0], 'horizontal padding': padding[1] }, 0)
  checkSamePadding('Conv2d', padding, stride)
  if (inChannels % groups !== 0 || outChannels % groups !== 0)
    throw new UsageError(
      `Conv2d: ${inChannels} input channels and ${outChannels} output channels do not fall into ${groups} equal groups`,
    )
}

/**
 * A convolution over pictures: [N, inChannels, H, W] → [N, outChannels, OH, OW]. Source: torch.nn.Conv2d (padding modes
 * other than zeros are not there).
 * @param kernelSize a number, or [vertical, horizontal]; options: stride 1, padding 0 (or 'same', 'valid'), dilation 1,
 * groups 1, bias true
 */
export class Conv2d extends Module {
  readonly weight: Parameter
  readonly bias: Parameter | null
  readonly #channels: Pair
  readonly #kernel: Pair
  readonly #slide: Slide

  constructor(inChannels: number, outChannels: number, kernelSize: F.Size2, options: Conv2dOptions = {}) {
    super()
    expectOptions('Conv2d', options, ['stride', 'padding', 'dilation', 'groups', 'bias'])
    expectSize('Conv2d', kernelSize)
    const kernel = ops.pair(kernelSize)
    expectWhole('Conv2d', { inChannels, outChannels, 'kernel height': kernel[0], 'kernel width': kernel[1] })
    this.#channels = [inChannels, outChannels]
    this.#kernel = kernel
    this.#slide = slideOf(options)
    checkSlide(inChannels, outChannels, this.#slide)
    this.weight = emptyParameter([outChannels, inChannels / this.#slide.groups, ...kernel])
    this.bias = options.bias === false ? null : emptyParameter([outChannels])
    initialise(this.weight, this.bias)
  }

  forward(x: Tensor): Tensor {
    return F.conv2d(x, this.weight, this.bias, this.#slide)
  }

  override extraRepr(): string {
    const { stride, padding, dilation, groups } = this.#slide
    const shown = [this.#channels.join(', '), `kernel_size=${showSize(this.#kernel)}`, `stride=${showSize(stride)}`]
    if (typeof padding === 'string') shown.push(`padding=${padding}`)
    else if (padding[0] + padding[1] > 0) shown.push(`padding=${showSize(padding)}`)
    if (dilation[0] > 1 || dilation[1] > 1) shown.push(`dilation=${showSize(dilation)}`)
    if (groups > 1) shown.push(`groups=${groups}`)
    if (!this.bias) shown.push('bias=False')
    return shown.join(', ')
  }
}

export interface LinearOptions {
  /** Default true. */
  readonly bias?: boolean
}

/** x weightᵀ + bias: […, inFeatures] → […, outFeatures]. Source: torch.nn.Linear. */
export class Linear extends Module {
  readonly weight: Parameter
  readonly bias: Parameter | null

  constructor(inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    super()
    expectOptions('Linear', options, ['bias'])
    expectWhole('Linear', { inFeatures, outFeatures })
    this.weight = emptyParameter([outFeatures, inFeatures])
    this.bias = options.bias === false ? null : emptyParameter([outFeatures])
    initialise(this.weight, this.bias)
  }

  forward(x: Tensor): Tensor {
    return F.linear(x, this.weight, this.bias)
  }

  override extraRepr(): string {
    const [out, inputs] = this.weight.shape
    return `in_features=${inputs}, out_features=${out}, bias=${showBool(this.bias !== null)}`
  }
}
