/** The median time of a step: without warm-up, on one tier. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StepTimes } from '../../src/train/stepTimes.js'

const add = (times: StepTimes, tier: 'wasm' | 'native', ...ms: number[]): void => {
  for (const one of ms) times.add(one, tier)
}

test('warm-up is left out, however few the steps are', () => {
  const times = new StepTimes()
  assert.ok(Number.isNaN(times.median()))
  add(times, 'wasm', 900)
  assert.equal(times.median(), 900)
  add(times, 'wasm', 5)
  assert.equal(times.median(), 5)
  add(times, 'wasm', 4, 6)
  assert.equal(times.median(), 6)
  add(times, 'wasm', ...Array<number>(30).fill(3))
  assert.equal(times.median(), 3)
  add(times, 'wasm', ...Array<number>(29).fill(2)) // 63: 20 left out, 14 of 3, 29 of 2
  assert.equal(times.median(), 2)
})

test('with another tier the list begins anew, warm-up too', () => {
  const times = new StepTimes()
  assert.equal(times.tier, null)
  add(times, 'wasm', ...Array<number>(100).fill(3))
  add(times, 'native', 700)
  assert.deepEqual([times.tier, times.median()], ['native', 700])
  add(times, 'native', 1, 1, 1)
  assert.deepEqual([times.tier, times.median()], ['native', 1])
})
