/**
 * Activations, sums and products. A constant summand or factor is a layer's bias, or a rescaling.
 * Not here: activations that a file spells out in several nodes (fuse.ts).
 */
import type { NetNode, NetOp, NetTensor } from '../net.js'
import { fileShape, type NetValue, type NodeContext } from './context.js'
import { ownPrefix } from './graphWriter.js'
import { netInputs } from './shapes.js'

/** What exporters write for no limit: the largest number of float32 and beyond. */
const largest = 3.4e38

function activation(context: NodeContext, op: NetOp): void {
  const x = context.net()
  context.emit(op, { inputs: [x], shape: x.shape, hwc: x.hwc })
}

export const activations: Readonly<Record<string, (context: NodeContext) => void>> = {
  Relu: (context) => activation(context, { op: 'relu' }),
  Sigmoid: (context) => activation(context, { op: 'sigmoid' }),
  Tanh: (context) => activation(context, { op: 'tanh' }),
  Neg: (context) => activation(context, { op: 'rescaling', scale: [-1], offset: [0] }),
  HardSwish: (context) => activation(context, { op: 'hardSwish' }),
  LeakyRelu: (context) => activation(context, { op: 'leakyRelu', negativeSlope: context.float('alpha', 0.01) }),
  Elu: (context) => activation(context, { op: 'elu', alpha: context.float('alpha', 1) }),
  Gelu: (context) => {
    const approximate = context.text('approximate', 'none')
    if (approximate !== 'none' && approximate !== 'tanh')
      return context.fail('its approximate is neither none nor tanh')
    activation(context, { op: 'gelu', approximate })
  },
  Swish: (context) => {
    if (context.float('alpha', 1) !== 1) context.fail('its alpha is not 1')
    activation(context, { op: 'silu' })
  },
  Softmax: (context) => overChannels(context, { op: 'softmax' }),
  LogSoftmax: (context) => overChannels(context, { op: 'logSoftmax' }),
}

/** The axis of the file that holds channels or features. */
function channelAxis({ hwc }: NetValue): number {
  return hwc ? 3 : 1
}

function overChannels(context: NodeContext, op: NetOp): void {
  const x = context.net()
  // Before opset 13 over all axes from `axis` on: the same where there is nothing behind the channels.
  const isOld = context.state.opset < 13 && x.shape.slice(1).some((size) => size !== 1)
  const axis = context.axis(context.int('axis', context.state.opset < 13 ? 1 : -1), x.shape.length + 1)
  if (axis !== channelAxis(x) || isOld) {
    context.fail(`over axis ${axis} of [N, ${fileShape(x).join(', ')}]; channels or features are expected`)
  }
  activation(context, op)
}

/** NumPy's broadcasting of shapes of one rank. */
function broadcast(context: NodeContext, inputs: readonly NetValue[]): number[] {
  const [first] = inputs
  return (first?.shape ?? []).map((_, axis) => {
    const sizes = inputs.map(({ shape }) => shape[axis] ?? 1)
    const size = Math.max(...sizes)
    if (sizes.some((other) => other !== 1 && other !== size)) {
      const shown = inputs.map((value) => `[N, ${fileShape(value).join(', ')}]`)
      context.fail(`its inputs are ${shown.slice(0, 4).join(' and ')}, which do not fit together`)
    }
    return size
  })
}

function combine(context: NodeContext, op: 'add' | 'mul'): void {
  const inputs = netInputs(context)
  if (inputs.length === 1) return context.alias(inputs[0])
  context.emit({ op }, { inputs, shape: broadcast(context, inputs), hwc: inputs[0].hwc })
}

/** a − b as a + (−1) b. */
function difference(context: NodeContext): void {
  const [a, b] = netInputs(context)
  if (b === undefined) return context.fail('it has one input; two are expected')
  const negative = rescale(context, b, [-1], [0])
  context.emit({ op: 'add' }, { inputs: [a, negative], shape: broadcast(context, [a, b]), hwc: a.hwc })
}

/** Limits as inputs (opset 11) or attributes; those that say nothing are left out. */
export function clip(context: NodeContext): void {
  const x = context.net()
  const limit = (i: number, name: string, nothing: number): number | null => {
    const isInput = context.input(i) !== undefined
    if (!isInput && context.attribute(name) === undefined) return null
    const value = isInput ? context.limit(i, name) : context.float(name, nothing)
    return Math.abs(value) < largest
      ? value
      : value === nothing || value * nothing > 0
        ? null
        : context.fail(`its ${name} is ${value}`)
  }
  const [min, max] = [limit(1, 'min', -Infinity), limit(2, 'max', Infinity)]
  if (min === null && max === null) return context.alias(x)
  const op: NetOp = min === 0 && max === null ? { op: 'relu' } : { op: 'clamp', min, max }
  context.emit(op, { inputs: [x], shape: x.shape, hwc: x.hwc })
}

