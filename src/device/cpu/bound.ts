/**
 * A plan in memory: its address table, what it keeps after a run, where its inputs are put for each run. It has memory only
 * as long as nobody needs that more, and takes it again for its next run.
 * Not here: tiers, and what is saved of a run (cpuPlan.ts), what a plan consists of (compiler/schedule).
 */
import { LenetError, sizeOf, type HostArray, isArrayOf } from '../../base/index.js'
import {
  arrange,
  groupSize,
  slackBytes,
  unitBytes,
  type Arrangement,
  type Piece,
  type Plan,
  type Value,
} from '../../compiler/index.js'
import { labelError, type NodeType } from '../../graph/index.js'
import { bytesOf, type Input, type Place } from '../backend.js'
import type { Arena } from './arena.js'
import type { CpuBuf } from './buf.js'
import type { Executable } from './device.js'
import { Region } from './region.js'
import { CpuResult, sized, type Owner } from './result.js'
import { tooLarge } from './shortage.js'
import type { Tenant, Tenants } from './tenants.js'

/** A host leaf of a plan: where its values are put for each run. */
interface Staged {
  /** Its place among the inputs. */
  readonly input: number
  readonly word: number
  readonly piece: Piece
  readonly layout: NodeType['layout']
  /** Numbers of a row, where its rows are pictures; else 0. */
  readonly perPicture: number
}

type LeafWord = Extract<Plan['words'][number], { leaf: number }>

/** A value on the device that a plan reads: where it lies, or in the plan's own room for it if it must be copied. */
interface Direct {
  readonly input: number
  readonly word: number
  readonly type: NodeType
  room: Region | null
}

/** A word of the table that goes on by so many bytes for each picture, where a batch takes several runs. */
interface Moving {
  readonly word: number
  readonly bytes: number
}

/** A value that the plan is given: its place in the order, and whether it comes from the host. */
export interface Leaf {
  readonly index: number
  readonly type: NodeType
  readonly isHost: boolean
}

/** The memory of a device, and who has it. */
export interface Home {
  readonly tenants: Tenants
  readonly arena: Arena
}

const bufOf = (input: Input | undefined): CpuBuf => (input as Place).buf as CpuBuf

const isPlace = (input: Input | undefined): input is Place => input !== undefined && 'buf' in input

export class Bound implements Tenant {
  readonly kind = 'plans'
  readonly plan: Plan
  readonly executable: Executable
  lastUse = 0
  readonly #home: Home
  readonly #staged: Staged[] = []
  readonly #direct: Direct[] = []
  readonly #moving: readonly Moving[]
  readonly #addresses: Uint32Array
  /** The same, as the table has them. */
  readonly #words: Int32Array
  /** Inputs that the plan writes. */
  readonly #written: readonly number[]
  /** Inputs that something was prepared of, and of each: its memory's stamp and its place there, as they were then. */
  readonly #prepared: readonly number[]
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

