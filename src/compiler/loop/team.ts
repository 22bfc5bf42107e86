/**
 * How a team of threads shares a program: the definition that every renderer's step follows.
 * The batch is cut at multiples of the granule, for all kernels at the same places, so that what one member wrote of its
 * own pictures it may read again without meeting the others; other kernels' units are cut evenly.
 * Kernels of one phase that touch the same memory are all of pictures, or all of them only read it.
 * No sum depends on the cuts. Not here: barriers (schedule/phases.ts), threads (device).
 */
import type { LoopKernel, Program, Units } from './ir.js'

/** What lies between two barriers, as numbers of kernels. */
export interface Phase {
  /**
   * Kernels whose units are of pictures. A member takes them through its share granule by granule, all kernels for the
   * one before the first for the next, so that what one kernel wrote is still in the cache when the next reads it.
   */
  readonly byPicture: readonly number[]
  /** Kernels of a fixed number of units, after those. */
  readonly counted: readonly number[]
}

export function phasesOf({ kernels, barriers }: Program): Phase[] {
  const phases: { byPicture: number[]; counted: number[] }[] = []
  kernels.forEach(({ units }, i) => {
    if (i === 0 || barriers[i]) phases.push({ byPicture: [], counted: [] })
    phases.at(-1)?.['count' in units ? 'counted' : 'byPicture'].push(i)
  })
  return phases
}

/** The units of a kernel for a batch of n pictures. */
export function unitCount(units: Units, n: number): number {
  return 'count' in units ? units.count : Math.ceil(n / units.pictures)
}

/** Shares of the batch are multiples of so many pictures: of the largest unit of the kernels. */
export function granuleOf(kernels: readonly LoopKernel[]): number {
  return kernels.reduce((most, { units }) => ('count' in units ? most : Math.max(most, units.pictures)), 1)
}

/** The part [lo, hi) of `whole` pieces that member `tid` of `nth` does: units of a counted kernel, granules of a batch. */
export function shareOf(whole: number, tid: number, nth: number): readonly [number, number] {
  return [Math.floor((whole * tid) / nth), Math.floor((whole * (tid + 1)) / nth)]
}

/** The units [lo, hi) of a kernel of pictures in granule `g`. */
export function unitsIn(pictures: number, n: number, g: number, granule: number): readonly [number, number] {
  const cut = (at: number): number => Math.min(Math.ceil(n / pictures), at * (granule / pictures))
  return [cut(g), cut(g + 1)]
}

/**
 * The team's block of memory, as byte offsets from its address (a multiple of 64): how many have arrived at the barrier,
 * how often it was passed, whether a member failed, how often a member looks before it sleeps, and how many
 * sleep there: waking nobody would cost as much as a barrier.
 */
export const teamBlock = { arrived: 0, passed: 4, failed: 8, spins: 12, sleeping: 16, bytes: 64 } as const
