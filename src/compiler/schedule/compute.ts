/**
 * What each operation asks of the scheduler: one row an operation: which values it reads, which kernels compute it.
 * Elementwise operations, constants and leaves have no row of their own: see scheduler.ts.
 */
import { sizeOf } from '../../base/index.js'
import { isElementwise, type ElementwiseOp, type Node, type OpName } from '../../graph/index.js'
import { groupSize, unitBytes, type Value } from '../kernel.js'
import { lowerConv, type ConvJob } from '../lower/conv.js'
import { rowGeometry, type ImageRows, type RowKernel } from '../lower/geometry.js'
import { lowerGather } from '../lower/gather.js'
import { lowerLinear, lowerLinearGradInput, lowerLinearGradWeight, lowerMatmul } from '../lower/linear.js'
import { lowerCheckLabels, lowerCrossEntropy, lowerCrossEntropyGrad } from '../lower/loss.js'
import { lowerMap, operandsOf } from '../lower/map.js'
import { lowerConcatPictures, lowerCopy, lowerMove, lowerRandom, type Move } from '../lower/move.js'
import { listScratchWords, lowerNonZeros, nonZeroWords, type Listed } from '../lower/nonZeros.js'
import { lowerAvgPool, lowerMaxPool, lowerPoolGrad } from '../lower/pool.js'
import { keepsOrder, lowerReduce, lowerSumBatch, reducedDims } from '../lower/reduce.js'
import { lowerFromImageRows, lowerImageRows, lowerKernelRows, lowerTransposeBatch } from '../lower/rows.js'
import { lowerRowsGradInput, lowerRowsGradWeight, lowerSumGroups } from '../lower/sparse.js'
import { lowerWinograd, lowerWinogradWeights, winogradScratch } from '../lower/winograd.js'
import { isWinograd } from '../lower/winogradTile.js'
import { groupConv2d, groupConv2dGradInput, groupConv2dGradWeight } from './groupConv.js'
import { inputOf } from './ledger.js'
import { moves } from './moves.js'
import { padded } from './padded.js'
import type { Compute, Scheduler } from './scheduler.js'

// ── convolution ──

function imageRows(s: Scheduler, x: Node, image: ImageRows): Value {
  return s.shared(`imageRows ${x.id} ${image.padding.join()}`, () => {
    const from = s.value(x)
    const rows = s.scratch({ shape: [x.shape[0] ?? 1, image.pictureFloats], dtype: 'f32', layout: 'rows' })
    s.emit(lowerImageRows(s.lanes, image, from, rows))
    return rows
  })
}

/**
 * What to list of a conv output's gradient. Behind a max-pool whose windows lie apart: window by window, in any case, so
 * that no bit depends on who else looks at it; found without the dense gradient, unless only that is left.
 */
function listed(s: Scheduler, g: Node): Listed {
  const byRows = { window: [1, 1], windowStride: [1, 1] } as const
  if (g.op !== 'maxPool2dGrad') return { gradient: s.value(g), index: null, ...byRows }
  const { kernelSize, stride, padding } = (g as Node<'maxPool2dGrad'>).attrs
  const apart = padding.every((size) => size === 0) && kernelSize.every((size, i) => size <= (stride[i] ?? 0))
  if (!apart) return { gradient: s.value(g), index: null, ...byRows }
  if (g.storage) return { gradient: s.value(g), index: null, window: kernelSize, windowStride: stride }
  return { gradient: s.input(g, 1), index: s.input(g, 0), ...byRows }
}

function nonZeros(s: Scheduler, g: Node, stride: readonly [number, number], kernel: RowKernel): Value {
  return s.shared(`nonZeros ${g.id} ${stride.join()} ${kernel.rowPixels} ${kernel.pixelFloats}`, () => {
    const [N = 1, O = 1, OH = 1, OW = 1] = g.shape
    const what = listed(s, g)
    const positions = sizeOf(what.gradient.shape.slice(2))
    const groups = Math.ceil(N / groupSize)
    const scratch = (words: number): Value => s.scratch({ shape: [groups, words], dtype: 'i32', layout: 'groups' })
    const [own, lists] = [scratch(listScratchWords(s.lanes, positions)), scratch(nonZeroWords(s.lanes, O, positions))]
    const { pixelFloats, rowPixels, pictureFloats } = kernel
    const attrs = { stride, outSize: [OH, OW] as const, pixelFloats, rowPixels, pictureFloats }
    s.emit(lowerNonZeros(s.lanes, attrs, what, own, lists))
    return lists
  })
}

