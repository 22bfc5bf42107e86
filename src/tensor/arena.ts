/**
 * The memory that all plans share for what none of them keeps: only one of them runs at a time.
 * Not here: what lies where in it (compiler/schedule/memory.ts), what plans keep (bound.ts).
 */
import { device } from './storage.js'

let address = 0
let size = 0

/** The address of so many bytes, which are anybody's as soon as another plan runs. */
export function arena(bytes: number): number {
  if (bytes <= size) return address
  const { memory } = device()
  if (size > 0) memory.free(address)
  size = 0 // where there is not enough, there is none
  address = memory.alloc(bytes)
  size = bytes
  return address
}
