/** How noisy times are judged. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { bestOf, inTurns, isSlower, least, median } from '../../src/cli/tuneTiming.js'

test('the median of an odd and an even number of values', () => {
  assert.equal(median([3, 1, 2]), 2)
  assert.equal(median([4, 1, 2, 3]), 2.5)
})

test('ways are done in turns, every other round backwards, equally often', async (t) => {
  let now = 0
  t.mock.method(performance, 'now', () => now)
  const counts = [0, 0, 0]
  const order: number[] = []
  const slow = (i: number) => () => {
    counts[i]!++
    order.push(i)
    now += 0.5
  }
  const rounds = await inTurns([slow(0), slow(1), slow(2)], 4)
  assert.deepEqual(
    rounds.map((row) => row.length),
    [3, 3, 3, 3],
  )
  assert.ok(rounds.flat().every((ms) => ms === 0.5))
  assert.equal(new Set(counts).size, 1)
  // two calls each to see how long they take, then the rounds
  assert.deepEqual(order.slice(6), [0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0])
})

/** Rounds of ways that take `costs`, in a machine whose speed changes from round to round, and with noise of their own. */
const noisy = (costs: readonly number[], speeds: readonly number[], own: readonly number[]): number[][] =>
  speeds.map((speed, r) =>
    costs.map((cost, i) => cost * speed * (1 + 0.01 * (own[(r * costs.length + i) % own.length] ?? 0))),
  )

const speeds = fc.array(fc.double({ min: 1, max: 4, noNaN: true }), { minLength: 9, maxLength: 15 })
const own = fc.array(fc.double({ min: 0, max: 0.9, noNaN: true }), { minLength: 7, maxLength: 40 })

test('a way that is 10 % faster is found, however the machine slows down between rounds', () => {
  fc.assert(
    fc.property(speeds, own, (slow, noise) => {
      // one round in which nothing disturbs
      assert.equal(bestOf(noisy([10, 11, 9, 9.9], [1, ...slow], noise)), 2)
    }),
  )
})

test('ways that are alike stay as they are', () => {
  fc.assert(
    fc.property(speeds, own, (slow, noise) => {
      const rounds = noisy([10, 10, 9.95, 10.05], [1, ...slow], noise)
      assert.equal(bestOf(rounds), 0)
      assert.equal(isSlower(rounds, 1, 0.05), false)
    }),
  )
})

test('one lucky measurement is not enough, neither for better nor for worse', () => {
  const even = Array.from({ length: 9 }, () => [10, 10])
  assert.equal(bestOf([...even, [10, 5]]), 0)
  assert.equal(least([...even, [10, 5]], 1), 5)
  assert.equal(isSlower([...even, [5, 10]], 1, 0.005), false)
  assert.equal(
    isSlower(
      even.map(() => [10, 10.2]),
      1,
      0.005,
    ),
    true,
  )
})
