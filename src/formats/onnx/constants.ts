/**
 * Operators on values that are known without running the net: weights that are transposed or cast, and the chains of
 * Shape, Gather, Concat … by which exporters compute a shape. The batch goes through them as a symbol.
 * Not here: operators on what the net computes.
 */
import { isArrayOf } from '../../base/index.js'
import { asFloat32, pthDtypes, type PthArray, type PthDtype, type PthTensor } from '../pthTypes.js'
import { rowMajorStrides } from '../strided.js'
import {
  elements,
  fileShape,
  numbersOf,
  type ConstValue,
  type NodeContext,
  type Size,
  type SizesValue,
  type Value,
} from './context.js'
import type { OnnxTensor } from './model.js'
import { onnxTypes } from './tensors.js'

const mostItems = 2 ** 20

/** A new array of the kind of `like`. */
function emptyLike(like: PthArray, count: number): PthArray {
  if (isArrayOf('Float32Array', like)) return new Float32Array(count)
  if (isArrayOf('Float64Array', like)) return new Float64Array(count)
  if (isArrayOf('BigInt64Array', like)) return new BigInt64Array(count)
  if (isArrayOf('Int32Array', like)) return new Int32Array(count)
  if (isArrayOf('Int16Array', like)) return new Int16Array(count)
  if (isArrayOf('Int8Array', like)) return new Int8Array(count)
  return new Uint8Array(count)
}

function give(context: NodeContext, tensor: PthTensor): void {
  const name = context.node.outputs[0] ?? ''
  context.give({ kind: 'const', name, tensor })
}

/** Sizes without the batch become a constant. */
function giveSizes(context: NodeContext, sizes: readonly Size[], scalar = false): void {
  if (sizes.length > 1000) context.fail('refused: a list of more than 1000 sizes')
  const known = sizes.filter((size) => size !== 'batch')
  if (known.length < sizes.length) return context.give({ kind: 'sizes', sizes, scalar })
  const data = BigInt64Array.from(known, (size) => BigInt(Math.trunc(size)))
  give(context, { dtype: 'i64', shape: scalar ? [] : [known.length], data })
}

/** Items of `tensor` at offset + Σ index · stride, in C order; strides may be negative. */
function view(
  context: NodeContext,
  tensor: PthTensor,
  offset: number,
  shape: readonly number[],
  strides: readonly number[],
): void {
  const count = elements(shape)
  context.state.tensors.spend(count * pthDtypes[tensor.dtype].bytes + 64, context.where)
  const data = emptyLike(tensor.data, count)
  const at = shape.map(() => 0)
  let from = offset
  for (let to = 0; to < count; to++) {
    data[to] = tensor.data[from] ?? 0
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis] ?? 0
      at[axis] = (at[axis] ?? 0) + 1
      if ((at[axis] ?? 0) < (shape[axis] ?? 0)) break
      from -= (strides[axis] ?? 0) * (shape[axis] ?? 0)
      at[axis] = 0
    }
  }
  give(context, { dtype: tensor.dtype, shape: [...shape], data })
}

function transpose(context: NodeContext, { tensor }: ConstValue): void {
  const { shape } = tensor
  const perm = context.ints('perm') ?? shape.map((_, axis) => shape.length - 1 - axis)
  const isRight = perm.length === shape.length && shape.every((_, axis) => perm.includes(axis))
  if (!isRight) context.fail(`perm [${perm.join(', ')}] does not fit [${shape.join(', ')}]`)
  const strides = rowMajorStrides(shape)
  const turned = (list: readonly number[]): number[] => perm.map((axis) => list[axis] ?? 0)
  view(context, tensor, 0, turned(shape), turned(strides))
}

function reshape(context: NodeContext, { tensor }: ConstValue): void {
  const target = context.numbers(1, 'shape').map((size, i) => (size === 0 ? (tensor.shape[i] ?? 0) : size))
  const rest = elements(target.filter((size) => size !== -1))
  const shape = target.map((size) => (size === -1 ? tensor.data.length / rest : size))
  const isRight =
    shape.every((size) => Number.isSafeInteger(size) && size >= 0) && elements(shape) === tensor.data.length
  if (!isRight) context.fail(`a constant [${tensor.shape.join(', ')}] cannot become [${target.join(', ')}]`)
  give(context, { ...tensor, shape })
}

