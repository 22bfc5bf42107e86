/** The allocator against a plain model, growth, and what happens when memory ends. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LenetError } from '../../src/base/index.js'
import { createDevice, DeviceMemory, deviceInfo } from '../../src/device/index.js'

const PAGE = 65536

/** Blocks in use lie apart, are aligned, and keep what was written in them. */
function assertSound(memory: DeviceMemory, blocks: ReadonlyMap<number, number>): void {
  let end = 1
  let used = 0
  for (const [address, bytes] of [...blocks].toSorted(([a], [b]) => a - b)) {
    assert.equal(address % 64, 0)
    assert.ok(address >= end, 'blocks overlap, or one begins at 0')
    end = address + Math.max(bytes, 1)
    used += Math.max(64, Math.ceil(bytes / 64) * 64)
    if (bytes > 0)
      assert.deepEqual([memory.u8(address, bytes)[0], memory.u8(address, bytes).at(-1)], [mark(address), mark(address)])
  }
  assert.ok(end <= memory.totalBytes)
  assert.equal(memory.usedBytes, used)
}

const mark = (address: number): number => (address / 64) % 251

test('allocations and frees in any order keep blocks apart and merge what is free', () => {
  const actions = fc.array(fc.record({ bytes: fc.nat(40_000), free: fc.boolean(), which: fc.nat() }), { maxLength: 60 })
  fc.assert(
    fc.property(actions, (list) => {
      const memory = new DeviceMemory({ initialPages: 1, maximumPages: 64 })
      const blocks = new Map<number, number>()
      for (const { bytes, free, which } of list) {
        const victim = [...blocks.keys()][which % Math.max(1, blocks.size)]
        if (free && victim !== undefined) {
          memory.free(victim)
          blocks.delete(victim)
        } else {
          const address = memory.alloc(bytes)
          memory.u8(address, bytes).fill(mark(address))
          blocks.set(address, bytes)
        }
        assertSound(memory, blocks)
      }
      const total = memory.totalBytes
      for (const address of blocks.keys()) memory.free(address)
      assert.equal(memory.usedBytes, 0)
      // All is one block again: the whole memory but for its first 64 bytes fits without growth.
      assert.equal(memory.alloc(total - 64), 64)
      assert.equal(memory.totalBytes, total)
    }),
  )
})

test('a freed block is used again, and growth keeps values', () => {
  const memory = new DeviceMemory({ initialPages: 1 })
  const a = memory.alloc(1000)
  memory.f32(a, 2).set([1.5, 2.5])
  const b = memory.alloc(3 * PAGE)
  assert.ok(memory.totalBytes >= 4 * PAGE)
  assert.deepEqual(Array.from(memory.f32(a, 2)), [1.5, 2.5])
  memory.free(b)
  assert.equal(memory.alloc(2 * PAGE), b)
  assert.deepEqual(memory.blockAt(a + 999), [a, a + 1024])
  assert.equal(memory.blockAt(a - 1), undefined)
})

test('when memory cannot grow, the error is a LenetError with sizes, and memory stays usable', () => {
  for (const shared of [true, false]) {
    const memory = new DeviceMemory({ initialPages: 1, maximumPages: 16, shared })
    const kept = memory.alloc(PAGE)
    assert.throws(
      () => memory.alloc(16 * PAGE),
      (error) => error instanceof LenetError && /no memory for 1 MiB more: 1 MiB of at most 1 MiB/.test(error.message),
    )
    const rest = memory.alloc(14 * PAGE)
    memory.free(rest)
    memory.free(kept)
    assert.equal(memory.usedBytes, 0)
  }
})

test('wrong frees and sizes are refused', () => {
  const memory = new DeviceMemory({ initialPages: 1, maximumPages: 1 })
  const a = memory.alloc(64)
  memory.free(a)
  assert.throws(() => memory.free(a), /no block begins at 64/)
  assert.throws(() => memory.free(0), /no block/)
  assert.throws(() => memory.alloc(-1), /cannot allocate -1/)
  assert.throws(() => memory.alloc(1.5), /cannot allocate 1.5/)
  assert.equal(memory.alloc(0), 64)
})

test('a limit in MiB, as an option or of the environment', () => {
  const { LENET_MEMORY_LIMIT: before } = process.env
  try {
    process.env['LENET_MEMORY_LIMIT'] = '100'
    assert.equal(createDevice('wasm').memory.limitBytes, 100 * 2 ** 20)
    assert.equal(createDevice('interp', { memoryLimit: 64 }).memory.limitBytes, 64 * 2 ** 20)
    process.env['LENET_MEMORY_LIMIT'] = 'much'
    assert.throws(() => createDevice('wasm'), /^UsageError: LENET_MEMORY_LIMIT: expected MiB from 64 to 4095, got NaN/)
  } finally {
    if (before === undefined) delete process.env['LENET_MEMORY_LIMIT']
    else process.env['LENET_MEMORY_LIMIT'] = before
  }
})

test('who has memory is asked for some where there is none left, until it is enough', () => {
  const memory = new DeviceMemory({ initialPages: 1, maximumPages: 8 })
  const held = Array.from({ length: 7 }, () => memory.alloc(PAGE))
  let asked = 0
  memory.relief = () => {
    asked++
    const address = held.shift()
    if (address !== undefined) memory.free(address)
    return address !== undefined
  }
  memory.alloc(3 * PAGE)
  assert.equal(asked, 3)
  assert.throws(() => memory.alloc(8 * PAGE), /no memory/)
  assert.deepEqual(held, [])
})

test('memory is shared where SharedArrayBuffer exists; each device has its own', () => {
  const [a, b] = [createDevice('wasm'), createDevice('interp')]
  assert.ok(a.memory.shared && a.memory.buffer instanceof SharedArrayBuffer)
  assert.notEqual(a.memory.buffer, b.memory.buffer)
  assert.deepEqual([a.name, a.targetFor(8).lanes, b.name, b.targetFor(8).lanes], ['wasm', 4, 'interp', 4])
  assert.equal(deviceInfo().fusedMultiplyAdd, a.fusedMultiplyAdd)
})
