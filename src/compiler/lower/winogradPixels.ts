/**
 * conv2d by Winograd's F(2×2, 3×3), one picture at a time, with vectors along channels: winograd.ts's job where pictures are
 * few, with its bits. x and out lie pixel after pixel, a pixel's channels side by side with room for whole vectors.
 * V[point][tile][c] of a strip of tiles, M[point][tile][o] = Σ_c V[tile][c] · U[c][o], then 2 × 2 results of each tile.
 * Not here: the transforms (winogradTile.ts), when pictures are computed one at a time (schedule/few.ts).
 */
import { add, alu, float, int, loadSplat, loadVec, mul, sub } from '../loop/build.js'
import type { Expr, Var } from '../loop/ir.js'
import { KernelBuilder, valueBytes, type ScheduledKernel, type Value } from '../kernel.js'
import type { ConvTile } from '../tile/choose.js'
import { poolWindow, tiles } from './conv.js'
import { copyWords } from './map.js'
import { roundUp, type ChannelTail, type PixelSum } from './pixels.js'
import { clear } from './sparse.js'
import { inputPoints, outputResults, points, weightPoints } from './winogradTile.js'

type Local = { k: 'var'; v: Var }

const kernelBytes = 9 * 4

/** A strip has so many tiles or more, if there are. */
const stripTiles = 12

/** weights: of `lowerWinogradPixelWeights`; v, m: scratch of a picture, as `winogradPixelScratch` says. */
export interface PixelWinograd extends Pick<PixelSum, 'x' | 'weights' | 'channels' | 'out' | 'size' | 'pool' | 'tail'> {
  readonly v: Value
  readonly m: Value
  readonly tile: ConvTile // vectors of channels × 1 × tiles
  /** The weights have a bias; none is not 0 added, which would change the sign of a 0. */
  readonly bias: boolean
}

/** Rows of tiles in a strip, and tiles in a row. */
export function pixelStrip([rows, columns]: readonly [number, number]): { rows: number; columns: number } {
  const across = Math.ceil(columns / 2)
  return { rows: Math.max(1, Math.min(Math.floor(rows / 2), Math.ceil(stripTiles / across))), columns: across }
}

/** Floats of a picture in v and m. */
export function winogradPixelScratch(
  lanes: number,
  { size, inputs, channels }: { size: readonly [number, number]; inputs: number; channels: number },
): { v: number; m: number } {
  const { rows, columns } = pixelStrip(size)
  const count = points * rows * columns
  return { v: count * roundUp(inputs, lanes), m: count * roundUp(channels, lanes) }
}

/** Floats of the transformed weights, with the bias before them. */
export const winogradPixelWeights = (lanes: number, inputs: number, channels: number): number =>
  roundUp(channels, lanes) * (1 + points * inputs)

/** weight [O, C, 3, 3], bias [O] → the bias (or 0); then for each point and each tile of `tile` vectors U[c][o]. */
export function lowerWinogradPixelWeights(
  lanes: number,
  tile: number,
  [weight, bias]: readonly [Value, Value | null],
  out: Value,
): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const [O = 1, C = 1] = weight.shape
  const room = roundUp(O, lanes) * 4
  const [from, to] = [b.buffer(weight, 'read'), b.buffer(out, 'write')]
  clear(b, to, winogradPixelWeights(lanes, C, O) * 4)
  if (bias) copyWords(b, b.buffer(bias, 'read'), to, O * 4)
  tiles(b, 'tile', room / 4 / lanes, tile, (first, size) => {
    const start = b.let('start', mul(first, lanes))
    const end = b.let('end', alu('imin', add(start, size * lanes), int(O)))
    b.for('o', start, end, 1, (o) => {
      const w = b.let('w', add(from, mul(o, C * kernelBytes)))
      const u = b.let('u', add(add(to, room), add(mul(start, C * 4), mul(sub(o, start), 4))))
      b.loop(C, () => {
        const taps = Array.from({ length: 9 }, (_, i) => b.let('g', loadSplat(w, i * 4)))
        weightPoints(b, taps).forEach((value, k) => b.store('one', u, k * C * room, value))
        b.bump(w, kernelBytes)
        b.bump(u, size * b.width)
      })
    })
  })
  return b.finish('winogradWeights', { count: 1 })
}

export function lowerWinogradPixels(lanes: number, job: PixelWinograd): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const kernel = new PixelKernel(b, job)
  const [rows, columns] = job.size
  b.forUnits((picture) => {
    kernel.begin(picture)
    tiles(b, 'row', Math.floor(rows / 2), pixelStrip(job.size).rows, (row, count) => kernel.strip(row, count, false))
    if (rows % 2 > 0) kernel.strip(int((rows - 1) / 2), 1, true)
  })
  const flops = 2 * job.channels * rows * columns * (job.x.shape[1] ?? 1) * 9
  return b.finish(job.pool ? 'winograd+pool' : 'winograd', { pictures: 1 }, (n) => n * flops)
}

class PixelKernel {
  readonly #b: KernelBuilder
  readonly #job: PixelWinograd
  readonly #tail: ChannelTail | null
  readonly #C: number
  /** Pixels in a row of x. */
  readonly #W: number
  readonly #columns: number
  /** Bytes of a pixel of x and of out. */
  readonly #pixel: { readonly x: number; readonly out: number }
  /** Bytes from one point to the next in v and m. */
  readonly #next: { readonly v: number; readonly m: number }
  #x: Expr = int(0)
  #v: Expr = int(0)
  #m: Expr = int(0)
  #out: Expr = int(0)

