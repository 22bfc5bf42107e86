/**
 * The exactly rounded single-precision fused multiply-add, in plain arithmetic.
 * It is the meaning of `fma` wherever hardware has none (interpreter, references, random numbers).
 * Not here: fma in double precision, and the vector instructions (src/compiler).
 */

/** Halfway from the largest float32 to 2^128: from here on, magnitudes round to infinity. */
const OVERFLOW_TIE = 2 ** 128 - 2 ** 103
const MAX_FLOAT32 = 2 ** 128 - 2 ** 104

/**
 * `a * b + c` for float32 values, rounded once to float32 (to nearest, ties to even), as C's `fmaf`.
 * Arguments that are no float32 values give no promise.
 *
 * The product of two float32 is exact in a double; the sum is rounded there once and by `Math.fround` again.
 * The second rounding goes wrong only when the first lands exactly on a tie of float32, hiding on which side the
 * true value was; then the error of the sum (Knuth's two-sum) tells the side. This gives what rounding the
 * sum to odd would (Boldo & Melquiond, "Emulation of FMA and correctly rounded sums", 2008), without bit tricks.
 */
export function fmaf(a: number, b: number, c: number): number {
  const p = a * b
  const s = p + c
  const r = Math.fround(s)
  const d = s - r
  if (d === 0) return r
  // The mirror image of r about s: a float32 only when s is the tie between r and this neighbour.
  const other = r + 2 * d
  if (Math.fround(other) === other) return breakTie(p, c, s, r, other)
  if (s === OVERFLOW_TIE) return sumError(p, c, s) < 0 ? MAX_FLOAT32 : r
  if (s === -OVERFLOW_TIE) return sumError(p, c, s) > 0 ? -MAX_FLOAT32 : r
  return r
}

/** What rounding took away: `p + c = s + sumError` exactly, for finite values. */
function sumError(p: number, c: number, s: number): number {
  const cc = s - p
  return p - (s - cc) + (c - cc)
}

function breakTie(p: number, c: number, s: number, r: number, other: number): number {
  const e = sumError(p, c, s)
  if (e === 0) return r
  return e > 0 ? Math.max(r, other) : Math.min(r, other)
}
