/**
 * Shapes in a net: what each operation makes of its inputs' shapes, which weights it wants, and a check that a whole net
 * fits together. Shapes are without batch; null is a size that is not known before a picture is there.
 * Not here: values.
 */
import { LenetError } from '../base/index.js'
import type { NetFile, NetNode, NetOp, NetPadding, Pair } from './net.js'

export type NetShape = readonly (number | null)[]

export function shownShape(shape: NetShape): string {
  return `[${shape.map((size) => size ?? 'any').join(', ')}]`
}

/** `where` (file, layer) opens an error's sentence. */
function picture(shape: NetShape | undefined, where: string): [number | null, number | null, number | null] {
  const [channels, height, width, ...more] = shape ?? []
  if (channels === undefined || height === undefined || width === undefined || more.length > 0) {
    throw new LenetError(`${where}: reads pictures of three dimensions and is given ${shownShape(shape ?? [])}`)
  }
  return [channels, height, width]
}

function known(size: number | null, what: string, where: string): number {
  if (size === null) throw new LenetError(`${where}: ${what} must be known and is left open in the file`)
  return size
}

interface Windows {
  readonly kernelSize: Pair
  readonly stride: Pair
  readonly padding: NetPadding
  readonly dilation?: Pair
}

/** How many windows fit, height and width. */
function windows(
  { kernelSize, stride, padding, dilation = [1, 1] }: Windows,
  shape: NetShape,
  where: string,
): NetShape {
  const [, height, width] = picture(shape, where)
  const along = (size: number | null, axis: 0 | 1, before: number, after: number): number | null => {
    if (size === null) return null
    const free = size + before + after - ((kernelSize[axis] - 1) * dilation[axis] + 1)
    if (free >= 0) return Math.floor(free / stride[axis]) + 1
    const padded = `${size + before + after}`
    throw new LenetError(`${where}: a window of ${kernelSize.join(' × ')} does not fit into ${padded} rows or columns`)
  }
  return [along(height, 0, padding.top, padding.bottom), along(width, 1, padding.left, padding.right)]
}

function total(shape: NetShape): number | null {
  return shape.reduce<number | null>((product, size) => (product === null || size === null ? null : product * size), 1)
}

function reshaped(to: readonly number[], shape: NetShape, where: string): NetShape {
  const count = total(shape)
  if (count !== null && count !== total(to)) {
    throw new LenetError(`${where}: ${shownShape(shape)} cannot become ${shownShape(to)}`)
  }
  return to
}

/** NumPy's rule, two at a time. */
function broadcast(a: NetShape, b: NetShape, where: string): NetShape {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, i) => {
    const [x, y] = [a[i - rank + a.length], b[i - rank + b.length]]
    if (x === undefined || x === 1) return y ?? x ?? null
    if (y === undefined || y === 1 || x === y || y === null) return x
    if (x === null) return y
    throw new LenetError(`${where}: its inputs ${shownShape(a)} and ${shownShape(b)} do not fit together`)
  })
}

function concatenated(dim: number, shapes: readonly NetShape[], where: string): NetShape {
  const [first = []] = shapes
  if (dim < 0 || dim >= first.length)
    throw new LenetError(`${where}: joins along dimension ${dim} of ${shownShape(first)}`)
  return first.map((size, i) => {
    const sizes = shapes.map((shape) => (shape.length === first.length ? (shape[i] ?? null) : -1))
    if (i === dim) return sizes.reduce((sum, next) => (sum === null || next === null ? null : sum + next))
    if (sizes.every((next) => next === size || (next === null && size === null))) return size
    throw new LenetError(`${where}: joins ${shapes.map(shownShape).join(' and ')}, which differ elsewhere too`)
  })
}

function sliced(op: Extract<NetOp, { readonly op: 'slice' }>, shape: NetShape, where: string): NetShape {
  const { dim, start, end } = op
  const size = known(shape[dim] ?? null, `the size of dimension ${dim}`, where)
  if (!(start >= 0 && end > start && end <= size))
    throw new LenetError(`${where}: takes ${start} to ${end} along dimension ${dim} of ${shownShape(shape)}`)
  return shape.map((old, i) => (i === dim ? end - start : old))
}

function padded({ top, bottom, left, right }: NetPadding, shape: NetShape, where: string): NetShape {
  const [channels, height, width] = picture(shape, where)
  const along = (size: number | null, more: number): number | null => {
    if (size === null || size + more > 0) return size === null ? null : size + more
    throw new LenetError(`${where}: cuts ${-more} off a picture ${shownShape(shape)}`)
  }
  return [channels, along(height, top + bottom), along(width, left + right)]
}

