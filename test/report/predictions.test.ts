/** The table of predictions: columns, bars, long and hostile names. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PredictionTable, printable, textWidth } from '../../src/report/index.js'

const top = [
  { class: 'cat', probability: 0.914 },
  { class: 'dog', probability: 0.05 },
]

test('columns are as wide as what may come; the name stands once', () => {
  const table = new PredictionTable({ pictures: ['a.png', 'pictures/b.png'], classes: ['cat', 'dog', 'automobile'] })
  assert.equal(
    `${table.header()}\n${table.rows('a.png', top)}`,
    [
      'picture         class       probability',
      '──────────────  ──────────  ────────────────────────────',
      'a.png           cat         ━━━━━━━━━━━━━━━━━━──  91.4 %',
      '                dog         ━───────────────────   5.0 %',
    ].join('\n'),
  )
})

test('on a terminal no line is wider than it; the end of a path stays', () => {
  const long = `${'folder/'.repeat(30)}图片.png`
  const table = new PredictionTable({ pictures: [long], classes: ['cat'], columns: 80 })
  const rows = table.rows(long, [{ class: 'cat', probability: 1 }])
  assert.ok(textWidth(rows) <= 80)
  assert.match(rows, /^….*图片\.png  cat +━{20} 100\.0 %$/)
  for (const line of table.header().split('\n')) assert.ok(textWidth(line) <= 80)
})

test('control characters are shown as question marks', () => {
  assert.equal(printable('a\x1b[2J\nb\x9b'), 'a?[2J?b?')
  const table = new PredictionTable({ pictures: ['a\nb'], classes: ['c\td'] })
  assert.doesNotMatch(table.rows('a\nb', [{ class: 'c\td', probability: 0 }]), /[\n\t]/)
})
