/**
 * Values in a device's memory: leaves that stay there, and results of a plan's last run.
 * Not here: running plans (plans.ts), or what people hold (tensor.ts).
 */
import {
  foreignTensorError,
  hostArray,
  isArrayOf,
  LenetError,
  sizeOf,
  UsageError,
  type DType,
  type HostArray,
} from '../base/index.js'
import { unitBytes, type Value } from '../compiler/index.js'
import {
  createDevice,
  deviceNames,
  type Device,
  type DeviceMemory,
  type DeviceName,
  type DeviceOptions,
} from '../device/index.js'
import { isOwn, type HostStorage, type Node, type NodeType, type Storage } from '../graph/index.js'
import { clock } from './clock.js'

let current: Device | null = null

let chosen = ''

/** Values lie in the device's memory. */
let isInUse = false

/** The device that computes: as `setDevice` said, or 'auto' with all cores. */
export function device(): Device {
  if (!current) setDevice('auto')
  return current ?? createDevice('auto')
}

/**
 * Chooses what computes, and with how many threads. The results do not depend on it, to the last bit.
 * @param name 'auto' (default): WebAssembly at once, native code as soon as a C compiler has made it; 'native': waits for
 *   that code; 'wasm'; 'interp': the loop IR's interpreter (slow, for checks)
 * @param options threads: default all cores
 * @throws LenetError once values lie in another device's memory, or where the device cannot be had
 */
export function setDevice(name: DeviceName, options: DeviceOptions = {}): void {
  if (!deviceNames.includes(name))
    throw new UsageError(`setDevice: there is no device '${String(name)}'; there are ${deviceNames.join(', ')}`)
  const wanted = `'${name}'${options.threads ? ` with ${options.threads} threads` : ''}`
  if (current && (chosen === wanted || (options.threads === undefined && chosen.startsWith(`'${name}'`)))) return
  if (isInUse)
    throw new LenetError(
      `setDevice: ${wanted} was asked for, but values lie in the memory of ${chosen}; choose the device before anything is computed`,
    )
  void current?.close()
  current = createDevice(name, options)
  chosen = wanted
}

/**
 * Ends the worker threads of steps and of the C compiler, so that nothing of ours runs: after tests, or before a server goes
 * on with other work. Values, nets and the device that was chosen stay; what is computed next starts new threads. A copy
 * of this library in the same process uses the same threads, and starts new ones too when it computes.
 */
export async function closeDevice(): Promise<void> {
  await current?.close()
}

let stamps = 0

/** Bytes of device memory that live as long as somebody holds this object. */
export class Region {
  readonly address: number
  /** Another number whenever what stands there has changed, and for each region. */
  stamp = ++stamps
  constructor(bytes: number) {
    const { memory } = device()
    isInUse = true
    this.address = memory.alloc(bytes)
    freed.register(this, { memory, address: this.address })
  }
}

/** To be called by all who write into a leaf that others may have read. */
export function noteWritten({ storage }: Node): void {
  if (storage instanceof Resident) storage.region.stamp = ++stamps
}

const freed = new FinalizationRegistry<{ memory: DeviceMemory; address: number }>(({ memory, address }) =>
  memory.free(address),
)

/** A leaf's values, in the layout of its node. */
export class Resident implements Storage {
  readonly kind = 'device'
  readonly region: Region
  readonly offset: number
  constructor(region: Region, offset = 0) {
    this.region = region
    this.offset = offset
  }
  get address(): number {
    return this.region.address + this.offset
  }
}

/** What runs a plan: addresses of its values, and how often it ran. */
export interface PlanRun {
  readonly runs: number
  /** Pictures in a block of its values in lanes, as of the last run. */
  readonly lanes: number
  addressOf(value: Value): number
  /** The node gets the value that the last run left. */
  give(node: Node, value: Value): void
  /** The values are to be saved before the next run, if that is in time: see `hold`. */
  hold(storage: PlanResultStorage, type: NodeType): void
}

/** A node's value as its plan left it; good until the plan runs again, unless it is saved then. */
export class PlanResultStorage implements Storage {
  readonly kind = 'device'
  readonly plan: PlanRun
  readonly run: number
  readonly value: Value
  /** See `hold`. */
  heldUntil = 0
  saved: Saved | null = null
  constructor(plan: PlanRun, value: Value) {
    this.plan = plan
    this.run = plan.runs
    this.value = value
  }
  get kept(): boolean {
    return this.plan.runs === this.run
  }
  /** A copy that stays. All nodes with this storage have it from here on. */
  save(type: NodeType): Saved {
    return (this.saved ??= new Saved(type, this))
  }
}

/** The node's storage: the copy that its plan saved, where it did. */
export function storageOf(node: Node): Storage | null {
  const { storage } = node
  if (storage instanceof PlanResultStorage && storage.saved) node.storage = storage.saved
  return node.storage
}

/**
 * Lets a result outlive further runs of its plan up to a time of `clock`: the batch or step of now by default. Costs a copy
 * at the next run in that time, and nothing else.
 */
export function hold(node: Node, until = clock.now): void {
  const storage = storageOf(node)
  if (!(storage instanceof PlanResultStorage) || !storage.kept) return
  if (storage.heldUntil === 0) storage.plan.hold(storage, node.kind.type)
  storage.heldUntil = Math.max(storage.heldUntil, until)
}

