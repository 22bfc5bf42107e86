/**
 * A program as one C file for gcc ≥ 9 and clang ≥ 10 (C11 and vector extensions), which the caller compiles for the
 * machine at hand: without contraction of products and sums (-ffp-contract=off), all else is the C's own.
 * The text depends on the program alone. Not here: compiling and loading it (device).
 */
import type { Program } from '../../loop/ir.js'
import { kernelFunction } from './kernel.js'
import { prelude } from './prelude.js'
import { stepText } from './step.js'

const WIDTHS: readonly number[] = [4, 8, 16]

/**
 * The program as one C file. It exports `lenet_step(memory, table, tid, nth, team, look)`, `lenet_kernel(memory, table, index)`
 * and the constants `lenet_abi` = 2 and `lenet_lanes`; `table` and `team` are byte offsets in `memory`.
 */
export function renderC(program: Program): string {
  const { kernels, slots } = program
  const lanes = kernels[0]?.lanes ?? 4
  for (const kernel of kernels) {
    if (kernel.lanes !== lanes || !WIDTHS.includes(lanes))
      throw new Error(`kernel '${kernel.name}' has ${kernel.lanes} lanes; a C file has 4, 8 or 16, the same for all`)
  }
  return [
    prelude(lanes),
    ...kernels.map((kernel, i) => kernelFunction(kernel, i, slots[i] ?? [])),
    stepText(program, lanes),
  ].join('\n')
}
