/**
 * What a device asks of the platform, where the platform is a browser (Node: platform.node.ts; package.json chooses).
 */
import type { NativeState } from '../backend.js'
import type { BackgroundTier, Tier } from './device.js'
import type { DeviceMemory } from './memory.js'
import type { Mail } from './protocol.js'
import type { Team } from './team.js'
import type { Choices } from './tuning.js'

/** Worker threads that all copies of this library in one thread share, as one copy sees them. */
export interface Crew {
  /** This copy's number. */
  readonly site: number
  readonly size: number
  /** By which steps are called: protocol.ts. */
  readonly words: Int32Array
  /** Somebody has ended the threads. */
  isClosed(): boolean
  /** False where a thread has ended by itself; known only when this thread's event loop has run. */
  isWhole(): boolean
  /** True where a thread has ended by itself, known at once. Costs some ten microseconds. */
  hasLost(): boolean
  /** To be called before each step: members that do not know this copy are told `all` of it. */
  enter(all: () => readonly Mail[]): void
  /** New code, for members that know this copy. */
  post(mail: Mail): void
  /** What members that failed have said. */
  failures(): string[]
  stop(): Promise<void>
}

const noCrew: Crew = {
  site: 0,
  size: 0,
  words: new Int32Array(0),
  isClosed: () => false,
  isWhole: () => true,
  hasLost: () => false,
  enter: () => {},
  post: () => {},
  failures: () => [],
  stop: () => Promise.resolve(),
}

/** Threads besides this one. `notice` is given a line for the user where there are fewer than wanted. */
export const joinCrew = (_wanted: number, _notice: (line: string) => void): Crew => noCrew

/** A line that people should see though they did not ask: `notice` keeps it, and Node tells it as a warning of the process. */
export const warn = (line: string, notice: (line: string) => void): void => notice(line)

/** Cores that a team may use unless told otherwise. */
export const coreCount = (): number => 1

/** MiB that values may take, as the environment says; undefined where it does not. */
export const memoryLimit = (): number | undefined => undefined

/** C code, compiled on this machine. */
export interface Native {
  readonly waiting: Tier
  readonly background: BackgroundTier
  /** Whether its code runs, may come, or will not. */
  readonly state: NativeState
  /** Ends what compiles; it begins again when it is wanted. */
  close(): Promise<void>
}

type MakeNative = (memory: DeviceMemory, team: Team, notice: (line: string) => void, meanwhile: string) => Native | null

/** Native code, where the platform can run it. `notice` is given lines for the user; `meanwhile` computes as long as there is none. */
export const nativeTier: MakeNative = () => null

/** What `lenet tune` measured on this machine; `notice` is given lines for the user. */
export function readTuning(_notice: (line: string) => void): Choices {
  return new Map()
}

/** Lets the engine accept relaxed SIMD where that hides behind a switch. Browsers have no switches. */
export function enableRelaxedSimd(): void {}
