/**
 * Whole numbers divided by a constant, in loop IR: a multiplication and a shift (Granlund and Montgomery 1994).
 * Not here: powers of two, which are shifts (loop/build.ts).
 */
import { LenetError } from '../../base/index.js'
import { alu, int, splat, typeOf } from '../loop/build.js'
import type { Expr } from '../loop/ir.js'
import type { KernelBuilder } from '../kernel.js'

/** q · factor >>> shift is q / divisor, rounded down; where not `exact` it may be one less. */
interface Divider {
  readonly factor: number
  readonly shift: number
  readonly exact: boolean
}

/** A multiplication and a shift that divide every q < limit by `divisor`; `exact` ones are checked for all of them. */
export function divider(divisor: number, limit: number): Divider {
  for (let shift = 8; shift < 31; shift++) {
    const factor = Math.ceil(2 ** shift / divisor)
    if (factor * limit >= 2 ** 31) break
    let exact = true
    for (let q = divisor - 1; q < limit && exact; q += divisor)
      exact = (q * factor) >>> shift === (q + 1) / divisor - 1 && ((q + 1) * factor) >>> shift === (q + 1) / divisor
    if (exact) return { factor, shift, exact }
  }
  // A factor rounded down is too small by less than 1, the quotient by less than limit / 2^shift.
  const shift = 32 - Math.ceil(Math.log2(limit / divisor))
  if (limit > 2 ** shift)
    throw new LenetError(`conv2d: a result of ${limit / divisor} × ${divisor} is too large to be pooled and trained`)
  return { factor: Math.floor(2 ** shift / divisor), shift, exact: false }
}

/** ⌊q / divisor⌋ of an i32 or of vectors of them, 0 ≤ q < limit. */
export function quotient(b: KernelBuilder, q: Expr, divisor: number, limit: number): Expr {
  const { factor, shift, exact } = divider(divisor, limit)
  const constant = (value: number): Expr => (typeOf(q) === 'i32v' ? splat(int(value)) : int(value))
  const found = alu('ishru', alu('imul', q, constant(factor)), int(shift))
  if (exact) return found
  const y = b.let('y', found)
  const rest = alu('isub', q, alu('imul', y, constant(divisor)))
  return alu('iadd', alu('iadd', y, constant(1)), alu('ilt', rest, constant(divisor)))
}
