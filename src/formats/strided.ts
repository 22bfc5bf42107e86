/** Items of a strided view, copied in C order. Not here: checks that the view stays within its bytes (the callers'). */

/** The strides, in items, of a C-order array of this shape. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1)
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    strides[axis] = (strides[axis + 1] ?? 1) * Math.max(shape[axis + 1] ?? 1, 1)
  }
  return strides
}

/** The strides of a Fortran-order array: the first index is the fastest. */
export function columnMajorStrides(shape: readonly number[]): number[] {
  return rowMajorStrides(shape.toReversed()).toReversed()
}

/**
 * product(shape) items of `itemBytes` bytes, in C order. Offset and strides count items; the view must lie within
 * `bytes`.
 */
export function gather(
  bytes: Uint8Array,
  itemBytes: number,
  offset: number,
  shape: readonly number[],
  strides: readonly number[],
): Uint8Array {
  const axes = shape
    .flatMap((size, axis) => (size === 1 ? [] : [{ size, stride: strides[axis] ?? 0, at: 0 }]))
    .reverse()
  const out = new Uint8Array(shape.reduce((product, size) => product * size, itemBytes))
  let from = offset * itemBytes
  for (let to = 0; to < out.length; to += itemBytes) {
    for (let i = 0; i < itemBytes; i++) out[to + i] = bytes[from + i] ?? 0
    for (const axis of axes) {
      from += axis.stride * itemBytes
      if (++axis.at < axis.size) break
      from -= axis.size * axis.stride * itemBytes
      axis.at = 0
    }
  }
  return out
}