/** Axes as an input (opset 13) or an attribute. */
export function axesOf(context: NodeContext): number[] | undefined {
  if (context.input(1) !== undefined) return context.numbers(1, 'axes')
  const axes = context.ints('axes')
  return axes === undefined ? undefined : [...axes]
}

function squeeze(context: NodeContext, { tensor }: ConstValue): void {
  const rank = tensor.shape.length
  const axes = axesOf(context)?.map((axis) => (axis < 0 ? axis + rank : axis))
  const isDropped = (size: number, axis: number): boolean => (axes === undefined ? size === 1 : axes.includes(axis))
  const shape = tensor.shape.filter((size, axis) => !isDropped(size, axis))
  if (elements(shape) !== tensor.data.length) context.fail('it takes away a dimension that is not 1')
  give(context, { ...tensor, shape })
}

function unsqueeze(context: NodeContext, { tensor }: ConstValue): void {
  const axes = axesOf(context) ?? context.fail('its axes are missing')
  const rank = tensor.shape.length + axes.length
  const places = new Set(axes.map((axis) => (axis < 0 ? axis + rank : axis)))
  if (places.size !== axes.length || rank > 32 || [...places].some((axis) => !(axis >= 0 && axis < rank))) {
    context.fail(`axes [${axes.join(', ')}]`)
  }
  const old = [...tensor.shape]
  const shape = Array.from({ length: rank }, (_, axis) => (places.has(axis) ? 1 : (old.shift() ?? 1)))
  give(context, { ...tensor, shape })
}

function gather(context: NodeContext, { tensor }: ConstValue): void {
  const indices = context.constant(1)?.tensor ?? context.fail('its indices are missing')
  const numbers = context.numbers(1, 'indices')
  const [count = 0, ...rest] = tensor.shape
  if (context.int('axis', 0) !== 0 || rest.length > 0) context.fail('only entries of a list can be gathered')
  const picked = numbers.map(
    (index) => tensor.data[index < 0 ? index + count : index] ?? context.fail(`index ${index}`),
  )
  const data = emptyLike(tensor.data, picked.length)
  picked.forEach((value, i) => (data[i] = value))
  give(context, { dtype: tensor.dtype, shape: [...indices.shape], data })
}

interface Cut {
  readonly axis: number
  readonly start: number
  readonly end: number
  readonly step: number
}

/** Slice's starts, ends, axes and steps, as inputs (opset 10) or attributes. Axes may count from the end. */
export function cutsOf(context: NodeContext): Cut[] {
  const list = (i: number, name: string): number[] | undefined => {
    if (context.input(i) !== undefined) return context.numbers(i, name)
    const found = context.ints(name)
    return found === undefined ? undefined : [...found]
  }
  const starts = list(1, 'starts') ?? context.fail('its starts are missing')
  const ends = list(2, 'ends') ?? context.fail('its ends are missing')
  const axes = list(3, 'axes') ?? starts.map((_, i) => i)
  const steps = list(4, 'steps') ?? starts.map(() => 1)
  if (ends.length !== starts.length || axes.length !== starts.length || steps.length !== starts.length) {
    context.fail('its starts, ends, axes and steps are not as many')
  }
  return starts.map((start, i) => ({ start, end: ends[i] ?? 0, axis: axes[i] ?? 0, step: steps[i] ?? 1 }))
}

/** The first index and the number of them that a cut leaves of `size` items, as NumPy counts. */
export function cutRange({ start, end, step }: Cut, size: number): { first: number; count: number } {
  const from = start < 0 ? start + size : start
  const to = end < 0 ? end + size : end
  const [low, high] = step > 0 ? [0, size] : [-1, size - 1]
  const first = Math.min(Math.max(from, step > 0 ? 0 : -1), high)
  const last = Math.min(Math.max(to, low), step > 0 ? size : size - 1)
  return { first, count: Math.max(0, Math.ceil((last - first) / step)) }
}

function slice(context: NodeContext, { tensor }: ConstValue): void {
  const [shape, strides] = [[...tensor.shape], rowMajorStrides(tensor.shape)]
  let offset = 0
  for (const cut of cutsOf(context)) {
    const axis = cut.axis < 0 ? cut.axis + shape.length : cut.axis
    const [size, stride] = [shape[axis], strides[axis]]
    if (size === undefined || stride === undefined || cut.step === 0) context.fail(`axis ${cut.axis}, step ${cut.step}`)
    const { first, count } = cutRange(cut, size)
    offset += first * stride
    shape[axis] = count
    strides[axis] = stride * cut.step
  }
  view(context, tensor, offset, shape, strides)
}

