/**
 * Sums over the pictures of a batch in lanes: groups of 8 in order, each in order, lane by lane, since padding lanes must
 * not count. Not here: sums within a picture (reduce.ts, channels.ts).
 */
import { add, alu, batchSize, floorDiv, float, int, mul, sub } from '../loop/build.js'
import type { Expr, Var } from '../loop/ir.js'
import { groupsOf, groupSize, type KernelBuilder } from '../kernel.js'

type Local = { k: 'var'; v: Var }

/** Σ of `count` terms of each picture; `terms` gets the byte at which the picture's value begins in lanes of `rest` numbers. */
export function sumsOverPictures(
  b: KernelBuilder,
  rest: number,
  count: number,
  terms: (start: Expr, picture: Expr) => readonly Expr[],
): readonly Local[] {
  const totals = Array.from({ length: count }, () => b.let('total', float(0)))
  const left = b.let('left', batchSize)
  const picture = b.let('picture', int(0))
  b.loop(groupsOf, () => {
    const sums = totals.map(() => b.let('sum', float(0)))
    const addTo = (to: readonly Local[], values: readonly Expr[]): void =>
      to.forEach((sum, i) => b.set(sum.v, alu('fadd', sum, values[i] as Expr)))
    b.loop(alu('imin', left, int(groupSize)), () => {
      const block = mul(floorDiv(picture, b.lanes), rest * b.width)
      const lane = mul(alu('iand', picture, int(b.lanes - 1)), 4)
      addTo(sums, terms(add(block, lane), picture))
      b.set(picture.v, add(picture, 1))
    })
    addTo(totals, sums)
    b.set(left.v, sub(left, groupSize))
  })
  return totals
}
