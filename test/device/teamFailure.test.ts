/** A team whose member fails in the middle of a step, and processes that end while members wait: none hangs. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import type { Worker } from 'node:worker_threads'
import { LenetError } from '../../src/base/index.js'
import { createDevice } from '../../src/device/index.js'
import { outputOf } from './kernels.js'
import { hangMs, whyNoCompiler, withEnv } from './nativeTools.js'
import { failing, fine, sharing, threads, word, working } from './teamPrograms.js'

test('without failures all members do their part', async () => {
  const step = await working('wasm')
  for (let i = 0; i < 50; i++) assert.deepEqual(step(), [70, 71, 72])
})

describe('a member that fails', () => {
  for (const who of [0, 1, 2])
    // whoever does that member's share
    test(`share ${who} of ${threads}: the step ends with the reason, and others can be run`, async () => {
      const device = createDevice('wasm', { threads })
      await device.ready()
      assert.equal(device.threads, threads)
      assert.deepEqual([...outputOf(device, fine, word, threads)], [70, 71, 72])
      assert.throws(
        () => outputOf(device, failing(who), word, threads),
        (error) =>
          error instanceof LenetError &&
          /^a (?:worker )?thread failed in the middle of a step: memory access out of bounds/.test(error.message),
      )
      assert.deepEqual([...outputOf(device, fine, word, threads)], [70, 71, 72])
    })

  for (const who of [0, 3])
    test(`part ${who} of a picture that members share: the same`, async () => {
      const device = createDevice('wasm', { threads })
      await device.ready()
      assert.deepEqual([...outputOf(device, sharing(), word, 4)], [70, 71, 72, 73])
      assert.throws(() => outputOf(device, sharing(who), word, 4), LenetError)
      assert.deepEqual([...outputOf(device, sharing(), word, 4)], [70, 71, 72, 73])
    })

  test('one that has ended between two steps: the others go on, and a line says so', async () => {
    const workers: Worker[] = []
    const note = (worker: Worker): void => void workers.push(worker)
    process.on('worker', note)
    const device = createDevice('wasm', { threads })
    await device.close()
    await device.ready()
    process.off('worker', note)
    await workers[0]?.terminate()
    assert.deepEqual([...outputOf(device, fine, word, threads)], [70, 71, 72])
    assert.deepEqual([...device.notices], ['a worker thread has ended before its time: one thread computes'])
    assert.equal(device.threads, 1)
  })

  test('numbers of threads that cannot be are refused', () => {
    for (const wrong of [0, -1, 1.5, NaN, 1e6])
      assert.throws(
        () => createDevice('wasm', { threads: wrong }),
        /^UsageError: threads: expected a whole number from 1/,
      )
  })
})

const home = realpathSync(mkdtempSync(join(tmpdir(), 'lenet-team-')))
after(() => rmSync(home, { recursive: true, force: true }))

const programs = JSON.stringify(new URL('teamPrograms.js', import.meta.url).href)
const env = withEnv({ LENET_HOME: home })

/** Ends a worker behind the team's back, and goes on without an event loop that would know. */
const vanished = `
void workers[0].terminate()
try {
  for (let i = 0; i < 1e6; i++) step()
} catch (error) {
  process.exit(error.message.includes('failed in the middle of a step: it has ended') ? 5 : 6)
}`

/** A process whose team has worked and that then does `end`. Gives its exit code or signal. */
async function ending(device: 'wasm' | 'native', end: string, kill?: NodeJS.Signals): Promise<unknown> {
  const source = `
const { working } = await import(${programs})
const workers = []
process.on('worker', (worker) => workers.push(worker))
const step = await working('${device}')
for (let i = 0; i < 50; i++) if (step().join() !== '70,71,72') process.exit(99)
const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
process.stdout.write('worked')
${end}`
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const gone = once(child, 'exit')
  await Promise.race([once(child.stdout, 'data'), gone])
  if (kill) child.kill(kill)
  const [code, signal] = await gone
  return signal ?? code
}

const noCompiler = whyNoCompiler()

for (const device of ['wasm', 'native'] as const)
  describe(`the end of a process with a team: ${device}`, { skip: device === 'native' && noCompiler }, () => {
    const cases = [
      ['by itself', '', 0, undefined],
      ['by itself, when members have gone to sleep', 'sleep(100)', 0, undefined],
      ['process.exit', 'process.exit(3)', 3, undefined],
      ['an error that nobody catches', 'throw new Error("end")', 1, undefined],
      ['a signal in the middle of work', 'for (;;) step()', 'SIGTERM', 'SIGTERM'],
      ['a worker that vanished is an error of the step', vanished, 5, undefined],
    ] as const
    for (const [name, end, wanted, kill] of cases)
      test(name, { timeout: hangMs }, async () => assert.equal(await ending(device, end, kill), wanted))
  })
