/** Whether a team or one thread runs, told by times that are made up. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pace } from '../../src/device/cpu/pace.js'

/** Runs for so many ms, where the team and one thread take so long; gives how many runs were one thread's. */
function runs(pace: Pace, clock: { now: number }, ms: number, team: number, alone: number): number[] {
  const counts = [0, 0]
  for (const end = clock.now + ms; clock.now < end;) {
    const from = clock.now
    const { isAlone } = pace
    clock.now += isAlone ? alone : team
    counts[Number(isAlone)]!++
    pace.ran(from, clock.now)
  }
  return counts
}

test('a team that is as fast as it was is left alone, whatever one thread would take', () => {
  const [pace, clock] = [new Pace(2, 8), { now: 5 }]
  assert.equal(runs(pace, clock, 5000, 0.5, 0.1)[1], 0)
  assert.equal(runs(pace, clock, 5000, 0.7, 0.1)[1], 0)
})

test('a team that has lost a core gives way to one thread, and takes over again', () => {
  const [pace, clock] = [new Pace(2, 8), { now: 5 }]
  runs(pace, clock, 100, 0.5, 0.8)
  const [together = 0, alone = 0] = runs(pace, clock, 10_000, 1.4, 0.85)
  assert.ok(alone * 0.85 > 9_500, `${together} runs together, ${alone} alone`)
  runs(pace, clock, 2_000, 0.5, 0.8)
  assert.equal(runs(pace, clock, 5_000, 0.5, 0.8)[1], 0)
})

test('where one thread is slower still, it is tried seldom', () => {
  const [pace, clock] = [new Pace(4, 8), { now: 5 }]
  runs(pace, clock, 100, 1, 4)
  const [together = 0, alone = 0] = runs(pace, clock, 20_000, 3.5, 8)
  assert.ok(alone * 8 < 1_000, `${together} runs together, ${alone} alone`)
})

test('long runs are compared by a few of them', () => {
  const [pace, clock] = [new Pace(2, 8), { now: 5 }]
  runs(pace, clock, 1_000, 100, 160)
  const [, alone = 0] = runs(pace, clock, 30_000, 300, 170)
  assert.ok(alone * 170 > 20_000)
})

test('a team of more threads than cores is compared at once, however even its runs are', () => {
  const [pace, clock] = [new Pace(16, 2), { now: 5 }]
  const [, alone = 0] = runs(pace, clock, 10_000, 50, 1)
  assert.ok(alone > 9_000)
  const [other, again] = [new Pace(16, 2), { now: 5 }]
  assert.ok(runs(other, again, 10_000, 1, 2)[1]! * 2 < 1_000)
})
