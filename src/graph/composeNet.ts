/**
 * Layers as functions on nodes, with PyTorch's meaning. Not here: parameters, running statistics, modes (nn).
 * Pictures are [N, C, H, W]; what is not a batch yet becomes one.
 */
import { LenetError, showShape, sizeOf, UsageError } from '../base/index.js'
import type { Shape } from '../base/index.js'
import { batch, constant, le, mul, scalar, toFloat } from './composeElementwise.js'
import { expandLike, pad, reshape } from './composeMovement.js'
import { mean, sum } from './composeReduction.js'
import { make, makeTyped } from './infer.js'
import { checkedLabels } from './labels.js'
import { hostLeaf } from './node.js'
import type { Node } from './node.js'
import type { Window } from './ops.js'

/** One number for both directions, or [vertical, horizontal]. */
export type Size2 = number | readonly [number, number]

/** [vertical, horizontal]; a list of one counts for both, as in PyTorch. Throws UsageError for anything else. */
export function pair(size: Size2 | readonly [number]): readonly [number, number] {
  const list: readonly unknown[] = Array.isArray(size) ? size : [size]
  const [vertical, horizontal = vertical] = list
  if (typeof vertical === 'number' && typeof horizontal === 'number' && list.length <= 2) return [vertical, horizontal]
  throw new UsageError(`expects a number or [vertical, horizontal], got ${JSON.stringify(size) ?? String(size)}`)
}

const withBias = (nodes: Node[], bias: Node | undefined): Node[] => (bias ? [...nodes, toFloat(bias)] : nodes)

/** x weightᵀ + bias: (x […, I], weight [O, I], bias [O]) → […, O]. */
export function linear(x: Node, weight: Node, bias?: Node): Node {
  const input = toFloat(x)
  if (input.shape.length === 0) throw new LenetError('linear: input must have 1 dimension or more, got a scalar')
  const rows = input.shape.length === 2 ? input : reshape(input, [-1, input.shape.at(-1) ?? 1])
  const out = make('linear', {}, withBias([batch(rows), toFloat(weight)], bias))
  return input.shape.length === 2 ? out : reshape(out, [...input.shape.slice(0, -1), out.shape[1] ?? 1])
}

/** Runs `body` on a batch; a single picture [C, H, W] becomes a batch of one and back. */
function onPictures(x: Node, body: (pictures: Node) => Node): Node {
  const input = toFloat(x)
  if (input.shape.length !== 3) return body(input.shape.length === 0 ? input : batch(input))
  const out = body(batch(reshape(input, [1, ...input.shape])))
  return reshape(out, out.shape.slice(1))
}

export interface ConvOptions {
  /** Default 1. */
  readonly stride?: Size2
  /** Zeros around the picture, default 0 ('valid'). 'same': as many as keep the size (divided by the stride, upwards). */
  readonly padding?: Size2 | 'same' | 'valid'
  /** Pixels from one of the kernel's taps to the next, default 1. */
  readonly dilation?: Size2
  /** Channels fall into so many groups, each output channel sees one of them; default 1. As many as channels: depthwise. */
  readonly groups?: number
}

/** Zeros before and after a dimension so that a window gives ⌈size / stride⌉ results; an odd one comes after. */
function samePadding(size: number, kernel: number, stride: number, dilation: number): [number, number] {
  const results = Math.ceil(size / stride)
  const total = Math.max(0, (results - 1) * stride + (kernel - 1) * dilation + 1 - size)
  return [Math.floor(total / 2), total - Math.floor(total / 2)]
}

/** (x [N, C, H, W], weight [O, C/groups, kH, kW], bias [O]) → [N, O, OH, OW]. */
export function conv2d(x: Node, weight: Node, bias?: Node, options: ConvOptions = {}): Node {
  const { padding = 0, groups = 1 } = options
  const [stride, dilation] = [pair(options.stride ?? 1), pair(options.dilation ?? 1)]
  const kernels = toFloat(weight)
  const simple = groups === 1 && dilation[0] === 1 && dilation[1] === 1
  return onPictures(x, (pictures) => {
    const [around, edges] = paddingOf(padding, pictures, kernels, stride, dilation)
    const inputs = withBias([around, kernels], bias)
    if (simple) return make('conv2d', { stride, padding: edges }, inputs)
    return make('groupConv2d', { stride, padding: edges, dilation, groups }, inputs)
  })
}

