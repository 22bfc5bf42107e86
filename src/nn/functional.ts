/**
 * F: layers as functions, without parameters of their own. Source: torch.nn.functional.
 * Not here: what they compute (graph), the layers that own parameters (layers/).
 */
import { expectNumbers, expectOptions, LenetError, showShape, type Shape } from '../base/index.js'
import {
  type AvgPoolOptions,
  type ConvOptions,
  nextRandomKey,
  ops,
  type PoolOptions,
  type Reduction,
  type Size2,
  Tensor,
} from '../tensor/index.js'

import { checkSamePadding } from './samePadding.js'

export * from './functionalActivations.js'
export * from './functionalLosses.js'
export type { AvgPoolOptions, ConvOptions, PoolOptions, Reduction, Size2 }

/**
 * x [N, C, H, W] (or [C, H, W]), weight [O, C / groups, kH, kW], bias [O] → [N, O, OH, OW].
 * @param options stride, default 1; padding with zeros, default 0: a number, [vertical, horizontal], 'same' (an odd zero
 * at the end) or 'valid'; dilation, default 1; groups of channels, default 1
 * @throws LenetError for wrong shapes, and a window that does not fit
 */
export function conv2d(x: Tensor, weight: Tensor, bias?: Tensor | null, options: ConvOptions = {}): Tensor {
  expectOptions('conv2d', options, ['stride', 'padding', 'dilation', 'groups'])
  checkSamePadding('conv2d', options.padding, options.stride)
  return new Tensor(ops.conv2d(x.node, weight.node, bias?.node, options))
}

/** x weightᵀ + bias: x […, I], weight [O, I], bias [O] → […, O]. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor | null): Tensor {
  return new Tensor(ops.linear(x.node, weight.node, bias?.node))
}

/**
 * The largest value of each window of [N, C, H, W].
 * @param options stride, default the kernel size; padding, default 0; ceilMode: windows may reach over the far edge, default false
 */
export function maxPool2d(x: Tensor, kernelSize: Size2, options: PoolOptions = {}): Tensor {
  expectOptions('maxPool2d', options, ['stride', 'padding', 'ceilMode'])
  return new Tensor(ops.maxPool2d(x.node, kernelSize, options))
}

/**
 * The mean of each window; options as of maxPool2d, and `countIncludePad` (default true) counts padding as zeros. What
 * reaches over the far edge in ceil mode never counts.
 */
export function avgPool2d(x: Tensor, kernelSize: Size2, options: AvgPoolOptions = {}): Tensor {
  expectOptions('avgPool2d', options, ['stride', 'padding', 'countIncludePad', 'ceilMode'])
  return new Tensor(ops.avgPool2d(x.node, kernelSize, options))
}

export const flatten = (x: Tensor, startDim = 1, endDim = -1): Tensor => x.flatten(startDim, endDim)

/**
 * In training each value is 0 with probability `p` and else divided by 1 - p; in evaluation nothing happens.
 * The mask follows from the seed and the number of masks drawn before, not from PyTorch's numbers.
 */
export function dropout(x: Tensor, p = 0.5, training = true): Tensor {
  expectNumbers('dropout', { p })
  if (!training || p === 0) return x
  return new Tensor(ops.dropout(x.node, p, ops.hostLeaf(nextRandomKey(), [2], 'i32')))
}

/** In training each channel of a picture [N, C, …] is 0 with probability `p` and else divided by 1 - p. */
export function dropout2d(x: Tensor, p = 0.5, training = true): Tensor {
  expectNumbers('dropout2d', { p })
  if (!training || p === 0) return x
  return new Tensor(ops.dropoutChannels(x.node, p, ops.hostLeaf(nextRandomKey(), [2], 'i32')))
}

/** [N, C, H, W] → [N, C, OH, OW] by means; 1 is global average pooling, null keeps a size. */
export function adaptiveAvgPool2d(x: Tensor, outputSize: Size2 | readonly [number | null, number | null]): Tensor {
  return new Tensor(ops.adaptiveAvgPool2d(x.node, outputSize))
}

/** Normalises over the last dimensions, which are `normalizedShape`; weight and bias are of that shape. */
export function layerNorm(
  x: Tensor,
  normalizedShape: Shape,
  weight?: Tensor | null,
  bias?: Tensor | null,
  eps = 1e-5,
): Tensor {
  return new Tensor(ops.layerNorm(x.node, normalizedShape, { weight: weight?.node, bias: bias?.node, eps }))
}

/** Normalises x [N, C, …] over each of `numGroups` runs of channels; weight and bias are [C]. */
export function groupNorm(
  x: Tensor,
  numGroups: number,
  weight?: Tensor | null,
  bias?: Tensor | null,
  eps = 1e-5,
): Tensor {
  return new Tensor(ops.groupNorm(x.node, numGroups, { weight: weight?.node, bias: bias?.node, eps }))
}

/**
 * Puts `value` around x: [before, after] of the last dimension, then of the one before it, …; below 0 cuts off.
 * Source: torch.nn.functional.pad with mode 'constant'.
 */
export function pad(x: Tensor, padding: readonly number[], value = 0): Tensor {
  const rank = x.dim()
  expectNumbers('pad', { value })
  if (padding.length % 2 !== 0 || padding.length > 2 * rank || !padding.every(Number.isInteger))
    throw new LenetError(
      `pad: expects whole numbers [before, after] for up to ${rank} dimensions, got ${showShape(padding)}`,
    )
  const sizes = (side: 0 | 1): number[] => x.shape.map((_, i) => padding[2 * (rank - 1 - i) + side] ?? 0)
  const [before, after] = [sizes(0), sizes(1)]
  const cut = ops.slice(
    x.node,
    before.map((size) => Math.max(0, -size)),
    x.shape.map((size, i) => size - Math.max(0, -(after[i] ?? 0))),
  )
  const more = (size: number): number => Math.max(0, size)
  return new Tensor(ops.pad(cut, before.map(more), after.map(more), value))
}
