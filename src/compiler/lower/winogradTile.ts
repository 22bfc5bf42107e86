/**
 * The transforms of Winograd's F(2×2, 3×3) on one tile, a number of each lane (Lavin & Gray 2016, §4.1), in the order of sums
 * of docs/decisions/0010-winograd.md; and which convs are computed so.
 * Not here: where numbers lie, the products (winograd.ts, winogradPixels.ts).
 */
import { alu, float } from '../loop/build.js'
import type { Expr } from '../loop/ir.js'
import type { KernelBuilder } from '../kernel.js'

/** A line of a tile, and what its transform gives. */
type Line = readonly [Expr, Expr, Expr, Expr]
type Pair = readonly [Expr, Expr]

/** Points of a tile: its 4 × 4 products. */
export const points = 16

/** Fewer channels would not pay for the transforms. winograd.ts relies on C being no less than any vector's lanes. */
const fewestChannels = 16

/**
 * Whether a conv is computed this way: by its own shape alone, since it is another order of sums.
 * @param weight [O, C, kH, kW] @param out rows and columns of the whole result, before any pool
 */
export function isWinograd(
  [, C = 0, kH, kW]: readonly number[],
  stride: readonly [number, number],
  [OH, OW]: readonly [number, number],
): boolean {
  if (kH !== 3 || kW !== 3 || stride[0] !== 1 || stride[1] !== 1 || C < fewestChannels) return false
  return points * Math.ceil(OH / 2) * Math.ceil(OW / 2) <= 0.7 * 9 * OH * OW
}

const sum = (a: Expr, b: Expr): Expr => alu('fadd', a, b)
const difference = (a: Expr, b: Expr): Expr => alu('fsub', a, b)

/** G g Gᵀ of a kernel's nine taps: its 16 points, row by row. */
export function weightPoints(b: KernelBuilder, taps: readonly Expr[]): Expr[] {
  const tap = (i: number): Expr => taps[i] ?? float(0)
  const columns = [0, 1, 2].map((x) => weightLine(b, tap(x), tap(3 + x), tap(6 + x)))
  return [0, 1, 2, 3].flatMap((y) => {
    const at = (x: number): Expr => columns[x]?.[y] ?? float(0)
    return weightLine(b, at(0), at(1), at(2))
  })
}

function weightLine(b: KernelBuilder, g0: Expr, g1: Expr, g2: Expr): Line {
  const ends = b.let('ends', sum(g0, g2))
  const half = (e: Expr): Expr => b.let('u', alu('fmul', e, float(0.5)))
  return [g0, half(sum(ends, g1)), half(difference(ends, g1)), g2]
}

/** Value i of each of four lines: a line the other way. */
const across = (i: number, [a, b, c, d]: readonly [Line, Line, Line, Line]): Line => {
  const at = (line: Line): Expr => line[i] as Expr
  return [at(a), at(b), at(c), at(d)]
}

/** Which of a tile's 4 × 4 inputs exist: rows from `top` (default 0) to before `rows`, columns likewise. */
export interface Exists {
  readonly top?: number
  readonly rows: number
  readonly left?: number
  readonly columns: number
}

/**
 * Bᵀ d B of 4 × 4 inputs, each point stored as soon as it is there. Inputs that do not exist are 0: they change no result
 * that does.
 */
export function inputPoints(
  b: KernelBuilder,
  exists: Exists,
  load: (i: number, j: number) => Expr,
  store: (point: number, value: Expr) => void,
): void {
  const { rows, columns: wide, top = 0, left = 0 } = exists
  const isThere = (i: number, j: number): boolean => i >= top && i < rows && j >= left && j < wide
  const at = (i: number, j: number): Expr => (isThere(i, j) ? b.let('d', load(i, j)) : float(0))
  const column = (j: number): Line => inputLine(b, [at(0, j), at(1, j), at(2, j), at(3, j)])
  const columns = [column(0), column(1), column(2), column(3)] as const
  for (let i = 0; i < 4; i++) inputLine(b, across(i, columns)).forEach((value, j) => store(4 * i + j, value))
}

function inputLine(b: KernelBuilder, [d0, d1, d2, d3]: Line): Line {
  const of = (e: Expr): Expr => b.let('t', e)
  return [of(difference(d0, d2)), of(sum(d1, d2)), of(difference(d2, d1)), of(difference(d1, d3))]
}

/** Aᵀ M A of a tile's products: its 2 × 2 results, row by row. The bias is added to the product that is part of all four. */
export function outputResults(b: KernelBuilder, load: (point: number) => Expr, bias: Expr | null): Line {
  const at = (i: number, j: number): Expr => {
    const value = load(4 * i + j)
    return b.let('p', bias && i === 1 && j === 1 ? sum(value, bias) : value)
  }
  const column = (j: number): Pair => outputLine(b, [at(0, j), at(1, j), at(2, j), at(3, j)])
  const [c0, c1, c2, c3] = [column(0), column(1), column(2), column(3)]
  const upper = outputLine(b, [c0[0], c1[0], c2[0], c3[0]])
  return [...upper, ...outputLine(b, [c0[1], c1[1], c2[1], c3[1]])]
}

function outputLine(b: KernelBuilder, [m0, m1, m2, m3]: Line): Pair {
  const of = (e: Expr): Expr => b.let('y', e)
  return [of(sum(sum(m0, m1), m2)), of(difference(difference(m1, m2), m3))]
}
