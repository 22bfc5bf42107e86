/**
 * Runs a net as data on one picture at a time, plainly and in float64: the judge of what readers and writers make.
 * Not here: speed, training. Dropout and random layers do nothing.
 */
import type { NetFile, NetNode, NetPadding } from '../../src/formats/net.js'

interface Value {
  /** Without batch. */
  readonly shape: readonly number[]
  readonly data: Float64Array
}

const count = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1)
const value = (shape: readonly number[]): Value => ({ shape, data: new Float64Array(count(shape)) })

function mapped(x: Value, f: (v: number, channel: number) => number): Value {
  const plane = count(x.shape.slice(1))
  return { shape: x.shape, data: x.data.map((v, i) => f(v, Math.floor(i / plane))) }
}

/** erf by its series, to double precision for the sizes that activations have. */
function erf(x: number): number {
  if (Math.abs(x) > 5) return Math.sign(x)
  let [term, sum] = [x, x]
  for (let n = 1; n < 200; n++) {
    term *= (-x * x) / n
    sum += term / (2 * n + 1)
  }
  return (2 / Math.sqrt(Math.PI)) * sum
}

type Windows = Extract<NetNode, { readonly op: 'conv2d' | 'maxPool2d' | 'avgPool2d' }>

/** Calls `visit` for every window and every pixel in it; (y, x) may lie in the padding. */
function slide(
  { kernelSize, stride, padding }: Windows,
  dilation: readonly [number, number],
  [height, width]: readonly [number, number],
  visit: (oy: number, ox: number, ky: number, kx: number, y: number, x: number) => void,
): [number, number] {
  const out = (size: number, axis: 0 | 1, pads: number): number =>
    Math.floor((size + pads - (kernelSize[axis] - 1) * dilation[axis] - 1) / stride[axis]) + 1
  const [oh, ow] = [out(height, 0, padding.top + padding.bottom), out(width, 1, padding.left + padding.right)]
  for (let oy = 0; oy < oh; oy++)
    for (let ox = 0; ox < ow; ox++)
      for (let ky = 0; ky < kernelSize[0]; ky++)
        for (let kx = 0; kx < kernelSize[1]; kx++) {
          const y = oy * stride[0] + ky * dilation[0] - padding.top
          visit(oy, ox, ky, kx, y, ox * stride[1] + kx * dilation[1] - padding.left)
        }
  return [oh, ow]
}

function sizes({ shape: [channels = 0, height = 0, width = 0] }: Value): [number, number, number] {
  return [channels, height, width]
}

function windowed(node: Windows, x: Value): Value {
  const [channels, height, width] = sizes(x)
  const dilation = node.op === 'conv2d' ? node.dilation : ([1, 1] as const)
  const [oh, ow] = slide(node, dilation, [height, width], () => {})
  const outChannels = node.op === 'conv2d' ? node.outChannels : channels
  const out = value([outChannels, oh, ow])
  const hits = new Float64Array(out.data.length)
  if (node.op === 'maxPool2d') out.data.fill(-Infinity)
  const groups = node.op === 'conv2d' ? node.groups : 1
  const [perGroup, outPer] = [channels / groups, outChannels / groups]
  const weight = node.weights.get('weight')?.data ?? []
  const [kH, kW] = node.kernelSize
  for (let c = 0; c < outChannels; c++) {
    slide(node, dilation, [height, width], (oy, ox, ky, kx, y, xx) => {
      const at = (c * oh + oy) * ow + ox
      const inside = y >= 0 && y < height && xx >= 0 && xx < width
      if (inside) hits[at] = (hits[at] ?? 0) + 1
      if (!inside) return
      const pixel = (channel: number): number => x.data[(channel * height + y) * width + xx] ?? 0
      if (node.op === 'maxPool2d') out.data[at] = Math.max(out.data[at] ?? 0, pixel(c))
      else if (node.op === 'avgPool2d') out.data[at] = (out.data[at] ?? 0) + pixel(c)
      else
        for (let i = 0; i < perGroup; i++) {
          const w = weight[((c * perGroup + i) * kH + ky) * kW + kx] ?? 0
          out.data[at] = (out.data[at] ?? 0) + w * pixel(Math.floor(c / outPer) * perGroup + i)
        }
    })
  }
  const bias = node.weights.get('bias')?.data
  if (bias) return mapped(out, (v, c) => v + (bias[c] ?? 0))
  if (node.op !== 'avgPool2d') return out
  return { shape: out.shape, data: out.data.map((v, i) => v / (node.countIncludePad ? kH * kW : (hits[i] ?? 1))) }
}

function linear(node: NetNode, x: Value): Value {
  const weight = node.weights.get('weight')
  const [outs = 0, ins = 0] = weight?.shape ?? []
  const rows = x.data.length / ins
  const out = value([...x.shape.slice(0, -1), outs])
  for (let row = 0; row < rows; row++)
    for (let o = 0; o < outs; o++) {
      let sum = node.weights.get('bias')?.data[o] ?? 0
      for (let i = 0; i < ins; i++) sum += (weight?.data[o * ins + i] ?? 0) * (x.data[row * ins + i] ?? 0)
      out.data[row * outs + o] = sum
    }
  return out
}

