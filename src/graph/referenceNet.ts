/**
 * What contractions, pools and losses mean, in plain loops. Contractions accumulate in float64 and round once: they are
 * what float32 kernels are compared with, not what they must equal to the bit.
 */
import { showShape } from '../base/index.js'
import type { Shape } from '../base/index.js'
import { checkLabels } from './labels.js'
import { valuesAt } from './referenceShared.js'
import type { Numbers, ReferenceTable, Values } from './referenceShared.js'
import type { NodeType } from './node.js'
import type { GroupSlide, OpAttrs, Slide, Window } from './ops.js'

type Inputs = readonly Values[]
type Shape4 = readonly [number, number, number, number]

function shape4(shape: Shape): Shape4 {
  const [a, b, c, d] = shape
  if (a === undefined || b === undefined || c === undefined || d === undefined)
    throw new Error(`reference: expects 4 dimensions, got ${showShape(shape)}`)
  return [a, b, c, d]
}

/** a [B, m, k] × b [B, k, n] → [B, m, n]. */
function matmul(out: Numbers, inputs: Inputs): void {
  const [a, b] = [valuesAt(inputs, 0), valuesAt(inputs, 1)]
  const [batches, m, k, n] = [a.shape[0]!, a.shape[1]!, a.shape[2]!, b.shape[2]!]
  for (let s = 0; s < batches; s++)
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) {
        let sum = 0
        for (let r = 0; r < k; r++) sum += a.data[(s * m + i) * k + r]! * b.data[(s * k + r) * n + j]!
        out[(s * m + i) * n + j] = sum
      }
}

/** x [N, I], weight [O, I], bias [O]? → [N, O]. */
function linear(out: Numbers, inputs: Inputs): void {
  const [x, weight, bias] = [valuesAt(inputs, 0), valuesAt(inputs, 1), inputs[2]]
  const [count, features, outputs] = [x.shape[0]!, x.shape[1]!, weight.shape[0]!]
  for (let n = 0; n < count; n++)
    for (let o = 0; o < outputs; o++) {
      let sum = bias?.data[o] ?? 0
      for (let i = 0; i < features; i++) sum += x.data[n * features + i]! * weight.data[o * features + i]!
      out[n * outputs + o] = sum
    }
}

/** g [N, O], weight [O, I] → [N, I]. */
function linearGradInput(out: Numbers, inputs: Inputs): void {
  const [g, weight] = [valuesAt(inputs, 0), valuesAt(inputs, 1)]
  const [count, outputs, features] = [g.shape[0]!, weight.shape[0]!, weight.shape[1]!]
  for (let n = 0; n < count; n++)
    for (let i = 0; i < features; i++) {
      let sum = 0
      for (let o = 0; o < outputs; o++) sum += g.data[n * outputs + o]! * weight.data[o * features + i]!
      out[n * features + i] = sum
    }
}

/** g [N, O], x [N, I] → [O, I]. */
function linearGradWeight(out: Numbers, inputs: Inputs): void {
  const [g, x] = [valuesAt(inputs, 0), valuesAt(inputs, 1)]
  const [count, outputs, features] = [g.shape[0]!, g.shape[1]!, x.shape[1]!]
  for (let o = 0; o < outputs; o++)
    for (let i = 0; i < features; i++) {
      let sum = 0
      for (let n = 0; n < count; n++) sum += g.data[n * outputs + o]! * x.data[n * features + i]!
      out[o * features + i] = sum
    }
}

interface Convolution {
  readonly input: Shape4 // [N, C, H, W]
  readonly weight: Shape4 // [O, C, kH, kW]
  readonly out: Shape4 // [N, O, OH, OW]
  readonly slide: Slide & Partial<GroupSlide>
}

/** Visits all (input value, weight value, output value) that meet in a convolution, as indices. */
function eachTap(conv: Convolution, visit: (input: number, weight: number, out: number) => void): void {
  const [, allChannels, height, width] = conv.input
  const [, channels, kH, kW] = conv.weight
  const [count, outputs, outHeight, outWidth] = conv.out
  const { stride, padding, dilation = [1, 1], groups = 1 } = conv.slide
  for (let n = 0; n < count; n++)
    for (let o = 0; o < outputs; o++)
      for (let oy = 0; oy < outHeight; oy++)
        for (let ox = 0; ox < outWidth; ox++) {
          const out = ((n * outputs + o) * outHeight + oy) * outWidth + ox
          const first = Math.floor((o * groups) / outputs) * channels
          for (let c = 0; c < channels; c++)
            for (let ky = 0; ky < kH; ky++)
              for (let kx = 0; kx < kW; kx++) {
                const y = oy * stride[0] + ky * dilation[0] - padding[0]
                const x = ox * stride[1] + kx * dilation[1] - padding[1]
                if (y < 0 || y >= height || x < 0 || x >= width) continue
                visit(
                  ((n * allChannels + first + c) * height + y) * width + x,
                  ((o * channels + c) * kH + ky) * kW + kx,
                  out,
                )
              }
        }
}

