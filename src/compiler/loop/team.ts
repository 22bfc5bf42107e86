/**
 * How a team of threads shares a program: the definition that every renderer's step follows.
 * The batch is cut at multiples of the granule, for all kernels at the same places, so that what one member wrote of its
 * own pictures it may read again without meeting the others; other kernels' units are cut evenly. Where there are too few
 * granules for the team, members form squads: a squad has granules as a member would, and its members do parts of each
 * kernel's blocks, meeting one another (and nobody else) between kernels.
 * Shares are where members begin. A share is a list of pieces – granules, where a member is a squad of its own, then the
 * pieces of counted kernels – which its owner takes one by one, and so do others who have done theirs (members whose number differs
 * in one bit, in turn): a member whose core is busy with something else does less.
 * Kernels of one phase that touch the same memory are all of pictures, or all of them only read it.
 * No sum depends on the cuts. Not here: barriers (schedule/phases.ts), threads (device).
 */
import type { LoopKernel, Parts, Program, Units } from './ir.js'

/** What lies between two barriers, as numbers of kernels. */
export interface Phase {
  /**
   * Kernels whose units are of pictures. A squad takes them through its share granule by granule, all kernels for the
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

/** Whether a squad meets before kernel i, one by picture that is not the first of its phase. */
export const joinsBefore = ({ joins }: Program, i: number): boolean => joins?.[i] ?? true

/** A phase's kernels by picture, cut where squads meet. */
export function squadRuns(program: Program, byPicture: readonly number[]): number[][] {
  const runs: number[][] = []
  byPicture.forEach((kernel, i) => {
    if (i === 0 || joinsBefore(program, kernel)) runs.push([kernel])
    else runs.at(-1)?.push(kernel)
  })
  return runs
}

const whole: Parts = { count: 1, pieces: 1 }

export const partsOf = (units: Units): Parts => ('pictures' in units ? (units.parts ?? whole) : whole)

/** The units of a kernel for a batch of n pictures. */
export function unitCount(units: Units, n: number): number {
  return 'count' in units ? units.count : Math.ceil(n / units.pictures) * partsOf(units).count
}

/** Shares of the batch are multiples of so many pictures: of the largest block of the kernels. */
export function granuleOf(kernels: readonly LoopKernel[]): number {
  return kernels.reduce((most, { units }) => ('count' in units ? most : Math.max(most, units.pictures)), 1)
}

/** The part [lo, hi) of `whole` pieces that member `tid` of `nth` does: units of a counted kernel, granules of a batch. */
export function shareOf(whole: number, tid: number, nth: number): readonly [number, number] {
  return [Math.floor((whole * tid) / nth), Math.floor((whole * (tid + 1)) / nth)]
}

/** Pieces of a counted kernel in a member's share. */
export const piecesOf = (units: Units): number => ('count' in units && !units.together ? 4 : 1)

/** The units [lo, hi) of piece i of member tid's share of a counted kernel. */
export function pieceOf(units: Units, i: number, tid: number, nth: number): readonly [number, number] {
  const pieces = piecesOf(units)
  return shareOf(unitCount(units, 0), pieces * tid + i, pieces * nth)
}

/** The units [lo, hi) of a kernel of pictures in granule `g`. */
export function unitsIn(units: Units, n: number, g: number, granule: number): readonly [number, number] {
  const count = unitCount(units, n)
  const each = 'pictures' in units ? (granule / units.pictures) * partsOf(units).count : 0
  return [Math.min(count, g * each), Math.min(count, (g + 1) * each)]
}

/**
 * How many squads a team of `nth` forms: as many as share the granules well, the largest share by a quarter more than the
 * mean at most, all of the same size.
 */
export function squadsFor(granules: number, nth: number): number {
  const isEven = (squads: number): boolean =>
    nth % squads === 0 && 4 * squads * Math.ceil(granules / squads) <= 5 * granules
  return Array.from({ length: nth }, (_, i) => nth - i).find(isEven) ?? nth
}

/** Squads for a batch of n: as many as members where squads have nothing to share. */
export function squadsOf(kernels: readonly LoopKernel[], n: number, nth: number): number {
  if (kernels.every(({ units }) => partsOf(units).count === 1)) return nth
  return squadsFor(Math.ceil(n / granuleOf(kernels)), nth)
}

/**
 * What units lo … hi − 1 are of a whole, in blocks of pictures or in counted units: parts of a block need not have as many
 * pieces.
 */
export function workOf(units: Units, [lo, hi]: readonly [number, number]): number {
  const { count, pieces } = partsOf(units)
  const before = (unit: number): number =>
    Math.floor(unit / count) + Math.floor((pieces * (unit % count)) / count) / pieces
  return before(hi) - before(lo)
}

/** A member's place: its squad, and its number there. */
export interface Place {
  readonly squad: number
  readonly rank: number
  /** Members of a squad. */
  readonly size: number
}

export function placeOf(tid: number, nth: number, squads: number): Place {
  const size = nth / squads
  return { squad: Math.floor(tid / size), rank: tid % size, size }
}

/** Of units lo … hi − 1, which a squad does, those of one member. */
export function rankShare([lo, hi]: readonly [number, number], { rank, size }: Place): readonly [number, number] {
  const [from, to] = shareOf(hi - lo, rank, size)
  return [lo + from, lo + to]
}

/** Bytes that no two threads should write by turns: a line of the cache. */
export const lineBytes = 64

/**
 * The team's block of memory, as byte offsets from its address (a multiple of a line): whether a member failed, how often a
 * member looks before it sleeps, how many squads there are (whoever calls a step says so), and barriers: the team's own,
 * with a line for each member, and the squads', as many lines again. Behind them a line for each member: how many pieces of
 * its share are taken, in the phases behind an even (word 0) and an odd (word 1) number of meetings of the team.
 */
export const teamBlock = { failed: 0, spins: 4, squads: 8, barriers: lineBytes } as const

/** Bytes of the block of a team of `nth`. */
export const teamBytes = (nth: number): number => teamBlock.barriers + 3 * nth * lineBytes

/**
 * A barrier of `size` members, as byte offsets from its address: how often it was passed and how many sleep there (waking
 * nobody would cost as much as a barrier), then a tree: a line for each `fan` members, in which they count who has arrived,
 * the last one going on to the next level, where the same is done with those lines, down to one.
 */
export const barrier = { passed: 0, sleeping: 4, tree: lineBytes, fan: 4 } as const
