/** The progress bar writes what Keras' does, byte for byte; elsewhere than on a terminal only its last line. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Progbar } from '../../src/keras/index.js'
import { kerasOracle, type ProgressRun } from '../oracle/kerasCases.js'

const { values, runs } = kerasOracle().progress

function textOf({ target, verbose, times, end }: ProgressRun, isTerminal: boolean): string {
  let [text, clock] = ['', 0]
  const write = (part: string): void => {
    text += part
  }
  const bar = new Progbar({ target, verbose, write, isTerminal, now: () => clock })
  for (const [seconds, step] of times) {
    clock = seconds
    if (step === 1) bar.first()
    bar.update(step, values)
  }
  clock = end
  bar.finalize({ ...values, val_loss: NaN })
  return text
}

for (const run of runs) {
  test(`${run.target} steps, verbose ${run.verbose}`, () => assert.equal(textOf(run, true), run.text))
  test(`${run.target} steps, verbose ${run.verbose}, to a file`, () => {
    const last = run.text
      .split('\r')
      .at(-1)
      ?.replace(/\x1b\[\d+m/g, '')
      .replace(/ *\n$/, '\n')
    assert.equal(textOf(run, false), last)
  })
}