function concat(context: NodeContext): void {
  const parts = context.node.inputs.map(
    (_, i) => context.constant(i)?.tensor ?? context.fail(`its input ${i} is missing`),
  )
  const [first] = parts
  if (first === undefined || parts.some(({ shape, dtype }) => shape.length !== 1 || dtype !== first.dtype)) {
    return context.fail('only lists of one type can be joined')
  }
  const count = parts.reduce((sum, { data }) => sum + data.length, 0)
  if (count > mostItems) context.fail(`refused: a list of ${count} items`)
  context.state.tensors.spend(count * 8 + 64, context.where)
  const data = emptyLike(first.data, count)
  let at = 0
  for (const part of parts) for (const value of part.data) data[at++] = value
  give(context, { dtype: first.dtype, shape: [count], data })
}

const arithmetic: Readonly<Record<string, (a: number, b: number) => number>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Mod: (a, b) => a - Math.floor(a / b) * b,
}

/** Of equal shapes, or with one number. */
function compute(context: NodeContext): void {
  const [a, b] = [0, 1].map((i) => context.constant(i)?.tensor ?? context.fail(`its input ${i} is missing`))
  const run = arithmetic[context.node.op]
  if (a === undefined || b === undefined || run === undefined || a.dtype !== b.dtype)
    return context.fail('of two types')
  const wide = a.data.length >= b.data.length && a.shape.length >= b.shape.length ? a : b
  const fits = [a, b].every(({ data, shape }) => data.length === 1 || String(shape) === String(wide.shape))
  if (!fits) context.fail(`of constants [${a.shape.join(', ')}] and [${b.shape.join(', ')}]`)
  context.state.tensors.spend(wide.data.length * 8 + 64, context.where)
  const data = emptyLike(wide.data, wide.data.length)
  for (let i = 0; i < data.length; i++) {
    const result = run(Number(a.data[a.data.length === 1 ? 0 : i]), Number(b.data[b.data.length === 1 ? 0 : i]))
    if (isArrayOf('BigInt64Array', data)) {
      if (!Number.isSafeInteger(Math.trunc(result))) context.fail(`its result ${result} is no size`)
      data[i] = BigInt(Math.trunc(result))
    } else data[i] = result
  }
  give(context, { dtype: wide.dtype, shape: [...wide.shape], data })
}

const castTypes: Readonly<Record<string, PthDtype>> = {
  float: 'f32',
  int32: 'i32',
  int64: 'i64',
  float16: 'f16',
  double: 'f64',
  bfloat16: 'bf16',
}

function cast(context: NodeContext, { tensor }: ConstValue): void {
  const dtype = castTypes[onnxTypes[context.int('to', 0)] ?? '']
  if (dtype === undefined) return context.fail(`to ${onnxTypes[context.int('to', 0)] ?? context.int('to', 0)}`)
  if (dtype === tensor.dtype) return give(context, tensor)
  context.state.tensors.spend(tensor.data.length * 8 + 64, context.where)
  if (dtype === 'f32') return give(context, { ...tensor, dtype, data: asFloat32(tensor) })
  if (dtype !== 'i64' && dtype !== 'i32') return context.fail(`of a constant to ${dtype}`)
  const whole = numbersOf(tensor.data).map(Math.trunc)
  if (!whole.every((value) => Number.isSafeInteger(value))) context.fail('of numbers that are no whole ones')
  const data = dtype === 'i64' ? BigInt64Array.from(whole, BigInt) : Int32Array.from(whole)
  give(context, { dtype, shape: tensor.shape, data })
}

function constantOfShape(context: NodeContext): void {
  const shape = context.numbers(0, 'shape')
  const count = elements(shape)
  if (!(count <= mostItems) || shape.some((size) => size < 0) || shape.length > 32) {
    context.fail(`refused: a constant of ${count} items`)
  }
  const fill = context.attribute('value')?.t
  const like = fill === undefined ? undefined : context.state.tensors.read(fill)
  context.state.tensors.spend(count * 8 + 64, context.where)
  const data = emptyLike(like?.data ?? new Float32Array(1), count)
  for (let i = 0; i < count; i++) data[i] = like?.data[0] ?? 0
  give(context, { dtype: like?.dtype ?? 'f32', shape, data })
}

