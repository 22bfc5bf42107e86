/**
 * The operations that users meet: conversions between layouts and dtypes, and that what changes from step to step is an
 * input of the structure and not part of it. Their values are oracle.test.ts.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as g from '../../src/graph/index.js'
import type { Node } from '../../src/graph/index.js'
import { assertClose, countOps, f32, i32, random } from './helpers.js'

const counted = (shape: readonly number[], requiresGrad = true): Node => {
  const size = shape.reduce((a, b) => a * b, 1)
  return f32(
    shape,
    Array.from({ length: size }, (_, i) => i),
    requiresGrad,
  )
}

/** All nodes of a graph as a text of signatures and edges: what a plan is found by. */
function structure(root: Node): string {
  const nodes = new Set([root])
  for (const node of nodes) for (const input of node.inputs) nodes.add(input)
  const order = [...nodes].sort((a, b) => a.id - b.id)
  const place = new Map(order.map((node, i) => [node, i]))
  return order.map((node) => `${node.kind.signature}(${node.inputs.map((x) => place.get(x)).join()})`).join(' ')
}

describe('layouts', () => {
  const batch = (): Node => g.relu(g.batch(counted([4, 3])))

  test('a plain operand as long as the batch joins it; a shorter one is broadcast', () => {
    assert.equal(g.add(batch(), counted([4, 3])).layout, 'batch')
    assert.equal(g.add(counted([4, 1]), batch()).layout, 'batch')
    assert.equal(g.add(batch(), counted([1, 3])).inputs[1]?.layout, 'plain')
    assert.equal(g.add(batch(), counted([3])).layout, 'batch')
    assert.equal(g.add(batch(), 1).layout, 'batch')
  })

  test('a batch that would be broadcast along dim 0 is no batch any more, with the same values', () => {
    const wide = g.add(batch(), counted([2, 4, 3]))
    assert.equal(wide.layout, 'plain')
    assert.deepEqual([...g.evaluate(wide)].slice(0, 3), [0, 2, 4])
    const single = g.add(g.relu(g.batch(counted([1, 3]))), counted([4, 3]))
    assert.equal(single.layout, 'plain')
    assert.deepEqual([...g.evaluate(single)].slice(3, 6), [3, 5, 7])
    assert.equal(g.add(g.relu(g.batch(counted([3]))), batch()).layout, 'plain')
  })

  test('reshape keeps the batch where dim 0 is kept', () => {
    assert.equal(g.reshape(batch(), [4, 3, 1]).layout, 'batch')
    assert.equal(g.reshape(batch(), [-1, 3, 1]).layout, 'batch')
    assert.equal(g.reshape(batch(), [2, 6]).layout, 'plain')
    assert.equal(g.flatten(g.batch(counted([2, 3, 4])), 1).layout, 'batch')
    assert.equal(g.flatten(g.batch(counted([2, 3, 4]))).layout, 'plain')
  })

  test('sums over the batch are plain, others lanes', () => {
    assert.equal(g.sum(batch(), 1).layout, 'batch')
    assert.equal(g.sum(batch()).layout, 'plain')
    assert.equal(g.sum(batch(), 0, true).layout, 'plain')
    assert.equal(g.amax(batch(), 0).layout, 'plain')
    assert.equal(g.softmax(batch(), 1).layout, 'batch')
    assert.equal(g.softmax(batch(), 0).layout, 'plain')
  })

  test('batch and unbatch undo each other, unless a gradient must stop between them', () => {
    const x = g.relu(counted([4, 3]))
    assert.equal(g.unbatch(g.batch(x)), x)
    assert.equal(g.batch(g.batch(x)).op, 'batch')
    const y = batch()
    assert.equal(g.batch(g.unbatch(y)), y)
    const cut = g.batch(g.withoutGrad(() => g.unbatch(y)))
    assert.notEqual(cut, y)
    assert.equal(cut.requiresGrad, false)
  })

  test('a product of a batch with a matrix is a linear layer; single pictures and rows work too', () => {
    assert.equal(g.matmul(batch(), counted([3, 2])).op, 'linear')
    assert.deepEqual(g.conv2d(counted([1, 4, 4]), counted([2, 1, 3, 3])).shape, [2, 2, 2])
    assert.deepEqual(g.linear(counted([3]), counted([2, 3])).shape, [2])
    const [one, row] = [g.relu(g.batch(f32([1], [3]))), f32([1, 2], [4, 5])]
    assert.deepEqual([...g.evaluate(g.matmul(one, row))], [12, 15])
    assert.deepEqual([...g.evaluate(g.matmul(g.transpose(row, 0, 1), one))], [12, 15])
    assert.deepEqual(g.avgPool2d(counted([1, 4, 4]), 2).shape, [1, 2, 2])
  })
})

