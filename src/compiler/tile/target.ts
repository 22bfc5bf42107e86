/**
 * What a plan must know of the machine that runs it. It changes speed and layout in memory, never a result.
 * Not here: how a machine spells anything (render/).
 */
import { groupSize } from '../kernel.js'
import { squadsFor } from '../loop/team.js'

export interface Target {
  /** float32 numbers in a vector, and pictures in a block of values in lanes: 4, 8 or 16. */
  readonly lanes: number
  /** Vectors of sums that a kernel's inner loop may keep in registers. */
  readonly accumulators: number
  /** Vector registers that sums and operands may fill; default: 3 more than the sums. */
  readonly registers?: number
  /** Vectors that kernels can have instead; default: those of `lanes` alone. */
  readonly widths?: readonly number[]
  /** Members of a team share pictures: kernels that need scratch memory take it for each part of a block. Default false. */
  readonly isParted?: boolean
  /** What was measured to be best for a kernel, one of the candidates; undefined: the first of them. */
  readonly tuned?: Tuned
}

/** @param key the kernel and its shape @param candidates names of choices, the cost model's first */
export type Tuned = (key: string, candidates: readonly string[]) => string | undefined

/** V8 spills beyond 8 sums and 3 operands, whatever the processor has. */
export const wasmTarget: Target = { lanes: 4, accumulators: 8 }

/** C: all registers but some for operands. @param registers vector registers of the processor, 16 or 32 @param most its lanes */
export const nativeTarget = (lanes: number, registers: number, most: number = lanes): Target => ({
  lanes,
  accumulators: registers - 8,
  registers,
  widths: [4, 8, 16].filter((width) => width <= most),
})

/**
 * As many lanes as the processor has, but none empty that need not be, and no member of a team without a block of pictures:
 * gradients go by groups of 8 pictures, so fewer lanes than those help nobody.
 */
export function lanesFor(most: number, batch: number, threads: number): number {
  const blocks = Math.min(threads, Math.ceil(batch / groupSize))
  let lanes = most
  while (lanes > 4 && (lanes >= 2 * batch || Math.ceil(batch / lanes) < blocks)) lanes /= 2
  return lanes
}

/** The target for a team of so many that computes batches of so many pictures. */
export function forTeam(target: Target, batch: number, threads: number): Target {
  const granules = Math.ceil(batch / Math.max(groupSize, target.lanes))
  return squadsFor(granules, threads) < threads ? { ...target, isParted: true } : target
}

/** What a target says of its registers. */
export interface Registers {
  readonly accumulators: number
  readonly registers?: number | undefined
}

/** Whether so many sums, with so many operands that their loop keeps, fit into a target's registers. */
export const fitsRegisters = (
  { accumulators, registers = accumulators + 3 }: Registers,
  sums: number,
  operands: number,
): boolean => sums + operands <= registers