  constructor(b: KernelBuilder, job: PixelWinograd) {
    this.#b = b
    this.#job = job
    this.#tail = job.tail?.(b) ?? null
    const [, C = 1, , W = 1] = job.x.shape
    this.#C = C
    this.#W = W
    this.#pixel = { x: roundUp(C, b.lanes) * 4, out: roundUp(job.channels, b.lanes) * 4 }
    const { rows, columns } = pixelStrip(job.size)
    this.#columns = columns
    this.#next = { v: rows * columns * this.#pixel.x, m: rows * columns * this.#pixel.out }
  }

  begin(picture: Expr): void {
    const b = this.#b
    const { x, v, m, out } = this.#job
    this.#x = b.pointer('xPicture', b.buffer(x, 'read'), picture, valueBytes(x, b.lanes))
    this.#v = b.pointer('vPicture', b.buffer(v, 'both'), picture, valueBytes(v, b.lanes))
    this.#m = b.pointer('mPicture', b.buffer(m, 'both'), picture, valueBytes(m, b.lanes))
    this.#out = b.pointer('outPicture', b.buffer(out, 'write'), picture, valueBytes(out, b.lanes))
  }

  /** Rows of tiles from `row` on; `cut`: of the last one only the upper row of results exists. */
  strip(row: Expr, rows: number, cut: boolean): void {
    this.#transform(row, rows, cut)
    this.#products(rows * this.#columns)
    this.#results(row, rows, cut)
  }

  /** Calls back for each tile of a row; `width`: columns of results that exist. */
  #eachColumn(body: (width: number) => void): void {
    const columns = this.#job.size[1]
    this.#b.loop(Math.floor(columns / 2), () => body(2))
    if (columns % 2 > 0) body(1)
  }

  #transform(row: Expr, rows: number, cut: boolean): void {
    const b = this.#b
    const [W, pixel] = [this.#W, this.#pixel.x]
    const x = b.let('x', add(this.#x, mul(row, 2 * W * pixel)))
    const v = b.let('v', this.#v)
    b.loop(rows, () => {
      this.#eachColumn((width) => {
        b.loop(pixel / b.width, () => {
          inputPoints(
            b,
            { rows: cut ? 3 : 4, columns: width + 2 },
            (i, j) => loadVec(x, (i * W + j) * pixel),
            (k, value) => b.store('vec', v, k * this.#next.v, value),
          )
          b.bump(x, b.width)
          b.bump(v, b.width)
        })
        b.bump(x, pixel)
      })
      b.bump(x, 2 * (W - this.#columns) * pixel)
    })
  }

  #products(count: number): void {
    const b = this.#b
    const { weights, tile } = this.#job
    const [v, m] = [b.let('vPoint', this.#v), b.let('mPoint', this.#m)]
    const u = b.let('uPoint', add(b.buffer(weights, 'read'), this.#pixel.out))
    b.loop(points, () => {
      tiles(b, 'o', this.#pixel.out / b.width, tile.channels, (first, channels) =>
        tiles(b, 't', count, tile.columns, (t, columns) => {
          const from = b.let('u', add(u, mul(first, this.#C * b.width)))
          const at = b.let('v', add(v, mul(t, this.#pixel.x)))
          this.#product(from, at, add(m, add(mul(t, this.#pixel.out), mul(first, b.width))), channels, columns)
        }),
      )
      b.bump(v, this.#next.v)
      b.bump(m, this.#next.m)
      b.bump(u, this.#C * this.#pixel.out)
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

  /** Through tail and pool to their place. */
  #results(row: Expr, rows: number, cut: boolean): void {
    const b = this.#b
    const { out, pool, weights } = this.#job
    const [, rowStep = 0] = out.spread?.steps ?? []
    const lines = pool ? 1 : 2
    const biases = b.buffer(weights, 'read')
    const m = b.let('m', this.#m)
    const at = b.let('at', add(this.#out, mul(row, lines * rowStep * 4)))
    b.loop(rows, () => {
      this.#eachColumn((width) => {
        const channel = b.let('channel', int(0))
        b.loop(this.#pixel.out / b.width, () => {
          const bias = this.#job.bias ? b.let('bias', loadVec(add(biases, channel))) : null
          const y = outputResults(b, (k) => loadVec(m, k * this.#next.m), bias)
          const value = (i: number, j: number): Expr => {
            const result = y[2 * i + j] as Expr
            return this.#tail ? b.let('z', this.#tail(b, result, channel)) : result
          }
          if (pool) this.#pooled(at, value)
          else this.#plain(at, value, cut ? 1 : 2, width)
          for (const pointer of [m, at, channel]) b.bump(pointer, b.width)
        })
        if (!pool && width > 1) b.bump(at, this.#pixel.out)
      })
      if (!pool && !cut) b.bump(at, rowStep * 4)
    })
  }

  #pooled(at: Expr, value: (i: number, j: number) => Expr): void {
    const { best } = poolWindow(this.#b, 2, value, null, 0)
    this.#b.store('vec', at, 0, this.#job.pool?.relu ? alu('pmax', best, float(0)) : best)
  }

  #plain(at: Expr, value: (i: number, j: number) => Expr, height: number, width: number): void {
    const [, rowStep = 0, columnStep = 0] = this.#job.out.spread?.steps ?? []
    for (let i = 0; i < height; i++)
      for (let j = 0; j < width; j++) this.#b.store('vec', at, (i * rowStep + j * columnStep) * 4, value(i, j))
  }
}
