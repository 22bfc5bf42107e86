/**
 * How a team of threads shares a program: the definition that every renderer's step follows.
 * The batch is cut at multiples of the granule, for all kernels at the same places, so that what one member wrote of its
 * own pictures it may read again without meeting the others; other kernels' units are cut evenly.
 * No sum depends on the cuts. Not here: barriers (schedule/phases.ts), threads (device).
 */
import type { LoopKernel, Units } from './ir.js'

/** The units of a kernel for a batch of n pictures. */
export function unitCount(units: Units, n: number): number {
  return 'count' in units ? units.count : Math.ceil(n / units.pictures)
}

/** Shares of the batch are multiples of so many pictures: of the largest unit of the kernels. */
export function granuleOf(kernels: readonly LoopKernel[]): number {
  return kernels.reduce((most, { units }) => ('count' in units ? most : Math.max(most, units.pictures)), 1)
}

/** The units [lo, hi) that member `tid` of `nth` does of a kernel; `granule` is that of its program. */
export function shareOf(units: Units, n: number, tid: number, nth: number, granule: number): readonly [number, number] {
  const part = (whole: number, member: number): number => Math.floor((whole * member) / nth)
  if ('count' in units) return [part(units.count, tid), part(units.count, tid + 1)]
  const blocks = Math.ceil(n / granule)
  const cut = (member: number): number =>
    Math.min(unitCount(units, n), part(blocks, member) * (granule / units.pictures))
  return [cut(tid), cut(tid + 1)]
}

/**
 * The team's block of memory, as byte offsets from its address (a multiple of 64): how many have arrived at the barrier,
 * how often it was passed, whether a member failed, and how often a member looks before it sleeps.
 */
export const teamBlock = { arrived: 0, passed: 4, failed: 8, spins: 12, bytes: 64 } as const