/** The forward kernels of a conv node, with what is fused to it. */
function emitConv(s: Scheduler, node: Node<'conv2d'>, job: ConvJob): void {
  const [, , OH = 1, OW = 1] = node.shape
  if (!isWinograd(job.weight.shape, job.stride, [OH, OW])) return s.emit(lowerConv(s.lanes, job, s.plans.conv))
  const weights = s.shared(`winograd ${inputOf(node, 1).id}`, () => {
    const [O = 1, C = 1] = job.weight.shape
    const points = s.scratch({ shape: [16, O, C], dtype: 'f32', layout: 'plain' })
    s.emit(lowerWinogradWeights(s.lanes, job.weight, points))
    return points
  })
  const size = winogradScratch(s.lanes, job, s.plans.winograd)
  const scratch = (floats: number): Value =>
    s.scratch({ shape: [node.shape[0] ?? 1, floats], dtype: 'f32', layout: 'lanes' })
  const memory = { weights, v: scratch(size.v), m: scratch(size.m) }
  s.emit(lowerWinograd(s.lanes, job, memory, s.plans.winograd))
}

const conv2d: Compute<'conv2d'> = (s, node, tail) => {
  const x = padded(s, inputOf(node, 0), node.attrs.padding)
  const [weight, bias] = [s.input(node, 1), node.inputs[2] ? s.input(node, 2) : null]
  const write = tail?.write ?? null
  const out = s.allocate(tail?.end ?? node)
  const shaped = { ...out, shape: node.shape }
  const job = { x, weight, bias, out: shaped, stride: node.attrs.stride, tail: write, pool: null }
  emitConv(s, node, job)
  return out
}

/** conv2d (+ relu) + max-pool of 2 × 2 in one kernel, if nobody else wants what is between. */
function fusedPool(s: Scheduler, pool: Node<'maxPool2d'>): { conv: Node<'conv2d'>; relu: boolean } | null {
  const { kernelSize, stride, padding } = pool.attrs
  const plain = [...kernelSize, ...stride].every((size) => size === 2) && padding.every((size) => size === 0)
  const uses = s.wants(pool.companion) ? 2 : 1
  const top = inputOf(pool, 0)
  if (!plain || !s.isPrivate(top, uses)) return null
  if (top.op === 'conv2d') return { conv: top as Node<'conv2d'>, relu: false }
  const conv = top.op === 'relu' ? inputOf(top, 0) : null
  return conv?.op === 'conv2d' && s.isPrivate(conv) ? { conv: conv as Node<'conv2d'>, relu: true } : null
}

const maxPool2d: Compute<'maxPool2d'> = (s, node) => {
  const wanted = node.companion && (node.requiresGrad || s.wants(node.companion)) ? node.companion : null
  const fused = fusedPool(s, node)
  const x = fused ? padded(s, inputOf(fused.conv, 0), fused.conv.attrs.padding) : s.input(node, 0)
  const [weight, bias] = fused ? [s.input(fused.conv, 1), fused.conv.inputs[2] ? s.input(fused.conv, 2) : null] : []
  const out = s.allocate(node)
  const index = wanted && s.allocate(wanted)
  if (wanted && index) s.values.set(wanted, index)
  if (!fused || !weight) s.emit(lowerMaxPool(s.lanes, node.attrs, x, out, index))
  else {
    const pool = { size: 2, index, relu: fused.relu }
    const job = { x, weight, bias: bias ?? null, out, stride: fused.conv.attrs.stride, tail: null, pool }
    emitConv(s, fused.conv, job)
  }
  return out
}

const maxPoolIndex: Compute<'maxPoolIndex'> = (s, node) => {
  const pool = node.companion
  if (pool && !s.has(pool) && s.wants(pool)) s.value(pool)
  const known = s.values.get(node)
  if (known) return known
  const x = s.input(node, 0)
  const index = s.allocate(node)
  s.emit(lowerMaxPool(s.lanes, node.attrs, x, null, index))
  return index
}

const conv2dGradWeight: Compute<'conv2dGradWeight'> = (s, node) => {
  const [g, x] = [inputOf(node, 0), inputOf(node, 1)]
  const [, C = 1, H = 1, W = 1] = x.shape
  const { image, kernel } = rowGeometry(s.lanes, [C, H, W], node.attrs.kernelSize, node.attrs.padding)
  const rows = imageRows(s, x, image)
  const lists = nonZeros(s, g, node.attrs.stride, kernel)
  const O = g.shape[1] ?? 1
  const groups = Math.ceil((g.shape[0] ?? 1) / groupSize)
  const shape = [groups, O, kernel.kernelSize[0], kernel.rowFloats]
  const parts = s.scratch({ shape, dtype: 'f32', layout: 'groups' })
  s.emit(lowerRowsGradWeight(s.lanes, kernel, lists, rows, parts, s.plans.rowVectors.weight(kernel)))
  const out = s.allocate(node)
  s.emit(lowerSumGroups(s.lanes, kernel, parts, out))
  return out
}

