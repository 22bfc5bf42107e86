/**
 * What each Keras layer computes, as nodes of the hub (net.ts) without weights; and which variables it has. Keras thinks
 * in [H, W, C]; shapes here are the hub's, [C, H, W].
 * Not here: weights' values (kerasVariables.ts), the whole net (kerasToNet.ts).
 * Source: the classes of keras.layers 3.15, tf_keras 2.21 agrees.
 */
import { LenetError } from '../base/index.js'
import type { KerasActivation, KerasConfig, KerasLayer } from './kerasLayers.js'
import { noPadding, samePadding, type NetOp, type NetPadding, type Pair } from './net.js'
import { shownShape, type NetShape } from './netShapes.js'

const activationOps: { readonly [A in KerasActivation]: NetOp | undefined } = {
  linear: undefined,
  relu: { op: 'relu' },
  relu6: { op: 'clamp', min: 0, max: 6 },
  leaky_relu: { op: 'leakyRelu', negativeSlope: 0.2 },
  elu: { op: 'elu', alpha: 1 },
  gelu: { op: 'gelu', approximate: 'none' },
  silu: { op: 'silu' },
  hard_silu: { op: 'hardSwish' },
  hard_tanh: { op: 'clamp', min: -1, max: 1 },
  sigmoid: { op: 'sigmoid' },
  tanh: { op: 'tanh' },
  softmax: { op: 'softmax' },
  log_softmax: { op: 'logSoftmax' },
  // only in Keras (kerasOnly.ts)
  selu: undefined,
  softplus: undefined,
  softsign: undefined,
  mish: undefined,
  hard_sigmoid: undefined,
  exponential: undefined,
}

/** Keras's name of an activation, where it has one with exactly these settings. */
export function activationName(op: NetOp): KerasActivation | undefined {
  const all = Object.entries(activationOps)
  const found = all.find(([, known]) => known !== undefined && JSON.stringify(known) === JSON.stringify(plainOp(op)))
  return found === undefined ? undefined : asActivation(found[0])
}

function asActivation(name: string): KerasActivation | undefined {
  return name in activationOps ? (name as KerasActivation) : undefined
}

/** The settings of an activation alone, without name, inputs and weights. */
function plainOp(op: NetOp): NetOp {
  if (op.op === 'leakyRelu') return { op: op.op, negativeSlope: op.negativeSlope }
  if (op.op === 'elu') return { op: op.op, alpha: op.alpha }
  if (op.op === 'gelu') return { op: op.op, approximate: op.approximate }
  if (op.op === 'clamp') return { op: op.op, min: op.min, max: op.max }
  return op.op === 'relu' || op.op === 'silu' || op.op === 'hardSwish' || op.op === 'sigmoid' || op.op === 'tanh'
    ? { op: op.op }
    : op.op === 'softmax' || op.op === 'logSoftmax'
      ? { op: op.op }
      : op
}

/** [null, H, W, C] → [C, H, W]; [null, F] → [F]. */
export function inputShape(batchShape: readonly (number | null)[], where: string): NetShape {
  const [, first, width, channels, ...more] = batchShape
  if (batchShape.length === 2 && first !== undefined) return [first]
  if (first === undefined || width === undefined || channels === undefined || more.length > 0) {
    throw new LenetError(
      `${where}: its input is ${shownShape(batchShape)}; [any, height, width, channels] and [any, features] are known`,
    )
  }
  return [channels, first, width]
}

interface Windowed {
  readonly size: Pair
  readonly strides: Pair
  readonly dilation: Pair
}

function resolvedPadding(kind: 'valid' | 'same', window: Windowed, shape: NetShape, where: string): NetPadding {
  if (kind === 'valid') return noPadding
  const [rows, columns] = ([0, 1] as const).map((axis) => {
    const stride = window.strides[axis]
    const size = shape[axis + 1] ?? (stride === 1 ? 1 : undefined)
    if (size === undefined)
      throw new LenetError(`${where}: 'same' padding with strides needs the picture's size, which is open`)
    return samePadding(size, window.size[axis], stride, window.dilation[axis])
  })
  const [top, bottom] = rows ?? [0, 0]
  const [left, right] = columns ?? [0, 0]
  return { top, bottom, left, right }
}

