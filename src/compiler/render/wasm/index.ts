/**
 * A program as one WebAssembly module: the kernels, and the step that calls them in order.
 * The bytes depend on the program and the options alone. Not here: compiling and running it (device).
 */
import type { LoopKernel, Program } from '../../loop/ir.js'
import { barrierCode } from './barrier.js'
import * as w from './encode.js'
import { I32, type Bytes } from './encode.js'
import { callCode, kernelCode, sharedCode } from './kernel.js'
import type { WasmOptions } from './ops.js'
import { stepCode } from './team.js'

export type { WasmOptions } from './ops.js'

const VERSION: Bytes = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
/** All that 32-bit addresses reach. */
const MAX_PAGES = 65536

/**
 * Types: 0 is (table, lo, hi) → nothing; 1 is (table, tid, nth, team) → i32 and (team, barrier, rank, size) → i32; 2 gives an i32;
 * behind them those of shared kernels: 3 + b is (n, lo, hi, b addresses) → nothing.
 */
const FUNC = 0x60
const TYPES: readonly Bytes[] = [
  [FUNC, 3, I32, I32, I32, 0],
  [FUNC, 4, I32, I32, I32, I32, 1, I32],
  [FUNC, 0, 1, I32],
]
const sharedType = (buffers: number): Bytes => [FUNC, 3 + buffers, ...new Array<number>(3 + buffers).fill(I32), 0]

/** A kernel with more buffers than this gets no addresses as parameters: engines take up to 1,000 of those. */
const mostAddresses = 100

/**
 * Exports for `program`: `k0`…(table, lo, hi) do the units lo … hi−1 of a kernel; `step`(table, tid, nth, team) does the
 * share of member tid of nth of every kernel in order and gives 0, or 1 when a member failed (`team`: the address of the
 * team's block; without shared memory nth must be 1). Memory is imported: env.memory; with shared memory also env.look, which
 * a waiting member asks now and then whether a member is gone: not 0.
 * A kernel that is there several times is one function behind those, which the others call with their buffers' addresses.
 */
export function renderWasm(program: Program, options: WasmOptions): Uint8Array<ArrayBuffer> {
  const { kernels, slots } = program
  for (const { name, lanes } of kernels) {
    if (lanes !== 4) throw new Error(`kernel '${name}' has ${lanes} lanes; WebAssembly has 4`)
  }
  const count = kernels.length
  const shared = sharedIn(kernels)
  const first = options.shared ? 1 : 0 // functions that are imported have the first numbers
  const own = count + (options.shared ? 2 : 1)
  const calls = kernels.map((kernel, i) => {
    const at = shared.indexOf(kernel)
    return at < 0 ? kernelCode(kernel, slots[i] ?? [], options) : callCode(first + own + at, slots[i] ?? [])
  })
  const code = [
    ...calls,
    stepCode(program, first, options.shared ? first + count + 1 : null),
    ...(options.shared ? [barrierCode()] : []),
    ...shared.map((kernel) => sharedCode(kernel, options)),
  ]
  const types = code.map((_, i) => {
    const kernel = shared[i - own]
    return w.u32(kernel ? TYPES.length + kernel.buffers.length : Number(i >= count))
  })
  const sharedTypes = Array.from({ length: mostAddresses + 1 }, (_, buffers) => sharedType(buffers))
  return w.assemble([
    VERSION,
    w.section(1, w.vector([...TYPES, ...sharedTypes])),
    w.section(2, w.vector([memoryImport(options.shared), ...(options.shared ? [lookImport] : [])])),
    w.section(3, w.vector(types)),
    w.section(7, w.vector(exportsOf(first, count))),
    ...w.codeSection(code),
    w.section(0, names(kernels, first, shared, first + own)),
  ])
}

/** Kernels that are there several times. */
function sharedIn(kernels: readonly LoopKernel[]): LoopKernel[] {
  const seen = new Set<LoopKernel>()
  const found = new Set<LoopKernel>()
  for (const kernel of kernels) {
    if (seen.has(kernel) && kernel.buffers.length <= mostAddresses) found.add(kernel)
    seen.add(kernel)
  }
  return [...found]
}

function memoryImport(shared: boolean): Bytes {
  const limits = shared ? [3, ...w.u32(1), ...w.u32(MAX_PAGES)] : [0, ...w.u32(1)]
  return [...w.text('env'), ...w.text('memory'), 2, ...limits]
}

const lookImport: Bytes = [...w.text('env'), ...w.text('look'), 0, ...w.u32(2)]

function exportsOf(first: number, count: number): Bytes[] {
  const func = (name: string, index: number): Bytes => [...w.text(name), 0, ...w.u32(first + index)]
  const all = Array.from({ length: count }, (_, i) => i)
  return [...all.map((i) => func(`k${i}`, i)), func('step', count)]
}

/** The custom section that profilers read: each kernel's function has its name, and what calls a shared one too. */
function names(
  kernels: readonly LoopKernel[],
  first: number,
  shared: readonly LoopKernel[],
  firstShared: number,
): Bytes {
  const named = (list: readonly LoopKernel[], from: number): Bytes[] =>
    list.map(({ name }, i) => [...w.u32(from + i), ...w.text(name)])
  const functions = w.vector([...named(kernels, first), ...named(shared, firstShared)])
  return [...w.text('name'), 1, ...w.sized(functions)]
}
