/**
 * The order of a program's kernels for a team, and where it must meet: kernels are put into as few phases as their
 * reads and writes allow, with a barrier between phases. Within a phase no member needs what another writes there.
 * Not here: who does which units (loop/team.ts), the barrier itself (renderers), where values lie (memory.ts).
 */
import { unitBytes, type Alloc, type ScheduledKernel, type Value } from '../kernel.js'

export interface Phased {
  readonly kernels: readonly ScheduledKernel[]
  readonly barriers: readonly boolean[]
  /** See `Program`. */
  readonly joins: readonly boolean[]
}

export interface PhaseOptions {
  readonly lanes: number
  /** Whether a leaf's values come from the host. */
  readonly isHost: (leaf: Value) => boolean
  /** All meet between any two kernels that depend on one another, but where the later one writes little. */
  readonly apart: boolean
}

/**
 * Kernels that depend on one another keep their order. Each runs in the last phase in which it can, near those that read
 * what it writes; one that writes less than it reads in the first, so that the memory of what it reads is free soon.
 */
export function intoPhases(kernels: readonly ScheduledKernel[], options: PhaseOptions): Phased {
  const uses = kernels.map((kernel) => usesOf(kernel, options))
  const back: number[] = [] // the latest phase, counted from the last one
  const later = new OtherUses((_, other) => !options.apart || other.little)
  for (let i = uses.length - 1; i >= 0; i--) {
    back[i] = later.steps(uses[i] ?? [], back)
    later.add(uses[i] ?? [], i)
  }
  const last = Math.max(0, ...back)
  const phases: number[] = []
  const earlier = new OtherUses((own) => !options.apart || own.little)
  uses.forEach((own, i) => {
    const first = earlier.steps(own, phases)
    phases[i] = writesLess(own) ? first : last - (back[i] ?? 0)
    earlier.add(own, i)
  })
  return inOrder(kernels, uses, phases)
}

function inOrder(kernels: readonly ScheduledKernel[], uses: readonly Use[][], phases: readonly number[]): Phased {
  const phase = (i: number): number => phases[i] ?? 0
  const isCounted = (i: number): number => Number('count' in (kernels[i]?.kernel.units ?? {}))
  const order = [...kernels.keys()].sort((a, b) => phase(a) - phase(b) || isCounted(a) - isCounted(b) || a - b)
  const barriers = order.map((i, at) => at > 0 && phase(i) !== phase(order[at - 1] ?? 0))
  return {
    kernels: order.flatMap((i) => kernels[i] ?? []),
    barriers,
    joins: joinsIn(
      order.map((i) => uses[i] ?? []),
      barriers,
    ),
  }
}

/** Where members who do parts of the same pictures meet: before what touches something that was written since they last did. */
function joinsIn(uses: readonly Use[][], barriers: readonly boolean[]): boolean[] {
  let since: Use[] = []
  return uses.map((own, i) => {
    const joins = own.some((use) => since.some((other) => (use.writes || other.writes) && overlap(use, other)))
    if (barriers[i] || joins) since = []
    since.push(...own)
    return joins && !barriers[i]
  })
}

const overlap = (a: Use, b: Use): boolean => a.place === b.place && a.begin < b.end && b.begin < a.end

/** How a kernel touches one piece of memory. */
interface Use {
  /** Leaves on the device may be parts of one another, so they count as one; those of the host are alone. */
  readonly place: Alloc | Value | 'leaves'
  readonly begin: number
  readonly end: number
  readonly writes: boolean
  /** Each unit touches its own pictures' part alone. */
  readonly byPicture: boolean
  /** The kernel writes little: what it reads need not live longer, nor much more with it, when it runs right behind. */
  readonly little: boolean
  /** Bytes of a batch of usual size; 0 of leaves, whose memory is never free. */
  readonly bytes: number
}

const usualBatch = 32
/** Of a batch of usual size. */
const littleBytes = 1024 * usualBatch

function usesOf({ kernel, values }: ScheduledKernel, { lanes, isHost }: PhaseOptions): Use[] {
  const pieces = 'pictures' in kernel.units
  const uses = values.map((value, i) => {
    const { alloc, offset } = value
    const end = alloc?.per === 0 ? offset + unitBytes(value, lanes) : Infinity
    const place: Use['place'] = alloc ?? (isHost(value) ? value : 'leaves')
    const writes = kernel.buffers[i] !== 'read'
    const bytes = alloc ? alloc.bytes * (alloc.per === 0 ? 1 : usualBatch / alloc.per) : 0
    return { place, begin: offset, end, writes, byPicture: pieces && alloc !== null && alloc.per > 0, bytes }
  })
  const { written, read } = traffic(uses)
  const little = written <= Math.max(read / 4, littleBytes)
  return uses.map((use) => ({ ...use, little }))
}

function traffic(uses: readonly Pick<Use, 'writes' | 'bytes'>[]): { written: number; read: number } {
  const sum = (writes: boolean): number =>
    uses.reduce((bytes, use) => bytes + (use.writes === writes ? use.bytes : 0), 0)
  return { written: sum(true), read: sum(false) }
}

function writesLess(uses: readonly Use[]): boolean {
  const { written, read } = traffic(uses)
  return written < read
}

/** Whether kernels may share a phase, as far as each needs only its own pictures of the other. */
type Together = (own: Use, other: Use) => boolean

/** What kernels on one side, behind or before, do with each place. */
class OtherUses {
  readonly #together: Together
  readonly #readers = new Map<Use['place'], (readonly [Use, number])[]>()
  readonly #writers = new Map<Use['place'], (readonly [Use, number])[]>()

  constructor(together: Together) {
    this.#together = together
  }

  add(uses: readonly Use[], kernel: number): void {
    for (const use of uses) {
      const places = use.writes ? this.#writers : this.#readers
      const known = places.get(use.place)
      if (known) known.push([use, kernel])
      else places.set(use.place, [[use, kernel]])
    }
  }

  /** How many phases from their side a kernel with these uses must be, where the others are so far. */
  steps(uses: readonly Use[], far: readonly number[]): number {
    let least = 0
    for (const use of uses)
      for (const places of use.writes ? [this.#readers, this.#writers] : [this.#writers])
        for (const [other, kernel] of places.get(use.place) ?? [])
          least = Math.max(least, (far[kernel] ?? 0) + this.#between(use, other))
    return least
  }

  /** Each member's own pictures need only its order, all else a meeting of all; −∞ where they have nothing in common. */
  #between(use: Use, other: Use): number {
    if (!overlap(use, other)) return -Infinity
    return use.byPicture && other.byPicture && this.#together(use, other) ? 0 : 1
  }
}
