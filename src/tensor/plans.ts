/**
 * Plans found by the structure of what is to be computed, bound to memory, and run. The second step of a loop finds its
 * plan by one walk over the graph. Not here: what a plan consists of (compiler/schedule).
 */
import { LenetError, sizeOf, type HostArray } from '../base/index.js'
import {
  allocBytes,
  groupSize,
  makePlan,
  slackBytes,
  unitBytes,
  type Alloc,
  type Plan,
  type Value,
} from '../compiler/index.js'
import type { Executable } from '../device/index.js'
import type { HostStorage, Node, NodeType } from '../graph/index.js'
import {
  addressOf,
  device,
  isHost,
  PlanResultStorage,
  Region,
  Saved,
  Stale,
  upload,
  valuesOf,
  type PlanRun,
} from './storage.js'

/** Results of up to so many elements are copied out before a plan runs again. */
const SMALL = 64

/** A graph as numbers: for each node (inputs first) what it is and which nodes it reads, then the targets. */
export interface Structure {
  readonly order: readonly Node[]
  readonly key: readonly number[]
  readonly hash: number
  /** Sizes of batches met; one plan has one. */
  readonly batches: ReadonlySet<number>
}

const codeOf = (node: Node): number => {
  if (node.storage) return -(2 * node.signature + (isHost(node.storage) ? 1 : 0))
  return 2 * node.signature + (node.op === 'maxPool2d' && node.requiresGrad ? 1 : 0)
}

let walks = 0

const isLost = ({ storage }: Node): boolean => storage instanceof PlanResultStorage && !storage.kept

/**
 * Whether a value that a later run of its plan overwrote can be computed anew: all that it comes from is still there.
 * So it is with a batch whose gradients wait while another batch runs.
 */
function canRecompute(lost: Node): boolean {
  const seen = new Set([lost])
  for (const node of seen) {
    if (node.storage instanceof Stale) return false
    if (node.storage && !isLost(node)) continue
    if (node.inputs.length === 0 && node.op !== 'const') return false
    for (const input of node.inputs) seen.add(input)
  }
  return true
}

/** Takes the storage from a node whose values are gone, if they can be computed anew. */
export function forgetLost(node: Node): void {
  if (isLost(node) && canRecompute(node)) node.storage = null
}

/** Walks from the targets to nodes that have values. Parameters are moved to the device for good. */
export function structureOf(targets: readonly Node[]): Structure {
  const walk = ++walks
  const order: Node[] = []
  const key: number[] = []
  const batches = new Set<number>()
  const visit = (node: Node): void => {
    node.walk = walk
    if (node.op === 'leaf' && node.requiresGrad && node.storage && isHost(node.storage))
      node.storage = upload(node.storage.data)
    forgetLost(node)
    if (!node.storage) for (const input of node.inputs) if (input.walk !== walk) visit(input)
    if (node.layout !== 'plain') batches.add(node.shape[0] ?? 1)
    key.push(codeOf(node))
    if (!node.storage) for (const input of node.inputs) key.push(input.place)
    node.place = order.push(node) - 1
  }
  for (const target of targets) {
    if (target.walk !== walk) visit(target)
    key.push(-1, target.place)
  }
  let hash = 0
  for (const word of key) hash = (Math.imul(hash, 31) + word) | 0
  return { order, key, hash, batches }
}

/** A host leaf of a plan: where its values are put for each run. */
interface Staged {
  readonly index: number
  readonly word: number
  readonly alloc: Alloc
  readonly type: NodeType
}

/** A value on the device that a plan reads: where it lies, or in the plan's own room for it if it was saved. */
interface Direct {
  readonly index: number
  readonly word: number
  room: Region | null
  bytes: number
}

/** A plan in memory. */
export class BoundPlan implements PlanRun {
  readonly key: readonly number[]
  readonly plan: Plan
  readonly executable: Executable
  runs = 0
  #capacity = 0
  #arena: Region | null = null
  readonly #staged: Staged[] = []
  readonly #direct: Direct[] = []
  readonly #addresses: Int32Array
  readonly #table: Region
  /** Small results of the last run that somebody may still hold. */
  #small: Node[] = []

  constructor({ order, key }: Structure, targets: readonly Node[]) {
    const { lanes } = device()
    this.key = key
    this.plan = makePlan(order, targets, lanes)
    this.executable = device().compile(this.plan.program)
    this.#addresses = new Int32Array(this.plan.words.length + 1)
    this.#table = new Region(this.#addresses.byteLength)
    this.plan.words.forEach((word, i) => {
      const node = 'leaf' in word ? order[word.leaf] : undefined
      if (!node || !('leaf' in word)) return
      if (node.storage && isHost(node.storage)) this.#staged.push(stagedOf(node, word.leaf, i + 1, lanes))
      else this.#direct.push({ index: word.leaf, word: i + 1, room: null, bytes: 0 })
    })
  }

  addressOf(value: Value): number {
    return this.#addresses[value.word] ?? 0
  }

