/** What the library tells of its device, and how its threads end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { closeDevice, device, setDevice, torch } from '../../src/index.js'

const { randn } = torch

const threads = { made: 0, ended: 0 }
process.on('worker', (worker) => {
  threads.made++
  worker.on('exit', () => threads.ended++)
})

const tick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve))

/** Enough work for the team to be called. */
async function work(): Promise<number> {
  const [a, b] = [randn([64, 1024]), randn([1024, 64])]
  for (let i = 0; i < 3; i++) {
    a.matmul(b).realize()
    await tick()
  }
  return a.add(0).sub(a).abs().sum().item()
}

test('asking starts nothing, and the device can still be chosen', async () => {
  const { kind, native, notices } = device()
  assert.deepEqual([kind, native, notices], ['wasm', 'pending', []])
  setDevice('interp')
  assert.deepEqual({ ...device() }, { kind: 'interp', threads: 1, native: 'none', notices: [] })
  setDevice('wasm', { threads: 3 })
  assert.deepEqual({ ...device() }, { kind: 'wasm', threads: 3, native: 'none', notices: [] })
  await tick()
  assert.deepEqual(threads, { made: 0, ended: 0 })
})

test('closeDevice ends the threads; what is computed next starts them anew, and values stay', async () => {
  const kept = randn([8]).realize()
  const values = kept.toArray()
  assert.equal(await work(), 0)
  assert.deepEqual(threads, { made: 2, ended: 0 })
  await closeDevice()
  assert.deepEqual(threads, { made: 2, ended: 2 })
  await closeDevice()
  assert.equal(await work(), 0)
  assert.deepEqual(threads, { made: 4, ended: 2 })
  assert.deepEqual(kept.toArray(), values)
  setDevice('wasm') // that is what computes
  assert.throws(() => setDevice('gpu' as 'wasm'), {
    message: "setDevice: there is no device 'gpu'; there are auto, native, wasm, interp",
  })
  assert.throws(() => setDevice('interp'), /values lie in the memory of 'wasm' with 3 threads/)
})

test('the end of a block ends the threads', async () => {
  await work()
  const { made } = threads
  {
    await using _ = device()
    assert.equal(await work(), 0)
  }
  assert.deepEqual(threads, { made, ended: made })
})
