/**
 * How the team's threads are told what to do: words of shared memory by which steps are called, and messages that bring
 * code. Not here: who calls (team.ts), who does it (member.node.ts).
 */
import { barrier, teamBlock } from '../compiler/index.js'
import type { LinearMemory } from './memory.js'

/** A member's part of a step; 1 when another member failed. */
export type Step = (table: number, tid: number, nth: number, team: number) => number

/** A step in a thread, and what makes it forget the code. */
export interface Loaded {
  readonly step: Step
  close(): void
}

/** Code that every member can load. */
export type Code =
  | { readonly kind: 'wasm'; readonly module: object } // a WebAssembly.Module
  | {
      readonly kind: 'native'
      /** The library with the step, the step's name there, and what it follows. */
      readonly step: { readonly path: string; readonly name: string }
      readonly program: Uint8Array
      readonly caller: string
    }

/**
 * The memory of one copy of this library and the address of its team's block there, one piece of its code, or the end of
 * that or of all that is known of it. A copy's number is its `site`.
 */
export type Mail =
  | { readonly kind: 'join'; readonly site: number; readonly memory: LinearMemory; readonly team: number }
  | { readonly kind: 'load'; readonly site: number; readonly id: number; readonly code: Code }
  | { readonly kind: 'drop'; readonly site: number; readonly id: number }
  | { readonly kind: 'leave'; readonly site: number }

/**
 * The i32 words by which steps are called: `calling` goes up, the others are written, `calls` goes up to the same number.
 * A member that a call is not for may look late, when the next is being written: it tells that by the two. `mails` counts
 * what was posted, and member t sets word `started` + t when it is at work.
 */
export const command = {
  calls: 0,
  calling: 1,
  site: 2,
  code: 3,
  table: 4,
  members: 5,
  mails: 6,
  sleeping: 7,
  started: 16,
} as const

/** Tells a team, whose block begins at the words, that a member failed: some may be waiting for it. */
export function tellFailure(block: Int32Array): void {
  const passed = (teamBlock.barriers + barrier.passed) / 4
  Atomics.store(block, teamBlock.failed / 4, 1)
  Atomics.add(block, passed, 1)
  Atomics.notify(block, passed)
}

/** What a member begins with, besides its port. */
export interface MemberData {
  readonly words: Int32Array
  readonly tid: number
}