  /** Computes the graph: values in, one call, results out. */
  run(order: readonly Node[], batch: number): void {
    this.#freeze(order)
    for (const input of this.#direct) this.#addresses[input.word] = this.#inputAt(input, order[input.index] as Node)
    // from here on what the last run left is gone, also where this one fails
    this.runs++
    this.#reserve(batch)
    this.#addresses[0] = batch
    for (const staged of this.#staged) this.#stage(staged, order[staged.index] as Node)
    device().memory.i32(this.#table.address, this.#addresses.length).set(this.#addresses)
    this.executable.run(this.#table.address)
    this.#publish(order)
  }

  #inputAt(input: Direct, node: Node): number {
    const { storage } = node
    if (!(storage instanceof Saved)) return addressOf(node)
    const { values } = storage
    if (!input.room || input.bytes < values.byteLength) {
      input.room = new Region(values.byteLength + slackBytes)
      input.bytes = values.byteLength
    }
    viewOf(values, input.room.address, values.length).set(values)
    return input.room.address
  }

  /** The address table, for profiles: as of the last run. */
  get table(): number {
    return this.#table.address
  }

  /** Before memory is written again: small results become host values, inputs that lie in this plan's memory move out. */
  #freeze(order: readonly Node[]): void {
    for (const { index } of this.#direct) {
      const node = order[index] as Node
      const { storage } = node
      if (storage instanceof PlanResultStorage && storage.plan === this) node.storage = new Saved(node, addressOf(node))
    }
    for (const node of this.#small) {
      const { storage } = node
      if (storage instanceof PlanResultStorage && storage.kept) {
        const kept: HostStorage = { kind: 'host', data: valuesOf(node) }
        node.storage = kept
      }
    }
    this.#small = []
  }

  #publish(order: readonly Node[]): void {
    for (const { index, value, companion } of this.plan.results) {
      const found = order[index] as Node
      const node = companion && found.companion ? found.companion : found
      node.storage = new PlanResultStorage(this, value)
      if (node.layout === 'plain' && sizeOf(node.shape) <= SMALL) this.#small.push(node)
    }
  }

  /** Memory for batches of this size: as large as the largest so far. Nothing changes where there is not enough. */
  #reserve(batch: number): void {
    if (this.#arena && batch <= this.#capacity) return
    const step = Math.max(groupSize, device().lanes)
    const capacity = Math.ceil(batch / step) * step
    const allocs = [...this.plan.allocs, ...this.#staged.map((s) => s.alloc)]
    let bytes = 0
    const offsets = allocs.map((alloc) => {
      const at = bytes
      bytes += Math.ceil(allocBytes(alloc, capacity) / 64) * 64
      return at
    })
    this.#arena = new Region(bytes)
    this.#capacity = capacity
    this.#place(this.#arena.address, offsets)
  }

  /** Addresses of all allocations, then of the staged leaves. */
  #place(base: number, offsets: readonly number[]): void {
    this.plan.words.forEach((word, i) => {
      if ('alloc' in word) this.#addresses[i + 1] = base + (offsets[word.alloc] ?? 0) + word.offset
    })
    this.#staged.forEach(({ word }, i) => {
      this.#addresses[word] = base + (offsets[this.plan.allocs.length + i] ?? 0)
    })
  }

  #stage({ word, type }: Staged, node: Node): void {
    const { data } = node.storage as HostStorage
    const address = this.#addresses[word] ?? 0
    const room = type.layout === 'lanes' ? Math.ceil(data.length / groupSize) * groupSize : data.length
    const view = viewOf(data, address, room)
    view.set(data)
    if (room > data.length) view.fill(0, data.length)
  }
}

function viewOf(data: HostArray, address: number, length: number): HostArray {
  const { memory } = device()
  if (data instanceof Float32Array) return memory.f32(address, length)
  return data instanceof Int32Array ? memory.i32(address, length) : memory.u8(address, length)
}

function stagedOf(node: Node, index: number, word: number, lanes: number): Staged {
  const type: NodeType = { shape: node.shape, dtype: node.dtype, layout: node.layout }
  if (type.layout === 'lanes' && type.shape.length > 1)
    throw new LenetError('values on the host cannot be in lanes; give them as a plain tensor')
  const per = type.layout === 'lanes' ? lanes : type.layout === 'rows' ? 1 : 0
  return { index, word, type, alloc: { bytes: unitBytes(type, lanes), per } }
}

const plans = new Map<number, BoundPlan[]>()

const sameKey = (a: readonly number[], b: readonly number[]): boolean => {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** All plans made so far, for profiles. */
export const allPlans = (): BoundPlan[] => [...plans.values()].flat()

export function planFor(structure: Structure, targets: readonly Node[]): BoundPlan {
  const known = plans.get(structure.hash)
  const found = known?.find((plan) => sameKey(plan.key, structure.key))
  if (found) return found
  const made = new BoundPlan(structure, targets)
  plans.set(structure.hash, [...(known ?? []), made])
  return made
}
