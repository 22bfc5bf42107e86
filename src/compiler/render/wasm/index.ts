/**
 * A program as one WebAssembly module: the kernels, how many units each has, and the step that calls them in order.
 * The bytes depend on the program and the options alone.
 * Not here: compiling and running it (device), barriers between kernels of a team (one thread runs a step so far).
 */
import type { LoopKernel, Program } from '../../loop/ir.js'
import * as w from './encode.js'
import { Code, I32, type Bytes } from './encode.js'
import { kernelCode, unitsCode } from './kernel.js'
import type { WasmOptions } from './ops.js'

export type { WasmOptions } from './ops.js'

const VERSION: Bytes = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
/** All that 32-bit addresses reach. */
const MAX_PAGES = 65536

/** Types: 0 is (table, lo, hi) or (table, tid, nth) → nothing; 1 is (table) → units. */
const FUNC = 0x60
const TYPES: readonly Bytes[] = [
  [FUNC, 3, I32, I32, I32, 0],
  [FUNC, 1, I32, 1, I32],
]

/**
 * Exports for `program` of k kernels: `k0`…(table, lo, hi) do the units lo … hi−1; `u0`…(table) count the units;
 * `step`(table, tid, nth) does the share of thread tid of nth of every kernel in order. Memory is imported: env.memory.
 */
export function renderWasm(program: Program, options: WasmOptions): Uint8Array<ArrayBuffer> {
  const { kernels, slots } = program
  for (const { name, lanes } of kernels) {
    if (lanes !== 4) throw new Error(`kernel '${name}' has ${lanes} lanes; WebAssembly has 4`)
  }
  const count = kernels.length
  const code = [
    ...kernels.map((kernel, i) => kernelCode(kernel, slots[i] ?? [], options)),
    ...kernels.map((kernel) => unitsCode(kernel, options)),
    stepCode(count),
  ]
  const types = code.map((_, i) => [i < count || i === 2 * count ? 0 : 1])
  const sections = [
    w.section(1, w.vector(TYPES)),
    w.section(2, w.vector([memoryImport(options.shared)])),
    w.section(3, w.vector(types)),
    w.section(7, w.vector(exportsOf(count))),
    w.section(10, w.vector(code.map(w.sized))),
    w.section(0, names(kernels)),
  ]
  return new Uint8Array(w.join([VERSION, ...sections]))
}

function memoryImport(shared: boolean): Bytes {
  const limits = shared ? [3, ...w.u32(1), ...w.u32(MAX_PAGES)] : [0, ...w.u32(1)]
  return [...w.text('env'), ...w.text('memory'), 2, ...limits]
}

function exportsOf(count: number): Bytes[] {
  const func = (name: string, index: number): Bytes => [...w.text(name), 0, ...w.u32(index)]
  const all = Array.from({ length: count }, (_, i) => i)
  return [...all.map((i) => func(`k${i}`, i)), ...all.map((i) => func(`u${i}`, count + i)), func('step', 2 * count)]
}

/** For each kernel: u = units(table); k(table, u·tid / nth, u·(tid + 1) / nth). Locals: 0 table, 1 tid, 2 nth, 3 u. */
function stepCode(count: number): Bytes {
  const code = new Code()
  const share = (next: boolean): void => {
    code.get(3)
    code.get(1)
    if (next) code.i32Const(1)
    if (next) code.op(w.i32.add)
    code.op(w.i32.mul)
    code.get(2)
    code.op(w.i32.divU)
  }
  for (let i = 0; i < count; i++) {
    code.get(0)
    code.call(count + i)
    code.set(3)
    code.get(0)
    share(false)
    share(true)
    code.call(i)
  }
  code.op(w.END)
  return [1, 1, I32, ...code.bytes]
}

/** The custom section that profilers read: each kernel's function has its name. */
function names(kernels: readonly LoopKernel[]): Bytes {
  const functions = w.vector(kernels.map(({ name }, i) => [...w.u32(i), ...w.text(name)]))
  return [...w.text('name'), 1, ...w.sized(functions)]
}
