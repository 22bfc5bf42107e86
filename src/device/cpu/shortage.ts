/**
 * What people are told when a plan does not fit into memory: what takes the room, and what would fit.
 * Not here: finding room (tenants.ts).
 */
import { LenetError } from '../../base/index.js'
import { allocBytes, type Arrangement, type Piece } from '../../compiler/index.js'
import { OutOfMemory } from '../backend.js'

const mib = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`

/** So many of the largest values are named. */
const named = 3

/**
 * The error to throw for one that was caught: a plan of these pieces has no room for a batch in a memory of `limit` bytes.
 * `arranged` gives the places of what a batch needs.
 */
export function tooLarge(
  error: unknown,
  pieces: readonly Piece[],
  batch: number,
  limit: number,
  arranged: (batch: number) => Arrangement,
): unknown {
  if (!(error instanceof OutOfMemory)) return error
  const bytesFor = (n: number): number => {
    const { keptBytes, arenaBytes } = arranged(n)
    return keptBytes + arenaBytes
  }
  const own = bytesFor(batch)
  // what cannot leave now could not for a smaller batch either
  const free = own - error.bytes + limit - error.used
  const size = batch > 1 ? ` for a batch of ${batch}` : ''
  return new LenetError(
    `no memory${size}: its values take ${mib(own)} at a time, and of ${mib(limit)} ${mib(Math.max(0, free))} can be had. ` +
      `The largest are ${largest(pieces, batch)}. ${advice(batch, free, bytesFor)}`,
    { cause: error },
  )
}

function largest(pieces: readonly Piece[], capacity: number): string {
  const sizes = new Map<string, number>()
  for (const piece of pieces) {
    const what = piece.what ?? 'working memory'
    sizes.set(what, Math.max(sizes.get(what) ?? 0, allocBytes(piece, capacity)))
  }
  const sorted = [...sizes].sort(([, a], [, b]) => b - a).slice(0, named)
  return sorted.map(([what, bytes]) => `${what} (${mib(bytes)})`).join(', ')
}

/** What fits, as far as one can know: inputs on the device are left out. */
function advice(batch: number, free: number, bytesFor: (n: number) => number): string {
  if (batch <= 1) return 'Use a smaller net or smaller pictures'
  let [fits, fails] = [0, batch]
  while (fails - fits > Math.max(1, fits >> 3)) {
    const middle = (fits + fails) >> 1
    if (bytesFor(middle) <= free) fits = middle
    else fails = middle
  }
  return fits > 0 ? `A batch of ${fits} fits` : 'Not even one picture fits: use a smaller net or smaller pictures'
}