const conv2dGradInput: Compute<'conv2dGradInput'> = (s, node, tail) => {
  const [g, weight] = [inputOf(node, 0), inputOf(node, 1)]
  const [O = 1, C = 1, kH = 1, kW = 1] = weight.shape
  const [H, W] = node.attrs.inputSize
  const { image, kernel } = rowGeometry(s.lanes, [C, H, W], [kH, kW], node.attrs.padding)
  const from = s.value(weight)
  const lists = nonZeros(s, g, node.attrs.stride, kernel)
  const w = s.scratch({ shape: [O, kH, kernel.rowFloats], dtype: 'f32', layout: 'plain' })
  s.emit(lowerKernelRows(s.lanes, kernel, from, w))
  const rows = s.scratch({ shape: [g.shape[0] ?? 1, image.pictureFloats], dtype: 'f32', layout: 'rows' })
  s.emit(lowerRowsGradInput(s.lanes, kernel, lists, w, rows, s.plans.rowVectors.input(kernel)))
  const write = tail?.write ?? null
  const out = s.allocate(tail?.end ?? node)
  s.emit(lowerFromImageRows(s.lanes, image, rows, out, write))
  return out
}

// ── linear ──

const linear: Compute<'linear'> = (s, node, tail) => {
  const [x, weight] = [s.input(node, 0), s.input(node, 1)]
  const bias = node.inputs[2] ? s.input(node, 2) : null
  const out = s.allocate(tail?.end ?? node)
  s.emit(lowerLinear(s.lanes, [x, weight, bias, out], s.plans, tail?.write ?? null))
  return out
}

const linearGradInput: Compute<'linearGradInput'> = (s, node, tail) => {
  const [g, weight] = [s.input(node, 0), s.input(node, 1)]
  const out = s.allocate(tail?.end ?? node)
  s.emit(lowerLinearGradInput(s.lanes, [g, weight, out], s.plans, tail?.write ?? null))
  return out
}

function toRows(s: Scheduler, x: Node): Value {
  return s.shared(`toRows ${x.id}`, () => {
    const from = s.value(x)
    const rows = s.scratch({ shape: x.shape, dtype: x.dtype, layout: 'rows' })
    s.emit(lowerTransposeBatch(s.lanes, from, rows, false))
    return rows
  })
}

const linearGradWeight: Compute<'linearGradWeight'> = (s, node) => {
  const [g, x] = [toRows(s, inputOf(node, 0)), toRows(s, inputOf(node, 1))]
  const out = s.allocate(node)
  s.emit(lowerLinearGradWeight(s.lanes, g, x, out, s.plans))
  return out
}

const matmul: Compute<'matmul'> = (s, node) => {
  const [x, y] = [s.input(node, 0), s.input(node, 1)]
  const out = s.allocate(node)
  s.emit(lowerMatmul(s.lanes, x, y, out))
  return out
}

// ── reductions and movement ──

const reduce: Compute<'sum' | 'amax' | 'argmax'> = (s, node) => {
  const source = inputOf(node, 0)
  if (source.layout === 'lanes' && reducedDims(node).includes(0)) {
    const from = s.value(source)
    const out = s.allocate(node)
    s.emit(lowerSumBatch(s.lanes, node as Node<'sum'>, from, out))
    return out
  }
  const inline = s.isPrivate(source) && isElementwise(source)
  if (inline) s.materialize(source)
  const reads = (): Iterable<Value> => operandsOf([source], (n) => s.values.get(n)).values()
  if (!inline || !keepsOrder(s.lanes, node, reads())) s.value(source)
  const out = s.allocate(node)
  s.emit(lowerReduce(s.lanes, node, out, (n) => s.values.get(n)))
  return out
}

const reshape: Compute<'reshape'> = (s, node) => ({ ...s.input(node, 0), shape: node.shape })

function moved(s: Scheduler, node: Node, spec: Move): Value {
  const from = s.input(node, 0)
  const out = s.allocate(node)
  s.emit(lowerMove(s.lanes, node.op, spec, from, out))
  return out
}

const permute: Compute<'permute'> = (s, node) => moved(s, node, moves.permute(node))
const slice: Compute<'slice'> = (s, node) => moved(s, node, moves.slice(node))
const pad: Compute<'pad'> = (s, node) => moved(s, node, moves.pad(node))

