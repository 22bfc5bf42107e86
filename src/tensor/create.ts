/** Making tensors from values, and filled ones. Not here: what can be done with them (tensor.ts). */
import {
  expectDType,
  expectNumbers,
  expectOptions,
  type Generator,
  hostArray,
  isArrayOf,
  isForeignTensor,
  LenetError,
  sameShape,
  showShape,
  sizeOf,
  UsageError,
  type DType,
  type HostArray,
  type Shape,
} from '../base/index.js'
import { hostLeaf } from '../graph/index.js'
import { own } from './autograd.js'
import { defaultGenerator } from './random.js'
import { isTensor, Tensor } from './tensor.js'

/** Numbers nested as deep as the tensor has dimensions, or a flat typed array. */
export type TensorData = number | boolean | readonly TensorData[] | HostArray | Float64Array

export interface TensorOptions {
  /** Default: as the values are nested; a typed array is flat. */
  readonly shape?: Shape
  /** Default 'f32'; that of a typed array. */
  readonly dtype?: DType
  /** Gradients are kept for it; default false. */
  readonly requiresGrad?: boolean
}

/**
 * A leaf over `data`, which is not copied.
 * @throws UsageError for an unknown dtype, LenetError for an array of another type or length
 */
export function fromArray(data: HostArray, shape: Shape, dtype: DType, requiresGrad = false): Tensor {
  expectDType('fromArray', dtype)
  if (!ArrayBuffer.isView(data) || dtypeOf(data) !== dtype || data.length !== sizeOf(shape))
    throw new LenetError(
      `fromArray: expects ${sizeOf(shape)} values in a ${arrayNames[dtype]} for ${dtype} ${showShape(shape)}, got ${data?.length} in ${data?.constructor.name}`,
    )
  const result = new Tensor(hostLeaf(data, shape, dtype, requiresGrad))
  if (requiresGrad) own(result)
  return result
}

/** A tensor itself; one of another copy of lenet as a leaf of ours with its values; undefined for anything else. */
export function ownTensor(value: unknown): Tensor | undefined {
  if (value instanceof Tensor) return value
  return isForeignTensor(value) ? tensor(value as TensorData) : undefined
}

const isTyped = (data: TensorData): data is HostArray | Float64Array => ArrayBuffer.isView(data)

const isList = (data: TensorData): data is readonly TensorData[] => Array.isArray(data)

function nestedShape(data: TensorData): number[] {
  const shape: number[] = []
  for (let at: TensorData | undefined = data; at !== undefined && isList(at); at = at[0]) shape.push(at.length)
  return shape
}

/** Appends all numbers in row-major order; every list must be as long as its neighbours. */
function flattenInto(data: TensorData, shape: Shape, depth: number, out: number[]): void {
  if (!isList(data)) {
    if (depth < shape.length || isTyped(data)) throw new LenetError('tensor: the lists are not nested equally deep')
    const value = Number(data)
    if (typeof data !== 'number' && typeof data !== 'boolean' && Number.isNaN(value))
      throw new UsageError(`tensor: expects numbers, got ${JSON.stringify(data) ?? String(data)}`)
    out.push(value)
    return
  }
  if (data.length !== shape[depth]) {
    throw new LenetError(
      `tensor: a list of ${data.length} where ${shape[depth] ?? 'a number'} is expected (dimension ${depth})`,
    )
  }
  for (const item of data) flattenInto(item, shape, depth + 1, out)
}

const arrayNames = { f32: 'Float32Array', i32: 'Int32Array', u8: 'Uint8Array' } as const

function dtypeOf(data: TensorData): DType {
  if (isTensor(data)) return data.dtype
  if (isArrayOf('Int32Array', data)) return 'i32'
  return isArrayOf('Uint8Array', data) ? 'u8' : 'f32'
}

function flatValues(data: TensorData): { values: ArrayLike<number>; shape: Shape } {
  if (isTyped(data)) return { values: data, shape: [data.length] }
  if (isTensor(data)) return { values: data.toTypedArray(), shape: data.shape }
  const shape = nestedShape(data)
  const values: number[] = []
  flattenInto(data, shape, 0, values)
  return { values, shape }
}

/**
 * A tensor from numbers; the values are copied. `tensor([[1, 2], [3, 4]])`, `tensor(3.5)`,
 * `tensor(new Uint8Array(bytes), { shape: [n, 3, 32, 32] })`. A tensor's values are copied too. Source: torch.tensor.
 * @throws LenetError for lists of unequal length and for a shape that does not fit, UsageError for an unknown dtype
 */
