/**
 * What each node of a net as data computes, with layers as functions: one row for each operation. Pictures are
 * [N, C, H, W], shapes in nodes are without the batch.
 * Not here: the net as a module (graphModule.ts), its way back (trace.ts).
 */
import { LenetError, type Shape } from '../../base/index.js'
import { noPadding, type NetOp, type NetPadding, type NetTensor, type Pair } from '../../formats/index.js'
import { cat, fromArray, type Tensor } from '../../tensor/index.js'
import * as F from '../functional.js'

export type OpName = NetOp['op']
export type OpOf<K extends OpName> = NetOp & { readonly op: K }

/** A node's parameters and buffers by name within it: 'weight', 'running_mean'. */
export type NodeWeights = ReadonlyMap<string, Tensor>

export interface Call {
  readonly inputs: readonly Tensor[]
  readonly weights: NodeWeights
  readonly training: boolean
  /** Batch norm's statistics of a batch in training. */
  readonly batchNorm: (x: Tensor, op: OpOf<'batchNorm'>, weights: NodeWeights) => Tensor
}

type Row<K extends OpName> = (x: Tensor, op: OpOf<K>, call: Call) => Tensor

const isZero = (padding: NetPadding): boolean => Object.values(padding).every((size) => size === 0)

const padded = (x: Tensor, { top, bottom, left, right }: NetPadding, value = 0): Tensor =>
  F.pad(x, [left, right, top, bottom], value)

/** The same on both sides: what a layer does itself. */
function evenPadding({ top, bottom, left, right }: NetPadding): Pair | undefined {
  return top === bottom && left === right ? [top, left] : undefined
}

/** As `evenPadding`, and no more than half a window, as pools want it. */
function poolPadding(padding: NetPadding, kernel: Pair): Pair | undefined {
  const even = evenPadding(padding)
  return even !== undefined && even.every((size, i) => size * 2 <= (kernel[i] ?? 0)) ? even : undefined
}

function needed(weights: NodeWeights, name: string): Tensor {
  const found = weights.get(name)
  if (found === undefined) throw new LenetError(`the weight ${name} is missing`)
  return found
}

function conv2d(x: Tensor, op: OpOf<'conv2d'>, { weights }: Call): Tensor {
  const { stride, dilation, groups } = op
  const even = evenPadding(op.padding)
  const input = even === undefined ? padded(x, op.padding) : x
  const options = { stride, padding: even ?? 0, dilation, groups }
  return F.conv2d(input, needed(weights, 'weight'), weights.get('bias'), options)
}

function maxPool2d(x: Tensor, op: OpOf<'maxPool2d'>): Tensor {
  const own = poolPadding(op.padding, op.kernelSize)
  const input = own === undefined ? padded(x, op.padding, -Infinity) : x
  return F.maxPool2d(input, op.kernelSize, { stride: op.stride, padding: own ?? 0 })
}

/** For results [N, C, OH, OW] of pictures [N, C, H, W] OH × OW numbers: a whole window over how much of it lies on the picture. */
export function realShares({ kernelSize, stride, padding }: OpOf<'avgPool2d'>, size: Shape, out: Shape): Float32Array {
  const before = [padding.top, padding.left]
  const [OH = 1, OW = 1] = out.slice(2)
  const real = (axis: 0 | 1, place: number): number => {
    const start = place * stride[axis] - (before[axis] ?? 0)
    return Math.min(start + kernelSize[axis], size[axis + 2] ?? 0) - Math.max(start, 0)
  }
  return Float32Array.from({ length: OH * OW }, (_, i) => {
    return (kernelSize[0] * kernelSize[1]) / (real(0, Math.floor(i / OW)) * real(1, i % OW))
  })
}

function avgPool2d(x: Tensor, op: OpOf<'avgPool2d'>): Tensor {
  const { kernelSize, stride, countIncludePad } = op
  const own = poolPadding(op.padding, kernelSize)
  if (own !== undefined) return F.avgPool2d(x, kernelSize, { stride, padding: own, countIncludePad })
  const means = F.avgPool2d(padded(x, op.padding), kernelSize, { stride })
  if (countIncludePad) return means
  return means.mul(fromArray(realShares(op, x.shape, means.shape), means.shape.slice(2), 'f32'))
}

const toHwc = (x: Tensor): Tensor => (x.dim() === 4 ? x.permute(0, 2, 3, 1) : x)

function reshape(x: Tensor, { shape, order }: OpOf<'reshape'>): Tensor {
  const count = x.shape[0] ?? 1
  if (order === 'chw') return x.reshape([count, ...shape])
  const [channels, height, width] = shape
  const input = toHwc(x)
  if (channels === undefined || height === undefined || width === undefined || shape.length !== 3)
    return input.reshape([count, ...shape])
  return input.reshape([count, height, width, channels]).permute(0, 3, 1, 2)
}

