/**
 * The Keras layer (or two: padding first) that computes what a node of the hub does.
 * Not here: the whole model (netToKeras.ts).
 */
import { LenetError } from '../base/index.js'
import type { JsonObject } from './kerasJson.js'
import type { KerasActivation, KerasClass } from './kerasLayers.js'
import { activationName, complement } from './kerasNodes.js'
import { samePadding, type NetNode, type NetOp, type NetPadding, type Pair } from './net.js'
import { shownShape, type NetShape } from './netShapes.js'

export interface LayerPlan {
  readonly className: KerasClass
  readonly config: JsonObject
}

/** What a node stands among. */
export interface NodePlace {
  readonly inputs: readonly NetShape[]
  readonly nodes: ReadonlyMap<string, NetNode>
  /** An activation that the layer takes in. */
  readonly activation: KerasActivation | undefined
}

function refuse(where: string, what: string): never {
  throw new LenetError(`${where}: Keras has no layer for ${what}`)
}

type Edges = readonly (readonly [number, number])[]

const padLayer = ({ top, bottom, left, right }: NetPadding): LayerPlan => ({
  className: 'ZeroPadding2D',
  config: {
    padding: [
      [top, bottom],
      [left, right],
    ],
  },
})

/** Sizes below 0 cut off, and then those above 0 pad. */
function frameLayers({ top, bottom, left, right }: NetPadding): LayerPlan[] {
  const less = (size: number): number => Math.max(0, -size)
  const more = (size: number): number => Math.max(0, size)
  const cropping: Edges = [
    [less(top), less(bottom)],
    [less(left), less(right)],
  ]
  const cut: LayerPlan = { className: 'Cropping2D', config: { cropping } }
  const pad = padLayer({ top: more(top), bottom: more(bottom), left: more(left), right: more(right) })
  const sizes = [top, bottom, left, right]
  return [...(sizes.some((size) => size < 0) ? [cut] : []), ...(sizes.some((size) => size > 0) ? [pad] : [])]
}

/** Rows or columns; of channels and lists Keras has no layer that takes a part. */
function cropping(op: NetOp & { op: 'slice' }, shape: NetShape, where: string): LayerPlan {
  const size = shape[op.dim] ?? null
  if (shape.length !== 3 || op.dim === 0 || size === null) {
    refuse(where, `a part of ${op.dim === 0 && shape.length === 3 ? 'the channels' : shownShape(shape)} (slice)`)
  }
  const edges = [op.start, size - op.end]
  return {
    className: 'Cropping2D',
    config: {
      cropping: [
        [0, 1].map((i) => (op.dim === 1 ? (edges[i] ?? 0) : 0)),
        [0, 1].map((i) => (op.dim === 2 ? (edges[i] ?? 0) : 0)),
      ],
    },
  }
}

interface Windowed {
  readonly kernelSize: Pair
  readonly stride: Pair
  readonly padding: NetPadding
  readonly dilation?: Pair
}

/** Keras's name for this padding, or undefined where it has none and rows and columns must be added before. */
function paddingName(
  { kernelSize, stride, padding, dilation = [1, 1] }: Windowed,
  shape: NetShape,
): 'valid' | 'same' | undefined {
  const { top, bottom, left, right } = padding
  const given = `${top},${bottom},${left},${right}`
  if (given === '0,0,0,0') return 'valid'
  const along = ([0, 1] as const).map((axis) => {
    const size = shape[axis + 1] ?? (stride[axis] === 1 ? 1 : null)
    return size === null ? 'open' : samePadding(size, kernelSize[axis], stride[axis], dilation[axis])
  })
  return String(along) === given ? 'same' : undefined
}

/** The layer behind its padding. */
function padded(op: Windowed, shape: NetShape, make: (padding: 'valid' | 'same') => LayerPlan): LayerPlan[] {
  const name = paddingName(op, shape)
  return name === undefined ? [padLayer(op.padding), make('valid')] : [make(name)]
}

