/**
 * conv2d forward for kernels of 3 × 3 with stride 1, by Winograd's F(2×2, 3×3): 16 products where the direct sum takes 36.
 * (Lavin & Gray, Fast Algorithms for Convolutional Neural Networks, 2016.) The same job as conv.ts, batch in lanes:
 * x [N, C, H, W] lanes (not padded), weight [O, C, 3, 3] plain → y [N, O, OH, OW] or pooled [N, O, PH, PW] lanes.
 * Output is computed in tiles of 2 × 2, which are also the windows of a fused max-pool; a strip of tiles at a time:
 * V = Bᵀ d B of all channels, for each of 16 points M[o][tile] = Σ_c U[o][c] · V[c][tile], then y = Aᵀ M A.
 * The input's gradient is such a convolution of the output's, with the kernels turned round.
 * Not here: the transforms (winogradTile.ts), of weights (winogradWeights.ts), pictures one by one (winogradPixels.ts), other shapes (conv.ts).
 */
import { add, alu, float, int, loadSplat, loadVec, mul } from '../loop/build.js'
import type { Expr, Parts, Var } from '../loop/ir.js'
import { KernelBuilder, partsOfPieces, type ScheduledKernel, type Value } from '../kernel.js'
import type { WinogradTile } from '../tile/choose.js'
import type { Plans } from '../tile/plans.js'
import { poolWindow, type ConvJob, type Finish, type Tail } from './conv.js'
import { cutsIn, tileAt, tiles } from './tiles.js'
import { inputPoints, outputResults, points } from './winogradTile.js'

type Local = { k: 'var'; v: Var }
/** Bytes between the points' parts of scratch memory, so that they do not share a set of the cache. */
const apartBytes = 64

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

/** Tiles that are computed at a time: whole rows of them, or a part of one row. */
interface Strip {
  readonly row: Expr
  readonly rows: number
  /** Of the last row only the upper results exist. */
  readonly cut: boolean
  readonly column: Expr
  readonly columns: number
  /** What `column` may be. */
  readonly starts: readonly number[]
}

function tileOf(job: ConvJob, choose: Plans['winograd']): WinogradTile {
  const g = geometryOf(job)
  return choose({ inputs: g.C, outputs: g.O, rows: g.rows, columns: g.columns })
}

/** Floats of a point in v and m, for one picture. */
function pointFloats(g: Geometry, tile: WinogradTile, lanes: number): { v: number; m: number } {
  const apart = Math.ceil(apartBytes / (lanes * 4))
  const count = tile.rows * tile.columns
  return { v: g.C * count + apart, m: tile.block * count + apart }
}

/** Strips are shared, those of an odd last row behind the others; each part takes scratch memory of its own. */
function partsOf(g: Geometry, tile: WinogradTile, most: number): Parts {
  return partsOfPieces(cutsIn(wholeRows(g, tile)) + (g.OH % 2), most)
}

/** What is chosen for the kernel: tiles, and into how many parts a block is cut at most. */
interface Choice {
  readonly choose: Plans['winograd']
  readonly mostParts: number
}

/** Rows of tiles of which all results exist. */
const wholeRows = ({ OH }: Geometry, { rows }: WinogradTile) => ({ count: Math.floor(OH / 2), tile: rows })

/** Floats of a picture in v and in m. */
export function winogradScratch(lanes: number, job: ConvJob, { choose, mostParts }: Choice): { v: number; m: number } {
  const [g, tile] = [geometryOf(job), tileOf(job, choose)]
  const { v, m } = pointFloats(g, tile, lanes)
  const { count } = partsOf(g, tile, mostParts)
  return { v: count * points * v, m: count * points * m }
}

