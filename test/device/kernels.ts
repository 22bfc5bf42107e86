/**
 * Helps tests to run a small kernel on both devices and compare what it wrote.
 * A test kernel has two buffers: 0 is read, 1 is written.
 */
import assert from 'node:assert/strict'
import { addr, Builder, type Expr, type LoopKernel, type Program, type Units } from '../../src/compiler/index.js'
import { createDevice, type Device } from '../../src/device/index.js'

export const input = addr(0)
export const output = addr(1)

/** A kernel of one unit a picture, whose body `write` makes. */
export function kernelOf(write: (b: Builder, lo: Expr, hi: Expr) => void, units: Units = { pictures: 1 }): LoopKernel {
  const b = new Builder()
  const lo = b.local('i32', 'lo')
  const hi = b.local('i32', 'hi')
  write(b, { k: 'var', v: lo }, { k: 'var', v: hi })
  return { name: 'test', lanes: 4, buffers: ['read', 'both'], units, lo, hi, body: b.body, flops: () => 0 }
}

export function programOf(...kernels: LoopKernel[]): Program {
  return { kernels, slots: kernels.map(() => [1, 2]), slotCount: 3, barriers: kernels.map(() => true) }
}

export const wasm = createDevice('wasm')
export const interp = createDevice('interp')

/** What the program writes for a batch of n, as 32-bit words. */
export function outputOf(device: Device, program: Program, words: Int32Array, length: number, n = 1): Int32Array {
  const { memory } = device
  const blocks = [memory.alloc(12), memory.alloc(words.byteLength), memory.alloc(4 * length)] as const
  const [table, from, to] = blocks
  const run = device.compile(program)
  memory.i32(table, 3).set([n, from, to])
  memory.i32(from, words.length).set(words)
  memory.i32(to, length).fill(0)
  run.run(table)
  const out = Int32Array.from(memory.i32(to, length))
  blocks.forEach((block) => memory.free(block))
  return out
}

/** Runs on both devices and checks that they agree; gives the words. */
export function agreed(program: Program, words: Int32Array, length: number, floats = false, n = 1): Int32Array {
  const found = outputOf(wasm, program, words, length, n)
  const wanted = outputOf(interp, program, words, length, n)
  assert.deepEqual(floats ? floatsOf(found) : found, floats ? floatsOf(wanted) : wanted)
  return wanted
}

/** Words read as floats; deepEqual tells −0 from 0 there and takes every NaN for the same. */
export function floatsOf(words: Int32Array): number[] {
  return Array.from(new Float32Array(words.buffer, words.byteOffset, words.length))
}

export function wordsOf(floats: readonly number[]): Int32Array {
  return new Int32Array(Float32Array.from(floats).buffer)
}
