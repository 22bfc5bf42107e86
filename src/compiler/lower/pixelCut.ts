/**
 * How kernels of few pictures are shared by threads: picture by picture, or each picture in parts, so that one picture
 * keeps them all busy. A part is a piece of a result's rows, columns or channels; no sum is cut.
 * Not here: which of the two (schedule/few.ts), what a kernel does with a part (pixels.ts and its neighbours).
 */
import { alu, batchSize, int, mul } from '../loop/build.js'
import type { Expr, Units } from '../loop/ir.js'
import type { KernelBuilder } from '../kernel.js'

/** Pieces of an axis that one call does: from … to − 1. */
export interface Part {
  readonly from: Expr
  readonly to: Expr
}

/** What this call does of a kernel whose units are pieces. */
export const partOf = (b: KernelBuilder): Part => ({ from: { k: 'var', v: b.lo }, to: { k: 'var', v: b.hi } })

/**
 * Calls back for each picture of this call: whole ones, or (`parts` is not null) of all pictures one part of so many.
 * @returns the kernel's units
 */
export function forPictures(
  b: KernelBuilder,
  parts: number | null,
  body: (picture: Expr, part: Part | null) => void,
): Units {
  if (parts === null) {
    b.forUnits((picture) => body(picture, null))
    return { pictures: 1 }
  }
  b.for('picture', 0, batchSize, 1, (picture) => body(picture, partOf(b)))
  return { count: parts }
}

export const roundUp = (count: number, step: number): number => Math.ceil(count / step) * step

/**
 * Calls back with the start (i32) and size of each piece of `count`: whole ones of `tile` in a loop, then the rest.
 * With `part`: only for its pieces.
 */
export function pieces(
  b: KernelBuilder,
  count: number,
  tile: number,
  part: Part | null,
  body: (start: Expr, size: number) => void,
): void {
  const whole = Math.floor(count / tile)
  const rest = count - whole * tile
  if (part) return somePieces(b, { whole, rest, tile }, part, body)
  if (whole === 1) body(int(0), tile)
  else if (whole > 1) b.for('i', 0, whole * tile, tile, (i) => body(i, tile))
  if (rest > 0) body(int(whole * tile), rest)
}

function somePieces(
  b: KernelBuilder,
  { whole, rest, tile }: { whole: number; rest: number; tile: number },
  { from, to }: Part,
  body: (start: Expr, size: number) => void,
): void {
  const end = rest > 0 ? alu('imin', to, int(whole)) : to
  if (whole > 0) b.for('i', from, end, 1, (i) => body(mul(i, tile), tile))
  if (rest > 0) b.if(alu('ilt', int(whole), to), () => body(int(whole * tile), rest))
}

/** All of an axis, one after the other, or a part of it. */
export function forEach(b: KernelBuilder, count: number, part: Part | null, body: (i: Expr) => void): void {
  b.for('i', part?.from ?? 0, part?.to ?? count, 1, body)
}

/** The larger of two i32. */
export const imax = (x: Expr, y: Expr): Expr => alu('iselect', alu('ilt', x, y), y, x)

/** Threads that pieces should be even for. */
const teams = [2, 4, 8, 16]

/** How much more than its share the busiest of a team has to do of so many equal pieces; the mean over teams. */
export const unevenness = (count: number): number =>
  teams.reduce((sum, team) => sum + (Math.ceil(count / team) * team) / count, 0) / teams.length
