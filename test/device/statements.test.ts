/** Loads, stores and statements one by one on both devices, with the values they must give. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  add,
  alu,
  batchSize,
  float,
  int,
  iota,
  loadByte,
  loadInt,
  loadSplat,
  loadVec,
  mul,
  renderWasm,
  splat,
  type Builder,
  type Expr,
  type LoopKernel,
  type Stmt,
  type Var,
} from '../../src/compiler/index.js'
import { createInterpDevice } from '../../src/device/index.js'
import { agreed, floatsOf, input, kernelOf, output, outputOf, programOf, wasm, wordsOf } from './kernels.js'

/** 32 words: 0x03020100, 0x07060504, … */
const BYTES = new Int32Array(Uint8Array.from({ length: 128 }, (_, i) => i).buffer)
const NUMBERS = Int32Array.from({ length: 32 }, (_, i) => 100 + i)

const written = (write: (b: Builder, lo: Expr, hi: Expr) => void, words = NUMBERS, length = 16, n = 1): number[] =>
  Array.from(agreed(programOf(kernelOf(write)), words, length, false, n))

test('loads: whole vectors at any address, words, bytes, broadcasts', () => {
  const out = written((b) => {
    b.store('vec', output, 0, loadVec(add(input, 1), 2, 'i32v'))
    b.store('i32', output, 16, loadInt(input, 5))
    b.store('i32', output, 20, loadByte(input, 127))
    b.store('vec', output, 32, loadSplat(input, 8, 'i32v'))
  }, BYTES)
  const word = (at: number): number => new DataView(BYTES.buffer).getInt32(at, true)
  assert.deepEqual(out.slice(0, 6), [word(3), word(7), word(11), word(15), word(5), 127])
  assert.deepEqual(out.slice(8, 12), [word(8), word(8), word(8), word(8)])
})

test('stores: a vector, its lane 0, a word', () => {
  const out = written((b) => {
    b.store('one', output, 4, loadVec(input, 0, 'i32v'))
    b.store('vec', add(output, 16), 0, iota)
    b.store('vec', output, 32, splat(int(-7)))
    b.store('i32', output, 60, int(-0x80000000))
  })
  assert.deepEqual(out, [0, 100, 0, 0, 0, 1, 2, 3, -7, -7, -7, -7, 0, 0, 0, -0x80000000])
})

test('float constants keep −0, infinities, denormals', () => {
  const values = [-0, Infinity, 1e-45, 0.1]
  const kernel = kernelOf((b) => values.forEach((value, i) => b.store('one', output, 4 * i, float(value))))
  assert.deepEqual(floatsOf(agreed(programOf(kernel), NUMBERS, 4)), values.map(Math.fround))
})

test('moves keep the bits of every NaN', () => {
  const nans = Int32Array.from([0x7fc00001, -0x400000 + 5, 0x7f800001, -0x7fffff])
  const kernel = kernelOf((b) => {
    const v = b.let('v', loadVec(input))
    b.store('vec', output, 0, v)
    b.store('vec', output, 16, alu('fbits', v))
    b.transpose([v, v, v, v]).forEach((row, i) => b.store('one', output, 32 + 4 * i, row))
  })
  const out = agreed(programOf(kernel), nans, 12)
  assert.deepEqual(Array.from(out), [...nans, ...nans, ...nans])
})

test('loop runs count times; not at all for 0 and less', () => {
  for (const [count, runs] of [
    [3, 3],
    [1, 1],
    [0, 0],
    [-2, 0],
  ] as const) {
    const out = written(
      (b) => {
        const sum = b.let('sum', int(0))
        b.loop(loadInt(input), () => b.bump(sum, 1))
        b.loop(count, () => b.bump(sum, 100))
        b.store('i32', output, 0, sum)
      },
      Int32Array.of(count),
      1,
    )
    assert.deepEqual(out, [runs * 101])
  }
})

test('for counts from … below to by its step; the bound is read once', () => {
  const out = written(
    (b) => {
      const end = b.let('end', int(7))
      const sum = b.let('sum', int(0))
      b.for('i', loadInt(input), end, 3, (i) => {
        b.set(end.v, int(100))
        b.set(sum.v, add(mul(sum, 10), i))
      })
      b.for('j', 5, loadInt(input), 1, () => b.set(sum.v, int(-1)))
      b.for('k', 5, 5, 1, () => b.set(sum.v, int(-1)))
      b.store('i32', output, 0, sum)
    },
    Int32Array.of(1),
    1,
  )
  assert.deepEqual(out, [14])
})

test('if takes any number but 0 as true; comparisons store −1', () => {
  const out = written((b) => {
    const choose = (cond: Expr, at: number): void =>
      b.if(
        cond,
        () => b.store('i32', output, at, int(1)),
        () => b.store('i32', output, at, int(2)),
      )
    choose(loadInt(input), 0)
    choose(alu('ilt', loadInt(input), int(0)), 4)
    choose(alu('ieq', loadInt(input), int(100)), 8)
    choose(alu('iand', loadInt(input), int(3)), 12)
    b.if(int(1), () => b.store('i32', output, 16, alu('ilt', int(1), int(2))))
  })
  assert.deepEqual(out.slice(0, 5), [1, 2, 1, 2, -1])
})

