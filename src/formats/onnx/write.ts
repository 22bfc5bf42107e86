/**
 * Writes a net as an ONNX model: opset 17, ir_version 8, weights inside, the batch open and named N. `readOnnx` gives the
 * net back with its names; classes and preprocessing are kept in the metadata.
 * Not here: optimizer state, which ONNX has no place for; random layers, which do nothing at inference.
 * Source: onnx/docs/Operators.md.
 */
import { LenetError } from '../../base/index.js'
import type { NetFile, NetNode, NetPadding, NetTensor } from '../net.js'
import { netShapes, shownShape } from '../netShapes.js'
import { GraphWriter, ownPrefix, type Attributes } from './graphWriter.js'
import { activationKey, classesKey, orderKey, preprocessingKey } from './notes.js'

type Node<O extends NetNode['op']> = Extract<NetNode, { readonly op: O }>
type Shape = readonly number[]

const pads = ({ top, left, bottom, right }: NetPadding): number[] => [top, left, bottom, right]
const toChannelsLast: Attributes = { perm: [0, 2, 3, 1] }
const toChannelsFirst: Attributes = { perm: [0, 3, 1, 2] }

/** `where` names the net in errors. Throws LenetError where the net does not fit together or leaves a size open. */
export function writeOnnx(net: NetFile, where = 'the net'): Uint8Array {
  const shapes = knownShapes(net, where)
  const writer = new GraphWriter()
  const shapeOf = (name: string): Shape => shapes.get(name) ?? []
  for (const node of net.nodes) writeNode(writer, node, node.inputs.map(shapeOf))
  const named = (name: string): { name: string; shape: Shape } => ({ name, shape: shapeOf(name) })
  const isInput = new Set(net.inputs.map(({ name }) => name))
  const outputs = [...new Set(net.outputs)].map((name) =>
    isInput.has(name) ? { name: writer.inner('Identity', [name]), shape: shapeOf(name) } : named(name),
  )
  return writer.model(
    net.inputs.map(({ name }) => named(name)),
    outputs,
    notes(net),
  )
}

function knownShapes(net: NetFile, where: string): Map<string, Shape> {
  const shapes = new Map<string, Shape>()
  for (const [name, shape] of netShapes(net, where)) {
    const sizes = shape.filter((size) => size !== null)
    if (sizes.length < shape.length) {
      throw new LenetError(
        `${where}, ${name}: its shape ${shownShape(shape)} is open; ONNX files are written for one size of pictures`,
      )
    }
    shapes.set(name, sizes)
  }
  return shapes
}

function notes({ classes, preprocessing, parameterOrder, activation }: NetFile): [string, string][] {
  return [
    ...(parameterOrder ? [[orderKey, JSON.stringify(parameterOrder)] satisfies [string, string]] : []),
    ...(activation ? [[activationKey, JSON.stringify(activation)] satisfies [string, string]] : []),
    ...(classes ? [[classesKey, JSON.stringify(classes)] satisfies [string, string]] : []),
    ...(preprocessing ? [[preprocessingKey, JSON.stringify(preprocessing)] satisfies [string, string]] : []),
  ]
}

