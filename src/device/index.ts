/** The room `device`: memory, the team of threads, and what runs compiled programs. */
import { coreCount, nativeTier } from '#device-platform'
import { LenetError, UsageError } from '../base/index.js'
import type { Device, TierName } from './device.js'
import { createInterpDevice } from './interp.js'
import { DeviceMemory } from './memory.js'
import { Team } from './team.js'
import { createWasmTier, wasmSupport, type WasmSupport } from './wasm.js'

export type { BackgroundTier, Device, Executable, Pending, Tier, TierName } from './device.js'
export { createInterpDevice } from './interp.js'
export { DeviceMemory } from './memory.js'
export type { WasmSupport } from './wasm.js'

/** 'auto' begins on WebAssembly and goes on in native code where that can be had. */
export type DeviceName = TierName | 'auto'

export interface DeviceOptions {
  /** Threads that share the work, 1 to 1024. Default: all cores. No result depends on it. */
  readonly threads?: number
}

/** More threads than any machine that trains small nets has cores; each costs some megabytes. */
const mostThreads = 1024

function checkThreads(threads: number): number {
  if (Number.isInteger(threads) && threads >= 1 && threads <= mostThreads) return threads
  throw new UsageError(`threads: expected a whole number from 1 to ${mostThreads}, got ${threads}`)
}

/** A new device with a memory of its own. */
export function createDevice(name: DeviceName, options: DeviceOptions = {}): Device {
  if (name === 'interp') return createInterpDevice()
  const { fusedMultiplyAdd, sharedMemory } = wasmSupport()
  const memory = new DeviceMemory({ shared: sharedMemory })
  const team = new Team(memory, checkThreads(options.threads ?? Math.min(coreCount(), mostThreads)))
  const notices: string[] = []
  const native = name === 'wasm' ? null : nativeTier(memory, team, (line) => notices.push(line))
  if (name === 'native' && !native)
    throw new LenetError("device 'native' needs Node and a C compiler: use device 'auto' or 'wasm'")
  // without fused multiply-add in WebAssembly the bits would change when native code takes over
  const next = fusedMultiplyAdd ? (native?.background ?? null) : null
  const tier =
    name === 'native' && native ? { ...native.waiting, next: null } : { ...createWasmTier(memory, team), next }
  return { ...tier, memory, threads: team.threads, fusedMultiplyAdd, notices, ready: () => team.ready() }
}

/** What this platform offers to devices. */
export function deviceInfo(): WasmSupport {
  return wasmSupport()
}
