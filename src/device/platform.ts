/**
 * What a device asks of the platform, where the platform is a browser (Node: platform.node.ts; package.json chooses).
 */
import type { BackgroundTier, Tier } from './device.js'
import type { DeviceMemory } from './memory.js'
import type { Load, MemberData, Team } from './team.js'
import type { Choices } from './tuning.js'

/** A worker of the team, seen from the thread that calls. */
export interface Member {
  /** False when it has ended without being told to; known only when this thread's event loop has run. */
  readonly isAlive: boolean
  post(load: Load): void
  /** Why it failed, if it said so. */
  receive(): string | undefined
  stop(): void
}

/** Starts a worker; null where there are none. */
export function startMember(_data: MemberData): Member | null {
  return null
}

/** Cores that a team may use unless told otherwise. */
export const coreCount = (): number => 1

/** C code, compiled on this machine. */
export interface Native {
  readonly waiting: Tier
  readonly background: BackgroundTier
}

/** Native code, where the platform can run it; `notice` is given lines for the user. */
export function nativeTier(_memory: DeviceMemory, _team: Team, _notice: (line: string) => void): Native | null {
  return null
}

/** What `lenet tune` measured on this machine; `notice` is given lines for the user. */
export function readTuning(_notice: (line: string) => void): Choices {
  return new Map()
}

/** Lets the engine accept relaxed SIMD where that hides behind a switch. Browsers have no switches. */
export function enableRelaxedSimd(): void {}