function writeNode(writer: GraphWriter, node: NetNode, shapes: readonly Shape[]): void {
  const { name, inputs } = node
  const [x = ''] = inputs
  const [shape = []] = shapes
  const plain = (op: string, attributes: Attributes = {}): void => void writer.node(op, [x], name, attributes)
  switch (node.op) {
    case 'conv2d':
      return conv(writer, node)
    case 'linear':
      return linear(writer, node, shape.length)
    case 'maxPool2d':
      return plain('MaxPool', window(node))
    case 'avgPool2d':
      return plain('AveragePool', { ...window(node), count_include_pad: node.countIncludePad ? 1 : 0 })
    case 'globalAvgPool2d':
      return node.keepDims ? plain('GlobalAveragePool') : plain('ReduceMean', { axes: [2, 3], keepdims: 0 })
    case 'globalMaxPool2d':
      return node.keepDims ? plain('GlobalMaxPool') : plain('ReduceMax', { axes: [2, 3], keepdims: 0 })
    case 'flatten':
      return flatten(writer, node, shape)
    case 'reshape':
      return reshape(writer, node, shape)
    case 'batchNorm':
      return batchNorm(writer, node, shape)
    case 'layerNorm':
      return layerNorm(writer, node)
    case 'groupNorm':
      return groupNorm(writer, node, shape)
    case 'dropout':
      return void writer.node('Dropout', [x, writer.scalar(node.p)], name)
    case 'relu':
      return plain('Relu')
    case 'sigmoid':
      return plain('Sigmoid')
    case 'tanh':
      return plain('Tanh')
    case 'hardSwish':
      return plain('HardSwish')
    case 'silu':
      return void writer.node('Mul', [x, writer.inner('Sigmoid', [x])], name)
    case 'leakyRelu':
      return plain('LeakyRelu', { alpha: { float: node.negativeSlope } })
    case 'elu':
      return plain('Elu', { alpha: { float: node.alpha } })
    case 'gelu':
      return gelu(writer, node)
    case 'clamp':
      return clamp(writer, node)
    case 'softmax':
      return plain('Softmax', { axis: 1 })
    case 'logSoftmax':
      return plain('LogSoftmax', { axis: 1 })
    case 'add':
    case 'mul':
      return combine(writer, node, shapes)
    case 'concat':
      return void writer.node('Concat', inputs, name, { axis: node.dim + 1 })
    case 'slice':
      return void writer.node(
        'Slice',
        [x, ...[node.start, node.end, node.dim + 1].map((place) => writer.sizes([place]))],
        name,
      )
    case 'pad':
      return pad(writer, node)
    case 'rescaling':
      return rescaling(writer, node, shape)
    case 'augmentation':
      return plain('Identity')
  }
}

/** The node's weights as initializers, named as in a state dict; those it lacks are left out. */
function weightNames(writer: GraphWriter, { name, weights }: NetNode, keys: readonly string[]): string[] {
  return keys.flatMap((key) => {
    const tensor: NetTensor | undefined = weights.get(key)
    return tensor === undefined ? [] : [writer.floats(`${name}.${key}`, tensor.shape, tensor.data)]
  })
}

function window({ kernelSize, stride, padding }: Node<'maxPool2d' | 'avgPool2d'>): Attributes {
  return { kernel_shape: kernelSize, strides: stride, pads: pads(padding) }
}

function conv(writer: GraphWriter, node: Node<'conv2d'>): void {
  const { kernelSize, stride, dilation, padding, groups } = node
  const attributes = {
    kernel_shape: kernelSize,
    strides: stride,
    dilations: dilation,
    pads: pads(padding),
    group: groups,
  }
  writer.node('Conv', [...node.inputs, ...weightNames(writer, node, ['weight', 'bias'])], node.name, attributes)
}

function linear(writer: GraphWriter, node: Node<'linear'>, rank: number): void {
  const names = weightNames(writer, node, ['weight', 'bias'])
  const [weight = '', bias] = names
  if (rank === 1) return void writer.node('Gemm', [...node.inputs, ...names], node.name, { transB: 1 })
  const factors = [...node.inputs, writer.inner('Transpose', [weight], { perm: [1, 0] })]
  if (bias === undefined) return void writer.node('MatMul', factors, node.name)
  const product = writer.inner('MatMul', factors, {}, node.name)
  writer.node('Add', [product, bias], node.name, {}, `${ownPrefix}${node.name}.bias`)
}

function flatten(writer: GraphWriter, node: Node<'flatten'>, shape: Shape): void {
  const [x = ''] = node.inputs
  const isTurned = node.order === 'hwc' && shape.length === 3
  writer.node('Flatten', [isTurned ? writer.inner('Transpose', [x], toChannelsLast) : x], node.name, { axis: 1 })
}

