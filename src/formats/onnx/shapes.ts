/**
 * Operators that change a shape or an order: Flatten, Reshape, Squeeze, Transpose, Concat, Pad and those that do
 * nothing here. A picture that the file holds as [N, H, W, C] is followed as such, so that its order is told at flatten.
 * Not here: the same operators on constants (constants.ts).
 */
import type { PictureOrder } from '../net.js'
import { axesOf, cutRange, cutsOf } from './constants.js'
import { elements, fileShape, type GraphState, type NetValue, type NodeContext, type Size } from './context.js'
import { onnxTypes } from './tensors.js'

/** Operators that treat all items of a picture alike or by channel, and so may come before it is turned. */
const passing = new Set(['Add', 'Sub', 'Mul', 'Div', 'Cast', 'Identity', 'Neg', 'Relu', 'Dropout'])

/** Everything that reads the value turns [N, H, W, C] into [N, C, H, W], at once or a few operators later. */
export function becomesChannelsFirst({ readers, outputs }: GraphState, value: string): boolean {
  let values = [value]
  for (let depth = 0; depth < 6 && values.length < 50; depth++) {
    const nodes = values.flatMap((name) => readers.get(name) ?? [])
    if (nodes.length === 0 || values.some((name) => outputs.has(name))) return false
    const others = nodes.filter(
      ({ op, attributes }) => op !== 'Transpose' || String(attributes.get('perm')?.ints) !== '0,3,1,2',
    )
    if (others.length === 0) return true
    if (others.some(({ op }) => !passing.has(op))) return false
    values = others.map(({ outputs: [output = ''] }) => output)
  }
  return false
}

export function identity(context: NodeContext): void {
  context.alias(context.net())
}

export function cast(context: NodeContext): void {
  const type = onnxTypes[context.int('to', 0)] ?? String(context.int('to', 0))
  if (!['float', 'float16', 'double', 'bfloat16'].includes(type))
    context.fail(`to ${type}; the net's values stay floats`)
  identity(context)
}

export function dropout(context: NodeContext): void {
  const x = context.net()
  const p =
    context.input(1) === undefined ? context.float('ratio', 0.5) : Number(context.scalar(1, 'ratio').toPrecision(6))
  if (!(p >= 0 && p <= 1)) context.fail(`its ratio is ${p}`)
  const isTraining = [...(context.constant(2)?.tensor.data ?? [])].some((value) => Number(value) !== 0)
  if (isTraining) context.fail('its training_mode is on: export the net for inference')
  context.emit({ op: 'dropout', p }, { inputs: [x], shape: x.shape, hwc: x.hwc })
}

/** A new shape, without batch, as the file means it. */
function toShape(context: NodeContext, x: NetValue, shape: readonly number[]): void {
  const old = fileShape(x)
  if (elements(shape) !== elements(old)) context.fail(`[N, ${old.join(', ')}] cannot become [N, ${shape.join(', ')}]`)
  if (String(shape) === String(old)) return context.alias(x)
  if (shape.length === 1) return void flat(context, x)
  const becomes = shape.length === 3 && becomesChannelsFirst(context.state, context.node.outputs[0] ?? '')
  // a picture read by channels and filled by pixels goes through a list
  const from = becomes && x.shape.length === 3 && !x.hwc ? flat(context, x) : x
  const isHwc = becomes || (from.hwc && shape.length === 3)
  const order: PictureOrder = isHwc || from.hwc ? 'hwc' : 'chw'
  const [height = 0, width = 0, channels = 0] = shape
  const own = isHwc ? [channels, height, width] : shape
  context.emit({ op: 'reshape', shape: own, order }, { inputs: [from], shape: own, hwc: isHwc })
}

function flat(context: NodeContext, x: NetValue): NetValue {
  return context.emit({ op: 'flatten', order: x.hwc ? 'hwc' : 'chw' }, { inputs: [x], shape: [elements(x.shape)] })
}

export function flatten(context: NodeContext): void {
  const x = context.net()
  const axis = context.axis(context.int('axis', 1), x.shape.length + 1)
  if (axis !== 1) context.fail(`its axis is ${axis}; 1 is expected`)
  toShape(context, x, [elements(x.shape)])
}

/** Whether the first entry of a new shape leaves the batch alone; `rest` are the other entries, `count` items to place. */
function keepsBatch(context: NodeContext, first: Size | undefined, rest: readonly number[], count: number): boolean {
  if (first === 'batch' || (first === 0 && context.int('allowzero', 0) === 0)) return true
  if (first === undefined) return false
  if (first === context.state.batch) return true
  return first === -1 && !rest.includes(-1) && elements(rest) === count
}