function convLayers(op: NetOp & { op: 'conv2d' }, { inputs, activation }: NodePlace, where: string): LayerPlan[] {
  const [shape = []] = inputs
  const channels = shape[0] ?? null
  if (Math.max(...op.stride) > 1 && Math.max(...op.dilation) > 1)
    refuse(where, 'a convolution with both strides and dilation')
  const isDepthwise = op.groups > 1 && op.groups === channels && op.stride[0] === op.stride[1]
  return padded(op, shape, (padding) => {
    const config = {
      kernel_size: op.kernelSize,
      strides: op.stride,
      padding,
      dilation_rate: op.dilation,
      activation: activation ?? 'linear',
      use_bias: op.bias,
    }
    return isDepthwise
      ? { className: 'DepthwiseConv2D', config: { depth_multiplier: op.outChannels / op.groups, ...config } }
      : { className: 'Conv2D', config: { filters: op.outChannels, groups: op.groups, ...config } }
  })
}

/** What keeps values from below 0 that were not there. */
const passing: ReadonlySet<string> = new Set(['maxPool2d', 'avgPool2d', 'dropout', 'concat', 'slice'])

/** Values that are never negative: zeros around them cannot win in a max-pool. */
function neverNegative(name: string, nodes: ReadonlyMap<string, NetNode>): boolean {
  const node = nodes.get(name)
  if (node === undefined) return false
  if (node.op === 'relu' || node.op === 'sigmoid' || node.op === 'softmax') return true
  if (node.op === 'clamp') return node.min !== null && node.min >= 0
  const passes = passing.has(node.op)
  return passes && node.inputs.every((input) => neverNegative(input, nodes))
}

function poolLayers(
  node: NetNode & { op: 'maxPool2d' | 'avgPool2d' },
  { inputs, nodes }: NodePlace,
  where: string,
): LayerPlan[] {
  const [shape = []] = inputs
  const className = node.op === 'maxPool2d' ? 'MaxPooling2D' : 'AveragePooling2D'
  const make = (padding: string): LayerPlan => ({
    className,
    config: { pool_size: node.kernelSize, strides: node.stride, padding },
  })
  const name = paddingName(node, shape)
  const zerosCount = node.op === 'avgPool2d' && node.countIncludePad
  if (name === 'valid' || (name === 'same' && !zerosCount)) return [make(name)]
  const zerosAreRight = node.op === 'maxPool2d' ? neverNegative(node.inputs[0] ?? '', nodes) : zerosCount
  if (!zerosAreRight) refuse(where, 'pooling with this padding')
  return [padLayer(node.padding), make('valid')]
}

function layerNorm(node: NetNode & { op: 'layerNorm' }, shape: NetShape, where: string): LayerPlan {
  if (String(node.normalizedShape) !== String(shape)) {
    refuse(where, `a layerNorm over ${shownShape(node.normalizedShape)} of ${shownShape(shape)}`)
  }
  const config = { axis: shape.map((_, i) => i + 1), epsilon: node.eps, ...affine(node) }
  return { className: 'LayerNormalization', config }
}

function affine(node: NetNode): { center: boolean; scale: boolean } {
  return { center: node.weights.has('bias'), scale: node.weights.has('weight') }
}

function merging(node: NetNode & { op: 'add' | 'mul' }, inputs: readonly NetShape[], where: string): LayerPlan {
  if (inputs.length < 2 || inputs.some(({ length }) => length !== inputs[0]?.length)) {
    refuse(where, `${node.op} of ${inputs.map(shownShape).join(' and ')}`)
  }
  return { className: node.op === 'add' ? 'Add' : 'Multiply', config: {} }
}

/** Pictures of one channel or one pixel are read alike in both orders. */
const hasOrder = ([channels, ...pixels]: NetShape): boolean =>
  pixels.length === 2 && channels !== 1 && pixels.some((size) => size !== 1)

/** The hub's [C, H, W] is Keras's [H, W, C]. */
function reshape(node: NetNode & { op: 'reshape' }, shape: NetShape, where: string): LayerPlan {
  const { shape: to, order } = node
  const touchesPicture = [shape, to].some(hasOrder) && order !== 'hwc'
  if (touchesPicture) refuse(where, 'a reshape that reads or fills pictures channel by channel')
  const [channels = 1, height = 1, width = 1] = to
  return { className: 'Reshape', config: { target_shape: to.length === 3 ? [height, width, channels] : to } }
}

