/**
 * Checks that a run makes of its own values: a kernel raises a flag in memory, kernels that write leaves run only where no
 * flag is up, and who ran the plan looks at the flags. Not here: what is checked (lower/loss.ts), the error (device/cpu/bound.ts).
 */
import type { ScheduledKernel, Value } from '../kernel.js'
import { alu, int, loadInt } from '../loop/build.js'
import { behind } from './prepare.js'

/** Labels that must be classes. */
export interface Check {
  /** Three i32, the first 0 before the run: 1 where a label is wrong, that label, its picture. */
  readonly flag: Value
  readonly classes: number
}

/** The kernels, those that write leaves behind the flags. */
export function guarded(kernels: readonly ScheduledKernel[], checks: readonly Check[]): ScheduledKernel[] {
  const writesLeaf = ({ kernel, values }: ScheduledKernel): boolean =>
    values.some(({ alloc }, i) => alloc === null && kernel.buffers[i] !== 'read')
  return kernels.map((found) =>
    writesLeaf(found)
      ? checks.reduce((kernel, { flag }) => behind(flag, kernel, (at) => alu('ieq', loadInt(at), int(0))), found)
      : found,
  )
}
