/** Labels that name no class are an error that says which, never a loss. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LenetError } from '../../src/base/index.js'
import { crossEntropy, hostLeaf } from '../../src/graph/index.js'
import { f32, i32 } from './helpers.js'

const logits = f32([2, 3], [1, 2, 3, 4, 5, 6])
const isNamed =
  (label: number, picture = 1) =>
  (error: unknown) =>
    error instanceof LenetError &&
    error.message ===
      `Target ${label} is out of bounds: label ${label} of picture ${picture} is not one of the 3 classes 0 to 2`

test('a label beyond the classes is named', () => {
  for (const wrong of [3, 7, -1, -100])
    for (const reduction of ['none', 'mean', 'sum'] as const)
      assert.throws(() => crossEntropy(logits, i32([2], [0, wrong]), reduction), isNamed(wrong))
  assert.throws(() => crossEntropy(logits, hostLeaf(Uint8Array.of(3, 0), [2], 'u8')), isNamed(3, 0))
})

test('every class may be a label', () => {
  assert.deepEqual(crossEntropy(logits, i32([2], [0, 2]), 'none').shape, [2])
})
