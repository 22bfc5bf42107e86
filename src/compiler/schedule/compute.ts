/**
 * What each operation asks of the scheduler: one row an operation: which values it reads, which kernels compute it.
 * Elementwise operations, constants and leaves have no row of their own: see scheduler.ts.
 */
import { isElementwise, type ElementwiseOp, type Node, type OpName } from '../../graph/index.js'
import type { Value } from '../kernel.js'
import { lowerGather } from '../lower/gather.js'
import { lowerLinear, lowerLinearGradInput, lowerLinearGradWeight, lowerMatmul } from '../lower/linear.js'
import { lowerCheckLabels, lowerCrossEntropy, lowerCrossEntropyGrad } from '../lower/loss.js'
import { lowerMap, operandsOf } from '../lower/map.js'
import { lowerRandom } from '../lower/move.js'
import { lowerAvgPool, lowerMaxPool, lowerPoolGrad } from '../lower/pool.js'
import { keepsOrder, lowerReduce, lowerSumBatch, reducedDims } from '../lower/reduce.js'
import { lowerTransposeBatch } from '../lower/rows.js'
import { emitConv, readsOf } from './conv.js'
import { conv2dGradInput, conv2dGradWeight } from './convGradient.js'
import { groupConv2d, groupConv2dGradInput, groupConv2dGradWeight } from './groupConv.js'
import { inputOf } from './ledger.js'
import { concat, pad, permute, slice } from './movement.js'
import { channelMean, channelVariance, normalizeGradBias, normalizeGradScale } from './norm.js'
import type { Compute, Scheduler } from './scheduler.js'

// ── convolution ──

const conv2d: Compute<'conv2d'> = (s, node, tail) => {
  const reads = readsOf(s, node)
  const out = s.allocate(tail?.end ?? node)
  emitConv(s, { ...reads, out: { ...out, shape: node.shape }, tail: tail?.write ?? null, pool: null }, node)
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
  const wanted =
    node.companion && ((node.requiresGrad && !node.companion.isPassing) || s.wants(node.companion))
      ? node.companion
      : null
  const fused = fusedPool(s, node)
  const reads = fused ? readsOf(s, fused.conv) : null
  const x = reads?.x ?? s.input(node, 0)
  const out = s.allocate(node)
  const index = wanted && s.allocate(wanted)
  if (wanted && index) s.values.set(wanted, index)
  if (!fused || !reads) s.emit(lowerMaxPool(s.lanes, node.attrs, x, out, index))
  else emitConv(s, { ...reads, out, tail: null, pool: { size: 2, index, relu: fused.relu } }, fused.conv)
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

// ── reductions, other shapes and layouts ──

const reduce: Compute<'sum' | 'amax' | 'argmax'> = (s, node) => {
  const source = inputOf(node, 0)
  if (source.layout === 'batch' && reducedDims(node).includes(0)) {
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
  channelMean,
  channelVariance,
  normalizeGradBias,
  normalizeGradScale,
  checkLabels,
  crossEntropy,
  crossEntropyGrad,
  random,
}
