/**
 * The weight's gradient of conv2d, dense, batch in lanes: (g [N, O, OH, OW], x [N, C, H, W], not padded) → [O, C, kH, kW].
 * A register tile of output channels × input channels × taps of a kernel row; taps that see padding are left out.
 * Order of sums: sixteen partial sums, picture n adds to number n mod 16, its positions in row-major order; partial sums
 * are added in order. So vectors of 4, 8 and 16 pictures give the same bits, and lanes are added up once, at the end.
 * A unit of work is a register tile's weights for all pictures, so that no member waits for another's part.
 * Not here: how the work is cut (gradWeightCut.ts), gradients that are mostly zero (sparse.ts).
 */
import { add, alu, float, iota, int, loadInt, loadVec, mul, splat, sub } from '../loop/build.js'
import type { Expr, Var } from '../loop/ir.js'
import { blocksOf, KernelBuilder, type ScheduledKernel, type Value } from '../kernel.js'
import { tileAt } from './tiles.js'
import { quotient } from './divide.js'
import {
  cutOf,
  geometryOf,
  seen,
  slotsOf,
  type ConvGradJob,
  type Cut,
  type Geometry,
  type Machine,
} from './gradWeightCut.js'
import { clear } from './sparse.js'

type Local = { k: 'var'; v: Var }

/** Partial sums over pictures: as many as the widest vector has lanes. */
const partials = 16
/** Floats of scratch memory. sums: vectors of lanes; totals: what lanes add up to. */
export function gradWeightScratch(target: Machine, job: ConvGradJob): { sums: number; totals: number } {
  const cut = cutOf(geometryOf(job), target)
  const slots = slotsOf(cut, target.lanes)
  const all = cut.tiles * cut.pieces.length * slots
  return { sums: (cut.rows === null ? cut.units * slots : all) * target.lanes, totals: all }
}

export function lowerConvGradWeight(
  target: Machine,
  job: ConvGradJob,
  memory: { readonly sums: Value; readonly totals: Value },
): ScheduledKernel {
  const b = new KernelBuilder(target.lanes)
  const kernel = new GradWeightKernel(b, job, memory, target)
  kernel.write()
  const { O, C, kernel: taps, out } = kernel.g
  const flops = 2 * O * C * taps[0] * taps[1] * out[0] * out[1]
  return b.finish('conv2dGradWeight', { count: kernel.cut.units, together: true }, (n) => n * flops)
}

/** A register tile: weights of channels o … and c …, kernel row ky, taps of a piece of it. */
interface Place {
  readonly o: Expr
  readonly outputs: number
  readonly c: Expr
  readonly ky: Expr
  readonly piece: readonly [first: number, count: number]
  /** Where its vectors of sums and its totals are kept. */
  readonly sums: Expr
  readonly totals: Expr
}

/** Rows of a block of pictures. */
interface Part {
  readonly block: Expr
  readonly from: Expr
  readonly to: Expr
}

class GradWeightKernel {
  readonly g: Geometry
  readonly cut: Cut
  readonly #b: KernelBuilder
  readonly #slots: number
  readonly #at: { readonly g: Expr; readonly x: Expr; readonly out: Expr; readonly sums: Expr; readonly totals: Expr }