function batchNorm(x: Tensor, op: OpOf<'batchNorm'>, { weights, batchNorm: norm }: Call): Tensor {
  return norm(x, op, weights)
}

/** Shapes without batch are filled up with ones in front; the batch stays first. */
function aligned(inputs: readonly Tensor[]): Tensor[] {
  const rank = Math.max(...inputs.map((x) => x.dim()))
  return inputs.map((x) => {
    const [count = 1, ...rest] = x.shape
    return x.dim() === rank ? x : x.reshape([count, ...Array<number>(rank - x.dim()).fill(1), ...rest])
  })
}

const merged = (inputs: readonly Tensor[], join: (a: Tensor, b: Tensor) => Tensor): Tensor =>
  aligned(inputs).reduce(join)

/** A number for all, or one a channel (a feature of a list). */
function perChannel(values: readonly number[], x: Tensor): Tensor {
  const shape = values.length === 1 ? [] : [1, values.length, ...Array<number>(x.dim() - 2).fill(1)]
  return fromArray(Float32Array.from(values), shape, 'f32')
}

function rescaling(x: Tensor, { scale, offset }: OpOf<'rescaling'>): Tensor {
  const scaled = scale.every((value) => value === 1) ? x : x.mul(perChannel(scale, x))
  return offset.every((value) => value === 0) ? scaled : scaled.add(perChannel(offset, x))
}

const rows: { readonly [K in OpName]: Row<K> } = {
  conv2d,
  linear: (x, _op, { weights }) => F.linear(x, needed(weights, 'weight'), weights.get('bias')),
  maxPool2d,
  avgPool2d,
  globalAvgPool2d: (x, { keepDims }) => x.mean([2, 3], keepDims),
  globalMaxPool2d: (x, { keepDims }) => x.amax([2, 3], keepDims),
  flatten: (x, { order }) => (order === 'hwc' ? toHwc(x) : x).reshape([x.shape[0] ?? 1, -1]),
  reshape,
  batchNorm,
  layerNorm: (x, { normalizedShape, eps }, { weights }) =>
    F.layerNorm(x, normalizedShape, weights.get('weight'), weights.get('bias'), eps),
  groupNorm: (x, { groups, eps }, { weights }) =>
    F.groupNorm(x, groups, weights.get('weight'), weights.get('bias'), eps),
  dropout: (x, { p }, { training }) => F.dropout(x, p, training),
  relu: (x) => F.relu(x),
  silu: (x) => F.silu(x),
  hardSwish: (x) => F.hardSwish(x),
  sigmoid: (x) => F.sigmoid(x),
  tanh: (x) => F.tanh(x),
  leakyRelu: (x, { negativeSlope }) => F.leakyRelu(x, negativeSlope),
  elu: (x, { alpha }) => F.elu(x, alpha),
  gelu: (x, { approximate }) => F.gelu(x, { approximate }),
  clamp: (x, { min, max }) =>
    min === null || max === null ? x.clamp(min ?? -Infinity, max ?? Infinity) : F.hardtanh(x, min, max),
  softmax: (x) => F.softmax(x, 1),
  logSoftmax: (x) => F.logSoftmax(x, 1),
  add: (_x, _op, { inputs }) => merged(inputs, (a, b) => a.add(b)),
  mul: (_x, _op, { inputs }) => merged(inputs, (a, b) => a.mul(b)),
  concat: (_x, { dim }, { inputs }) => cat(inputs, dim + 1),
  slice: (x, { dim, start, end }) => x.narrow(dim + 1, start, end - start),
  pad: (x, { padding, value }) => (isZero(padding) ? x : padded(x, padding, value)),
  rescaling,
  augmentation: (x) => x,
}

/** What the operation makes of its inputs. Throws LenetError where they do not fit. */
export function runOp<K extends OpName>(op: OpOf<K> & { readonly op: K }, call: Call): Tensor {
  const [x] = call.inputs
  if (x === undefined) throw new LenetError('reads nothing')
  const row: Row<K> = rows[op.op]
  return row(x, op, call)
}

/** A file's numbers as a tensor of their own. */
export const tensorOf = ({ shape, data }: NetTensor): Tensor => fromArray(data.slice(), [...shape], 'f32')

/** `[vertical, horizontal]` on both sides. */
export const paddingOf = ([vertical, horizontal]: Pair): NetPadding =>
  vertical + horizontal === 0 ? noPadding : { top: vertical, bottom: vertical, left: horizontal, right: horizontal }
