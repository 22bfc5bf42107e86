/**
 * Operators with weights and windows: Conv, Gemm, MatMul, pools, normalisations.
 * Not here: operators without (shapes.ts, elementwise.ts).
 * Source: onnx/docs/Operators.md.
 */
import { samePadding, type NetPadding, type NetTensor, type Pair } from '../net.js'
import { ownPrefix } from './graphWriter.js'
import { axesOf } from './constants.js'
import { elements, fileShape, type NetValue, type NodeContext } from './context.js'

/** A window of one axis as it slides. */
interface Axis {
  readonly before: number
  readonly after: number
  readonly out: number
}

interface Slide {
  readonly kernelSize: Pair
  readonly stride: Pair
  readonly dilation: Pair
  readonly padding: NetPadding
  readonly out: Pair
  /** Windows reach over the padded edge (ceil mode): rows and columns that `padding` counts beyond the file's. */
  readonly over: Pair
}

function axisOf(
  context: NodeContext,
  i: 0 | 1,
  size: number,
  kernel: number,
  stride: number,
  dilation: number,
): Axis & { over: number } {
  const reach = (kernel - 1) * dilation + 1
  const auto = context.text('auto_pad', 'NOTSET')
  const pads = context.ints('pads') ?? [0, 0, 0, 0]
  if (pads.length !== 4 || pads.some((pad) => pad < 0 || pad > 2 ** 30))
    context.fail(`its pads are [${pads.slice(0, 8).join(', ')}]`)
  let [before, after] = [pads[i] ?? 0, pads[i + 2] ?? 0]
  if (auto === 'SAME_UPPER') [before, after] = samePadding(size, kernel, stride, dilation)
  else if (auto === 'SAME_LOWER') [after, before] = samePadding(size, kernel, stride, dilation)
  else if (auto === 'VALID') [before, after] = [0, 0]
  else if (auto !== 'NOTSET') context.fail(`its auto_pad is ${JSON.stringify(auto.slice(0, 40))}`)
  const room = size + before + after - reach
  if (room < 0) context.fail(`a window of ${reach} does not fit into ${size} + ${before + after}`)
  const asksCeil = context.int('ceil_mode', 0) === 1
  if (asksCeil && auto === 'VALID' && room % stride !== 0)
    context.fail('its ceil_mode with auto_pad VALID, which runtimes read in two ways, is not known here')
  const isCeil = asksCeil && auto === 'NOTSET'
  let out = (isCeil ? Math.ceil(room / stride) : Math.floor(room / stride)) + 1
  if (isCeil && (out - 1) * stride >= size + before) out-- // the last window must begin inside
  const over = Math.max(0, (out - 1) * stride + reach - size - before - after)
  return { before, after: after + over, out, over }
}

function slideOf(context: NodeContext, [, height, width]: readonly [number, number, number], kernelSize: Pair): Slide {
  const [stride, dilation] = [context.pair('strides', 1), context.pair('dilations', 1)]
  const y = axisOf(context, 0, height, kernelSize[0], stride[0], dilation[0])
  const x = axisOf(context, 1, width, kernelSize[1], stride[1], dilation[1])
  const padding = { top: y.before, bottom: y.after, left: x.before, right: x.after }
  return { kernelSize, stride, dilation, padding, out: [y.out, x.out], over: [y.over, x.over] }
}

function list(context: NodeContext, tensor: NetTensor, length: number, what: string): NetTensor {
  if (elements(tensor.shape) !== length) {
    context.fail(`its ${what} is [${tensor.shape.join(', ')}]; ${length} numbers are expected`)
  }
  return { shape: [length], data: tensor.data }
}

