/**
 * Directions cut into tiles: whole ones and a rest. Not here: how large a tile is (tile/), what is done with one.
 */
import type { KernelBuilder } from '../kernel.js'
import { alu, int, mul, sub } from '../loop/build.js'
import type { Expr } from '../loop/ir.js'
import { quotient } from './divide.js'

/** A direction that is cut into tiles. */
export interface Cuts {
  readonly name: string
  readonly count: number
  readonly tile: number
}

export const cutsIn = ({ count, tile }: Pick<Cuts, 'count' | 'tile'>): number => Math.ceil(count / tile)

/** Tile i of a direction: calls back with its start and size. */
export function tileAt(
  b: KernelBuilder,
  i: Expr,
  { count, tile }: Omit<Cuts, 'name'>,
  body: (start: Expr, size: number) => void,
): void {
  const whole = Math.floor(count / tile)
  const rest = count - whole * tile
  if (rest === 0) return body(mul(i, tile), tile)
  if (whole === 0) return body(int(0), rest)
  b.if(
    alu('ilt', i, int(whole)),
    () => body(b.let('start', mul(i, tile)), tile),
    () => body(int(whole * tile), rest),
  )
}

/** Tiles from … to − 1 of two directions, the second one inside the first; calls back with the starts and sizes of both. */
export function tilePairs(
  b: KernelBuilder,
  [outer, inner]: readonly [Cuts, Cuts],
  from: Expr,
  to: Expr,
  body: (start: Expr, size: number, innerStart: Expr, innerSize: number) => void,
): void {
  const [many, few] = [cutsIn(outer), cutsIn(inner)]
  const pair = (i: Expr, j: Expr): void =>
    tileAt(b, i, outer, (start, size) => tileAt(b, j, inner, (next, count) => body(start, size, next, count)))
  b.for('tile', from, to, 1, (t) => {
    if (many === 1) return pair(int(0), t)
    if (few === 1) return pair(t, int(0))
    const i = b.let(outer.name, quotient(b, t, few, many * few))
    pair(i, b.let(inner.name, sub(t, mul(i, few))))
  })
}

/** Cuts 0 … count into steps of `tile` and a rest; calls back with a start (i32) and the tile's size. */
export function tiles(
  b: KernelBuilder,
  name: string,
  count: number,
  tile: number,
  body: (start: Expr, size: number) => void,
): void {
  const whole = Math.floor(count / tile) * tile
  if (whole === tile) body(int(0), tile)
  else if (whole > 0) b.for(name, 0, whole, tile, (i) => body(i, tile))
  if (count > whole) body(int(whole), count - whole)
}
