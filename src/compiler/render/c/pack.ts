/**
 * A program as the table that the step in C follows (`struct program` of step.ts): its kernels as calls, each with the
 * address of its function, and the phases in which they are called.
 * Not here: what becomes of it there.
 */
import { granuleOf, joinsBefore, partsOf, phasesOf, piecesOf } from '../../loop/team.js'
import type { LoopKernel, Program } from '../../loop/ir.js'

/** Marks a call of a phase before which squads meet. */
export const JOIN = 2 ** 31

/** Words of the table's head and of a call. */
const [HEAD, CALL] = [6, 6]

/**
 * The table, in memory that threads can share.
 * @param functions for each kernel of the program the address of its function
 */
export function packProgram(program: Program, functions: readonly bigint[]): Uint8Array {
  const { kernels, slots } = program
  const granule = granuleOf(kernels)
  const phases = phasesOf(program).flatMap(({ byPicture, counted }) => [
    byPicture.length,
    counted.length,
    counted.reduce((sum, i) => sum + piecesOf(kernels[i]?.units ?? { count: 0 }), 0),
    ...byPicture.map((kernel, i) => kernel + (i > 0 && joinsBefore(program, kernel) ? JOIN : 0)),
    ...counted,
  ])
  const phasesAt = HEAD + CALL * kernels.length
  const slotsAt = phasesAt + phases.length
  const length = slotsAt + slots.reduce((sum, own) => sum + own.length, 0)
  const words = new Uint32Array(new SharedArrayBuffer(4 * length))
  const addresses = new DataView(words.buffer)
  words.set([granule, Math.log2(granule), kernels.length, phasesOf(program).length, phasesAt, 0])
  words.set(phases, phasesAt)
  let at = slotsAt
  kernels.forEach((kernel, i) => {
    const call = HEAD + CALL * i
    addresses.setBigUint64(4 * call, functions[i] ?? 0n, isLittleEndian)
    words.set([at, ...unitWords(kernel, granule)], call + 2)
    words.set(slots[i] ?? [], at)
    at += slots[i]?.length ?? 0
  })
  return new Uint8Array(words.buffer)
}

/**
 * Units of a fixed number: how many, and pieces of a share as a power of two. Of pictures: how many a block has, its
 * pictures as a power of two, and how many units a granule has.
 */
function unitWords({ units }: LoopKernel, granule: number): [count: number, shift: number, perGranule: number] {
  if ('count' in units) return [units.count, Math.log2(piecesOf(units)), 0]
  const { count } = partsOf(units)
  return [count, Math.log2(units.pictures), (granule / units.pictures) * count]
}

const isLittleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1
