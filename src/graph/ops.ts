/**
 * The closed union of graph operations and their attributes. Each facet of an operation (shape inference, naive
 * reference, gradient, lowering) is one table total over `OpName`, so a gap is a compile error.
 * Not here: any of those facets.
 */
import type { DType } from '../base/index.js'

/** A 2-D window slid over [H, W]; sizes in pixels, padding on both sides. */
export interface Window {
  readonly kernelSize: readonly [number, number]
  readonly stride: readonly [number, number]
  readonly padding: readonly [number, number]
}

export interface Slide {
  readonly stride: readonly [number, number]
  readonly padding: readonly [number, number]
}

/** A slide over pictures in groups of channels, each output channel over one group; taps lie `dilation` pixels apart. */
export interface GroupSlide extends Slide {
  readonly dilation: readonly [number, number]
  readonly groups: number
}

/** A convolution behind which most of the gradient is zero is differentiated by its non-zeros (decision 17). */
interface ConvGrad extends Slide {
  readonly sparse: boolean
}

/** Statistics of each channel: over pictures and pixels → [C, 1, …], plain; `apart`: of each picture → [N, C, 1, …]. */
export interface Statistic {
  readonly apart: boolean
}

type None = Readonly<Record<never, never>>

/**
 * N pictures, C channels, H×W pixels. "batch", "rows", "groups": see `Layout` in node.ts.
 * Elementwise operations broadcast as NumPy does.
 */
export interface OpAttrs {
  // ── leaves ──
  leaf: None // has storage (host or device)
  const: { readonly value: number } // a float32 scalar that is part of the structure
  // ── elementwise ──
  neg: None
  exp: None
  log: None
  sqrt: None
  abs: None
  relu: None
  tanh: None
  sigmoid: None
  erf: None // the error function
  expm1: None // e^x − 1
  log1p: None // ln(1 + x)
  cast: { readonly dtype: DType }
  add: None
  sub: None
  mul: None
  div: None
  maximum: None
  eq: None // f32 0 or 1
  lt: None // f32 0 or 1
  le: None // f32 0 or 1
  where: None // (condition ≠ 0, a, b)
  normalize: None // (x [N, C, …], mean, scale, bias?): (x − mean) · scale + bias; each [C, 1, …], or mean and scale [N, C, 1, …]
  // ── reductions; the reduced dims disappear ──
  sum: { readonly dims: readonly number[] }
  amax: { readonly dims: readonly number[] }
  argmax: { readonly dim: number } // i32, the first of equals; a NaN is the largest
  // ── movement; of a batch, lists name the dims behind dim 0, which stays as it is ──
  reshape: None // to the node's own shape; a batch keeps dim 0
  permute: { readonly dims: readonly number[] } // of a batch: all dims, 0 first
  expand: None // broadcast to the node's own shape and layout
  slice: { readonly starts: readonly number[]; readonly ends: readonly number[] }
  pad: { readonly before: readonly number[]; readonly after: readonly number[]; readonly value: number }
  concat: None // [n] tensors end to end; of a batch: [N, n]
  batch: None // plain → batch
  unbatch: None // batch → plain
  gatherRows: None // (table [R, …], index [N] i32) → [N, …]
  // ── contractions ──
  matmul: None // [B, m, k] × [B, k, n] → [B, m, n]
  linear: None // (x [N, I], weight [O, I], bias [O]?) → [N, O]
  linearGradInput: None // (g [N, O], weight [O, I]) → [N, I]
  linearGradWeight: None // (g [N, O], x [N, I]) → [O, I]
  conv2d: Slide // (x [N, C, H, W], weight [O, C, kH, kW], bias [O]?) → [N, O, OH, OW]
  conv2dGradInput: ConvGrad & { readonly inputSize: readonly [number, number] } // (g, weight) → [N, C, H, W]
  conv2dGradWeight: ConvGrad & { readonly kernelSize: readonly [number, number] } // (g, x) → [O, C, kH, kW]
  groupConv2d: GroupSlide // (x [N, C, H, W], weight [O, C/G, kH, kW], bias [O]?) → [N, O, OH, OW]
  groupConv2dGradInput: GroupSlide & { readonly inputSize: readonly [number, number] } // (g, weight) → [N, C, H, W]
  groupConv2dGradWeight: GroupSlide & { readonly kernelSize: readonly [number, number] } // (g, x) → [N, O, C/G, kH, kW]
  // ── windows ──
  maxPool2d: Window
  maxPoolIndex: Window // i32: y·W + x of the value that maxPool2d picked, as PyTorch's return_indices
  maxPool2dGrad: Window & { readonly inputSize: readonly [number, number] } // (index, g) → [N, C, H, W]
  avgPool2d: Window // divides by the whole window (PyTorch's count_include_pad = True)
  avgPool2dGrad: Window & { readonly inputSize: readonly [number, number] } // (g) → [N, C, H, W]
  // ── statistics of each channel of a batch [N, C, …] ──
  channelMean: Statistic // (x)
  channelVariance: Statistic // (x, mean): divided by the count
  normalizeGradBias: Statistic // (g, x, mean): Σ g
  normalizeGradScale: Statistic // (g, x, mean): Σ g · (x − mean)
  // ── losses, random numbers ──
  checkLabels: { readonly classes: number; readonly ignored: readonly number[] } // (labels [N] i32) → the same, or an error
  crossEntropy: None // (logits [N, C], labels [N] i32) → [N]: −log softmax(logits)[label]
  crossEntropyGrad: None // (logits, labels, g [N]) → [N, C]
  random: None // (key [2] i32) → uniform [0, 1) by logical position and key, in the node's own shape and layout
  // ── effects ──
  assign: None // (target leaf, value): writes value into target's storage
}

export type OpName = keyof OpAttrs

/** Operations whose result at a position follows from their inputs at that position, broadcast. */
export const elementwiseOps = [
  'neg',
  'exp',
  'log',
  'sqrt',
  'abs',
  'relu',
  'tanh',
  'sigmoid',
  'erf',
  'expm1',
  'log1p',
  'cast',
  'add',
  'sub',
  'mul',
  'div',
  'maximum',
  'eq',
  'lt',
  'le',
  'where',
  'normalize',
  'expand',
] as const satisfies readonly OpName[]
export type ElementwiseOp = (typeof elementwiseOps)[number]
