/**
 * conv2d, batch in lanes: a register tile of output channels × rows × columns, with bias, relu (or any
 * elementwise tail) and non-overlapping max-pool done in registers.
 * x [N, C, H, W] lanes (already padded), weight [O, C, kH, kW] plain → y [N, O, OH, OW] or pooled [N, O, PH, PW] lanes.
 * Its input's gradient too, pixel phase by pixel phase, each a convolution of the output's gradient (convPhases.ts).
 * Sum order: bias, then kernel rows, kernel columns, channels; with more than 16 channels: channels first.
 * See docs/decisions/0002-order-of-sums.md. Not here: sparse gradients (sparse.ts), weights' (convGradWeight.ts), 3 × 3
 * with many channels (winograd.ts).
 */
import type { Shape } from '../../base/index.js'
import { add, alu, float, int, loadSplat, loadVec, mul, splat } from '../loop/build.js'
import type { Expr, Var } from '../loop/ir.js'
import { KernelBuilder, partsOfPieces, type ScheduledKernel, type Value } from '../kernel.js'
import { cutsIn, tilePairs, tiles, type Cuts } from './tiles.js'
import type { ConvTile } from '../tile/choose.js'
import type { Plans } from '../tile/plans.js'

type Local = { k: 'var'; v: Var }

/** Up to so many channels the sum runs over them innermost, as oneDNN's: it stays nearest to PyTorch's own rounding. */
const fewChannels = 16

/** What becomes of a value before it is stored: the fused elementwise tail at byte `offset` of the result. */
export type Finish = (value: Expr, offset: Expr) => Expr

/** A fused elementwise tail. For each channel anew: what it reads of that one is loaded here, ahead of its values. */
export type Tail = (channel: Expr) => Finish

export interface ConvJob {
  readonly x: Value
  readonly weight: Value
  readonly bias: Value | null
  readonly out: Value
  readonly stride: readonly [number, number]
  /** Zeros that are not in x but around it; default none. Winograd's kernels alone know them. */
  readonly padding?: readonly [number, number]
  readonly tail: ((b: KernelBuilder) => Tail) | null
  /** Fused max-pool of size × size windows; index: where the picked position goes, if anybody wants it. */
  readonly pool: { readonly size: number; readonly index: Value | null; readonly relu: boolean } | null
  /** The results are some of an input gradient's pixels; x is then the output's gradient. */
  readonly phase?: Phase
  /** Of a block of pictures as many floats as `packedFloats` says for each of its parts, where that is any. */
  readonly packed?: { readonly memory: Value; readonly mostParts: number } | null
}

/** Which taps of the weight a convolution has, what it reads and where its results go. All in elements. */
export interface Phase {
  readonly taps: readonly [number, number]
  readonly rows: number
  readonly columns: number
  /** Where the first result's first tap reads in a plane of x. */
  readonly from: number
  /** Of the first tap in the weight, and between neighbours. */
  readonly weight: WeightSteps & { readonly start: number }
  /** Where the first result lies in a plane of `out`, and between neighbours. */
  readonly to: { readonly start: number; readonly row: number; readonly column: number }
}

interface WeightSteps {
  readonly output: number
  readonly input: number
  readonly row: number
  readonly column: number
}

interface Geometry {
  readonly C: number
  readonly W: number
  readonly plane: number // H · W of x
  readonly O: number
  readonly kH: number
  readonly kW: number
  readonly OH: number // rows and columns computed: a pool leaves out what does not fill a window
  readonly OW: number
  readonly convW: number // columns of the whole conv output, for the pool's index
  readonly outRow: number // vectors from a row of the result to the next
  readonly outColumn: number
  readonly outPlane: number
  readonly perRow: number // computed rows per result row: the pool's size, or 1
  readonly from: number // the first vector read of a plane, and the first written
  readonly to: number
  readonly weight: WeightSteps & { readonly start: number }
}

function geometryOf(job: ConvJob): Geometry {
  if (job.phase) return geometryOfPhase(job, job.phase)
  const [, C = 1, H = 1, W = 1] = job.x.shape
  const [O = 1, , kH = 1, kW = 1] = job.weight.shape
  const [, , PH = 1, PW = 1] = job.out.shape as Shape
  const size = job.pool?.size ?? 1
  const convW = Math.floor((W - kW) / job.stride[1]) + 1
  const taps = kH * kW
  const weight = { start: 0, output: C * taps, input: taps, row: kW, column: 1 }
  const sizes = { C, plane: H * W, O, kH, kW, outColumn: 1, outPlane: PH * PW, perRow: size, from: 0, to: 0, weight }
  // a matrix product over channels: pixels are one long row
  if (taps === 1 && size === 1 && job.stride[0] * job.stride[1] === 1)
    return { ...sizes, W: H * W, OH: 1, OW: PH * PW, convW: PH * PW, outRow: PH * PW }
  return { ...sizes, W, OH: PH * size, OW: PW * size, convW, outRow: PW }
}

