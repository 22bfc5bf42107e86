/**
 * conv2d by Winograd's F(2×2, 3×3), one picture at a time, with vectors along channels: winograd.ts's job where pictures are
 * few, with its bits. x and out lie pixel after pixel, a pixel's channels side by side with room for whole vectors.
 * V[point][tile][c] of a strip of tiles, M[point][tile][o] = Σ_c V[tile][c] · U[c][o], then 2 × 2 results of each tile:
 * strip by strip in one kernel, or, for threads that share a picture, all of it in a kernel each.
 * Not here: the transforms (winogradTile.ts), of weights (winogradPixelWeights.ts), when pictures are computed one at a
 * time (schedule/few.ts).
 */
import { add, alu, batchSize, float, int, loadSplat, loadVec, mul, sub } from '../loop/build.js'
import type { Expr, Var } from '../loop/ir.js'
import { KernelBuilder, valueBytes, type ScheduledKernel, type Value } from '../kernel.js'
import type { ConvTile } from '../tile/choose.js'
import { poolWindow } from './conv.js'
import { forPictures, imax, partOf, pieces, roundUp, type Part } from './pixelCut.js'
import type { ChannelTail, PixelSum } from './pixels.js'
import { inputPoints, outputResults, points } from './winogradTile.js'

type Local = { k: 'var'; v: Var }
type Pair = readonly [number, number]

/** A strip has so many tiles or more, if there are. */
const stripTiles = 12

/** weights: of `lowerWinogradPixelWeights`; v, m: scratch of a picture, as `winogradPixelScratch` says. */
export interface PixelWinograd extends Pick<
  PixelSum,
  'x' | 'weights' | 'channels' | 'out' | 'size' | 'pool' | 'tail' | 'cut'
> {
  readonly v: Value
  readonly m: Value
  readonly tile: ConvTile // vectors of channels × 1 × tiles
  /** The weights have a bias; none is not 0 added, which would change the sign of a 0. */
  readonly bias: boolean
  readonly padding: Pair
}

/** Rows of tiles in a strip, and tiles in a row. Threads that share a picture have all of it at a time. */
export function pixelStrip([rows, columns]: Pair, cut: boolean): { rows: number; columns: number } {
  const [down, across] = [Math.ceil(rows / 2), Math.ceil(columns / 2)]
  return { rows: cut ? down : Math.min(down, Math.ceil(stripTiles / across)), columns: across }
}

/** Floats of a picture in v and m. */
export function winogradPixelScratch(
  lanes: number,
  { size, inputs, channels, cut }: { size: Pair; inputs: number; channels: number; cut: boolean },
): { v: number; m: number } {
  const { rows, columns } = pixelStrip(size, cut)
  const count = points * rows * columns
  return { v: count * roundUp(inputs, lanes), m: count * roundUp(channels, lanes) }
}

/** The kernels, in order. */
export function lowerWinogradPixels(lanes: number, job: PixelWinograd): ScheduledKernel[] {
  return job.cut ? [transforms(lanes, job), products(lanes, job), results(lanes, job)] : [strips(lanes, job)]
}

function strips(lanes: number, job: PixelWinograd): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const kernel = new PixelKernel(b, job)
  const strip = pixelStrip(job.size, false)
  b.forUnits((picture) => {
    kernel.begin(picture)
    pieces(b, kernel.rows, strip.rows, null, (first, count) => {
      const rows = { from: first, to: add(first, count) }
      kernel.transform(first, rows)
      kernel.products({ from: int(0), to: int(points) }, count * strip.columns)
      kernel.results(first, rows)
    })
  })
  return b.finish(job.pool ? 'winograd+pool' : 'winograd', { pictures: 1 }, flopsOf(job))
}

const flopsOf = ({ channels, size: [rows, columns], x }: PixelWinograd): ((n: number) => number) => {
  const flops = 2 * channels * rows * columns * (x.shape[1] ?? 1) * 9
  return (n) => n * flops
}

/** Parts: rows of tiles. */
function transforms(lanes: number, job: PixelWinograd): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const kernel = new PixelKernel(b, job)
  const units = forPictures(b, kernel.rows, (picture, part) => {
    kernel.begin(picture, 'transform')
    kernel.transform(int(0), part as Part)
  })
  return b.finish('winograd transforms', units)
}

/** Parts: points, whose weights are read once for all pictures. */
function products(lanes: number, job: PixelWinograd): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const kernel = new PixelKernel(b, job)
  const strip = pixelStrip(job.size, true)
  const { from, to } = partOf(b)
  b.for('point', from, to, 1, (point) =>
    b.for('picture', 0, batchSize, 1, (picture) => {
      kernel.begin(picture, 'products')
      kernel.products({ from: point, to: add(point, 1) }, strip.rows * strip.columns)
    }),
  )
  return b.finish('winograd products', { count: points }, flopsOf(job))
}

