/**
 * What a node of the lazy graph is in the terms of nets as data: a layer, an activation, a pool … Functions of several
 * nodes are recognised by building them again (match.ts).
 * Not here: the walk through a net, names and weights (trace.ts).
 */
import type { Shape } from '../../base/index.js'
import type { NetOp, NetPadding } from '../../formats/index.js'
import { ops, type Node } from '../../tensor/index.js'
import { hostValues, matchNodes, numberHoles, placeholder, type Holes, type Match } from './match.js'
import { paddingOf, realShares } from './nodes.js'

/** `inputs` and `weights` are nodes still. */
export interface Recognised {
  readonly op: NetOp
  readonly inputs: readonly Node[]
  readonly weights?: ReadonlyMap<string, Node>
}

type Rule = (node: Node) => Recognised | undefined

interface Template {
  readonly build: (x: Node, part: (name: string, shape: Shape) => Node) => Node
  readonly op: (match: Match) => NetOp
}

const { first, second } = numberHoles
const numbers: Holes['numbers'] = new Map([
  [first, 'first'],
  [second, 'second'],
])

/** Tries the template on an input of the given shape, as a batch and as plain values. */
function fits(node: Node, shape: Shape, { build, op }: Template): Recognised | undefined {
  for (const layout of ['batch', 'plain'] as const) {
    const x = placeholder(shape, layout)
    const nodes = new Map([[x, 'x']])
    const part = (name: string, size: Shape): Node => {
      const made = placeholder(size, 'plain')
      nodes.set(made, name)
      return made
    }
    const match = matchNodes(build(x, part), node, { nodes, numbers })
    const input = match?.nodes.get('x')
    if (match === undefined || input === undefined) continue
    return { op: op(match), inputs: [input], weights: new Map([...match.nodes].filter(([name]) => name !== 'x')) }
  }
  return undefined
}

function firstFit(node: Node, shape: Shape, templates: readonly Template[]): Recognised | undefined {
  for (const template of templates) {
    const found = fits(node, shape, template)
    if (found !== undefined) return found
  }
  return undefined
}

const number = ({ numbers: found }: Match): number => found.get('first') ?? Number.NaN

/** One input of the node's own shape. */
const activations: readonly Template[] = [
  { build: (x) => ops.gelu(x, 'none'), op: () => ({ op: 'gelu', approximate: 'none' }) },
  { build: (x) => ops.gelu(x, 'tanh'), op: () => ({ op: 'gelu', approximate: 'tanh' }) },
  { build: (x) => ops.hardSwish(x), op: () => ({ op: 'hardSwish' }) },
  { build: (x) => ops.silu(x), op: () => ({ op: 'silu' }) },
  { build: (x) => ops.elu(x, 1), op: () => ({ op: 'elu', alpha: 1 }) },
  { build: (x) => ops.elu(x, first), op: (match) => ({ op: 'elu', alpha: number(match) }) },
  { build: (x) => ops.leakyRelu(x, first), op: (match) => ({ op: 'leakyRelu', negativeSlope: number(match) }) },
  {
    build: (x) => ops.hardTanh(x, first, second),
    op: (match) => ({ op: 'clamp', min: number(match), max: match.numbers.get('second') ?? Number.NaN }),
  },
]

const overChannels: readonly Template[] = [
  { build: (x) => ops.softmax(x, 1), op: () => ({ op: 'softmax' }) },
  { build: (x) => ops.logSoftmax(x, 1), op: () => ({ op: 'logSoftmax' }) },
]

/** Which of factor and summand the layer has, most first. */
const affines = [['weight', 'bias'], ['weight'], ['bias'], []] as const

function norms(shape: Shape): Template[] {
  const channels = [shape[1] ?? 1]
  const batchNorms = affines.map((names): Template => ({
    build: (x, part) => {
      const affine = Object.fromEntries(names.map((name) => [name, part(name, channels)]))
      const [mean, variance] = [part('running_mean', channels), part('running_var', channels)]
      return ops.batchNormEval(x, mean, variance, { ...affine, eps: first })
    },
    op: (match) => ({ op: 'batchNorm', eps: number(match), momentum: 0.1 }),
  }))
  const sizes = shape.slice(1).map((_, i) => shape.slice(i + 1))
  const layerNorms = sizes.flatMap((normalizedShape) =>
    affines.map((names): Template => ({
      build: (x, part) => {
        const affine = Object.fromEntries(names.map((name) => [name, part(name, normalizedShape)]))
        return ops.layerNorm(x, normalizedShape, { ...affine, eps: first })
      },
      op: (match) => ({ op: 'layerNorm', normalizedShape, eps: number(match) }),
    })),
  )
  return [...batchNorms, ...layerNorms]
}

