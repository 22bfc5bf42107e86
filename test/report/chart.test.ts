/** Charts as SVG: round ticks, labels that do not lie upon each other, nothing that is not a number. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { lineChart, niceTicks, spread, trainingCurves } from '../../src/report/index.js'

test('ticks are round and reach over the values', () => {
  assert.deepEqual(niceTicks(0.41, 0.69), [0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7])
  assert.deepEqual(niceTicks(1, 1).length >= 2, true)
  const value = fc.double({ min: -1e6, max: 1e6, noNaN: true })
  fc.assert(
    fc.property(value, value, (a, b) => {
      const [low, high] = [Math.min(a, b), Math.max(a, b)]
      if (high - low < 1e-6) return
      const ticks = niceTicks(low, high)
      assert.ok(ticks.length >= 2 && ticks.length <= 9, String(ticks))
      assert.ok((ticks[0] ?? 0) <= low + 1e-6 * (high - low) && (ticks.at(-1) ?? 0) >= high - 1e-6 * (high - low))
    }),
  )
})

test('labels are moved apart, in their order, not below the chart', () => {
  assert.deepEqual(spread([100, 104, 20], 16, 300), [100, 116, 20])
  assert.deepEqual(spread([295, 298], 16, 300), [284, 300])
})

test('names are escaped, what is no number is left out', () => {
  const points = [
    [1, 0.5],
    [2, NaN],
    [3, 0.7],
  ] as const
  const place = { x: 0, y: 0, width: 400, height: 300, title: 'a < b', xLabel: 'epoch', format: String }
  const series = [
    { name: 'x & y', color: '#000', points },
    { name: 'empty', color: '#000', points: [[1, NaN] as const] },
  ]
  const text = lineChart({ ...place, series }).join('')
  assert.match(text, /a &lt; b/)
  assert.match(text, /x &amp; y/)
  assert.doesNotMatch(text, /NaN|empty/)
  assert.equal(text.match(/<circle/g)?.length, 2)
  assert.doesNotMatch(lineChart({ ...place, series: [] }).join(''), /NaN|Infinity/)
})

test("a training's curves: test's only where they are known", () => {
  const first = { epoch: 1, loss: 2, accuracy: 0.3 }
  assert.doesNotMatch(trainingCurves('t', [first]), />test<|NaN/)
  const both = trainingCurves('t', [first, { epoch: 2, loss: 1.5, accuracy: 0.4, valLoss: 1.6, valAccuracy: 0.39 }])
  assert.equal(both.match(/>test</g)?.length, 2)
})
