/**
 * The backend of this machine's processor: WebAssembly, C compiled here, or the IR's interpreter, in one memory. Pictures lie
 * in lanes here, and nobody outside knows.
 * Not here: threads and code (createDevice.ts), plans (cpuPlan.ts), who has memory (tenants.ts).
 */
import type { HostArray } from '../../base/index.js'
import { makePlan, type Plan as Compiled, type Target } from '../../compiler/index.js'
import {
  bytesOf,
  type Backend,
  type BackendState,
  type MemoryUsage,
  type Buf,
  type Graph,
  type Place,
  type TierName,
} from '../backend.js'
import { Arena } from './arena.js'
import type { CpuBuf } from './buf.js'
import { createDevice, type DeviceName, type DeviceOptions } from './createDevice.js'
import { CpuPlan, endsApart, type Cpu } from './cpuPlan.js'
import type { Device } from './device.js'
import { Region } from './region.js'
import { Tenants } from './tenants.js'

/** Thrown in the place of a plan's first run. */
const onlyPlanned = Symbol('only planned')

export class CpuBackend implements Backend, Cpu {
  readonly name: string
  readonly device: Device
  readonly tenants: Tenants
  readonly arena: Arena
  tier: TierName
  /** Something was made here. */
  isUsed = false
  /** Where plans are only made, and for whom; null where they run. */
  #planned: { readonly target: Target; readonly plans: Compiled[] } | null = null

  /** @throws LenetError where there is no such device */
  constructor(name: DeviceName, options: DeviceOptions = {}) {
    this.name = name
    this.device = createDevice(name, options)
    this.tier = this.device.name
    this.tenants = new Tenants(this.device.memory)
    this.arena = new Arena(this.tenants)
  }

  alloc(bytes: number): Region {
    return this.#region(bytes, false)
  }

  #region(bytes: number, isFixed: boolean): Region {
    this.isUsed = true
    return new Region(this.tenants, bytes, isFixed)
  }

  map(bytes: number): { buf: Region; bytes: Uint8Array } {
    const buf = this.#region(bytes, true)
    return { buf, bytes: this.device.memory.u8(buf.address, bytes) }
  }

  write(buf: Buf, at: number, data: HostArray): void {
    ;(buf as Region).write(at, bytesOf(data))
  }

  copy(from: Place, { buf, at }: Place, bytes: number): void {
    ;(buf as Region).write(at, this.readSync(from, bytes))
  }

  readSync({ buf, at }: Place, bytes: number): Uint8Array {
    return (buf as CpuBuf).bytesAt(at, bytes)
  }

  read(from: Place, bytes: number): Promise<Uint8Array> {
    return Promise.resolve(this.readSync(from, bytes))
  }

  endsApart(graph: Graph, n: number): boolean {
    return endsApart(graph, n, this.device)
  }

  plan(graph: Graph, n: number): CpuPlan {
    this.isUsed = true
    if (this.#planned) {
      this.#planned.plans.push(makePlan(graph.order, graph.targets, this.#planned.target))
      throw onlyPlanned
    }
    return new CpuPlan(this, graph, n)
  }

  /**
   * The plan of what the function computes first, for any machine: it is made and not run. For figures of plans; what the
   * function was in the middle of is of no use afterwards.
   */
  planOnly(target: Target, compute: () => void): Compiled | undefined {
    const plans: Compiled[] = []
    this.#planned = { target, plans }
    try {
      compute()
    } catch (error) {
      if (error !== onlyPlanned) throw error
    } finally {
      this.#planned = null
    }
    return plans[0]
  }

  state(): BackendState {
    const { threads, notices } = this.device
    return { threads, notices, native: this.device.native() }
  }

  usage(): MemoryUsage {
    const { limitBytes, usedBytes, totalBytes } = this.device.memory
    return { limit: limitBytes, used: usedBytes, reserved: totalBytes, ...this.tenants.held }
  }

  close(): Promise<void> {
    return this.device.close()
  }
}