export function conv(context: NodeContext): void {
  const x = context.picture()
  const weight = context.weights(1, 'weight')
  const [outChannels = 0, perGroup = 0, kH = 0, kW = 0, ...rest] = weight.shape
  const groups = context.int('group', 1)
  if (weight.shape.length !== 4 || rest.length > 0)
    context.fail(`its weight is [${weight.shape.join(', ')}]; 4 dimensions are expected`)
  if (!(groups >= 1) || perGroup * groups !== x.shape[0] || outChannels % groups !== 0) {
    context.fail(`its weight is [${weight.shape.join(', ')}] in ${groups} groups; its input has ${x.shape[0]} channels`)
  }
  const kernelSize = context.ints('kernel_shape') ?? [kH, kW]
  if (String(kernelSize) !== String([kH, kW]))
    context.fail(`its kernel_shape is [${kernelSize.join(', ')}], its weight ${kH}×${kW}`)
  const { stride, dilation, padding, out } = slideOf(context, x.shape, [kH, kW])
  const bias =
    context.input(2) === undefined ? undefined : list(context, context.weights(2, 'bias'), outChannels, 'bias')
  const op = {
    op: 'conv2d',
    outChannels,
    kernelSize: [kH, kW],
    stride,
    padding,
    dilation,
    groups,
    bias: bias !== undefined,
  } as const
  const weights = new Map([
    ['weight', { shape: weight.shape, data: weight.data }],
    ...(bias ? [['bias', bias] as const] : []),
  ])
  context.emit(op, { inputs: [x], shape: [outChannels, ...out], weights, weightName: weight.name })
}

/** [I, O] → [O, I], times `factor`. */
function turned({ shape: [rows = 0, columns = 0], data }: NetTensor, factor: number): NetTensor {
  const out = new Float32Array(data.length)
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++)
      out[column * rows + row] = (data[row * columns + column] ?? 0) * factor
  }
  return { shape: [columns, rows], data: out }
}

function scaled(data: Float32Array, factor: number): Float32Array {
  return factor === 1 ? data : data.map((value) => value * factor)
}

function linear(context: NodeContext, x: NetValue, weight: NetTensor, name: string, bias: NetTensor | undefined): void {
  const [outFeatures = 0, inFeatures] = weight.shape
  if (x.hwc || x.shape.at(-1) !== inFeatures) {
    context.fail(`its weight takes ${inFeatures} features; its input is [N, ${fileShape(x).join(', ')}]`)
  }
  const weights = new Map([['weight', weight], ...(bias ? [['bias', bias] as const] : [])])
  const shape = [...x.shape.slice(0, -1), outFeatures]
  context.emit(
    { op: 'linear', outFeatures, bias: bias !== undefined },
    { inputs: [x], shape, weights, weightName: name },
  )
}

function matrix(context: NodeContext): NetTensor & { readonly name: string } {
  const weight = context.weights(1, 'weight')
  return weight.shape.length === 2
    ? weight
    : context.fail(`its weight is [${weight.shape.join(', ')}]; two dimensions are expected`)
}

export function gemm(context: NodeContext): void {
  const x = context.net()
  const given = matrix(context)
  const [alpha, beta] = [context.float('alpha', 1), context.float('beta', 1)]
  if (context.int('transA', 0) !== 0 || x.shape.length !== 1)
    context.fail('its first input must be [N, features], not transposed')
  const weight =
    context.int('transB', 0) === 0 ? turned(given, alpha) : { shape: given.shape, data: scaled(given.data, alpha) }
  const outFeatures = weight.shape[0] ?? 0
  linear(
    context,
    x,
    weight,
    given.name,
    context.input(2) === undefined ? undefined : gemmBias(context, outFeatures, beta),
  )
}

/** C of Gemm: [O], [1, O], or one number for all. */
function gemmBias(context: NodeContext, outFeatures: number, beta: number): NetTensor {
  const { shape, data } = context.weights(2, 'bias')
  if (data.length === 1)
    return { shape: [outFeatures], data: new Float32Array(outFeatures).fill((data[0] ?? 0) * beta) }
  if (shape.at(-1) !== outFeatures) context.fail(`its bias is [${shape.join(', ')}]; [${outFeatures}] is expected`)
  return list(context, { shape, data: scaled(data, beta) }, outFeatures, 'bias')
}

export function matMul(context: NodeContext): void {
  const x = context.net()
  const weight = matrix(context)
  linear(context, x, turned(weight, 1), weight.name, undefined)
}

