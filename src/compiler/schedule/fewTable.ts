/**
 * What each operation of a forward pass asks for where few pictures are computed one at a time: one row an operation.
 * An operation without a row has no such plan. Elementwise operations: few.ts. Not here: the kernels (lower/pixels.ts).
 */
import { sizeOf, stridesOf } from '../../base/index.js'
import { isElementwise, type Node, type OpName } from '../../graph/index.js'
import type { Value } from '../kernel.js'
import { lowerPictureMoments } from '../lower/channels.js'
import { lowerDepthwisePixels } from '../lower/depthwisePixels.js'
import { lowerMap } from '../lower/map.js'
import { lowerConcatPictures, lowerMove, type Move } from '../lower/move.js'
import { roundUp } from '../lower/pixelCut.js'
import { lowerPixelSum, lowerPixelWeights, termCount, type PixelSum, type Terms } from '../lower/pixels.js'
import { lowerPixelGather, lowerPixelPad, lowerPixelSums } from '../lower/pixelWindows.js'
import { lowerReduce, lowerSumBatch, reducedDims } from '../lower/reduce.js'
import { slidePhases } from '../lower/slide.js'
import { lowerWinogradPixels, pixelStrip, winogradPixelScratch } from '../lower/winogradPixels.js'
import { lowerWinogradPixelWeights, winogradPixelWeights } from '../lower/winogradPixelWeights.js'
import { isWinograd } from '../lower/winogradTile.js'
import type { FewScheduler, PixelTail } from './few.js'
import { phasesOf } from './groupConv.js'
import { inputOf } from './ledger.js'
import { moves } from './moves.js'

type Row<K extends OpName> = (s: FewScheduler, node: Node<K>, tail: PixelTail | null) => Value

/** Floats between neighbours along each dim of a picture. */
const stepsOf = (value: Value): readonly number[] => value.spread?.steps ?? stridesOf(value.shape.slice(1))

/** Up to so many channels a conv's sum runs over them innermost: see lower/conv.ts. */
const fewChannels = 16

/** A sum's loops in order, of weights [O, C, kH, kW] or of the pixels that they are multiplied with. */
function convTerms([C, kH, kW]: readonly number[], [c = 1, y = 1, x = 1]: readonly number[]): Terms[] {
  const channels = { count: C ?? 1, step: c }
  const taps = [
    { count: kH ?? 1, step: y },
    { count: kW ?? 1, step: x },
  ]
  return (C ?? 1) <= fewChannels ? [...taps, channels] : [channels, ...taps]
}

type Contraction = Pick<PixelSum, 'name' | 'x' | 'terms' | 'steps' | 'size' | 'pool'> & {
  readonly read: readonly Terms[]
}

/** A convolution or linear layer into `out`; `read`: the weight's terms in the sum's order. */
function contract(s: FewScheduler, node: Node, job: Contraction, out: Value, tail: PixelTail | null): Value {
  const [weight, bias] = [s.input(node, 1), node.inputs[2] ? s.input(node, 2) : null]
  const channels = weight.shape[0] ?? 1
  const [, rowStep = 0, columnStep = 0] = out.spread?.steps ?? []
  const [size, steps] = asOneRow(job, rowStep === (out.shape[3] ?? 1) * columnStep)
  const tile = s.tileFor({ channels, size, pool: job.pool })
  const shape = [roundUp(channels, s.lanes) * (termCount(job.terms) + 1)]
  const weights = s.scratch({ shape, dtype: 'f32', layout: 'plain' })
  s.emit(lowerPixelWeights(s.lanes, { terms: job.read, channels, tile: tile.channels }, [weight, bias], weights))
  const write = tail && s.tail(tail)
  const outSteps = [rowStep, columnStep] as const
  s.emit(
    lowerPixelSum(s.lanes, { ...job, size, steps, outSteps, weights, channels, out, tile, tail: write, cut: s.cut }),
  )
  return out
}

