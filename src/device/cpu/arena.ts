/**
 * The memory that all plans of a device share for what none of them keeps: only one of them runs at a time.
 * Not here: what lies where in it (compiler/schedule/memory.ts), what plans keep (bound.ts).
 */
import type { Tenant, Tenants } from './tenants.js'

export class Arena implements Tenant {
  readonly kind = 'arena'
  bytes = 0
  lastUse = 0
  readonly #tenants: Tenants
  #address = 0
  /** For tests: called with the place of the arena before each run. */
  readonly watchers: ((address: number, bytes: number) => void)[] = []

  constructor(tenants: Tenants) {
    this.#tenants = tenants
  }

  leave(): void {
    this.#tenants.memory.free(this.#address)
    this.bytes = 0
  }

  /** The address of so many bytes, which are anybody's as soon as another plan runs. */
  place(bytes: number): number {
    if (bytes > this.bytes) this.#grow(bytes)
    this.lastUse = this.#tenants.now
    for (const watch of this.watchers) watch(this.#address, this.bytes)
    return this.#address
  }

  #grow(bytes: number): void {
    if (this.bytes > 0) {
      this.#tenants.moveOut(this)
      this.leave()
    }
    this.#address = this.#tenants.memory.alloc(bytes) // where there is not enough, there is none
    this.bytes = bytes
    this.#tenants.moveIn(this)
  }
}
