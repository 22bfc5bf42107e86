/**
 * The device that runs programs on the loop IR's interpreter: slow, needs no WebAssembly code, and is what the others
 * are compared with.
 */
import {
  forTeam,
  granuleOf,
  interpret,
  phasesOf,
  pieceOf,
  piecesOf,
  placeOf,
  rankShare,
  shareOf,
  squadRuns,
  squadsOf,
  unitCount,
  unitsIn,
  verify,
  wasmTarget,
  type Program,
  type Units,
} from '../compiler/index.js'
import type { Device, Executable, Tier } from './device.js'
import { DeviceMemory, type MemoryOptions } from './memory.js'

export interface InterpOptions {
  /** Lanes of its kernels. Default 4. */
  readonly lanes?: number
  /** Throw when a kernel reads or writes outside the blocks that its buffers lie in, or writes what it only reads. Default false. */
  readonly checked?: boolean
  /** Do what a team of so many would do: between two barriers all of the last member's share first, then the next. Default 1. */
  readonly threads?: number
}

export function createInterpDevice(options: InterpOptions & MemoryOptions = {}): Device {
  const memory = new DeviceMemory(options)
  return {
    ...interpTier(memory, options),
    next: null,
    notices: [],
    memory,
    threads: options.threads ?? 1,
    fusedMultiplyAdd: true,
    tune: () => {},
    ready: () => Promise.resolve(),
    native: () => 'none',
    close: () => Promise.resolve(),
  }
}

/** The interpreter on a memory. */
export function interpTier(memory: DeviceMemory, options: InterpOptions = {}): Tier {
  const { lanes = 4, checked = false, threads = 1 } = options
  return {
    name: 'interp',
    targetFor: (n) => forTeam({ ...wasmTarget, lanes }, n, threads),
    compile: (program) => {
      program.kernels.forEach((kernel) => check(kernel.lanes, lanes, kernel.name))
      new Set(program.kernels).forEach(verify)
      return executable(program, memory, threads, checked)
    },
  }
}

function check(found: number, lanes: number, name: string): void {
  if (found !== lanes) throw new Error(`kernel '${name}' has ${found} lanes; this device has ${lanes}`)
}

function executable(program: Program, memory: DeviceMemory, threads: number, checked: boolean): Executable {
  const part = (index: number, table: number, [lo, hi]: readonly [number, number]): void => {
    const kernel = program.kernels[index]
    if (!kernel) throw new Error(`the program has no kernel ${index}`)
    const slots = program.slots[index] ?? []
    const words = memory.i32(table, program.slotCount)
    const ranges = checked ? slots.map((slot) => range(memory, (words[slot] ?? 0) >>> 0)) : undefined
    interpret(kernel, slots, memory.buffer, table, lo, hi, ranges)
  }
  const batch = (table: number): number => memory.i32(table, 1)[0] ?? 0
  const unitsOf = (index: number): Units => program.kernels[index]?.units ?? { count: 0 }
  return {
    run: (table) => runTeam(program, batch(table), threads, unitsOf, (index, units) => part(index, table, units)),
    runKernel: (index, table) => part(index, table, [0, unitCount(unitsOf(index), batch(table))]),
    bytes: 0,
    drop: () => {},
  }
}

/** What a team does, one member after the other between two barriers. */
function runTeam(
  program: Program,
  n: number,
  threads: number,
  unitsOf: (index: number) => Units,
  part: (index: number, units: readonly [number, number]) => void,
): void {
  const granule = granuleOf(program.kernels)
  const squads = squadsOf(program.kernels, n, threads)
  const members = Array.from({ length: threads }, (_, tid) => tid).toReversed()
  /** Kernels between which a squad does not meet, by one member. */
  const pictures = (kernels: readonly number[], g: number, tid: number): void => {
    const place = placeOf(tid, threads, squads)
    for (const index of kernels) part(index, rankShare(unitsIn(unitsOf(index), n, g, granule), place))
  }
  for (const { byPicture, counted } of phasesOf(program)) {
    const runs = squadRuns(program, byPicture)
    for (let squad = squads - 1; squad >= 0; squad--) {
      const own = members.filter((tid) => placeOf(tid, threads, squads).squad === squad)
      const [first, end] = shareOf(Math.ceil(n / granule), squad, squads)
      for (let g = first; g < end; g++) for (const run of runs) for (const tid of own) pictures(run, g, tid)
      for (const tid of own)
        for (const index of counted)
          for (let i = 0; i < piecesOf(unitsOf(index)); i++) part(index, pieceOf(unitsOf(index), i, tid, threads))
    }
  }
}

/** From a buffer's address to the end of the block in which it lies. */
function range(memory: DeviceMemory, address: number): readonly [number, number] {
  const block = memory.blockAt(address)
  return block ? [address, block[1]] : [address, address]
}
