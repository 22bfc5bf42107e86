/**
 * Statistics of each channel of a batch [N, C, …] in lanes, in two kernels: each picture's own (its parts), picture by
 * picture; then over pictures, channel by channel, together with the [C] numbers that follow from them.
 * Order: pixels dealt to four partial sums, (s0 + s1) + (s2 + s3); pictures by groups of 8 in order (overPictures.ts).
 * Variances are sums of squares of what the mean leaves, within a picture and between pictures (Chan, Golub and LeVeque
 * 1983: the corrected two-pass algorithm), never Σ x² − mean². Not here: what is normalised with them (map.ts).
 */
import { sizeOf } from '../../base/index.js'
import type { Node } from '../../graph/index.js'
import { add, alu, batchSize, float, loadSplat, loadVec, mul, splat } from '../loop/build.js'
import type { Expr, Var } from '../loop/ir.js'
import { KernelBuilder, partsOfPieces, vectorType, type ScheduledKernel, type Value } from '../kernel.js'
import { emitNode } from './elementwise.js'
import type { MapResult } from './map.js'
import { sumsOverPictures } from './overPictures.js'

type Local = { k: 'var'; v: Var }

/** Numbers of a picture's channel that its parts have. */
export const partsPerChannel = 2

/** Partial sums that the pixels of a picture are dealt to in turn. */
const ways = 4

const zeros = (b: KernelBuilder): Local[] => Array.from({ length: ways }, () => b.let('sum', float(0)))

function gathered([s0, s1, s2, s3]: readonly Local[]): Expr {
  return alu('fadd', alu('fadd', s0 as Local, s1 as Local), alu('fadd', s2 as Local, s3 as Local))
}

/** Goes over a channel's pixels in turns of four; the pointers end behind them. `step` gets its turn and byte offset. */
function overPixels(
  b: KernelBuilder,
  count: number,
  at: readonly Local[],
  step: (way: number, offset: number) => void,
) {
  const turn = (size: number): void => {
    for (let way = 0; way < size; way++) step(way, way * b.width)
    at.forEach((pointer) => b.bump(pointer, size * b.width))
  }
  b.loop(Math.floor(count / ways), () => turn(ways))
  if (count % ways > 0) turn(count % ways)
}

/** A kernel that writes two numbers for each picture and channel, with pointers to the channel's pixels of `values`. */
function lowerParts(
  lanes: number,
  name: string,
  values: readonly Value[],
  parts: Value,
  body: (b: KernelBuilder, pixels: number, at: readonly Local[], channel: Expr) => readonly [Expr, Expr],
): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const [, channels = 1, ...sizes] = values[0]?.shape ?? []
  const pixels = sizeOf(sizes)
  const from = values.map((value) => b.buffer(value, 'read'))
  const to = b.buffer(parts, 'write')
  const cut = partsOfPieces(channels)
  b.forParts(cut, (block, first, end) => {
    const plane = b.let('plane', add(mul(block, channels), first))
    const at = from.map((start) => b.pointer('at', start, plane, pixels * b.width))
    const out = b.pointer('out', to, plane, partsPerChannel * b.width)
    b.for('channel', first, end, 1, (channel) => {
      body(b, pixels, at, channel).forEach((part, i) => b.store('vec', out, i * b.width, part))
      b.bump(out, partsPerChannel * b.width)
    })
  })
  return b.finish(name, { pictures: lanes, parts: cut })
}

/** x → of each picture and channel: the mean, and Σ (x − mean)². */
export function lowerMomentParts(lanes: number, x: Value, parts: Value): ScheduledKernel {
  return lowerParts(lanes, 'moments of pictures', [x], parts, (b, pixels, [at]) => {
    const x0 = at as Local
    const again = b.let('again', x0)
    const sums = zeros(b)
    overPixels(b, pixels, [x0], (way, offset) => {
      const sum = sums[way] as Local
      b.set(sum.v, alu('fadd', sum, loadVec(x0, offset)))
    })
    const share = float(1 / pixels)
    const mean = b.let('mean', alu('fmul', gathered(sums), share))
    const [rests, squares] = [zeros(b), zeros(b)]
    overPixels(b, pixels, [again], (way, offset) => {
      const [rest, square] = [rests[way] as Local, squares[way] as Local]
      const d = b.let('d', alu('fsub', loadVec(again, offset), mean))
      b.set(rest.v, alu('fadd', rest, d))
      b.set(square.v, alu('fma', d, d, square))
    })
    // what rounding left out of the mean: that of equal numbers must be the number, since a deviation of 0 magnifies
    const rest = b.let('rest', gathered(rests))
    const off = b.let('off', alu('fmul', rest, share))
    return [alu('fadd', mean, off), alu('fsub', gathered(squares), alu('fmul', rest, off))]
  })
}

