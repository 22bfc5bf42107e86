/**
 * The variables of each Keras layer: names, shapes and order as Keras has them, and the way of their values to and from
 * the hub's weights. Optimizer slots have their variable's layout and go the same way.
 * Not here: files; what layers compute (kerasNodes.ts).
 */
import { LenetError } from '../base/index.js'
import type { KerasLayer } from './kerasLayers.js'
import { shapeInKeras, variablesInKeras } from './kerasOnly.js'
import { inputShape, layerOp, ownActivation } from './kerasNodes.js'
import type { KerasModel, KerasWeights } from './kerasTypes.js'
import type { NetTensor } from './net.js'
import { opShape, opWeights, shownShape, type NetShape } from './netShapes.js'

/** A variable of a layer: what Keras calls it, the hub's key, and its layout on both sides. */
export interface KerasVariable {
  readonly name: string
  readonly key: string
  readonly shape: readonly number[]
  readonly trainable: boolean
  readonly toNet: (tensor: NetTensor) => NetTensor
  readonly fromNet: (tensor: NetTensor) => NetTensor
}

/** The tensor with dimension `axes[i]` at place i. */
function transposed({ shape, data }: NetTensor, axes: readonly number[]): NetTensor {
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((product, size) => product * size, 1))
  const to = axes.map((axis) => shape[axis] ?? 1)
  const steps = axes.map((axis) => strides[axis] ?? 0)
  const out = new Float32Array(data.length)
  const index = to.map(() => 0)
  for (let at = 0, from = 0; at < out.length; at++) {
    out[at] = data[from] ?? 0
    for (let dim = to.length - 1; dim >= 0; dim--) {
      const step = steps[dim] ?? 0
      index[dim] = (index[dim] ?? 0) + 1
      from += step
      if ((index[dim] ?? 0) < (to[dim] ?? 0)) break
      from -= step * (to[dim] ?? 0)
      index[dim] = 0
    }
  }
  return { shape: to, data: out }
}

const same = (tensor: NetTensor): NetTensor => tensor
const reshaped = (tensor: NetTensor, shape: readonly number[]): NetTensor => ({ shape, data: tensor.data })

/** [kh, kw, in, out] ↔ [out, in, kh, kw]. */
const convKernel = {
  toNet: (tensor: NetTensor): NetTensor => transposed(tensor, [3, 2, 0, 1]),
  fromNet: (tensor: NetTensor): NetTensor => transposed(tensor, [2, 3, 1, 0]),
}

/** [kh, kw, channels, multiplier] ↔ [channels · multiplier, 1, kh, kw]. */
const depthwiseKernel = {
  toNet: (tensor: NetTensor): NetTensor => {
    const [kh = 0, kw = 0, channels = 0, multiplier = 0] = tensor.shape
    return reshaped(transposed(tensor, [2, 3, 0, 1]), [channels * multiplier, 1, kh, kw])
  },
  fromNet: (tensor: NetTensor, channels: number): NetTensor => {
    const [out = 0, , kh = 0, kw = 0] = tensor.shape
    return transposed(reshaped(tensor, [channels, out / channels, kh, kw]), [2, 3, 0, 1])
  },
}

const denseKernel = {
  toNet: (tensor: NetTensor): NetTensor => transposed(tensor, [1, 0]),
  fromNet: (tensor: NetTensor): NetTensor => transposed(tensor, [1, 0]),
}

/** [H, W, C] ↔ [C, H, W]; lists stay. */
const picture = {
  toNet: (tensor: NetTensor): NetTensor => (tensor.shape.length === 3 ? transposed(tensor, [2, 0, 1]) : tensor),
  fromNet: (tensor: NetTensor): NetTensor => (tensor.shape.length === 3 ? transposed(tensor, [1, 2, 0]) : tensor),
}

const plain = { toNet: same, fromNet: same }

function kernelOf(layer: KerasLayer, wanted: readonly number[], channels: number): KerasVariable {
  const common = { name: 'kernel', key: 'weight', trainable: true }
  const [out = 0, inner = 0, kh = 0, kw = 0] = wanted
  if (layer.className === 'Dense') return { ...common, shape: [inner, out], ...denseKernel }
  if (layer.className === 'Conv2D') return { ...common, shape: [kh, kw, inner, out], ...convKernel }
  const fromNet = (tensor: NetTensor): NetTensor => depthwiseKernel.fromNet(tensor, channels)
  return { ...common, shape: [kh, kw, channels, out / channels], toNet: depthwiseKernel.toNet, fromNet }
}

type Norm = KerasLayer & {
  readonly className: 'BatchNormalization' | 'LayerNormalization' | 'GroupNormalization'
}

const isNorm = (layer: KerasLayer): layer is Norm =>
  layer.className === 'BatchNormalization' ||
  layer.className === 'LayerNormalization' ||
  layer.className === 'GroupNormalization'

