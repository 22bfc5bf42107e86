/** Types of movement operations, random numbers, effects and of what only the compiler writes. */
import { LenetError, sameShape, showShape } from '../base/index.js'
import type { Shape } from '../base/index.js'
import { dim, expectDType, expectLayout, expectRank, explicit, inputOf } from './inferShared.js'
import type { Inputs, InferTable } from './inferShared.js'
import type { Node, NodeType } from './node.js'
import type { OpAttrs, OpName } from './ops.js'

/** The dims that a movement's lists name: of a batch, those behind dim 0. */
export const movedDims = ({ layout, shape }: NodeType): Shape => (layout === 'batch' ? shape.slice(1) : shape)

/** Plain, or a batch, whose dim 0 stays in front. */
function expectMovable(op: OpName, x: Node): void {
  if (x.layout !== 'batch') expectLayout(op, x, 'plain')
}

const withBatch = (x: Node, shape: Shape): NodeType => ({
  shape: x.layout === 'batch' ? [dim(x, 0), ...shape] : shape,
  dtype: x.dtype,
  layout: x.layout,
})

function permuted({ dims }: OpAttrs['permute'], inputs: Inputs): NodeType {
  const x = inputOf('permute', inputs, 0)
  expectMovable('permute', x)
  if (x.layout === 'batch' && dims[0] !== 0) throw new Error('permute: the dim of the batch must stay in front')
  const once = dims.toSorted((a, b) => a - b).every((d, i) => d === i)
  if (!once || dims.length !== x.shape.length)
    throw new LenetError(`permute: ${showShape(dims)} is not an order of the dimensions of ${showShape(x.shape)}`)
  return { shape: dims.map((d) => dim(x, d)), dtype: x.dtype, layout: x.layout }
}

/** One number for each dimension. */
function expectEach(op: OpName, x: Node, ...lists: (readonly number[])[]): void {
  for (const list of lists)
    if (list.length !== movedDims(x).length || !list.every(Number.isInteger))
      throw new LenetError(
        `${op}: ${showShape(list)} must give one whole number for each dimension of ${showShape(x.shape)}`,
      )
}

function sliced({ starts, ends }: OpAttrs['slice'], inputs: Inputs): NodeType {
  const x = inputOf('slice', inputs, 0)
  expectMovable('slice', x)
  expectEach('slice', x, starts, ends)
  const shape = movedDims(x).map((size, i) => {
    const [start, end] = [starts[i] ?? 0, ends[i] ?? 0]
    if (start < 0 || end < start || end > size)
      throw new LenetError(`slice: ${start} to ${end} is not within dimension ${i} of ${showShape(x.shape)}`)
    return end - start
  })
  return withBatch(x, shape)
}

function padded({ before, after }: OpAttrs['pad'], inputs: Inputs): NodeType {
  const x = inputOf('pad', inputs, 0)
  expectMovable('pad', x)
  expectEach('pad', x, before, after)
  if ([...before, ...after].some((size) => size < 0))
    throw new LenetError(`pad: sizes must be 0 or more, got ${showShape(before)} and ${showShape(after)}`)
  return withBatch(
    x,
    movedDims(x).map((size, i) => size + (before[i] ?? 0) + (after[i] ?? 0)),
  )
}

function concatenated(_attrs: unknown, inputs: Inputs): NodeType {
  const first = inputOf('concat', inputs, 0)
  expectMovable('concat', first)
  const isBatch = first.layout === 'batch'
  let size = 0
  for (const x of inputs) {
    expectRank('concat', 'each input', x, isBatch ? 2 : 1, isBatch ? '[N, n]' : '[n]')
    expectLayout('concat', x, first.layout)
    expectDType('concat', 'each input', x, first.dtype)
    if (isBatch && dim(x, 0) !== dim(first, 0)) throw new Error('concat: batches of different sizes')
    size += dim(x, isBatch ? 1 : 0)
  }
  return withBatch(first, [size])
}

function gathered(_attrs: unknown, inputs: Inputs): NodeType {
  const [table, index] = [inputOf('gatherRows', inputs, 0), inputOf('gatherRows', inputs, 1)]
  expectLayout('gatherRows', table, 'plain')
  expectRank('gatherRows', 'index', index, 1, '[N]')
  expectDType('gatherRows', 'index', index, 'i32')
  expectLayout('gatherRows', index, 'batch')
  if (table.shape.length === 0) throw new LenetError('gatherRows: the table must have rows, got a scalar')
  return { shape: [dim(index, 0), ...table.shape.slice(1)], dtype: table.dtype, layout: 'batch' }
}

function batched(_attrs: unknown, inputs: Inputs): NodeType {
  const { shape, dtype, layout } = inputOf('batch', inputs, 0)
  if ((layout !== 'plain' && layout !== 'rows') || shape.length === 0)
    throw new Error(`batch: expects a plain input (or rows) of 1 dimension or more, got ${layout} ${showShape(shape)}`)
  return { shape, dtype, layout: 'batch' }
}

function unbatched(_attrs: unknown, inputs: Inputs): NodeType {
  const x = inputOf('unbatch', inputs, 0)
  expectLayout('unbatch', x, 'batch')
  return { shape: x.shape, dtype: x.dtype, layout: 'plain' }
}

function assigned(_attrs: unknown, inputs: Inputs): NodeType {
  const [target, value] = [inputOf('assign', inputs, 0), inputOf('assign', inputs, 1)]
  if (target.op !== 'leaf')
    throw new LenetError(`assign: can only write into a leaf, not into the result of ${target.op}`)
  if (!sameShape(target.shape, value.shape))
    throw new LenetError(`assign: expects a value of shape ${showShape(target.shape)}, got ${showShape(value.shape)}`)
  expectDType('assign', 'value', value, target.dtype)
  expectLayout('assign', value, target.layout)
  return { shape: target.shape, dtype: target.dtype, layout: target.layout }
}

export const inferMovement = {
  reshape: explicit('reshape'),
  permute: permuted,
  expand: explicit('expand'),
  slice: sliced,
  pad: padded,
  concat: concatenated,
  batch: batched,
  unbatch: unbatched,
  gatherRows: gathered,
  random: explicit('random'),
  assign: assigned,
} as const satisfies InferTable<
  | 'reshape'
  | 'permute'
  | 'expand'
  | 'slice'
  | 'pad'
  | 'concat'
  | 'batch'
  | 'unbatch'
  | 'gatherRows'
  | 'random'
  | 'assign'
>
