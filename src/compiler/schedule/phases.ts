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
  for (let i = uses.length - 1; i >= 0; i--) {
    back[i] = 0
    for (let j = i + 1; j < uses.length; j++) {
      const need = relation(uses[i] ?? [], uses[j] ?? [])
      const after = back[j] ?? 0
      if (need !== 'none') back[i] = Math.max(back[i] ?? 0, need === 'barrier' ? after + 1 : after)
    }
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

/** What must lie between two kernels: nothing, their order in each member, or a meeting of all. */
function relation(earlier: readonly Use[], later: readonly Use[]): 'none' | 'order' | 'barrier' {
  let found: 'none' | 'order' = 'none'
  for (const a of earlier)
    for (const b of later) {
      const apart = a.place !== b.place || a.end <= b.begin || b.end <= a.begin
      if (apart || !(a.writes || b.writes)) continue
      if (!(a.byPicture && b.byPicture)) return 'barrier'
      found = 'order'
    }
  return found
}
