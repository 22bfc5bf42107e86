/** A conv's gradients have the same bits whoever else uses the gradient of the max-pool behind it, now or before. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Generator, sizeOf, type Shape } from '../../src/base/index.js'
import { createInterpDevice } from '../../src/device/index.js'
import * as g from '../../src/graph/index.js'
import type { HostStorage, Node } from '../../src/graph/index.js'
import { runPlan } from './runPlan.js'

const pictures = 4

/** conv, relu, pool: the pool's gradient, and those of the conv's weight and input. */
function gradients(window: number, stride: number): { pooled: Node; wanted: Node[] } {
  let seed = 0
  const leaf = (shape: Shape, requiresGrad = true): Node =>
    g.hostLeaf(new Generator(++seed).uniform(new Float32Array(sizeOf(shape)), -1, 1), shape, 'f32', requiresGrad)
  const [x, weight] = [leaf([pictures, 3, 9, 10]), leaf([5, 3, 3, 3])]
  const y = g.maxPool2d(g.relu(g.conv2d(x, weight)), window, { stride })
  const wanted = g.gradients(y, [weight, x], leaf(y.shape, false)).filter((node) => node !== null)
  const pooled = wanted[0]?.inputs.find(({ op }) => op === 'maxPool2dGrad')
  assert.ok(pooled)
  return { pooled, wanted }
}

/** Row-major [4, …] as one block of four lanes. */
function inLanes(values: readonly number[]): Float32Array {
  const rest = values.length / pictures
  return Float32Array.from(values, (_, i) => values[(i % pictures) * rest + Math.floor(i / pictures)] ?? NaN)
}

for (const [window, stride] of [
  [2, 2],
  [2, 3],
  [3, 3],
  [3, 2],
] as const)
  test(`windows of ${window} at a stride of ${stride}`, () => {
    const run = (nodes: readonly Node[]): number[][] => runPlan(createInterpDevice({ checked: true }), nodes)
    const alone = run(gradients(window, stride).wanted)
    const both = gradients(window, stride)
    const [dense = [], ...together] = run([both.pooled, ...both.wanted])
    assert.deepEqual(together, alone)
    const later = gradients(window, stride)
    const storage: HostStorage = { kind: 'host', data: inLanes(dense) }
    later.pooled.storage = storage
    assert.deepEqual(run(later.wanted), alone)
  })
