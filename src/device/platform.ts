/**
 * What a device asks of the platform, where the platform is a browser (Node: platform.node.ts; package.json chooses).
 */
import type { Load, MemberData } from './team.js'

/** A worker of the team, seen from the thread that calls. */
export interface Member {
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

/** Lets the engine accept relaxed SIMD where that hides behind a switch. Browsers have no switches. */
export function enableRelaxedSimd(): void {}

/** Compiles with the optimising compiler at once if the platform lets one ask for it. */
export function compileOptimized(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module {
  return new WebAssembly.Module(bytes)
}
