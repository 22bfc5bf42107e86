/**
 * How kernels slide over pictures, forward and back, without zeros around or between the pixels: which results meet which
 * pixels under which taps; rows that lie outside are passed over, columns that do are left out where code is written.
 * Not here: whole kernels, or how pixels and weights lie (groupConv.ts, groupConvGrad.ts, pixels.ts).
 */
import { add, alu, int, loadVec, mul, sub } from '../loop/build.js'
import type { Builder } from '../loop/build.js'
import type { Expr, Var } from '../loop/ir.js'

export type Local = { k: 'var'; v: Var }
export type Pair = readonly [number, number]

/**
 * Along one direction the results i · phases + p, for i = 0, 1, …: each is the sum, for t = 0 … taps − 1 in order, of the
 * source at i · step + start + t · apart, times the weight at first + t · turn. What lies outside of the source is zero.
 */
export interface Phase {
  readonly step: number
  readonly start: number
  readonly apart: number
  readonly taps: number
  readonly first: number
  readonly turn: number
}

/** Phase p of a direction's results. */
export type Phases = readonly Phase[]

/** kernel: the number of its taps. */
export interface Slide1 {
  readonly kernel: number
  readonly stride: number
  readonly padding: number
  readonly dilation: number
}

/** A convolution: all its results are alike. */
export function slidePhases({ kernel, stride, padding, dilation }: Slide1): Phases {
  return [{ step: stride, start: -padding, apart: dilation, taps: kernel, first: 0, turn: 1 }]
}

/**
 * Its input's gradient: position p of each stride meets the taps that end on it, and no others. From the last tap to the
 * first, so that the gradient of the results is read forwards.
 */
export function gradientPhases({ kernel, stride, padding, dilation }: Slide1): Phases {
  return Array.from({ length: stride }, (_, p) => {
    const from = (tap: number): number => (p + padding - tap * dilation) / stride
    const met = Array.from({ length: kernel }, (_, i) => kernel - 1 - i).filter((tap) => Number.isInteger(from(tap)))
    const [first = 0, second = first] = met
    const apart = from(second) - from(first)
    return { step: 1, start: Math.round(from(first)), apart, taps: met.length, first, turn: second - first }
  })
}

/** Calls back for each row of results: its number, i, and its phase. */
export function forRows(
  b: Builder,
  phases: Phases,
  rows: number,
  body: (row: Expr, i: Expr, phase: Phase) => void,
): void {
  phases.forEach((phase, p) => {
    const count = Math.ceil((rows - p) / phases.length)
    if (count <= 0) return
    b.for('i', 0, count, 1, (i) => body(b.let('row', add(mul(i, phases.length), p)), i, phase))
  })
}

/** A column of results meets the source so many columns behind a piece's own, under a column of the kernel. */
export interface Meeting {
  readonly column: number
  readonly offset: number
  readonly weight: number
}

/** Results side by side that are computed together. */
export interface Piece {
  readonly columns: number
  readonly meetings: readonly Meeting[]
}

function meetingsOf(phases: Phases, columns: number, isThere: (offset: number) => boolean): Meeting[] {
  const found: Meeting[] = []
  for (let column = 0; column < columns; column++) {
    const { step, start, apart, taps, first, turn } = phases[column % phases.length] as Phase
    for (let t = 0; t < taps; t++) {
      const offset = Math.floor(column / phases.length) * step + start + t * apart
      if (isThere(offset)) found.push({ column, offset, weight: first + t * turn })
    }
  }
  return found
}

/** A row of results, `source` pixels wide where it is read, in pieces of `tile` columns. */
export interface Line {
  readonly phases: Phases
  readonly source: number
  readonly results: number
}

/** A piece that begins at a column of its own. */
interface Placed extends Piece {
  readonly from: number
  /** All that its columns meet is there, so that it may be moved. */
  readonly isWhole: boolean
}

/** The pieces of a row; `tile` is a multiple of the phases, or the whole row. */
export function placed({ phases, source, results }: Line, tile: number): Placed[] {
  return Array.from({ length: Math.ceil(results / tile) }, (_, k) => {
    const from = k * tile
    const columns = Math.min(tile, results - from)
    const base = (from / phases.length) * (phases[0]?.step ?? 1)
    const meetings = meetingsOf(phases, columns, (offset) => base + offset >= 0 && base + offset < source)
    const all = meetingsOf(phases, columns, () => true).length
    return { from, columns, meetings, isWhole: columns === tile && meetings.length === all }
  })
}

/** Calls back for each piece: its first column, and the source's column that its offsets count from. */
export function forPieces(
  b: Builder,
  line: Line,
  tile: number,
  body: (at: Expr, base: Expr, piece: Piece) => void,
): void {
  const count = line.phases.length
  const step = line.phases[0]?.step ?? 1
  const all = placed(line, tile)
  const whole = all.filter(({ isWhole }) => isWhole)
  const [first] = whole
  for (const piece of all) {
    if (!piece.isWhole || whole.length === 1) body(int(piece.from), int((piece.from / count) * step), piece)
    else if (piece === first)
      b.for('column', piece.from / count, (piece.from + whole.length * tile) / count, tile / count, (i) =>
        body(mul(i, count), mul(i, step), piece),
      )
  }
}

/** How a source's pixels lie, in bytes from one to the next. */
export interface Steps {
  readonly plane: number
  readonly row: number
  readonly pixel: number
}