function poolOp(
  layer: KerasLayer & { className: 'MaxPooling2D' | 'AveragePooling2D' },
  shape: NetShape,
  where: string,
): NetOp {
  const { pool_size: kernelSize, strides, padding: kind } = layer.config
  const stride = strides ?? kernelSize
  const padding = resolvedPadding(kind, { size: kernelSize, strides: stride, dilation: [1, 1] }, shape, where)
  if (layer.className === 'MaxPooling2D') return { op: 'maxPool2d', kernelSize, stride, padding }
  return { op: 'avgPool2d', kernelSize, stride, padding, countIncludePad: false }
}

function convOp(
  layer: KerasLayer & { className: 'Conv2D' | 'DepthwiseConv2D' },
  shape: NetShape,
  where: string,
): NetOp {
  const {
    kernel_size: kernelSize,
    strides: stride,
    dilation_rate: dilation,
    use_bias: bias,
    padding: kind,
  } = layer.config
  const padding = resolvedPadding(kind, { size: kernelSize, strides: stride, dilation }, shape, where)
  const common = { op: 'conv2d', kernelSize, stride, padding, dilation, bias } as const
  if (layer.className === 'Conv2D') return { ...common, outChannels: layer.config.filters, groups: layer.config.groups }
  const channels = shape[0] ?? null
  if (channels === null) throw new LenetError(`${where}: the number of channels is left open`)
  return { ...common, outChannels: channels * layer.config.depth_multiplier, groups: channels }
}

/** Keras's axis, counted with the batch over [N, H, W, C], as the hub's dimension of [C, H, W]. */
function concatDim(axis: number, rank: number, where: string): number {
  const at = axis < 0 ? axis + rank + 1 : axis
  if (at < 1 || at > rank) throw new LenetError(`${where}: joins along axis ${axis}`)
  return rank === 3 ? at % 3 : at - 1
}

function reshapeOp(target: readonly number[], shape: NetShape, where: string): NetOp {
  const count = shape.reduce<number>((product, size) => product * (size ?? Number.NaN), 1)
  const known = target.filter((size) => size !== -1).reduce((product, size) => product * size, 1)
  const [height, width, channels] = target.map((size) => (size === -1 ? count / known : size))
  const full = target.map((size) => (size === -1 ? count / known : size))
  if (full.some((size) => !Number.isInteger(size)))
    throw new LenetError(`${where}: ${shownShape(shape)} cannot become [${target.join(', ')}]`)
  const isPicture = full.length === 3 && height !== undefined && width !== undefined && channels !== undefined
  return { op: 'reshape', shape: isPicture ? [channels, height, width] : full, order: 'hwc' }
}

function layerNormOp({ axis, epsilon: eps }: KerasConfig<'LayerNormalization'>, shape: NetShape, where: string): NetOp {
  const over = axis.map((at) => (at < 0 ? at + shape.length + 1 : at)).toSorted((a, b) => a - b)
  const all = shape.map((_, i) => i + 1)
  if (String(over) !== String(all)) {
    throw new LenetError(
      `${where}: normalises axis ${axis.join(', ')} of a picture; only all of its axes together are known`,
    )
  }
  const normalizedShape = shape.map((size) => {
    if (size === null) throw new LenetError(`${where}: the size of its input is left open`)
    return size
  })
  return { op: 'layerNorm', normalizedShape, eps }
}

function groupNormOp(config: KerasConfig<'GroupNormalization'>, shape: NetShape, where: string): NetOp {
  lastAxis(config.axis, shape, where)
  const channels = shape[0] ?? null
  if (channels === null) throw new LenetError(`${where}: the number of channels is left open`)
  return { op: 'groupNorm', groups: config.groups === -1 ? channels : config.groups, eps: config.epsilon }
}

function reluOp(config: KerasConfig<'ReLU'>, where: string): NetOp {
  const { max_value: max } = config
  if (config.threshold !== 0 || (max !== null && config.negative_slope !== 0)) {
    throw new LenetError(`${where}: a ReLU with a threshold, or a slope beside max_value, is not known`)
  }
  if (max !== null) return { op: 'clamp', min: 0, max }
  return config.negative_slope === 0 ? { op: 'relu' } : { op: 'leakyRelu', negativeSlope: config.negative_slope }
}

/** Counted with the batch, channels or features are the last axis. */
function lastAxis(axis: number, shape: NetShape, where: string): void {
  if (axis === -1 || axis === shape.length) return
  throw new LenetError(`${where}: works along axis ${axis} of ${shape.length + 1}; only the last one is known`)
}

