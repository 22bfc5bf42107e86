/** The room `device`: what computes. A backend each is a folder; backend.ts is what they have in common. */
export {
  bytesOf,
  isShortage,
  valuesIn,
  type Backend,
  type BackendState,
  type MemoryUsage,
  type Buf,
  type Graph,
  type Holder,
  type Input,
  type NativeState,
  type Place,
  type Plan,
  type Result,
  type TierName,
} from './backend.js'
export { CpuBackend } from './cpu/cpuBackend.js'
export { CpuPlan } from './cpu/cpuPlan.js'
export { createDevice, deviceInfo, deviceNames, type DeviceName, type DeviceOptions } from './cpu/createDevice.js'
export type { Device } from './cpu/device.js'
export { createInterpDevice } from './cpu/interp.js'
export { DeviceMemory } from './cpu/memory.js'
export { choiceName } from './cpu/tuning.js'
