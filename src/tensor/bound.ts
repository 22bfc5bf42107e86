/**
 * A plan in memory: its address table, what it keeps after a run, where its inputs are put for each run. It has memory only
 * as long as nobody needs that more, and takes it again for its next run.
 * Not here: finding plans (plans.ts), what a plan consists of (compiler/schedule).
 */
import { LenetError, sizeOf, type HostArray, isArrayOf } from '../base/index.js'
import {
  arrange,
  groupSize,
  slackBytes,
  unitBytes,
  type Arrangement,
  type Piece,
  type Plan,
  type Value,
} from '../compiler/index.js'
import type { Executable } from '../device/index.js'
import { labelError, type HostStorage, type Node, type NodeType } from '../graph/index.js'
import { arena } from './arena.js'
import { tooLarge } from './shortage.js'
import { beginRun, endRun, expect, moveIn, moveOut, now, type Tenant } from './tenants.js'
import {
  addressOf,
  intoLanes,
  isHost,
  noteWritten,
  PlanResultStorage,
  Resident,
  Saved,
  storageOf,
  touch,
  valuesOf,
  viewOf,
} from './storage.js'
import { device } from './current.js'
import { Region } from './region.js'

/** A host leaf of a plan: where its values are put for each run. */
interface Staged {
  readonly index: number
  readonly word: number
  readonly piece: Piece
  readonly type: NodeType
  /** Its rows are pictures. */
  readonly isBatch: boolean
}

type LeafWord = Extract<Plan['words'][number], { leaf: number }>

/** A value on the device that a plan reads: where it lies, or in the plan's own room for it if it must be copied. */
interface Direct {
  readonly index: number
  readonly word: number
  room: Region | null
  bytes: number
}

/** A word of the table that goes on by so many bytes for each picture, where a batch takes several runs. */
interface Moving {
  readonly word: number
  readonly bytes: number
}

export class Bound implements Tenant {
  readonly kind = 'plans'
  readonly plan: Plan
  readonly executable: Executable
  lastUse = 0
  readonly #staged: Staged[] = []
  readonly #direct: Direct[] = []
  readonly #moving: readonly Moving[]
  readonly #addresses: Uint32Array
  /** The same, as the table has them. */
  readonly #words: Int32Array
  /** Leaves that the plan writes. */
  readonly #written: readonly number[]
  /** Of each leaf that something was prepared of: its memory's stamp and its place there, as they were then. */
  readonly #seen: Float64Array
  /** To be called before the memory is given back. */
  readonly #beforeLeaving: () => void
  #isPrepared = false
  #capacity = 0
  readonly #bytesFor = new Map<number, number>()
  /** What was arranged last. */
  #tried: { readonly capacity: number; readonly made: Arrangement } | null = null
  #arrangement: Arrangement | null = null
  /** The table, and behind it what is there after a run; 0 where others have the memory. */
  #table = 0
  #hasLeft = false
  /** Where the arena was when addresses were made. */
  #arenaAt = -1

  constructor(plan: Plan, executable: Executable, order: readonly Node[], beforeLeaving: () => void) {
    this.plan = plan
    this.executable = executable
    this.#beforeLeaving = beforeLeaving
    this.#addresses = new Uint32Array(plan.words.length + 1)
    this.#words = new Int32Array(this.#addresses.buffer)
    this.#written = writtenLeaves(plan)
    this.#seen = new Float64Array(2 * (plan.prepared?.leaves.length ?? 0))
    this.#moving = movingOf(plan, order)
    plan.words.forEach((word, i) => {
      const node = 'leaf' in word ? order[word.leaf] : undefined
      if (!node || !('leaf' in word)) return
      if (node.storage && isHost(node.storage)) this.#staged.push(stagedOf(node, word, i + 1, plan))
      else this.#direct.push({ index: word.leaf, word: i + 1, room: null, bytes: 0 })
    })
  }

  get bytes(): number {
    return this.#tableBytes + (this.#arrangement?.keptBytes ?? 0)
  }

  get #tableBytes(): number {
    return Math.ceil(this.#addresses.byteLength / 64) * 64
  }

  leave(): void {
    this.#beforeLeaving()
    this.#give()
    this.#hasLeft = true
    for (const input of this.#direct) {
      input.room?.free()
      input.room = null
    }
  }

  #give(): void {
    device().memory.free(this.#table)
    this.#table = 0
    this.#isPrepared = false
    this.#arenaAt = -1
  }

