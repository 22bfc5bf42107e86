/**
 * conv2d forward for kernels of 3 × 3 with stride 1, by Winograd's F(2×2, 3×3): 16 products where the direct sum takes 36.
 * (Lavin & Gray, Fast Algorithms for Convolutional Neural Networks, 2016.) The same job as conv.ts, batch in lanes:
 * x [N, C, H, W] lanes (not padded), weight [O, C, 3, 3] plain → y [N, O, OH, OW] or pooled [N, O, PH, PW] lanes.
 * Output is computed in tiles of 2 × 2, which are also the windows of a fused max-pool; a strip of tiles at a time:
 * V = Bᵀ d B of all channels, for each of 16 points M[o][tile] = Σ_c U[o][c] · V[c][tile], then y = Aᵀ M A.
 * The input's gradient is such a convolution of the output's, with the kernels turned round.
 * Not here: the transforms (winogradTile.ts), pictures one by one (winogradPixels.ts), other shapes (conv.ts).
 */
import { add, alu, float, int, loadSplat, loadVec, mul } from '../loop/build.js'
import type { Expr, Var } from '../loop/ir.js'
import { KernelBuilder, type ScheduledKernel, type Value } from '../kernel.js'
import type { WinogradTile } from '../tile/choose.js'
import type { Plans } from '../tile/plans.js'
import { poolWindow, tiles, type ConvJob, type Finish, type Tail } from './conv.js'
import { inputPoints, outputResults, points, weightPoints } from './winogradTile.js'

type Local = { k: 'var'; v: Var }
const kernelBytes = 9 * 4
/** Bytes between the points' parts of scratch memory, so that they do not share a set of the cache. */
const apartBytes = 64

// ── weights ──

/**
 * weight [O, C, 3, 3] → U = G g Gᵀ, [16][O][C]. @param turned it lies as [C, O, 3, 3], each kernel turned round: so for the
 * input's gradient of the convolution that it is of.
 */
export function lowerWinogradWeights(lanes: number, weight: Value, out: Value, turned = false): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const [O = 1, C = 1] = weight.shape
  const [source, target] = [b.buffer(weight, 'read'), b.buffer(out, 'write')]
  const [perOutput, perInput] = turned ? [kernelBytes, O * kernelBytes] : [C * kernelBytes, kernelBytes]
  b.forUnits((o) => {
    const from = b.pointer('from', source, o, perOutput)
    const to = b.pointer('to', target, o, C * 4)
    const some = (c: Expr): void => {
      const lying = tapsOf(b, b.let('at', add(from, mul(c, perInput))), perInput)
      const taps = turned ? lying.toReversed() : lying
      const place = b.let('place', add(to, mul(c, 4)))
      weightPoints(b, taps).forEach((value, k) => b.store('vec', place, k * O * C * 4, value))
    }
    const whole = Math.floor(C / lanes) * lanes
    b.for('c', 0, whole, lanes, some)
    if (C > whole) some(int(C - lanes))
  })
  return b.finish('winogradWeights', { count: O })
}

/** The 9 taps of `lanes` kernels that lie so many bytes apart, a kernel a lane. */
function tapsOf(b: KernelBuilder, at: Expr, apart: number): Expr[] {
  const taps: Expr[] = []
  for (let first = 0; first < 9; first += b.lanes) {
    const from = Math.max(0, Math.min(first, 9 - b.lanes))
    const read = Array.from({ length: b.lanes }, (_, i) => loadVec(at, i * apart + from * 4))
    b.transpose(read).forEach((value, i) => (taps[from + i] = value))
  }
  return taps.slice(0, 9)
}

// ── pictures ──

/** What the kernel needs beside the job. v, m: scratch of a block of pictures, as winogradScratch says. */
export interface WinogradMemory {
  readonly weights: Value // lowerWinogradWeights
  readonly v: Value
  readonly m: Value
}

interface Geometry {
  readonly C: number
  readonly size: readonly [number, number] // H, W
  readonly padding: readonly [number, number]
  readonly O: number
  readonly OH: number // rows and columns computed
  readonly OW: number
  readonly convW: number
  readonly rows: number // of tiles
  readonly columns: number
  readonly outPlane: number
}

