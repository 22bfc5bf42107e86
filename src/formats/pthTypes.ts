/**
 * What a PyTorch file holds, as plain data: dtypes, tensors, and nested values of a checkpoint.
 * Not here: reading (pth.ts) and writing (pthWriter.ts).
 */
import { isArrayOf, isMap } from '../base/index.js'

/** One row per dtype: PyTorch's name, the name of its storage class, bytes per item. */
export const pthDtypes = {
  f32: { torch: 'float32', storage: 'FloatStorage', bytes: 4 },
  f64: { torch: 'float64', storage: 'DoubleStorage', bytes: 8 },
  f16: { torch: 'float16', storage: 'HalfStorage', bytes: 2 },
  bf16: { torch: 'bfloat16', storage: 'BFloat16Storage', bytes: 2 },
  i64: { torch: 'int64', storage: 'LongStorage', bytes: 8 },
  i32: { torch: 'int32', storage: 'IntStorage', bytes: 4 },
  i16: { torch: 'int16', storage: 'ShortStorage', bytes: 2 },
  i8: { torch: 'int8', storage: 'CharStorage', bytes: 1 },
  u8: { torch: 'uint8', storage: 'ByteStorage', bytes: 1 },
  bool: { torch: 'bool', storage: 'BoolStorage', bytes: 1 },
} as const

export type PthDtype = keyof typeof pthDtypes

export const pthDtypeNames = Object.keys(pthDtypes).filter((name): name is PthDtype => name in pthDtypes)

export type PthArray = Float32Array | Float64Array | BigInt64Array | Int32Array | Int16Array | Int8Array | Uint8Array

/**
 * A tensor out of a file: `data` holds product(shape) items in C order. `dtype` is the file's; f16 and bf16 come
 * widened in a Float32Array, bool as bytes 0 and 1. `data` may be a view of the file's bytes: copy it before changing it.
 */
export interface PthTensor {
  readonly dtype: PthDtype
  readonly shape: number[]
  readonly data: PthArray
}

/** A tensor to be written. Its dtype follows from the array; `dtype: 'bool'` makes booleans of a Uint8Array. */
export interface WritableTensor {
  readonly shape: readonly number[]
  readonly data: PthArray
  readonly dtype?: PthDtype
}

/** What a checkpoint holds: Python's dicts are Maps, lists and tuples arrays, integers beyond 2^53 bigints. */
export type PthValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | PthTensor
  | PthValue[]
  | Map<string | number, PthValue>

/** What can be written as a checkpoint: as PthValue, and objects, whose own entries make a dict. */
export type WritablePthValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | WritableTensor
  | readonly WritablePthValue[]
  | ReadonlyMap<string | number, WritablePthValue>
  | { readonly [key: string]: WritablePthValue }

/** A PyTorch file that was read. */
export interface PthFile {
  readonly name: string
  /** The state dict that the file is or holds, prefixes of wrappers removed; empty where it holds none. */
  readonly tensors: Map<string, PthTensor>
  /** What was odd but harmless, one sentence each. */
  readonly warnings: string[]
  /** Everything in the file. */
  readonly whole: PthValue
}

export function isPthTensor(value: PthValue | undefined): value is PthTensor {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isMap(value)
}

/** The tensor's items as float32, in C order: `data` itself where it is float32 already. Integers beyond 2^24 round. */
export function asFloat32({ data }: PthTensor): Float32Array {
  if (isArrayOf('Float32Array', data)) return data
  return isArrayOf('BigInt64Array', data) ? Float32Array.from(data, Number) : new Float32Array(data)
}