/** Parts: rows of tiles. */
function results(lanes: number, job: PixelWinograd): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const kernel = new PixelKernel(b, job)
  const units = forPictures(b, kernel.rows, (picture, part) => {
    kernel.begin(picture, 'results')
    kernel.results(int(0), part as Part)
  })
  return b.finish(job.pool ? 'winograd results+pool' : 'winograd results', units)
}

/** Of the four rows (columns) under a tile those that are in the picture: from … to − 1. */
interface Span {
  readonly from: number
  readonly to: number
}

/** Neighbouring tiles of an axis, first … end − 1, under which as much of the picture lies. */
interface Run extends Span {
  readonly first: number
  readonly end: number
}

function runsOf(count: number, size: number, padding: number): Run[] {
  const runs: Run[] = []
  for (let t = 0; t < count; t++) {
    const from = Math.min(4, Math.max(0, padding - 2 * t))
    const to = Math.max(from, Math.min(4, size + padding - 2 * t))
    const last = runs.at(-1)
    if (last?.from === from && last.to === to) runs[runs.length - 1] = { ...last, end: t + 1 }
    else runs.push({ from, to, first: t, end: t + 1 })
  }
  return runs
}

type Stage = 'transform' | 'products' | 'results'

class PixelKernel {
  /** Of tiles. */
  readonly rows: number
  readonly #b: KernelBuilder
  readonly #job: PixelWinograd
  readonly #tailOf: ((picture: Expr) => ChannelTail) | null
  readonly #C: number
  readonly #size: Pair
  readonly #columns: number
  /** Bytes of a pixel of x and of out. */
  readonly #pixel: { readonly x: number; readonly out: number }
  /** Bytes from one point to the next in v and m. */
  readonly #next: { readonly v: number; readonly m: number }
  #tail: ChannelTail | null = null
  #x: Expr = int(0)
  #v: Expr = int(0)
  #m: Expr = int(0)
  #out: Expr = int(0)

  constructor(b: KernelBuilder, job: PixelWinograd) {
    this.#b = b
    this.#job = job
    this.#tailOf = job.tail?.(b) ?? null
    const [, C = 1, H = 1, W = 1] = job.x.shape
    this.#C = C
    this.#size = [H, W]
    this.#pixel = { x: roundUp(C, b.lanes) * 4, out: roundUp(job.channels, b.lanes) * 4 }
    const { rows, columns } = pixelStrip(job.size, job.cut)
    this.rows = Math.ceil(job.size[0] / 2)
    this.#columns = columns
    this.#next = { v: rows * columns * this.#pixel.x, m: rows * columns * this.#pixel.out }
  }

  /** Points to what a stage (default: every one) reads and writes of a picture. */
  begin(picture: Expr, only?: Stage): void {
    const b = this.#b
    const { x, v, m, out } = this.#job
    const point = (name: string, value: Value, access: 'read' | 'write' | 'both'): Expr =>
      b.pointer(name, b.buffer(value, only ? access : 'both'), picture, valueBytes(value, b.lanes))
    const is = (stage: Stage): boolean => only === undefined || only === stage
    if (is('transform')) this.#x = b.pointer('xPicture', b.buffer(x, 'read'), picture, valueBytes(x, b.lanes))
    if (only !== 'results') this.#v = point('vPicture', v, only === 'products' ? 'read' : 'write')
    if (only !== 'transform') this.#m = point('mPicture', m, only === 'results' ? 'read' : 'write')
    if (!is('results')) return
    this.#out = b.pointer('outPicture', b.buffer(out, 'write'), picture, valueBytes(out, b.lanes))
    this.#tail = this.#tailOf?.(picture) ?? null
  }

