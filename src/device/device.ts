/**
 * What every device offers. Not here: any device.
 */
import type { Program } from '../compiler/index.js'
import type { DeviceMemory } from './memory.js'

/** A compiled program. `table` is the byte address of its address table in the device's memory. */
export interface Executable {
  /** One step: all kernels in order. */
  run(table: number): void
  /** All units of one kernel, for profiles and tests. */
  runKernel(index: number, table: number): void
}

export interface Device {
  readonly name: 'wasm' | 'interp'
  /** Lanes that kernels for this device must have. */
  readonly lanes: number
  readonly memory: DeviceMemory
  /** `fma` is rounded once here; where not, last bits differ from machines where it is. */
  readonly fusedMultiplyAdd: boolean
  compile(program: Program): Executable
}