/** Pixels whose rows run straight through one another, where they are read and written, are one long row. */
function asOneRow(
  { size, steps, pool }: Contraction,
  isStraight: boolean,
): readonly [PixelSum['size'], PixelSum['steps']] {
  const [rows, columns] = size
  if (pool || !isStraight || steps[0] !== columns * steps[1]) return [size, steps]
  return [[1, rows * columns], steps]
}

/** Pixels so many bytes apart share few places of the nearest cache: the pixels under a window push one another out. */
const crowdedBytes = 512
/** Of a line of the cache. */
const lineFloats = 16

function padded(s: FewScheduler, x: Value, [pH, pW]: readonly [number, number]): Value {
  if (pH + pW === 0) return x
  const [N = 1, C = 1, H = 1, W = 1] = x.shape
  const shape = [N, C, H + 2 * pH, W + 2 * pW]
  const more = (roundUp(C, s.lanes) * 4) % crowdedBytes === 0 ? lineFloats : 0
  const out = x.spread
    ? s.allocateSpread({ shape, dtype: 'f32' }, more)
    : s.scratch({ shape, dtype: 'f32', layout: 'rows' })
  s.emit(lowerPixelPad(s.lanes, [x, out], [pH, pW], s.cut))
  return out
}

/** The same by Winograd's tiles: see lower/winogradTile.ts. */
function winograd(
  s: FewScheduler,
  node: Node<'conv2d'>,
  pool: PixelSum['pool'],
  out: Value,
  tail: PixelTail | null,
): Value {
  const x = s.spread(inputOf(node, 0))
  const { padding } = node.attrs
  const [weight, bias] = [s.input(node, 1), node.inputs[2] ? s.input(node, 2) : null]
  const [channels = 1, inputs = 1] = weight.shape
  const [, , rows = 1, columns = 1] = out.shape
  const size = [rows * (pool ? 2 : 1), columns * (pool ? 2 : 1)] as const
  const strip = pixelStrip(size, s.cut)
  const tile = s.tileFor({ channels, size: [1, strip.rows * strip.columns], pool: null })
  const floats = winogradPixelWeights(s.lanes, inputs, channels)
  const weights = s.scratch({ shape: [floats], dtype: 'f32', layout: 'plain' })
  s.emit(lowerWinogradPixelWeights(s.lanes, tile.channels, [weight, bias], weights))
  const room = winogradPixelScratch(s.lanes, { size, inputs, channels, cut: s.cut })
  const scratch = (count: number): Value =>
    s.scratch({ shape: [out.shape[0] ?? 1, count], dtype: 'f32', layout: 'rows' })
  const [v, m, write] = [scratch(room.v), scratch(room.m), tail && s.tail(tail)]
  const job = {
    x,
    weights,
    bias: bias !== null,
    v,
    m,
    channels,
    out,
    size,
    pool,
    tile,
    tail: write,
    padding,
    cut: s.cut,
  }
  lowerWinogradPixels(s.lanes, job).forEach((kernel) => s.emit(kernel))
  return out
}

/** With `pool`: the result is that of the max-pool of 2 × 2 behind it. */
function convolve(
  s: FewScheduler,
  node: Node<'conv2d'>,
  pool: PixelSum['pool'],
  out: Value,
  tail: PixelTail | null,
): Value {
  const [, , OH = 1, OW = 1] = node.shape
  if (isWinograd(inputOf(node, 1).shape, node.attrs.stride, [OH, OW])) return winograd(s, node, pool, out, tail)
  const x = padded(s, s.input(node, 0), node.attrs.padding)
  const [, ...kernel] = inputOf(node, 1).shape
  const steps = stepsOf(x)
  const [sy, sx] = node.attrs.stride
  const [, , rows = 1, columns = 1] = out.shape
  const size = pool ? 2 : 1
  const job: Contraction = {
    name: pool ? 'conv2d+pool' : 'conv2d',
    x,
    terms: convTerms(kernel, steps),
    read: convTerms(kernel, stridesOf(kernel)),
    steps: [sy * (steps[1] ?? 0), sx * (steps[2] ?? 0)],
    size: [rows * size, columns * size],
    pool,
  }
  return contract(s, node, job, out, tail)
}