describe('one structure serves', () => {
  /** Forward and backward of a small net with all that depends on the batch size. */
  function step(count: number, rate: number): Node {
    const [x, labels] = [g.batch(counted([count, 2, 6, 6], false)), i32([count], Array<number>(count).fill(1))]
    const [w, b, v] = [random([3, 2, 3, 3], 1), random([3], 2), random([5, 12], 3)]
    const normal = g.batchNormTrain(g.conv2d(x, w, b)).output
    const hidden = g.dropout(g.flatten(g.maxPool2d(g.relu(normal), 2), 1), rate, i32([2], [count, 7]))
    const logits = g.linear(hidden, v)
    const correct = g.sum(g.eq(g.argmax(logits, 1), labels))
    const loss = g.add(g.crossEntropy(logits, labels), g.mul(g.mean(g.square(logits)), rate))
    const updates = g.gradients(loss, [w, b, v]).map((d) => g.flatten(g.mul(d!, -rate)))
    return g.concat([...updates, g.flatten(correct)])
  }

  test('every batch size but 1 and every number given by the user', () => {
    const first = structure(step(4, 0.5))
    assert.equal(structure(step(7, 0.25)), first)
    assert.equal(structure(step(32, 0.125)), first)
  })

  test('but not another shape, constant or attribute', () => {
    const pool = (size: number): string => structure(g.maxPool2d(counted([1, 1, 9, 9]), size))
    assert.notEqual(pool(2), pool(3))
    assert.notEqual(structure(g.pow(counted([2]), 2)), structure(g.pow(counted([2]), 3)))
    assert.notEqual(structure(g.constant(1)), structure(g.constant(2)))
    assert.notEqual(structure(g.neg(counted([2]))), structure(g.neg(counted([3]))))
    assert.notEqual(structure(g.neg(counted([2, 3]))), structure(g.neg(counted([3, 2]))))
  })
})

describe('dtypes', () => {
  test('integers compare as integers, exactly above 2^24', () => {
    const [a, b] = [i32([2], [2 ** 24, 5]), i32([2], [2 ** 24 + 1, 5])]
    assert.deepEqual([...g.evaluate(g.eq(a, b))], [0, 1])
    assert.deepEqual([...g.evaluate(g.lt(a, b))], [1, 0])
    assert.deepEqual([...g.evaluate(g.ge(a, b))], [0, 1])
  })

  test('arithmetic casts pixels and integers to f32', () => {
    const pixels = g.hostLeaf(Uint8Array.of(0, 51, 255), [3], 'u8')
    const scaled = g.div(pixels, 255)
    assert.equal(scaled.dtype, 'f32')
    assertClose(g.evaluate(scaled), [0, 0.2, 1], 1e-7, 'pixels')
    assert.deepEqual([...g.evaluate(g.eq(pixels, i32([3], [0, 1, 255])))], [1, 0, 1])
    assert.deepEqual([...g.evaluate(g.sum(i32([2], [3, 4])))], [7])
    const labels = g.hostLeaf(Uint8Array.of(1), [1], 'u8')
    assertClose(g.evaluate(g.crossEntropy(counted([1, 2]), labels)), [Math.log(1 + Math.exp(-1))], 1e-6, 'loss')
  })

  test('comparisons with NaN are false, but for ne', () => {
    const [x, y] = [f32([2], [NaN, 1]), f32([2], [NaN, 1])]
    const all = [g.eq(x, y), g.lt(x, y), g.le(x, y), g.gt(x, y), g.ge(x, y), g.ne(x, y)]
    assert.deepEqual(
      all.map((node) => g.evaluate(node)[0]),
      [0, 0, 0, 0, 0, 1],
    )
    assert.deepEqual(
      all.map((node) => g.evaluate(node)[1]),
      [1, 0, 1, 0, 1, 0],
    )
  })
})

