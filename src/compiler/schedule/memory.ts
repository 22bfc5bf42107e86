/**
 * Where a plan's values lie: those that are never alive in the same phase may have one place. What outlives the run has a
 * place of its own; all else shares one arena, which other plans use too.
 * Not here: phases (phases.ts), memory itself (tensor/).
 */
import { slackBytes, type Alloc } from '../kernel.js'

/** From the phase that first touches it to the last that does; −1 is before the run. */
export interface Life {
  readonly first: number
  readonly last: number
}

/** A piece of memory, how long its values are needed, and whether they are to be there after the run. */
export interface Piece extends Alloc, Life {
  readonly kept: boolean
  /** What is in it, for people. */
  readonly what?: string | undefined
}

export interface Arrangement {
  /** Of each piece: in the memory of what is kept, else in the arena. */
  readonly offsets: readonly number[]
  readonly keptBytes: number
  readonly arenaBytes: number
}

/** Bytes of an allocation for batches of up to `capacity` pictures (a multiple of 8). */
export const allocBytes = (alloc: Alloc, capacity: number): number =>
  (alloc.per === 0 ? alloc.bytes : alloc.bytes * Math.ceil(capacity / alloc.per)) + slackBytes

const aligned = (bytes: number): number => Math.ceil(bytes / 64) * 64

interface Placed extends Life {
  readonly begin: number
  readonly end: number
}

/**
 * Places for batches of up to `capacity` pictures: the largest pieces first, each as low as those alive with it allow.
 * @param atOnce pictures of a run: only what is kept has room for all
 */
export function arrange(pieces: readonly Piece[], capacity: number, atOnce = capacity): Arrangement {
  const inRun = Math.min(capacity, atOnce)
  const sizes = pieces.map((piece) => aligned(allocBytes(piece, piece.kept ? capacity : inRun)))
  const offsets: number[] = []
  let keptBytes = 0
  pieces.forEach(({ kept }, i) => {
    if (!kept) return
    offsets[i] = keptBytes
    keptBytes += sizes[i] ?? 0
  })
  const passing = [...pieces.keys()].filter((i) => !pieces[i]?.kept)
  passing.sort((a, b) => (sizes[b] ?? 0) - (sizes[a] ?? 0) || (pieces[a]?.first ?? 0) - (pieces[b]?.first ?? 0))
  const placed: Placed[] = [] // by where they begin
  for (const i of passing) {
    const { first, last } = pieces[i] as Piece
    const begin = lowest(placed, { first, last }, sizes[i] ?? 0)
    offsets[i] = begin
    insert(placed, { first, last, begin, end: begin + (sizes[i] ?? 0) })
  }
  return { offsets, keptBytes, arenaBytes: placed.reduce((most, { end }) => Math.max(most, end), 0) }
}

const meet = (a: Life, b: Life): boolean => a.first <= b.last && b.first <= a.last

/** The lowest place for so many bytes that are needed so long. */
function lowest(placed: readonly Placed[], life: Life, size: number): number {
  let at = 0
  for (const other of placed) {
    if (!meet(other, life)) continue
    if (other.begin - at >= size) break
    at = Math.max(at, other.end)
  }
  return at
}

function insert(placed: Placed[], one: Placed): void {
  let low = 0
  let high = placed.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((placed[middle]?.begin ?? 0) < one.begin) low = middle + 1
    else high = middle
  }
  placed.splice(low, 0, one)
}

/** Throws where two pieces that are alive together overlap: a check of `arrange` that knows nothing of how it works. */
export function checkArrangement(pieces: readonly Piece[], { offsets }: Arrangement, capacity: number): void {
  pieces.forEach((a, i) => {
    const [begin, end] = [offsets[i] ?? NaN, (offsets[i] ?? NaN) + allocBytes(a, capacity)]
    if (!(begin >= 0) || begin % 64 !== 0) throw new Error(`piece ${i} lies at ${begin}`)
    for (let j = 0; j < i; j++) {
      const b = pieces[j] as Piece
      if (a.kept !== b.kept || (!a.kept && !meet(a, b))) continue
      const other = offsets[j] ?? NaN
      if (begin < other + allocBytes(b, capacity) && other < end) throw new Error(`pieces ${j} and ${i} overlap`)
    }
  })
}