const conv2d: Row<'conv2d'> = (s, node, tail) => convolve(s, node, null, s.allocateSpread(node), tail)

/** Each channel its own: vectors of channels are multiplied with vectors of weights. */
function depthwise(s: FewScheduler, node: Node<'groupConv2d'>, tail: PixelTail | null): Value {
  const x = s.spread(inputOf(node, 0))
  const [weight, bias] = [s.input(node, 1), node.inputs[2] ? s.input(node, 2) : null]
  const [channels = 1, , kH = 1, kW = 1] = weight.shape
  const terms = [
    { count: kH, step: kW },
    { count: kW, step: 1 },
  ]
  const shape = [roundUp(channels, s.lanes) * (kH * kW + 1)]
  const weights = s.scratch({ shape, dtype: 'f32', layout: 'plain' })
  s.emit(lowerPixelWeights(s.lanes, { terms, channels, tile: 1 }, [weight, bias], weights))
  const [out, write] = [s.allocateSpread(node), tail && s.tail(tail)]
  const phases = phasesOf(node.attrs, weight.shape, slidePhases)
  const job = { x, out, weights, kernel: [kH, kW] as const, phases, tail: write, cut: s.cut }
  s.emit(lowerDepthwisePixels(s.lanes, job, s.accumulators))
  return out
}

/** In one group: a sum whose terms lie further apart. */
function dilated(s: FewScheduler, node: Node<'groupConv2d'>, tail: PixelTail | null): Value {
  const { padding, dilation, stride } = node.attrs
  const x = padded(s, s.input(node, 0), padding)
  const [, C = 1, kH = 1, kW = 1] = inputOf(node, 1).shape
  const [plane = 0, row = 0, pixel = 0] = stepsOf(x)
  const termsOf = (c: number, y: number, z: number): Terms[] => [
    { count: C, step: c },
    { count: kH, step: y },
    { count: kW, step: z },
  ]
  const out = s.allocateSpread(node)
  const [, , rows = 1, columns = 1] = node.shape
  const terms = termsOf(plane, dilation[0] * row, dilation[1] * pixel)
  const read = termsOf(kH * kW, kW, 1)
  const steps = [stride[0] * row, stride[1] * pixel] as const
  return contract(s, node, { name: node.op, x, terms, read, steps, size: [rows, columns], pool: null }, out, tail)
}

const isDepthwise = (node: Node): boolean => {
  const [O, C] = [inputOf(node, 1).shape[0], inputOf(node, 0).shape[1]]
  return node.op === 'groupConv2d' && (node as Node<'groupConv2d'>).attrs.groups === O && O === C
}

const groupConv2d: Row<'groupConv2d'> = (s, node, tail) => (isDepthwise(node) ? depthwise : dilated)(s, node, tail)

/** The convolution below a max-pool of 2 × 2 windows that can be computed with it, and what lies between. */
function fusedPool(
  s: FewScheduler,
  pool: Node<'maxPool2d'>,
): { conv: Node; tail: PixelTail | null; relu: boolean } | null {
  const { kernelSize, stride, padding } = pool.attrs
  const plain = [...kernelSize, ...stride].every((size) => size === 2) && padding.every((size) => size === 0)
  const top = inputOf(pool, 0)
  if (!plain || !s.isPrivate(top)) return null
  if (top.op === 'conv2d') return { conv: top, tail: null, relu: false }
  const conv = s.tailRoot(top)
  if (conv?.op !== 'conv2d') return null
  const relu = top.op === 'relu' && inputOf(top, 0) === conv
  if (s.hasResidual({ end: top, root: conv })) return null
  return { conv, tail: relu ? null : { end: top, root: conv }, relu }
}