/** (x, weight, bias?) → [N, O, OH, OW]. */
function conv2d(out: Numbers, inputs: Inputs, slide: Slide, { shape }: NodeType): void {
  const [x, weight, bias] = [valuesAt(inputs, 0), valuesAt(inputs, 1), inputs[2]]
  const conv = { input: shape4(x.shape), weight: shape4(weight.shape), out: shape4(shape), slide }
  const plane = conv.out[2] * conv.out[3]
  const sums = Float64Array.from(out, (_, i) => bias?.data[Math.floor(i / plane) % conv.out[1]] ?? 0)
  eachTap(conv, (i, w, o) => (sums[o]! += x.data[i]! * weight.data[w]!))
  out.set(sums)
}

/** (g, weight) → [N, C, H, W]. */
function conv2dGradInput(out: Numbers, inputs: Inputs, slide: Slide, { shape }: NodeType): void {
  const [g, weight] = [valuesAt(inputs, 0), valuesAt(inputs, 1)]
  const conv = { input: shape4(shape), weight: shape4(weight.shape), out: shape4(g.shape), slide }
  const sums = new Float64Array(out.length)
  eachTap(conv, (i, w, o) => (sums[i]! += g.data[o]! * weight.data[w]!))
  out.set(sums)
}

/** (g, x) → [O, C, kH, kW]. */
function conv2dGradWeight(out: Numbers, inputs: Inputs, slide: Slide, { shape }: NodeType): void {
  const [g, x] = [valuesAt(inputs, 0), valuesAt(inputs, 1)]
  const conv = { input: shape4(x.shape), weight: shape4(shape), out: shape4(g.shape), slide }
  const sums = new Float64Array(out.length)
  eachTap(conv, (i, w, o) => (sums[w]! += g.data[o]! * x.data[i]!))
  out.set(sums)
}

/** (g, x) → [N, O, C/G, kH, kW]. */
function groupConv2dGradWeight(out: Numbers, inputs: Inputs, slide: GroupSlide, { shape }: NodeType): void {
  const [g, x] = [valuesAt(inputs, 0), valuesAt(inputs, 1)]
  const conv = { input: shape4(x.shape), weight: shape4(shape.slice(1)), out: shape4(g.shape), slide }
  const sums = new Float64Array(out.length)
  const perPicture = conv.out[1] * conv.out[2] * conv.out[3]
  const kernels = conv.weight[0] * conv.weight[1] * conv.weight[2] * conv.weight[3]
  eachTap(conv, (i, w, o) => (sums[Math.floor(o / perPicture) * kernels + w]! += g.data[o]! * x.data[i]!))
  out.set(sums)
}

/** Visits the values under each window: [..., H, W] → [..., OH, OW]. `inPlane` is y·W + x. */
function eachUnderWindow(
  input: Shape4,
  out: Shape4,
  { kernelSize, stride, padding }: Window,
  visit: (input: number, inPlane: number, out: number) => void,
): void {
  const [count, channels, height, width] = input
  const [, , outHeight, outWidth] = out
  for (let plane = 0; plane < count * channels; plane++)
    for (let o = 0; o < outHeight * outWidth; o++)
      for (let ky = 0; ky < kernelSize[0]; ky++)
        for (let kx = 0; kx < kernelSize[1]; kx++) {
          const y = Math.floor(o / outWidth) * stride[0] + ky - padding[0]
          const x = (o % outWidth) * stride[1] + kx - padding[1]
          if (y < 0 || y >= height || x < 0 || x >= width) continue
          visit(plane * height * width + y * width + x, y * width + x, plane * outHeight * outWidth + o)
        }
}

/**
 * The largest value under each window and where it is: the first of equals; a NaN before all, the last of several,
 * as PyTorch's CPU kernel. A window of −∞ only gives its first place.
 */
function pick(x: Values, window: Window, { shape }: NodeType): { best: Float64Array; places: Int32Array } {
  const out = shape4(shape)
  const best = new Float64Array(out[0] * out[1] * out[2] * out[3]).fill(-Infinity)
  const places = new Int32Array(best.length).fill(-1)
  eachUnderWindow(shape4(x.shape), out, window, (i, inPlane, o) => {
    const v = x.data[i]!
    if (!(v > best[o]! || Number.isNaN(v) || places[o] === -1)) return
    best[o] = v
    places[o] = inPlane
  })
  return { best, places }
}

