/**
 * Who has memory of the device and can do without it for a while: leaves, whose values move into arrays of JavaScript's, and
 * plans, whose results are saved as far as somebody may still read them. Whoever was not used for the longest time goes first:
 * when more is held than was needed lately, and when nothing is free.
 * Not here: the garbage collector. It calls nobody in a loop that never yields; arrays it frees there too.
 */
import type { DeviceMemory } from './memory.js'

export interface Tenant {
  /** What is given back when it leaves. */
  readonly bytes: number
  readonly kind: 'tensors' | 'plans' | 'arena'
  /** The turn in which it was used last. */
  lastUse: number
  /** Gives its memory back. What it needs of it, it has saved. */
  leave(): void
}

export class Tenants {
  readonly memory: DeviceMemory
  /** Counts runs of plans. What a run has used cannot leave before it is over. */
  #turn = 0
  #isRunning = false
  /** What leaves hold and plans keep may grow so far before anybody must leave; more where those who left came back. */
  #mark = 128 * 2 ** 20
  readonly #all = new Set<Tenant>()
  /** Bytes by kind of tenant; `data`: of those that never leave. */
  readonly held = { tensors: 0, plans: 0, arena: 0, data: 0 }

  constructor(memory: DeviceMemory) {
    this.memory = memory
    memory.relief = () => this.relieve()
  }

  get now(): number {
    return this.#turn
  }

  /** From here to `endRun` nobody leaves who is used. */
  beginRun(): void {
    this.#turn++
    this.#isRunning = true
  }

  endRun(): void {
    this.#isRunning = false
  }

  /** To be called before a tenant takes its memory. `isBack`: it had left, which was too early. */
  expect({ bytes }: Tenant, isBack: boolean): void {
    if (isBack) this.#mark += bytes
    if (this.#heldByAll + bytes > this.#mark) this.#makeRoom(this.#mark / 2 - bytes)
  }

  get #heldByAll(): number {
    return this.held.tensors + this.held.plans
  }

  /** Whether so many bytes can be had for which nobody must leave. */
  hasRoom(bytes: number): boolean {
    const { usedBytes, limitBytes } = this.memory
    return this.#heldByAll + bytes <= this.#mark && usedBytes + bytes <= limitBytes
  }

  /** The tenant has its memory. */
  moveIn(tenant: Tenant): void {
    tenant.lastUse = this.#turn
    this.#all.add(tenant)
    this.held[tenant.kind] += tenant.bytes
  }

  /** The tenant has no memory any more. */
  moveOut(tenant: Tenant): void {
    if (this.#all.delete(tenant)) this.held[tenant.kind] -= tenant.bytes
  }

  #canLeave({ lastUse }: Tenant): boolean {
    return !this.#isRunning || lastUse !== this.#turn
  }

  #evict(tenant: Tenant): void {
    this.moveOut(tenant)
    tenant.leave()
  }

  /** Those not used for the longest time leave until no more than `most` bytes are held. */
  #makeRoom(most: number): void {
    const leaving = [...this.#all].filter((tenant) => tenant.kind !== 'arena' && this.#canLeave(tenant))
    leaving.sort((a, b) => a.lastUse - b.lastUse)
    for (const tenant of leaving) {
      if (this.#heldByAll <= most) return
      this.#evict(tenant)
    }
  }

  /** The one not used for the longest time leaves. False where nobody can. */
  relieve(): boolean {
    let oldest: Tenant | null = null
    for (const tenant of this.#all)
      if (this.#canLeave(tenant) && (!oldest || tenant.lastUse < oldest.lastUse)) oldest = tenant
    if (oldest) this.#evict(oldest)
    return oldest !== null
  }
}
