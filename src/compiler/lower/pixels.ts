/**
 * Convolutions and linear layers of one picture at a time, with vectors along the channels of a result: pixel after
 * pixel, a pixel's channels side by side. An input's element is broadcast, so it may lie in any order.
 * Sums go in the order of lower/conv.ts and lower/linear.ts, so that the bits are theirs.
 * Not here: when pictures are computed one at a time (schedule/few.ts), pools and copies (pixelWindows.ts).
 */
import { add, alu, batchSize, float, int, loadInt, loadSplat, loadVec, mul, sub } from '../loop/build.js'
import type { Expr, Units, Var } from '../loop/ir.js'
import { KernelBuilder, valueBytes, type ScheduledKernel, type Value } from '../kernel.js'
import type { ConvTile } from '../tile/choose.js'
import { partOf, pieces, unevenness, type Part } from './pixelCut.js'
import { clear } from './sparse.js'

type Local = { k: 'var'; v: Var }

/** A loop of a sum: so many terms, the input's elements so many floats apart. */
export interface Terms {
  readonly count: number
  readonly step: number
}

/** Where a vector of results goes: its first channel, and its place in the picture that is written, all in bytes. */
interface ResultPlace {
  readonly channel: Expr
  readonly at: Expr
  readonly offset: number
}

/** What becomes of a vector of sums before it is stored. */
export type ChannelTail = (b: KernelBuilder, value: Expr, place: ResultPlace) => Expr

/** Told the kernel, then the picture, whose values it may point to. */
export type PictureTail = (b: KernelBuilder) => (picture: Expr) => ChannelTail

/** out[y, x, o] = tail(weights' first row + Σ x[place of (y, x) + place of the term] · weight[term, o]) */
export interface PixelSum {
  readonly name: string
  readonly x: Value
  /** The sum's loops, outermost first. */
  readonly terms: readonly Terms[]
  /** Floats from one row, and from one column, of results to the next in x. */
  readonly steps: readonly [number, number]
  /** Laid by `lowerPixelWeights` for tiles of `channelTile` vectors. */
  readonly weights: Value
  readonly channels: number
  readonly out: Value
  /** Rows and columns that are computed. */
  readonly size: readonly [number, number]
  /** Floats from one row, and from one column, that is stored to the next in out. */
  readonly outSteps: readonly [number, number]
  /** Windows of 2 × 2 become their largest value; relu: and then 0 at least. */
  readonly pool: { readonly relu: boolean } | null
  readonly tile: ConvTile
  readonly tail: PictureTail | null
  /** Threads share a picture. */
  readonly cut: boolean
}

/** Loops that run straight through one another are one. */
function merged(terms: readonly Terms[]): Terms[] {
  const found: Terms[] = []
  for (const { count, step } of terms) {
    const outer = found.at(-1)
    if (count === 1 && found.length > 0) continue
    if (outer && outer.step === step * count) found[found.length - 1] = { count: outer.count * count, step }
    else if (outer?.count === 1) found[found.length - 1] = { count, step }
    else found.push({ count, step })
  }
  return found
}

export const termCount = (terms: readonly Terms[]): number => terms.reduce((product, { count }) => product * count, 1)

type Axis = 'channels' | 'rows' | 'columns'
type Extent = { readonly count: number; readonly tile: number }

/** A piece of each axis. */
type Place = Readonly<Record<Axis, { readonly start: Expr; readonly size: number }>>

/**
 * The loops over a result's tiles, outermost first. Whichever is larger of weights and picture is read once, the other
 * again and again from a nearer cache. Threads cut the outermost loop whose tiles can be dealt out evenly.
 */
function loopsOf(
  job: PixelSum,
  lanes: number,
): { order: readonly Axis[]; extents: Readonly<Record<Axis, Extent>>; cut: Axis } {
  const [rows, columns] = job.size
  const vectors = Math.ceil(job.channels / lanes)
  const { tile } = job
  const extents = {
    channels: { count: vectors, tile: tile.channels },
    rows: { count: rows, tile: tile.rows },
    columns: { count: columns, tile: tile.columns },
  }
  const bytes = vectors * lanes * termCount(job.terms) * 4
  // what one thread computes alone is small: all of it is near
  const isWide = !job.cut || bytes > valueBytes(job.x, lanes)
  const order: Axis[] = isWide ? ['channels', 'rows', 'columns'] : ['rows', 'columns', 'channels']
  const cost = (axis: Axis): number =>
    unevenness(Math.ceil(extents[axis].count / extents[axis].tile)) + order.indexOf(axis) * costOfInner
  return { order, extents, cut: order.reduce((best, axis) => (cost(axis) < cost(best) ? axis : best)) }
}

/** Cutting a loop further inside costs so much of a kernel's time: both threads read what the outer one passes. */
const costOfInner = 0.04

