/**
 * The order of a program's kernels for a team, and where it must meet: kernels are put into as few phases as their
 * reads and writes allow, with a barrier between phases. Within a phase no member needs what another writes there.
 * Not here: who does which units (loop/team.ts), the barrier itself (renderers).
 */
import { unitBytes, type Alloc, type ScheduledKernel, type Value } from '../kernel.js'

export interface Phased {
  readonly kernels: readonly ScheduledKernel[]
  readonly barriers: readonly boolean[]
}

/**
 * Kernels that depend on one another keep their order; each runs in the last phase in which it can, near those that read
 * what it writes.
 */
export function intoPhases(
  kernels: readonly ScheduledKernel[],
  lanes: number,
  isHost: (leaf: Value) => boolean,
): Phased {
  const uses = kernels.map((kernel) => usesOf(kernel, lanes, isHost))
  // counted from the last phase back
  const back: number[] = []
  const later = new LaterUses()
  for (let i = uses.length - 1; i >= 0; i--) {
    back[i] = (uses[i] ?? []).reduce((most, use) => Math.max(most, later.leastBack(use)), 0)
    for (const use of uses[i] ?? []) later.add(use, back[i] ?? 0)
  }
  const isCounted = (i: number): number => Number('count' in (kernels[i]?.kernel.units ?? {}))
  const order = [...kernels.keys()].sort(
    (a, b) => (back[b] ?? 0) - (back[a] ?? 0) || isCounted(a) - isCounted(b) || a - b,
  )
  return {
    kernels: order.flatMap((i) => kernels[i] ?? []),
    barriers: order.map((i, at) => at > 0 && back[i] !== back[order[at - 1] ?? 0]),
  }
}

/** How a kernel touches one piece of memory. */
interface Use {
  /** Leaves on the device may be parts of one another, so they count as one; those of the host are alone. */
  readonly place: Alloc | Value | 'leaves'
  readonly begin: number
  readonly end: number
  readonly writes: boolean
  /** Each unit touches its own pictures' part alone. */
  readonly byPicture: boolean
}

function usesOf({ kernel, values }: ScheduledKernel, lanes: number, isHost: (leaf: Value) => boolean): Use[] {
  const pieces = 'pictures' in kernel.units
  return values.map((value, i) => {
    const { alloc, offset } = value
    const end = alloc?.per === 0 ? offset + unitBytes(value, lanes) : Infinity
    const place = alloc ?? (isHost(value) ? value : 'leaves')
    const writes = kernel.buffers[i] !== 'read'
    return { place, begin: offset, end, writes, byPicture: pieces && alloc !== null && alloc.per > 0 }
  })
}

/** What kernels behind do with each place, and in which phase, counted from the last. */
class LaterUses {
  readonly #readers = new Map<Use['place'], (readonly [Use, number])[]>()
  readonly #writers = new Map<Use['place'], (readonly [Use, number])[]>()

  add(use: Use, back: number): void {
    const places = use.writes ? this.#writers : this.#readers
    const known = places.get(use.place)
    if (known) known.push([use, back])
    else places.set(use.place, [[use, back]])
  }

  /** The phase, counted from the last, that a kernel with this use must not be behind. */
  leastBack(use: Use): number {
    let least = 0
    for (const places of use.writes ? [this.#readers, this.#writers] : [this.#writers])
      for (const [other, back] of places.get(use.place) ?? []) {
        if (use.end <= other.begin || other.end <= use.begin) continue
        // each member's own pictures need only its order, all else a meeting of all
        least = Math.max(least, use.byPicture && other.byPicture ? back : back + 1)
      }
    return least
  }
}
