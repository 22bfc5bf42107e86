/**
 * The order of a program's kernels for a team, and where it must meet: kernels are put into as few phases as their
 * reads and writes allow, with a barrier between phases. Within a phase no member needs what another writes there.
 * Not here: who does which units (loop/team.ts), the barrier itself (renderers).
 */
import type { Access, LoopKernel } from '../loop/ir.js'
import { unitBytes, type Alloc, type ScheduledKernel, type Value } from '../kernel.js'

export interface Phased {
  readonly kernels: readonly ScheduledKernel[]
  readonly barriers: readonly boolean[]
}

/** Kernels that depend on one another keep their order; others move to the first phase in which they can run. */
export function intoPhases(kernels: readonly ScheduledKernel[], lanes: number): Phased {
  const uses = kernels.map((kernel) => usesOf(kernel, lanes))
  const phases: number[] = []
  uses.forEach((later, i) => {
    let phase = 0
    for (let j = 0; j < i; j++) {
      const need = relation(uses[j] ?? [], later)
      const before = phases[j] ?? 0
      if (need !== 'none') phase = Math.max(phase, need === 'barrier' ? before + 1 : before)
    }
    phases.push(phase)
  })
  const key = (i: number): number => 2 * (phases[i] ?? 0) + Number('count' in (kernels[i]?.kernel.units ?? {}))
  const order = [...kernels.keys()].sort((a, b) => key(a) - key(b) || a - b)
  return {
    kernels: order.flatMap((i) => kernels[i] ?? []),
    barriers: order.map((i, at) => at > 0 && phases[i] !== phases[order[at - 1] ?? 0]),
  }
}

/** How a kernel touches one piece of memory. */
interface Use {
  /** Leaves may be parts of one another, so they count as one. */
  readonly place: Alloc | 'leaves'
  readonly begin: number
  readonly end: number
  readonly writes: boolean
  /** Each unit touches its own pictures' part alone. */
  readonly byPicture: boolean
}

function usesOf({ kernel, values }: ScheduledKernel, lanes: number): Use[] {
  return values.map((value, i) => useOf(kernel, value, kernel.buffers[i] ?? 'both', lanes))
}

function useOf({ units }: LoopKernel, value: Value, access: Access, lanes: number): Use {
  const { alloc, offset } = value
  const byPicture = 'pictures' in units && alloc !== null && alloc.per > 0
  const bytes = alloc && alloc.per === 0 ? unitBytes(value, lanes) : Infinity
  return { place: alloc ?? 'leaves', begin: offset, end: offset + bytes, writes: access !== 'read', byPicture }
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
