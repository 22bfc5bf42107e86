/**
 * The device that computes: chosen once, before anything lies in its memory.
 * Not here: what people are told of it (deviceInUse.ts), values in its memory (storage.ts).
 */
import { LenetError, UsageError } from '../base/index.js'
import { createDevice, deviceNames, type Device, type DeviceName, type DeviceOptions } from '../device/index.js'
import { relieve } from './tenants.js'

let current: Device | null = null

let chosen = ''

/** What the device itself has allocated: more than these, and values lie in its memory. */
let firstAllocations = 0

/** The device that computes: as `setDevice` said, or 'auto' with all cores. */
export function device(): Device {
  if (!current) setDevice('auto')
  return current ?? createDevice('auto')
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
  if (current && (chosen === wanted || (given === '' && chosen.startsWith(wanted)))) return
  if (current && current.memory.allocations > firstAllocations)
    throw new LenetError(
      `setDevice: ${wanted} was asked for, but values lie in the memory of ${chosen}; choose the device before anything is computed`,
    )
  void current?.close()
  current = createDevice(name, options)
  current.memory.relief = relieve
  firstAllocations = current.memory.allocations
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