  /** Rows of tiles, which `v` has from row `first` on. */
  transform(first: Expr, { from, to }: Part): void {
    const b = this.#b
    const [H, W] = this.#size
    const [pH, pW] = this.#job.padding
    const pixel = this.#pixel.x
    const columns = runsOf(this.#columns, W, pW)
    for (const run of runsOf(this.rows, H, pH))
      this.#clipped(run, { from, to }, (row) => {
        const line = b.let('line', add(this.#x, add(mul(row, 2 * W * pixel), int((run.from - pH) * W * pixel))))
        const v = b.let('v', add(this.#v, mul(sub(row, first), this.#columns * pixel)))
        for (const across of columns) {
          const x = b.let('x', add(line, (2 * across.first + across.from - pW) * pixel))
          b.loop(across.end - across.first, () => {
            this.#transformTile(x, v, run, across)
            b.bump(x, pixel)
          })
        }
      })
  }

  /** Rows of both; `run` is all of them where there is one. */
  #clipped(run: Run, { from, to }: Part, body: (row: Expr) => void): void {
    const low = run.first === 0 ? from : imax(from, int(run.first))
    const high = run.end === this.rows ? to : alu('imin', to, int(run.end))
    this.#b.for('row', low, high, 1, body)
  }

  /** All channels of a tile; both pointers move by a pixel. */
  #transformTile(x: Local, v: Local, rows: Span, columns: Span): void {
    const b = this.#b
    const pixel = this.#pixel.x
    b.loop(pixel / b.width, () => {
      inputPoints(
        b,
        { top: rows.from, rows: rows.to, left: columns.from, columns: columns.to },
        (i, j) => loadVec(x, ((i - rows.from) * this.#size[1] + j - columns.from) * pixel),
        (k, value) => b.store('vec', v, k * this.#next.v, value),
      )
      b.bump(x, b.width)
      b.bump(v, b.width)
    })
  }

  /** M of some points for so many tiles. */
  products({ from, to }: Part, count: number): void {
    const b = this.#b
    const { weights, tile } = this.#job
    const laid = add(b.buffer(weights, 'read'), this.#pixel.out)
    b.for('k', from, to, 1, (k) => {
      const v = b.let('vPoint', add(this.#v, mul(k, this.#next.v)))
      const m = b.let('mPoint', add(this.#m, mul(k, this.#next.m)))
      const u = b.let('uPoint', add(laid, mul(k, this.#C * this.#pixel.out)))
      pieces(b, this.#pixel.out / b.width, tile.channels, null, (first, channels) =>
        pieces(b, count, tile.columns, null, (t, columns) => {
          const weight = b.let('u', add(u, mul(first, this.#C * b.width)))
          const at = b.let('v', add(v, mul(t, this.#pixel.x)))
          this.#product(weight, at, add(m, add(mul(t, this.#pixel.out), mul(first, b.width))), channels, columns)
        }),
      )
    })
  }

  #product(u: Local, v: Local, m: Expr, channels: number, columns: number): void {
    const b = this.#b
    const sums = Array.from({ length: channels * columns }, () => b.let('acc', float(0)))
    const to = b.let('m', m)
    b.loop(this.#C, () => {
      const weights = Array.from({ length: channels }, (_, i) => b.let('w', loadVec(u, i * b.width)))
      for (let t = 0; t < columns; t++) {
        const s = b.let('s', loadSplat(v, t * this.#pixel.x))
        weights.forEach((weight, i) => {
          const sum = sums[t * channels + i] as Local
          b.set(sum.v, alu('fma', s, weight, sum))
        })
      }
      b.bump(u, channels * b.width)
      b.bump(v, 4)
    })
    sums.forEach((sum, i) => {
      const [t, channel] = [Math.floor(i / channels), i % channels]
      b.store('vec', to, t * this.#pixel.out + channel * b.width, sum)
    })
  }

  /** Rows of tiles, which `m` has from row `first` on, through tail and pool to their place. */
  results(first: Expr, part: Part): void {
    const whole = Math.floor(this.#job.size[0] / 2)
    const rows = { from: 0, to: 4 }
    if (whole > 0)
      this.#clipped({ ...rows, first: 0, end: whole }, part, (row) => this.#resultRow(row, sub(row, first), 2))
    if (whole < this.rows)
      this.#clipped({ ...rows, first: whole, end: this.rows }, part, (row) => this.#resultRow(row, sub(row, first), 1))
  }

  #resultRow(row: Expr, rowOfStrip: Expr, height: number): void {
    const b = this.#b
    const { out, pool, weights } = this.#job
    const rowBytes = (out.spread?.steps[1] ?? 0) * 4
    const biases = b.buffer(weights, 'read')
    const m = b.let('m', add(this.#m, mul(rowOfStrip, this.#columns * this.#pixel.out)))
    const place = b.let('place', mul(row, (pool ? 1 : 2) * rowBytes))
    const columns = this.#job.size[1]
    const tile = (width: number): void => {
      const channel = b.let('channel', int(0))
      b.loop(this.#pixel.out / b.width, () => {
        const bias = this.#job.bias ? b.let('bias', loadVec(add(biases, channel))) : null
        const y = outputResults(b, (k) => loadVec(m, k * this.#next.m), bias)
        this.#store(y, { channel, at: place }, height, width)
        for (const pointer of [m, place, channel]) b.bump(pointer, b.width)
      })
      if (!pool && width > 1) b.bump(place, this.#pixel.out)
    }
    b.loop(Math.floor(columns / 2), () => tile(2))
    if (columns % 2 > 0) tile(1)
  }

  #store(y: readonly Expr[], place: { channel: Expr; at: Expr }, height: number, width: number): void {
    const b = this.#b
    const { pool, out } = this.#job
    const [, rowStep = 0, columnStep = 0] = out.spread?.steps ?? []
    const at = b.let('at', add(this.#out, place.at))
    const value = (i: number, j: number, offset: number): Expr => {
      const result = y[2 * i + j] as Expr
      return this.#tail ? b.let('z', this.#tail(b, result, { ...place, offset })) : result
    }
    if (pool) {
      const { best } = poolWindow(b, 2, (i, j) => value(i, j, 0), null, 0)
      return b.store('vec', at, 0, pool.relu ? alu('pmax', best, float(0)) : best)
    }
    for (let i = 0; i < height; i++)
      for (let j = 0; j < width; j++) {
        const offset = (i * rowStep + j * columnStep) * 4
        b.store('vec', at, offset, value(i, j, offset))
      }
  }
}