function geometryOf({ x, weight, out, pool, padding = [0, 0] }: ConvJob): Geometry {
  const [, C = 1, H = 1, W = 1] = x.shape
  const [O = 1] = weight.shape
  const [, , PH = 1, PW = 1] = out.shape
  const size = pool ? 2 : 1
  const [OH, OW] = [PH * size, PW * size]
  const tiles = { rows: Math.ceil(OH / 2), columns: Math.ceil(OW / 2) }
  return { C, size: [H, W], padding, O, OH, OW, convW: W + 2 * padding[1] - 2, ...tiles, outPlane: PH * PW }
}

/** Of the four rows (columns) under tile t of an axis those that are in the picture: from … to − 1. */
interface Span {
  readonly from: number
  readonly to: number
}

function spanOf({ size, padding }: Geometry, axis: 0 | 1, t: number): Span {
  const from = Math.min(4, Math.max(0, padding[axis] - 2 * t))
  return { from, to: Math.max(from, Math.min(4, size[axis] + padding[axis] - 2 * t)) }
}

const alike = (a: Span, b: Span): boolean => a.from === b.from && a.to === b.to

function tileOf(job: ConvJob, choose: Plans['winograd']): WinogradTile {
  const g = geometryOf(job)
  return choose({ inputs: g.C, outputs: g.O, rows: g.rows, columns: g.columns })
}

/** Floats of a point in v and m, for one picture. */
function pointFloats(g: Geometry, tile: WinogradTile, lanes: number): { v: number; m: number } {
  const apart = Math.ceil(apartBytes / (lanes * 4))
  const count = tile.rows * g.columns
  return { v: g.C * count + apart, m: tile.block * count + apart }
}

/** Floats of a picture in v and in m. */
export function winogradScratch(lanes: number, job: ConvJob, choose: Plans['winograd']): { v: number; m: number } {
  const { v, m } = pointFloats(geometryOf(job), tileOf(job, choose), lanes)
  return { v: points * v, m: points * m }
}

export function lowerWinograd(
  lanes: number,
  job: ConvJob,
  memory: WinogradMemory,
  choose: Plans['winograd'],
): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const tile = tileOf(job, choose)
  const kernel = new WinogradKernel(b, job, memory, tile)
  const { g } = kernel
  b.forUnits((block) => {
    kernel.begin(block)
    tiles(b, 'row', Math.floor(g.OH / 2), tile.rows, (row, rows) => kernel.strip(row, rows, false))
    if (g.OH % 2 > 0) kernel.strip(int((g.OH - 1) / 2), 1, true)
  })
  const flops = 2 * g.O * g.OH * g.OW * g.C * 9
  return b.finish(job.pool ? 'winograd+pool' : 'winograd', { pictures: lanes }, (n) => n * flops)
}

class WinogradKernel {
  readonly g: Geometry
  readonly #b: KernelBuilder
  readonly #job: ConvJob
  readonly #memory: WinogradMemory
  readonly #tile: WinogradTile
  readonly #tail: Tail | null
  /** Bytes from one point to the next in v and m. */
  readonly #next: { readonly v: number; readonly m: number }
  #x: Expr = int(0)
  #v: Expr = int(0)
  #m: Expr = int(0)
  #outBlock: Expr = int(0)
  #out: Expr = int(0)
  #index: Expr = int(0)

  constructor(b: KernelBuilder, job: ConvJob, memory: WinogradMemory, tile: WinogradTile) {
    this.#b = b
    this.#job = job
    this.#memory = memory
    this.#tile = tile
    this.g = geometryOf(job)
    this.#tail = job.tail?.(b) ?? null
    const { v, m } = pointFloats(this.g, tile, b.lanes)
    this.#next = { v: v * b.width, m: m * b.width }
  }

  begin(block: Expr): void {
    const { g } = this
    const b = this.#b
    this.#x = b.pointer('xBlock', b.buffer(this.#job.x, 'read'), block, g.C * g.size[0] * g.size[1] * b.width)
    this.#v = b.pointer('vBlock', b.buffer(this.#memory.v, 'both'), block, points * this.#next.v)
    this.#m = b.pointer('mBlock', b.buffer(this.#memory.m, 'both'), block, points * this.#next.m)
    this.#outBlock = b.let('outBlock', mul(block, g.O * g.outPlane * b.width))
    this.#out = b.let('out', add(b.buffer(this.#job.out, 'write'), this.#outBlock))
    const index = this.#job.pool?.index
    if (index) this.#index = b.let('index', add(b.buffer(index, 'write'), this.#outBlock))
  }