export function lowerPixelSum(lanes: number, job: PixelSum): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const kernel = new SumKernel(b, job)
  const units = job.cut ? overParts(b, job, kernel) : overPictures(b, job, kernel)
  const flops = 2 * job.channels * job.size[0] * job.size[1] * termCount(job.terms)
  return b.finish(job.name, units, (n) => n * flops)
}

function overPictures(b: KernelBuilder, job: PixelSum, kernel: SumKernel): Units {
  const { order, extents } = loopsOf(job, b.lanes)
  b.forUnits((picture) => {
    kernel.begin(picture)
    overTiles(b, extents, order, {}, (at) => kernel.tile(at))
  })
  return { pictures: 1 }
}

/** Pictures are passed over within a piece of the channels, whose weights are near then. */
function overParts(b: KernelBuilder, job: PixelSum, kernel: SumKernel): Units {
  const { order, extents, cut } = loopsOf(job, b.lanes)
  const part = partOf(b)
  const pictures = (axes: readonly Axis[], at: Partial<Place>): void =>
    b.for('picture', 0, batchSize, 1, (picture) => {
      kernel.begin(picture)
      overTiles(b, extents, axes, at, (place) => kernel.tile(place), { [cut]: part })
    })
  const { count, tile } = extents[cut]
  if (cut === order[0] && cut === 'channels')
    pieces(b, count, tile, part, (start, size) => pictures(order.slice(1), { channels: { start, size } }))
  else pictures(order, {})
  return { count: Math.ceil(count / tile) }
}

function overTiles(
  b: KernelBuilder,
  extents: Readonly<Record<Axis, Extent>>,
  [axis, ...inner]: readonly Axis[],
  at: Partial<Place>,
  body: (at: Place) => void,
  parts: { readonly [axis in Axis]?: Part } = {},
): void {
  if (!axis) return body(at as Place)
  const { count, tile } = extents[axis]
  pieces(b, count, tile, parts[axis] ?? null, (start, size) =>
    overTiles(b, extents, inner, { ...at, [axis]: { start, size } }, body, parts),
  )
}

class SumKernel {
  readonly #b: KernelBuilder
  readonly #job: PixelSum
  readonly #tailOf: ((picture: Expr) => ChannelTail) | null
  readonly #terms: readonly Terms[]
  #tail: ChannelTail | null = null
  #x: Expr = int(0)
  #out: Expr = int(0)

  constructor(b: KernelBuilder, job: PixelSum) {
    this.#b = b
    this.#job = job
    this.#tailOf = job.tail?.(b) ?? null
    this.#terms = merged(job.terms)
  }

  begin(picture: Expr): void {
    const b = this.#b
    const { x, out } = this.#job
    this.#x = b.pointer('xPicture', b.buffer(x, 'read'), picture, valueBytes(x, b.lanes))
    this.#out = b.pointer('outPicture', b.buffer(out, 'write'), picture, valueBytes(out, b.lanes))
    this.#tail = this.#tailOf?.(picture) ?? null
  }