/** (index, g) → [N, C, H, W]: each g is added where its value was picked. */
function maxPool2dGrad(out: Numbers, inputs: Inputs, _attrs: unknown, { shape }: NodeType): void {
  const [index, g] = [valuesAt(inputs, 0), valuesAt(inputs, 1)]
  const [, , height, width] = shape4(shape)
  const [, , outHeight, outWidth] = shape4(g.shape)
  const sums = new Float64Array(out.length)
  g.data.forEach((v, i) => {
    const plane = Math.floor(i / (outHeight * outWidth))
    sums[plane * height * width + index.data[i]!]! += v
  })
  out.set(sums)
}

function avgPool2d(out: Numbers, inputs: Inputs, window: Window, { shape }: NodeType): void {
  const x = valuesAt(inputs, 0)
  const sums = new Float64Array(out.length)
  eachUnderWindow(shape4(x.shape), shape4(shape), window, (i, _inPlane, o) => (sums[o]! += x.data[i]!))
  out.set(sums.map((sum) => sum / (window.kernelSize[0] * window.kernelSize[1])))
}

function avgPool2dGrad(out: Numbers, inputs: Inputs, window: Window, { shape }: NodeType): void {
  const g = valuesAt(inputs, 0)
  const sums = new Float64Array(out.length)
  eachUnderWindow(shape4(shape), shape4(g.shape), window, (i, _inPlane, o) => (sums[i]! += g.data[o]!))
  out.set(sums.map((sum) => sum / (window.kernelSize[0] * window.kernelSize[1])))
}

/** logits [N, C] as rows, with the label and log Σ exp of each. */
function eachRow(inputs: Inputs, visit: (n: number, row: Numbers, label: number, logSum: number) => void): void {
  const [logits, labels] = [valuesAt(inputs, 0), valuesAt(inputs, 1)]
  const classes = logits.shape[1]!
  checkLabels(labels.data, classes)
  labels.data.forEach((label, n) => {
    const row = logits.data.subarray(n * classes, (n + 1) * classes)
    const largest = Math.max(...row)
    const total = Array.from(row).reduce((sum, v) => sum + Math.exp(v - largest), 0)
    visit(n, row, label, largest + Math.log(total))
  })
}

/** (logits, labels, g [N]) → [N, C]: g · (softmax − 1 at the label). */
function crossEntropyGrad(out: Numbers, inputs: Inputs, _attrs: OpAttrs['crossEntropyGrad']): void {
  const g = valuesAt(inputs, 2)
  eachRow(inputs, (n, row, label, logSum) => {
    for (let k = 0; k < row.length; k++)
      out[n * row.length + k] = g.data[n]! * (Math.exp(row[k]! - logSum) - (k === label ? 1 : 0))
  })
}

export const referenceNet = {
  matmul,
  linear,
  linearGradInput,
  linearGradWeight,
  conv2d,
  conv2dGradInput,
  conv2dGradWeight,
  groupConv2d: conv2d,
  groupConv2dGradInput: conv2dGradInput,
  groupConv2dGradWeight,
  maxPool2d: (out, inputs, window, type) => out.set(pick(valuesAt(inputs, 0), window, type).best),
  maxPoolIndex: (out, inputs, window, type) => out.set(pick(valuesAt(inputs, 0), window, type).places),
  maxPool2dGrad,
  avgPool2d,
  avgPool2dGrad,
  checkLabels: (out, inputs, { classes, ignored }) => {
    const { data } = valuesAt(inputs, 0)
    checkLabels(data, classes, ignored)
    out.set(data)
  },
  crossEntropy: (out, inputs) => eachRow(inputs, (n, row, label, logSum) => (out[n] = logSum - row[label]!)),
  crossEntropyGrad,
} as const satisfies ReferenceTable<
  | 'matmul'
  | 'linear'
  | 'linearGradInput'
  | 'linearGradWeight'
  | 'conv2d'
  | 'conv2dGradInput'
  | 'conv2dGradWeight'
  | 'groupConv2d'
  | 'groupConv2dGradInput'
  | 'groupConv2dGradWeight'
  | 'maxPool2d'
  | 'maxPoolIndex'
  | 'maxPool2dGrad'
  | 'avgPool2d'
  | 'avgPool2dGrad'
  | 'checkLabels'
  | 'crossEntropy'
  | 'crossEntropyGrad'
>
