/**
 * Members who do parts of the same kernel at the same time write apart, or the same: each call of a kernel is made on the
 * memory as it was before all of them, and no word may get two values. Scratch memory that parts share would show here.
 * All cases, in plans for teams that share pictures.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { interpret, unitCount, type LoopKernel, type Program } from '../../src/compiler/index.js'
import { createInterpDevice, type Device } from '../../src/device/index.js'
import { cases, nodesOf } from './cases.js'
import { batchesOf, runPlan } from './runPlan.js'

const threads = 16
const calls = 5

const chunk = 1024

/** The words that differ, by chunks of which most are alike. */
function* changed(now: Int32Array, before: Int32Array): Generator<number> {
  const [a, b] = [now, before].map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength))
  for (let from = 0; from < now.length; from += chunk) {
    const end = Math.min(now.length, from + chunk)
    if (a?.compare(b as Buffer, 4 * from, 4 * end, 4 * from, 4 * end) === 0) continue
    for (let at = from; at < end; at++) if (now[at] !== before[at]) yield at
  }
}

/** Does a kernel's units in a few calls, each on memory as it was. */
function apart({ memory }: Device, kernel: LoopKernel, slots: readonly number[], table: number): void {
  const words = new Int32Array(memory.buffer)
  const before = words.slice()
  const after = new Map<number, number>()
  const count = unitCount(kernel.units, words[table / 4] ?? 0)
  for (let i = 0; i < calls; i++) {
    const [lo, hi] = [Math.floor((count * i) / calls), Math.floor((count * (i + 1)) / calls)]
    if (lo < hi) interpret(kernel, slots, memory.buffer, table, lo, hi)
    for (const at of changed(words, before)) {
      const word = words[at] ?? 0
      if ((after.get(at) ?? word) !== word)
        assert.fail(`${kernel.name}, call ${i} of ${count} units: word ${at} is written twice`)
      after.set(at, word)
      words[at] = before[at] ?? 0
    }
  }
  for (const [at, word] of after) words[at] = word
}

function checkedDevice(lanes: number): Device {
  const device = createInterpDevice({ lanes, threads })
  const compile = (program: Program): ReturnType<Device['compile']> => ({
    ...device.compile(program),
    run: (table) => program.kernels.forEach((kernel, i) => apart(device, kernel, program.slots[i] ?? [], table)),
  })
  return { ...device, compile }
}

describe('parts of a kernel write apart', () => {
  for (const { name, build } of cases.filter((entry) => batchesOf(nodesOf(entry.build())).size <= 1))
    test(name, () => {
      const lanes = 8
      const wanted = runPlan(createInterpDevice({ lanes }), nodesOf(build()))
      assert.deepEqual(runPlan(checkedDevice(lanes), nodesOf(build())), wanted)
    })
})
