/** What movement operations, random numbers and the compiler's rearrangements mean, in plain loops. */
import { LenetError, sizeOf, stridesOf, uniform24 } from '../base/index.js'
import { broadcastIndices, dot, indicesOf, valuesAt } from './referenceShared.js'
import type { Numbers, ReferenceTable, Values } from './referenceShared.js'
import type { NodeType } from './node.js'
import type { OpAttrs } from './ops.js'

/** The same values in the same row-major order. */
const copy = (out: Numbers, inputs: readonly Values[]): void => out.set(valuesAt(inputs, 0).data)

/** out[i] = x[from[i]]. */
function take(out: Numbers, { data }: Values, from: Int32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = data[from[i]!]!
}

/** [n] end to end; [N, n] row by row. */
function concat(out: Numbers, inputs: readonly Values[], _attrs: unknown, { shape, layout }: NodeType): void {
  const rows = layout === 'batch' ? (shape[0] ?? 1) : 1
  let at = 0
  for (let row = 0; row < rows; row++)
    for (const { data } of inputs) {
      const size = data.length / rows
      out.set(data.subarray(row * size, (row + 1) * size), at)
      at += size
    }
}

function permute(out: Numbers, inputs: readonly Values[], { dims }: OpAttrs['permute'], { shape }: NodeType): void {
  const x = valuesAt(inputs, 0)
  const strides = stridesOf(x.shape)
  take(
    out,
    x,
    indicesOf(
      shape,
      dims.map((d) => strides[d]!),
    ),
  )
}

/** Numbers for all dims, where those of a batch leave out dim 0. */
const forAll = (list: readonly number[], rank: number): readonly number[] => (list.length < rank ? [0, ...list] : list)

function slice(out: Numbers, inputs: readonly Values[], { starts }: OpAttrs['slice'], { shape }: NodeType): void {
  const x = valuesAt(inputs, 0)
  const strides = stridesOf(x.shape)
  take(out, x, indicesOf(shape, strides, dot(forAll(starts, x.shape.length), strides)))
}

function pad(out: Numbers, inputs: readonly Values[], { before, value }: OpAttrs['pad'], { shape }: NodeType): void {
  const x = valuesAt(inputs, 0)
  const strides = stridesOf(shape)
  const to = indicesOf(x.shape, strides, dot(forAll(before, shape.length), strides))
  out.fill(value)
  x.data.forEach((v, i) => (out[to[i]!] = v))
}

function gatherRows(out: Numbers, inputs: readonly Values[]): void {
  const [table, index] = [valuesAt(inputs, 0), valuesAt(inputs, 1)]
  const row = sizeOf(table.shape.slice(1))
  index.data.forEach((r, i) => {
    if (r < 0 || r >= table.shape[0]!)
      throw new LenetError(`gatherRows: row ${r} is not one of the table's ${table.shape[0]!}`)
    out.set(table.data.subarray(r * row, (r + 1) * row), i * row)
  })
}

function random(out: Numbers, inputs: readonly Values[]): void {
  const [key0 = 0, key1 = 0] = valuesAt(inputs, 0).data
  for (let i = 0; i < out.length; i++) out[i] = uniform24(i, key0, key1)
}

export const referenceMovement = {
  leaf: () => {
    throw new Error('reference: a leaf has values, or none to be computed')
  },
  reshape: copy,
  permute,
  expand: (out, inputs, _attrs, { shape }) => {
    const x = valuesAt(inputs, 0)
    take(out, x, broadcastIndices(shape, x.shape))
  },
  slice,
  pad,
  concat,
  batch: copy,
  unbatch: copy,
  gatherRows,
  random,
  assign: (out, inputs) => out.set(valuesAt(inputs, 1).data),
} as const satisfies ReferenceTable<
  | 'leaf'
  | 'reshape'
  | 'permute'
  | 'expand'
  | 'slice'
  | 'pad'
  | 'concat'
  | 'batch'
  | 'unbatch'
  | 'gatherRows'
  | 'random'
  | 'assign'
>