/** The row is one of so many. */
export const isRow = (row: Expr, rows: number): Expr => alu('ilt', int(-1), alu('ior', row, sub(int(rows - 1), row)))

/** Which rows a phase reads for `count` results: do some lie outside? */
export function leavesRows({ step, start, apart, taps }: Phase, count: number, rows: number): boolean {
  return start < 0 || (count - 1) * step + start + (taps - 1) * apart >= rows
}

/** The source's columns that a piece reads, in order, each with its meetings. */
export function byOffset({ meetings }: Piece): [offset: number, met: Meeting[]][] {
  const found = new Map<number, Meeting[]>()
  for (const meeting of meetings) found.set(meeting.offset, [...(found.get(meeting.offset) ?? []), meeting])
  return [...found].sort(([p], [q]) => p - q)
}

export const leastOffset = ({ meetings }: Piece): number => Math.min(...meetings.map(({ offset }) => offset))

/** What a piece's sums are of: channels of the source, one after the other, each under rows of the kernel. */
export interface Contraction {
  readonly piece: Piece
  /** [result channel][column] */
  readonly sums: readonly Local[]
  readonly rows: Phase
  /** The row's number in its phase, and the source's column that the piece's offsets count from. */
  readonly i: Expr
  readonly base: Expr
  /** Where the source's first channel lies, and how many there are. */
  readonly from: Expr
  readonly channels: number
  readonly steps: Steps
  /** Rows of the source, where some that are asked for lie outside. */
  readonly height: number | null
  readonly weights: Weights
}

/** Weights by bytes: where they begin, from a row and a channel of the source to the next; how one is read. */
export interface Weights {
  readonly at: Expr
  readonly row: number
  readonly channel: number
  readonly read: (at: Expr, channel: number, column: number) => Expr
}

/** Adds all products to the sums: channels in order, kernel rows, kernel columns. */
export function contract(b: Builder, c: Contraction): void {
  const { piece, rows, steps, weights } = c
  if (rows.taps === 0 || piece.meetings.length === 0) return
  const row = b.let('y', add(mul(c.i, rows.step), rows.start))
  const column = add(c.base, leastOffset(piece))
  const x = b.let('x', add(add(c.from, mul(row, steps.row)), mul(column, steps.pixel)))
  const w = b.let('w', add(weights.at, rows.first * weights.row))
  b.loop(c.channels, () => {
    b.loop(rows.taps, () => {
      if (c.height === null) rowOfTaps(b, c, x, w)
      else b.if(isRow(row, c.height), () => rowOfTaps(b, c, x, w))
      if (c.height !== null) b.bump(row, rows.apart)
      b.bump(x, rows.apart * steps.row)
      b.bump(w, rows.turn * weights.row)
    })
    if (c.channels === 1) return
    if (c.height !== null) b.bump(row, -rows.taps * rows.apart)
    b.bump(x, steps.plane - rows.taps * rows.apart * steps.row)
    b.bump(w, weights.channel - rows.taps * rows.turn * weights.row)
  })
}

/** Each pixel is read once for all that it meets. */
function rowOfTaps(b: Builder, { piece, sums, steps, weights }: Contraction, x: Expr, w: Expr): void {
  const channels = sums.length / piece.columns
  const columns = [...new Set(piece.meetings.map(({ weight }) => weight))].sort((p, q) => p - q)
  const read = new Map(
    columns.map((column) => [
      column,
      Array.from({ length: channels }, (_, a) => b.let('s', weights.read(w, a, column))),
    ]),
  )
  const least = leastOffset(piece)
  for (const [offset, met] of byOffset(piece)) {
    const v = b.let('v', loadVec(x, (offset - least) * steps.pixel))
    for (const { column, weight } of met)
      read.get(weight)?.forEach((s, a) => {
        const sum = sums[a * piece.columns + column] as Local
        b.set(sum.v, alu('fma', v, s, sum))
      })
  }
}

/** Results in registers: channels × columns. */
export interface Tile {
  readonly channels: number
  readonly columns: number
}

const cut = (count: number, tile: number): number[] =>
  Array.from({ length: Math.ceil(count / tile) }, (_, i) => Math.min(tile, count - i * tile))

/** Multiply-adds of a kernel row over all tiles, with the loads that feed them. */
function costOf(line: Line, channels: number, tile: Tile): number {
  let cost = 0
  for (const count of cut(channels, tile.channels))
    for (const piece of placed(line, tile.columns)) {
      const weights = new Set(piece.meetings.map(({ weight }) => weight)).size
      cost += count * piece.meetings.length + 0.5 * (count * weights + byOffset(piece).length) + 2
    }
  return cost
}

/** The tile of results of `channels` that costs least, of those that fit. */
export function tileOf(line: Line, channels: number, accumulators: number): Tile {
  const least = Math.min(line.phases.length, line.results)
  let best = { channels: 1, columns: least }
  for (let a = 1; a <= Math.min(4, channels); a++)
    for (let columns = least; columns <= Math.min(8, line.results); columns++) {
      if (a * columns > accumulators || (columns % line.phases.length !== 0 && columns !== line.results)) continue
      const tile = { channels: a, columns }
      if (costOf(line, channels, tile) < costOf(line, channels, best)) best = tile
    }
  return best
}