/** An activation as a layer of its own, under the class that Keras has for it. */
function activationLayer(op: NetOp, where: string): LayerPlan {
  if (op.op === 'relu') return { className: 'ReLU', config: {} }
  if (op.op === 'leakyRelu') return { className: 'LeakyReLU', config: { negative_slope: op.negativeSlope } }
  if (op.op === 'elu') return { className: 'ELU', config: { alpha: op.alpha } }
  if (op.op === 'softmax') return { className: 'Softmax', config: {} }
  if (op.op === 'clamp' && op.min === 0 && op.max !== null) return { className: 'ReLU', config: { max_value: op.max } }
  const activation = activationName(op)
  return activation === undefined ? refuse(where, refused(op)) : { className: 'Activation', config: { activation } }
}

function refused(op: NetOp): string {
  if (op.op === 'gelu') return 'the gelu that is approximated by tanh'
  return op.op === 'clamp' ? `a clamp from ${op.min ?? 'anything'} to ${op.max ?? 'anything'}` : op.op
}

/** The layers of a node, in order. Throws LenetError where Keras has none that computes the same. */
export function nodeLayers(node: NetNode, place: NodePlace, where: string): LayerPlan[] {
  const [shape = []] = place.inputs
  switch (node.op) {
    case 'conv2d':
      return convLayers(node, place, where)
    case 'linear':
      if (shape.length !== 1) refuse(where, `a linear layer over ${shownShape(shape)}`)
      return [dense(node, place.activation)]
    case 'maxPool2d':
    case 'avgPool2d':
      return poolLayers(node, place, where)
    case 'globalAvgPool2d':
      return [{ className: 'GlobalAveragePooling2D', config: { keepdims: node.keepDims } }]
    case 'globalMaxPool2d':
      return [{ className: 'GlobalMaxPooling2D', config: { keepdims: node.keepDims } }]
    case 'flatten':
      return [{ className: 'Flatten', config: {} }]
    case 'reshape':
      return [reshape(node, shape, where)]
    case 'batchNorm':
      return [
        {
          className: 'BatchNormalization',
          config: { momentum: complement(node.momentum), epsilon: node.eps, ...affine(node) },
        },
      ]
    case 'layerNorm':
      return [layerNorm(node, shape, where)]
    case 'groupNorm':
      if (shape.length === 2) refuse(where, `a groupNorm of ${shownShape(shape)}`)
      return [{ className: 'GroupNormalization', config: { groups: node.groups, epsilon: node.eps, ...affine(node) } }]
    case 'dropout':
      return [{ className: 'Dropout', config: { rate: node.p } }]
    case 'add':
    case 'mul':
      return [merging(node, place.inputs, where)]
    case 'concat':
      return [
        { className: 'Concatenate', config: { axis: shape.length === 3 ? ([3, 1, 2][node.dim] ?? 3) : node.dim + 1 } },
      ]
    case 'pad':
      return padOrCrop(node, where)
    case 'slice':
      return [cropping(node, shape, where)]
    case 'rescaling':
      return [{ className: 'Rescaling', config: { scale: node.scale, offset: node.offset } }]
    case 'augmentation':
      return [augmentation(node, where)]
    default:
      return [activationLayer(node, where)]
  }
}

function padOrCrop({ padding, value }: NetNode & { op: 'pad' }, where: string): LayerPlan[] {
  if (value !== 0 && Object.values(padding).some((size) => size > 0)) refuse(where, `a padding with ${value}`)
  const layers = frameLayers(padding)
  return layers.length > 0 ? layers : [padLayer(padding)]
}

function dense(node: NetNode & { op: 'linear' }, activation: KerasActivation | undefined): LayerPlan {
  return {
    className: 'Dense',
    config: { units: node.outFeatures, use_bias: node.bias, activation: activation ?? 'linear' },
  }
}

const augmentations = [
  'RandomFlip',
  'RandomTranslation',
  'RandomCrop',
  'RandomRotation',
  'RandomZoom',
  'RandomContrast',
  'RandomBrightness',
] as const

function augmentation(node: NetNode & { op: 'augmentation' }, where: string): LayerPlan {
  const className = augmentations.find((name) => name === node.layer) ?? refuse(where, node.layer)
  const config: JsonObject = JSON.parse(JSON.stringify(node.settings))
  return { className, config }
}