export function tensor(data: TensorData, options: TensorOptions = {}): Tensor {
  expectOptions('tensor', options, ['shape', ...fillOptions])
  const found = flatValues(data)
  const { shape = found.shape, dtype = dtypeOf(data), requiresGrad = false } = options
  expectDType('tensor', dtype)
  if (sizeOf(shape) !== found.values.length || shape.some((size) => size < 0)) {
    throw new LenetError(`tensor: ${found.values.length} values do not fill the shape ${showShape(shape)}`)
  }
  if (requiresGrad && dtype !== 'f32')
    throw new LenetError(`tensor: only f32 tensors can require a gradient, not ${dtype}`)
  const copy = hostArray(dtype, found.values.length)
  copy.set(found.values)
  return fromArray(copy, [...shape], dtype, requiresGrad)
}

/** Throws UsageError where sizes are given one by one. */
function expectShape(what: string, shape: unknown): void {
  if (!Array.isArray(shape))
    throw new UsageError(`${what}: the shape is a list, [2, 3], or [] for a single number; got ${String(shape)}`)
}

export type FillOptions = Omit<TensorOptions, 'shape'>
const fillOptions: readonly (keyof FillOptions)[] = ['dtype', 'requiresGrad']

/** Every element is `value`. Throws UsageError for an unknown dtype or option. */
export function full(shape: Shape, value: number, options: FillOptions = {}): Tensor {
  const { dtype = 'f32', requiresGrad = false } = options
  expectOptions('a filled tensor', options, fillOptions)
  expectDType('a filled tensor', dtype)
  expectShape('a filled tensor', shape)
  expectNumbers('a filled tensor', { value })
  const size = sizeOf(shape)
  if (!Number.isInteger(size) || shape.some((n) => n < 0))
    throw new LenetError(`no tensor has the shape ${showShape(shape)}`)
  return fromArray(hostArray(dtype, size).fill(value), [...shape], dtype, requiresGrad)
}

export const zeros = (shape: Shape, options: FillOptions = {}): Tensor => full(shape, 0, options)
export const ones = (shape: Shape, options: FillOptions = {}): Tensor => full(shape, 1, options)

/** Where random tensors draw from; default: the generator that `manualSeed` sets. */
export interface RandomOptions {
  readonly generator?: Generator
  readonly requiresGrad?: boolean
}
const randomOptions: readonly (keyof RandomOptions)[] = ['generator', 'requiresGrad']

/** Uniform numbers of [0, 1), bit-equal to torch.rand with the same seed. */
export function rand(shape: Shape, options: RandomOptions = {}): Tensor {
  const { generator = defaultGenerator, requiresGrad = false } = options
  expectOptions('rand', options, randomOptions)
  expectShape('rand', shape)
  return fromArray(generator.uniform(new Float32Array(sizeOf(shape))), [...shape], 'f32', requiresGrad)
}

/** Normal numbers of mean 0 and deviation 1: torch.randn with the same seed, to about 1e-6. */
export function randn(shape: Shape, options: RandomOptions = {}): Tensor {
  const { generator = defaultGenerator, requiresGrad = false } = options
  expectOptions('randn', options, randomOptions)
  expectShape('randn', shape)
  return fromArray(generator.normal(new Float32Array(sizeOf(shape))), [...shape], 'f32', requiresGrad)
}

/** A random order of 0 … n - 1 as i32, equal to torch.randperm with the same seed. */
export function randperm(n: number, { generator = defaultGenerator }: RandomOptions = {}): Tensor {
  return fromArray(Int32Array.from(generator.randperm(n)), [n], 'i32')
}

/**
 * start, start + step, … below `end`: `arange(5)`, `arange(2, 8)`, `arange(0, 1, 0.25)`.
 * Default dtype: i32 for whole numbers, else f32.
 */
export function arange(end: number): Tensor
export function arange(start: number, end: number, step?: number, options?: FillOptions): Tensor
export function arange(first: number, last?: number, step = 1, options: FillOptions = {}): Tensor {
  const [start, end] = last === undefined ? [0, first] : [first, last]
  const count = Math.max(0, Math.ceil((end - start) / step))
  if (!Number.isFinite(count)) throw new LenetError(`arange: no range from ${start} to ${end} by ${step}`)
  const whole = Number.isInteger(start) && Number.isInteger(step)
  const { dtype = whole ? 'i32' : 'f32', requiresGrad = false } = options
  expectOptions('arange', options, fillOptions)
  expectDType('arange', dtype)
  const values = hostArray(dtype, count)
  for (let i = 0; i < count; i++) values[i] = start + i * step
  return fromArray(values, [count], dtype, requiresGrad)
}

/** The same shape and exactly the same values (a NaN equals nothing). Computes both. Source: torch.equal. */
export function equal(a: Tensor, b: Tensor): boolean {
  if (!sameShape(a.shape, b.shape)) return false
  const [x, y] = [a.toTypedArray(), b.toTypedArray()]
  return x.every((value, i) => value === y[i])
}
