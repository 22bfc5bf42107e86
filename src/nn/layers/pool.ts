/** Pooling layers. Not here: what they compute (graph). */
import type { Tensor } from '../../tensor/index.js'
import * as F from '../functional.js'
import { Module } from '../module.js'
import { expectOptions } from './check.js'
import { showSize } from './text.js'

/** The largest value of each window. Stride: the kernel size by default. Source: torch.nn.MaxPool2d. */
export class MaxPool2d extends Module {
  readonly #kernel: F.Size2
  readonly #options: Required<F.PoolOptions>

  constructor(kernelSize: F.Size2, options: F.PoolOptions = {}) {
    super()
    expectOptions('MaxPool2d', options, ['stride', 'padding'])
    this.#kernel = kernelSize
    this.#options = { stride: options.stride ?? kernelSize, padding: options.padding ?? 0 }
  }

  forward(x: Tensor): Tensor {
    return F.maxPool2d(x, this.#kernel, this.#options)
  }

  override extraRepr(): string {
    const { stride, padding } = this.#options
    return `kernel_size=${showSize(this.#kernel)}, stride=${showSize(stride)}, padding=${showSize(padding)}, dilation=1, ceil_mode=False`
  }
}

/** The mean of each window. Stride: the kernel size by default. Source: torch.nn.AvgPool2d. */
export class AvgPool2d extends Module {
  readonly #kernel: F.Size2
  readonly #options: Required<F.AvgPoolOptions>

  constructor(kernelSize: F.Size2, options: F.AvgPoolOptions = {}) {
    super()
    expectOptions('AvgPool2d', options, ['stride', 'padding', 'countIncludePad'])
    const { stride = kernelSize, padding = 0, countIncludePad = true } = options
    this.#kernel = kernelSize
    this.#options = { stride, padding, countIncludePad }
  }

  forward(x: Tensor): Tensor {
    return F.avgPool2d(x, this.#kernel, this.#options)
  }

  override extraRepr(): string {
    const { stride, padding } = this.#options
    return `kernel_size=${showSize(this.#kernel)}, stride=${showSize(stride)}, padding=${showSize(padding)}`
  }
}
