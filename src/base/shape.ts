/** Shapes as plain number lists: sizes, strides, broadcasting. Not here: views, layouts, anything with data. */
import { LenetError } from './errors.js'

export type Shape = readonly number[]

/** The number of elements; 1 for a scalar. */
export function sizeOf(shape: Shape): number {
  let product = 1
  for (let i = 0; i < shape.length; i++) product *= shape[i] ?? 1
  return product
}

export function sameShape(a: Shape, b: Shape): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

export const showShape = (shape: Shape): string => `[${shape.join(', ')}]`

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length)
  let step = 1
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step
    step *= shape[i] ?? 1
  }
  return strides
}

/** NumPy's rule: aligned at the right, sizes equal or 1. Throws a LenetError that shows both shapes. */
export function broadcastShapes(a: Shape, b: Shape, what: string): Shape {
  if (b.length === 0 || sameShape(a, b)) return a
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - rank + a.length] ?? 1
    const y = b[i - rank + b.length] ?? 1
    if (x !== y && x !== 1 && y !== 1)
      throw new LenetError(`${what}: shapes ${showShape(a)} and ${showShape(b)} do not broadcast (sizes ${x} and ${y})`)
    return x === 1 ? y : x
  })
}

/** A dimension given as in PyTorch (negative counts from the end), checked. */
export function normalizeDim(dim: number, rank: number, what: string): number {
  const result = dim < 0 ? dim + rank : dim
  if (!Number.isInteger(dim) || result < 0 || result >= Math.max(rank, 1))
    throw new LenetError(`${what}: dimension ${dim} is out of range for a tensor of ${rank} dimensions`)
  return result
}
