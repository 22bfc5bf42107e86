/**
 * Convolutions, linear layers and pools of one picture at a time, with vectors along the channels of a result: pixel after
 * pixel, a pixel's channels side by side. An input's element is broadcast, so it may lie in any order.
 * Sums go in the order of lower/conv.ts and lower/linear.ts, so that the bits are theirs.
 * Not here: when pictures are computed one at a time (schedule/few.ts).
 */
import type { Window } from '../../graph/index.js'
import { add, alu, float, int, loadInt, loadSplat, loadVec, mul, sub } from '../loop/build.js'
import type { Expr, Var } from '../loop/ir.js'
import { KernelBuilder, valueBytes, type ScheduledKernel, type Value } from '../kernel.js'
import type { ConvTile } from '../tile/choose.js'
import { copyWords } from './map.js'
import { clear } from './sparse.js'

type Local = { k: 'var'; v: Var }

/** A loop of a sum: so many terms, the input's elements so many floats apart. */
export interface Terms {
  readonly count: number
  readonly step: number
}

/** What becomes of a vector of sums of the channels from `channel` on before it is stored. */
export type ChannelTail = (b: KernelBuilder, value: Expr, channel: Expr) => Expr

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
  /** Windows of 2 × 2 become their largest value; relu: and then 0 at least. */
  readonly pool: { readonly relu: boolean } | null
  readonly tile: ConvTile
  readonly tail: ((b: KernelBuilder) => ChannelTail) | null
}

export const roundUp = (count: number, step: number): number => Math.ceil(count / step) * step

/** Calls back with the start (i32) and size of each piece: whole ones in a loop, then the rest. */
function pieces(b: KernelBuilder, count: number, tile: number, body: (start: Expr, size: number) => void): void {
  const whole = Math.floor(count / tile) * tile
  if (whole === tile) body(int(0), tile)
  else if (whole > 0) b.for('i', 0, whole, tile, (i) => body(i, tile))
  if (count > whole) body(int(whole), count - whole)
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

export function lowerPixelSum(lanes: number, job: PixelSum): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const kernel = new SumKernel(b, job)
  const [rows, columns] = job.size
  const vectors = Math.ceil(job.channels / lanes)
  b.forUnits((picture) => {
    kernel.begin(picture)
    pieces(b, vectors, job.tile.channels, (first, channels) =>
      pieces(b, rows, job.tile.rows, (row, rowCount) =>
        pieces(b, columns, job.tile.columns, (column, columnCount) =>
          kernel.tile([first, row, column], { channels, rows: rowCount, columns: columnCount }),
        ),
      ),
    )
  })
  const flops = 2 * job.channels * rows * columns * termCount(job.terms)
  return b.finish(job.name, { pictures: 1 }, (n) => n * flops)
}

class SumKernel {
  readonly #b: KernelBuilder
  readonly #job: PixelSum
  readonly #tail: ChannelTail | null
  readonly #terms: readonly Terms[]
  #x: Expr = int(0)
  #out: Expr = int(0)

  constructor(b: KernelBuilder, job: PixelSum) {
    this.#b = b
    this.#job = job
    this.#tail = job.tail?.(b) ?? null
    this.#terms = merged(job.terms)
  }

  begin(picture: Expr): void {
    const b = this.#b
    const { x, out } = this.#job
    this.#x = b.pointer('xPicture', b.buffer(x, 'read'), picture, valueBytes(x, b.lanes))
    this.#out = b.pointer('outPicture', b.buffer(out, 'write'), picture, valueBytes(out, b.lanes))
  }

