/** What the reference rows share: their form, and walks over positions. Naive on purpose; not here: any operation. */
import { stridesOf } from '../base/index.js'
import type { Shape } from '../base/index.js'
import type { NodeType } from './node.js'
import type { OpAttrs, OpName } from './ops.js'

/** f32 values are Float64Array while gradients are checked. */
export type Numbers = Float32Array | Float64Array | Int32Array | Uint8Array

/** Row-major values in logical order, whatever the layout. */
export interface Values {
  readonly data: Numbers
  readonly shape: Shape
}

/** Writes the values of an operation into `out` (all zeros before), rounded once as they are stored. */
type Reference<K extends OpName> = (out: Numbers, inputs: readonly Values[], attrs: OpAttrs[K], type: NodeType) => void
export type ReferenceTable<K extends OpName> = { readonly [P in K]: Reference<P> }

export function valuesAt(inputs: readonly Values[], i: number): Values {
  const values = inputs[i]
  if (!values) throw new Error(`reference: input ${i} is missing`)
  return values
}

/** start + Σ position[d]·steps[d] for each position of `shape` in row-major order. */
export function indicesOf(shape: Shape, steps: readonly number[], start = 0): Int32Array {
  let indices = Int32Array.of(start)
  shape.forEach((size, d) => {
    const longer = new Int32Array(indices.length * size)
    for (let i = 0; i < longer.length; i++) longer[i] = indices[Math.floor(i / size)]! + (i % size) * steps[d]!
    indices = longer
  })
  return indices
}

/** For each position of `shape`: where its value lies in an input that is broadcast to it. */
export function broadcastIndices(shape: Shape, input: Shape): Int32Array {
  const strides = stridesOf(input)
  const added = shape.length - input.length
  return indicesOf(
    shape,
    shape.map((_, d) => (d < added || input[d - added] === 1 ? 0 : strides[d - added]!)),
  )
}

/** For each position of `shape`: where it goes in the result of a reduction over `dims`. */
export function reducedIndices(shape: Shape, dims: readonly number[]): Int32Array {
  const strides = stridesOf(shape.filter((_, d) => !dims.includes(d)))
  let next = 0
  return indicesOf(
    shape,
    shape.map((_, d) => (dims.includes(d) ? 0 : strides[next++]!)),
  )
}

/** Σ a[d]·b[d]. */
export const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, v, d) => sum + v * b[d]!, 0)