/** The main operation of a layer, or undefined where it does nothing (an activation 'linear'). */
export function layerOp(layer: KerasLayer, inputs: readonly NetShape[], where: string): NetOp | undefined {
  const [shape = []] = inputs
  switch (layer.className) {
    case 'InputLayer':
      return undefined
    case 'Rescaling':
      return { op: 'rescaling', ...layer.config }
    case 'Conv2D':
    case 'DepthwiseConv2D':
      return convOp(layer, shape, where)
    case 'Dense':
      return { op: 'linear', outFeatures: layer.config.units, bias: layer.config.use_bias }
    case 'MaxPooling2D':
    case 'AveragePooling2D':
      return poolOp(layer, shape, where)
    case 'GlobalAveragePooling2D':
      return { op: 'globalAvgPool2d', keepDims: layer.config.keepdims }
    case 'GlobalMaxPooling2D':
      return { op: 'globalMaxPool2d', keepDims: layer.config.keepdims }
    case 'Flatten':
      return { op: 'flatten', order: 'hwc' }
    case 'Reshape':
      return reshapeOp(layer.config.target_shape, shape, where)
    case 'BatchNormalization':
      lastAxis(layer.config.axis, shape, where)
      return { op: 'batchNorm', eps: layer.config.epsilon, momentum: complement(layer.config.momentum) }
    case 'LayerNormalization':
      return layerNormOp(layer.config, shape, where)
    case 'GroupNormalization':
      return groupNormOp(layer.config, shape, where)
    case 'Dropout':
      return { op: 'dropout', p: layer.config.rate }
    case 'Activation':
      return activationOps[layer.config.activation]
    case 'ReLU':
      return reluOp(layer.config, where)
    case 'LeakyReLU':
      return { op: 'leakyRelu', negativeSlope: layer.config.negative_slope }
    case 'ELU':
      return { op: 'elu', alpha: layer.config.alpha }
    case 'Softmax':
      lastAxis(layer.config.axis, shape, where)
      return { op: 'softmax' }
    case 'ZeroPadding2D': {
      const [[top, bottom], [left, right]] = layer.config.padding
      return { op: 'pad', padding: { top, bottom, left, right }, value: 0 }
    }
    case 'Cropping2D': {
      const [[top, bottom], [left, right]] = layer.config.cropping
      return { op: 'pad', padding: { top: -top, bottom: -bottom, left: -left, right: -right }, value: 0 }
    }
    case 'Permute':
    case 'Subtract':
    case 'Average':
    case 'Maximum':
    case 'Minimum':
      throw new LenetError(`${where}: a net cannot tell the layer ${layer.className}`)
    case 'Add':
    case 'Multiply':
      return merged(layer.className, inputs, where)
    case 'Concatenate':
      return { op: 'concat', dim: concatDim(layer.config.axis, shape.length, where) }
    default:
      return augmentationOp(layer, shape, where)
  }
}

/** 1 − x without the last digits' noise: 0.99 → 0.01. */
export function complement(x: number): number {
  return Number((1 - x).toPrecision(12))
}

function merged(className: 'Add' | 'Multiply', inputs: readonly NetShape[], where: string): NetOp {
  if (inputs.length < 2 || inputs.some(({ length }) => length !== inputs[0]?.length)) {
    throw new LenetError(`${where}: reads ${inputs.map(shownShape).join(' and ')}; two or more of one rank are known`)
  }
  return { op: className === 'Add' ? 'add' : 'mul' }
}

/** At inference RandomCrop cuts out the middle, which is nothing only where the size is the picture's own. */
function augmentationOp(layer: KerasLayer, shape: NetShape, where: string): NetOp {
  if (layer.className === 'RandomCrop') {
    const { height, width } = layer.config
    if (height !== shape[1] || width !== shape[2]) {
      throw new LenetError(
        `${where}: crops ${shownShape(shape)} to ${height} × ${width}; only a crop to the same size is known`,
      )
    }
  }
  return { op: 'augmentation', layer: layer.className, settings: layer.config }
}

/** The activation that a layer applies to its own result. */
export function ownActivation(layer: KerasLayer): NetOp | undefined {
  const fused = layer.className === 'Conv2D' || layer.className === 'DepthwiseConv2D' || layer.className === 'Dense'
  return fused ? activationOps[layer.config.activation] : undefined
}