export function reshape(context: NodeContext): void {
  const x = context.net()
  const old = fileShape(x)
  const [first, ...given] = context.sizes(1, 'shape')
  const zeroCopies = context.int('allowzero', 0) === 0
  const rest = given.map((size, i) => {
    if (size === 'batch') return context.fail('its shape has the batch in a place other than the first')
    return size === 0 && zeroCopies ? (old[i] ?? context.fail('its shape copies a size that is not there')) : size
  })
  const count = elements(x.shape)
  if (!keepsBatch(context, first, rest, count)) {
    context.fail(`its shape is [${[first, ...given].join(', ')}]; only shapes that leave the batch alone are known`)
  }
  const known = elements(rest.filter((size) => size !== -1))
  const shape = rest.map((size) => (size === -1 ? count / known : size))
  if (rest.filter((size) => size === -1).length > 1 || shape.some((size) => !Number.isSafeInteger(size) || size < 1)) {
    context.fail(`[N, ${old.join(', ')}] cannot become [N, ${given.join(', ')}]`)
  }
  toShape(context, x, shape)
}

export function squeeze(context: NodeContext): void {
  const x = context.net()
  const old = fileShape(x)
  const axes = axesOf(context) ?? context.fail('its axes are missing; the batch may be 1')
  const dropped = new Set(axes.map((axis) => context.axis(axis, old.length + 1) - 1))
  if ([...dropped].some((axis) => old[axis] !== 1)) context.fail('it takes away a dimension that is not 1')
  toShape(
    context,
    x,
    old.filter((_, axis) => !dropped.has(axis)),
  )
}

export function unsqueeze(context: NodeContext): void {
  const x = context.net()
  const old = [...fileShape(x)]
  const axes = axesOf(context) ?? context.fail('its axes are missing')
  const rank = old.length + 1 + axes.length
  if (rank > 8) context.fail(`its output would have ${rank} dimensions`)
  const added = new Set(axes.map((axis) => context.axis(axis, rank) - 1))
  if (added.size !== axes.length) context.fail(`its axes are [${axes.join(', ')}]`)
  toShape(
    context,
    x,
    Array.from({ length: rank - 1 }, (_, axis) => (added.has(axis) ? 1 : (old.shift() ?? 1))),
  )
}

export function transpose(context: NodeContext): void {
  const x = context.net()
  const rank = x.shape.length + 1
  const perm = context.ints('perm') ?? Array.from({ length: rank }, (_, axis) => rank - 1 - axis)
  const text = perm.slice(0, 12).join(', ')
  if (text === Array.from({ length: rank }, (_, axis) => axis).join(', ')) return context.alias(x)
  if (rank === 4 && text === '0, 3, 1, 2' && x.hwc) return context.alias(x, false)
  if (rank === 4 && text === '0, 2, 3, 1' && !x.hwc) return context.alias(x, true)
  const layout = rank === 4 ? (x.hwc ? ' (a picture, channels last)' : ' (a picture, channels first)') : ''
  context.fail(`perm [${text}] of [N, ${fileShape(x).join(', ')}]${layout} is not known here`)
}

/** The dimension of CHW (or of a list) that axis `axis` of the file is. */
function ownDim({ hwc }: NetValue, axis: number): number {
  return hwc ? axis % 3 : axis - 1
}

/** `count` items from `first` on along an axis of the file; the value itself where that is everything. */
function part(
  context: NodeContext,
  x: NetValue,
  axis: number,
  range: { first: number; count: number },
  output = 0,
): NetValue {
  const dim = ownDim(x, axis)
  const { first: start, count } = range
  const size = x.shape[dim] ?? 0
  if (start === 0 && count === size) {
    context.give(x, output)
    return { ...x, sole: false }
  }
  if (!(start >= 0 && count >= 1 && start + count <= size))
    context.fail(`it takes ${count} of ${size} items from ${start} on`)
  const shape = x.shape.map((old, i) => (i === dim ? count : old))
  return context.emit({ op: 'slice', dim, start, end: start + count }, { inputs: [x], shape, hwc: x.hwc, output })
}

/** Axis after axis; of the batch everything. */
export function slice(context: NodeContext): void {
  const x = context.net()
  const rank = x.shape.length + 1
  let taken = x
  for (const cut of cutsOf(context)) {
    if (cut.step !== 1) context.fail(`its step is ${cut.step}; 1 is expected`)
    const axis = cut.axis < 0 ? cut.axis + rank : cut.axis
    if (axis === 0 && cut.start === 0 && cut.end >= (context.state.batch ?? 2 ** 31 - 1)) continue
    const size = taken.shape[ownDim(taken, context.axis(axis, rank))] ?? 0
    taken = part(context, taken, axis, cutRange(cut, size))
  }
  if (taken === x) context.alias(x)
}

/** Parts of given sizes (an input since opset 13), or as many equal ones as there are outputs. */
export function split(context: NodeContext): void {
  const x = context.net()
  const axis = context.axis(context.int('axis', 0), x.shape.length + 1)
  const size = x.shape[ownDim(x, axis)] ?? 0
  const count = context.node.outputs.length
  const given = context.input(1) === undefined ? context.ints('split') : context.numbers(1, 'split')
  const each = Math.ceil(size / count)
  const sizes = given ?? Array.from({ length: count }, (_, i) => Math.min(each, size - i * each))
  if (sizes.length !== count || sizes.reduce((sum, next) => sum + next, 0) !== size) {
    context.fail(`its parts are [${sizes.join(', ')}] of ${size} items, its outputs ${count}`)
  }
  let first = 0
  sizes.forEach((part_, i) => {
    if (context.node.outputs[i] !== '') part(context, x, axis, { first, count: part_ }, i)
    first += part_
  })
}

