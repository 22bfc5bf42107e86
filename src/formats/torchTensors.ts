/**
 * Tensor references into plain arrays: checks a view against its storage's bytes, then takes the items in C order.
 * Not here: where the bytes come from (pth.ts).
 */
import { LenetError } from '../base/index.js'
import { pthDtypes, type PthArray, type PthDtype } from './pthTypes.js'
import { gather, rowMajorStrides } from './strided.js'

/** A strided view of bytes. Offset and strides count items of `dtype`. */
export interface StridedBytes {
  readonly bytes: Uint8Array
  readonly dtype: PthDtype
  readonly bigEndian: boolean
  readonly offset: number
  readonly shape: readonly number[]
  readonly strides: readonly number[]
}

/** The bytes a file may make us allocate beyond its own: stops small files that unfold to huge ones. */
export class Budget {
  #left: number

  constructor(bytes: number) {
    this.#left = bytes
  }

  spend(bytes: number, where: string): void {
    this.#left -= bytes
    if (!(this.#left >= 0))
      throw new LenetError(`${where}: refused: the file is small and unfolds to far more than it holds`)
  }
}

/** Number of items, checked: every item lies within the bytes. */
function checkedCount({ bytes, dtype, offset, shape, strides }: StridedBytes, where: string): number {
  const count = shape.reduce((product, size) => product * size, 1)
  if (count === 0) return 0
  const last = shape.reduce((sum, size, axis) => sum + (size - 1) * (strides[axis] ?? 0), offset)
  const has = Math.floor(bytes.length / pthDtypes[dtype].bytes)
  if (!Number.isSafeInteger(count) || !(last < has)) {
    const view = `a tensor [${shape.join(', ')}] with strides [${strides.join(', ')}] at ${offset}`
    throw new LenetError(`${where}: refused: ${view} needs ${last + 1} items and its storage has ${has}`)
  }
  return count
}

function isRowMajor({ shape, strides }: StridedBytes): boolean {
  const dense = rowMajorStrides(shape)
  return shape.every((size, axis) => size === 1 || strides[axis] === dense[axis])
}

/** Turns the bytes of each item around. */
function swapped(bytes: Uint8Array, itemBytes: number): Uint8Array {
  const out = bytes.slice()
  for (let at = 0; at < out.length; at += itemBytes) out.subarray(at, at + itemBytes).reverse()
  return out
}

/** A half-precision number (IEEE 754 binary16) as its exact value. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

let halves: Float32Array | undefined

/** Half-precision numbers by a table of all there are: a number at a time takes ten times as long. */
export function widenHalves(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const table = (halves ??= Float32Array.from({ length: 2 ** 16 }, (_, i) => halfToNumber(i)))
  const wide = new Float32Array(bits.length)
  for (let i = 0; i < wide.length; i++) wide[i] = table[bits[i] ?? 0] ?? NaN
  return wide
}

/** Numbers of 16 bits that are the upper halves of float32. */
export function widenBfloat16(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const wide = new Uint32Array(bits.length)
  for (let i = 0; i < wide.length; i++) wide[i] = (bits[i] ?? 0) << 16
  return new Float32Array(wide.buffer)
}

/** Dense little-endian bytes as the array of their dtype: a view where the alignment allows. */
function typedArray(dense: Uint8Array, dtype: PthDtype): PthArray {
  const { bytes } = pthDtypes[dtype]
  const { buffer, byteOffset, byteLength } = dense.byteOffset % bytes === 0 ? dense : dense.slice()
  const count = byteLength / bytes
  switch (dtype) {
    case 'f32':
      return new Float32Array(buffer, byteOffset, count)
    case 'f64':
      return new Float64Array(buffer, byteOffset, count)
    case 'f16':
      return widenHalves(new Uint16Array(buffer, byteOffset, count))
    case 'bf16':
      return widenBfloat16(new Uint16Array(buffer, byteOffset, count))
    case 'i64':
      return new BigInt64Array(buffer, byteOffset, count)
    case 'i32':
      return new Int32Array(buffer, byteOffset, count)
    case 'i16':
      return new Int16Array(buffer, byteOffset, count)
    case 'i8':
      return new Int8Array(buffer, byteOffset, count)
    case 'u8':
    case 'bool':
      return new Uint8Array(buffer, byteOffset, count)
  }
}

/**
 * The view's items in C order, product(shape) of them. `where` names file and key in errors. What must be copied is
 * taken from `budget`. Throws LenetError where the view leaves its bytes.
 */
export function denseArray(view: StridedBytes, where: string, budget: Budget): PthArray {
  const count = checkedCount(view, where)
  const itemBytes = pthDtypes[view.dtype].bytes
  const direct = count === 0 || isRowMajor(view)
  const start = count === 0 ? 0 : view.offset * itemBytes
  const aligned = (view.bytes.byteOffset + start) % itemBytes === 0
  if (!direct || !aligned || view.bigEndian) budget.spend(count * itemBytes, where)
  const dense = direct
    ? view.bytes.subarray(start, start + count * itemBytes)
    : gather(view.bytes, itemBytes, view.offset, view.shape, view.strides)
  if (view.dtype === 'f16' || view.dtype === 'bf16') budget.spend(count * 4, where)
  return typedArray(view.bigEndian && itemBytes > 1 ? swapped(dense, itemBytes) : dense, view.dtype)
}