/** The pictures, with what zeros are not alike on both sides, and the padding that is. */
function paddingOf(
  padding: NonNullable<ConvOptions['padding']>,
  x: Node,
  weight: Node,
  stride: readonly [number, number],
  dilation: readonly [number, number],
): [Node, readonly [number, number]] {
  if (padding === 'valid') return [x, [0, 0]]
  if (padding !== 'same') return [x, pair(padding)]
  const sides = ([0, 1] as const).map((i) =>
    samePadding(x.shape[i + 2] ?? 1, weight.shape[i + 2] ?? 1, stride[i], dilation[i]),
  )
  const [[top = 0, bottom = 0] = [], [left = 0, right = 0] = []] = sides
  if (top === bottom && left === right) return [x, [top, left]]
  return [pad(x, [0, 0, top, left], [0, 0, bottom, right]), [0, 0]]
}

export interface PoolOptions {
  /** Default: the kernel size. */
  readonly stride?: Size2
  /** At most half the kernel size, default 0. */
  readonly padding?: Size2
  /** Windows that begin on the picture (or its padding before) may reach over its far edge; default false. */
  readonly ceilMode?: boolean
}

/**
 * Rows and columns that the last windows reach over [H, W] and its padding on both sides, if ⌈·⌉ counts them.
 * Source: pooling_output_shape in aten/src/ATen/native/Pool.h: the last window begins on the picture or before it.
 */
function overhang({ kernelSize, stride, padding }: Window, size: Shape): readonly [number, number] {
  const along = (i: 0 | 1): number => {
    const length = (size[i + 2] ?? 1) + 2 * padding[i]
    const windows = Math.ceil((length - kernelSize[i]) / stride[i]) + 1
    const beginsInside = (windows - 1) * stride[i] < length - padding[i]
    return Math.max(0, ((beginsInside ? windows : windows - 1) - 1) * stride[i] + kernelSize[i] - length)
  }
  return [along(0), along(1)]
}

/** `value` around pictures as the window's padding says, and `over` of it more at the far edges. */
function padAround(x: Node, [pH, pW]: Window['padding'], [oH, oW]: readonly [number, number], value: number): Node {
  return pad(x, [0, 0, pH, pW], [0, 0, pH + oH, pW + oW], value)
}

const withoutPadding = (window: Window): Window => ({ ...window, padding: [0, 0] })

const windowOf = (kernel: Size2, { stride = kernel, padding = 0 }: PoolOptions): Window => ({
  kernelSize: pair(kernel),
  stride: pair(stride),
  padding: pair(padding),
})

/** The largest value of each window; padding never wins. `companion` of the node tells where (y·W + x). */
export function maxPool2d(x: Node, kernelSize: Size2, options: PoolOptions = {}): Node {
  const window = windowOf(kernelSize, options)
  return onPictures(x, (pictures) => {
    const over = options.ceilMode === true ? overhang(window, pictures.shape) : ([0, 0] as const)
    if (over[0] + over[1] === 0) return maxOf(pictures, window)
    return maxOf(padAround(pictures, window.padding, over, -Infinity), withoutPadding(window))
  })
}

function maxOf(pictures: Node, window: Window): Node {
  const pool = make('maxPool2d', window, [pictures])
  const index = make('maxPoolIndex', window, [pictures])
  pool.companion = index
  index.companion = pool
  return pool
}

export interface AvgPoolOptions extends PoolOptions {
  /** Padding counts as zeros in the mean. Default true, as PyTorch. */
  readonly countIncludePad?: boolean
}

/** The mean of each window; what reaches over the far edge in ceil mode never counts. */
export function avgPool2d(x: Node, kernelSize: Size2, options: AvgPoolOptions = {}): Node {
  const window = windowOf(kernelSize, options)
  const { countIncludePad = true, ceilMode = false } = options
  return onPictures(x, (pictures) => {
    const over = ceilMode ? overhang(window, pictures.shape) : ([0, 0] as const)
    if (over[0] + over[1] > 0) return avgOverEdge(pictures, window, over, countIncludePad)
    const pool = make('avgPool2d', window, [pictures])
    return countIncludePad ? pool : mul(pool, realShares(window, pictures.shape, pool.shape))
  })
}