function concatLanes(s: Scheduler, node: Node): Value {
  const parts = node.inputs.map((part) => s.value(part))
  const out = s.allocate(node)
  s.emit(lowerConcatPictures(s.lanes, parts, out))
  return out
}

/** Each part is computed right where it belongs, if it has no place yet; else copied. */
const concat: Compute<'concat'> = (s, node) => {
  if (node.layout === 'lanes') return concatLanes(s, node)
  const out = s.allocate(node)
  let offset = out.offset
  for (const part of node.inputs) {
    const direct = out.alloc !== null && s.directTo(part, out.alloc, offset)
    const value = s.value(part)
    if (!direct) s.emit(lowerCopy(s.lanes, value, s.newValue(part, out.alloc, { offset })))
    offset += unitBytes(part, s.lanes)
  }
  return out
}

const transposeBatch: Compute<'batch' | 'unbatch'> = (s, node) => {
  const from = s.input(node, 0)
  const out = s.allocate(node)
  s.emit(lowerTransposeBatch(s.lanes, from, out, node.op === 'batch'))
  return out
}

const gatherRows: Compute<'gatherRows'> = (s, node, tail) => {
  const [table, index] = [s.input(node, 0), s.input(node, 1)]
  const out = s.allocate(tail?.end ?? node)
  s.emit(lowerGather(s.lanes, table, index, out, tail?.write ?? null))
  return out
}

// ── windows, losses, random numbers ──

const maxPool2dGrad: Compute<'maxPool2dGrad'> = (s, node) => {
  const [index, g] = [s.input(node, 0), s.input(node, 1)]
  const out = s.allocate(node)
  s.emit(lowerPoolGrad(s.lanes, node.attrs, index, g, out))
  return out
}

const avgPool2d: Compute<'avgPool2d'> = (s, node) => {
  const x = s.input(node, 0)
  const out = s.allocate(node)
  s.emit(lowerAvgPool(s.lanes, node.attrs, x, out))
  return out
}

const avgPool2dGrad: Compute<'avgPool2dGrad'> = (s, node) => {
  const g = s.input(node, 0)
  const out = s.allocate(node)
  s.emit(lowerPoolGrad(s.lanes, node.attrs, null, g, out))
  return out
}

/** The labels themselves; a flag tells of wrong ones. */
const checkLabels: Compute<'checkLabels'> = (s, node) => {
  const labels = s.input(node, 0)
  s.emit(lowerCheckLabels(s.lanes, node.attrs, labels, s.flag(node.attrs.classes)))
  return { ...labels }
}

const crossEntropy: Compute<'crossEntropy'> = (s, node) => {
  const [logits, labels] = [s.input(node, 0), s.input(node, 1)]
  const out = s.allocate(node)
  s.emit(lowerCrossEntropy(s.lanes, logits, labels, out))
  return out
}

const crossEntropyGrad: Compute<'crossEntropyGrad'> = (s, node) => {
  const [logits, labels, g] = [s.input(node, 0), s.input(node, 1), s.input(node, 2)]
  const out = s.allocate(node)
  s.emit(lowerCrossEntropyGrad(s.lanes, logits, labels, g, out))
  return out
}

const random: Compute<'random'> = (s, node) => {
  const key = s.input(node, 0)
  const out = s.allocate(node)
  s.emit(lowerRandom(s.lanes, key, out))
  return out
}

/** A constant that somebody wants in memory. */
const constant: Compute<'const'> = (s, node) => {
  const value = s.allocate(node)
  s.emit(lowerMap(s.lanes, [{ node, value }], () => undefined))
  return value
}

const noValue = (_: Scheduler, node: Node): never => {
  throw new Error(`${node.op} has no value of its own`)
}

type Rows = { readonly [K in Exclude<OpName, ElementwiseOp>]: Compute<K> }

export const computeTable: Rows & { readonly [K in ElementwiseOp]?: Compute<K> } = {
  leaf: noValue,
  assign: noValue,
  const: constant,
  sum: reduce,
  amax: reduce,
  argmax: reduce,
  reshape,
  permute,
  slice,
  pad,
  concat,
  batch: transposeBatch,
  unbatch: transposeBatch,
  gatherRows,
  matmul,
  linear,
  linearGradInput,
  linearGradWeight,
  conv2d,
  conv2dGradInput,
  conv2dGradWeight,
  groupConv2d,
  groupConv2dGradInput,
  groupConv2dGradWeight,
  maxPool2d,
  maxPoolIndex,
  maxPool2dGrad,
  avgPool2d,
  avgPool2dGrad,
  checkLabels,
  crossEntropy,
  crossEntropyGrad,
  random,
}