  /** One tile of results: accumulators [row][column][vector of channels]. */
  tile([first, row, column]: readonly [Expr, Expr, Expr], t: ConvTile): void {
    const b = this.#b
    const [rowStep, columnStep] = this.#job.steps
    const rowBytes = (termCount(this.#terms) + 1) * b.width
    const w = b.let('w', add(b.buffer(this.#job.weights, 'read'), mul(first, rowBytes)))
    const count = t.rows * t.columns * t.channels
    const sums = Array.from({ length: count }, (_, i) => b.let('acc', loadVec(w, (i % t.channels) * b.width)))
    b.bump(w, t.channels * b.width)
    const x = b.let('x', add(this.#x, add(mul(row, rowStep * 4), mul(column, columnStep * 4))))
    this.#sum(this.#terms, x, () => this.#term(sums, x, w, t))
    this.#finish(sums, [first, row, column], t)
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

  #finish(sums: readonly Local[], [first, row, column]: readonly [Expr, Expr, Expr], t: ConvTile): void {
    const b = this.#b
    const { out, pool } = this.#job
    const size = pool ? 2 : 1
    const [, rowStep = 0, columnStep = 0] = out.spread?.steps ?? []
    const half = (e: Expr): Expr => (!pool ? e : e.k === 'int' ? int(e.value / 2) : alu('ishru', e, int(1)))
    const at = b.let('at', add(add(this.#out, mul(first, b.width)), mul(half(row), rowStep * 4)))
    b.bump(at, mul(half(column), columnStep * 4))
    for (let v = 0; v < t.channels; v++) {
      const channel = b.let('channel', mul(add(first, v), b.width))
      const value = (r: number, c: number): Expr => {
        const sum = sums[(r * t.columns + c) * t.channels + v] as Local
        return this.#tail ? this.#tail(b, sum, channel) : sum
      }
      for (let r = 0; r < t.rows; r += size)
        for (let c = 0; c < t.columns; c += size) {
          const offset = ((r / size) * rowStep + (c / size) * columnStep) * 4 + v * b.width
          b.store('vec', at, offset, pool ? this.#pooled(pool.relu, (y, z) => value(r + y, c + z)) : value(r, c))
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
  clear(b, to, roundUp(channels, lanes) * (count + 1) * 4)
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
  pieces(b, vectors, tile, (first, size) => {
    const width = size * lanes
    const start = b.let('start', mul(first, lanes))
    const end = b.let('end', alu('imin', add(start, width), int(channels)))
    const tileAt = b.let('tile', add(to, mul(first, (count + 1) * lanes * 4)))
    b.for('o', start, end, 1, (o) => copy(width, o, b.let('target', add(tileAt, mul(sub(o, start), 4)))))
  })
  return b.finish('pixelWeights', { count: 1 })
}

function eachTerm(b: KernelBuilder, [terms, ...inner]: readonly Terms[], at: Local, body: () => void): void {
  if (!terms) return body()
  const passed = inner[0] ? inner[0].count * inner[0].step : 0
  b.loop(terms.count, () => {
    eachTerm(b, inner, at, body)
    b.bump(at, (terms.step - passed) * 4)
  })
}

const max0 = (e: Expr): Expr => alu('iand', e, alu('ixor', alu('ishr', e, int(31)), int(-1)))

/** Max- or average pool of spread pictures. Order: positions of a window in row-major order. */
export function lowerPixelPool(lanes: number, kind: 'max' | 'avg', w: Window, x: Value, out: Value): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const [, C = 1, H = 1, W = 1] = x.shape
  const [, , PH = 1, PW = 1] = out.shape
  const [, rowStep = 0, columnStep = 0] = x.spread?.steps ?? []
  const scale = float(1 / (w.kernelSize[0] * w.kernelSize[1]))
  const range = (at: Expr, axis: 0 | 1, size: number): [Expr, Expr] => {
    const start = b.let('from', sub(mul(at, w.stride[axis]), w.padding[axis]))
    return [b.let('first', max0(start)), b.let('end', alu('imin', add(start, w.kernelSize[axis]), int(size)))]
  }
  b.forUnits((picture) => {
    const from = b.pointer('from', b.buffer(x, 'read'), picture, valueBytes(x, lanes))
    const to = b.pointer('to', b.buffer(out, 'write'), picture, valueBytes(out, lanes))
    b.for('py', 0, PH, 1, (py) => {
      const [y0, y1] = range(py, 0, H)
      b.for('px', 0, PW, 1, (px) => {
        const [x0, x1] = range(px, 1, W)
        b.for('c', 0, roundUp(C, lanes) * 4, b.width, (c) => {
          const best = b.let('best', float(kind === 'max' ? -Infinity : 0))
          b.for('y', y0, y1, 1, (y) =>
            b.for('x', x0, x1, 1, (column) => {
              const place = add(mul(y, rowStep * 4), mul(column, columnStep * 4))
              const v = b.let('v', loadVec(add(add(from, c), place)))
              if (kind === 'avg') return b.set(best.v, alu('fadd', best, v))
              const mask = b.let('mask', alu('ior', alu('flt', best, v), alu('fne', v, v)))
              b.set(best.v, alu('fselect', mask, v, best))
            }),
          )
          b.store('vec', add(to, c), 0, kind === 'avg' ? alu('fmul', best, scale) : best)
        })
        b.bump(to, roundUp(C, lanes) * 4)
      })
    })
  })
  return b.finish(`${kind}Pool2d`, { pictures: 1 })
}

/** Zeros around pictures, row-major or spread. */
export function lowerPixelPad(
  lanes: number,
  x: Value,
  [pH, pW]: readonly [number, number],
  out: Value,
): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const [, C = 1, H = 1, W = 1] = x.shape
  const pixel = x.spread?.steps[2] ?? 1 // floats
  const planes = x.spread ? 1 : C
  const wide = (W + 2 * pW) * pixel * 4
  b.forUnits((picture) => {
    const from = b.pointer('from', b.buffer(x, 'read'), picture, valueBytes(x, lanes))
    const to = b.pointer('to', b.buffer(out, 'write'), picture, valueBytes(out, lanes))
    clear(b, to, valueBytes(out, lanes))
    b.bump(to, pH * wide + pW * pixel * 4)
    b.loop(planes, () => {
      b.loop(H, () => {
        copyWords(b, from, to, W * pixel * 4)
        b.bump(from, W * pixel * 4)
        b.bump(to, wide)
      })
      b.bump(to, 2 * pH * wide)
    })
  })
  return b.finish('pad', { pictures: 1 })
}

/** Rows of a table by a list of indices, as they are: (table [R, …], index [N] i32) → rows [N, …]. Indices are held inside. */
export function lowerPixelGather(lanes: number, table: Value, index: Value, out: Value): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const bytes = valueBytes(out, lanes)
  const last = (table.shape[0] ?? 1) - 1
  b.forUnits((picture) => {
    const row = alu('imin', max0(b.let('i', loadInt(add(b.buffer(index, 'read'), mul(picture, 4))))), int(last))
    const from = b.pointer('from', b.buffer(table, 'read'), row, bytes)
    copyWords(b, from, b.pointer('to', b.buffer(out, 'write'), picture, bytes), bytes)
  })
  return b.finish('gatherRows', { pictures: 1 })
}

/** A number a channel, with room for whole vectors. */
export function lowerChannelCopy(lanes: number, from: Value, channels: number, out: Value): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  copyWords(b, b.buffer(from, 'read'), b.buffer(out, 'write'), channels * 4)
  return b.finish('copy', { count: 1 })
}