/** The shape that `op` gives. `where` opens an error's sentence. Throws LenetError where the input does not fit. */
export function opShape(op: NetOp, inputs: readonly NetShape[], where: string): NetShape {
  const [shape = []] = inputs
  switch (op.op) {
    case 'conv2d':
      return [op.outChannels, ...windows(op, shape, where)]
    case 'maxPool2d':
    case 'avgPool2d':
      return [picture(shape, where)[0], ...windows(op, shape, where)]
    case 'globalAvgPool2d':
    case 'globalMaxPool2d':
      return op.keepDims ? [picture(shape, where)[0], 1, 1] : [picture(shape, where)[0]]
    case 'linear':
      return [...shape.slice(0, -1), op.outFeatures]
    case 'flatten':
      return [total(shape)]
    case 'reshape':
      return reshaped(op.shape, shape, where)
    case 'pad':
      return padded(op.padding, shape, where)
    case 'slice':
      return sliced(op, shape, where)
    case 'concat':
      return concatenated(op.dim, inputs, where)
    case 'add':
    case 'mul':
      return inputs.reduce((a, b) => broadcast(a, b, where))
    default:
      return shape
  }
}

/** The weights that `op` wants for an input of this shape: name → shape. Those of norms are each optional but the running ones. */
export function opWeights(op: NetOp, input: NetShape, where: string): Map<string, readonly number[]> {
  const wanted = new Map<string, readonly number[]>()
  if (op.op === 'conv2d') {
    const channels = known(picture(input, where)[0], 'the number of channels', where)
    if (channels % op.groups !== 0 || op.outChannels % op.groups !== 0) {
      const counts = `${channels} channels in, ${op.outChannels} out`
      throw new LenetError(`${where}: ${op.groups} groups do not divide ${counts}`)
    }
    wanted.set('weight', [op.outChannels, channels / op.groups, ...op.kernelSize])
    if (op.bias) wanted.set('bias', [op.outChannels])
  } else if (op.op === 'linear') {
    wanted.set('weight', [op.outFeatures, known(input.at(-1) ?? null, 'the number of features', where)])
    if (op.bias) wanted.set('bias', [op.outFeatures])
  } else if (op.op === 'batchNorm') {
    const channels = [known(input[0] ?? null, 'the number of channels', where)]
    for (const key of ['weight', 'bias', 'running_mean', 'running_var']) wanted.set(key, channels)
  } else if (op.op === 'layerNorm') {
    for (const key of ['weight', 'bias']) wanted.set(key, op.normalizedShape)
  } else if (op.op === 'groupNorm') {
    const channels = known(input[0] ?? null, 'the number of channels', where)
    if (channels % op.groups !== 0)
      throw new LenetError(`${where}: ${channels} channels do not fall into ${op.groups} equal groups`)
    for (const key of ['weight', 'bias']) wanted.set(key, [channels])
  }
  return wanted
}

function checkWeights(node: NetNode, input: NetShape, where: string): void {
  const wanted = opWeights(node, input, where)
  for (const [key, { shape, data }] of node.weights) {
    const size = shape.reduce((product, next) => product * next, 1)
    const fits = wanted.get(key)
    if (fits === undefined) throw new LenetError(`${where}: has a weight ${key}, which a ${node.op} does not have`)
    if (String(fits) !== String(shape) || data.length !== size) {
      throw new LenetError(`${where}: ${key} is ${shownShape(shape)} in the file; the net wants ${shownShape(fits)}`)
    }
  }
  const isNorm = node.op === 'batchNorm' || node.op === 'layerNorm' || node.op === 'groupNorm'
  for (const key of wanted.keys()) {
    if (node.weights.has(key) || (isNorm && !key.startsWith('running'))) continue
    throw new LenetError(`${where}: the weight ${key} is missing`)
  }
}

/**
 * The shape of every value by name, inputs included. Throws LenetError, naming `where` and the node, where a name is
 * given twice, a node reads what does not come before it, or a shape or weight does not fit.
 */
export function netShapes(net: NetFile, where = 'the net'): Map<string, NetShape> {
  const shapes = new Map<string, NetShape>(net.inputs.map(({ name, shape }) => [name, shape]))
  for (const node of net.nodes) {
    const place = `${where}, ${node.name}`
    if (shapes.has(node.name)) throw new LenetError(`${place}: two values have this name`)
    const inputs = node.inputs.map((name) => {
      const shape = shapes.get(name)
      if (shape === undefined)
        throw new LenetError(`${place}: reads ${JSON.stringify(name)}, which does not come before it`)
      return shape
    })
    if (inputs.length === 0) throw new LenetError(`${place}: reads nothing`)
    checkWeights(node, inputs[0] ?? [], place)
    shapes.set(node.name, opShape(node, inputs, place))
  }
  for (const name of net.outputs) if (!shapes.has(name)) throw new LenetError(`${where}: the output ${name} is missing`)
  return shapes
}