/** [C, H, W] → its numbers by [H, W, C], or back. */
function turned(x: Value, back: boolean): Value {
  const [channels, height, width] = sizes(x)
  const out = value(x.shape)
  for (let c = 0; c < channels; c++)
    for (let p = 0; p < height * width; p++) {
      const [chw, hwc] = [c * height * width + p, p * channels + c]
      out.data[back ? chw : hwc] = x.data[back ? hwc : chw] ?? 0
    }
  return out
}

function reshaped(shape: readonly number[], order: 'chw' | 'hwc', x: Value): Value {
  const list = order === 'hwc' && x.shape.length === 3 ? turned(x, false).data : x.data
  const filled = { shape, data: list }
  return order === 'hwc' && shape.length === 3 ? turned(filled, true) : filled
}

function normalized(node: NetNode & { readonly eps: number }, x: Value): Value {
  const weight = (key: string, i: number, missing: number): number => node.weights.get(key)?.data[i] ?? missing
  if (node.op === 'batchNorm') {
    return mapped(x, (v, c) => {
      const scale = weight('weight', c, 1) / Math.sqrt(weight('running_var', c, 1) + node.eps)
      return (v - weight('running_mean', c, 0)) * scale + weight('bias', c, 0)
    })
  }
  const size = node.op === 'layerNorm' ? count(node.normalizedShape) : 1
  const out = value(x.shape)
  for (let from = 0; from < x.data.length; from += size) {
    const part = x.data.subarray(from, from + size)
    const mean = part.reduce((sum, v) => sum + v, 0) / size
    const variance = part.reduce((sum, v) => sum + (v - mean) ** 2, 0) / size
    part.forEach((v, i) => {
      out.data[from + i] = ((v - mean) / Math.sqrt(variance + node.eps)) * weight('weight', i, 1) + weight('bias', i, 0)
    })
  }
  return out
}

function groupNormalized({ groups, eps, weights }: NetNode & { readonly op: 'groupNorm' }, x: Value): Value {
  const [channels = 1] = x.shape
  const [size, plane] = [x.data.length / groups, x.data.length / channels]
  const out = value(x.shape)
  for (let from = 0; from < x.data.length; from += size) {
    const part = x.data.subarray(from, from + size)
    const mean = part.reduce((sum, v) => sum + v, 0) / size
    const variance = part.reduce((sum, v) => sum + (v - mean) ** 2, 0) / size
    part.forEach((v, i) => {
      const c = Math.floor((from + i) / plane)
      const scaled = ((v - mean) / Math.sqrt(variance + eps)) * (weights.get('weight')?.data[c] ?? 1)
      out.data[from + i] = scaled + (weights.get('bias')?.data[c] ?? 0)
    })
  }
  return out
}

function softmax(x: Value, log: boolean): Value {
  const [channels = 0, ...rest] = x.shape
  const plane = count(rest)
  const out = value(x.shape)
  for (let p = 0; p < plane; p++) {
    const all = Array.from({ length: channels }, (_, c) => x.data[c * plane + p] ?? 0)
    const most = Math.max(...all)
    const sum = all.reduce((total, v) => total + Math.exp(v - most), 0)
    all.forEach((v, c) => (out.data[c * plane + p] = log ? v - most - Math.log(sum) : Math.exp(v - most) / sum))
  }
  return out
}

/** An item by indices, with NumPy's broadcasting. */
function combined(inputs: readonly Value[], f: (a: number, b: number) => number): Value {
  return inputs.reduce((a, b) => {
    const rank = Math.max(a.shape.length, b.shape.length)
    const full = ({ shape }: Value): number[] => [...new Array<number>(rank - shape.length).fill(1), ...shape]
    const shape = full(a).map((size, i) => Math.max(size, full(b)[i] ?? 1))
    const at = (x: Value, index: readonly number[]): number =>
      x.data[full(x).reduce((sum, size, i) => sum * size + (size === 1 ? 0 : (index[i] ?? 0)), 0)] ?? 0
    const out = value(shape)
    for (let i = 0; i < out.data.length; i++) {
      let rest = i
      const index = shape
        .toReversed()
        .map((size) => ((i) => ((rest = Math.floor(i / size)), i % size))(rest))
        .reverse()
      out.data[i] = f(at(a, index), at(b, index))
    }
    return out
  })
}

function concatenated(dim: number, inputs: readonly Value[]): Value {
  const [first] = inputs
  const shape = (first?.shape ?? []).map((size, i) =>
    i === dim ? inputs.reduce((sum, x) => sum + (x.shape[dim] ?? 0), 0) : size,
  )
  const out = value(shape)
  const [outer, inner] = [count(shape.slice(0, dim)), count(shape.slice(dim + 1))]
  let before = 0
  for (const x of inputs) {
    const run = (x.shape[dim] ?? 0) * inner
    for (let o = 0; o < outer; o++)
      out.data.set(x.data.subarray(o * run, (o + 1) * run), o * (shape[dim] ?? 0) * inner + before)
    before += run
  }
  return out
}