function geometryOfPhase({ x, out }: ConvJob, phase: Phase): Geometry {
  const [, C = 1, H = 1, W = 1] = x.shape
  const [, O = 1, outH = 1, outW = 1] = out.shape
  const { taps, rows, columns, from, weight, to } = phase
  // pixels are one long row where they run straight through, as above
  const isRow = taps[0] * taps[1] === 1 && to.column === 1 && to.row === columns && W === columns
  const [OH, OW, width] = isRow ? [1, rows * columns, H * W] : [rows, columns, W]
  const sizes = { C, O, W: width, plane: H * W, kH: taps[0], kW: taps[1], OH, OW, convW: OW, perRow: 1 }
  return { ...sizes, outRow: to.row, outColumn: to.column, outPlane: outH * outW, from, to: to.start, weight }
}

export function lowerConv(lanes: number, job: ConvJob, choose: Plans['conv']): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const g = geometryOf(job)
  const tile = choose({ channels: g.O, rows: g.OH, columns: g.OW, window: g.perRow })
  const kernel = new ConvKernel(b, job, tile)
  const rows: Cuts = { name: 'row', count: g.OH, tile: tile.rows }
  const columns: Cuts = { name: 'column', count: g.OW, tile: tile.columns }
  const outputs: Cuts = { name: 'o', count: g.O, tile: tile.channels }
  // what is read again at once should stay in the nearest cache
  const wide = isWideProduct(g, b.width)
  const [middle, inner] = wide ? [columns, outputs] : [outputs, columns]
  const parts = partsOfPieces(cutsIn(rows) * cutsIn(middle), job.packed?.mostParts)
  b.forParts(parts, (block, from, to, part) => {
    kernel.begin(block, add(mul(block, parts.count), part))
    tilePairs(b, [rows, middle], from, to, (row, height, at, size) => {
      if (job.packed && wide) kernel.pack(row, at, { rows: height, columns: size })
      tiles(b, inner.name, inner.count, inner.tile, (next, count) => {
        const [o, channels, column, width] = wide ? [next, count, at, size] : [at, size, next, count]
        kernel.tile(o, row, column, { channels, rows: height, columns: width })
      })
    })
  })
  const flops = 2 * g.O * g.OH * g.OW * g.C * g.kH * g.kW
  const name = job.phase ? 'conv2dGradInput' : job.pool ? 'conv2d+pool' : 'conv2d'
  return b.finish(name, { pictures: lanes, parts }, (n) => n * flops)
}

/** So many tiles of output channels make packing worth it. */
const tilesToPack = 3

/** What a tile of pixels reads of all channels of a picture. */
const tileFloats = ({ C }: Geometry, { rows, columns }: ConvTile): number => C * rows * columns

/**
 * Floats of scratch memory of one picture for what a tile of pixels reads of all channels: those lie a plane apart, often a
 * power of two, so that they have few places in the caches; copied together, they stay near for all output channels. 0: none.
 * @param mostParts parts of a block at most, each of which takes its own
 */
export function packedFloats(lanes: number, job: ConvJob, choose: Plans['conv'], mostParts: number): number {
  const g = geometryOf(job)
  const tile = choose({ channels: g.O, rows: g.OH, columns: g.OW, window: g.perRow })
  const isWorthIt = isWideProduct(g, lanes * 4) && !job.pool && g.O >= tilesToPack * tile.channels
  if (!isWorthIt) return 0
  const cuts = cutsIn({ count: g.OH, tile: tile.rows }) * cutsIn({ count: g.OW, tile: tile.columns })
  return partsOfPieces(cuts, mostParts).count * tileFloats(g, tile)
}

/** A matrix product whose pixels take more memory than the weights: these are read again and again, those once. */
const isWideProduct = ({ kH, kW, W, O }: Geometry, width: number): boolean => kH * kW === 1 && W * width > O * 4

class ConvKernel {
  readonly g: Geometry
  readonly #b: KernelBuilder
  readonly #job: ConvJob
  readonly #tail: Tail | null
  readonly #packedBytes: number
  #x: Expr = int(0)
  #packed: Expr | null = null
  #out: Expr = int(0)
  #index: Expr = int(0)
  #outBlock: Expr = int(0)

