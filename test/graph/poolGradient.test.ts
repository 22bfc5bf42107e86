/** The gradient's two rewritings around relu and max-pool: they change no bit and spare work. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import * as g from '../../src/graph/index.js'
import type { Node } from '../../src/graph/index.js'
import { assertClose, checkGradients, countOps, distinct, f32, random } from './helpers.js'

describe('relu and max-pool', () => {
  test('ties: pooling gives the gradient to the first, max to the first, amax to all evenly', () => {
    const x = f32([1, 1, 2, 2], [1, 3, 3, 3])
    const row = f32([3], [2, 2, 1])
    assert.deepEqual([...g.evaluate(g.gradients(g.sum(g.maxPool2d(x, 2)), [x])[0]!)], [0, 1, 0, 0])
    assert.deepEqual([...g.evaluate(g.gradients(g.max(row, 0).values, [row])[0]!)], [1, 0, 0])
    assert.deepEqual([...g.evaluate(g.gradients(g.amax(row), [row])[0]!)], [0.5, 0.5, 0])
  })

  /** The gradient of relu before a max-pool, without the mask moving through the pool. */
  function denseGradients(x: Node, seed: Node, pool: (y: Node) => Node): Float64Array {
    const y = g.relu(x)
    // A multiplication by 1 hides relu from the pool.
    const [dx] = g.gradients(pool(g.mul(y, 1)), [x], seed)
    return g.evaluate64(dx!)
  }

  test('the mask moves through the pool without changing a bit, ties, zeros, NaN and overlaps included', () => {
    const value = fc.constantFrom(-2, -1, -0, 0, 1, 1, 2, NaN, Infinity, -Infinity)
    const picture = fc.array(value, { minLength: 50, maxLength: 50 })
    const seeds = fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 18, maxLength: 18 })
    fc.assert(
      fc.property(picture, seeds, (values, weights) => {
        const x = f32([1, 2, 5, 5], values)
        const seed = f32([1, 2, 3, 3], weights, false)
        const pool = (y: Node): Node => g.maxPool2d(y, 3, { stride: 2, padding: 1 })
        const [dx] = g.gradients(pool(g.relu(x)), [x], seed)
        assert.equal(countOps(dx!, 'maxPool2dGrad'), 1)
        assertClose(g.evaluate64(dx!), denseGradients(x, seed, pool), 0, 'gradient')
      }),
      { numRuns: 200 },
    )
  })

  test('relu needs only pooled values then: neither its output nor the sum over the dense gradient', () => {
    const [x, w, b] = [random([2, 1, 6, 6], 1), random([3, 1, 3, 3], 2), random([3], 3)]
    const y = g.relu(g.conv2d(x, w, b))
    const pool = g.maxPool2d(y, 2)
    const [dw, db] = g.gradients(g.sum(pool), [w, b])
    // dw sums over the scattered gradient; db over the pooled one, so it has no scatter at all.
    assert.equal(countOps(dw!, 'maxPool2dGrad'), 1)
    assert.equal(countOps(db!, 'maxPool2dGrad'), 0)
  })

  test('a relu that is used beside its pool keeps its own mask', () => {
    const x = distinct([1, 1, 4, 4], 5)
    const output = (leaf: Node): Node => {
      const y = g.relu(leaf)
      return g.add(g.sum(g.maxPool2d(y, 2)), g.sum(g.square(y)))
    }
    checkGradients(output(x), [x], 'relu used twice')
  })

  test('a pool of another relu is no reason to move the mask', () => {
    const x = distinct([1, 1, 4, 4], 6)
    const output = (leaf: Node): Node => g.relu(g.sub(g.relu(g.maxPool2d(g.relu(leaf), 2)), 0.3))
    checkGradients(output(x), [x], 'relus around a pool')
  })
})
