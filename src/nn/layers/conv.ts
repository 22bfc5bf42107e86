/** Conv2d and Linear: the layers whose weights are initialised at random. Not here: what they compute (graph). */
import { ops, type Tensor } from '../../tensor/index.js'
import * as F from '../functional.js'
import { fans, kaimingUniform_, uniform_ } from '../init.js'
import { Module } from '../module.js'
import { emptyParameter, type Parameter } from '../parameter.js'
import { expectOptions, expectWhole } from './check.js'
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

/**
 * A convolution over pictures: [N, inChannels, H, W] → [N, outChannels, OH, OW]. Source: torch.nn.Conv2d (dilation,
 * groups and padding modes are not there).
 * @param kernelSize a number, or [vertical, horizontal]; options: stride 1, padding 0, bias true
 */
export class Conv2d extends Module {
  readonly weight: Parameter
  readonly bias: Parameter | null
  readonly #channels: readonly [number, number]
  readonly #kernel: readonly [number, number]
  readonly #slide: { readonly stride: readonly [number, number]; readonly padding: readonly [number, number] }

  constructor(inChannels: number, outChannels: number, kernelSize: F.Size2, options: Conv2dOptions = {}) {
    super()
    expectOptions('Conv2d', options, ['stride', 'padding', 'bias'])
    const [kernel, stride, padding] = [
      ops.pair(kernelSize),
      ops.pair(options.stride ?? 1),
      ops.pair(options.padding ?? 0),
    ]
    expectWhole('Conv2d', { inChannels, outChannels, 'kernel height': kernel[0], 'kernel width': kernel[1] })
    expectWhole('Conv2d', { 'vertical stride': stride[0], 'horizontal stride': stride[1] })
    expectWhole('Conv2d', { 'vertical padding': padding[0], 'horizontal padding': padding[1] }, 0)
    this.#channels = [inChannels, outChannels]
    this.#kernel = kernel
    this.#slide = { stride, padding }
    this.weight = emptyParameter([outChannels, inChannels, ...kernel])
    this.bias = options.bias === false ? null : emptyParameter([outChannels])
    initialise(this.weight, this.bias)
  }

  forward(x: Tensor): Tensor {
    return F.conv2d(x, this.weight, this.bias, this.#slide)
  }

  override extraRepr(): string {
    const { stride, padding } = this.#slide
    const padded = padding[0] + padding[1] > 0 ? `, padding=${showSize(padding)}` : ''
    const bias = this.bias ? '' : ', bias=False'
    return `${this.#channels.join(', ')}, kernel_size=${showSize(this.#kernel)}, stride=${showSize(stride)}${padded}${bias}`
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