/** Of any number of groups, most first: that of one channel each is told so. */
function groupNorms(shape: Shape): Template[] {
  const [, channels = 1] = shape
  const counts = Array.from({ length: channels }, (_, i) => channels - i).filter((count) => channels % count === 0)
  return counts.flatMap((groups) =>
    affines.map((names): Template => ({
      build: (x, part) => {
        const affine = Object.fromEntries(names.map((name) => [name, part(name, [channels])]))
        return ops.groupNorm(x, groups, { ...affine, eps: first })
      },
      op: (match) => ({ op: 'groupNorm', groups, eps: number(match) }),
    })),
  )
}

/** Whether each picture is normalised by itself. */
const isOfPictures = (node: Node): boolean => node.op === 'normalize' && node.inputs[1]?.layout === 'batch'

const composedRoots: ReadonlySet<string> = new Set(['mul', 'add', 'div', 'sub', 'where', 'normalize', 'reshape'])

function composed(node: Node): Recognised | undefined {
  if (!composedRoots.has(node.op) || node.shape.length < 2) return undefined
  const ofPictures = isOfPictures(node) ? groupNorms(node.shape) : []
  return firstFit(node, node.shape, [...activations, ...overChannels, ...norms(node.shape), ...ofPictures])
}

/** The first node of that operation on the way of first inputs, at most `steps` away. */
function below(node: Node, op: Node['op'], steps: number): Node | undefined {
  let at: Node | undefined = node
  for (let i = 0; at !== undefined && i <= steps; i++) {
    if (at.op === op) return at
    at = at.inputs[0]
  }
  return undefined
}

/** Of whole pictures the mean, or the largest value. */
function globalPool(node: Node): Recognised | undefined {
  const reduced = below(node, 'sum', 2) ?? below(node, 'amax', 1)
  const shape = reduced?.inputs[0]?.shape
  if (shape === undefined || shape.length !== 4 || !['mul', 'reshape', 'amax'].includes(node.op)) return undefined
  const keepDims = node.shape.length === 4
  const isMax = reduced?.op === 'amax'
  return fits(node, shape, {
    build: (x) => (isMax ? ops.amax(x, [2, 3], keepDims) : ops.mean(x, [2, 3], keepDims)),
    op: () => ({ op: isMax ? 'globalMaxPool2d' : 'globalAvgPool2d', keepDims }),
  })
}

/** Where padding does not count, the means are multiplied; the padding may be a node of its own. */
function avgPoolOfReal(node: Node): Recognised | undefined {
  const [pool, shares] = node.inputs
  const values = shares && hostValues(shares)
  if (node.op !== 'mul' || pool === undefined || !ops.isOp(pool, 'avgPool2d') || values === undefined) return undefined
  const { kernelSize, stride } = pool.attrs
  const { from, padding } = framed(pool, 0)
  const op: NetOp = { op: 'avgPool2d', kernelSize, stride, padding, countIncludePad: false }
  const wanted = realShares(op, from.shape, pool.shape)
  const fits = values.length === wanted.length && wanted.every((share, i) => share === values[i])
  return fits ? { op, inputs: [from] } : undefined
}

/** What a pool looks at, and the padding with `value` around it. */
function framed(pool: Node<'maxPool2d' | 'avgPool2d'>, value: number): { from: Node; padding: NetPadding } {
  const [inner] = pool.inputs
  const own = paddingOf(pool.attrs.padding)
  const around = inner && pad(inner)
  if (inner === undefined || around?.op.op !== 'pad' || around.op.value !== value)
    return { from: inner ?? pool, padding: own }
  const { top, bottom, left, right } = around.op.padding
  const padding = {
    top: top + own.top,
    bottom: bottom + own.bottom,
    left: left + own.left,
    right: right + own.right,
  }
  return { from: around.inputs[0] ?? pool, padding }
}

