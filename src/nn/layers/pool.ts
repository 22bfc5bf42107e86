/** Pooling layers. Not here: what they compute (graph). */
import { UsageError } from '../../base/index.js'
import { ops, type Tensor } from '../../tensor/index.js'
import * as F from '../functional.js'
import { Module } from '../module.js'
import { expectOptions, expectSize, expectWhole } from './check.js'
import { showSize } from './text.js'

function checkWindow(layer: string, kernelSize: F.Size2, stride: F.Size2, padding: F.Size2): void {
  expectSize(layer, kernelSize)
  const [kernel, strides, paddings] = [ops.pair(kernelSize), ops.pair(stride), ops.pair(padding)]
  expectWhole(layer, { 'kernel height': kernel[0], 'kernel width': kernel[1] })
  expectWhole(layer, { 'vertical stride': strides[0], 'horizontal stride': strides[1] })
  expectWhole(layer, { 'vertical padding': paddings[0], 'horizontal padding': paddings[1] }, 0)
  if (paddings.some((size, i) => size * 2 > (kernel[i] ?? 0)))
    throw new UsageError(
      `${layer}: padding ${showSize(padding)} must be at most half the kernel size ${showSize(kernelSize)}`,
    )
}

/** The largest value of each window. Stride: the kernel size by default; `ceilMode` as PyTorch's ceil_mode. Source: torch.nn.MaxPool2d. */
export class MaxPool2d extends Module {
  readonly #kernel: F.Size2
  readonly #options: Required<F.PoolOptions>

  constructor(kernelSize: F.Size2, options: F.PoolOptions = {}) {
    super()
    expectOptions('MaxPool2d', options, ['stride', 'padding', 'ceilMode'])
    const { stride = kernelSize, padding = 0, ceilMode = false } = options
    this.#kernel = kernelSize
    this.#options = { stride, padding, ceilMode }
    checkWindow('MaxPool2d', kernelSize, stride, padding)
  }

  forward(x: Tensor): Tensor {
    return F.maxPool2d(x, this.#kernel, this.#options)
  }

  override extraRepr(): string {
    const { stride, padding, ceilMode } = this.#options
    const window = `kernel_size=${showSize(this.#kernel)}, stride=${showSize(stride)}, padding=${showSize(padding)}`
    return `${window}, dilation=1, ceil_mode=${ceilMode ? 'True' : 'False'}`
  }
}

/** The mean of each window. Stride: the kernel size by default; `ceilMode` as PyTorch's ceil_mode. Source: torch.nn.AvgPool2d. */
export class AvgPool2d extends Module {
  readonly #kernel: F.Size2
  readonly #options: Required<F.AvgPoolOptions>

  constructor(kernelSize: F.Size2, options: F.AvgPoolOptions = {}) {
    super()
    expectOptions('AvgPool2d', options, ['stride', 'padding', 'countIncludePad', 'ceilMode'])
    const { stride = kernelSize, padding = 0, countIncludePad = true, ceilMode = false } = options
    this.#kernel = kernelSize
    this.#options = { stride, padding, countIncludePad, ceilMode }
    checkWindow('AvgPool2d', kernelSize, stride, padding)
  }

  forward(x: Tensor): Tensor {
    return F.avgPool2d(x, this.#kernel, this.#options)
  }

  override extraRepr(): string {
    const { stride, padding } = this.#options
    return `kernel_size=${showSize(this.#kernel)}, stride=${showSize(stride)}, padding=${showSize(padding)}`
  }
}

/** Means over windows that give pictures of a size; 1: one mean a channel. Source: torch.nn.AdaptiveAvgPool2d. */
export class AdaptiveAvgPool2d extends Module {
  readonly #size: F.Size2 | readonly [number | null, number | null]

  /** @param outputSize a number, or [height, width]; null keeps a size */
  constructor(outputSize: F.Size2 | readonly [number | null, number | null]) {
    super()
    const [height, width] = typeof outputSize === 'number' ? [outputSize, outputSize] : outputSize
    expectWhole('AdaptiveAvgPool2d', { 'output height': height ?? 1, 'output width': width ?? 1 })
    this.#size = outputSize
  }

  forward(x: Tensor): Tensor {
    return F.adaptiveAvgPool2d(x, this.#size)
  }

  override extraRepr(): string {
    const size = this.#size
    const shown = typeof size === 'number' ? String(size) : `(${size.map((n) => n ?? 'None').join(', ')})`
    return `output_size=${shown}`
  }
}
