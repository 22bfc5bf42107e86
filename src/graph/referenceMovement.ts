/** What movement operations, random numbers and the compiler's rearrangements mean, in plain loops. */
import { LenetError, sizeOf, stridesOf, uniform24 } from '../base/index.js'
import { broadcastIndices, dot, indicesOf, valuesAt } from './referenceShared.js'
import type { Numbers, ReferenceTable, Values } from './referenceShared.js'
import type { NodeType } from './node.js'
import type { ImageRows, OpAttrs, OpName, RowKernel } from './ops.js'

/** The same values in the same row-major order. */
const copy = (out: Numbers, inputs: readonly Values[]): void => out.set(valuesAt(inputs, 0).data)

/** out[i] = x[from[i]]. */
function take(out: Numbers, { data }: Values, from: Int32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = data[from[i]!]!
}

function concat(out: Numbers, inputs: readonly Values[]): void {
  let at = 0
  for (const { data } of inputs) {
    out.set(data, at)
    at += data.length
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

function slice(out: Numbers, inputs: readonly Values[], { starts }: OpAttrs['slice'], { shape }: NodeType): void {
  const x = valuesAt(inputs, 0)
  const strides = stridesOf(x.shape)
  take(out, x, indicesOf(shape, strides, dot(starts, strides)))
}

function pad(out: Numbers, inputs: readonly Values[], { before }: OpAttrs['pad'], { shape }: NodeType): void {
  const x = valuesAt(inputs, 0)
  const strides = stridesOf(shape)
  const to = indicesOf(x.shape, strides, dot(before, strides))
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

/** Visits each value of [N, C, H, W] and its place in the row pictures [N][H + 2p][W + 2p][C]. */
function eachPixel(count: number, rows: ImageRows, visit: (dense: number, inRows: number) => void): void {
  const { size, padding, channels, pictureFloats } = rows
  const [height, width] = size
  for (let n = 0; n < count; n++)
    for (let c = 0; c < channels; c++)
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) {
          const pixel = (y + padding[0]) * (width + 2 * padding[1]) + x + padding[1]
          visit(((n * channels + c) * height + y) * width + x, n * pictureFloats + pixel * channels + c)
        }
}

function imageRows(out: Numbers, inputs: readonly Values[], attrs: ImageRows, { shape }: NodeType): void {
  const { data } = valuesAt(inputs, 0)
  eachPixel(shape[0]!, attrs, (dense, inRows) => (out[inRows] = data[dense]!))
}

function fromImageRows(out: Numbers, inputs: readonly Values[], attrs: ImageRows, { shape }: NodeType): void {
  const { data } = valuesAt(inputs, 0)
  eachPixel(shape[0]!, attrs, (dense, inRows) => (out[dense] = data[inRows]!))
}

/** weight [O, C, kH, kW] → [O, kH, rowFloats]: (kx, c), then zeros. */
function kernelRows(out: Numbers, inputs: readonly Values[], { rowFloats }: OpAttrs['kernelRows']): void {
  const { data, shape } = valuesAt(inputs, 0)
  const [outputs, channels, kH, kW] = shape as [number, number, number, number]
  for (let o = 0; o < outputs; o++)
    for (let c = 0; c < channels; c++)
      for (let ky = 0; ky < kH; ky++)
        for (let kx = 0; kx < kW; kx++)
          out[(o * kH + ky) * rowFloats + kx * channels + c] = data[((o * channels + c) * kH + ky) * kW + kx]!
}

/** groups [G, O, kH, rowFloats] → [O, C, kH, kW]: the sum over groups (in float64), without the filling zeros. */
function sumGroups(out: Numbers, inputs: readonly Values[], attrs: RowKernel, { shape }: NodeType): void {
  const { data, shape: groups } = valuesAt(inputs, 0)
  const { channels, rowFloats, kernelSize } = attrs
  const [kH, kW] = kernelSize
  const groupFloats = shape[0]! * kH * rowFloats
  for (let o = 0; o < shape[0]!; o++)
    for (let c = 0; c < channels; c++)
      for (let ky = 0; ky < kH; ky++)
        for (let kx = 0; kx < kW; kx++) {
          let sum = 0
          for (let g = 0; g < groups[0]!; g++)
            sum += data[g * groupFloats + (o * kH + ky) * rowFloats + kx * channels + c]!
          out[((o * channels + c) * kH + ky) * kW + kx] = sum
        }
}

/** Operations whose packed values only the compiler's lowering defines. */
const packed = (op: OpName) => (): never => {
  throw new Error(`reference: the values of ${op} are packed as compiler/lower/sparse.ts defines`)
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
  imageRows,
  fromImageRows,
  kernelRows,
  toRows: copy,
  nonZeros: packed('nonZeros'),
  rowsGradWeight: packed('rowsGradWeight'),
  rowsGradInput: packed('rowsGradInput'),
  sumGroups,
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
  | 'imageRows'
  | 'fromImageRows'
  | 'kernelRows'
  | 'toRows'
  | 'nonZeros'
  | 'rowsGradWeight'
  | 'rowsGradInput'
  | 'sumGroups'
>
