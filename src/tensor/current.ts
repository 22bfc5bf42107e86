/**
 * The backend that computes what is made from here on. Values stay on the backend on which they were made.
 * Not here: what people are told of it (deviceInUse.ts), values on it (storage.ts).
 */
import { LenetError, UsageError } from '../base/index.js'
import {
  CpuBackend,
  deviceNames,
  type Backend,
  type Device,
  type DeviceName,
  type DeviceOptions,
} from '../device/index.js'

let current: Backend | null = null

/** The one that `setDevice` made, and what was asked for. */
let cpu: CpuBackend | null = null
let chosen = ''

/** What computes: as `setDevice` said, or 'auto' with all cores. */
export const backend = (): Backend => current ?? cpuBackend()

/** The backend of this machine's processor: for commands and tests that know it from inside. */
export function cpuBackend(): CpuBackend {
  if (!cpu) setDevice('auto')
  return cpu ?? new CpuBackend('auto')
}

/** Its threads, memory and code. */
export const device = (): Device => cpuBackend().device

/** From here on `other` computes; null: what `setDevice` said. Returns what it was before. For the library's own use. */
export function useBackend(other: Backend | null): Backend | null {
  const before = current
  current = other
  return before
}

/**
 * Chooses what computes, with how many threads, and in how much memory. The results do not depend on it, to the last bit.
 * @param name 'auto' (default): WebAssembly at once, native code as soon as a C compiler has made it; 'native': waits for
 *   that code; 'wasm'; 'interp': the loop IR's interpreter (slow, for checks)
 * @param options threads: default all cores. memoryLimit: MiB for values (default 4095, or LENET_MEMORY_LIMIT); what does not
 *   fit is an error that says what would
 * @throws LenetError once values lie in another device's memory, or where the device cannot be had
 */
export function setDevice(name: DeviceName, options: DeviceOptions = {}): void {
  if (!deviceNames.includes(name))
    throw new UsageError(`setDevice: there is no device '${String(name)}'; there are ${deviceNames.join(', ')}`)
  const { threads, memoryLimit } = options
  const given = [
    threads === undefined ? '' : ` with ${threads} threads`,
    memoryLimit === undefined ? '' : ` in ${memoryLimit} MiB`,
  ].join('')
  const wanted = `'${name}'${given}`
  if (cpu && (chosen === wanted || (given === '' && chosen.startsWith(wanted)))) return
  if (cpu?.isUsed === true)
    throw new LenetError(
      `setDevice: ${wanted} was asked for, but values lie in the memory of ${chosen}; choose the device before anything is computed`,
    )
  void cpu?.close()
  cpu = new CpuBackend(name, options)
  chosen = wanted
}

/**
 * Ends the worker threads of steps and of the C compiler, so that nothing of ours runs: after tests, or before a server goes
 * on with other work. Values, nets and the device that was chosen stay; what is computed next starts new threads. A copy
 * of this library in the same process uses the same threads, and starts new ones too when it computes.
 */
export async function closeDevice(): Promise<void> {
  await Promise.all([cpu?.close(), current?.close()])
}
