/**
 * Memory of leaves on the device, which moves into an array of JavaScript's while others need the room more.
 * Not here: who must leave, and when (tenants.ts).
 */
import { sizeOf, type HostArray } from '../../base/index.js'
import type { NodeType } from '../../graph/index.js'
import { valuesIn } from '../backend.js'
import type { CpuBuf } from './buf.js'
import { intoLanes } from './lanes.js'
import type { Tenant, Tenants } from './tenants.js'

let stamps = 0

/** Bytes that live as long as somebody holds this object. Where they lie may change between two runs. */
export class Region implements CpuBuf {
  readonly stays = true
  readonly kept = true
  /** Another number whenever what stands there has changed, and for each region. */
  stamp = ++stamps
  readonly #lease: Lease

  /** @param isFixed they never change their place: somebody has a view of them */
  constructor(tenants: Tenants, bytes: number, isFixed = false) {
    this.#lease = new Lease(tenants, bytes, isFixed)
  }

  get address(): number {
    return this.#lease.address || this.#lease.take(this)
  }

  get bytes(): number {
    return this.#lease.bytes
  }

  hold(): void {}

  touch(): void {
    this.#lease.touch()
  }

  /** To be called by all who have written at `address`. */
  noteWritten(): void {
    this.stamp = ++stamps
  }

  /** Where there is no room to spare, only as soon as a run needs the values. */
  write(at: number, data: Uint8Array): void {
    if (!this.#lease.keep(at, data)) this.#view(at, data.length).set(data)
    this.noteWritten()
  }

  #view(at: number, bytes: number): Uint8Array {
    return this.#lease.tenants.memory.u8(this.address + at, bytes)
  }

  /** Row-major is no order in lanes. */
  addressFor(at: number, { layout }: NodeType): number | null {
    return layout === 'batch' ? null : this.address + at
  }

  valuesFor(at: number, type: NodeType, lanes: number): HostArray {
    const bytes = sizeOf(type.shape) * (type.dtype === 'u8' ? 1 : 4)
    return intoLanes(type, valuesIn(type.dtype, this.bytesAt(at, bytes)), lanes)
  }

  bytesAt(at: number, bytes: number): Uint8Array {
    return this.#lease.kept(at, bytes) ?? this.#view(at, bytes).slice()
  }

  /** They are needed no more. */
  free(): void {
    this.#lease.free()
  }
}

/** A region's memory: in the device's, or while others need that more, in an array. */
class Lease implements Tenant {
  readonly kind = 'tensors'
  readonly bytes: number
  readonly tenants: Tenants
  lastUse = 0
  /** 0: not on the device. */
  address = 0
  #values: Uint8Array | null = null
  readonly #isFixed: boolean
  #hasLeft = false

  constructor(tenants: Tenants, bytes: number, isFixed: boolean) {
    this.tenants = tenants
    this.bytes = bytes
    this.#isFixed = isFixed
  }

  touch(): void {
    this.lastUse = this.tenants.now
  }

  /** Memory for `owner`, who may be collected: then it is freed. */
  take(owner: Region): number {
    const { memory, held } = this.tenants
    if (!this.#isFixed) this.tenants.expect(this, this.#hasLeft)
    this.address = memory.alloc(this.bytes)
    if (this.#isFixed) held.data += this.bytes
    else this.tenants.moveIn(this)
    if (this.#values) memory.u8(this.address, this.bytes).set(this.#values)
    this.#values = null
    collected.register(owner, this, this)
    return this.address
  }

  /** Takes values while they are not on the device. False where they must go there. */
  keep(at: number, data: Uint8Array): boolean {
    if (this.address !== 0 || (!this.#values && this.tenants.hasRoom(this.bytes))) return false
    if (this.#values) this.#values.set(data, at)
    else if (data.length < this.bytes) return false
    else this.#values = data.slice()
    return true
  }

  /** A copy of values that are not on the device; null where they are. */
  kept(at: number, bytes: number): Uint8Array | null {
    return this.#values?.slice(at, at + bytes) ?? null
  }

  leave(): void {
    this.#values = this.tenants.memory.u8(this.address, this.bytes).slice()
    this.#hasLeft = true
    this.#give()
  }

  free(): void {
    this.tenants.moveOut(this)
    this.#give()
  }

  #give(): void {
    if (this.address === 0) return
    collected.unregister(this)
    this.tenants.memory.free(this.address)
    if (this.#isFixed) this.tenants.held.data -= this.bytes
    this.address = 0
  }
}

const collected = new FinalizationRegistry<Lease>((lease) => lease.free())