  /** Gives its memory back for good. */
  drop(): void {
    if (this.#table === 0) return
    moveOut(this)
    this.leave()
  }

  /** The nodes that are read where they lie, as numbers in the order. */
  get inputs(): readonly { readonly index: number }[] {
    return this.#direct
  }

  /** The address table, for profiles: of batches as large as the last. */
  get table(): number {
    this.#reserve(this.#addresses[0] ?? 1)
    device().memory.ints.set(this.#words, this.#table / 4)
    return this.#table
  }

  addressOf(value: Value): number {
    return this.#addresses[value.word] ?? 0
  }

  /**
   * Begins a run: finds the values on the device that the plan reads. Throws where one is gone, before anything has changed.
   * `over` must follow.
   */
  find(order: readonly Node[]): void {
    beginRun()
    this.lastUse = now()
    for (const { index } of this.#direct) touch(order[index] as Node)
    for (const input of this.#direct) this.#addresses[input.word] = this.#inputAt(input, order[input.index] as Node)
  }

  run(order: readonly Node[], batch: number): void {
    this.#reserve(batch)
    const most = this.plan.atOnce.pictures
    this.#addresses[0] = Math.min(batch, most)
    this.#prepare(order)
    for (let first = 0; first < batch; first += most) this.#runSome(order, first, Math.min(most, batch - first))
    for (const index of this.#written) noteWritten(order[index] as Node)
    const { ints } = device().memory
    for (const { flag, classes } of this.plan.checks) {
      const at = this.addressOf(flag) / 4
      if (ints[at]) throw labelError(ints[at + 1] ?? 0, ints[at + 2] ?? 0, classes)
    }
  }

  /** Computes `count` pictures from the batch's picture number `first` on. */
  #runSome(order: readonly Node[], first: number, count: number): void {
    for (const staged of this.#staged) this.#stage(staged, order[staged.index] as Node, first, count)
    const { ints } = device().memory
    ints.set(this.#words, this.#table / 4)
    if (first > 0) {
      ints[this.#table / 4] = count
      for (const { word, bytes } of this.#moving)
        ints[this.#table / 4 + word] = (this.#addresses[word] ?? 0) + first * bytes
    }
    for (const { flag } of this.plan.checks) ints[this.addressOf(flag) / 4] = 0
    this.executable.run(this.#table)
    this.#isPrepared = true
    const { prepared } = this.plan
    if (prepared) ints[this.addressOf(prepared.flag) / 4] = 0
  }

  /** The run is over, or has failed. */
  over(): void {
    endRun()
  }

  /** Bytes that a run of so many pictures takes besides its inputs on the device. */
  bytesFor(batch: number): number {
    const capacity = this.#roomFor(batch)
    const known = this.#bytesFor.get(capacity)
    if (known !== undefined) return known
    const { keptBytes, arenaBytes } = this.#arrange(capacity)
    const bytes = this.#tableBytes + keptBytes + arenaBytes
    this.#bytesFor.set(capacity, bytes)
    return bytes
  }

  #arrange(capacity: number): Arrangement {
    if (this.#tried?.capacity !== capacity)
      this.#tried = { capacity, made: arrange(this.#pieces, capacity, this.plan.atOnce.pictures) }
    return this.#tried.made
  }

  get #pieces(): readonly Piece[] {
    return [...this.plan.allocs, ...this.#staged.map(({ piece }) => piece)]
  }

  /** Pictures of whole groups and blocks; those of a plan for few lie in rows. */
  #roomFor(batch: number): number {
    if (this.plan.lanes === 1) return batch
    const step = Math.max(groupSize, this.plan.lanes)
    return Math.ceil(batch / step) * step
  }

  /** Tells the kernels that prepare something of leaves whether they must: whether any of those has changed. */
  #prepare(order: readonly Node[]): void {
    const { prepared } = this.plan
    if (!prepared) return
    let good = this.#isPrepared
    this.#isPrepared = false
    prepared.leaves.forEach((index, i) => {
      const { storage } = order[index] as Node
      const [stamp, place] = storage instanceof Resident ? [storage.region.stamp, storage.offset] : [NaN, NaN]
      good &&= this.#seen[2 * i] === stamp && this.#seen[2 * i + 1] === place
      this.#seen[2 * i] = stamp
      this.#seen[2 * i + 1] = place
    })
    device().memory.ints[this.addressOf(prepared.flag) / 4] = good ? 0 : 1
  }

  #inputAt(input: Direct, node: Node): number {
    const values = this.#toCopy(node)
    if (!values) return addressOf(node)
    if (!input.room || input.bytes < values.byteLength) {
      input.room?.free()
      input.room = new Region(values.byteLength + slackBytes)
      input.bytes = values.byteLength
    }
    viewOf(values, input.room.address, values.length).set(values)
    return input.room.address
  }

  /** The values of an input that does not lie on the device as this plan wants it. */
  #toCopy(node: Node): HostArray | null {
    const storage = storageOf(node)
    const { lanes } = this.plan
    if (storage instanceof Saved)
      return storage.lanes === lanes || node.layout !== 'lanes'
        ? storage.values
        : intoLanes(node, valuesOf(node), lanes)
    const elsewhere = storage instanceof PlanResultStorage && storage.plan.lanes !== lanes
    return elsewhere && node.layout === 'lanes' ? intoLanes(node, valuesOf(node), lanes) : null
  }

  /** Memory for batches of this size: as large as the largest so far. */
  #reserve(batch: number): void {
    if (!this.#arrangement || batch > this.#capacity) {
      if (this.#table !== 0) this.#giveInRun()
      this.#capacity = this.#roomFor(batch)
      this.#arrangement = this.#arrange(this.#capacity)
    }
    const { arenaBytes } = this.#arrangement
    try {
      if (this.#table === 0) this.#take()
      const at = arena(arenaBytes)
      if (at !== this.#arenaAt) this.#place(at)
      this.#arenaAt = at
    } catch (error) {
      this.drop()
      this.#arrangement = null // a smaller batch may come
      throw tooLarge(error, this.#pieces, batch, (n) => this.#arrange(this.#roomFor(n)))
    }
  }

  /** What the last run left is gone already; copies of inputs stay, for this one. */
  #giveInRun(): void {
    moveOut(this)
    this.#give()
  }

  #take(): void {
    expect(this, this.#hasLeft)
    this.#table = device().memory.alloc(this.bytes)
    this.#hasLeft = false
    moveIn(this)
  }

  /** Addresses of all allocations, then of the staged leaves. */
  #place(arenaAt: number): void {
    const { allocs, words } = this.plan
    const { offsets } = this.#arrangement as Arrangement
    const keptAt = this.#table + this.#tableBytes
    const placeOf = (piece: number): number => (allocs[piece]?.kept ? keptAt : arenaAt) + (offsets[piece] ?? 0)
    words.forEach((word, i) => {
      if ('alloc' in word) this.#addresses[i + 1] = placeOf(word.alloc) + word.offset
    })
    this.#staged.forEach(({ word }, i) => {
      this.#addresses[word] = placeOf(allocs.length + i)
    })
  }

  #stage({ word, type, isBatch }: Staged, node: Node, first: number, count: number): void {
    const whole = (node.storage as HostStorage).data
    const rest = sizeOf(type.shape.slice(1))
    const data = isBatch ? whole.subarray(first * rest, (first + count) * rest) : whole
    const address = this.#addresses[word] ?? 0
    const step = Math.max(groupSize, this.plan.lanes)
    const room = type.layout === 'lanes' ? Math.ceil(data.length / step) * step : data.length
    if (room <= FEW) return putFew(data, address, room)
    const view = viewOf(data, address, room)
    view.set(data)
    if (room > data.length) view.fill(0, data.length)
  }
}

/** Results, and what of the leaves is pictures. */
function movingOf({ words, allocs, atOnce }: Plan, order: readonly Node[]): Moving[] {
  return words.flatMap((word, i) => {
    if ('leaf' in word) {
      const bytes = atOnce.leaves.get(word.leaf)
      const { storage } = order[word.leaf] as Node
      return bytes === undefined || (storage && isHost(storage)) ? [] : [{ word: i + 1, bytes }]
    }
    const { kept, per, bytes } = allocs[word.alloc] as Piece
    return kept && per > 0 ? [{ word: i + 1, bytes: bytes / per }] : []
  })
}

/** Leaves that a plan's kernels write, by place in the order. */
function writtenLeaves({ program, words }: Plan): number[] {
  const written = new Set<number>()
  program.kernels.forEach(({ buffers }, k) =>
    buffers.forEach((access, b) => {
      const word = words[(program.slots[k]?.[b] ?? 0) - 1]
      if (access !== 'read' && word && 'leaf' in word) written.add(word.leaf)
    }),
  )
  return [...written]
}

/** So many values are written one by one: faster than through a view of their place. */
const FEW = 64

function putFew(data: HostArray, address: number, room: number): void {
  const { floats, ints, bytes } = device().memory
  const into = isArrayOf('Float32Array', data) ? floats : isArrayOf('Int32Array', data) ? ints : bytes
  const start = address / into.BYTES_PER_ELEMENT
  for (let i = 0; i < room; i++) into[start + i] = i < data.length ? (data[i] ?? 0) : 0
}

function stagedOf(node: Node, { leaf, last }: LeafWord, word: number, { lanes, atOnce }: Plan): Staged {
  const type: NodeType = { shape: node.shape, dtype: node.dtype, layout: node.layout }
  if (type.layout === 'lanes' && type.shape.length > 1)
    throw new LenetError('values on the host cannot be in lanes; give them as a plain tensor')
  const picture = atOnce.leaves.get(leaf)
  const per = picture !== undefined || type.layout === 'rows' ? 1 : type.layout === 'lanes' ? lanes : 0
  const piece = { bytes: picture ?? unitBytes(type, lanes), per, first: -1, last, kept: false }
  return { index: leaf, word, type, piece, isBatch: picture !== undefined }
}