/** A list of rows more than one a picture goes through a linear layer as [N · rows, features]. */
function linearOverRows(node: Node): Recognised | undefined {
  const [inner] = node.inputs
  if (node.op !== 'reshape' || inner?.op !== 'linear' || node.shape.length < 3) return undefined
  const [outFeatures = 0, features = 0] = inner.inputs[1]?.shape ?? []
  const bias = inner.inputs.length > 2
  return fits(node, [...node.shape.slice(0, -1), features], {
    build: (x, part) =>
      ops.linear(x, part('weight', [outFeatures, features]), bias ? part('bias', [outFeatures]) : undefined),
    op: () => ({ op: 'linear', outFeatures, bias }),
  })
}

function concat(node: Node): Recognised | undefined {
  const join = ['concat', 'reshape', 'permute'].includes(node.op) ? below(node, 'concat', 3) : undefined
  if (join === undefined) return undefined
  for (let dim = 1; dim < node.shape.length; dim++) {
    const found = concatAlong(node, join, dim)
    if (found !== undefined) return found
  }
  return undefined
}

function concatAlong(node: Node, join: Node, dim: number): Recognised | undefined {
  const others = node.shape.reduce((product, size, i) => (i === 0 || i === dim ? product : product * size), 1)
  const parts = join.inputs.map((input) => {
    const size = (input.shape[1] ?? 0) / others
    return placeholder(
      node.shape.map((whole, i) => (i === dim ? size : whole)),
      'batch',
    )
  })
  if (parts.some(({ shape }) => !shape.every(Number.isInteger))) return undefined
  if (parts.reduce((sum, { shape }) => sum + (shape[dim] ?? 0), 0) !== node.shape[dim]) return undefined
  const names = new Map(parts.map((part, i) => [part, String(i)]))
  const match = matchNodes(ops.concat(parts, dim), node, { nodes: names, numbers })
  if (match === undefined) return undefined
  return { op: { op: 'concat', dim: dim - 1 }, inputs: parts.flatMap((_, i) => match.nodes.get(String(i)) ?? []) }
}

const weightsOf = ([, weight, bias]: readonly Node[]): Map<string, Node> =>
  new Map([...(weight ? [['weight', weight] as const] : []), ...(bias ? [['bias', bias] as const] : [])])

function layer(node: Node): Recognised | undefined {
  const inputs = node.inputs.slice(0, 1)
  if (ops.isOp(node, 'conv2d') || ops.isOp(node, 'groupConv2d')) return conv2d(node)
  if (node.op === 'linear') {
    const op: NetOp = { op: 'linear', outFeatures: node.shape[1] ?? 0, bias: node.inputs.length > 2 }
    return { op, inputs, weights: weightsOf(node.inputs) }
  }
  if (ops.isOp(node, 'maxPool2d')) {
    const { kernelSize, stride } = node.attrs
    const { from, padding } = framed(node, -Infinity)
    return { op: { op: 'maxPool2d', kernelSize, stride, padding }, inputs: [from] }
  }
  if (ops.isOp(node, 'avgPool2d')) {
    const { kernelSize, stride, padding } = node.attrs
    return { op: { op: 'avgPool2d', kernelSize, stride, padding: paddingOf(padding), countIncludePad: true }, inputs }
  }
  if (node.op === 'relu' || node.op === 'tanh' || node.op === 'sigmoid') return { op: { op: node.op }, inputs }
  return undefined
}

function conv2d(node: Node<'conv2d'> | Node<'groupConv2d'>): Recognised {
  const [outChannels = 0, , height = 1, width = 1] = node.inputs[1]?.shape ?? []
  const { stride, padding } = node.attrs
  const { dilation, groups } = 'groups' in node.attrs ? node.attrs : { dilation: [1, 1] as const, groups: 1 }
  const op: NetOp = {
    op: 'conv2d',
    outChannels,
    kernelSize: [height, width],
    stride,
    padding: paddingOf(padding),
    dilation,
    groups,
    bias: node.inputs.length > 2,
  }
  return { op, inputs: node.inputs.slice(0, 1), weights: weightsOf(node.inputs) }
}