function normVariables(layer: KerasLayer, wanted: readonly number[]): KerasVariable[] {
  if (!isNorm(layer)) return []
  const [channels, ...pixels] = wanted
  const shape = pixels.length === 2 && channels !== undefined ? [...pixels, channels] : wanted
  const layout = layer.className === 'LayerNormalization' ? picture : plain
  const make = (name: string, key: string, trainable: boolean): KerasVariable => ({
    name,
    key,
    shape,
    trainable,
    ...layout,
  })
  const all = [
    ...(layer.config.scale ? [make('gamma', 'weight', true)] : []),
    ...(layer.config.center ? [make('beta', 'bias', true)] : []),
  ]
  if (layer.className !== 'BatchNormalization') return all
  return [...all, make('moving_mean', 'running_mean', false), make('moving_variance', 'running_var', false)]
}

const weighted: ReadonlySet<string> = new Set([
  'Conv2D',
  'DepthwiseConv2D',
  'Dense',
  'BatchNormalization',
  'LayerNormalization',
  'GroupNormalization',
])

/** The layer's variables in Keras's order, for an input of shape [C, H, W] or [F]. */
export function layerVariables(layer: KerasLayer, input: NetShape, where: string): KerasVariable[] {
  if (!weighted.has(layer.className)) return []
  const own = variablesInKeras(layer, input)
  if (own) return own.map(({ name, shape }) => ({ name, key: name, shape, trainable: true, ...plain }))
  const op = layerOp(layer, [input], where)
  if (op === undefined) return []
  const wanted = opWeights(op, input, where)
  if (op.op === 'batchNorm' || op.op === 'layerNorm' || op.op === 'groupNorm')
    return normVariables(layer, wanted.get('weight') ?? [])
  const bias = wanted.get('bias')
  const variables = [kernelOf(layer, wanted.get('weight') ?? [], input[0] ?? 1)]
  if (bias !== undefined) variables.push({ name: 'bias', key: 'bias', shape: bias, trainable: true, ...plain })
  return variables
}

/** A layer with what it reads: shapes are the hub's. */
export interface PlacedLayer {
  readonly layer: KerasLayer
  readonly inputs: readonly NetShape[]
  readonly output: NetShape
  readonly variables: readonly KerasVariable[]
}

/** Every layer of the model with shapes and variables. Throws LenetError where layers do not fit together. */
export function placeLayers(model: KerasModel, where: string): PlacedLayer[] {
  const shapes = new Map<string, NetShape>()
  return model.layers.map((layer) => {
    const place = `${where}, layer ${layer.name}`
    const inputs = layer.inbound.map((name) => shapes.get(name) ?? [])
    const output =
      layer.className === 'InputLayer' ? inputShape(layer.config.batch_shape, place) : outputShape(layer, inputs, place)
    shapes.set(layer.name, output)
    const variables = layer.className === 'InputLayer' ? [] : layerVariables(layer, inputs[0] ?? [], place)
    return { layer, inputs, output, variables }
  })
}

function outputShape(layer: KerasLayer, inputs: readonly NetShape[], where: string): NetShape {
  const only = shapeInKeras(layer, inputs, where)
  if (only) return only
  const op = layerOp(layer, inputs, where)
  const main = op === undefined ? (inputs[0] ?? []) : opShape(op, inputs, where)
  const own = ownActivation(layer)
  return own === undefined ? main : opShape(own, [main], where)
}

/** The variable's values under its name, after a check of shape and number. Throws LenetError with both shapes. */
export function checkedVariable(variable: KerasVariable, tensor: NetTensor | undefined, where: string): NetTensor {
  if (tensor === undefined) throw new LenetError(`${where}: the weight ${variable.name} is missing`)
  if (String(tensor.shape) === String(variable.shape)) return tensor
  const sides = `${shownShape(tensor.shape)}; the model's config wants ${shownShape(variable.shape)}`
  throw new LenetError(`${where}: the weight ${variable.name} in the file is ${sides}`)
}

/** Throws LenetError where weights and model disagree, in either direction. */
export function checkWeights(model: KerasModel, weights: KerasWeights, where: string): void {
  const placed = new Map(placeLayers(model, where).map((place) => [place.layer.name, place.variables]))
  for (const [name, given] of weights) {
    const variables = placed.get(name)
    if (variables === undefined)
      throw new LenetError(`${where}: has weights for ${JSON.stringify(name)}, which is no layer of the model`)
    for (const key of given.keys()) {
      if (!variables.some((variable) => variable.name === key))
        throw new LenetError(`${where}, layer ${name}: has no weight ${key}`)
    }
  }
  for (const [name, variables] of placed) {
    for (const variable of variables)
      checkedVariable(variable, weights.get(name)?.get(variable.name), `${where}, layer ${name}`)
  }
}