  constructor(b: KernelBuilder, job: ConvJob, tile: ConvTile) {
    this.#b = b
    this.#job = job
    this.g = geometryOf(job)
    this.#tail = job.tail?.(b) ?? null
    this.#packedBytes = tileFloats(this.g, tile) * b.width
  }

  /** @param scratch whose scratch memory it is */
  begin(block: Expr, scratch: Expr): void {
    const { g } = this
    const b = this.#b
    this.#x = b.let(
      'xBlock',
      add(add(b.buffer(this.#job.x, 'read'), g.from * b.width), mul(block, g.C * g.plane * b.width)),
    )
    this.#outBlock = b.let('outBlock', add(mul(block, g.O * g.outPlane * b.width), g.to * b.width))
    this.#out = b.let('out', add(b.buffer(this.#job.out, 'write'), this.#outBlock))
    const { packed } = this.#job
    if (packed) this.#packed = b.pointer('packed', b.buffer(packed.memory, 'both'), scratch, this.#packedBytes)
    const index = this.#job.pool?.index
    if (index) this.#index = b.let('index', add(b.buffer(index, 'write'), this.#outBlock))
  }

  /** Copies what a tile's pixels read of all channels together. */
  pack(row: Expr, column: Expr, t: Pick<ConvTile, 'rows' | 'columns'>): void {
    const { g } = this
    const b = this.#b
    const [sy, sx] = this.#job.stride
    const x = b.let('x', add(this.#x, add(mul(row, sy * g.W * b.width), mul(column, sx * b.width))))
    const to = b.let('to', this.#packed ?? int(0))
    b.loop(g.C, () => {
      for (let r = 0; r < t.rows; r++)
        for (let c = 0; c < t.columns; c++)
          b.store('vec', to, (r * t.columns + c) * b.width, loadVec(x, this.#placeInPlane(r, c) * b.width))
      b.bump(x, g.plane * b.width)
      b.bump(to, t.rows * t.columns * b.width)
    })
  }

  /** One tile of results: accumulators [channel][row][column]. */
  tile(o: Expr, row: Expr, column: Expr, t: ConvTile): void {
    const sums = this.#start(o, t)
    this.#contract(sums, o, row, column, t)
    const place = this.#placeOf(o, row, column)
    for (let a = 0; a < t.channels; a++) {
      const at = (r: number, c: number): Local => sums[(a * t.rows + r) * t.columns + c] as Local
      const finish = this.#tail?.(add(o, a)) ?? null
      for (let r = 0; r < t.rows; r += this.g.perRow)
        for (let c = 0; c < t.columns; c += this.g.perRow) this.#finish(finish, place, a, r, c, at, row, column)
    }
  }

  #start(o: Expr, t: ConvTile): Local[] {
    const { bias } = this.#job
    const b = this.#b
    const from = bias && b.let('bias', add(b.buffer(bias, 'read'), mul(o, 4)))
    const sums: Local[] = []
    for (let a = 0; a < t.channels; a++)
      for (let i = 0; i < t.rows * t.columns; i++) sums.push(b.let('acc', from ? loadSplat(from, a * 4) : float(0)))
    return sums
  }

  /** Adds x · w over channels and taps; the tap loops stay loops, pointers are moved along. */
  #contract(sums: readonly Local[], o: Expr, row: Expr, column: Expr, t: ConvTile): void {
    const { g } = this
    const b = this.#b
    const [sy, sx] = this.#job.stride
    const first = add(mul(row, sy * g.W * b.width), mul(column, sx * b.width))
    const weight = add(b.buffer(this.#job.weight, 'read'), g.weight.start * 4)
    const w = b.let('w', add(weight, mul(o, g.weight.output * 4)))
    if (this.#packed) return this.#packedChannels(sums, b.let('x', this.#packed), w, t)
    const x = b.let('x', add(this.#x, first))
    if (g.C <= fewChannels) this.#tapsThenChannels(sums, x, w, t)
    else this.#channelsThenTaps(sums, x, w, t)
  }

  #packedChannels(sums: readonly Local[], x: Local, w: Local, t: ConvTile): void {
    const b = this.#b
    b.loop(this.g.C, () => {
      this.#tap(sums, x, w, t, (r, c) => r * t.columns + c)
      b.bump(x, t.rows * t.columns * b.width)
      b.bump(w, this.g.weight.input * 4)
    })
  }

  #channelsThenTaps(sums: readonly Local[], x: Local, w: Local, t: ConvTile): void {
    const { g } = this
    const b = this.#b
    b.loop(g.C, () => {
      b.loop(g.kH, () => {
        b.loop(g.kW, () => {
          this.#tap(sums, x, w, t, this.#placeInPlane)
          b.bump(x, b.width)
          b.bump(w, g.weight.column * 4)
        })
        b.bump(x, (g.W - g.kW) * b.width)
        b.bump(w, (g.weight.row - g.kW * g.weight.column) * 4)
      })
      b.bump(x, (g.plane - g.kH * g.W) * b.width)
      b.bump(w, (g.weight.input - g.kH * g.weight.row) * 4)
    })
  }

  #tapsThenChannels(sums: readonly Local[], x: Local, w: Local, t: ConvTile): void {
    const { g } = this
    const b = this.#b
    b.loop(g.kH, () => {
      b.loop(g.kW, () => {
        b.loop(g.C, () => {
          this.#tap(sums, x, w, t, this.#placeInPlane)
          b.bump(x, g.plane * b.width)
          b.bump(w, g.weight.input * 4)
        })
        b.bump(x, (1 - g.C * g.plane) * b.width)
        b.bump(w, (g.weight.column - g.C * g.weight.input) * 4)
      })
      b.bump(x, (g.W - g.kW) * b.width)
      b.bump(w, (g.weight.row - g.kW * g.weight.column) * 4)
    })
  }

  /** Vectors from a tile's first pixel to another. */
  readonly #placeInPlane = (row: number, column: number): number =>
    row * this.#job.stride[0] * this.g.W + column * this.#job.stride[1]

  #tap(sums: readonly Local[], x: Expr, w: Expr, t: ConvTile, place: (row: number, column: number) => number): void {
    const { g } = this
    const b = this.#b
    const weights = Array.from({ length: t.channels }, (_, a) => b.let('s', loadSplat(w, a * g.weight.output * 4)))
    for (let r = 0; r < t.rows; r++)
      for (let c = 0; c < t.columns; c++) {
        const v = b.let('v', loadVec(x, place(r, c) * b.width))
        weights.forEach((s, a) => {
          const sum = sums[(a * t.rows + r) * t.columns + c] as Local
          b.set(sum.v, alu('fma', v, s, sum))
        })
      }
  }

  /** Byte offset in the block's result of the tile's first element. */
  #placeOf(o: Expr, row: Expr, column: Expr): Expr {
    const { g } = this
    const b = this.#b
    const shift = Math.log2(g.perRow)
    const down = (e: Expr): Expr =>
      g.perRow === 1 ? e : e.k === 'int' ? int(e.value >> shift) : alu('ishru', e, int(shift))
    const y = mul(down(row), g.outRow * b.width)
    return b.let('place', add(add(mul(o, g.outPlane * b.width), y), mul(down(column), g.outColumn * b.width)))
  }

  #finish(
    finish: Finish | null,
    place: Expr,
    a: number,
    r: number,
    c: number,
    at: (r: number, c: number) => Local,
    row: Expr,
    column: Expr,
  ): void {
    const { g } = this
    const b = this.#b
    const size = g.perRow
    const offset = (a * g.outPlane + (r / size) * g.outRow + (c / size) * g.outColumn) * b.width
    if (!this.#job.pool) {
      const where = b.let('where', add(this.#outBlock, add(place, offset)))
      b.store('vec', add(this.#out, place), offset, finish ? finish(at(r, c), where) : at(r, c))
      return
    }
    const first = this.#job.pool.index && add(mul(add(row, r), g.convW), add(column, c))
    const { best, index } = poolWindow(b, size, (y, x) => at(r + y, c + x), first, g.convW)
    b.store('vec', add(this.#out, place), offset, this.#job.pool.relu ? alu('pmax', best, float(0)) : best)
    if (index) b.store('vec', add(this.#index, place), offset, index)
  }
}

/** The largest of a window in row-major order (a NaN wins, the first of equals stays) and where it was. */
export function poolWindow(
  b: KernelBuilder,
  size: number,
  at: (y: number, x: number) => Expr,
  first: Expr | null,
  rowLength: number,
): { best: Expr; index: Expr | null } {
  const best = b.let('best', at(0, 0))
  const base = first && b.let('first', splat(first))
  const index = base && b.let('index', base)
  for (let i = 1; i < size * size; i++) {
    const [y, x] = [Math.floor(i / size), i % size]
    const value = at(y, x)
    const mask = b.let('mask', alu('ior', alu('flt', best, value), alu('fne', value, value)))
    b.set(best.v, alu('fselect', mask, value, best))
    if (index && base) b.set(index.v, alu('iselect', mask, alu('iadd', base, splat(int(y * rowLength + x))), index))
  }
  return { best, index }
}
