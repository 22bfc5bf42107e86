/** The element types of tensors. Not here: how a device stores or computes them. */
import { UsageError } from './errors.js'

/** float32, int32 (indices, class labels) and uint8 (pixels as they lie in files). */
export type DType = 'f32' | 'i32' | 'u8'

/** Throws UsageError for another dtype, which TypeScript would have refused. */
export function expectDType(what: string, dtype: DType): void {
  if (dtype === 'f32' || dtype === 'i32' || dtype === 'u8') return
  const found = typeof dtype === 'string' ? `dtype '${String(dtype)}'` : `dtype ${String(dtype)}`
  throw new UsageError(
    `${what}: there is no ${found}; there are 'f32' (float32), 'i32' (int32: labels) and 'u8' (uint8: pixels)`,
  )
}

type TypedArrayOf = { f32: Float32Array; i32: Int32Array; u8: Uint8Array }
export type HostArray = TypedArrayOf[DType]

/** A zero-filled host array of `length` elements. */
export function hostArray(dtype: DType, length: number): HostArray {
  if (dtype === 'f32') return new Float32Array(length)
  return dtype === 'i32' ? new Int32Array(length) : new Uint8Array(length)
}