function kernelOf(context: NodeContext): Pair {
  if (context.ints('kernel_shape') === undefined) context.fail('its kernel_shape is missing')
  return context.pair('kernel_shape', 0)
}

export function maxPool(context: NodeContext): void {
  const x = context.picture()
  const { kernelSize, stride, dilation, padding, out } = slideOf(context, x.shape, kernelOf(context))
  if (dilation.some((step) => step !== 1)) context.fail(`its dilations are [${dilation.join(', ')}]; only 1 is known`)
  if (context.int('storage_order', 0) !== 0) context.fail('its storage_order is not 0')
  context.emit({ op: 'maxPool2d', kernelSize, stride, padding }, { inputs: [x], shape: [x.shape[0], ...out] })
}

export function averagePool(context: NodeContext): void {
  const x = context.picture()
  const slide = slideOf(context, x.shape, kernelOf(context))
  const { kernelSize, stride, dilation, out, over } = slide
  if (dilation.some((step) => step !== 1)) context.fail(`its dilations are [${dilation.join(', ')}]; only 1 is known`)
  const counts = context.int('count_include_pad', 0) === 1
  const isOver = over[0] + over[1] > 0
  // what reaches over the edge never counts; padding that does becomes part of the picture then
  const from = counts && isOver ? framed(context, x, slide) : x
  const padding = counts && isOver ? { top: 0, bottom: over[0], left: 0, right: over[1] } : slide.padding
  context.emit(
    { op: 'avgPool2d', kernelSize, stride, padding, countIncludePad: counts && !isOver },
    { inputs: [from], shape: [x.shape[0], ...out] },
  )
}

/** The picture with the zeros around it that the file counts. */
function framed(context: NodeContext, x: NetValue, { padding: whole, over }: Slide): NetValue {
  const padding = { ...whole, bottom: whole.bottom - over[0], right: whole.right - over[1] }
  const [channels = 0, height = 0, width = 0] = x.shape
  if (Object.values(padding).every((size) => size === 0)) return x
  const shape = [channels, height + padding.top + padding.bottom, width + padding.left + padding.right]
  return context.emit({ op: 'pad', padding, value: 0 }, { inputs: [x], shape })
}

export function globalAveragePool(context: NodeContext): void {
  const x = context.picture()
  context.emit({ op: 'globalAvgPool2d', keepDims: true }, { inputs: [x], shape: [x.shape[0], 1, 1] })
}

export function globalMaxPool(context: NodeContext): void {
  const x = context.picture()
  context.emit({ op: 'globalMaxPool2d', keepDims: true }, { inputs: [x], shape: [x.shape[0], 1, 1] })
}

/** The axes of a Reduce operator, which must be height and width. */
function overPicture(context: NodeContext, x: NetValue): void {
  const spatial = x.hwc ? [1, 2] : [2, 3]
  const axes = axesOf(context)
    ?.map((axis) => context.axis(axis, x.shape.length + 1))
    .sort((a, b) => a - b)
  if (x.shape.length === 3 && String(axes) === String(spatial)) return
  context.fail(`over [${axes?.join(', ') ?? 'everything'}]; only height and width together are known`)
}

/** Over whole pictures, which exporters write instead of a global pool; over the items of rows, as pictures of one row. */
function reduce(context: NodeContext, op: 'globalAvgPool2d' | 'globalMaxPool2d'): void {
  const x = context.net()
  const keepDims = context.int('keepdims', 1) === 1
  const rows = rowsOf(context, x)
  if (rows === undefined) overPicture(context, x)
  const channels = x.shape[0] ?? 0
  const from = rows ?? x
  const keeps = keepDims && rows === undefined
  const shape = keeps ? [channels, 1, 1] : [channels]
  const found = context.emit({ op, keepDims: keeps }, { inputs: [from], shape, hwc: keeps && x.hwc })
  if (!keepDims || keeps) return
  context.emit({ op: 'reshape', shape: [channels, 1], order: 'chw' }, { inputs: [found], shape: [channels, 1] })
}