/** A constant around pictures; lists of a batch leave dim 0 out. */
function pad(node: Node): Recognised | undefined {
  if (!ops.isOp(node, 'pad') || node.shape.length !== 4) return undefined
  const { value } = node.attrs
  const [before, after] = [node.attrs.before.slice(-3), node.attrs.after.slice(-3)]
  const others = [node.attrs.before.at(-4), node.attrs.after.at(-4), before[0], after[0]]
  if (others.some((size) => (size ?? 0) !== 0)) return undefined
  const [, top = 0, left = 0] = before
  const [, bottom = 0, right = 0] = after
  return { op: { op: 'pad', padding: { top, bottom, left, right }, value }, inputs: node.inputs }
}

/** A part along one dimension; of several the last one, of what is left by those before. */
function slice(node: Node): Recognised | undefined {
  const [x] = node.inputs
  if (x === undefined || !ops.isOp(node, 'slice')) return undefined
  const behindBatch = node.layout === 'batch' ? 1 : 0
  const starts = behindBatch === 1 ? [0, ...node.attrs.starts] : node.attrs.starts
  const ends = behindBatch === 1 ? [x.shape[0] ?? 0, ...node.attrs.ends] : node.attrs.ends
  const cut = x.shape.flatMap((size, i) => (starts[i] === 0 && ends[i] === size ? [] : [i]))
  const last = cut.at(-1)
  if (last === undefined || cut[0] === 0) return undefined
  const rest = ops.slice(
    x,
    starts.map((start, i) => (i === last ? 0 : start)),
    ends.map((end, i) => (i === last ? (x.shape[i] ?? end) : end)),
  )
  return { op: { op: 'slice', dim: last - 1, start: starts[last] ?? 0, end: ends[last] ?? 0 }, inputs: [rest] }
}

const isPermutation = (node: Node | undefined, dims: readonly number[]): node is Node =>
  node !== undefined && ops.isOp(node, 'permute') && String(node.attrs.dims) === String(dims)

const toHwc = [0, 2, 3, 1]
const toChw = [0, 3, 1, 2]

/** The picture behind a change to HWC, else the node itself. */
function picture(node: Node): { readonly from: Node; readonly order: 'chw' | 'hwc' } {
  const [inner] = node.inputs
  return inner !== undefined && isPermutation(node, toHwc)
    ? { from: inner, order: 'hwc' }
    : { from: node, order: 'chw' }
}

/** flatten and reshape, which leave the batch alone; in Keras's order between permutations. */
function reshape(node: Node): Recognised | undefined {
  const [inner] = node.inputs
  if (inner === undefined) return undefined
  if (isPermutation(node, toChw) && inner.op === 'reshape') return filledAsHwc(node, inner)
  if (node.op !== 'reshape' || node.shape[0] !== inner.shape[0]) return undefined
  const { from, order } = picture(inner)
  const shape = node.shape.slice(1)
  if (shape.length === 3 && order === 'hwc') return undefined
  const op: NetOp = shape.length === 1 ? { op: 'flatten', order } : { op: 'reshape', shape, order }
  return { op, inputs: [from] }
}

function filledAsHwc(node: Node, inner: Node): Recognised | undefined {
  const [source] = inner.inputs
  if (source === undefined || source.shape[0] !== node.shape[0]) return undefined
  const { from, order } = picture(source)
  if (from.shape.length === 4 && order === 'chw') return undefined
  return { op: { op: 'reshape', shape: node.shape.slice(1), order: 'hwc' }, inputs: [from] }
}

/** x · (random ≥ p) / (1 − p) */
function dropout(node: Node): Recognised | undefined {
  const [x, mask] = node.inputs
  const [keep] = mask?.inputs ?? []
  const [limit, random] = keep?.inputs ?? []
  if (node.op !== 'mul' || mask?.op !== 'mul' || keep?.op !== 'le' || random?.op !== 'random') return undefined
  const values = limit && hostValues(limit)
  if (x === undefined || values?.length !== 1) return undefined
  return { op: { op: 'dropout', p: Number((values[0] ?? 0).toPrecision(7)) }, inputs: [x] }
}

const rules: readonly Rule[] = [
  dropout,
  composed,
  globalPool,
  avgPoolOfReal,
  linearOverRows,
  concat,
  layer,
  pad,
  slice,
  reshape,
]

/** What the node is, or undefined. Sums and products of two values are `binary`'s. */
export function recognise(node: Node): Recognised | undefined {
  for (const rule of rules) {
    const found = rule(node)
    if (found !== undefined) return found
  }
  return undefined
}
