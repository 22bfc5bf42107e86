/** Types of nodes: shapes, dtypes, layouts, what requires grad; and the errors that users meet, word for word. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LenetError, sizeOf } from '../../src/base/index.js'
import type { DType, Shape } from '../../src/base/index.js'
import * as g from '../../src/graph/index.js'
import type { Node } from '../../src/graph/index.js'

const leaf = (shape: Shape, dtype: DType = 'f32', requiresGrad = false): Node => {
  const size = sizeOf(shape)
  const data = dtype === 'f32' ? new Float32Array(size) : dtype === 'i32' ? new Int32Array(size) : new Uint8Array(size)
  return g.hostLeaf(data, shape, dtype, requiresGrad)
}
const lanes = (shape: Shape, dtype: DType = 'f32'): Node => g.batch(leaf(shape, dtype))
const type = ({ layout, dtype, shape }: Node): string => `${layout} ${dtype} [${shape.join(', ')}]`

const slide = { stride: [1, 1], padding: [0, 0] } as const
const window = { kernelSize: [2, 2], stride: [2, 2], padding: [0, 0] } as const

describe('types', () => {
  const cases: [string, () => Node][] = [
    ['plain f32 []', () => g.make('const', { value: 1 }, [])],
    ['plain f32 [2, 3]', () => g.make('neg', {}, [leaf([2, 3])])],
    ['batch f32 [4, 3]', () => g.make('relu', {}, [lanes([4, 3])])],
    ['plain f32 [2, 3, 4]', () => g.make('add', {}, [leaf([2, 1, 4]), leaf([3, 1])])],
    ['batch f32 [4, 3]', () => g.make('mul', {}, [lanes([4, 3]), leaf([3])])],
    ['batch f32 [4, 3]', () => g.make('mul', {}, [leaf([1, 3]), lanes([4, 3])])],
    ['batch f32 [4, 3]', () => g.make('where', {}, [lanes([4, 1]), leaf([]), lanes([4, 3])])],
    ['plain f32 [2]', () => g.make('eq', {}, [leaf([2], 'i32'), leaf([2], 'i32')])],
    ['plain f32 [2]', () => g.make('cast', { dtype: 'f32' }, [leaf([2], 'u8')])],
    ['plain f32 [3]', () => g.make('sum', { dims: [0, 2] }, [leaf([2, 3, 4])])],
    ['batch f32 [2, 3]', () => g.make('sum', { dims: [2] }, [lanes([2, 3, 4])])],
    ['plain f32 [3, 4]', () => g.make('sum', { dims: [0] }, [lanes([2, 3, 4])])],
    ['batch f32 [2]', () => g.make('amax', { dims: [1, 2] }, [lanes([2, 3, 4])])],
    ['batch i32 [2]', () => g.make('argmax', { dim: 1 }, [lanes([2, 3])])],
    ['plain i32 [2, 4]', () => g.make('argmax', { dim: 1 }, [leaf([2, 3, 4])])],
    ['plain u8 [4, 2, 3]', () => g.make('permute', { dims: [2, 0, 1] }, [leaf([2, 3, 4], 'u8')])],
    ['plain f32 [1, 2]', () => g.make('slice', { starts: [1, 0], ends: [2, 2] }, [leaf([2, 3])])],
    ['plain f32 [3, 6]', () => g.make('pad', { before: [1, 1], after: [0, 2], value: 0 }, [leaf([2, 3])])],
    ['plain f32 [5]', () => g.make('concat', {}, [leaf([2]), leaf([3])])],
    ['batch u8 [2, 3]', () => g.make('batch', {}, [leaf([2, 3], 'u8')])],
    ['plain f32 [2, 3]', () => g.make('unbatch', {}, [g.relu(lanes([2, 3]))])],
    ['batch u8 [4, 3, 2]', () => g.make('gatherRows', {}, [leaf([9, 3, 2], 'u8'), lanes([4], 'i32')])],
    ['plain f32 [2, 3, 5]', () => g.make('matmul', {}, [leaf([2, 3, 4]), leaf([2, 4, 5])])],
    ['batch f32 [4, 2]', () => g.make('linear', {}, [lanes([4, 3]), leaf([2, 3]), leaf([2])])],
    ['batch f32 [4, 3]', () => g.make('linearGradInput', {}, [lanes([4, 2]), leaf([2, 3])])],
    ['plain f32 [2, 3]', () => g.make('linearGradWeight', {}, [lanes([4, 2]), lanes([4, 3])])],
    ['batch f32 [4, 6, 28, 28]', () => g.make('conv2d', slide, [lanes([4, 3, 32, 32]), leaf([6, 3, 5, 5])])],
    [
      'batch f32 [2, 6, 4, 8]',
      () => g.make('conv2d', { stride: [2, 1], padding: [1, 0] }, [lanes([2, 3, 8, 10]), leaf([6, 3, 3, 3])]),
    ],
    [
      'batch f32 [4, 3, 8, 8]',
      () =>
        g.make('conv2dGradInput', { ...slide, inputSize: [8, 8], sparse: false }, [
          lanes([4, 6, 6, 6]),
          leaf([6, 3, 3, 3]),
        ]),
    ],
    [
      'plain f32 [6, 3, 3, 3]',
      () =>
        g.make('conv2dGradWeight', { ...slide, kernelSize: [3, 3], sparse: false }, [
          lanes([4, 6, 6, 6]),
          lanes([4, 3, 8, 8]),
        ]),
    ],
    ['batch f32 [4, 3, 2, 3]', () => g.make('maxPool2d', window, [lanes([4, 3, 5, 6])])],
    ['batch i32 [4, 3, 2, 3]', () => g.make('maxPoolIndex', window, [lanes([4, 3, 5, 6])])],
    [
      'batch f32 [4, 3, 5, 6]',
      () =>
        g.make('maxPool2dGrad', { ...window, inputSize: [5, 6] }, [
          g.make('maxPoolIndex', window, [lanes([4, 3, 5, 6])]),
          lanes([4, 3, 2, 3]),
        ]),
    ],
    ['batch f32 [4, 3, 2, 3]', () => g.make('avgPool2d', window, [lanes([4, 3, 5, 6])])],
    ['batch f32 [4, 3, 5, 6]', () => g.make('avgPool2dGrad', { ...window, inputSize: [5, 6] }, [lanes([4, 3, 2, 3])])],
    ['batch f32 [4]', () => g.make('crossEntropy', {}, [lanes([4, 9]), lanes([4], 'i32')])],
    ['batch f32 [4, 9]', () => g.make('crossEntropyGrad', {}, [lanes([4, 9]), lanes([4], 'i32'), lanes([4])])],
    ['plain f32 [2]', () => g.make('assign', {}, [leaf([2]), leaf([2])])],
    ['plain i32 [4, 2]', () => g.reshape(leaf([2, 4], 'i32'), [4, 2])],
    ['batch f32 [2, 3]', () => g.expandLike(leaf([3]), lanes([2, 3]))],
    ['batch f32 [2, 3]', () => g.randomLike(lanes([2, 3]), leaf([2], 'i32'))],
  ]
  for (const [expected, make] of cases) {
    const node = make()
    test(`${node.op}: ${node.inputs.map(type).join(', ')} → ${expected}`, () => assert.equal(type(node), expected))
  }
})

describe('errors name the operation, what it expects and what it got', () => {
  const cases: [string, () => Node][] = [
    [
      'conv2d: weight [6, 3, 5, 5] expects 3 input channels, got input [32, 1, 28, 28]',
      () => g.conv2d(leaf([32, 1, 28, 28]), leaf([6, 3, 5, 5])),
    ],
    [
      'conv2d: input must have 4 dimensions [N, C, H, W], got [32, 784]',
      () => g.conv2d(leaf([32, 784]), leaf([6, 1, 5, 5])),
    ],
    [
      'conv2d: weight must have 4 dimensions [O, C, kH, kW], got [6, 5, 5]',
      () => g.conv2d(leaf([2, 1, 9, 9]), leaf([6, 5, 5])),
    ],
    ['conv2d: expects a bias of shape [6], got [5]', () => g.conv2d(leaf([2, 1, 9, 9]), leaf([6, 1, 5, 5]), leaf([5]))],
    [
      'conv2d: a window of [5, 5] does not fit into pictures of [4, 4] with padding [0, 0]',
      () => g.conv2d(leaf([2, 1, 4, 4]), leaf([6, 1, 5, 5])),
    ],
    [
      'conv2d: strides must be whole numbers of 1 or more, got [0, 0]',
      () => g.conv2d(leaf([2, 1, 9, 9]), leaf([6, 1, 5, 5]), undefined, { stride: 0 }),
    ],
    [
      'conv2d: paddings must be whole numbers of 0 or more, got [-1, 0]',
      () => g.conv2d(leaf([2, 1, 9, 9]), leaf([6, 1, 5, 5]), undefined, { padding: [-1, 0] }),
    ],
    [
      'maxPool2d: a window of [2, 2] does not fit into pictures of [1, 1] with padding [0, 0]',
      () => g.maxPool2d(leaf([2, 3, 1, 1]), 2),
    ],
    [
      'maxPool2d: padding [2, 2] must be at most half the kernel size [3, 3]',
      () => g.maxPool2d(leaf([2, 3, 9, 9]), 3, { padding: 2 }),
    ],
    ['avgPool2d: input must have 4 dimensions [N, C, H, W], got [2, 3]', () => g.avgPool2d(leaf([2, 3]), 2)],
    [
      'linear: weight [10, 400] expects 400 input features, got input [32, 256]',
      () => g.linear(leaf([32, 256]), leaf([10, 400])),
    ],
    ['linear: expects a bias of shape [10], got [3]', () => g.linear(leaf([2, 4]), leaf([10, 4]), leaf([3]))],
    ['linear: input must have 1 dimension or more, got a scalar', () => g.linear(leaf([]), leaf([10, 4]))],
    ['add: shapes [2, 3] and [4] do not broadcast (sizes 3 and 4)', () => g.add(leaf([2, 3]), leaf([4]))],
    ['mul: shapes [8, 3] and [7, 3] do not broadcast (sizes 8 and 7)', () => g.mul(lanes([8, 3]), leaf([7, 3]))],
    ['matmul: the columns of [2, 3] must be as many as the rows of [4, 5]', () => g.matmul(leaf([2, 3]), leaf([4, 5]))],
    ['matmul: shapes [2] and [3] do not broadcast (sizes 2 and 3)', () => g.matmul(leaf([2, 4, 5]), leaf([3, 5, 6]))],
    ['reshape: [2, 3] has 6 values, which do not fill [4, -1]', () => g.reshape(leaf([2, 3]), [4, -1])],
    ['reshape: [2, 3] has 6 values, which do not fill [5]', () => g.reshape(leaf([2, 3]), [5])],
    ['permute: [0, 0] is not an order of the dimensions of [2, 3]', () => g.permute(leaf([2, 3]), [0, 0])],
    ['expand: [2, 3] cannot be expanded to [4, 3]', () => g.expand(leaf([2, 3]), [4, 3])],
    ['slice: 1 to 4 is not within dimension 1 of [2, 3]', () => g.slice(leaf([2, 3]), [0, 1], [2, 4])],
    ['pad: sizes must be 0 or more, got [-1] and [0]', () => g.pad(leaf([2]), [-1], [0])],
    ['concat: [2, 4] and [2, 3] may differ in dimension 0 only', () => g.concat([leaf([2, 3]), leaf([2, 4])])],
    ['concat: expects one tensor or more, got none', () => g.concat([])],
    ['concat: expects tensors of 1 dimension or more, got a scalar', () => g.concat([leaf([])])],
    ['sum: dimension 2 is out of range for a tensor of 2 dimensions', () => g.sum(leaf([2, 3]), 2)],
    ['sum: dims [0, -2] name a dimension of [2, 3] twice', () => g.sum(leaf([2, 3]), [0, -2])],
    ['amax: dimension 1 of [2, 0] has no elements', () => g.amax(leaf([2, 0]), 1)],
    ['flatten: startDim 2 comes after endDim 1', () => g.flatten(leaf([2, 3, 4]), 2, 1)],
    [
      'crossEntropy: logits [4, 10] expect 4 labels, got labels [3]',
      () => g.crossEntropy(leaf([4, 10]), leaf([3], 'i32')),
    ],
    [
      "crossEntropy: labels must be whole numbers (i32), one class index for each picture; got f32: labels.to('i32')",
      () => g.crossEntropy(leaf([4, 10]), leaf([4])),
    ],
    ['crossEntropy: logits must have 2 dimensions [N, C], got [4]', () => g.crossEntropy(leaf([4]), leaf([4], 'i32'))],
    ['gatherRows: index must be i32, got f32', () => g.gatherRows(leaf([4, 2]), leaf([4]))],
    ['gatherRows: the table must have rows, got a scalar', () => g.gatherRows(leaf([]), leaf([4], 'i32'))],
    ['batch: expects a tensor of 1 dimension or more, got a scalar', () => g.batch(leaf([]))],
    ['assign: can only write into a leaf, not into the result of neg', () => g.assign(g.neg(leaf([2])), leaf([2]))],
    ['assign: expects a value of shape [2], got [3]', () => g.assign(leaf([2]), leaf([3]))],
    ['dropout: the probability must be from 0 to 1, got 1.5', () => g.dropout(leaf([2]), 1.5, leaf([2], 'i32'))],
    ['random: the key must be two i32 words, got f32 [2]', () => g.randomLike(leaf([2]), leaf([2]))],
    [
      'batchNorm: training needs more than 1 value for each channel, got input [1, 3]',
      () => g.batchNormTrain(leaf([1, 3])).output,
    ],
    [
      'batchNorm: expects 3 channels, got [4] for input [2, 3]',
      () => g.batchNormTrain(leaf([2, 3]), { weight: leaf([4]) }).output,
    ],
    [
      'batchNorm: input must have 2 dimensions [N, C] or more, got [3]',
      () => g.batchNormEval(leaf([3]), leaf([3]), leaf([3])),
    ],
  ]
  for (const [message, make] of cases)
    test(message, () =>
      assert.throws(make, (error) => {
        assert.ok(error instanceof LenetError, String(error))
        assert.equal(error.message, message)
        return true
      }),
    )
})

describe('layouts that our own code got wrong are refused, but not as a user error', () => {
  const cases: [string, () => Node][] = [
    ['plain pictures', () => g.make('conv2d', slide, [leaf([2, 3, 8, 8]), leaf([6, 3, 3, 3])])],
    ['broadcasting along the batch', () => g.make('add', {}, [lanes([4, 3]), leaf([4, 3])])],
    ['lanes of different ranks', () => g.make('add', {}, [lanes([3, 3]), lanes([3])])],
    ['amax over the batch', () => g.make('amax', { dims: [0] }, [lanes([4, 3])])],
    ['sum over the batch and more', () => g.make('sum', { dims: [0, 1] }, [lanes([4, 3])])],
    ['dims out of order', () => g.make('sum', { dims: [1, 0] }, [leaf([4, 3])])],
    ['permuted lanes', () => g.make('permute', { dims: [1, 0] }, [lanes([4, 3])])],
    ['a reshape without a type', () => g.make('reshape', {}, [leaf([4, 3])])],
    ['a missing input', () => g.make('add', {}, [leaf([2])])],
  ]
  for (const [name, make] of cases)
    test(name, () => assert.throws(make, (error) => error instanceof Error && !(error instanceof LenetError)))
})

describe('requiresGrad', () => {
  const w = leaf([2, 3], 'f32', true)

  test('flows through what is differentiable, from any input', () => {
    for (const node of [
      g.relu(w),
      g.add(1, w),
      g.sum(w),
      g.batch(w),
      g.reshape(w, [6]),
      g.expand(leaf([1], 'f32', true), [4]),
    ])
      assert.equal(node.requiresGrad, true, node.op)
    assert.equal(g.relu(leaf([2])).requiresGrad, false)
  })

  test('ends at comparisons, places, integers, random numbers, effects and detach', () => {
    const ends = [g.eq(w, w), g.lt(w, w), g.le(w, w), g.argmax(w, 1), g.cast(w, 'i32'), g.detach(w)]
    ends.push(g.randomLike(w, leaf([2], 'i32')), g.assign(w, g.neg(w)))
    for (const node of ends) assert.equal(node.requiresGrad, false, node.op)
    const pool = g.maxPool2d(leaf([1, 1, 4, 4], 'f32', true), 2)
    assert.equal(pool.requiresGrad, true)
    assert.equal(pool.companion?.requiresGrad, false)
    assert.equal(pool.companion?.companion, pool)
  })

  test('is off while grad mode is off, also after an error', () => {
    assert.equal(g.withoutGrad(() => g.relu(w)).requiresGrad, false)
    assert.throws(() => g.withoutGrad(() => g.add(leaf([2]), leaf([3]))))
    assert.equal(g.gradEnabled(), true)
    const previous = g.setGradEnabled(false)
    assert.equal(previous, true)
    assert.equal(g.setGradEnabled(previous), false)
  })
})
