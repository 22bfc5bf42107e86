/** What a run of the benchmark measures: parts, sizes and times. Not here: doing it (run.node.ts). */
import { articleNets, type NetName } from './nets.js'

export const parts = ['train', 'kernels', 'batch', 'width', 'threads', 'predict'] as const
export type Part = (typeof parts)[number]

export interface BenchPlan {
  readonly nets: readonly NetName[]
  readonly parts: readonly Part[]
  /** Everybody is measured once in each. */
  readonly rounds: number
  /** Of each participant in each round. */
  readonly seconds: number
  /** Of each participant, before its first round. */
  readonly warmSeconds: number
  readonly peakSeconds: number
  readonly batches: readonly number[]
  readonly widths: readonly number[]
  readonly cores: number
}

export interface PlanOptions {
  readonly quick?: boolean
  readonly nets?: readonly NetName[]
  readonly parts?: readonly Part[]
  readonly rounds?: number
}

/** Three rounds of 1.5 s each; quick: one of half a second, and fewer sizes. */
export function planOf(
  { quick = false, nets = articleNets, parts: chosen = parts, rounds }: PlanOptions,
  cores: number,
): BenchPlan {
  const times = quick
    ? { rounds: 1, seconds: 0.5, warmSeconds: 0.5, peakSeconds: 0.1, batches: [8, 32, 128], widths: [1, 2] }
    : {
        rounds: 3,
        seconds: 1.5,
        warmSeconds: 2,
        peakSeconds: 0.2,
        batches: [8, 16, 32, 64, 128, 256, 512],
        widths: [1, 2, 4, 8],
      }
  return { ...times, ...(rounds === undefined ? {} : { rounds }), nets, parts: chosen, cores }
}

/** One, all, and with the part `threads` the powers of two between. */
export function threadCounts({ cores, parts: chosen }: Pick<BenchPlan, 'cores' | 'parts'>): number[] {
  const powers = Array.from({ length: 16 }, (_, i) => 2 ** i).filter((count) => count < cores)
  return [...new Set([1, ...(chosen.includes('threads') ? powers : []), cores])]
}
