/**
 * The gradient of each operation: one table total over OpName. A rule tells, for each input, how to make its gradient
 * from g, the gradient of the node (of the node's own shape and layout); only what is needed is made.
 * Not here: the walk over the graph (gradient.ts). Gradients of gradients are not built.
 */
import { LenetError } from '../base/index.js'
import { unaliased } from './checkpoint.js'
import * as c from './compose.js'
import { channelMeanGradient, channelVarianceGradient, normalizeGradients } from './gradientNorm.js'
import { make } from './infer.js'
import { movedDims } from './inferMovement.js'
import { isOp } from './node.js'
import type { Node } from './node.js'
import type { OpName } from './ops.js'

/** The makers of the gradients of input 0, 1, …; null or missing: no gradient flows to it. */
export type Makers = readonly ((() => Node) | null)[]
type Rule<K extends OpName> = (node: Node<K>, g: Node) => Makers

const zero = (): Node => c.constant(0)

function inputAt(node: Node, i: number): Node {
  const input = node.inputs[i]
  if (!input) throw new Error(`${node.op}: input ${i} was given up, the gradient cannot be made`)
  return input
}

/** Sums g over what was broadcast from `like`, to the shape and layout of `like`. */
function reduceTo(g: Node, like: Node): Node {
  const added = g.shape.length - like.shape.length
  const overBatch = g.layout === 'batch' && like.layout === 'plain'
  const dims: number[] = []
  g.shape.forEach((size, i) => {
    const broadcast = i < added || (size !== 1 && like.shape[i - added] === 1)
    if (broadcast || (overBatch && i === 0)) dims.push(i)
  })
  return c.reshape(dims.length > 0 ? c.sum(g, dims) : g, like.shape)
}

/** a · b, without a multiplication by the 1 that starts a backward pass. */
function times(g: Node, factor: Node): Node {
  const isOne = isOp(g, 'const') && g.attrs.value === 1
  return isOne && factor.shape.length === 0 && !factor.requiresGrad ? factor : c.mul(g, factor)
}

/** A rule of one input x and the node's value y. */
const unary =
  <K extends OpName>(rule: (g: Node, x: Node, y: Node) => Node): Rule<K> =>
  (y, g) => [() => rule(g, inputAt(y, 0), y)]

type BinaryRule = (g: Node, a: Node, b: Node, y: Node) => Node

/** A rule of two inputs that may have been broadcast. */
const binary =
  <K extends OpName>(first: BinaryRule, second: BinaryRule): Rule<K> =>
  (y, g) => {
    const [a, b] = [inputAt(y, 0), inputAt(y, 1)]
    return [() => reduceTo(first(g, a, b, y), a), () => reduceTo(second(g, a, b, y), b)]
  }

/** Constant almost everywhere: no gradient flows. */
const flat = (): Makers => []

const refused = (op: OpName) => (): never => {
  throw new LenetError(`${op}: its gradient is not built; a gradient cannot be differentiated again`)
}

/** PyTorch's maximum: the larger takes all, equal ones half each, beside a NaN both all. */
const ofLarger = (g: Node, mine: Node, other: Node): Node =>
  c.where(c.lt(mine, other), zero(), c.where(c.eq(mine, other), c.mul(g, c.constant(0.5)), g))

/** g [without the reduced dims] beside x: those dims have size 1 again. */
function restored(g: Node, x: Node, dims: readonly number[]): Node {
  if (dims.every((d, i) => d === i)) return g
  return c.reshape(
    g,
    x.shape.map((size, i) => (dims.includes(i) ? 1 : size)),
  )
}

function amaxGradient(y: Node<'amax'>, g: Node): Node {
  const x = inputAt(y, 0)
  const { dims } = y.attrs
  const isLargest = c.eq(x, restored(y, x, dims))
  const share = c.div(g, c.sum(isLargest, dims))
  return c.mul(isLargest, restored(share, x, dims))
}

/**
 * The mask of relu. Where g comes out of a max-pool of this very relu, the mask moves through the pool to the smaller
 * pooled gradient, exactly: the value that was picked is the pooled value. y is asked, not x, so x need not be kept;
 * NaN ≤ 0 is false, so NaN passes as in PyTorch's threshold_backward.
 */
