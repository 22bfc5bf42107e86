/** The progress line's form, and when it is drawn on a terminal and in a log. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Progress, progressLine, type ProgressOptions } from '../../src/report/index.js'

/** A Progress whose clock and output the test holds. */
function watched(options: Omit<ProgressOptions, 'write' | 'now'>) {
  const clock = { ms: 0 }
  const written: string[] = []
  const progress = new Progress({ ...options, write: (text) => written.push(text), now: () => clock.ms })
  return { clock, written, progress }
}

test('the line: count, bar, time left, time a step, values', () => {
  const values = { loss: 1.70123, accuracy: 0.3811, lr: 1e-4 }
  assert.equal(
    progressLine({ done: 500, total: 1563, seconds: 1.3, values }),
    ' 500/1563 ━━━━━━────────────── 3s 2.6ms/step - loss: 1.7012 - accuracy: 0.3811 - lr: 1.0000e-4',
  )
  assert.equal(progressLine({ done: 1563, total: 1563, seconds: 65 }), `1563/1563 ${'━'.repeat(20)} 1:05 42ms/step`)
  assert.equal(progressLine({ done: 1, total: 40, seconds: 1 }), ' 1/40 ╸─────────────────── 39s 1.00s/step')
  assert.equal(progressLine({ done: 0, total: 10, seconds: 0 }), ` 0/10 ${'─'.repeat(20)}`)
  assert.equal(progressLine({ done: 3, total: 2, seconds: 0.003 }), `3/2 ${'━'.repeat(20)} 0s 1.0ms/step`)
})

test('bytes, with and without a known total; not-a-number is shown', () => {
  const state = { done: 46e6, seconds: 2, unit: 'byte', label: 'cifar10' } as const
  assert.equal(progressLine({ ...state, total: 184e6 }), 'cifar10 46.0 MB/184.0 MB ━━━━━─────────────── 6s 23.0 MB/s')
  assert.equal(progressLine(state), 'cifar10 46.0 MB 2s 23.0 MB/s')
  assert.match(progressLine({ done: 1, seconds: 1, values: { loss: NaN } }), /loss: NaN$/)
})

test('on a terminal: drawn at once, then ten times a second, over the same line, ended once', () => {
  const { clock, written, progress } = watched({ isTTY: true, total: 100 })
  for (clock.ms = 0; clock.ms <= 250; clock.ms += 10) progress.update(clock.ms / 10)
  assert.equal(written.length, 3)
  assert.ok(written.every((text) => /^\r[^\n]*\x1b\[K$/.test(text)))
  progress.finish({ loss: 1 })
  assert.match(written[3] ?? '', /^\r 25\/100 .* - loss: 1\.0000\x1b\[K$/)
  assert.deepEqual(written.slice(4), ['\n'])
})

test('at 80 columns loss and accuracy of a training are there: the bar is shorter', () => {
  const { clock, written, progress } = watched({ isTTY: true, total: 1563, columns: 80, label: 'epoch 10/10' })
  clock.ms = 900
  progress.update(500, { loss: 1.70123, accuracy: 0.3811 })
  assert.equal(written[0], '\repoch 10/10  500/1563 ━━╸────── 2s 1.8ms/step - loss: 1.7012 - accuracy: 0.3811\x1b[K')
})

test('in less room the bar goes first, then rate, time and label; count and values stay', () => {
  const values = { loss: 1.70123, accuracy: 0.3811 }
  const state = { done: 500, total: 1563, seconds: 1, label: 'epoch 1/9', values }
  const told = ' - loss: 1.7012 - accuracy: 0.3811'
  assert.equal(progressLine(state, 74), `epoch 1/9  500/1563 ━╸──── 2s 2.0ms/step${told}`)
  assert.equal(progressLine(state, 72), `epoch 1/9  500/1563 2s 2.0ms/step${told}`)
  assert.equal(progressLine(state, 60), `epoch 1/9  500/1563 2s${told}`)
  assert.equal(progressLine(state, 55), `epoch 1/9  500/1563${told}`)
  assert.equal(progressLine(state, 50), ` 500/1563${told}`)
  for (let columns = 43; columns < 120; columns++) {
    const line = progressLine(state, columns)
    assert.ok(line.length <= columns && line.endsWith(told), line)
  }
})

test('on a very narrow terminal the line is cut, so that it does not wrap', () => {
  const { written, progress } = watched({ isTTY: true, total: 100, columns: 20 })
  progress.update(1, { loss: 1, accuracy: 1 })
  assert.equal(written[0], '\r  1/100 - loss: 1.0\x1b[K')
})

test('clear takes the line away and the next update draws it again', () => {
  const { written, progress } = watched({ isTTY: true, total: 10 })
  progress.clear()
  assert.deepEqual(written, [])
  progress.update(1)
  progress.clear()
  progress.update(2)
  assert.deepEqual(written.slice(1, 2), ['\r\x1b[K'])
  assert.match(written[2] ?? '', /^\r 2\/10/)
})

test('in a log: a plain line every ten seconds and at the end, no escape codes', () => {
  const { clock, written, progress } = watched({ total: 300, label: 'epoch 1' })
  for (clock.ms = 0; clock.ms <= 25_000; clock.ms += 100) progress.update(clock.ms / 100)
  progress.finish()
  assert.equal(written.length, 3)
  for (const text of written) assert.match(text, /^epoch 1 [ \d]{3}\/300 [━╸─]{20} \d+s 100ms\/step\n$/)
  assert.match(written[2] ?? '', /250\/300/)
})

test('a total that becomes known later is taken', () => {
  const { written, progress } = watched({ isTTY: true, unit: 'byte' })
  progress.update(0)
  progress.update(500, {}, 1000)
  progress.finish()
  assert.equal(written[0], '\r0 B 0s\x1b[K')
  assert.match(written[1] ?? '', /^\r500 B\/1\.0 kB ━{10}─{10}/)
})

test('isDue tells when an update will be drawn', () => {
  const { clock, progress } = watched({ isTTY: true, total: 10 })
  assert.equal(progress.isDue, true)
  progress.update(1)
  assert.equal(progress.isDue, false)
  clock.ms = 100
  assert.equal(progress.isDue, true)
})