  /** One tile of results: accumulators [row][column][vector of channels]. */
  tile(at: Place): void {
    const b = this.#b
    const [rowStep, columnStep] = this.#job.steps
    const t: ConvTile = { channels: at.channels.size, rows: at.rows.size, columns: at.columns.size }
    const rowBytes = (termCount(this.#terms) + 1) * b.width
    const w = b.let('w', add(b.buffer(this.#job.weights, 'read'), mul(at.channels.start, rowBytes)))
    const count = t.rows * t.columns * t.channels
    const sums = Array.from({ length: count }, (_, i) => b.let('acc', loadVec(w, (i % t.channels) * b.width)))
    b.bump(w, t.channels * b.width)
    const first = add(mul(at.rows.start, rowStep * 4), mul(at.columns.start, columnStep * 4))
    const x = b.let('x', add(this.#x, first))
    this.#sum(this.#terms, x, () => this.#term(sums, x, w, t))
    this.#finish(sums, at, t)
  }

  #sum([terms, ...inner]: readonly Terms[], x: Local, term: () => void): void {
    if (!terms) return term()
    const passed = inner[0] ? inner[0].count * inner[0].step : 0
    this.#b.loop(terms.count, () => {
      this.#sum(inner, x, term)
      this.#b.bump(x, (terms.step - passed) * 4)
    })
  }

  /** Of weights and elements the fewer are held in registers, the others pass by. */
  #term(sums: readonly Local[], x: Local, w: Local, t: ConvTile): void {
    const b = this.#b
    const [rowStep, columnStep] = this.#job.steps
    const weight = (v: number): Expr => loadVec(w, v * b.width)
    const element = (p: number): Expr =>
      loadSplat(x, (Math.floor(p / t.columns) * rowStep + (p % t.columns) * columnStep) * 4)
    const add = (v: number, p: number, wv: Expr, s: Expr): void => {
      const sum = sums[p * t.channels + v] as Local
      b.set(sum.v, alu('fma', s, wv, sum))
    }
    const positions = t.rows * t.columns
    const [held, passing] = t.channels <= positions ? [t.channels, positions] : [positions, t.channels]
    const [hold, pass] = t.channels <= positions ? [weight, element] : [element, weight]
    const kept = Array.from({ length: held }, (_, i) => b.let('held', hold(i)))
    for (let j = 0; j < passing; j++) {
      const one = held === 1 ? pass(j) : b.let('passing', pass(j))
      kept.forEach((k, i) => (hold === weight ? add(i, j, k, one) : add(j, i, one, k)))
    }
    b.bump(w, t.channels * b.width)
  }

  #finish(sums: readonly Local[], { channels, rows, columns }: Place, t: ConvTile): void {
    const b = this.#b
    const { outSteps, pool } = this.#job
    const size = pool ? 2 : 1
    const [rowStep, columnStep] = outSteps
    const half = (e: Expr): Expr => (!pool ? e : e.k === 'int' ? int(e.value / 2) : alu('ishru', e, int(1)))
    const place = b.let('place', add(mul(channels.start, b.width), mul(half(rows.start), rowStep * 4)))
    b.bump(place, mul(half(columns.start), columnStep * 4))
    const at = b.let('at', add(this.#out, place))
    for (let v = 0; v < t.channels; v++) {
      const channel = b.let('channel', mul(add(channels.start, v), b.width))
      const value = (r: number, c: number, offset: number): Expr => {
        const sum = sums[(r * t.columns + c) * t.channels + v] as Local
        return this.#tail ? this.#tail(b, sum, { channel, at: place, offset }) : sum
      }
      for (let r = 0; r < t.rows; r += size)
        for (let c = 0; c < t.columns; c += size) {
          const offset = ((r / size) * rowStep + (c / size) * columnStep) * 4 + v * b.width
          const found = pool ? this.#pooled(pool.relu, (y, z) => value(r + y, c + z, offset)) : value(r, c, offset)
          b.store('vec', at, offset, found)
        }
    }
  }

  /** The largest of a window in row-major order: a NaN wins, the first of equals stays. */
  #pooled(relu: boolean, at: (y: number, x: number) => Expr): Expr {
    const b = this.#b
    const best = b.let('best', at(0, 0))
    for (const [y, x] of [
      [0, 1],
      [1, 0],
      [1, 1],
    ] as const) {
      const value = b.let('value', at(y, x))
      const mask = alu('ior', alu('flt', best, value), alu('fne', value, value))
      b.set(best.v, alu('fselect', mask, value, best))
    }
    return relu ? alu('pmax', best, float(0)) : best
  }
}

/** How a weight [O, …] is read for a sum: its terms in the sum's order, in floats. */
export interface WeightTerms {
  readonly terms: readonly Terms[]
  readonly channels: number // O
  /** Vectors in a tile. */
  readonly tile: number
}

/** weight [O, …], bias [O] → for each tile of channels: the bias (or 0), then a row of weights for each term. */
export function lowerPixelWeights(
  lanes: number,
  { terms, channels, tile }: WeightTerms,
  [weight, bias]: readonly [Value, Value | null],
  out: Value,
): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const [from, biases, to] = [b.buffer(weight, 'read'), bias && b.buffer(bias, 'read'), b.buffer(out, 'write')]
  const count = termCount(terms)
  const loops = merged(terms)
  const copy = (width: number, channel: Expr, target: Local): void => {
    const w = b.let('w', add(from, mul(channel, count * 4)))
    if (biases) b.store('i32', target, 0, loadInt(add(biases, mul(channel, 4))))
    b.bump(target, width * 4)
    eachTerm(b, loops, w, () => {
      b.store('i32', target, 0, loadInt(w))
      b.bump(target, width * 4)
    })
  }
  const vectors = Math.ceil(channels / lanes)
  pieces(b, vectors, tile, partOf(b), (first, size) => {
    const width = size * lanes
    const start = b.let('start', mul(first, lanes))
    const end = b.let('end', alu('imin', add(start, width), int(channels)))
    const tileAt = b.let('tile', add(to, mul(first, (count + 1) * lanes * 4)))
    clear(b, tileAt, (count + 1) * width * 4)
    b.for('o', start, end, 1, (o) => copy(width, o, b.let('target', add(tileAt, mul(sub(o, start), 4)))))
  })
  return b.finish('pixelWeights', { count: Math.ceil(vectors / tile) })
}

function eachTerm(b: KernelBuilder, [terms, ...inner]: readonly Terms[], at: Local, body: () => void): void {
  if (!terms) return body()
  const passed = inner[0] ? inner[0].count * inner[0].step : 0
  b.loop(terms.count, () => {
    eachTerm(b, inner, at, body)
    b.bump(at, (terms.step - passed) * 4)
  })
}
