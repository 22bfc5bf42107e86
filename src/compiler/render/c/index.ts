/**
 * A program in C for gcc ≥ 9 and clang ≥ 10 (C11 and vector extensions), which the caller compiles for the machine at hand:
 * without contraction of products and sums (-ffp-contract=off), all else is the C's own. Kernels are functions that know no
 * address; the step, the same function for all programs, calls them as a table tells it, which `packProgram` makes.
 * The texts depend on the kernels alone. Not here: compiling and loading them (device).
 */
import { distinct } from '../../loop/same.js'
import type { Program } from '../../loop/ir.js'
import type { CSource } from './file.js'
import { kernelFunction } from './kernel.js'
import { prelude } from './prelude.js'
import { stepText } from './step.js'

export { abi } from './abi.js'
export { fileOf, type CPart, type CSource } from './file.js'
export { packProgram } from './pack.js'

const WIDTHS: readonly number[] = [4, 8, 16]

export interface CProgram {
  /** The kernels, each once: those of `distinct`. */
  readonly kernels: CSource
  /** One part, NAME(program, memory, table, tid, nth, team, look), and with it `lenet_kernel`(program, memory, table, index). */
  readonly step: CSource
}

export function renderC(program: Program): CProgram {
  const lanes = program.kernels[0]?.lanes ?? 4
  for (const kernel of program.kernels) {
    if (kernel.lanes !== lanes || !WIDTHS.includes(lanes))
      throw new Error(`kernel '${kernel.name}' has ${kernel.lanes} lanes; a C file has 4, 8 or 16, the same for all`)
  }
  return {
    kernels: { head: prelude(lanes), parts: distinct(program.kernels).kernels.map(kernelFunction) },
    step: { head: '', parts: [stepText] },
  }
}
