/**
 * Memory of leaves on the device, which moves into an array of JavaScript's while others need the room more.
 * Not here: who must leave, and when (tenants.ts).
 */
import { device } from './current.js'
import { expect, moveIn, moveOut, now, type Tenant } from './tenants.js'

let stamps = 0

/** A stamp that no region has had. */
export const newStamp = (): number => ++stamps

/** Bytes of device memory that live as long as somebody holds this object. Where they lie may change between two runs. */
export class Region {
  /** Another number whenever what stands there has changed, and for each region. */
  stamp = newStamp()
  readonly #lease: Lease

  /**
   * @param bytes their number, or the bytes themselves, which are laid into device memory when they are first used
   * @param stays they never change their place: somebody has a view of them
   */
  constructor(bytes: number | Uint8Array, stays = false) {
    this.#lease = new Lease(bytes, stays)
    if (typeof bytes === 'number') this.#lease.take(this)
  }

  get address(): number {
    return this.#lease.address || this.#lease.take(this)
  }

  /** They are used in the run that begins. */
  touch(): void {
    this.#lease.lastUse = now()
  }

  /** They are needed no more. */
  free(): void {
    moveOut(this.#lease)
    this.#lease.give()
  }
}

/** A region's memory: in the device's, or while others need that more, in an array. */
class Lease implements Tenant {
  readonly kind = 'tensors'
  readonly bytes: number
  lastUse = 0
  /** 0: not on the device. */
  address = 0
  #values: Uint8Array | null
  readonly #stays: boolean
  #hasLeft = false

  constructor(bytes: number | Uint8Array, stays: boolean) {
    this.#values = typeof bytes === 'number' ? null : bytes
    this.bytes = typeof bytes === 'number' ? bytes : bytes.byteLength
    this.#stays = stays
  }

  /** Memory for `owner`, who may be collected: then it is freed. */
  take(owner: Region): number {
    const { memory } = device()
    if (!this.#stays) expect(this, this.#hasLeft)
    this.address = memory.alloc(this.bytes)
    if (this.#stays) fixedBytes += this.bytes
    else moveIn(this)
    if (this.#values) memory.u8(this.address, this.bytes).set(this.#values)
    this.#values = null
    collected.register(owner, this, this)
    return this.address
  }

  leave(): void {
    this.#values = device().memory.u8(this.address, this.bytes).slice()
    this.#hasLeft = true
    this.give()
  }

  give(): void {
    if (this.address === 0) return
    collected.unregister(this)
    device().memory.free(this.address)
    if (this.#stays) fixedBytes -= this.bytes
    this.address = 0
  }
}

/** Bytes of regions that stay where they are: data sets. */
let fixedBytes = 0
export const bytesThatStay = (): number => fixedBytes

const collected = new FinalizationRegistry<Lease>((lease) => {
  moveOut(lease)
  lease.give()
})
