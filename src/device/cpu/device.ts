/**
 * What every device of this backend offers. Not here: any device.
 */
import type { Program, Target, Tuned } from '../../compiler/index.js'
import type { NativeState, TierName } from '../backend.js'
import type { DeviceMemory } from './memory.js'

/** A compiled program. `table` is the byte address of its address table in the device's memory. */
export interface Executable {
  /** One step: all kernels in order, by the whole team. */
  run(table: number): void
  /** All units of one kernel by one thread, for profiles and tests. */
  runKernel(index: number, table: number): void
  /** Of its code: a measure, no more. */
  readonly bytes: number
  /** It is run no more: all threads forget its code. */
  drop(): void
}

export interface Tier {
  readonly name: TierName
  /** What plans are made for here, for batches of n pictures. */
  targetFor(n: number): Target
  compile(program: Program): Executable
}

/** Code that somebody else compiles meanwhile. */
export interface Pending {
  /** undefined: not ready; null: there will be none. */
  poll(): Executable | null | undefined
}

/** A faster tier that needs time: plans begin on their device's own tier and move between two runs. */
export interface BackgroundTier {
  readonly name: TierName
  /** undefined: not known yet; null: this tier is not to be had. */
  targetFor(n: number): Target | null | undefined
  compile(program: Program): Pending
}

export interface Device extends Tier {
  readonly memory: DeviceMemory
  readonly threads: number
  /** `fma` is rounded once here; where not, last bits differ from machines where it is. */
  readonly fusedMultiplyAdd: boolean
  readonly next: BackgroundTier | null
  /** Lines for the user: what is not as it could be, and why. Grows while the device works. */
  readonly notices: readonly string[]
  /** Plans made from here on take these choices; null: those that were measured on this machine, as at first. */
  tune(tuned: Tuned | null): void
  /** Waits until everything works at full speed: for measurements and tests. */
  ready(): Promise<void>
  native(): NativeState
  /** Ends the threads, of the team and of what compiles. Values stay, and what is computed next starts new ones. */
  close(): Promise<void>
}