/** One item along an axis, which vanishes, or a run of neighbours. */
export function gather(context: NodeContext): void {
  const x = context.net()
  const axis = context.axis(context.int('axis', 0), x.shape.length + 1)
  const size = x.shape[ownDim(x, axis)] ?? 0
  const indices = context.constant(1)?.tensor.shape ?? []
  const items = context.numbers(1, 'indices').map((i) => (i < 0 ? i + size : i))
  const [first = -1] = items
  const isRun = indices.length < 2 && items.every((item, i) => item === first + i)
  if (!isRun || first < 0) context.fail(`its indices are [${items.slice(0, 8).join(', ')}]; neighbours are expected`)
  const taken = part(context, x, axis, { first, count: items.length })
  if (indices.length === 0)
    toShape(
      context,
      taken,
      fileShape(taken).filter((_, i) => i !== axis - 1),
    )
}

/** Inputs that the net computes, of one layout and rank. */
export function netInputs(context: NodeContext): [NetValue, ...NetValue[]] {
  const [first, ...others] = context.node.inputs.map((_, i) => context.net(i))
  if (first === undefined) return context.fail('it has no input')
  if (others.some(({ hwc, shape }) => hwc !== first.hwc || shape.length !== first.shape.length)) {
    const shown = [first, ...others].map((value) => `[N, ${fileShape(value).join(', ')}]`)
    context.fail(`its inputs are ${shown.slice(0, 4).join(' and ')}, of two layouts`)
  }
  return [first, ...others]
}

export function concat(context: NodeContext): void {
  const inputs = netInputs(context)
  const [first] = inputs
  const dim = ownDim(first, context.axis(context.int('axis', 1), first.shape.length + 1))
  if (inputs.some(({ shape }) => shape.some((size, i) => i !== dim && size !== first.shape[i]))) {
    const shown = inputs.map((value) => `[N, ${fileShape(value).join(', ')}]`)
    context.fail(`its inputs are ${shown.slice(0, 4).join(' and ')}, which do not fit together`)
  }
  if (inputs.length === 1) return context.alias(first)
  const total = inputs.reduce((sum, { shape }) => sum + (shape[dim] ?? 0), 0)
  const shape = first.shape.map((size, i) => (i === dim ? total : size))
  context.emit({ op: 'concat', dim }, { inputs, shape, hwc: first.hwc })
}

/** Pads as inputs (opset 11) or attributes: begins, then ends, of every axis or of those in `axes`. */
function padsByAxis(context: NodeContext, rank: number): { before: number[]; after: number[] } {
  const pads = context.input(1) === undefined ? context.ints('pads') : context.numbers(1, 'pads')
  const axes = context.input(3) === undefined ? Array.from({ length: rank }, (_, i) => i) : context.numbers(3, 'axes')
  if (pads?.length !== 2 * axes.length) return context.fail(`its pads are [${pads?.join(', ') ?? ''}]`)
  const [before, after] = [new Array<number>(rank).fill(0), new Array<number>(rank).fill(0)]
  axes.forEach((given, i) => {
    const axis = given < 0 ? given + rank : given
    if (!(axis >= 0 && axis < rank)) context.fail(`axis ${given}`)
    before[axis] = pads[i] ?? 0
    after[axis] = pads[axes.length + i] ?? 0
  })
  return { before, after }
}

export function pad(context: NodeContext): void {
  const x = context.net()
  const mode = context.text('mode', 'constant')
  if (mode !== 'constant') context.fail(`its mode is ${JSON.stringify(mode.slice(0, 40))}; constant is expected`)
  const value = context.input(2) === undefined ? context.float('value', 0) : context.scalar(2, 'constant_value')
  const { before, after } = padsByAxis(context, x.shape.length + 1)
  const all = [...before, ...after]
  if (all.every((size) => size === 0)) return context.alias(x)
  const [y, xAxis, still] = x.hwc ? [1, 2, 3] : [2, 3, 1]
  const isStill = [0, still].every((axis) => before[axis] === 0 && after[axis] === 0)
  if (x.shape.length !== 3 || !isStill || all.some((size) => Math.abs(size) > 2 ** 20)) {
    context.fail(`its pads are [${all.join(', ')}]; only rows and columns around a picture are known`)
  }
  const padding = { top: before[y] ?? 0, bottom: after[y] ?? 0, left: before[xAxis] ?? 0, right: after[xAxis] ?? 0 }
  const [channels = 0, height = 0, width = 0] = x.shape
  const shape = [channels, height + padding.top + padding.bottom, width + padding.left + padding.right]
  context.emit({ op: 'pad', padding, value }, { inputs: [x], shape, hwc: x.hwc })
}
