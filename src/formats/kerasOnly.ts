/**
 * What layers of Keras do that a net of the hub (net.ts) cannot tell: their shapes and variables, for Keras's own files, and
 * the words in which they are refused elsewhere. Shapes are the hub's, [C, H, W].
 * Not here: layers that are operations of the hub (kerasNodes.ts, kerasVariables.ts).
 */
import { LenetError } from '../base/index.js'
import type { KerasConfig, KerasLayer } from './kerasLayers.js'
import { shownShape, type NetShape } from './netShapes.js'

/** Activations that are no operation of the hub. */
const activations: ReadonlySet<string> = new Set([
  'selu',
  'softplus',
  'softsign',
  'mish',
  'hard_sigmoid',
  'exponential',
])

/** In words what of the layer a net cannot tell; undefined where it can tell all. */
export function onlyInKeras(layer: KerasLayer, inputs: readonly NetShape[]): string | undefined {
  const [shape = []] = inputs
  switch (layer.className) {
    case 'Permute':
    case 'Subtract':
    case 'Average':
    case 'Maximum':
    case 'Minimum':
      return `the layer ${layer.className}`
    case 'LayerNormalization':
      return isByPixel(layer.config, shape) ? 'a LayerNormalization of each pixel' : undefined
    case 'ReLU': {
      const { max_value, negative_slope, threshold } = layer.config
      const isPlain = threshold === 0 && (max_value === null || negative_slope === 0)
      return isPlain ? undefined : 'a ReLU with a threshold, or a slope beside max_value'
    }
    case 'Dense':
      return shape.length === 1 ? activationWords(layer.config.activation) : `a Dense layer over ${shownShape(shape)}`
    case 'Conv2D':
    case 'DepthwiseConv2D':
    case 'Activation':
      return activationWords(layer.config.activation)
    default:
      return undefined
  }
}

const activationWords = (name: string): string | undefined =>
  activations.has(name) ? `the activation ${name}` : undefined

/** Over channels alone, of a picture. */
function isByPixel({ axis }: KerasConfig<'LayerNormalization'>, shape: NetShape): boolean {
  const [at, ...more] = axis
  return shape.length > 1 && more.length === 0 && (at === -1 || at === shape.length)
}

/** Channels or features: Keras's last size. */
const features = (shape: NetShape): number | null => (shape.length === 3 ? shape[0] : shape.at(-1)) ?? null

/** The shape that the layer gives, where it is no operation of the hub. Throws LenetError where inputs do not fit. */
export function shapeInKeras(layer: KerasLayer, inputs: readonly NetShape[], where: string): NetShape | undefined {
  const [shape = []] = inputs
  switch (layer.className) {
    case 'Permute':
      return permuted(layer.config.dims, shape, where)
    case 'Subtract':
    case 'Average':
    case 'Maximum':
    case 'Minimum':
      return broadcast(inputs, where)
    case 'LayerNormalization':
      return isByPixel(layer.config, shape) ? shape : undefined
    case 'ReLU':
      return shape
    case 'Dense': {
      if (shape.length < 2) return undefined
      const { units } = layer.config
      return shape.length === 3 ? [units, ...shape.slice(1)] : [...shape.slice(0, -1), units]
    }
    default:
      return undefined
  }
}

/** [C, H, W] as Keras has it. */
const outward = (shape: NetShape): NetShape => (shape.length === 3 ? [...shape.slice(1), ...shape.slice(0, 1)] : shape)
const inward = (shape: NetShape): NetShape => (shape.length === 3 ? [...shape.slice(2), ...shape.slice(0, 2)] : shape)

function permuted(dims: readonly number[], shape: NetShape, where: string): NetShape {
  const isOrder = String(dims.toSorted((a, b) => a - b)) === String(shape.map((_, i) => i + 1))
  if (!isOrder)
    throw new LenetError(`${where}: [${dims.join(', ')}] is no order of the dimensions of ${shownShape(shape)}`)
  const sizes = outward(shape)
  return inward(dims.map((dim) => sizes[dim - 1] ?? null))
}

function broadcast(inputs: readonly NetShape[], where: string): NetShape {
  const [first = []] = inputs
  const fits = inputs.length > 1 && inputs.every(({ length }) => length === first.length)
  const sizes = first.map((size, i) => inputs.map((shape) => shape[i] ?? null).find((other) => other !== 1) ?? size)
  if (fits && inputs.every((shape) => shape.every((size, i) => size === 1 || size === sizes[i]))) return sizes
  throw new LenetError(`${where}: its inputs ${inputs.map(shownShape).join(' and ')} do not fit together`)
}

/** Names and shapes of the variables of a layer that is no operation of the hub. */
export function variablesInKeras(
  layer: KerasLayer,
  shape: NetShape,
): readonly { readonly name: string; readonly shape: readonly number[] }[] | undefined {
  const size = features(shape) ?? 0
  if (layer.className === 'Dense' && shape.length > 1) {
    const { units, use_bias } = layer.config
    const kernel = { name: 'kernel', shape: [size, units] }
    return use_bias ? [kernel, { name: 'bias', shape: [units] }] : [kernel]
  }
  if (layer.className === 'LayerNormalization' && isByPixel(layer.config, shape)) {
    const { scale, center } = layer.config
    return [...(scale ? ['gamma'] : []), ...(center ? ['beta'] : [])].map((name) => ({ name, shape: [size] }))
  }
  return undefined
}