function constant(context: NodeContext): void {
  const { attributes } = context.node
  const tensor = attributes.get('value')?.t
  if (tensor !== undefined) return give(context, context.state.tensors.read(namedTensor(tensor, context)))
  const float = attributes.get('value_float')?.f
  if (float !== undefined) return give(context, { dtype: 'f32', shape: [], data: Float32Array.of(float) })
  const floats = attributes.get('value_floats')?.floats
  if (floats !== undefined)
    return give(context, { dtype: 'f32', shape: [floats.length], data: Float32Array.from(floats) })
  const int = attributes.get('value_int')?.i
  if (int !== undefined) return giveSizes(context, [int], true)
  const ints = attributes.get('value_ints')?.ints
  return ints === undefined ? context.fail('it has no value that is known here') : giveSizes(context, ints)
}

function namedTensor(tensor: OnnxTensor, { node }: NodeContext): OnnxTensor {
  return tensor.name === '' ? { ...tensor, name: node.outputs[0] ?? '' } : tensor
}

function shape(context: NodeContext): void {
  const value = context.input(0)
  if (value === undefined || value.kind === 'sizes') return context.fail('of a shape')
  const all: readonly Size[] = value.kind === 'net' ? ['batch', ...fileShape(value)] : value.tensor.shape
  const end = context.attribute('end')?.i
  giveSizes(context, all.slice(context.int('start', 0), end))
}

/** Operators on sizes among which is the batch. */
function onSizes(context: NodeContext, value: SizesValue): void {
  const { op } = context.node
  if (op === 'Identity' || op === 'Cast') return context.give(value)
  if (op === 'Unsqueeze' || op === 'Squeeze' || op === 'Reshape') {
    if (value.sizes.length !== 1) return op === 'Reshape' ? context.give(value) : context.fail('of a list of sizes')
    return giveSizes(context, value.sizes, op === 'Squeeze')
  }
  if (op === 'Gather') {
    const scalar = context.constant(1)?.tensor.shape.length === 0
    const count = value.sizes.length
    const picked = context
      .numbers(1, 'indices')
      .map((i) => value.sizes[i < 0 ? i + count : i] ?? context.fail(`index ${i}`))
    return giveSizes(context, picked, scalar)
  }
  if (op === 'Slice') {
    const [cut, ...more] = cutsOf(context)
    if (cut === undefined || more.length > 0 || cut.step !== 1) return context.fail('of a list of sizes')
    const { first, count } = cutRange(cut, value.sizes.length)
    return giveSizes(context, value.sizes.slice(first, first + count))
  }
  context.fail('a size is computed from the batch; only the batch itself may vary')
}

function joinSizes(context: NodeContext): void {
  giveSizes(
    context,
    context.node.inputs.flatMap((_, i) => context.sizes(i, `input ${i}`)),
  )
}

const onConstants: Readonly<Record<string, (context: NodeContext, value: ConstValue) => void>> = {
  Identity: (context, value) => context.give({ ...value, name: value.name }),
  Cast: cast,
  Transpose: transpose,
  Reshape: reshape,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Gather: gather,
  Slice: slice,
  Concat: concat,
  Add: compute,
  Sub: compute,
  Mul: compute,
  Div: compute,
  Mod: compute,
}

export const constantOps: ReadonlySet<string> = new Set([
  ...Object.keys(onConstants),
  'Constant',
  'ConstantOfShape',
  'Shape',
])

/** Runs the node if its values are known without the net; false if it works on what the net computes. */
export function runOnConstants(context: NodeContext): boolean {
  const { op, inputs } = context.node
  if (op === 'Constant') constant(context)
  else if (op === 'ConstantOfShape') constantOfShape(context)
  else if (op === 'Shape') shape(context)
  else {
    const values = inputs.map((_, i) => context.input(i))
    const [first] = values
    if (first === undefined || first.kind === 'net' || values.some((value: Value | undefined) => value?.kind === 'net'))
      return false
    const isSizes = values.some((value) => value?.kind === 'sizes')
    if (isSizes && op === 'Concat') joinSizes(context)
    else if (first.kind === 'sizes') onSizes(context, first)
    else if (isSizes) context.fail('a size is computed from the batch; only the batch itself may vary')
    else (onConstants[op] ?? (() => context.fail('of constants is not known here')))(context, first)
  }
  return true
}
