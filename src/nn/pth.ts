/**
 * Tensors of ours as a .pth holds them, and back. Not here: bytes (formats), files (save.node.ts).
 * PyTorch's whole numbers are int64: our i32 (labels, counts) are written as such.
 */
import { LenetError, isArrayOf, isMap, isPlainObject } from '../base/index.js'
import {
  asFloat32,
  isPthTensor,
  type PthTensor,
  type PthValue,
  type WritablePthValue,
  type WritableTensor,
} from '../formats/index.js'
import { fromArray, ownTensor, type Tensor } from '../tensor/index.js'

/** What a file holds: dicts as Maps, lists and tuples as arrays. */
export type Loaded = null | boolean | number | bigint | string | Tensor | Loaded[] | Map<string | number, Loaded>

const INT32 = 2n ** 31n

function int32s(data: BigInt64Array, where: string): Int32Array {
  return Int32Array.from(data, (value) => {
    if (value >= -INT32 && value < INT32) return Number(value)
    throw new LenetError(`${where}: ${value} does not fit into 32 bits`)
  })
}

/** A file's tensor as ours: floats become f32, whole numbers i32, bytes and booleans u8. `where` is for errors. */
export function tensorFromPth(found: PthTensor, where: string): Tensor {
  const { dtype, data } = found
  const shape = [...found.shape]
  if (dtype === 'u8' || dtype === 'bool') return fromArray(Uint8Array.from(data as Uint8Array), shape, 'u8')
  if (isArrayOf('BigInt64Array', data)) return fromArray(int32s(data, where), shape, 'i32')
  if (dtype === 'i32' || dtype === 'i16' || dtype === 'i8') return fromArray(Int32Array.from(data), shape, 'i32')
  return fromArray(asFloat32(found).slice(), shape, 'f32')
}

/** What `readPth` found, with tensors of ours. */
export function fromPth(value: PthValue, where = 'the file'): Loaded {
  if (Array.isArray(value)) return value.map((item) => fromPth(item, where))
  if (isMap(value)) {
    return new Map([...value].map(([key, item]) => [key, fromPth(item, `${where}: ${key}`)]))
  }
  return isPthTensor(value) ? tensorFromPth(value, where) : value
}

/** A tensor of ours as files hold it. */
export function tensorToPth(x: Tensor): WritableTensor {
  const data = x.toTypedArray()
  return { shape: x.shape, data: isArrayOf('Int32Array', data) ? BigInt64Array.from(data, BigInt) : data }
}

/** Tensors, numbers, texts, booleans, null, arrays, Maps and plain objects, nested. Throws LenetError for other values. */
export function toPth(value: unknown, where = 'the value'): WritablePthValue {
  const tensor = ownTensor(value)
  if (tensor) return tensorToPth(tensor)
  if (value === null || ['boolean', 'number', 'bigint', 'string'].includes(typeof value))
    return value as WritablePthValue
  if (Array.isArray(value)) return value.map((item, i) => toPth(item, `${where}[${i}]`))
  if (isMap(value)) {
    const entries = [...(value as Map<string | number, unknown>)]
    return new Map(entries.map(([key, item]) => [key, toPth(item, `${where}: ${key}`)]))
  }
  if (isPlainObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toPth(item, `${where}: ${key}`)]))
  }
  throw new LenetError(
    `save: ${where} cannot be saved: it is ${describe(value)}; save tensors, numbers, texts, lists and dicts`,
  )
}

function describe(value: unknown): string {
  if (typeof value === 'function') return `a function or module; for a net give net.stateDict()`
  return typeof value === 'object' ? `a ${value?.constructor.name ?? 'value'}` : typeof value
}
