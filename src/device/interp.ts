/**
 * The device that runs programs on the loop IR's interpreter: slow, needs no WebAssembly code, and is what the others
 * are compared with.
 */
import { interpret, unitsOf, verify, type Program } from '../compiler/index.js'
import type { Device, Executable } from './device.js'
import { DeviceMemory } from './memory.js'

export interface InterpOptions {
  /** Lanes of its kernels. Default 4. */
  readonly lanes?: number
  /** Throw when a kernel reads or writes outside the blocks that its buffers lie in, or writes what it only reads. Default false. */
  readonly checked?: boolean
}

export function createInterpDevice(options: InterpOptions = {}): Device {
  const { lanes = 4, checked = false } = options
  const memory = new DeviceMemory()
  return {
    name: 'interp',
    lanes,
    memory,
    fusedMultiplyAdd: true,
    compile: (program) => {
      program.kernels.forEach((kernel) => check(kernel.lanes, lanes, kernel.name))
      program.kernels.forEach(verify)
      return executable(program, memory, checked)
    },
  }
}

function check(found: number, lanes: number, name: string): void {
  if (found !== lanes) throw new Error(`kernel '${name}' has ${found} lanes; this device has ${lanes}`)
}

function executable(program: Program, memory: DeviceMemory, checked: boolean): Executable {
  const runKernel = (index: number, table: number): void => {
    const kernel = program.kernels[index]
    if (!kernel) throw new Error(`the program has no kernel ${index}`)
    const slots = program.slots[index] ?? []
    const words = memory.i32(table, program.slotCount)
    const ranges = checked ? slots.map((slot) => range(memory, words[slot] ?? 0)) : undefined
    interpret(kernel, slots, memory.buffer, table, 0, unitsOf(kernel, words[0] ?? 0), ranges)
  }
  return { run: (table) => program.kernels.forEach((_, index) => runKernel(index, table)), runKernel }
}

/** From a buffer's address to the end of the block in which it lies. */
function range(memory: DeviceMemory, address: number): readonly [number, number] {
  const block = memory.blockAt(address)
  return block ? [address, block[1]] : [address, address]
}
