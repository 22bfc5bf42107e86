/**
 * The device that runs programs on the loop IR's interpreter: slow, needs no WebAssembly code, and is what the others
 * are compared with.
 */
import { granuleOf, interpret, shareOf, verify, type Program } from '../compiler/index.js'
import type { Device, Executable } from './device.js'
import { DeviceMemory } from './memory.js'

export interface InterpOptions {
  /** Lanes of its kernels. Default 4. */
  readonly lanes?: number
  /** Throw when a kernel reads or writes outside the blocks that its buffers lie in, or writes what it only reads. Default false. */
  readonly checked?: boolean
  /** Do what a team of so many would do: between two barriers all of the last member's share first, then the next. Default 1. */
  readonly threads?: number
}

export function createInterpDevice(options: InterpOptions = {}): Device {
  const { lanes = 4, checked = false, threads = 1 } = options
  const memory = new DeviceMemory()
  return {
    name: 'interp',
    lanesFor: () => lanes,
    next: null,
    notices: [],
    memory,
    threads,
    fusedMultiplyAdd: true,
    ready: () => Promise.resolve(),
    compile: (program) => {
      program.kernels.forEach((kernel) => check(kernel.lanes, lanes, kernel.name))
      program.kernels.forEach(verify)
      return executable(program, memory, threads, checked)
    },
  }
}

function check(found: number, lanes: number, name: string): void {
  if (found !== lanes) throw new Error(`kernel '${name}' has ${found} lanes; this device has ${lanes}`)
}

function executable(program: Program, memory: DeviceMemory, threads: number, checked: boolean): Executable {
  const granule = granuleOf(program.kernels)
  const runShare = (index: number, table: number, tid: number, nth: number): void => {
    const kernel = program.kernels[index]
    if (!kernel) throw new Error(`the program has no kernel ${index}`)
    const slots = program.slots[index] ?? []
    const words = memory.i32(table, program.slotCount)
    const ranges = checked ? slots.map((slot) => range(memory, words[slot] ?? 0)) : undefined
    const [lo, hi] = shareOf(kernel.units, words[0] ?? 0, tid, nth, granule)
    interpret(kernel, slots, memory.buffer, table, lo, hi, ranges)
  }
  const run = (table: number): void => {
    for (const phase of phasesOf(program))
      for (let tid = threads - 1; tid >= 0; tid--) for (const index of phase) runShare(index, table, tid, threads)
  }
  return { run, runKernel: (index, table) => runShare(index, table, 0, 1) }
}

/** The numbers of the kernels between two barriers. */
function phasesOf({ kernels, barriers }: Program): number[][] {
  const phases: number[][] = []
  kernels.forEach((_, i) => {
    if (i === 0 || barriers[i]) phases.push([])
    phases.at(-1)?.push(i)
  })
  return phases
}

/** From a buffer's address to the end of the block in which it lies. */
function range(memory: DeviceMemory, address: number): readonly [number, number] {
  const block = memory.blockAt(address)
  return block ? [address, block[1]] : [address, address]
}
