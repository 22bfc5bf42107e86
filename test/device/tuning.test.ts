/** Measured choices: what a file may say, what is ignored, and that a choice changes the kernels and no bit. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, describe, test } from 'node:test'
import fc from 'fast-check'
import type { Target, Tuned } from '../../src/compiler/index.js'
import { choiceName, createDevice, type Device } from '../../src/device/index.js'
import { readTuning, tuningPath, writeTuning } from '../../src/device/index.node.js'
import { formatTuning, parseTuning } from '../../src/device/cpu/tuning.js'
import { cases, nodesOf } from '../conformance/cases.js'
import { batchesOf, runPlan } from '../conformance/runPlan.js'

const home = realpathSync(mkdtempSync(join(tmpdir(), 'lenet-tuning-')))
process.env['LENET_HOME'] = home
after(() => rmSync(home, { recursive: true, force: true }))

const choice = choiceName('wasm', { lanes: 4, accumulators: 8 }, 'conv 6×10×10 pool 2')

function read(): [choices: [string, string][], notices: string[]] {
  const notices: string[] = []
  return [[...readTuning((line) => notices.push(line))], notices]
}

describe('the file', () => {
  beforeEach(() => rmSync(home, { recursive: true, force: true }))

  test('is not there at first; what is written is read', async () => {
    assert.deepEqual(read(), [[], []])
    const path = await writeTuning(new Map([[choice, '2×2×2']]))
    assert.equal(path, tuningPath())
    assert.deepEqual(read(), [[[choice, '2×2×2']], []])
  })

  const put = (text: string | Uint8Array): void => {
    mkdirSync(join(home, 'tuning'), { recursive: true })
    writeFileSync(tuningPath(), text)
  }

  for (const [name, text, why] of [
    ['half of it', '{"format":"lenet tun', /it is no JSON/],
    ['nothing', '', /it is no JSON/],
    ['null', 'null', /not in the format/],
    ['a list', '[]', /not in the format/],
    ['of another format', '{"format":"lenet tuning 0","choices":{}}', /not in the format/],
    ['of another machine', formatTuning('somewhere', new Map()), /measured on another machine/],
    ['too long', `{"format":"${' '.repeat(2_000_000)}"}`, /longer than \d+ bytes/],
  ] as const)
    test(`${name}: ignored, and told`, () => {
      put(text)
      const [choices, [notice, ...more]] = read()
      assert.deepEqual([choices, more], [[], []])
      assert.match(notice ?? '', why)
      assert.ok(notice?.includes(tuningPath()))
      assert.match(createDevice('wasm', { threads: 1 }).notices.join(), why)
    })

  test('a folder or a pipe in its place is ignored without waiting', { skip: process.platform === 'win32' }, () => {
    mkdirSync(tuningPath(), { recursive: true })
    assert.match(read()[1].join(), /is not used/)
    rmSync(tuningPath(), { recursive: true })
    assert.equal(spawnSync('sh', ['-c', 'mkfifo "$0"', tuningPath()]).status, 0)
    assert.match(read()[1].join(), /it is no file/)
  })

  test('a link that leads nowhere is no file', () => {
    mkdirSync(join(home, 'tuning'), { recursive: true })
    symlinkSync('nowhere', tuningPath())
    assert.deepEqual(read(), [[], []])
  })

  test('whatever the choices are, they are names or refused as a whole', () => {
    const parsed = (choices: unknown) =>
      parseTuning(JSON.stringify({ format: 'lenet tuning 1', machine: 'm', choices }), 'm')
    for (const wrong of [
      null,
      [],
      'x',
      3,
      { a: 1 },
      { a: null },
      { a: { b: 'c' } },
      { a: 'x'.repeat(101) },
      { 'a\n': 'b' },
    ])
      assert.equal(typeof parsed(wrong), 'string', JSON.stringify(wrong))
    const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k${i}`, '1']))
    assert.match(String(parsed(many)), /more than/)
    assert.deepEqual(parsed({ [choice]: '2×2×2' }), new Map([[choice, '2×2×2']]))
    fc.assert(
      fc.property(fc.string(), (text) => {
        assert.equal(typeof parseTuning(text, 'm'), 'string')
      }),
    )
  })
})

/** The target of a device that takes these choices. */
function tunedTarget(device: Device, tuned: Tuned): Target {
  device.tune(tuned)
  return device.targetFor(8)
}

describe('choices', () => {
  test('reach targets by tier, lanes and kernel; null takes back what somebody tried', async () => {
    await writeTuning(new Map([[choice, '2×2×2']]))
    const device = createDevice('wasm', { threads: 1 })
    const key = 'conv 6×10×10 pool 2'
    assert.equal(device.targetFor(8).tuned?.(key, []), '2×2×2')
    assert.equal(device.targetFor(8).tuned?.('conv 6×10×10 pool 1', []), undefined)
    assert.equal(tunedTarget(device, () => 'x').tuned?.(key, []), 'x')
    device.tune(null)
    assert.equal(device.targetFor(8).tuned?.(key, []), '2×2×2')
    rmSync(home, { recursive: true })
  })

  const some = cases.filter(({ name, build }) => /^(conv|linear)/.test(name) && batchesOf(nodesOf(build())).size <= 1)

  test('every candidate gives the same bits', () => {
    let tried = 0
    for (const { name, build } of some) {
      const device = createDevice('wasm', { threads: 1 })
      const wanted = runPlan(device, nodesOf(build()))
      let most = 1
      for (let i = 1; i < most || i === 1; i++) {
        device.tune((_, candidates) => {
          most = Math.max(most, candidates.length)
          return candidates[i]
        })
        assert.deepEqual(runPlan(device, nodesOf(build())), wanted, `${name}, candidate ${i}`)
        tried++
      }
    }
    assert.ok(tried > 100, String(tried))
  })

  test('what is no candidate is not taken', () => {
    const [{ build } = { build: () => assert.fail() }] = some
    const device = createDevice('wasm', { threads: 1 })
    const wanted = runPlan(device, nodesOf(build()))
    for (const wrong of ['', '0×0×0', '1000×1000×1000', '__proto__', '2×2']) {
      device.tune(() => wrong)
      assert.deepEqual(runPlan(device, nodesOf(build())), wanted)
    }
  })
})
