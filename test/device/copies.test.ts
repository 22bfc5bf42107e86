/** Copies of the library in one process, each in a realm of its own as test runners load them: they share threads. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { whyNoCompiler, withEnv } from './nativeTools.js'

const home = realpathSync(mkdtempSync(join(tmpdir(), 'lenet-copies-')))
after(() => rmSync(home, { recursive: true, force: true }))

const urlOf = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href)

/** Runs statements in a process that can load copies and counts the threads that are made; gives what they print. */
function run(statements: string): unknown {
  const source = `
const { importInRealm } = await import(${urlOf('../base/ownRealm.js')})
const threads = { made: 0, ended: 0 }
process.on('worker', (worker) => { threads.made++; worker.on('exit', () => threads.ended++) })
const programs = () => importInRealm(${urlOf('teamPrograms.js')})
const print = (found) => process.stdout.write(JSON.stringify(found))
${statements}`
  const args = ['--no-warnings', '--experimental-vm-modules', '--input-type=module', '-e', source]
  const options = { encoding: 'utf8', env: withEnv({ LENET_HOME: home }), timeout: 120_000 } as const
  const { status, stdout, stderr } = spawnSync(process.execPath, args, options)
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout)
}

const sum = [70, 71, 72]

test('five copies, one after the other, have two worker threads', () => {
  const found = run(`
const results = []
for (let i = 0; i < 5; i++) results.push((await (await programs()).working('wasm'))())
print([results, threads])`)
  assert.deepEqual(found, [[sum, sum, sum, sum, sum], { made: 2, ended: 0 }])
})

test('copies that compute in turns, more than the threads remember, all get their own results', () => {
  const found = run(`
const steps = []
for (let i = 0; i < 4; i++) steps.push(await (await programs()).working('wasm'))
const results = new Set()
for (let i = 0; i < 60; i++) results.add(steps[i * i % 4]().join())
print([[...results], threads.made])`)
  assert.deepEqual(found, [[sum.join()], 2])
})

test('a copy that wants more threads makes the crew larger; one with fewer uses some', () => {
  const found = run(`
const copies = []
for (const threads of [2, 4, 3]) {
  const { ran } = await programs()
  copies.push(await ran(threads))
}
const results = copies.map((step) => step().length)
for (let i = 0; i < 50; i++) for (const step of copies) step()
print([results, threads.made])`)
  assert.deepEqual(found, [[2, 4, 3], 3])
})

test('closed by one copy, the threads are started anew by the next that computes', () => {
  const found = run(`
const [one, two] = [await programs(), await programs()]
const steps = [await one.working('wasm'), await two.working('wasm')]
await one.close()
const closed = { ...threads }
const results = steps.map((step) => step())
await two.close()
await new Promise((resolve) => setTimeout(resolve))
print([closed, results, threads.made === threads.ended])`)
  assert.deepEqual(found, [{ made: 2, ended: 2 }, [sum, sum], true])
})

test('native code: two copies, one compile worker', { skip: whyNoCompiler() }, () => {
  const found = run(`
const results = []
for (let i = 0; i < 2; i++) results.push((await (await programs()).working('native'))())
await new Promise((resolve) => setTimeout(resolve))
print([results, threads])`)
  assert.deepEqual(found, [[sum, sum], { made: 3, ended: 0 }])
})
