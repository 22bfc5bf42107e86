/** Who is measured when: in turns, round by round; and what is said between processes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planOf, threadCounts } from '../../src/bench/plan.js'
import { parseAnswer } from '../../src/bench/protocol.js'
import { inRounds, type Measurable } from '../../src/bench/rounds.js'

const noting = (notes: string[], name: string, ms: readonly number[] = [1]): Measurable => ({
  measure: async () => {
    notes.push(name)
    return { ms }
  },
})

test('rounds alternate, and slow participants leave early', async () => {
  const notes: string[] = []
  const outcomes = await inRounds(
    [
      { who: noting(notes, 'a', [1, 2]) },
      { who: noting(notes, 'b', [30]), maxRounds: 1 },
      { who: noting(notes, 'c', [4]) },
    ],
    { rounds: 3, seconds: 1, between: async (round) => void notes.push(`peak ${round}`) },
  )
  assert.equal(notes.join(' '), 'peak 0 a b c peak 1 a c peak 2 a c')
  assert.deepEqual(
    outcomes.map(({ ms }) => ms),
    [[1, 2, 1, 2, 1, 2], [30], [4, 4, 4]],
  )
})

test('who fails is asked no more; the others go on', async () => {
  const notes: string[] = []
  let calls = 0
  const failing: Measurable = {
    measure: async () => {
      if (++calls === 2) throw new Error('out of memory')
      return { ms: [1] }
    },
  }
  const [first, second] = await inRounds([{ who: failing }, { who: noting(notes, 'b') }], { rounds: 3, seconds: 1 })
  assert.equal(first?.failure, 'out of memory')
  assert.equal(calls, 2)
  assert.equal(second?.failure, undefined)
  assert.equal(notes.length, 3)
})

test('answers are told from what libraries print', () => {
  assert.deepEqual(parseAnswer('{"event":"steps","ms":[1,2.5]}'), { event: 'steps', ms: [1, 2.5] })
  assert.deepEqual(parseAnswer('{"event":"failed","reason":"no"}'), { event: 'failed', reason: 'no' })
  for (const line of [
    '',
    'Hi, looks like you are running',
    '{"event":',
    '{"event":"steps","ms":"1"}',
    '{"a":1}',
    'null',
  ])
    assert.equal(parseAnswer(line), undefined, line)
  assert.equal(parseAnswer('{"event":"kernels","kernels":[{"name":"conv","us":"1","flops":2}]}'), undefined)
})

test('thread counts are one and all, and powers of two between where asked for', () => {
  assert.deepEqual(threadCounts({ cores: 1, parts: ['train'] }), [1])
  assert.deepEqual(threadCounts({ cores: 12, parts: ['train'] }), [1, 12])
  assert.deepEqual(threadCounts({ cores: 12, parts: ['threads'] }), [1, 2, 4, 8, 12])
  assert.deepEqual(threadCounts({ cores: 2, parts: ['threads'] }), [1, 2])
  assert.equal(planOf({ quick: true }, 2).rounds, 1)
  assert.equal(planOf({ quick: true, rounds: 5 }, 2).rounds, 5)
  assert.deepEqual(planOf({ nets: ['lenet1'] }, 2).nets, ['lenet1'])
})
