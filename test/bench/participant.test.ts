/** Participants as processes: a fake one that answers, one that fails, one that is not there; and WebAssembly's peak. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Participant } from '../../src/bench/participant.node.js'
import { peakModule } from '../../src/bench/peakWasm.js'
import { enableRelaxedSimd } from '../../src/device/cpu/switches.node.js'
import type { Task } from '../../src/bench/protocol.js'

const task: Task = {
  kind: 'train',
  net: 'lenet',
  layers: [],
  width: 1,
  side: 32,
  batch: 32,
  threads: 1,
  mode: 'fake',
  warmSeconds: 0,
}

/** A program that answers each question with the next of these lines. */
const saying = (...lines: readonly string[]): { command: string; args: string[] } => ({
  command: process.execPath,
  args: [
    '-e',
    `const lines = ${JSON.stringify(lines)}
     console.log(lines.shift())
     process.stdin.on('data', () => lines.length ? console.log(lines.shift()) : process.exit(3))`,
    '--',
  ],
})

test('a participant is started, asked and stopped', async () => {
  const fake = await Participant.start(
    saying('{"event":"ready","facts":{"fake":"1.0"}}', 'a warning\n{"event":"steps","ms":[1,2,3],"peakMB":40}'),
    task,
  )
  assert.deepEqual(fake.facts, { fake: '1.0' })
  const { ms, peakMB } = await fake.measure(1)
  assert.deepEqual([ms, peakMB], [[1, 2, 3], 40])
  await assert.rejects(fake.measure(1), /it ended with exit code 3/)
  fake.stop()
})

test('a participant that fails says why', async () => {
  await assert.rejects(
    Participant.start(saying('{"event":"failed","reason":"no module torch"}'), task),
    /no module torch/,
  )
  await assert.rejects(
    Participant.start({ command: process.execPath, args: ['-e', 'null.x', '--'] }, task),
    /TypeError|Node/,
  )
  await assert.rejects(Participant.start({ command: '/nowhere/python', args: [] }, task), /ENOENT/)
})

test('an answer to another question is an error', async () => {
  const fake = await Participant.start(saying('{"event":"ready","facts":{}}', '{"event":"kernels","kernels":[]}'), task)
  await assert.rejects(fake.measure(1), /it answered kernels, not steps/)
  fake.stop()
})

test('the module that measures WebAssembly’s peak computes its chains', () => {
  enableRelaxedSimd()
  const { peak } = new WebAssembly.Instance(new WebAssembly.Module(peakModule())).exports
  assert.ok(typeof peak === 'function')
  // each chain goes to x = x·f + f, whose limit for f = 0.5 is 1; eight chains are summed
  assert.equal(peak(1000, 0.5), 8)
  assert.equal(peak(1, 0), 0)
})