export function lowerWinograd(
  lanes: number,
  job: ConvJob,
  memory: WinogradMemory,
  { choose, mostParts }: Choice,
): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const tile = tileOf(job, choose)
  const kernel = new WinogradKernel(b, job, memory, tile)
  const { g } = kernel
  const parts = partsOf(g, tile, mostParts)
  const rows = wholeRows(g, tile)
  const odd = (): void => kernel.strips(int((g.OH - 1) / 2), 1, true)
  b.forParts(parts, (block, from, to, part) => {
    kernel.begin(block, add(mul(block, parts.count), part))
    const whole = g.OH % 2 === 0 ? to : b.let('whole', alu('imin', to, int(cutsIn(rows))))
    b.for('strip', from, whole, 1, (i) => tileAt(b, i, rows, (row, count) => kernel.strips(row, count, false)))
    if (g.OH % 2 > 0) b.if(alu('ieq', to, int(parts.pieces)), odd)
  })
  const flops = 2 * g.O * g.OH * g.OW * g.C * 9
  return b.finish(job.pool ? 'winograd+pool' : 'winograd', { pictures: lanes, parts }, (n) => n * flops)
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

  /** @param scratch number of the scratch memory */
  begin(block: Expr, scratch: Expr): void {
    const { g } = this
    const b = this.#b
    this.#x = b.pointer('xBlock', b.buffer(this.#job.x, 'read'), block, g.C * g.size[0] * g.size[1] * b.width)
    this.#v = b.pointer('vBlock', b.buffer(this.#memory.v, 'both'), scratch, points * this.#next.v)
    this.#m = b.pointer('mBlock', b.buffer(this.#memory.m, 'both'), scratch, points * this.#next.m)
    this.#outBlock = b.let('outBlock', mul(block, g.O * g.outPlane * b.width))
    this.#out = b.let('out', add(b.buffer(this.#job.out, 'write'), this.#outBlock))
    const index = this.#job.pool?.index
    if (index) this.#index = b.let('index', add(b.buffer(index, 'write'), this.#outBlock))
  }

  /** Rows of tiles from `row` on. */
  strips(row: Expr, rows: number, cut: boolean): void {
    const { g } = this
    const { columns } = this.#tile
    tiles(this.#b, 'column', g.columns, columns, (column, count) => {
      const whole = Math.floor(g.columns / columns)
      const starts = Array.from({ length: whole }, (_, i) => i * columns)
      this.#strip({ row, rows, cut, column, columns: count, starts: count === columns ? starts : [whole * columns] })
    })
  }

  #strip(strip: Strip): void {
    this.#transform(strip)
    tiles(this.#b, 'o', this.g.O, this.#tile.block, (o, channels) => {
      this.#products(o, channels, strip.rows * strip.columns)
      this.#results(o, channels, strip)
    })
  }

  /** V[point][c][tile] of a strip. */
  #transform(strip: Strip): void {
    const { g } = this
    const b = this.#b
    const { row, rows, cut, columns } = strip
    if (cut) return this.#transformRow(row, this.#v, strip, spanOf(g, 0, g.rows - 1))
    const v = b.let('vRow', this.#v)
    const t = b.let('t', row)
    const all = Array.from({ length: Math.floor(g.OH / 2) }, (_, i) => i)
    const alikeRows = (i: number, k: number): boolean => alike(spanOf(g, 0, i), spanOf(g, 0, k))
    b.loop(rows, () => {
      this.#choose(t, all, alikeRows, (i) => this.#transformRow(t, v, strip, spanOf(g, 0, i)))
      b.bump(v, columns * b.width)
      b.bump(t, 1)
    })
  }

  /** What is to be done for `e`, one of the values: the same for all but those that are not like the one in the middle. */
  #choose(
    e: Expr,
    values: readonly number[],
    areAlike: (a: number, b: number) => boolean,
    body: (value: number) => void,
  ): void {
    const b = this.#b
    const usual = values[values.length >> 1] ?? 0
    const special = values.filter((value) => !areAlike(value, usual))
    const choose = ([first, ...others]: readonly number[]): void => {
      if (first === undefined) return body(usual)
      b.if(
        alu('ieq', e, int(first)),
        () => body(first),
        () => choose(others),
      )
    }
    choose(special)
  }

  /** V of tile row t of a strip, at `to`; `span`: its rows that are in the picture. */
  #transformRow(t: Expr, to: Expr, strip: Strip, span: Span): void {
    const spans = (start: number): Span[] =>
      Array.from({ length: strip.columns }, (_, i) => spanOf(this.g, 1, start + i))
    const areAlike = (i: number, k: number): boolean => {
      const others = spans(k)
      return spans(i).every((one, at) => alike(one, others[at] as Span))
    }
    this.#choose(strip.column, strip.starts, areAlike, (start) =>
      this.#transformTiles(t, to, strip, span, spans(start)),
    )
  }

  #transformTiles(t: Expr, to: Expr, { rows, columns, column }: Strip, span: Span, spans: readonly Span[]): void {
    const { g } = this
    const b = this.#b
    const [H, W] = g.size
    const at = (i: number): Span => spans[i] as Span
    // where the part of a tile that is in the picture begins: an address before the picture would have no meaning
    const place = (i: number): number => 2 * i - g.padding[1] + at(i).from
    const corner = add(mul(t, 2 * W * b.width), mul(column, 2 * b.width))
    const x = b.let('x', add(add(this.#x, corner), ((span.from - g.padding[0]) * W + place(0)) * b.width))
    const v = b.let('v', to)
    b.loop(g.C, () => {
      let now = place(0)
      for (let first = 0, next = 0; first < columns; first = next) {
        while (next < columns && alike(at(next), at(first))) next++
        const { from: left, to: right } = at(first)
        b.bump(x, (place(first) - now) * b.width)
        b.loop(next - first, () => {
          inputPoints(
            b,
            { top: span.from, rows: span.to, left, columns: right },
            (i, j) => loadVec(x, ((i - span.from) * W + j - left) * b.width),
            (k, value) => b.store('vec', v, k * this.#next.v, value),
          )
          b.bump(x, 2 * b.width)
          b.bump(v, b.width)
        })
        now = place(first) + 2 * (next - first)
      }
      b.bump(x, (H * W + place(0) - now) * b.width)
      b.bump(v, (rows - 1) * columns * b.width)
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
  #results(o: Expr, channels: number, strip: Strip): void {
    const { g } = this
    const b = this.#b
    const { row, rows, cut, column } = strip
    const { bias, pool } = this.#job
    const size = pool ? 1 : 2
    const m = b.let('m', this.#m)
    const from = bias && b.let('bias', add(b.buffer(bias, 'read'), mul(o, 4)))
    const rowBytes = (g.OW / (pool ? 2 : 1)) * b.width
    const start = add(mul(row, size * rowBytes), mul(column, size * b.width))
    const place = b.let('place', add(mul(o, g.outPlane * b.width), start))
    const tail = this.#tail
    const channel = tail ? b.let('channel', o) : null
    b.loop(channels, () => {
      const extra = from && b.let('b', loadSplat(from))
      const finish = tail && channel ? tail(channel) : null
      const first = b.let('first', add(mul(row, 2 * g.convW), mul(column, 2)))
      b.loop(rows, () => {
        const each = (width: number): void => {
          const y = outputResults(b, (k) => loadVec(m, k * this.#next.m), extra)
          if (pool) this.#pooled(y, place, first)
          else this.#plain(y, place, cut ? 1 : 2, width, finish)
          b.bump(m, b.width)
          b.bump(place, (pool ? 1 : width) * b.width)
          b.bump(first, 2)
        }
        this.#eachColumn(strip, each, (results) => b.bump(place, rowBytes - (pool ? results / 2 : results) * b.width))
        b.bump(first, 2 * (g.convW - strip.columns))
        if (!pool && !cut) b.bump(place, rowBytes)
      })
      b.bump(place, g.outPlane * b.width - rows * rowBytes * (pool || cut ? 1 : 2))
      if (from) b.bump(from, 4)
      if (channel) b.bump(channel, 1)
    })
  }

  /**
   * Calls back for each tile of a strip's row; `width`: columns of results that exist, 1 in the last tile of an odd row.
   * `end` is told how many there were.
   */
  #eachColumn({ column, columns, starts }: Strip, body: (width: number) => void, end: (results: number) => void): void {
    const { g } = this
    const odd = (start: number): number => Number(g.OW % 2 > 0 && start + columns === g.columns)
    this.#choose(
      column,
      starts,
      (a, b) => odd(a) === odd(b),
      (start) => {
        this.#b.loop(columns - odd(start), () => body(2))
        if (odd(start) > 0) body(1)
        end(2 * columns - odd(start))
      },
    )
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
