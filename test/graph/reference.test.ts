/** The reference where PyTorch's cases do not reach: whole graphs, leaves, effects, float64, edges of windows. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LenetError, uniform24 } from '../../src/base/index.js'
import * as g from '../../src/graph/index.js'
import type { HostStorage, Node } from '../../src/graph/index.js'
import { f32, i32 } from './helpers.js'

const valuesOf = (leaf: Node): number[] => [...(leaf.storage as HostStorage).data]

describe('evaluation of a graph', () => {
  test('each node once, however many ways lead to it', () => {
    let x: Node = f32([1], [1])
    for (let i = 0; i < 60; i++) x = g.mul(g.add(x, x), 0.5)
    assert.deepEqual([...g.evaluate(x)], [1])
  })

  test('every node is rounded to float32; float64 on demand', () => {
    const third = g.div(f32([1], [1]), 3)
    assert.deepEqual([...g.evaluate(third)], [Math.fround(1 / 3)])
    assert.deepEqual([...g.evaluate64(third)], [1 / 3])
    assert.deepEqual([...g.evaluate64(g.argmax(f32([2], [0, 1]), 0))], [1])
  })

  test('other values for a leaf, which stays as it is', () => {
    const x = f32([2], [1, 2])
    const y = g.mul(x, x)
    assert.deepEqual([...g.evaluate64(y, new Map([[x, Float64Array.of(3, 0.1)]]))], [9, 0.1 * 0.1])
    assert.deepEqual(valuesOf(x), [1, 2])
  })

  test('a node with values is not computed again', () => {
    const y = g.neg(f32([2], [1, 2]))
    const z = g.add(y, 1)
    y.storage = { kind: 'host', data: Float32Array.of(10, 20) } as HostStorage
    assert.deepEqual([...g.evaluate(z)], [11, 21])
  })

  test('values in a device are not reached', () => {
    const x = f32([1], [1])
    x.storage = { kind: 'device' }
    assert.throws(() => g.evaluate(g.neg(x)), /device/)
  })

  test('assigns write after everything was computed', () => {
    const [a, b] = [f32([2], [1, 2]), f32([2], [3, 4])]
    const swap = [g.assign(a, g.mul(b, 1)), g.assign(b, g.mul(a, 1))]
    assert.deepEqual(
      g.evaluateAll(swap).map((v) => [...v]),
      [
        [3, 4],
        [1, 2],
      ],
    )
    assert.deepEqual(
      [valuesOf(a), valuesOf(b)],
      [
        [3, 4],
        [1, 2],
      ],
    )
    g.evaluate64(g.assign(a, f32([2], [0, 0])))
    assert.deepEqual(valuesOf(a), [3, 4])
  })
})

describe('single operations', () => {
  test('cast truncates', () => {
    assert.deepEqual([...g.evaluate(g.cast(f32([4], [1.9, -1.9, 0.5, 200]), 'i32'))], [1, -1, 0, 200])
    assert.deepEqual([...g.evaluate(g.cast(f32([2], [1.9, 200.5]), 'u8'))], [1, 200])
  })

  test('random is uniform24 of position and key', () => {
    const node = g.randomLike(f32([2, 3], [0, 0, 0, 0, 0, 0]), i32([2], [-5, 77]))
    assert.deepEqual(
      [...g.evaluate(node)],
      Array.from({ length: 6 }, (_, i) => uniform24(i, -5, 77)),
    )
  })

  test('pooling: the first of equals, padding never wins, NaN always, −∞ has a place', () => {
    const at = (values: readonly number[], padding = 0): number[] => {
      const pool = g.maxPool2d(f32([1, 1, 2, 2], values), 2, { padding })
      return [...g.evaluate(pool.companion!)]
    }
    assert.deepEqual(at([1, 3, 3, 3]), [1])
    assert.deepEqual(at([-1, -2, -3, -4], 1), [0, 1, 2, 3])
    assert.deepEqual(at([9, NaN, 10, Infinity]), [1])
    assert.deepEqual(at([-Infinity, -Infinity, -Infinity, -Infinity]), [0])
    assert.deepEqual(
      [...g.evaluate(g.maxPool2d(f32([1, 1, 2, 2], [-1, -2, -3, -4]), 2, { padding: 1 }))],
      [-1, -2, -3, -4],
    )
  })

  test('overlapping windows add their gradients at one place', () => {
    const x = f32([1, 1, 3, 3], [0, 0, 0, 0, 5, 0, 0, 0, 0])
    const [dx] = g.gradients(g.sum(g.maxPool2d(x, 2, { stride: 1 })), [x])
    assert.deepEqual([...g.evaluate(dx!)], [0, 0, 0, 0, 4, 0, 0, 0, 0])
  })

  test('crossEntropy refuses a label that is no class', () => {
    const loss = (label: number): Node => g.crossEntropy(f32([1, 3], [0, 0, 0]), i32([1], [label]))
    assert.throws(() => g.evaluate(loss(3)), LenetError)
    assert.throws(() => g.evaluate(loss(-1)), {
      message: 'Target -1 is out of bounds: label -1 of picture 0 is not one of the 3 classes 0 to 2',
    })
  })

  test('infinities: softmax of −∞ beside a number is 0, a tanh of ∞ is 1', () => {
    assert.deepEqual([...g.evaluate(g.softmax(f32([2], [-Infinity, 3]), 0))], [0, 1])
    assert.deepEqual([...g.evaluate(g.tanh(f32([2], [Infinity, -Infinity])))], [1, -1])
    assert.deepEqual([...g.evaluate(g.sigmoid(f32([2], [-Infinity, -100])))], [0, Math.fround(1 / (1 + Math.exp(100)))])
  })
})
