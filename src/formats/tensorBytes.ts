/**
 * A tensor's items as little-endian bytes of the dtype it is to have in a file; float32 is rounded to nearest, ties to
 * even, where that is a half-precision one.
 * Not here: the way back (torchTensors.ts).
 */
import { LenetError, isArrayOf } from '../base/index.js'
import type { PthDtype, WritableTensor } from './pthTypes.js'

/** A dtype by its array; `dtype` decides between u8 and bool, and asks for f16 or bf16. */
export function fileDtype({ data, dtype }: WritableTensor): PthDtype {
  if (isArrayOf('Float32Array', data)) return dtype === 'f16' || dtype === 'bf16' ? dtype : 'f32'
  if (isArrayOf('Float64Array', data)) return 'f64'
  if (isArrayOf('BigInt64Array', data)) return 'i64'
  if (isArrayOf('Int32Array', data)) return 'i32'
  if (isArrayOf('Int16Array', data)) return 'i16'
  if (isArrayOf('Int8Array', data)) return 'i8'
  return dtype === 'bool' ? 'bool' : 'u8'
}

/** Shifts right by `count` bits and rounds to nearest, ties to even. */
function roundedShift(bits: number, count: number): number {
  const half = 2 ** (count - 1)
  const rest = bits & (2 ** count - 1)
  const kept = bits >>> count
  return rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept
}

/** float32 bits → binary16 bits. */
function halfBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000
  const exponent = (bits >>> 23) & 255
  const fraction = bits & 0x7fffff
  if (exponent === 255) return sign | 0x7c00 | (fraction === 0 ? 0 : 0x200 | (fraction >>> 13))
  if (exponent < 102) return sign // below half of the smallest
  if (exponent < 113) return sign | roundedShift(fraction | 0x800000, 126 - exponent) // subnormal
  return sign | Math.min(roundedShift(((exponent - 112) << 23) | fraction, 13), 0x7c00)
}

/** float32 bits → bfloat16 bits. */
function bfloatBits(bits: number): number {
  const isNan = (bits & 0x7fffffff) > 0x7f800000
  return isNan ? (bits >>> 16) | 0x40 : roundedShift(bits, 16)
}

function narrowed(data: Float32Array, toBits: (bits: number) => number): Uint16Array {
  return Uint16Array.from(new Uint32Array(data.buffer, data.byteOffset, data.length), toBits)
}

/** Throws LenetError where shape and number of items differ. `where` names the tensor in errors. */
export function tensorBytes(tensor: WritableTensor, where: string): Uint8Array {
  const { data, shape } = tensor
  const count = shape.reduce((product, size) => product * size, 1)
  if (count !== data.length) {
    throw new LenetError(`${where}: a tensor [${shape.join(', ')}] needs ${count} items and is given ${data.length}`)
  }
  const dtype = fileDtype(tensor)
  const stored =
    isArrayOf('Float32Array', data) && dtype === 'f16'
      ? narrowed(data, halfBits)
      : isArrayOf('Float32Array', data) && dtype === 'bf16'
        ? narrowed(data, bfloatBits)
        : data
  return new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength)
}