/** Max or Min of a value and one number. */
export function extreme(context: NodeContext): void {
  const isMax = context.node.op === 'Max'
  const at = context.input(0)?.kind === 'net' ? 0 : 1
  if (context.node.inputs.length !== 2 || context.input(1 - at)?.kind !== 'const')
    context.fail('of two computed values is not known here')
  const [x, value] = [context.net(at), context.limit(1 - at, 'constant')]
  const op: NetOp = isMax ? { op: 'clamp', min: value, max: null } : { op: 'clamp', min: null, max: value }
  context.emit(op, { inputs: [x], shape: x.shape, hwc: x.hwc })
}

export function sum(context: NodeContext): void {
  combine(context, 'add')
}

/** A constant as one number, or one a channel. */
function perChannel(context: NodeContext, x: NetValue, i: number): number[] {
  const { shape, data } = context.weights(i, 'constant')
  const rank = x.shape.length + 1
  const full = [...new Array<number>(Math.max(rank - shape.length, 0)).fill(1), ...shape]
  const axis = channelAxis(x)
  const fits = full.every((size, at) => size === 1 || (at === axis && size === x.shape[0]))
  if (full.length !== rank || !fits || (data.length > 1 && x.shape.length !== 1 && x.shape.length !== 3)) {
    context.fail(
      `with a constant [${shape.join(', ')}]; one number, or one a channel of [N, ${fileShape(x).join(', ')}]`,
    )
  }
  return [...data]
}

/** Add, Sub, Mul and Div of two values, or of a value and a constant. */
export function binary(context: NodeContext): void {
  const { op } = context.node
  const [left, right] = [context.input(0), context.input(1)]
  if (context.node.inputs.length !== 2) context.fail(`it has ${context.node.inputs.length} inputs; two are expected`)
  if (left?.kind === 'net' && right?.kind === 'net') {
    if (op === 'Add' || op === 'Mul') return combine(context, op === 'Add' ? 'add' : 'mul')
    if (op === 'Sub') return difference(context)
    return context.fail('of two computed values is not known here')
  }
  const at = left?.kind === 'net' ? 0 : 1
  const x = context.net(at)
  if (op === 'Add' && joinsLayer(context, x, 1 - at)) return
  if ((op === 'Add' || op === 'Mul') && joinsNorm(context, x, 1 - at)) return
  const constant = perChannel(context, x, 1 - at)
  if (op === 'Add') return shift(context, x, constant)
  if (op === 'Sub' && at === 0)
    return shift(
      context,
      x,
      constant.map((c) => -c),
    )
  if (op === 'Sub') return void rescale(context, x, [-1], constant)
  if (op === 'Mul') return void rescale(context, x, constant, [0])
  if (at === 1) context.fail('a constant divided by a value is not known here')
  rescale(
    context,
    x,
    constant.map((c) => 1 / c),
    [0],
  )
}

function rescale(context: NodeContext, x: NetValue, scale: readonly number[], offset: readonly number[]): NetValue {
  return context.emit({ op: 'rescaling', scale, offset }, { inputs: [x], shape: x.shape, hwc: x.hwc })
}

/** A summand as the bias of the layer before, if that has none and nobody else reads it; false where it is none. */
function joinsLayer(context: NodeContext, x: NetValue, i: number): boolean {
  const { ours, nodes } = context.state
  if (!x.sole || (ours && !context.node.name.startsWith(ownPrefix))) return false
  const before = nodes.findLast((node) => node.name === x.name)
  if ((before?.op !== 'conv2d' && before?.op !== 'linear') || before.bias) return false
  const count = before.op === 'conv2d' ? before.outChannels : before.outFeatures
  const { shape, data } = context.weights(i, 'constant')
  // a layer's features are its last dimension, a picture's channels may come first
  const isOverLast = before.op === 'linear' && shape.at(-1) === count && data.length === count
  const values = isOverLast ? [...data] : perChannel(context, x, i)
  if (values.length !== count) return false
  context.replace(x, (node) => withBias(node, { shape: [count], data: Float32Array.from(values) }))
  return true
}

/** Factor and summand of a layer norm that the file spells out, in this order; false where it is none. */
function joinsNorm(context: NodeContext, x: NetValue, i: number): boolean {
  const before = x.sole ? context.state.nodes.findLast((node) => node.name === x.name) : undefined
  if (before?.op !== 'layerNorm' || context.state.ours) return false
  const key = context.node.op === 'Mul' ? 'weight' : 'bias'
  const { shape, data } = context.weights(i, key)
  const isNext = !before.weights.has('bias') && !before.weights.has(key)
  if (!isNext || String(shape) !== String(before.normalizedShape)) return false
  context.replace(x, (node) => ({ ...node, weights: new Map([...node.weights, [key, { shape, data }]]) }))
  return true
}

/** An offset, alone or as part of the rescaling before. */
function shift(context: NodeContext, x: NetValue, offset: readonly number[]): void {
  const before = x.sole ? context.state.nodes.findLast((node) => node.name === x.name) : undefined
  if (before?.op === 'rescaling' && before.offset.every((value) => value === 0)) {
    return context.replace(x, (node) => (node.op === 'rescaling' ? { ...node, offset } : node))
  }
  rescale(context, x, [1], offset)
}

function withBias(node: NetNode, bias: NetTensor): NetNode {
  if (node.op !== 'conv2d' && node.op !== 'linear') return node
  return { ...node, bias: true, weights: new Map([...node.weights, ['bias', bias]]) }
}