/**
 * A result whose memory its plan writes again, as it lay there: in an array of JavaScript's, which is collected inside a
 * loop that never yields. A Region would not be.
 */
export class Saved implements Storage {
  readonly kind = 'device'
  readonly values: HostArray
  readonly lanes: number
  constructor(type: NodeType, { plan, value }: PlanResultStorage) {
    const { dtype, length } = stored(type, plan.lanes)
    this.values = viewAt(dtype, plan.addressOf(value), length).slice()
    this.lanes = plan.lanes
  }
}

/** The leaf that was overwritten by an optimizer's step: only what was computed before may show it. */
export class Stale implements Storage {
  readonly kind = 'device'
}

export const isHost = (storage: Storage): storage is HostStorage => storage.kind === 'host'

/** The address of a node's values on the device. Throws where they are gone. */
export function addressOf(node: Node): number {
  const storage = storageOf(node)
  if (storage instanceof Resident) return storage.address
  if (storage instanceof PlanResultStorage) {
    if (storage.kept) return storage.plan.addressOf(storage.value)
    throw new LenetError(
      `the result of ${node.op} [${node.shape.join(', ')}] was not kept: a later batch has taken its place. Call .realize() on it, or read it, before the next batch`,
    )
  }
  if (storage instanceof Stale)
    throw new LenetError(
      'this was built on parameters that optimizer.step() has changed since; read it, or call .realize() on it, before the step',
    )
  if (!isOwn(node)) throw foreignTensorError(`the result of ${node.op}`, node.kind.copy)
  throw new Error(`${node.op} has no values on the device`)
}

/** Puts values into a new region. */
export function upload(data: HostArray): Resident {
  const region = new Region(data.byteLength)
  viewAt(
    isArrayOf('Float32Array', data) ? 'f32' : isArrayOf('Int32Array', data) ? 'i32' : 'u8',
    region.address,
    data.length,
  ).set(data)
  return new Resident(region)
}

export function viewAt(dtype: DType, address: number, length: number): HostArray {
  const { memory } = device()
  return dtype === 'f32'
    ? memory.f32(address, length)
    : dtype === 'i32'
      ? memory.i32(address, length)
      : memory.u8(address, length)
}

/** What stands in memory for values of a type. Bytes in lanes are words there. */
function stored(type: NodeType, lanes: number): { dtype: DType; length: number } {
  const { dtype, layout, shape } = type
  if (layout !== 'lanes') return { dtype, length: sizeOf(shape) }
  const blocks = Math.ceil((shape[0] ?? 1) / lanes)
  return { dtype: dtype === 'u8' ? 'i32' : dtype, length: (blocks * unitBytes(type, lanes)) / 4 }
}

/** Values as they lie in memory, row-major. */
function rowMajor(type: NodeType, from: HostArray, lanes: number): HostArray {
  const length = sizeOf(type.shape)
  if (type.layout !== 'lanes') return from.slice()
  const [N = 1] = type.shape
  const rest = length / Math.max(N, 1)
  const out = hostArray(type.dtype, length)
  for (let n = 0; n < N; n++) {
    const start = Math.floor(n / lanes) * rest * lanes + (n % lanes)
    for (let i = 0; i < rest; i++) out[n * rest + i] = from[start + i * lanes] ?? 0
  }
  return out
}

/** Row-major values as they lie in blocks of so many lanes. */
export function intoLanes(type: NodeType, values: HostArray, lanes: number): HostArray {
  const { dtype, length } = stored(type, lanes)
  const out = hostArray(dtype, length)
  const [N = 1] = type.shape
  const rest = values.length / Math.max(N, 1)
  for (let n = 0; n < N; n++) {
    const start = Math.floor(n / lanes) * rest * lanes + (n % lanes)
    for (let i = 0; i < rest; i++) out[start + i * lanes] = values[n * rest + i] ?? 0
  }
  return out
}

/** The values at an address, row-major; a copy. Leaves that live on the device are never in lanes. */
function download(type: NodeType, address: number, lanes: number): HostArray {
  const { dtype, length } = stored(type, lanes)
  return rowMajor(type, viewAt(dtype, address, length), lanes)
}

/** A plain result of a plan as a host value: an array of its own. For few elements, one by one. */
export function copied(node: Node, { plan, value }: PlanResultStorage): HostStorage {
  const { floats, ints, bytes } = device().memory
  const length = sizeOf(node.shape)
  const data = hostArray(node.dtype, length)
  const from = node.dtype === 'f32' ? floats : node.dtype === 'i32' ? ints : bytes
  const start = plan.addressOf(value) / from.BYTES_PER_ELEMENT
  for (let i = 0; i < length; i++) data[i] = from[start + i] ?? 0
  return { kind: 'host', data }
}

/** A node's values, row-major: those of a host leaf themselves, else a copy. Throws where they are gone. */
export function valuesOf(node: Node): HostArray {
  const storage = storageOf(node)
  if (storage && isHost(storage)) return storage.data
  if (storage instanceof Saved) return rowMajor(node, storage.values, storage.lanes)
  return download(node, addressOf(node), storage instanceof PlanResultStorage ? storage.plan.lanes : 1)
}

/** Memory as an array of the same kind as `data`. */
export function viewOf(data: HostArray, address: number, length: number): HostArray {
  const { memory } = device()
  if (isArrayOf('Float32Array', data)) return memory.f32(address, length)
  return isArrayOf('Int32Array', data) ? memory.i32(address, length) : memory.u8(address, length)
}