function avgOverEdge(x: Node, window: Window, over: readonly [number, number], countIncludePad: boolean): Node {
  const framed = countIncludePad ? padAround(x, window.padding, [0, 0], 0) : x
  const counted = countIncludePad ? withoutPadding(window) : window
  const pool = make('avgPool2d', withoutPadding(window), [padAround(framed, counted.padding, over, 0)])
  return mul(pool, realShares(counted, framed.shape, pool.shape))
}

/** [OH, OW]: the window's size over how much of it lies on the picture. */
function realShares(window: Window, size: Shape, out: Shape): Node {
  const { kernelSize, stride, padding } = window
  const real = (i: 0 | 1, o: number): number => {
    const start = o * stride[i] - padding[i]
    return Math.min(start + kernelSize[i], size[i + 2] ?? 1) - Math.max(start, 0)
  }
  const [height = 1, width = 1] = out.slice(2)
  const shares = Float32Array.from({ length: height * width }, (_, i) => {
    return (kernelSize[0] * kernelSize[1]) / (real(0, Math.floor(i / width)) * real(1, i % width))
  })
  return hostLeaf(shares, [height, width], 'f32')
}

/** Uniform numbers of [0, 1) in the shape and layout of `like`; key [2] i32: see base/hash32.ts. */
export function randomLike(like: Pick<Node, 'shape' | 'layout'>, key: Node): Node {
  if (key.dtype !== 'i32' || key.layout !== 'plain' || sizeOf(key.shape) !== 2)
    throw new LenetError(`random: the key must be two i32 words, got ${key.dtype} ${showShape(key.shape)}`)
  return makeTyped('random', {}, [key], { shape: like.shape, dtype: 'f32', layout: like.layout })
}

/** Each value is 0 with probability p and else divided by 1 − p. A new key gives a new mask. */
export function dropout(x: Node, p: number, key: Node): Node {
  if (!(p >= 0 && p <= 1)) throw new LenetError(`dropout: the probability must be from 0 to 1, got ${p}`)
  const input = toFloat(x)
  const keep = le(scalar(p), randomLike(input, key))
  return mul(input, mul(keep, scalar(p === 1 ? 0 : 1 / (1 - p))))
}

/** As dropout, whole channels of x [N, C, …] at a time (Tompson et al. 2015). */
export function dropoutChannels(x: Node, p: number, key: Node): Node {
  if (x.shape.length < 2)
    throw new LenetError(`dropout2d: input must have 2 dimensions [N, C] or more, got ${showShape(x.shape)}`)
  const input = batch(toFloat(x))
  const shape = input.shape.map((size, i) => (i < 2 ? size : 1))
  const ones = expandLike(constant(1), { ...input, shape })
  return mul(input, dropout(ones, p, key))
}

export type Reduction = 'none' | 'mean' | 'sum'

/** −log softmax(logits)[label]: (logits [N, C], labels [N] whole numbers of 0 … C − 1) → [N], or its mean or sum. */
export function crossEntropy(logits: Node, labels: Node, reduction: Reduction = 'mean'): Node {
  if (labels.dtype === 'f32')
    throw new LenetError(
      "crossEntropy: labels must be whole numbers (i32), one class index for each picture; got f32: labels.to('i32')",
    )
  if (logits.shape.length === 0 || labels.shape.length === 0)
    throw new LenetError(
      `crossEntropy: expects logits [N, C] and labels [N], got ${showShape(logits.shape)} and ${showShape(labels.shape)}`,
    )
  const losses = make('crossEntropy', {}, [batch(toFloat(logits)), checkedLabels(labels, logits.shape.at(-1) ?? 1)])
  if (reduction === 'none') return losses
  return reduction === 'sum' ? sum(losses) : mean(losses)
}

/** Writes the value into the target's storage when it is computed. Same shape and dtype. */
export const assign = (target: Node, value: Node): Node => make('assign', {}, [target, value])
