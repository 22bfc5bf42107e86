/** The room `device`: memory, and what runs compiled programs on it. */
import { createInterpDevice } from './interp.js'
import type { Device } from './device.js'
import { createWasmDevice, wasmSupport, type WasmSupport } from './wasm.js'

export type { Device, Executable } from './device.js'
export { createInterpDevice } from './interp.js'
export { DeviceMemory } from './memory.js'
export type { WasmSupport } from './wasm.js'

export type DeviceName = Device['name']

/** A new device with a memory of its own. */
export function createDevice(name: DeviceName): Device {
  return name === 'wasm' ? createWasmDevice() : createInterpDevice()
}

/** What this platform offers to devices. */
export function deviceInfo(): WasmSupport {
  return wasmSupport()
}
