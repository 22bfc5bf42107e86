/**
 * The device that runs programs as WebAssembly with SIMD, in Node and in browsers. One thread so far.
 * Not here: how programs are spelled (compiler/render/wasm).
 */
import { compileOptimized, enableRelaxedSimd } from '#device-platform'
import { LenetError } from '../base/index.js'
import { addr, alu, Builder, int, loadVec, renderWasm, verify, type Program } from '../compiler/index.js'
import type { Device, Executable } from './device.js'
import { DeviceMemory } from './memory.js'

const LANES = 4

export interface WasmSupport {
  /** 128-bit SIMD, without which there is no wasm device. */
  readonly simd: boolean
  /** relaxed_madd is there and fuses. */
  readonly fusedMultiplyAdd: boolean
  readonly sharedMemory: boolean
}

let support: WasmSupport | undefined

/** What this platform's WebAssembly can do; probed once. */
export function wasmSupport(): WasmSupport {
  support ??= probe()
  return support
}

/** @throws LenetError where WebAssembly has no SIMD. */
export function createWasmDevice(): Device {
  const { simd, fusedMultiplyAdd, sharedMemory } = wasmSupport()
  if (!simd)
    throw new LenetError(
      "WebAssembly has no SIMD here, which device 'wasm' needs: use device 'interp' or a newer engine",
    )
  const memory = new DeviceMemory({ shared: sharedMemory })
  const options = { relaxedFma: fusedMultiplyAdd, shared: sharedMemory }
  const compile = (program: Program): Executable => {
    program.kernels.forEach(verify)
    return instantiate(compileOptimized(renderWasm(program, options)), program, memory.memory)
  }
  return { name: 'wasm', lanes: LANES, memory, fusedMultiplyAdd, compile }
}

type Entry = (a: number, b?: number, c?: number) => number

function instantiate(module: WebAssembly.Module, program: Program, memory: WebAssembly.Memory): Executable {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } })
  const entry = (name: string): Entry => {
    const found = exports[name]
    if (typeof found !== 'function') throw new Error(`the module has no function '${name}'`)
    return found as Entry
  }
  const step = entry('step')
  const kernels = program.kernels.map((_, i) => ({ kernel: entry(`k${i}`), units: entry(`u${i}`) }))
  return {
    run: (table) => void step(table, 0, 1),
    runKernel: (index, table) => {
      const { kernel, units } = kernels[index] ?? missing(index)
      kernel(table, 0, units(table))
    },
  }
}

function missing(index: number): never {
  throw new Error(`the program has no kernel ${index}`)
}

function probe(): WasmSupport {
  enableRelaxedSimd()
  const plain = { relaxedFma: false, shared: false }
  const simd = WebAssembly.validate(renderWasm(probeProgram(), plain))
  const bytes = renderWasm(probeProgram(), { ...plain, relaxedFma: true })
  const fusedMultiplyAdd = simd && WebAssembly.validate(bytes) && fuses(bytes)
  return { simd, fusedMultiplyAdd, sharedMemory: typeof SharedArrayBuffer === 'function' }
}

/** One multiply-add of three vectors in memory, so that no compiler can know the values. */
function probeProgram(): Program {
  const b = new Builder()
  const at = addr(0)
  b.store('vec', at, 48, alu('fma', loadVec(at), loadVec(at, 16), loadVec(at, 32)))
  const lo = b.local('i32', 'lo')
  const hi = b.local('i32', 'hi')
  const kernel = {
    name: 'probe',
    lanes: LANES,
    buffers: ['both'],
    units: int(1),
    lo,
    hi,
    body: b.body,
    flops: () => 0,
  } as const
  return { kernels: [kernel], slots: [[1]], slotCount: 2 }
}

/** relaxed_madd may round twice: only one rounding leaves 2^-24 of (1 + 2^-12)² − (1 + 2^-11). */
function fuses(bytes: Uint8Array<ArrayBuffer>): boolean {
  const memory = new WebAssembly.Memory({ initial: 1 })
  const executable = instantiate(new WebAssembly.Module(bytes), probeProgram(), memory)
  new Int32Array(memory.buffer, 0, 2).set([1, 64])
  const values = new Float32Array(memory.buffer, 64, 16)
  values.fill(1 + 2 ** -12, 0, 8).fill(-1 - 2 ** -11, 8, 12)
  executable.run(0)
  return values.subarray(12).every((value) => value === 2 ** -24)
}