function reluGradient(y: Node, g: Node): Node {
  const [index, d] = g.inputs
  const pooled = index?.companion
  if (isOp(g, 'maxPool2dGrad') && d && pooled && unaliased(inputAt(index, 0)) === y)
    return make('maxPool2dGrad', g.attrs, [index, c.where(c.le(pooled, zero()), zero(), d)])
  return c.where(c.le(y, zero()), zero(), g)
}

/** Sums g [N, O, OH, OW] to [O]. Each value under a max-pool arrives once, so the pooled gradient has the same sum. */
function convBiasGradient(g: Node): Node {
  return c.sum(isOp(g, 'maxPool2dGrad') ? inputAt(g, 1) : g, [0, 2, 3])
}

/** Whether a gradient comes straight out of a max-pool or through relu's mask, so that much of it is zero. */
function isSparse(g: Node): boolean {
  if (isOp(g, 'maxPool2dGrad')) return true
  const [condition, masked] = g.inputs
  const isMask = isOp(g, 'where') && condition?.op === 'le' && isZero(condition.inputs[1])
  return isMask && isZero(masked)
}

const isZero = (node: Node | undefined): boolean => node !== undefined && isOp(node, 'const') && node.attrs.value === 0

function conv2dGradients(y: Node<'conv2d'>, g: Node): Makers {
  const [x, weight] = [inputAt(y, 0), inputAt(y, 1)]
  const [inputSize, kernelSize] = [pictureSize(x), pictureSize(weight)]
  const sparse = isSparse(g)
  return [
    () => make('conv2dGradInput', { ...y.attrs, inputSize, sparse }, [g, weight]),
    () => make('conv2dGradWeight', { ...y.attrs, kernelSize, sparse }, [g, x]),
    () => convBiasGradient(g),
  ]
}

function groupConv2dGradients(y: Node<'groupConv2d'>, g: Node): Makers {
  const [x, weight] = [inputAt(y, 0), inputAt(y, 1)]
  const [inputSize, kernelSize] = [pictureSize(x), pictureSize(weight)]
  return [
    () => make('groupConv2dGradInput', { ...y.attrs, inputSize }, [g, weight]),
    () => c.sum(make('groupConv2dGradWeight', { ...y.attrs, kernelSize }, [g, x]), 0),
    () => convBiasGradient(g),
  ]
}

const pictureSize = (x: Node): readonly [number, number] => [x.shape[2] ?? 1, x.shape[3] ?? 1]

function maxPool2dGradient(y: Node<'maxPool2d'>, g: Node): Node {
  const x = inputAt(y, 0)
  const index = y.companion ?? make('maxPoolIndex', y.attrs, [x])
  return make('maxPool2dGrad', { ...y.attrs, inputSize: pictureSize(x) }, [index, g])
}

function sliceGradient(y: Node<'slice'>, g: Node): Node {
  const { starts, ends } = y.attrs
  const sizes = movedDims(inputAt(y, 0))
  return make('pad', { before: starts, after: ends.map((end, i) => (sizes[i] ?? end) - end), value: 0 }, [g])
}

function padGradient(y: Node<'pad'>, g: Node): Node {
  const { before } = y.attrs
  const sizes = movedDims(inputAt(y, 0))
  return make('slice', { starts: before, ends: before.map((start, i) => start + (sizes[i] ?? 0)) }, [g])
}

function concatGradients(y: Node<'concat'>, g: Node): Makers {
  let end = 0
  return y.inputs.map((x) => {
    const start = end
    end += movedDims(x)[0] ?? 0
    const stop = end
    return () => make('slice', { starts: [start], ends: [stop] }, [g])
  })
}

const inverseOrder = (dims: readonly number[]): number[] => dims.map((_, i) => dims.indexOf(i))