describe('movement', () => {
  test('concat along any dimension', () => {
    const joined = g.concat([counted([2, 2]), g.batch(counted([2, 1]))], 1)
    assert.deepEqual(joined.shape, [2, 3])
    assert.deepEqual([...g.evaluate(joined)], [0, 1, 0, 2, 3, 1])
  })

  test('transpose, slice, pad, expand', () => {
    assert.deepEqual([...g.evaluate(g.transpose(counted([2, 3]), 0, -1))], [0, 3, 1, 4, 2, 5])
    assert.deepEqual([...g.evaluate(g.slice(counted([3, 3]), [1, 0], [3, 2]))], [3, 4, 6, 7])
    assert.deepEqual([...g.evaluate(g.pad(counted([1, 2]), [1, 0], [0, 1]))], [0, 0, 0, 0, 1, 0])
    assert.deepEqual([...g.evaluate(g.expand(counted([2, 1]), [2, -1, 2]))].length, 8)
  })

  test('what changes nothing makes no node', () => {
    const x = counted([2, 3])
    for (const same of [
      g.reshape(x, [2, -1]),
      g.permute(x, [0, 1]),
      g.expand(x, [-1, 3]),
      g.cast(x, 'f32'),
      g.unbatch(x),
    ])
      assert.equal(same, x)
  })

  test('gatherRows takes pictures by number', () => {
    const pictures = g.gatherRows(counted([3, 2], false), i32([4], [2, 0, 0, 1]))
    assert.equal(pictures.layout, 'batch')
    assert.deepEqual([...g.evaluate(pictures)], [4, 5, 0, 1, 0, 1, 2, 3])
    assert.throws(
      () => g.evaluate(g.gatherRows(counted([3, 2], false), i32([1], [3]))),
      /row 3 is not one of the table's 3/,
    )
  })
})

describe('dropout', () => {
  const x = f32([100, 100], Array<number>(10000).fill(1))
  const kept = (p: number, key: number): number[] => [...g.evaluate(g.dropout(x, p, i32([2], [key, 99])))]

  test('keeps a share of 1 − p, scaled so that the mean stays', () => {
    const values = kept(0.25, 1)
    const share = values.filter((v) => v !== 0).length / values.length
    // Five standard deviations of 10,000 draws.
    assert.ok(Math.abs(share - 0.75) < 0.022, `share ${share}`)
    assertClose(
      Float32Array.from(values.filter((v) => v !== 0)),
      values.filter((v) => v !== 0).map(() => 4 / 3),
      1e-6,
      'scale',
    )
  })

  test('one key gives one mask, another key another; 0 keeps all, 1 none', () => {
    assert.deepEqual(kept(0.5, 1), kept(0.5, 1))
    assert.notDeepEqual(kept(0.5, 1), kept(0.5, 2))
    assert.ok(kept(0, 1).every((v) => v === 1))
    assert.ok(kept(1, 1).every((v) => v === 0))
  })

  test('the mask does not depend on the layout', () => {
    const batched = g.dropout(g.batch(x), 0.5, i32([2], [1, 99]))
    assert.equal(batched.layout, 'batch')
    assert.deepEqual([...g.evaluate(batched)], kept(0.5, 1))
  })
})

describe('gradients stop where they cannot count', () => {
  test('softmax shifts by the largest value without a gradient through it', () => {
    const x = random([3, 4], 1)
    assert.equal(countOps(g.gradients(g.sum(g.square(g.softmax(x, 1))), [x])[0]!, 'eq'), 0)
  })

  test('torch.max without a gradient is plain amax', () => {
    assert.equal(countOps(g.max(random([3, 4], 1), 1).values, 'amax'), 0)
    assert.equal(countOps(g.max(g.detach(random([3, 4], 1)), 1).values, 'amax'), 1)
    assert.equal(countOps(g.withoutGrad(() => g.max(random([3, 4], 1), 1)).values, 'amax'), 1)
  })
})