function reshape(writer: GraphWriter, node: Node<'reshape'>, shape: Shape): void {
  const isHwc = node.order === 'hwc'
  const [x = ''] = node.inputs
  const from = isHwc && shape.length === 3 ? writer.inner('Transpose', [x], toChannelsLast) : x
  const [channels = 0, height = 0, width = 0, ...more] = node.shape
  const isFilledByPixels = isHwc && node.shape.length === 3 && more.length === 0
  const to = writer.sizes([0, ...(isFilledByPixels ? [height, width, channels] : node.shape)]) // 0: as it is
  if (!isFilledByPixels) return void writer.node('Reshape', [from, to], node.name)
  const filled = writer.inner('Reshape', [from, to], {}, node.name)
  writer.node('Transpose', [filled], node.name, toChannelsFirst, `${ownPrefix}${node.name}.turned`)
}

/** A weight that ONNX asks for and the net does not have. */
function filler(writer: GraphWriter, { name }: NetNode, key: string, shape: Shape, value: number): string {
  const count = shape.reduce((product, size) => product * size, 1)
  return writer.floats(`${ownPrefix}${name}.${key}`, shape, new Float32Array(count).fill(value))
}

function batchNorm(writer: GraphWriter, node: Node<'batchNorm'>, shape: Shape): void {
  const channels = shape.slice(0, 1)
  const [weight] = weightNames(writer, node, ['weight'])
  const [bias] = weightNames(writer, node, ['bias'])
  const inputs = [
    ...node.inputs,
    weight ?? filler(writer, node, 'weight', channels, 1),
    bias ?? filler(writer, node, 'bias', channels, 0),
    ...weightNames(writer, node, ['running_mean', 'running_var']),
  ]
  const attributes = { epsilon: { float: node.eps }, momentum: { float: 1 - node.momentum } }
  writer.node('BatchNormalization', inputs, node.name, attributes)
}

function layerNorm(writer: GraphWriter, node: Node<'layerNorm'>): void {
  const [weight] = weightNames(writer, node, ['weight'])
  const scale = weight ?? filler(writer, node, 'weight', node.normalizedShape, 1)
  const inputs = [...node.inputs, scale, ...weightNames(writer, node, ['bias'])]
  const attributes = { axis: -node.normalizedShape.length, epsilon: { float: node.eps } }
  writer.node('LayerNormalization', inputs, node.name, attributes)
}

/**
 * Opset 17 has no GroupNormalization: runs of channels become channels of an InstanceNormalization, factors and summands follow,
 * as PyTorch writes it.
 */
function groupNorm(writer: GraphWriter, node: Node<'groupNorm'>, shape: Shape): void {
  const [x = ''] = node.inputs
  const [channels = 1, ...rest] = shape
  const attributes = { epsilon: { float: node.eps } }
  if (node.groups === channels && rest.length > 0) {
    const [weight] = weightNames(writer, node, ['weight'])
    const [bias] = weightNames(writer, node, ['bias'])
    const scale = weight ?? filler(writer, node, 'weight', [channels], 1)
    const inputs = [x, scale, bias ?? filler(writer, node, 'bias', [channels], 0)]
    return void writer.node('InstanceNormalization', inputs, node.name, attributes)
  }
  const own = [filler(writer, node, 'ones', [node.groups], 1), filler(writer, node, 'zeros', [node.groups], 0)]
  const runs = writer.inner('Reshape', [x, writer.sizes([0, node.groups, -1])])
  const normed = writer.inner('InstanceNormalization', [runs, ...own], attributes)
  const steps = [['Reshape', writer.sizes([0, ...shape])] as const, ...affineSteps(writer, node, rest.length)]
  steps.reduce((value, [op, operand], i) => {
    if (i < steps.length - 1) return writer.inner(op, [value, operand])
    writer.node(op, [value, operand], node.name)
    return node.name
  }, normed)
}

