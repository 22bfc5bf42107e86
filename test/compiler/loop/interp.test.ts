/** The interpreter alone: any number of lanes, checks of accesses. Agreement with WebAssembly: test/device. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addr,
  alu,
  Builder,
  float,
  int,
  interpret,
  iota,
  loadVec,
  splat,
  unitCount,
  verify,
  type Access,
  type Expr,
  type LoopKernel,
  type Ranges,
} from '../../../src/compiler/index.js'

/** Table at 0: n, buffer 0 at 64, buffer 1 at 256. */
const FROM = 64
const TO = 256

function kernelOf(
  lanes: number,
  write: (b: Builder) => void,
  buffers: readonly Access[] = ['read', 'write'],
): LoopKernel {
  const b = new Builder()
  const lo = b.local('i32', 'lo')
  const hi = b.local('i32', 'hi')
  write(b)
  const kernel = { name: 'copy', lanes, buffers, units: { pictures: 4 }, lo, hi, body: b.body, flops: () => 0 }
  verify(kernel)
  return kernel
}

function run(kernel: LoopKernel, ranges?: Ranges): Float32Array {
  const memory = new SharedArrayBuffer(1024)
  new Int32Array(memory, 0, 3).set([7, FROM, TO])
  new Float32Array(memory, FROM, 32).forEach((_, i, all) => (all[i] = i + 1))
  interpret(kernel, [1, 2], memory, 0, 0, 2, ranges)
  return new Float32Array(memory, TO, 64)
}

/** 100·i, 100·i + 1, … */
const rowOf = (i: number): Expr => alu('iadd', iota, splat(int(100 * i)))

const double = (lanes: number): LoopKernel =>
  kernelOf(lanes, (b) => b.store('vec', addr(1), 0, alu('fmul', loadVec(addr(0)), float(2))))

for (const lanes of [1, 4, 8, 16]) {
  test(`${lanes} lanes: a vector operation works on that many values`, () => {
    const out = run(double(lanes))
    assert.deepEqual(Array.from(out.subarray(0, lanes + 1)), [...Array.from({ length: lanes }, (_, i) => 2 * i + 2), 0])
  })

  test(`${lanes} lanes: transpose is a square of that size`, () => {
    const kernel = kernelOf(lanes, (b) => {
      const rows = b.transpose(Array.from({ length: lanes }, (_, i) => rowOf(i)))
      rows.forEach((row, i) => b.store('one', addr(1), 4 * i, row))
    })
    const found = Array.from(new Int32Array(run(kernel).buffer, TO, lanes))
    // Lane 0 of column i is element i of row 0, which is 0, 1, 2, …
    assert.deepEqual(
      found,
      Array.from({ length: lanes }, (_, i) => i),
    )
  })
}

test('accesses outside the declared buffers are named', () => {
  const inside: Ranges = [
    [FROM, FROM + 16],
    [TO, TO + 16],
  ]
  run(double(4), inside)
  assert.throws(() => run(double(8), inside), /kernel 'copy': read of 32 bytes at 64 is in no buffer declared for it/)
  const past = kernelOf(4, (b) => b.store('i32', addr(1), 16, int(1)))
  assert.throws(() => run(past, inside), /write of 4 bytes at 272/)
  const backwards = kernelOf(4, (b) => b.store('i32', addr(0), 0, int(1)))
  assert.throws(() => run(backwards, inside), /write of 4 bytes at 64/)
  const readsOutput = kernelOf(4, (b) => b.store('vec', addr(1), 0, loadVec(addr(1))))
  assert.throws(() => run(readsOutput, inside), /read of 16 bytes at 256/)
  const both = kernelOf(4, (b) => b.store('vec', addr(1), 0, loadVec(addr(1))), ['read', 'both'])
  run(both, inside)
})

test('units are counted from n', () => {
  assert.deepEqual(
    [1, 4, 5, 32].map((n) => unitCount(double(4).units, n)),
    [1, 1, 2, 8],
  )
})