const maxPool2d: Row<'maxPool2d'> = (s, node) => {
  const fused = fusedPool(s, node)
  if (!fused) return s.pool('max', node)
  return convolve(s, fused.conv as Node<'conv2d'>, { relu: fused.relu }, s.allocateSpread(node), fused.tail)
}

/** Its input is read in the order of its features, however they lie: what a reshape only counts anew needs no move. */
const linear: Row<'linear'> = (s, node, tail) => {
  let source = inputOf(node, 0)
  while (source.op === 'reshape' && !source.storage && !s.values.has(source)) source = inputOf(source, 0)
  const x = s.value(source)
  const counts = source.shape.slice(1)
  const steps = stepsOf(x)
  const features = sizeOf(counts)
  const job: Contraction = {
    name: 'linear',
    x,
    terms: counts.length > 0 ? counts.map((count, i) => ({ count, step: steps[i] ?? 0 })) : [{ count: 1, step: 0 }],
    read: [{ count: features, step: 1 }],
    steps: [0, 0],
    size: [1, 1],
    pool: null,
  }
  return contract(s, node, job, s.allocateSpread(node), tail)
}

const reshape: Row<'reshape'> = (s, node) => ({ ...s.rowMajor(inputOf(node, 0)), shape: node.shape })

const relaid: Row<'batch' | 'unbatch'> = (s, node) => ({
  ...s.rowMajor(inputOf(node, 0)),
  shape: node.shape,
  layout: s.typeOf(node).layout,
})

/** Over all pixels of each channel: in vectors of channels where they lie so. */
function pixelSums(s: FewScheduler, node: Node<'sum'>): Value | null {
  const [, , ...pixels] = inputOf(node, 0).shape
  const isAll = pixels.length > 0 && reducedDims(node).join() === pixels.map((_, i) => i + 2).join()
  const x = isAll && inputOf(node, 0).dtype === 'f32' ? s.input(node, 0) : null
  if (!x?.spread) return null
  const out = s.allocateSpread(node)
  s.emit(lowerPixelSums(s.lanes, [x, out], sizeOf(pixels), s.cut))
  return out
}

const reduce: Row<'sum' | 'amax' | 'argmax'> = (s, node) => {
  const sums = node.op === 'sum' ? pixelSums(s, node as Node<'sum'>) : null
  if (sums) return sums
  const source = inputOf(node, 0)
  const from = s.rowMajor(source)
  const out = s.allocate(node)
  if (overPictures(node)) s.emit(lowerSumBatch(s.lanes, node as Node<'sum'>, from, out))
  else s.emit(lowerReduce(s.lanes, node, out, (n) => (n === source ? from : undefined)))
  return out
}

/** Of a picture's channels both at once, where both are wanted. */
function moments(s: FewScheduler, x: Node, mean: Node | null, variance: Node | null): void {
  const from = s.rowMajor(x)
  const outs = [mean && s.allocate(mean), variance && s.allocate(variance)] as const
  s.emit(lowerPictureMoments(s.lanes, from, outs))
  ;[mean, variance].forEach((node, i) => node && s.values.set(node, outs[i] as Value))
}

const channelMean: Row<'channelMean'> = (s, node) => {
  const x = inputOf(node, 0)
  const variance = s.usersOf(node).find((user) => user.op === 'channelVariance' && user.inputs[0] === x && !s.has(user))
  moments(s, x, node, variance ?? null)
  return s.value(node)
}

const channelVariance: Row<'channelVariance'> = (s, node) => {
  // which may compute both
  s.input(node, 1)
  if (!s.values.has(node)) moments(s, inputOf(node, 0), null, node)
  return s.value(node)
}

const moved = (s: FewScheduler, node: Node, spec: Move): Value => {
  const from = s.rowMajor(inputOf(node, 0))
  const out = s.allocate(node)
  s.emit(lowerMove(s.lanes, node.op, spec, from, out))
  return out
}

