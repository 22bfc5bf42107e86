/** Widths, times, sizes, tables and log lines. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  cutText,
  formatBytes,
  formatDuration,
  formatStepTime,
  formatTable,
  logLine,
  logTime,
  padText,
  textWidth,
} from '../../src/report/index.js'

test('widths: escape codes none, Chinese and emoji two, combining marks none', () => {
  assert.equal(textWidth('abc'), 3)
  assert.equal(textWidth('获取数据'), 8)
  assert.equal(textWidth('\x1b[1;31mred\x1b[0m'), 3)
  assert.equal(textWidth('e\u0301'), 1)
  assert.equal(textWidth('🐱'), 2)
  assert.equal(padText('数', 4), '数  ')
  assert.equal(padText('7', 3, 'right'), '  7')
  assert.equal(padText('long', 2), 'long')
  assert.equal(cutText('数数', 3), '数')
})

test('cutText never is wider than asked and is a beginning', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.nat(20), (text, columns) => {
      const cut = cutText(text, columns)
      assert.ok(text.startsWith(cut))
      assert.ok(textWidth(cut) <= columns)
    }),
  )
})

test('durations, step times and sizes', () => {
  assert.deepEqual([0, 5.4, 59.6, 65, 7265].map(formatDuration), ['0s', '5s', '1:00', '1:05', '2:01:05'])
  assert.deepEqual([1.2, 0.9996, 0.035, 0.0026, 0.00038].map(formatStepTime), [
    '1.20s',
    '1.00s',
    '35ms',
    '2.6ms',
    '380us',
  ])
  assert.deepEqual([0.00999, 0.0009996].map(formatStepTime), ['10ms', '1.0ms'])
  const sizes = [999, 1500, 999_999, 184e6, 2e9]
  assert.deepEqual(sizes.map(formatBytes), ['999 B', '1.5 kB', '1.0 MB', '184.0 MB', '2.00 GB'])
})

test('tables: numbers right, text left, a rule, no spaces at the ends', () => {
  const rows = [
    ['conv1.weight', '[6, 3, 5, 5]', 450],
    ['fc3', '', 10],
  ]
  assert.equal(
    formatTable(rows, { header: ['name', 'shape', 'count'] }),
    [
      'name          shape         count',
      '────────────  ────────────  ─────',
      'conv1.weight  [6, 3, 5, 5]    450',
      'fc3                            10',
    ].join('\n'),
  )
  assert.equal(
    formatTable(
      [
        ['猫', 1],
        ['cat', 22],
      ],
      { gap: '|' },
    ),
    '猫 | 1\ncat|22',
  )
  assert.equal(formatTable([['a', 'b'], ['cc']], { align: ['right'] }), ' a  b\ncc')
  assert.equal(formatTable([]), '')
})

test("log lines are Python's, in local time", () => {
  const date = new Date(2026, 10, 4, 7, 5, 9, 23)
  assert.equal(logTime(date), '2026-11-04 07:05:09,023')
  assert.equal(logLine('INFO', 'start 获取数据', date), '2026-11-04 07:05:09,023: INFO: start 获取数据')
  assert.equal(logLine('WARNING', 'x', date), '2026-11-04 07:05:09,023: WARNING: x')
})

test('log time follows the time zone of the process', () => {
  const url = new URL('../../src/report/index.js', import.meta.url).href
  const script = `const { logTime } = await import('${url}'); console.log(logTime(new Date(0)))`
  const env = { ...process.env, TZ: 'Asia/Shanghai' }
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], { env, encoding: 'utf8' })
  assert.equal(run.stdout, '1970-01-01 08:00:00,000\n', run.stderr)
})