  constructor(
    b: KernelBuilder,
    job: ConvGradJob,
    memory: { readonly sums: Value; readonly totals: Value },
    target: Machine,
  ) {
    this.#b = b
    this.g = geometryOf(job)
    this.cut = cutOf(this.g, target)
    this.#slots = slotsOf(this.cut, b.lanes)
    this.#at = {
      g: b.buffer(job.g, 'read'),
      x: b.buffer(job.x, 'read'),
      out: b.buffer(job.out, 'write'),
      sums: b.buffer(memory.sums, 'both'),
      totals: b.buffer(memory.totals, 'both'),
    }
  }

  write(): void {
    const b = this.#b
    const bytes = this.cut.pieces.length * this.#slots * 4
    this.#eachNumber((tile) => clear(b, b.pointer('totals', this.#at.totals, tile, bytes), bytes))
    // the blocks of vectors' own partial sums, one after the other
    b.for('first', 0, partials / b.lanes, 1, (first) => {
      if (this.cut.rows === null) this.#byWeights(first)
      else this.#byParts(first, this.cut.rows)
    })
  }

  /** A tile's weights for all pictures, then the next tile's. */
  #byWeights(first: Expr): void {
    const b = this.#b
    this.#eachTile((place) => {
      const sums = this.#sums(place, () => float(0))
      this.#eachBlock(first, (block, isCut, mask) => {
        b.if(isCut, () => sums.forEach((sum, i) => b.store('vec', place.sums, i * b.width, sum)))
        this.#add(sums, place, { block, from: int(0), to: int(this.g.out[0]) })
        // lanes behind the last picture hold nothing
        b.if(isCut, () =>
          sums.forEach((sum, i) => b.set(sum.v, alu('fselect', mask, sum, loadVec(place.sums, i * b.width)))),
        )
      })
      this.#finish(place, sums)
    })
  }

  /** All tiles for some rows of a block of pictures, then for the next. */
  #byParts(first: Expr, rows: number): void {
    const b = this.#b
    const [OH] = this.g.out
    const bytes = this.cut.pieces.length * this.#slots * b.width
    const load = (place: Place) => (i: number) => loadVec(place.sums, i * b.width)
    this.#eachNumber((tile) => clear(b, b.pointer('sums', this.#at.sums, tile, bytes), bytes))
    this.#eachBlock(first, (block, _, mask) =>
      b.for('from', 0, OH, rows, (from) => {
        const part = { block, from, to: b.let('to', alu('imin', add(from, rows), int(OH))) }
        this.#eachTile((place) => {
          const sums = this.#sums(place, load(place))
          this.#add(sums, place, part)
          sums.forEach((sum, i) => b.store('vec', place.sums, i * b.width, alu('fselect', mask, sum, load(place)(i))))
        })
      }),
    )
    this.#eachTile((place) => this.#finish(place, this.#sums(place, load(place))))
  }

  #eachBlock(first: Expr, body: (block: Expr, isCut: Expr, mask: Expr) => void): void {
    const b = this.#b
    b.for('block', first, blocksOf(b.lanes), partials / b.lanes, (block) => {
      const left = b.let('left', sub({ k: 'n' }, mul(block, b.lanes)))
      body(block, alu('ilt', left, int(b.lanes)), b.let('mask', alu('ilt', iota, splat(left))))
    })
  }

  #eachNumber(body: (tile: Expr, unit: Expr) => void): void {
    const b = this.#b
    const { perUnit, tiles } = this.cut
    b.forUnits((unit) => {
      if (perUnit === 1) return body(unit, unit)
      const first = b.let('firstTile', mul(unit, perUnit))
      const end = b.let('endTile', alu('imin', add(first, perUnit), int(tiles)))
      b.for('tile', first, end, 1, (tile) => body(tile, unit))
    })
  }

  #eachTile(body: (place: Place) => void): void {
    const b = this.#b
    const { cut, g } = this
    const [perRow, perInput] = [g.kernel[0], g.kernel[0] * cut.inputTiles]
    this.#eachNumber((tile, unit) => {
      const output = b.let('output', quotient(b, tile, perInput, cut.tiles))
      const rest = b.let('rest', sub(tile, mul(output, perInput)))
      const input = b.let('input', quotient(b, rest, perRow, perInput))
      const ky = b.let('ky', sub(rest, mul(input, perRow)))
      const c = b.let('c', alu('imin', mul(input, cut.tile.inputs), int(g.C - cut.tile.inputs)))
      tileAt(b, output, { count: g.O, tile: cut.tile.outputs }, (o, outputs) =>
        this.#piecesOf([tile, unit], { o, outputs, c, ky }, body),
      )
    })
  }

  #piecesOf(
    [tile, unit]: readonly [Expr, Expr],
    some: Pick<Place, 'o' | 'outputs' | 'c' | 'ky'>,
    body: (place: Place) => void,
  ): void {
    const b = this.#b
    const { pieces, rows } = this.cut
    const totals = b.pointer('totals', this.#at.totals, tile, pieces.length * this.#slots * 4)
    const [own, kept] = rows === null ? [unit, 1] : [tile, pieces.length]
    const sums = b.pointer('sums', this.#at.sums, own, kept * this.#slots * b.width)
    for (const piece of pieces) {
      body({ ...some, piece, sums, totals })
      b.bump(totals, this.#slots * 4)
      if (rows !== null) b.bump(sums, this.#slots * b.width)
    }
  }

  /** [output][input][tap]. */
  #sums({ outputs, piece }: Place, start: (i: number) => Expr): Local[] {
    const count = outputs * this.cut.tile.inputs * piece[1]
    return Array.from({ length: count }, (_, i) => this.#b.let('acc', start(i)))
  }

  /** A number that the kernel row chooses. */
  #byRow(name: string, ky: Expr, of: (ky: number) => number): Local {
    const b = this.#b
    const usual = of(Math.floor(this.g.kernel[0] / 2))
    const value = b.let(name, int(usual))
    for (let i = 0; i < this.g.kernel[0]; i++)
      if (of(i) !== usual) b.if(alu('ieq', ky, int(i)), () => b.set(value.v, int(of(i))))
    return value
  }

  /** Adds the products of a part's positions. */
  #add(sums: readonly Local[], place: Place, part: Part): void {
    const b = this.#b
    const { g } = this
    const [H, W] = g.size
    const [OH, OW] = g.out
    const lowest = this.#byRow('lowest', place.ky, (ky) => seen(g, 0, ky)[0])
    const highest = this.#byRow('highest', place.ky, (ky) => seen(g, 0, ky)[1])
    const from = b.let('row', alu('iselect', alu('ilt', part.from, lowest), lowest, part.from))
    const grad = b.let('g', add(this.#at.g, mul(part.block, g.O * OH * OW * b.width)))
    b.bump(grad, add(mul(place.o, OH * OW * b.width), mul(from, OW * b.width)))
    const x = b.let('x', add(this.#at.x, mul(part.block, g.C * H * W * b.width)))
    const row = sub(add(mul(from, g.stride[0]), place.ky), g.padding[0])
    b.bump(x, add(mul(place.c, H * W * b.width), mul(row, W * b.width)))
    const count = b.let('count', sub(alu('imin', part.to, highest), from))
    b.loop(count, () => this.#row(sums, place, grad, x))
  }

  /** A row of positions: those at its ends, where some taps see padding, one by one. */
  #row(sums: readonly Local[], place: Place, grad: Local, x: Local): void {
    const b = this.#b
    const { g } = this
    const [, OW] = g.out
    const [first, count] = place.piece
    const taps = Array.from({ length: count }, (_, i) => first + i)
    const [step, padding] = [g.stride[1], g.padding[1]]
    const from = Math.min(OW, Math.max(...taps.map((tap) => seen(g, 1, tap)[0])))
    const to = Math.max(from, Math.min(...taps.map((tap) => seen(g, 1, tap)[1])))
    const end = (column: number, at: number): void => {
      const some = taps.filter((tap) => column >= seen(g, 1, tap)[0] && column < seen(g, 1, tap)[1])
      const offset = (tap: number): number => column * step + tap - padding - at
      if (some.length > 0) this.#position(sums, place, grad, x, some, offset)
      b.bump(grad, b.width)
    }
    for (let column = 0; column < from; column++) end(column, 0)
    const start = from * step + first - padding
    b.bump(x, start * b.width)
    b.loop(to - from, () => {
      this.#position(sums, place, grad, x, taps, (tap) => tap - first)
      b.bump(grad, b.width)
      b.bump(x, step * b.width)
    })
    for (let column = to; column < OW; column++) end(column, to * step + first - padding)
    b.bump(x, (g.stride[0] * g.size[1] - (to * step + first - padding)) * b.width)
  }

  /** The products of one position with the taps that see the picture there, each at its own place of x. */
  #position(
    sums: readonly Local[],
    { outputs, piece }: Place,
    grad: Expr,
    x: Expr,
    taps: readonly number[],
    placeOf: (tap: number) => number,
  ): void {
    const b = this.#b
    const { inputs } = this.cut.tile
    const plane = this.g.size[0] * this.g.size[1]
    const [OH, OW] = this.g.out
    const grads = Array.from({ length: outputs }, (_, a) => b.let('gAt', loadVec(grad, a * OH * OW * b.width)))
    for (let c = 0; c < inputs; c++)
      for (const tap of taps) {
        const v = b.let('v', loadVec(x, (c * plane + placeOf(tap)) * b.width))
        grads.forEach((value, a) => {
          const sum = sums[(a * inputs + c) * piece[1] + tap - piece[0]] as Local
          b.set(sum.v, alu('fma', v, value, sum))
        })
      }
  }

  /** Adds the lanes of a tile's sums to its totals, in order, and puts these where they belong. */
  #finish(place: Place, sums: readonly Local[]): void {
    const b = this.#b
    const [kH, kW] = this.g.kernel
    const [first, taps] = place.piece
    for (let i = 0; i < sums.length; i += b.lanes) {
      const some = Array.from({ length: b.lanes }, (_, lane) => sums[i + lane] ?? float(0))
      const total = b.let('total', loadVec(place.totals, i * 4))
      b.transpose(some).forEach((value) => b.set(total.v, alu('fadd', total, value)))
      b.store('vec', place.totals, i * 4, total)
    }
    const kernel = add(mul(place.o, this.g.C), place.c)
    const to = b.let('to', add(this.#at.out, add(mul(kernel, kH * kW * 4), mul(place.ky, kW * 4))))
    const { inputs } = this.cut.tile
    sums.forEach((_, i) => {
      const [a, c] = [Math.floor(i / (inputs * taps)), Math.floor(i / taps) % inputs]
      const offset = (a * this.g.C + c) * kH * kW + first + (i % taps)
      b.store('i32', to, offset * 4, loadInt(place.totals, i * 4))
    })
  }
}