/** A factor and a summand for each channel, beside pictures of so many dimensions behind it. */
function affineSteps(writer: GraphWriter, { name, weights }: NetNode, rank: number): (readonly [string, string])[] {
  const ones = Array.from({ length: rank }, () => 1)
  const ops = { weight: 'Mul', bias: 'Add' } as const
  return (['weight', 'bias'] as const).flatMap((key) => {
    const found = weights.get(key)
    return found ? [[ops[key], writer.floats(`${name}.${key}`, [...found.shape, ...ones], found.data)] as const] : []
  })
}

/** Opset 17 has no Gelu: 0.5 x (1 + erf(x / √2)), or by tanh(√(2/π) (x + 0.044715 x³)). */
function gelu(writer: GraphWriter, { name, inputs, approximate }: Node<'gelu'>): void {
  const [x = ''] = inputs
  const times = (a: string, b: string): string => writer.inner('Mul', [a, b])
  const plus = (a: string, b: string): string => writer.inner('Add', [a, b])
  const inner = (): string => {
    if (approximate === 'none') return writer.inner('Erf', [times(x, writer.scalar(Math.SQRT1_2))])
    const cube = times(times(times(x, x), x), writer.scalar(0.044715))
    return writer.inner('Tanh', [times(plus(x, cube), writer.scalar(Math.sqrt(2 / Math.PI)))])
  }
  writer.node('Mul', [times(x, plus(inner(), writer.scalar(1))), writer.scalar(0.5)], name)
}

/** Inputs of fewer dimensions get ones in front, behind the batch. */
function combine(writer: GraphWriter, { name, op, inputs }: Node<'add' | 'mul'>, shapes: readonly Shape[]): void {
  const rank = Math.max(...shapes.map((shape) => shape.length))
  const [first = '', second = '', ...more] = inputs.map((input, i) => {
    const shape = shapes[i] ?? []
    if (shape.length === rank) return input
    const ones = Array.from({ length: rank - shape.length }, () => 1)
    return writer.inner('Reshape', [input, writer.sizes([0, ...ones, ...shape])])
  })
  if (op === 'add')
    return void writer.node(inputs.length === 2 ? 'Add' : 'Sum', [first, second, ...more].filter(Boolean), name)
  if (inputs.length === 1) return void writer.node('Identity', [first], name)
  const factors = [second, ...more]
  const last = factors.pop() ?? ''
  const product = factors.reduce((value, factor) => writer.inner('Mul', [value, factor]), first)
  writer.node('Mul', [product, last], name)
}

function clamp(writer: GraphWriter, { name, inputs, min, max }: Node<'clamp'>): void {
  const limits = [min === null ? '' : writer.scalar(min), ...(max === null ? [] : [writer.scalar(max)])]
  writer.node('Clip', [...inputs, ...limits], name)
}

function pad(writer: GraphWriter, { name, inputs, padding, value }: Node<'pad'>): void {
  const { top, left, bottom, right } = padding
  const sizes = writer.sizes([0, 0, top, left, 0, 0, bottom, right])
  writer.node('Pad', [...inputs, sizes, writer.scalar(value)], name, { mode: 'constant' })
}

/** Always both, so that reading finds pairs. */
function rescaling(writer: GraphWriter, node: Node<'rescaling'>, shape: Shape): void {
  const rest = shape.slice(1).map(() => 1)
  const constant = (key: string, values: readonly number[]): string => {
    const own = values.length === 1 ? [] : [values.length, ...rest]
    return writer.floats(`${ownPrefix}${node.name}.${key}`, own, Float32Array.from(values))
  }
  const product = writer.inner('Mul', [...node.inputs, constant('scale', node.scale)], {}, node.name)
  const sum = `${ownPrefix}${node.name}.offset`
  writer.node('Add', [product, constant('offset', node.offset)], node.name, {}, sum)
}
