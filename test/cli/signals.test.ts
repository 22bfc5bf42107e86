/** Signals that ask to stop: one key press may come twice, a later one means it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Stopped, stopSignal } from '../../src/cli/signals.js'

test('the first signal stops, its echo is the same one, a later one ends the process', (t) => {
  let now = 1000
  t.mock.method(performance, 'now', () => now)
  const exit = t.mock.method(process, 'exit', () => {})
  const stop = stopSignal()
  t.after(() => stop.release())
  stop.check('not yet')
  process.emit('SIGINT', 'SIGINT')
  now += 20 // npm passes it on
  process.emit('SIGINT', 'SIGINT')
  assert.equal(stop.signal.aborted, true)
  assert.equal(stop.exitCode, 130)
  assert.equal(exit.mock.callCount(), 0)
  assert.throws(
    () => stop.check('saved in x'),
    (error) => error instanceof Stopped && error.exitCode === 130 && error.message === 'saved in x',
  )
  now += 2000
  process.emit('SIGTERM', 'SIGTERM')
  assert.deepEqual(
    exit.mock.calls.map((call) => call.arguments),
    [[143]],
  )
})

test('released signals are not heard', () => {
  const before = process.listenerCount('SIGINT')
  const stop = stopSignal()
  assert.equal(process.listenerCount('SIGINT'), before + 1)
  stop.release()
  assert.equal(process.listenerCount('SIGINT'), before)
})