/** (g, x, mean) → of each picture and channel: Σ g, and Σ g · (x − mean). */
export function lowerGradParts(lanes: number, g: Value, x: Value, mean: Value, parts: Value): ScheduledKernel {
  return lowerParts(lanes, 'normalizeGrad of pictures', [g, x], parts, (b, pixels, [gAt, xAt], channel) => {
    const [g0, x0] = [gAt as Local, xAt as Local]
    const average = b.let('mean', loadSplat(add(b.buffer(mean, 'read'), mul(channel, 4))))
    const [sums, products] = [zeros(b), zeros(b)]
    overPixels(b, pixels, [g0, x0], (way, offset) => {
      const [sum, product] = [sums[way] as Local, products[way] as Local]
      const slope = b.let('g', loadVec(g0, offset))
      b.set(sum.v, alu('fadd', sum, slope))
      b.set(product.v, alu('fma', slope, alu('fsub', loadVec(x0, offset), average), product))
    })
    return [gathered(sums), gathered(products)]
  })
}

/** What a kernel that goes channel by channel writes: one number a channel each. */
export interface ChannelResults {
  /** The sums' own nodes, and elementwise nodes that follow from them and from values in memory. */
  readonly results: readonly MapResult[]
  readonly valueOf: (node: Node) => Value | undefined
}

/** A value of one number, or of one a channel. */
function loadChannel(b: KernelBuilder, value: Value, channel: Expr): Expr {
  const start = b.buffer(value, 'read')
  return loadSplat(sizeOf(value.shape) === 1 ? start : add(start, mul(channel, 4)), 0, vectorType(value.dtype))
}

function writeChannel(
  b: KernelBuilder,
  channel: Expr,
  sums: ReadonlyMap<Node, Expr>,
  { results, valueOf }: ChannelResults,
): void {
  const memo = new Map<Node, Expr>(sums)
  const leaf = (node: Node): Expr | undefined => {
    const value = valueOf(node)
    if (value) return loadChannel(b, value, channel)
    const [from] = node.inputs
    return node.op === 'reshape' && from ? emitNode(b, from, leaf, memo) : undefined
  }
  for (const { node, value } of results) {
    const number = emitNode(b, node, leaf, memo)
    b.store('one', add(b.buffer(value, 'write'), mul(channel, 4)), 0, number)
  }
}

/** Sums over pictures of `count` terms, made of the two parts of a picture's channel. */
type Sums = (count: number, terms: (first: Expr, second: Expr) => readonly Expr[]) => readonly Local[]

/** A kernel of one unit a channel over the parts [N, C, 2]. */
function lowerOverPictures(
  lanes: number,
  name: string,
  parts: Value,
  body: (b: KernelBuilder, channel: Expr, sums: Sums) => void,
): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const [, channels = 1] = parts.shape
  const from = b.buffer(parts, 'read')
  b.forUnits((channel) => {
    const base = b.pointer('parts', from, channel, partsPerChannel * b.width)
    body(b, channel, (count, terms) =>
      sumsOverPictures(b, channels * partsPerChannel, count, (start) => {
        const at = b.let('at', add(base, start))
        return terms(loadSplat(at), loadSplat(at, b.width))
      }),
    )
  })
  return b.finish(name, { count: channels })
}

export interface MomentsJob extends ChannelResults {
  /** Each null where nobody wants it. */
  readonly mean: Node | null
  readonly variance: Node | null
  /** Pixels of a picture's channel. */
  readonly pixels: number
}

/** The mean of the pictures' means (all have as many pixels), and the variance about it. */
export function lowerMoments(lanes: number, parts: Value, job: MomentsJob): ScheduledKernel {
  const { mean, variance } = job
  const pixels = float(job.pixels)
  return lowerOverPictures(lanes, 'moments', parts, (b, channel, sums) => {
    const pictures = b.let('pictures', alu('itof', splat(batchSize)))
    const [total] = sums(1, (own) => [own])
    const about = b.let('about', alu('fdiv', total as Local, pictures))
    const [left, squares] = sums(2, (own, square) => {
      const d = b.let('d', alu('fsub', own, about))
      return [d, alu('fma', alu('fmul', d, pixels), d, square)]
    })
    const off = b.let('off', alu('fdiv', left as Local, pictures))
    const all = alu('fsub', squares as Local, alu('fmul', alu('fmul', left as Local, pixels), off))
    const found = new Map<Node, Expr>()
    if (mean) found.set(mean, b.let('mean', alu('fadd', about, off)))
    if (variance) found.set(variance, b.let('variance', alu('fdiv', all, alu('fmul', pictures, pixels))))
    writeChannel(b, channel, found, job)
  })
}

/** The two sums of a normalisation's gradient over pictures, each null where nobody wants it. */
export function lowerNormalizeGrad(
  lanes: number,
  parts: Value,
  wanted: readonly [Node | null, Node | null],
  job: ChannelResults,
): ScheduledKernel {
  return lowerOverPictures(lanes, 'normalizeGrad', parts, (b, channel, sums) => {
    const totals = sums(2, (bias, scale) => [bias, scale])
    const found = new Map<Node, Expr>()
    wanted.forEach((node, i) => node && found.set(node, totals[i] as Local))
    writeChannel(b, channel, found, job)
  })
}
