/**
 * The memory that all plans share for what none of them keeps: only one of them runs at a time.
 * Not here: what lies where in it (compiler/schedule/memory.ts), what plans keep (bound.ts).
 */
import { device } from './current.js'
import { moveIn, moveOut, now, type Tenant } from './tenants.js'

class Arena implements Tenant {
  readonly kind = 'arena'
  bytes = 0
  lastUse = 0
  address = 0

  leave(): void {
    device().memory.free(this.address)
    this.bytes = 0
  }

  grow(bytes: number): void {
    if (this.bytes > 0) {
      moveOut(this)
      this.leave()
    }
    this.address = device().memory.alloc(bytes) // where there is not enough, there is none
    this.bytes = bytes
    moveIn(this)
  }
}

const shared = new Arena()

/** For tests: called with the place of the arena before each run. */
export const watchers: ((address: number, bytes: number) => void)[] = []

/** The address of so many bytes, which are anybody's as soon as another plan runs. */
export function arena(bytes: number): number {
  if (bytes > shared.bytes) shared.grow(bytes)
  shared.lastUse = now()
  for (const watch of watchers) watch(shared.address, shared.bytes)
  return shared.address
}
