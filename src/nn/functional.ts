/**
 * F: layers as functions, without parameters of their own. Source: torch.nn.functional.
 * Not here: what they compute (graph), the layers that own parameters (layers/).
 */
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

export type { AvgPoolOptions, ConvOptions, PoolOptions, Reduction, Size2 }

/**
 * x [N, C, H, W] (or [C, H, W]), weight [O, C, kH, kW], bias [O] → [N, O, OH, OW].
 * @param options stride, default 1; padding with zeros, default 0: a number or [vertical, horizontal]
 * @throws LenetError for wrong shapes, and a window that does not fit
 */
export function conv2d(x: Tensor, weight: Tensor, bias?: Tensor | null, options?: ConvOptions): Tensor {
  return new Tensor(ops.conv2d(x.node, weight.node, bias?.node, options))
}

/** x weightᵀ + bias: x […, I], weight [O, I], bias [O] → […, O]. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor | null): Tensor {
  return new Tensor(ops.linear(x.node, weight.node, bias?.node))
}

/**
 * The largest value of each window of [N, C, H, W].
 * @param options stride, default the kernel size; padding, default 0
 */
export function maxPool2d(x: Tensor, kernelSize: Size2, options?: PoolOptions): Tensor {
  return new Tensor(ops.maxPool2d(x.node, kernelSize, options))
}

/** The mean of each window; `countIncludePad` (default true) counts padding as zeros. */
export function avgPool2d(x: Tensor, kernelSize: Size2, options?: AvgPoolOptions): Tensor {
  return new Tensor(ops.avgPool2d(x.node, kernelSize, options))
}

export const relu = (x: Tensor): Tensor => x.relu()
export const tanh = (x: Tensor): Tensor => x.tanh()
export const sigmoid = (x: Tensor): Tensor => x.sigmoid()
export const softmax = (x: Tensor, dim: number): Tensor => x.softmax(dim)
export const logSoftmax = (x: Tensor, dim: number): Tensor => x.logSoftmax(dim)
export const flatten = (x: Tensor, startDim = 1, endDim = -1): Tensor => x.flatten(startDim, endDim)

/**
 * In training each value is 0 with probability `p` and else divided by 1 - p; in evaluation nothing happens.
 * The mask follows from the seed and the number of masks drawn before, not from PyTorch's numbers.
 */
export function dropout(x: Tensor, p = 0.5, training = true): Tensor {
  if (!training || p === 0) return x
  return new Tensor(ops.dropout(x.node, p, ops.hostLeaf(nextRandomKey(), [2], 'i32')))
}

/** Default reduction: 'mean', as PyTorch. */
export interface LossOptions {
  readonly reduction?: Reduction
}

/**
 * -log softmax(logits)[label]: logits [N, C], labels [N] (i32 classes 0 … C - 1) → a number, or [N] with
 * `{ reduction: 'none' }`.
 */
export function crossEntropy(logits: Tensor, labels: Tensor, { reduction = 'mean' }: LossOptions = {}): Tensor {
  return new Tensor(ops.crossEntropy(logits.node, labels.node, reduction))
}
