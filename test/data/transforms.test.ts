/** Transforms are plain data in torchvision's terms. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LenetError, UsageError } from '../../src/base/index.js'
import { transforms } from '../../src/data/index.js'

test('the article’s transform, in both spellings', () => {
  const half = [0.5, 0.5, 0.5]
  const named = transforms.compose([transforms.toTensor(), transforms.normalize({ mean: half, std: half })])
  assert.deepEqual(named, {
    kind: 'compose',
    transforms: [{ kind: 'toTensor' }, { kind: 'normalize', mean: half, std: half }],
  })
  assert.deepEqual(transforms.normalize(half, half), transforms.normalize({ mean: half, std: half }))
})

test('what was given may change afterwards', () => {
  const mean = [0.1]
  const normalize = transforms.normalize(mean, [0.2])
  mean[0] = 9
  assert.deepEqual(normalize.mean, [0.1])
})

test('a std of zero, other lengths and what is no number are refused', () => {
  assert.throws(() => transforms.normalize([0.5], [0]), LenetError)
  assert.throws(() => transforms.normalize([Number.NaN], [1]), /NaN is not a finite number/)
  assert.throws(() => transforms.normalize([0.5, 0.5], [1]), UsageError)
  assert.throws(() => transforms.normalize([], []), /mean has 0 values/)
})