  /** @param leaves what a run is given */
  constructor(home: Home, plan: Plan, executable: Executable, leaves: readonly Leaf[], beforeLeaving: () => void) {
    this.#home = home
    this.plan = plan
    this.executable = executable
    this.#beforeLeaving = beforeLeaving
    this.#addresses = new Uint32Array(plan.words.length + 1)
    this.#words = new Int32Array(this.#addresses.buffer)
    const inputs = new Map(leaves.map(({ index }, input) => [index, input]))
    const inputOf = (index: number): number => inputs.get(index) ?? -1
    this.#written = writtenLeaves(plan).map(inputOf)
    this.#prepared = (plan.prepared?.leaves ?? []).map(inputOf)
    this.#seen = new Float64Array(2 * this.#prepared.length)
    this.#moving = movingOf(plan, new Set(leaves.filter(({ isHost }) => isHost).map(({ index }) => index)))
    plan.words.forEach((word, i) => {
      if (!('leaf' in word)) return
      const input = inputOf(word.leaf)
      const { type, isHost } = leaves[input] as Leaf
      if (isHost) this.#staged.push(stagedOf(type, word, input, i + 1, plan))
      else this.#direct.push({ input, word: i + 1, type, room: null })
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
    this.#home.tenants.memory.free(this.#table)
    this.#table = 0
    this.#isPrepared = false
    this.#arenaAt = -1
  }

  /** Gives its memory back for good. */
  drop(): void {
    if (this.#table === 0) return
    this.#home.tenants.moveOut(this)
    this.leave()
  }

  /** The address table, for profiles: of batches as large as the last. */
  get table(): number {
    this.#reserve(this.#addresses[0] ?? 1)
    this.#home.tenants.memory.ints.set(this.#words, this.#table / 4)
    return this.#table
  }

  addressOf(value: Value): number {
    return this.#addresses[value.word] ?? 0
  }

  touch(): void {
    this.lastUse = this.#home.tenants.now
  }

  /** Saves the inputs that an earlier run of its owner left: they lie where this one writes. */
  save(inputs: readonly Input[], owner: Owner): void {
    for (const { input } of this.#direct) {
      const buf = bufOf(inputs[input])
      if (buf instanceof CpuResult && buf.isOf(owner)) buf.save()
    }
  }

  /** Begins a run: finds the values on the device that the plan reads. `over` must follow. */
  find(inputs: readonly Input[], batch: number): void {
    this.#home.tenants.beginRun()
    this.touch()
    for (const { input } of this.#direct) bufOf(inputs[input]).touch()
    for (const direct of this.#direct)
      this.#addresses[direct.word] = this.#addressFor(direct, inputs[direct.input] as Place, batch)
  }

  run(inputs: readonly Input[], batch: number): void {
    this.#reserve(batch)
    const most = this.plan.atOnce.pictures
    this.#addresses[0] = Math.min(batch, most)
    this.#prepare(inputs)
    for (let first = 0; first < batch; first += most) this.#runSome(inputs, first, Math.min(most, batch - first))
    const { ints } = this.#home.tenants.memory
    for (const input of this.#written) {
      const buf = bufOf(inputs[input])
      if (buf instanceof Region) buf.noteWritten()
    }
    for (const { flag, classes } of this.plan.checks) {
      const at = this.addressOf(flag) / 4
      if (ints[at]) throw labelError(ints[at + 1] ?? 0, ints[at + 2] ?? 0, classes)
    }
  }

  /** Computes `count` pictures from the batch's picture number `first` on. */
  #runSome(inputs: readonly Input[], first: number, count: number): void {
    for (const staged of this.#staged) this.#stage(staged, inputs[staged.input] as HostArray, first, count)
    const { ints } = this.#home.tenants.memory
    const table = this.#table / 4
    ints.set(this.#words, table)
    if (first > 0) {
      ints[table] = count
      for (const { word, bytes } of this.#moving) ints[table + word] = (this.#addresses[word] ?? 0) + first * bytes
    }
    for (const { flag } of this.plan.checks) ints[this.addressOf(flag) / 4] = 0
    this.executable.run(this.#table)
    this.#isPrepared = true
    const { prepared } = this.plan
    if (prepared) ints[this.addressOf(prepared.flag) / 4] = 0
  }

  /** The run is over, or has failed. */
  over(): void {
    this.#home.tenants.endRun()
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
  #prepare(inputs: readonly Input[]): void {
    const { prepared } = this.plan
    if (!prepared) return
    let good = this.#isPrepared
    this.#isPrepared = false
    this.#prepared.forEach((input, i) => {
      const found = inputs[input]
      const isLeaf = isPlace(found) && found.buf instanceof Region
      const [stamp, place] = isLeaf ? [(found.buf as Region).stamp, found.at] : [NaN, NaN]
      good &&= this.#seen[2 * i] === stamp && this.#seen[2 * i + 1] === place
      this.#seen[2 * i] = stamp
      this.#seen[2 * i + 1] = place
    })
    this.#home.tenants.memory.ints[this.addressOf(prepared.flag) / 4] = good ? 0 : 1
  }

  #addressFor(direct: Direct, { buf, at }: Place, batch: number): number {
    const { lanes } = this.plan
    const found = (buf as CpuBuf).addressFor(at, direct.type, lanes)
    if (found !== null) return found
    const values = bytesOf((buf as CpuBuf).valuesFor(at, sized(direct.type, batch), lanes))
    if (!direct.room || direct.room.bytes < values.length + slackBytes) {
      direct.room?.free()
      direct.room = new Region(this.#home.tenants, values.length + slackBytes)
    }
    direct.room.touch()
    const { address } = direct.room
    this.#home.tenants.memory.u8(address, values.length).set(values)
    return address
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
      const at = this.#home.arena.place(arenaBytes)
      if (at !== this.#arenaAt) this.#place(at)
      this.#arenaAt = at
    } catch (error) {
      this.drop()
      this.#arrangement = null // a smaller batch may come
      const { limitBytes } = this.#home.tenants.memory
      throw tooLarge(error, this.#pieces, batch, limitBytes, (n) => this.#arrange(this.#roomFor(n)))
    }
  }

  /** What the last run left is gone already; copies of inputs stay, for this one. */
  #giveInRun(): void {
    this.#home.tenants.moveOut(this)
    this.#give()
  }

  #take(): void {
    const { tenants } = this.#home
    tenants.expect(this, this.#hasLeft)
    this.#table = tenants.memory.alloc(this.bytes)
    this.#hasLeft = false
    tenants.moveIn(this)
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

  #stage({ word, layout, perPicture }: Staged, whole: HostArray, first: number, count: number): void {
    const data = perPicture > 0 ? whole.subarray(first * perPicture, (first + count) * perPicture) : whole
    const { memory } = this.#home.tenants
    const { floats, ints, bytes } = memory
    const all = isArrayOf('Float32Array', data) ? floats : isArrayOf('Int32Array', data) ? ints : bytes
    const start = (this.#addresses[word] ?? 0) / all.BYTES_PER_ELEMENT
    const step = Math.max(groupSize, this.plan.lanes)
    const room = layout === 'batch' ? Math.ceil(data.length / step) * step : data.length
    if (room > FEW) {
      all.set(data, start)
      if (room > data.length) all.fill(0, start + data.length, start + room)
    } else for (let i = 0; i < room; i++) all[start + i] = i < data.length ? (data[i] ?? 0) : 0
  }
}

/** Results, and what of the leaves on the device is pictures. */
function movingOf({ words, allocs, atOnce }: Plan, onHost: ReadonlySet<number>): Moving[] {
  return words.flatMap((word, i) => {
    if ('leaf' in word) {
      const bytes = atOnce.leaves.get(word.leaf)
      return bytes === undefined || onHost.has(word.leaf) ? [] : [{ word: i + 1, bytes }]
    }
    const { kept, per, bytes } = allocs[word.alloc] as Piece
    return kept && per > 0 ? [{ word: i + 1, bytes: bytes / per }] : []
  })
}

/** Leaves that a plan's kernels write, by place in the order. */
export function writtenLeaves({ program, words }: Plan): number[] {
  const written = new Set<number>()
  program.kernels.forEach(({ buffers }, k) =>
    buffers.forEach((access, b) => {
      const word = words[(program.slots[k]?.[b] ?? 0) - 1]
      if (access !== 'read' && word && 'leaf' in word) written.add(word.leaf)
    }),
  )
  return [...written]
}

/** So many values are written one by one: faster than by a call. */
const FEW = 64

function stagedOf(
  type: NodeType,
  { leaf, last }: LeafWord,
  input: number,
  word: number,
  { lanes, atOnce }: Plan,
): Staged {
  const { layout, shape } = type
  if (layout === 'batch' && shape.length > 1)
    throw new LenetError('values on the host cannot be in lanes; give them as a plain tensor')
  const picture = atOnce.leaves.get(leaf)
  const per = picture !== undefined || layout === 'rows' ? 1 : layout === 'batch' ? lanes : 0
  const piece = { bytes: picture ?? unitBytes(type, lanes), per, first: -1, last, kept: false }
  return { input, word, layout, piece, perPicture: picture === undefined ? 0 : sizeOf(shape.slice(1)) }
}