const concat: Row<'concat'> = (s, node) => {
  const parts = node.inputs.map((part) => s.rowMajor(part))
  const out = s.allocate(node)
  s.emit(lowerConcatPictures(s.lanes, parts, out))
  return out
}

const gatherRows: Row<'gatherRows'> = (s, node) => {
  const [table, index] = [s.input(node, 0), s.input(node, 1)]
  const out = s.allocate(node)
  s.emit(lowerPixelGather(s.lanes, table, index, out))
  return out
}

const constant: Row<'const'> = (s, node) => {
  const value = s.allocate(node)
  s.emit(lowerMap(s.lanes, [{ node, value }], () => undefined))
  return value
}

export const fewTable: { readonly [K in OpName]?: Row<K> } = {
  const: constant,
  batch: relaid,
  unbatch: relaid,
  reshape,
  permute: (s, node) => moved(s, node, moves.permute(node)),
  slice: (s, node) => moved(s, node, moves.slice(node)),
  pad: (s, node) => moved(s, node, moves.pad(node)),
  concat,
  gatherRows,
  conv2d,
  groupConv2d,
  linear,
  maxPool2d,
  avgPool2d: (s, node) => s.pool('avg', node),
  channelMean,
  channelVariance,
  sum: reduce,
  amax: reduce,
  argmax: reduce,
}

/** A convolution or linear layer that is to be computed. */
export const isHeavy = ({ op, storage }: Node): boolean =>
  !storage && (op === 'conv2d' || op === 'groupConv2d' || op === 'linear')

/** The channels of a graph's convolutions and linear layers, and how many products each of them takes. */
export function weightShapes(order: readonly Node[]): { readonly channels: number; readonly terms: number }[] {
  return order.filter(isHeavy).map((node) => {
    const [channels = 1, ...terms] = inputOf(node, 1).shape
    return { channels, terms: sizeOf(terms) * sizeOf(node.shape.slice(2)) }
  })
}

/** So many products of a picture are worth the meetings of threads that share it. */
const manyProducts = 2 ** 24

/** Whether threads should share each picture. */
export const sharesPictures = (order: readonly Node[]): boolean =>
  weightShapes(order).reduce((sum, { channels, terms }) => sum + channels * terms, 0) >= manyProducts

/** Whether a graph has such a plan: a forward pass with a layer to win by it. */
export function suitsFew(order: readonly Node[], targets: readonly Node[]): boolean {
  const open = order.filter((node) => !node.storage)
  return (
    open.some(isHeavy) &&
    open.every((node) => hasRow(node) && wordsFit(node)) &&
    targets.every((node) => node.dtype !== 'u8')
  )
}

/** A sum over the pictures of a batch: over nothing else, see graph/composeReduction.ts. */
const overPictures = (node: Node): boolean =>
  inputOf(node, 0).layout === 'batch' && reducedDims(node as Node<'sum'>).includes(0)

function hasRow(node: Node): boolean {
  if (isElementwise(node)) return node.dtype !== 'u8'
  if (node.op in moves || node.op === 'concat')
    return node.dtype !== 'u8' && (node.op !== 'concat' || node.layout === 'batch')
  if (node.op === 'channelMean' || node.op === 'channelVariance') return node.layout === 'batch'
  if (node.op === 'groupConv2d') return isDepthwise(node) || (node as Node<'groupConv2d'>).attrs.groups === 1
  return node.op in fewTable
}

/** Bytes of batches are read as they lie, so they must be rows; gathered ones are moved by words. */
function wordsFit(node: Node): boolean {
  if (node.inputs.some((x) => x.storage && x.dtype === 'u8' && x.layout === 'batch')) return false
  return node.op !== 'gatherRows' || node.dtype !== 'u8' || sizeOf(node.shape.slice(1)) % 4 === 0
}