export const gradientRules: { readonly [K in OpName]: Rule<K> } = {
  leaf: flat,
  const: flat,
  neg: unary((g) => c.neg(g)),
  exp: unary((g, _x, y) => c.mul(g, y)),
  log: unary((g, x) => c.div(g, x)),
  sqrt: unary((g, _x, y) => c.div(g, c.add(y, y))),
  abs: unary((g, x) => c.mul(g, c.sub(c.lt(zero(), x), c.lt(x, zero())))),
  relu: (y, g) => [() => reluGradient(y, g)],
  tanh: unary((g, _x, y) => c.mul(g, c.sub(c.constant(1), c.mul(y, y)))),
  sigmoid: unary((g, _x, y) => c.mul(c.mul(g, c.sub(c.constant(1), y)), y)),
  erf: unary((g, x) => c.mul(g, c.mul(c.constant(2 / Math.sqrt(Math.PI)), c.exp(c.neg(c.mul(x, x)))))),
  expm1: unary((g, _x, y) => c.mul(g, c.add(y, c.constant(1)))),
  log1p: unary((g, x) => c.div(g, c.add(x, c.constant(1)))),
  cast: (y, g) => [inputAt(y, 0).dtype === 'f32' ? () => g : null],
  add: binary(
    (g) => g,
    (g) => g,
  ),
  sub: binary(
    (g) => g,
    (g) => c.neg(g),
  ),
  mul: binary(
    (g, _a, b) => times(g, b),
    (g, a) => times(g, a),
  ),
  div: binary(
    (g, _a, b) => c.div(g, b),
    (g, _a, b, y) => c.neg(c.mul(g, c.div(y, b))),
  ),
  maximum: binary(
    (g, a, b) => ofLarger(g, a, b),
    (g, a, b) => ofLarger(g, b, a),
  ),
  eq: flat,
  lt: flat,
  le: flat,
  where: (y, g) => {
    const [condition, a, b] = [inputAt(y, 0), inputAt(y, 1), inputAt(y, 2)]
    const ofA = (): Node => reduceTo(c.where(condition, g, zero()), a)
    return [null, ofA, () => reduceTo(c.where(condition, zero(), g), b)]
  },
  normalize: normalizeGradients,
  sum: (y, g) => [() => c.expandLike(restored(g, inputAt(y, 0), y.attrs.dims), inputAt(y, 0))],
  amax: (y, g) => [() => amaxGradient(y, g)],
  argmax: flat,
  reshape: unary((g, x) => c.reshape(g, x.shape)),
  permute: (y, g) => [() => c.permute(g, inverseOrder(y.attrs.dims))],
  expand: unary((g, x) => reduceTo(g, x)),
  slice: (y, g) => [() => sliceGradient(y, g)],
  pad: (y, g) => [() => padGradient(y, g)],
  concat: concatGradients,
  batch: unary((g) => c.unbatch(g)),
  unbatch: unary((g) => c.batch(g)),
  gatherRows: (y) => {
    if (!inputAt(y, 0).requiresGrad) return []
    throw new LenetError('gatherRows: the gradient of its table is not built; detach the table')
  },
  matmul: (y, g) => [
    () => make('matmul', {}, [g, c.transpose(inputAt(y, 1), 1, 2)]),
    () => make('matmul', {}, [c.transpose(inputAt(y, 0), 1, 2), g]),
  ],
  linear: (y, g) => [
    () => make('linearGradInput', {}, [g, inputAt(y, 1)]),
    () => make('linearGradWeight', {}, [g, inputAt(y, 0)]),
    () => c.sum(g, 0),
  ],
  linearGradInput: refused('linearGradInput'),
  linearGradWeight: refused('linearGradWeight'),
  conv2d: conv2dGradients,
  conv2dGradInput: refused('conv2dGradInput'),
  conv2dGradWeight: refused('conv2dGradWeight'),
  groupConv2d: groupConv2dGradients,
  groupConv2dGradInput: refused('groupConv2dGradInput'),
  groupConv2dGradWeight: refused('groupConv2dGradWeight'),
  maxPool2d: (y, g) => [() => maxPool2dGradient(y, g)],
  maxPoolIndex: flat,
  maxPool2dGrad: refused('maxPool2dGrad'),
  avgPool2d: (y, g) => [() => make('avgPool2dGrad', { ...y.attrs, inputSize: pictureSize(inputAt(y, 0)) }, [g])],
  avgPool2dGrad: refused('avgPool2dGrad'),
  channelMean: channelMeanGradient,
  channelVariance: channelVarianceGradient,
  normalizeGradBias: refused('normalizeGradBias'),
  normalizeGradScale: refused('normalizeGradScale'),
  checkLabels: flat,
  crossEntropy: (y, g) => [() => make('crossEntropyGrad', {}, [inputAt(y, 0), inputAt(y, 1), g])],
  crossEntropyGrad: refused('crossEntropyGrad'),
  random: flat,
  assign: flat,
}