function padded(x: Value, { top, bottom, left, right }: NetPadding, filling: number): Value {
  const [channels, height, width] = sizes(x)
  const [h, w] = [height + top + bottom, width + left + right]
  const out = value([channels, h, w])
  out.data.fill(filling)
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < height; y++)
      for (let column = 0; column < width; column++) {
        const [to, at] = [y + top, column + left]
        if (to < 0 || to >= h || at < 0 || at >= w) continue // sizes below 0 cut off
        out.data[(c * h + to) * w + at] = x.data[(c * height + y) * width + column] ?? 0
      }
  return out
}

function sliced({ dim, start, end }: { dim: number; start: number; end: number }, x: Value): Value {
  const out = value(x.shape.map((size, i) => (i === dim ? end - start : size)))
  const [size, inner] = [x.shape[dim] ?? 0, count(x.shape.slice(dim + 1))]
  const run = (end - start) * inner
  for (let o = 0; o < out.data.length / run; o++)
    out.data.set(x.data.subarray((o * size + start) * inner, (o * size + end) * inner), o * run)
  return out
}

const sigmoid = (v: number): number => 1 / (1 + Math.exp(-v))

function run(node: NetNode, inputs: readonly Value[]): Value {
  const [x] = inputs
  if (x === undefined) throw new Error(`${node.name} reads nothing`)
  switch (node.op) {
    case 'conv2d':
    case 'maxPool2d':
    case 'avgPool2d':
      return windowed(node, x)
    case 'linear':
      return linear(node, x)
    case 'globalAvgPool2d': {
      const [channels, height, width] = sizes(x)
      const out = value(node.keepDims ? [channels, 1, 1] : [channels])
      x.data.forEach((v, i) => (out.data[Math.floor(i / height / width)]! += v / height / width))
      return out
    }
    case 'globalMaxPool2d': {
      const [channels, height, width] = sizes(x)
      const out = value(node.keepDims ? [channels, 1, 1] : [channels])
      out.data.fill(-Infinity)
      x.data.forEach((v, i) => {
        const c = Math.floor(i / height / width)
        out.data[c] = Math.max(out.data[c]!, v)
      })
      return out
    }
    case 'clamp':
      return mapped(x, (v) => Math.min(Math.max(v, node.min ?? -Infinity), node.max ?? Infinity))
    case 'slice':
      return sliced(node, x)
    case 'flatten':
      return reshaped([x.data.length], node.order, x)
    case 'reshape':
      return reshaped(node.shape, node.order, x)
    case 'batchNorm':
    case 'layerNorm':
      return normalized(node, x)
    case 'groupNorm':
      return groupNormalized(node, x)
    case 'dropout':
    case 'augmentation':
      return x
    case 'relu':
      return mapped(x, (v) => Math.max(v, 0))
    case 'silu':
      return mapped(x, (v) => v * sigmoid(v))
    case 'hardSwish':
      return mapped(x, (v) => (v * Math.min(Math.max(v + 3, 0), 6)) / 6)
    case 'sigmoid':
      return mapped(x, sigmoid)
    case 'tanh':
      return mapped(x, Math.tanh)
    case 'leakyRelu':
      return mapped(x, (v) => (v < 0 ? v * node.negativeSlope : v))
    case 'elu':
      return mapped(x, (v) => (v < 0 ? node.alpha * Math.expm1(v) : v))
    case 'gelu':
      return mapped(x, (v) =>
        node.approximate === 'none'
          ? 0.5 * v * (1 + erf(v / Math.SQRT2))
          : 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))),
      )
    case 'softmax':
      return softmax(x, false)
    case 'logSoftmax':
      return softmax(x, true)
    case 'add':
      return combined(inputs, (a, b) => a + b)
    case 'mul':
      return combined(inputs, (a, b) => a * b)
    case 'concat':
      return concatenated(node.dim, inputs)
    case 'pad':
      return padded(x, node.padding, node.value)
    case 'rescaling': {
      const pick = (list: readonly number[], c: number): number => list[list.length === 1 ? 0 : c] ?? 0
      return mapped(x, (v, c) => v * pick(node.scale, c) + pick(node.offset, c))
    }
  }
}

/** The first output for one picture (CHW, or a list). */
export function runNet(net: NetFile, picture: ArrayLike<number>): Float64Array {
  const values = new Map<string, Value>()
  for (const { name, shape } of net.inputs)
    values.set(name, { shape: shape.map(Number), data: Float64Array.from(picture) })
  for (const node of net.nodes) {
    const inputs = node.inputs.map((name) => {
      const found = values.get(name)
      if (found === undefined) throw new Error(`${node.name} reads ${name}, which is not there`)
      return found
    })
    values.set(node.name, run(node, inputs))
  }
  const output = values.get(net.outputs[0] ?? '')
  if (output === undefined) throw new Error('the net has no output')
  return output.data
}
