/** Types of leaves, elementwise operations and reductions. Not here: conversions between layouts (compose.ts). */
import { broadcastShapes, LenetError, showShape } from '../base/index.js'
import type { DType, Shape } from '../base/index.js'
import { dim, expectDType, expectLayout, explicit, inputOf } from './inferShared.js'
import type { Inputs, InferTable } from './inferShared.js'
import type { Layout, Node, NodeType } from './node.js'
import type { OpName } from './ops.js'

/** May x stand beside `like` in an elementwise operation, without broadcasting anything along its batch? */
export function fitsBatch(x: Node, like: Node): boolean {
  const rank = like.shape.length
  if (x.layout === 'batch') return x.shape.length === rank && x.shape[0] === like.shape[0]
  return x.layout === 'plain' && (x.shape.length < rank || (x.shape.length === rank && x.shape[0] === 1))
}

function commonLayout(op: OpName, inputs: Inputs): Layout {
  const like = inputs.find((x) => x.layout === 'batch')
  for (const x of inputs) {
    if (!like) expectLayout(op, x, 'plain')
    else if (!fitsBatch(x, like))
      throw new Error(`${op}: ${x.layout} ${showShape(x.shape)} does not fit a batch ${showShape(like.shape)}`)
  }
  return like ? 'batch' : 'plain'
}

function commonShape(op: OpName, inputs: Inputs): Shape {
  let shape = inputOf(op, inputs, 0).shape
  for (const x of inputs) if (x.shape !== shape) shape = broadcastShapes(shape, x.shape, op)
  return shape
}

function broadcast(op: OpName, inputs: Inputs, dtype: DType): NodeType {
  return { shape: commonShape(op, inputs), dtype, layout: commonLayout(op, inputs) }
}

const arithmetic = (op: OpName, count: number) => (_attrs: unknown, inputs: Inputs) => {
  for (let i = 0; i < count; i++) {
    const x = inputOf(op, inputs, i)
    if (x.dtype !== 'f32') expectDType(op, `operand ${i + 1}`, x, 'f32')
  }
  return broadcast(op, inputs, 'f32')
}

const comparison = (op: OpName) => (_attrs: unknown, inputs: Inputs) => {
  const [a, b] = [inputOf(op, inputs, 0), inputOf(op, inputs, 1)]
  if (a.dtype !== b.dtype || a.dtype === 'u8')
    throw new LenetError(`${op}: compares two f32 or two i32, got ${a.dtype} and ${b.dtype}`)
  return broadcast(op, inputs, 'f32')
}

/** dims: ascending, without repetition. */
function checkDims(op: OpName, x: Node, dims: readonly number[]): void {
  let last = -1
  for (const d of dims) {
    if (!Number.isInteger(d) || d <= last || d >= x.shape.length)
      throw new Error(`${op}: dims ${showShape(dims)} of ${showShape(x.shape)} must be ascending and in range`)
    last = d
  }
}

function reducedType(op: OpName, x: Node, dims: readonly number[], dtype: DType): NodeType {
  checkDims(op, x, dims)
  expectDType(op, 'input', x, 'f32')
  const shape = x.shape.filter((_, i) => !dims.includes(i))
  if (x.layout !== 'batch') expectLayout(op, x, 'plain')
  const overBatch = x.layout === 'batch' && dims.includes(0)
  if (overBatch && (op !== 'sum' || dims.length > 1))
    throw new Error(`${op}: dims ${showShape(dims)} of a batch; unbatch it or sum the others first`)
  return { shape, dtype, layout: overBatch ? 'plain' : x.layout }
}

function notEmpty(op: OpName, x: Node, dims: readonly number[]): void {
  for (const d of dims)
    if (dim(x, d) === 0) throw new LenetError(`${op}: dimension ${d} of ${showShape(x.shape)} has no elements`)
}

export const inferElementwise = {
  leaf: explicit('leaf'),
  const: () => ({ shape: [], dtype: 'f32', layout: 'plain' }),
  neg: arithmetic('neg', 1),
  exp: arithmetic('exp', 1),
  log: arithmetic('log', 1),
  sqrt: arithmetic('sqrt', 1),
  abs: arithmetic('abs', 1),
  relu: arithmetic('relu', 1),
  tanh: arithmetic('tanh', 1),
  sigmoid: arithmetic('sigmoid', 1),
  erf: arithmetic('erf', 1),
  expm1: arithmetic('expm1', 1),
  log1p: arithmetic('log1p', 1),
  cast: ({ dtype }, inputs) => broadcast('cast', inputs, dtype),
  add: arithmetic('add', 2),
  sub: arithmetic('sub', 2),
  mul: arithmetic('mul', 2),
  div: arithmetic('div', 2),
  maximum: arithmetic('maximum', 2),
  eq: comparison('eq'),
  lt: comparison('lt'),
  le: comparison('le'),
  where: arithmetic('where', 3),
  sum: ({ dims }, inputs) => reducedType('sum', inputOf('sum', inputs, 0), dims, 'f32'),
  amax: ({ dims }, inputs) => {
    const x = inputOf('amax', inputs, 0)
    notEmpty('amax', x, dims)
    return reducedType('amax', x, dims, 'f32')
  },
  argmax: (attrs, inputs) => {
    const x = inputOf('argmax', inputs, 0)
    notEmpty('argmax', x, [attrs.dim])
    return reducedType('argmax', x, [attrs.dim], 'i32')
  },
} as const satisfies InferTable<
  | 'leaf'
  | 'const'
  | 'neg'
  | 'exp'
  | 'log'
  | 'sqrt'
  | 'abs'
  | 'relu'
  | 'tanh'
  | 'sigmoid'
  | 'erf'
  | 'expm1'
  | 'log1p'
  | 'cast'
  | 'add'
  | 'sub'
  | 'mul'
  | 'div'
  | 'maximum'
  | 'eq'
  | 'lt'
  | 'le'
  | 'where'
  | 'sum'
  | 'amax'
  | 'argmax'
>