/** [C, L] as the picture [C, 1, L] where L alone is reduced. */
function rowsOf(context: NodeContext, x: NetValue): NetValue | undefined {
  const [channels = 0, length = 0, ...rest] = x.shape
  const axes = axesOf(context)
  if (x.shape.length !== 2 || rest.length > 0 || axes?.length !== 1 || context.axis(axes[0] ?? 0, 3) !== 2)
    return undefined
  const shape = [channels, 1, length]
  return context.emit({ op: 'reshape', shape, order: 'chw' }, { inputs: [x], shape })
}

export function reduceMax(context: NodeContext): void {
  reduce(context, 'globalMaxPool2d')
}

export function reduceMean(context: NodeContext): void {
  reduce(context, 'globalAvgPool2d')
}

/** What our writer puts where a norm has no weight or bias of its own. */
function isFiller({ name, data }: { readonly name: string; readonly data: Float32Array }, value: number): boolean {
  return name.startsWith(ownPrefix) && data.every((item) => item === value)
}

export function batchNormalization(context: NodeContext): void {
  const x = context.net()
  const [channels = 0] = x.shape
  if (x.hwc || (x.shape.length !== 1 && x.shape.length !== 3))
    context.fail(`its input is [N, ${fileShape(x).join(', ')}]`)
  if (context.int('spatial', 1) !== 1) context.fail('its spatial is 0')
  if (context.int('training_mode', 0) !== 0) context.fail('its training_mode is on: export the net for inference')
  const weights = new Map<string, NetTensor>()
  const names = ['weight', 'bias', 'running_mean', 'running_var']
  const read = names.map((_, i) => context.weights(i + 1, names[i] ?? ''))
  read.forEach((tensor, i) => {
    if (i < 2 && isFiller(tensor, i === 0 ? 1 : 0)) return
    weights.set(names[i] ?? '', list(context, tensor, channels, names[i] ?? ''))
  })
  // ONNX's momentum is the old value's share, PyTorch's the new one's
  const momentum = Number((1 - context.float('momentum', 0.9)).toPrecision(6))
  const eps = context.float('epsilon', 1e-5)
  context.emit(
    { op: 'batchNorm', eps, momentum },
    { inputs: [x], shape: x.shape, weights, weightName: read[0]?.name ?? '' },
  )
}

export function layerNormalization(context: NodeContext): void {
  const x = context.net()
  const axis = context.axis(context.int('axis', -1), x.shape.length + 1)
  const normalizedShape = fileShape(x).slice(axis - 1)
  if (x.hwc) context.fail(`its input is [N, ${fileShape(x).join(', ')}]; channels first are expected`)
  const weights = new Map<string, NetTensor>()
  const count = elements(normalizedShape)
  for (const [i, key] of [
    [1, 'weight'],
    [2, 'bias'],
  ] as const) {
    if (context.input(i) === undefined) continue
    const tensor = context.weights(i, key)
    if (!isFiller(tensor, i === 1 ? 1 : 0))
      weights.set(key, { shape: normalizedShape, data: list(context, tensor, count, key).data })
  }
  const weightName = context.constant(1)?.name ?? ''
  const op = { op: 'layerNorm', normalizedShape, eps: context.float('epsilon', 1e-5) } as const
  context.emit(op, { inputs: [x], shape: x.shape, weights, weightName })
}

/** Each channel of each picture by itself. Of runs of channels (GroupNorm) other nodes make channels before. */
export function instanceNormalization(context: NodeContext): void {
  const x = context.net()
  const [channels = 0, ...rest] = x.shape
  if (x.hwc || rest.length === 0) context.fail(`its input is [N, ${fileShape(x).join(', ')}]`)
  const weights = new Map<string, NetTensor>()
  const read = ['weight', 'bias'].map((name, i) => context.weights(i + 1, name))
  read.forEach((tensor, i) => {
    const name = i === 0 ? 'weight' : 'bias'
    if (!isFiller(tensor, 1 - i)) weights.set(name, list(context, tensor, channels, name))
  })
  const op = { op: 'groupNorm', groups: channels, eps: context.float('epsilon', 1e-5) } as const
  context.emit(op, { inputs: [x], shape: x.shape, weights, weightName: read[0]?.name ?? '' })
}
