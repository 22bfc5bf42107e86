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

/** The values at an address, row-major; a copy. Bytes in lanes are words there. */
export function download(type: NodeType, address: number): HostArray {
  const length = sizeOf(type.shape)
  if (type.layout !== 'lanes') return viewAt(type.dtype, address, length).slice()
  const { lanes } = device()
  const [N = 1] = type.shape
  const rest = length / Math.max(N, 1)
  const blocks = Math.ceil(N / lanes)
  const from = viewAt(type.dtype === 'f32' ? 'f32' : 'i32', address, (blocks * unitBytes(type, lanes)) / 4)
  const out = hostArray(type.dtype, length)
  for (let n = 0; n < N; n++) {
    const start = Math.floor(n / lanes) * rest * lanes + (n % lanes)
    for (let i = 0; i < rest; i++) out[n * rest + i] = from[start + i * lanes] ?? 0
  }
  return out
}
