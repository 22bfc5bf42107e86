/** What flags mean for a run to resume: compared by name, told as a command a shell understands. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UsageError } from '../../src/base/index.js'
import { checkSettings, resumeCommand, settingsOf, type TrainOptions } from '../../src/cli/trainFlags.js'

const options: TrainOptions = {
  model: 'lenet',
  idiom: 'torch',
  data: 'cifar10',
  epochs: 10,
  batchSize: 32,
  optimizer: 'adam',
  lr: 1e-3,
  seed: 1,
  device: 'auto',
}

test('a checkpoint does not tell in which folder the net and the pictures were', () => {
  const { model, data } = settingsOf({ ...options, model: '/home/me/nets/mine.ts', data: '../pictures' })
  assert.deepEqual([model, data], ['mine.ts', 'pictures'])
})

test('the first flag that differs is named; epochs may differ', () => {
  const saved = settingsOf(options)
  checkSettings(saved, settingsOf({ ...options, epochs: 20, device: 'interp' }), 'c.pth')
  const cases: readonly (readonly [Partial<TrainOptions>, RegExp])[] = [
    [{ model: 'lenet1' }, /c\.pth was made with --model lenet, not lenet1; give the same flags/],
    [{ optimizer: 'sgd' }, /--optimizer adam, not sgd/],
    [{ data: 'pictures' }, /--data cifar10, not pictures/],
    [{ batchSize: 16 }, /--batch-size 32, not 16/],
    [{ seed: 2 }, /--seed 1, not 2/],
    [{ limitTrain: 100 }, /--limit-train all, not 100/],
  ]
  for (const [change, message] of cases)
    assert.throws(
      () => checkSettings(saved, settingsOf({ ...options, ...change }), 'c.pth'),
      (error) => error instanceof UsageError && message.test(error.message),
    )
})

test('the command to go on keeps every word but the folders', () => {
  const words = ['train', '--lr', '0.1', '--out', 'old', '--validate', '--resume=older', '--model', "my net's.ts"]
  assert.equal(
    resumeCommand(words, '/runs/new one'),
    `lenet train --lr 0.1 --validate --model 'my net'\\''s.ts' --resume '/runs/new one'`,
  )
})
