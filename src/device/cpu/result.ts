/**
 * What a plan's run has left in the plan's memory: good until the plan runs again or must give that memory back, unless it
 * is saved then. Not here: who saves when (cpuPlan.ts).
 */
import { hostArray, sizeOf, type HostArray } from '../../base/index.js'
import { groupSize, type Value } from '../../compiler/index.js'
import type { NodeType } from '../../graph/index.js'
import { bytesOf, type Holder } from '../backend.js'
import type { CpuBuf } from './buf.js'
import { intoLanes, rowMajor, viewAt } from './lanes.js'
import type { DeviceMemory } from './memory.js'

/** Who runs the plan, and knows where its values are. */
export interface Owner {
  readonly memory: DeviceMemory
  /** Another number whenever what the last run left is gone. */
  readonly left: number
  /** Pictures in a block of its values in lanes, as of the last run. */
  readonly lanes: number
  addressOf(value: Value): number
  touch(): void
  /** `result` is to be saved before it goes, if `by` holds it then. */
  hold(result: CpuResult, by: Holder): void
}

/** Plain results of up to so many elements are saved whoever holds them. */
const SMALL = 64

/** A type for batches of n pictures. */
export function sized({ shape, dtype, layout }: NodeType, n: number): NodeType {
  if (layout === 'plain') return { shape, dtype, layout }
  const [, ...rest] = shape
  return { shape: [layout === 'groups' ? Math.ceil(n / groupSize) : n, ...rest], dtype, layout }
}

export class CpuResult implements CpuBuf {
  readonly stays = false
  readonly #owner: Owner
  readonly #left: number
  readonly #value: Value
  readonly #type: NodeType
  readonly #batch: number
  /** As they lay there: in an array of JavaScript's, which is collected inside a loop that never yields. */
  #saved: { readonly values: HostArray; readonly lanes: number } | null = null

  /** @param type of the node whose value it is, for a batch of any size */
  constructor(owner: Owner, value: Value, type: NodeType, batch: number) {
    this.#owner = owner
    this.#left = owner.left
    this.#value = value
    this.#type = type
    this.#batch = batch
  }

  get #isThere(): boolean {
    return this.#owner.left === this.#left
  }

  get kept(): boolean {
    return this.#saved !== null || this.#isThere
  }

  get isSmall(): boolean {
    return this.#type.layout === 'plain' && sizeOf(this.#type.shape) <= SMALL
  }

  isOf(owner: Owner): boolean {
    return this.#owner === owner
  }

  hold(by: Holder): void {
    if (!this.#saved && this.#isThere) this.#owner.hold(this, by)
  }

  /** To be called before its memory is written again. */
  save(): void {
    if (this.#saved || !this.#isThere) return
    const { lanes } = this.#owner
    this.#saved = { values: this.isSmall ? this.#few() : this.#view().slice(), lanes }
  }

  #view(): HostArray {
    const { memory, lanes } = this.#owner
    return viewAt(memory, sized(this.#type, this.#batch), this.#address, lanes)
  }

  get #address(): number {
    if (!this.#isThere) throw new Error('this result was not kept')
    return this.#owner.addressOf(this.#value)
  }

  /** For few elements, one by one: faster than through a view of their place. */
  #few(): HostArray {
    const { floats, ints, bytes } = this.#owner.memory
    const { dtype, shape } = this.#type
    const from = dtype === 'f32' ? floats : dtype === 'i32' ? ints : bytes
    const start = this.#address / from.BYTES_PER_ELEMENT
    const out = hostArray(dtype, sizeOf(shape))
    for (let i = 0; i < out.length; i++) out[i] = from[start + i] ?? 0
    return out
  }

  touch(): void {
    if (!this.#saved && this.#isThere) this.#owner.touch()
  }

  addressFor(_at: number, { layout }: NodeType, lanes: number): number | null {
    if (this.#saved) return null
    return layout !== 'batch' || this.#owner.lanes === lanes ? this.#address : null
  }

  valuesFor(_at: number, type: NodeType, lanes: number): HostArray {
    const saved = this.#saved
    if (saved && (type.layout !== 'batch' || saved.lanes === lanes)) return saved.values
    return intoLanes(type, this.#values(), lanes)
  }

  /** Row-major, a copy. */
  #values(): HostArray {
    if (!this.#saved && this.isSmall) return this.#few()
    const { values, lanes } = this.#saved ?? { values: this.#view(), lanes: this.#owner.lanes }
    return rowMajor(sized(this.#type, this.#batch), values, lanes)
  }

  bytesAt(at: number, bytes: number): Uint8Array {
    const all = bytesOf(this.#values())
    return all.length === bytes ? all : all.slice(at, at + bytes)
  }
}