test('transpose turns rows into columns, also onto its own inputs', () => {
  const apart = kernelOf((b) => {
    const rows = [0, 1, 2, 3].map((i) => loadVec(input, 16 * i, 'i32v'))
    b.transpose(rows).forEach((row, i) => b.store('vec', output, 16 * i, row))
  })
  const rows = [2, 3, 4, 5].map((id): Var => ({ id, type: 'i32v', name: `row${id}` }))
  const from = rows.map((v): Expr => ({ k: 'var', v }))
  const body: Stmt[] = [
    ...rows.map((v, i): Stmt => ({ k: 'set', v, value: loadVec(input, 16 * i, 'i32v') })),
    { k: 'transpose', out: rows, from },
    ...from.map((value, i): Stmt => ({ k: 'store', mem: 'vec', at: output, offset: 16 * i, value })),
  ]
  const wanted = Array.from({ length: 16 }, (_, i) => 100 + 4 * (i % 4) + Math.floor(i / 4))
  for (const kernel of [apart, { ...apart, body }]) {
    assert.deepEqual(Array.from(agreed(programOf(kernel), NUMBERS, 16)), wanted)
  }
})

test('bytes4 gathers four bytes of each lane', () => {
  const out = written(
    (b) => {
      const at = [40, 1, 122, 7].map((offset) => add(input, offset))
      b.bytes4(at, 2).forEach((bytes, j) => b.store('vec', output, 16 * j, bytes))
    },
    Int32Array.from(BYTES, (word) => word ^ 0x80808080),
  )
  const wanted = [0, 1, 2, 3].flatMap((j) => [40, 1, 122, 7].map((at) => (at + 2 + j) ^ 0x80))
  assert.deepEqual(out, wanted)
})

test('units come from n; a call does its part of them', () => {
  const kernel = kernelOf((b, lo, hi) =>
    b.for('u', lo, hi, 1, (u) => b.store('i32', add(output, mul(u, 4)), 0, batchSize)),
  )
  assert.deepEqual(Array.from(agreed(programOf(kernel), NUMBERS, 8, false, 5)), [5, 5, 5, 5, 5, 0, 0, 0])
})

test('kernels run in order, and each alone', () => {
  const first = kernelOf((b) => b.store('i32', output, 0, int(20)))
  const second = kernelOf((b) => b.store('i32', output, 0, add(loadInt(output), 3)))
  assert.deepEqual(Array.from(agreed(programOf(first, second), NUMBERS, 1)), [23])
  const { memory } = wasm
  const table = memory.alloc(12)
  const out = memory.alloc(4)
  memory.i32(table, 3).set([1, out, out])
  const executable = wasm.compile(programOf(first, second))
  executable.runKernel(0, table)
  executable.runKernel(1, table)
  executable.runKernel(1, table)
  assert.equal(memory.i32(out, 1)[0], 26)
  assert.throws(() => executable.runKernel(2, table), /no kernel 2/)
})

test('a team shares the units of a step without gaps', () => {
  const kernel = kernelOf((b, lo, hi) => {
    b.for('u', lo, hi, 1, (u) => {
      const at = b.let('at', add(output, mul(u, 4)))
      b.store('i32', at, 0, add(loadInt(at), 1))
    })
  })
  const memory = new WebAssembly.Memory({ initial: 1 })
  const bytes = renderWasm(programOf(kernel), { relaxedFma: false, shared: false })
  const { step } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } }).exports
  assert.ok(typeof step === 'function')
  new Int32Array(memory.buffer, 64, 3).set([10, 0, 256])
  for (const tid of [0, 1, 2]) step(64, tid, 3)
  assert.deepEqual(Array.from(new Int32Array(memory.buffer, 256, 11)), [...Array<number>(10).fill(1), 0])
})

test('modules are valid, and the same program gives the same bytes', () => {
  const make = (): Uint8Array<ArrayBuffer>[] =>
    [true, false].map((relaxedFma) => {
      const kernel = kernelOf((b) => b.store('vec', output, 0, alu('fma', loadVec(input), loadVec(input), float(1))))
      return renderWasm(programOf(kernel, kernel), { relaxedFma, shared: relaxedFma })
    })
  const [fused, plain] = make()
  assert.ok(fused && plain && WebAssembly.validate(plain) && WebAssembly.validate(fused))
  assert.deepEqual(make(), [fused, plain])
})

test('without fused multiply-add a product and a sum round twice', () => {
  const kernel = kernelOf((b) =>
    b.store('vec', output, 0, alu('fma', loadSplat(input), loadSplat(input), loadSplat(input, 4))),
  )
  const words = wordsOf([1 + 2 ** -12, -1 - 2 ** -11])
  const bytes = renderWasm(programOf(kernel), { relaxedFma: false, shared: false })
  const memory = new WebAssembly.Memory({ initial: 1 })
  const { step } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } }).exports
  assert.ok(typeof step === 'function')
  new Int32Array(memory.buffer, 64, 3).set([1, 128, 256])
  new Int32Array(memory.buffer, 128, 2).set(words)
  step(64, 0, 1)
  assert.equal(new Float32Array(memory.buffer, 256, 1)[0], 0)
  assert.equal(floatsOf(outputOf(wasm, programOf(kernel), words, 4))[0], wasm.fusedMultiplyAdd ? 2 ** -24 : 0)
})

test('a checked interpreter device refuses accesses outside the blocks of the buffers', () => {
  const checked = createInterpDevice({ checked: true, lanes: 8 })
  const copy = (at: number): LoopKernel => ({
    ...kernelOf((b) => b.store('vec', output, at, loadVec(input))),
    lanes: 8,
  })
  assert.deepEqual(
    Array.from(outputOf(checked, programOf(copy(32)), NUMBERS, 16).slice(8)),
    Array.from(NUMBERS.slice(0, 8)),
  )
  assert.throws(() => outputOf(checked, programOf(copy(64)), NUMBERS, 16), /write of 32 bytes at \d+ is in no buffer/)
  assert.throws(() => checked.compile(programOf(kernelOf(() => {}))), /'test' has 4 lanes; this device has 8/)
  assert.throws(() => wasm.compile(programOf(copy(0))), /'test' has 8 lanes; WebAssembly has 4/)
})
