/**
 * Values in a device's memory: leaves that stay there, and results of a plan's last run.
 * Not here: running plans (plans.ts), or what people hold (tensor.ts).
 */
import { hostArray, LenetError, sizeOf, type DType, type HostArray } from '../base/index.js'
import { unitBytes, type Value } from '../compiler/index.js'
import { createDevice, type Device, type DeviceName, type DeviceMemory } from '../device/index.js'
import type { HostStorage, Node, NodeType, Storage } from '../graph/index.js'

let current: Device | null = null

/** The device that computes; WebAssembly unless `setDevice` said otherwise. */
export const device = (): Device => (current ??= createDevice('wasm'))

/**
 * Chooses what computes: 'wasm' (default) or 'interp' (the loop IR's interpreter: slow, for checks).
 * @throws LenetError once values lie in another device's memory
 */
export function setDevice(name: DeviceName): void {
  if (current && current.name !== name)
    throw new LenetError(
      `setDevice('${name}'): '${current.name}' is in use already; choose the device before anything is computed`,
    )
  current ??= createDevice(name)
}

/** Bytes of device memory that live as long as somebody holds this object. */
export class Region {
  readonly address: number
  constructor(bytes: number) {
    const { memory } = device()
    this.address = memory.alloc(bytes)
    freed.register(this, { memory, address: this.address })
  }
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
  addressOf(value: Value): number
}

/** A node's value as its plan left it; good until the plan runs again. */
export class PlanResultStorage implements Storage {
  readonly kind = 'device'
  readonly plan: PlanRun
  readonly run: number
  readonly value: Value
  constructor(plan: PlanRun, value: Value) {
    this.plan = plan
    this.run = plan.runs
    this.value = value
  }
  get kept(): boolean {
    return this.plan.runs === this.run
  }
}

/**
 * A result whose memory its plan writes again, as it lay there: in an array of JavaScript's, which is collected inside a
 * loop that never yields. A Region would not be.
 */
export class Saved implements Storage {
  readonly kind = 'device'
  readonly values: HostArray
  constructor(type: NodeType, address: number) {
    const { dtype, length } = stored(type)
    this.values = viewAt(dtype, address, length).slice()
  }
}

/** The leaf that was overwritten by an optimizer's step: only what was computed before may show it. */
export class Stale implements Storage {
  readonly kind = 'device'
}

export const isHost = (storage: Storage): storage is HostStorage => storage.kind === 'host'

/** The address of a node's values on the device. Throws where they are gone. */
export function addressOf(node: Node): number {
  const { storage } = node
  if (storage instanceof Resident) return storage.address
  if (storage instanceof PlanResultStorage) {
    if (storage.kept) return storage.plan.addressOf(storage.value)
    throw new LenetError(
      `the result of ${node.op} [${node.shape.join(', ')}] was not kept: a later batch has taken its place. Call .realize() and read it (or .detach().clone()) before the next batch`,
    )
  }
  if (storage instanceof Stale)
    throw new LenetError(
      'this was built on parameters that optimizer.step() has changed since; read it, or call .realize() on it, before the step',
    )
  throw new Error(`${node.op} has no values on the device`)
}

/** Puts values into a new region. */
export function upload(data: HostArray): Resident {
  const region = new Region(data.byteLength)
  viewAt(
    data instanceof Float32Array ? 'f32' : data instanceof Int32Array ? 'i32' : 'u8',
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
function stored(type: NodeType): { dtype: DType; length: number } {
  const { dtype, layout, shape } = type
  if (layout !== 'lanes') return { dtype, length: sizeOf(shape) }
  const { lanes } = device()
  const blocks = Math.ceil((shape[0] ?? 1) / lanes)
  return { dtype: dtype === 'u8' ? 'i32' : dtype, length: (blocks * unitBytes(type, lanes)) / 4 }
}

/** Values as they lie in memory, row-major. */
function rowMajor(type: NodeType, from: HostArray): HostArray {
  const length = sizeOf(type.shape)
  if (type.layout !== 'lanes') return from.slice()
  const { lanes } = device()
  const [N = 1] = type.shape
  const rest = length / Math.max(N, 1)
  const out = hostArray(type.dtype, length)
  for (let n = 0; n < N; n++) {
    const start = Math.floor(n / lanes) * rest * lanes + (n % lanes)
    for (let i = 0; i < rest; i++) out[n * rest + i] = from[start + i * lanes] ?? 0
  }
  return out
}

/** The values at an address, row-major; a copy. */
function download(type: NodeType, address: number): HostArray {
  const { dtype, length } = stored(type)
  return rowMajor(type, viewAt(dtype, address, length))
}

/** A node's values, row-major: those of a host leaf themselves, else a copy. Throws where they are gone. */
export function valuesOf(node: Node): HostArray {
  const { storage } = node
  if (storage && isHost(storage)) return storage.data
  return storage instanceof Saved ? rowMajor(node, storage.values) : download(node, addressOf(node))
}
