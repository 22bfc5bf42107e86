/**
 * The tier that runs programs as WebAssembly with SIMD, in Node and in browsers.
 * Not here: how programs are spelled (compiler/render/wasm).
 */
import { enableRelaxedSimd } from '#device-platform'
import { LenetError } from '../base/index.js'
import {
  addr,
  alu,
  Builder,
  forTeam,
  loadVec,
  renderWasm,
  unitCount,
  verify,
  wasmTarget,
  type Program,
} from '../compiler/index.js'
import type { Executable, Tier } from './device.js'
import { instanceOn } from './instance.js'
import { canShare, reserve, type DeviceMemory, type LinearMemory } from './memory.js'
import type { Step } from './protocol.js'
import type { Team } from './team.js'

const LANES = wasmTarget.lanes

export interface WasmSupport {
  /** 128-bit SIMD, without which there is no wasm device: false also where there is no WebAssembly at all. */
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
export function createWasmTier(memory: DeviceMemory, team: Team): Tier {
  const { simd, fusedMultiplyAdd } = wasmSupport()
  if (!simd)
    throw new LenetError(`${noWasm()}, which device 'wasm' needs: use device 'auto', 'interp' or a newer engine`)
  const options = { relaxedFma: fusedMultiplyAdd, shared: memory.shared }
  const compile = (program: Program): Executable => {
    new Set(program.kernels).forEach(verify)
    const code = renderWasm(program, options)
    const module = new WebAssembly.Module(code)
    const { step, kernels } = instantiate(module, program, memory.memory, team.look)
    return {
      ...team.add(program, { kind: 'wasm', module }, step),
      bytes: code.length,
      runKernel: (index, table) => {
        const units = program.kernels[index]?.units ?? missing(index)
        kernels[index]?.(table, 0, unitCount(units, memory.i32(table, 1)[0] ?? 0))
      },
    }
  }
  return { name: 'wasm', targetFor: (n) => forTeam(wasmTarget, n, team.threads), compile }
}

interface Instance {
  readonly step: Step
  readonly kernels: readonly ((table: number, lo: number, hi: number) => void)[]
}

function instantiate(
  module: WebAssembly.Module,
  program: Program,
  memory: LinearMemory,
  look?: () => number,
): Instance {
  const { exports } = instanceOn(module, memory, look)
  const entry = <F>(name: string): F => {
    const found = exports[name]
    if (typeof found !== 'function') throw new Error(`the module has no function '${name}'`)
    return found as F
  }
  return { step: entry('step'), kernels: program.kernels.map((_, i) => entry(`k${i}`)) }
}

function missing(index: number): never {
  throw new Error(`the program has no kernel ${index}`)
}

/** What is not there. */
export const noWasm = (): string =>
  typeof WebAssembly === 'undefined' ? 'there is no WebAssembly here (--jitless?)' : 'WebAssembly has no SIMD here'

function probe(): WasmSupport {
  if (typeof WebAssembly === 'undefined') return { simd: false, fusedMultiplyAdd: false, sharedMemory: false }
  enableRelaxedSimd()
  const plain = { relaxedFma: false, shared: false }
  const simd = WebAssembly.validate(renderWasm(probeProgram(), plain))
  const bytes = renderWasm(probeProgram(), { ...plain, relaxedFma: true })
  const fusedMultiplyAdd = simd && WebAssembly.validate(bytes) && fuses(bytes)
  return { simd, fusedMultiplyAdd, sharedMemory: canShare() }
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
    units: { count: 1 },
    lo,
    hi,
    body: b.body,
    flops: () => 0,
  } as const
  return { kernels: [kernel], slots: [[1]], slotCount: 2, barriers: [false] }
}

/** relaxed_madd may round twice: only one rounding leaves 2^-24 of (1 + 2^-12)² − (1 + 2^-11). */
function fuses(bytes: Uint8Array<ArrayBuffer>): boolean {
  const { memory } = reserve(1, 1, false)
  const { step } = instantiate(new WebAssembly.Module(bytes), probeProgram(), memory)
  new Int32Array(memory.buffer, 0, 2).set([1, 64])
  const values = new Float32Array(memory.buffer, 64, 16)
  values.fill(1 + 2 ** -12, 0, 8).fill(-1 - 2 ** -11, 8, 12)
  step(0, 0, 1, 0)
  return values.subarray(12).every((value) => value === 2 ** -24)
}