  /** Rows of tiles from `row` on; `cut`: of the last one only the upper row of results exists. */
  strip(row: Expr, rows: number, cut: boolean): void {
    const b = this.#b
    this.#transform(row, rows, cut)
    tiles(b, 'o', this.g.O, this.#tile.block, (o, channels) => {
      this.#products(o, channels, rows * this.g.columns)
      this.#results(o, channels, row, rows, cut)
    })
  }

  /** Calls back for each tile of a row; `width`: columns of results that exist, 1 in the last tile of an odd row. */
  #eachColumn(body: (width: number) => void): void {
    this.#b.loop(Math.floor(this.g.OW / 2), () => body(2))
    if (this.g.OW % 2 > 0) body(1)
  }

  /** V[point][c][tile] of a strip. */
  #transform(row: Expr, rows: number, cut: boolean): void {
    const { g } = this
    const b = this.#b
    if (cut) return this.#transformRow(row, this.#v, rows, spanOf(g, 0, g.rows - 1))
    const v = b.let('vRow', this.#v)
    const t = b.let('t', row)
    b.loop(rows, () => {
      this.#bySpan(t, Math.floor(g.OH / 2), (span) => this.#transformRow(t, v, rows, span))
      b.bump(v, g.columns * b.width)
      b.bump(t, 1)
    })
  }

  /** What is to be done for tile row t, of `count`: all do the same but those that reach beyond the picture. */
  #bySpan(t: Expr, count: number, body: (span: Span) => void): void {
    const b = this.#b
    const usual = spanOf(this.g, 0, Math.floor(count / 2))
    const special = Array.from({ length: count }, (_, i) => i).filter((i) => !alike(spanOf(this.g, 0, i), usual))
    const choose = ([first, ...others]: readonly number[]): void => {
      if (first === undefined) return body(usual)
      b.if(
        alu('ieq', t, int(first)),
        () => body(spanOf(this.g, 0, first)),
        () => choose(others),
      )
    }
    choose(special)
  }

  /** V of tile row t, at `to`, in a strip of so many rows. */
  #transformRow(t: Expr, to: Expr, rows: number, span: Span): void {
    const { g } = this
    const b = this.#b
    const [H, W] = g.size
    // where the part of a tile that is in the picture begins: an address before the picture would have no meaning
    const column = (first: number): number => 2 * first - g.padding[1] + spanOf(g, 1, first).from
    const corner = (span.from - g.padding[0]) * W + column(0)
    const x = b.let('x', add(add(this.#x, mul(t, 2 * W * b.width)), corner * b.width))
    const v = b.let('v', to)
    b.loop(g.C, () => {
      let at = column(0)
      for (let first = 0, next = 0; first < g.columns; first = next) {
        const columns = spanOf(g, 1, first)
        while (next < g.columns && alike(spanOf(g, 1, next), columns)) next++
        b.bump(x, (column(first) - at) * b.width)
        b.loop(next - first, () => {
          inputPoints(
            b,
            { top: span.from, rows: span.to, left: columns.from, columns: columns.to },
            (i, j) => loadVec(x, ((i - span.from) * W + j - columns.from) * b.width),
            (k, value) => b.store('vec', v, k * this.#next.v, value),
          )
          b.bump(x, 2 * b.width)
          b.bump(v, b.width)
        })
        at = column(first) + 2 * (next - first)
      }
      b.bump(x, (H * W + column(0) - at) * b.width)
      b.bump(v, (rows - 1) * g.columns * b.width)
    })
  }

  /** M[point][o][tile] of `channels` channels from o on and all tiles of a strip. */
  #products(o: Expr, channels: number, count: number): void {
    const { g } = this
    const b = this.#b
    const v = b.let('vPoint', this.#v)
    const m = b.let('mPoint', this.#m)
    const u = b.let('uPoint', add(b.buffer(this.#memory.weights, 'read'), mul(o, g.C * 4)))
    b.loop(points, () => {
      tiles(b, 'a', channels, this.#tile.channels, (a, height) =>
        tiles(b, 't', count, this.#tile.tiles, (t, width) => {
          const [ua, vt] = [b.let('u', add(u, mul(a, g.C * 4))), b.let('v', add(v, mul(t, b.width)))]
          const to = b.let('m', add(m, add(mul(a, count * b.width), mul(t, b.width))))
          this.#product(ua, vt, to, { height, width, count })
        }),
      )
      b.bump(v, this.#next.v)
      b.bump(m, this.#next.m)
      b.bump(u, g.O * g.C * 4)
    })
  }

  #product(u: Local, v: Local, m: Expr, t: { height: number; width: number; count: number }): void {
    const { g } = this
    const b = this.#b
    const sums = Array.from({ length: t.height * t.width }, () => b.let('acc', float(0)))
    b.loop(g.C, () => {
      const weights = Array.from({ length: t.height }, (_, a) => b.let('s', loadSplat(u, a * g.C * 4)))
      for (let i = 0; i < t.width; i++) {
        const value = b.let('d', loadVec(v, i * b.width))
        weights.forEach((s, a) => {
          const acc = sums[a * t.width + i] as Local
          b.set(acc.v, alu('fma', value, s, acc))
        })
      }
      b.bump(u, 4)
      b.bump(v, t.count * b.width)
    })
    sums.forEach((acc, i) => {
      const [a, at] = [Math.floor(i / t.width), i % t.width]
      b.store('vec', m, (a * t.count + at) * b.width, acc)
    })
  }

  /** y = Aᵀ M A + bias of `channels` channels from o on, through pool or tail to its place. */
  #results(o: Expr, channels: number, row: Expr, rows: number, cut: boolean): void {
    const { g } = this
    const b = this.#b
    const { bias, pool } = this.#job
    const size = pool ? 1 : 2
    const m = b.let('m', this.#m)
    const from = bias && b.let('bias', add(b.buffer(bias, 'read'), mul(o, 4)))
    const rowBytes = (g.OW / (pool ? 2 : 1)) * b.width
    const place = b.let('place', add(mul(o, g.outPlane * b.width), mul(row, size * rowBytes)))
    const tail = this.#tail
    const channel = tail ? b.let('channel', o) : null
    b.loop(channels, () => {
      const extra = from && b.let('b', loadSplat(from))
      const finish = tail && channel ? tail(channel) : null
      const first = b.let('first', mul(row, 2 * g.convW))
      b.loop(rows, () => {
        this.#eachColumn((width) => {
          const y = outputResults(b, (k) => loadVec(m, k * this.#next.m), extra)
          if (pool) this.#pooled(y, place, first)
          else this.#plain(y, place, cut ? 1 : 2, width, finish)
          b.bump(m, b.width)
          b.bump(place, (pool ? 1 : width) * b.width)
          b.bump(first, 2)
        })
        b.bump(first, 2 * (g.convW - g.columns))
        if (!pool && !cut) b.bump(place, rowBytes)
      })
      b.bump(place, g.outPlane * b.width - rows * rowBytes * (pool || cut ? 1 : 2))
      if (from) b.bump(from, 4)
      if (channel) b.bump(channel, 1)
    })
  }

  #pooled(y: readonly Expr[], place: Expr, first: Expr): void {
    const b = this.#b
    const { pool } = this.#job
    const at = (i: number, j: number): Expr => y[2 * i + j] as Expr
    const { best, index } = poolWindow(b, 2, at, pool?.index ? first : null, this.g.convW)
    b.store('vec', add(this.#out, place), 0, pool?.relu ? alu('pmax', best, float(0)) : best)
    if (index) b.store('vec', add(this.#index, place), 0, index)
  }

  #plain(y: readonly Expr[], place: Expr, height: number, width: number, finish: Finish | null): void {
    const b = this.#b
    for (let i = 0; i < height; i++)
      for (let j = 0; j < width; j++) {
        const offset = (i * this.g.OW + j) * b.width
        const where = b.let('where', add(this.#outBlock, add(place, offset)))
        const value = y[2 * i + j] as Expr
        b.store('vec', add(this.#out, place), offset, finish ? finish(value, where) : value)
      }
  }
}
