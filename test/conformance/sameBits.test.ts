/**
 * Trainings bit for bit: WebAssembly and native code with any number of threads and every vector width, across the move
 * from one to the other, and the interpreter, learn the same weights.
 * The weights are frozen (frozenBits.ts), so that every machine and every version of Node must learn them too.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { deviceInfo } from '../../src/device/index.js'
import { startNativeService } from '../../src/device/cpu/native/service.node.js'
import { withEnv } from '../device/nativeTools.js'
import { frozen, frozenShort } from './frozenBits.js'
import type { Learnt, NetName, Training } from './longTraining.js'

const script = fileURLToPath(new URL('longTraining.js', import.meta.url))
const run = promisify(execFile)

/** Compiled kernels are shared by all processes of this file. */
const home = realpathSync(mkdtempSync(join(tmpdir(), 'lenet-bits-')))
after(() => rmSync(home, { recursive: true, force: true }))

const all: readonly NetName[] = ['lenet', 'lenet1', 'mixed', 'separable', 'resnet20', 'dense']
const long = { batch: 33, steps: 20, nets: all } as const
const short = { batch: 8, steps: 2, nets: all } as const
/** Where two ways ask the same of all kernels, each has half of the nets: together they have all kernels. */
const halves: readonly [readonly NetName[], readonly NetName[]] = [
  ['lenet', 'mixed', 'resnet20'],
  ['lenet1', 'separable', 'dense'],
]

async function learn(training: Training, flags = ''): Promise<Learnt[]> {
  const env = withEnv({ LENET_HOME: home, LENET_CFLAGS: flags })
  const { stdout } = await run(process.execPath, [script, JSON.stringify(training)], { env })
  const lines = stdout.trim().split('\n')
  return lines.map((line) => JSON.parse(line) as Learnt)
}

/** Trains, and checks what was learnt and that it was learnt where it should be. */
async function check(training: Training, wanted: typeof frozen, flags = ''): Promise<Learnt[]> {
  const found = await learn(training, flags)
  const digests = found.map(({ net, digest }) => [net, digest])
  assert.deepEqual(
    digests,
    training.nets.map((net) => [net, wanted[net]]),
    JSON.stringify(training) + flags,
  )
  const tier = training.device === 'auto' ? 'native' : training.device
  for (const learnt of found) assert.equal(learnt.tier, tier)
  if (tier !== 'interp') for (const learnt of found) assert.equal(learnt.threads, training.threads)
  return found
}

const noFma = deviceInfo().fusedMultiplyAdd
  ? false
  : 'this machine has no fused multiply-add in WebAssembly, so the last bits may differ'

/** How many numbers native code has in a vector here; else why there is none. */
function nativeLanes(): number | string {
  const service = startNativeService({ folder: join(home, 'native'), env: withEnv({}) })
  const found = service.wait()
  service.close()
  return 'reason' in found ? found.reason : found.lanes
}

const widest = nativeLanes()
const noNative = typeof widest === 'string' ? `no native code: ${widest}` : false

/** What makes a compiler for this processor do without its wider vectors. */
const widths =
  process.arch === 'x64'
    ? ([
        [16, ''],
        [8, '-mno-avx512f'],
        [4, '-mno-avx512f -mno-avx2 -mfma'],
      ] as const)
    : ([[4, '']] as const)

const whyNot = (lanes: number): string | false =>
  noNative || (Number(widest) < lanes ? `this processor has vectors of ${widest}` : false)

describe('20 steps, batches of 33 and 1', { concurrency: 2 }, () => {
  for (const threads of [1, 2, 3])
    test(`WebAssembly with ${threads} threads`, { skip: noFma }, async () => {
      await check({ device: 'wasm', threads, ...long }, frozen)
    })

  test('WebAssembly with many more threads than cores', { skip: noFma }, async () => {
    await check({ device: 'wasm', threads: 64, ...long, nets: ['lenet'] }, frozen)
  })

  test('WebAssembly with 16 threads, which share pictures', { skip: noFma }, async () => {
    await check({ device: 'wasm', threads: 16, ...long, nets: halves[0] }, frozen)
  })

  test('native code with 16 threads, which share pictures', { skip: noNative }, async () => {
    await check({ device: 'native', threads: 16, ...long, nets: halves[1] }, frozen)
  })

  for (const [gib, nets] of [
    [2, halves[0]],
    [3, halves[1]],
  ] as const) {
    // some values below the border, others above
    const first = gib * 2 ** 30 - 2 ** 18
    test(`WebAssembly, values around ${gib} GiB`, { skip: noFma }, async () => {
      await check({ device: 'wasm', threads: 2, ...long, nets, first }, frozen)
    })
    test(`native code, values around ${gib} GiB`, { skip: noNative }, async () => {
      await check({ device: 'native', threads: 2, ...long, nets, first }, frozen)
    })
  }

  test('values that must leave the memory between all steps', { skip: noFma }, async () => {
    await check({ device: 'wasm', threads: 2, ...long, disturb: true }, frozen)
  })

  for (const [lanes, flags] of widths)
    test(`native code with vectors of ${lanes}, 1, 2 and 3 threads`, { skip: whyNot(lanes) }, async (t) => {
      for (const threads of [1, 2, 3]) {
        const found = await check({ device: 'native', threads, ...long }, frozen, flags)
        assert.deepEqual([...new Set(found.map((learnt) => learnt.lanes))], [lanes])
      }
      // by now its code lies ready, so that it takes over within 20 steps
      await t.test('from WebAssembly to native code in the middle', { skip: noFma }, async () => {
        const found = await check({ device: 'auto', threads: 2, ...long, awaitSwap: true }, frozen, flags)
        for (const { swappedAt, net } of found) assert.ok(swappedAt !== null && swappedAt > 4, `${net}: ${swappedAt}`)
      })
    })
})

describe('2 steps, batches of 8 and 1', { concurrency: 2 }, () => {
  test('the interpreter', async () => {
    await check({ device: 'interp', threads: 1, ...short }, frozenShort)
  })

  test('the interpreter, values around 2 GiB', async () => {
    await check({ device: 'interp', threads: 1, ...short, nets: halves[1], first: 2 ** 31 - 2 ** 18 }, frozenShort)
  })

  for (const threads of [2, 8]) {
    test(`WebAssembly with ${threads} threads for a block of pictures`, { skip: noFma }, async () => {
      await check({ device: 'wasm', threads, ...short }, frozenShort)
    })

    test(`native code with ${threads} threads for a block of pictures`, { skip: noNative }, async () => {
      await check({ device: 'native', threads, ...short }, frozenShort)
    })
  }
})
