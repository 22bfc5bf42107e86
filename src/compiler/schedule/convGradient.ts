/**
 * What conv2d's gradients ask of the scheduler: by lists of non-zeros where the graph says that most of the output's
 * gradient is zero, dense elsewhere. Not here: that choice (graph/gradientRules.ts), the kernels (lower/), convolutions in
 * groups and with dilation (groupConv.ts).
 */
import { sizeOf } from '../../base/index.js'
import type { Node } from '../../graph/index.js'
import { groupSize, partsOfPieces, type Value } from '../kernel.js'
import { gradWeightScratch, lowerConvGradWeight } from '../lower/convGradWeight.js'
import { lowerConv } from '../lower/conv.js'
import { phasesOf } from '../lower/convPhases.js'
import { rowGeometry, type ImageRows, type RowKernel } from '../lower/geometry.js'
import { listScratchWords, lowerNonZeros, nonZeroWords, type Listed } from '../lower/nonZeros.js'
import { lowerFromImageRows, lowerImageRows, lowerKernelRows, lowerSwapChannels } from '../lower/rows.js'
import { lowerRowsGradInput, lowerRowsGradWeight, lowerSumGroups } from '../lower/sparse.js'
import { isWinograd } from '../lower/winogradTile.js'
import { emitWinograd } from './conv.js'
import { inputOf } from './ledger.js'
import { padded } from './padded.js'
import type { Compute, Scheduler } from './scheduler.js'

// ── sparse ──

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
    const parts = partsOfPieces(O, s.scratchParts)
    const scratch = (words: number): Value => s.scratch({ shape: [groups, words], dtype: 'i32', layout: 'groups' })
    const [own, lists] = [
      scratch(listScratchWords(s.lanes, parts, positions)),
      scratch(nonZeroWords(s.lanes, O, positions)),
    ]
    const { pixelFloats, rowPixels, pictureFloats } = kernel
    const attrs = { stride, outSize: [OH, OW] as const, pixelFloats, rowPixels, pictureFloats }
    s.emit(lowerNonZeros(s.lanes, attrs, what, { own, parts }, lists))
    return lists
  })
}

const sparseGradWeight: Compute<'conv2dGradWeight'> = (s, node) => {
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

const sparseGradInput: Compute<'conv2dGradInput'> = (s, node, tail) => {
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

// ── dense ──

const denseGradWeight: Compute<'conv2dGradWeight'> = (s, node) => {
  const { stride, padding } = node.attrs
  const [g, x] = [s.input(node, 0), s.input(node, 1)]
  const out = s.allocate(node)
  const job = { g, x, out: { ...out, shape: node.shape }, stride, padding }
  const size = gradWeightScratch(s, job)
  const scratch = (floats: number): Value => s.scratch({ shape: [floats], dtype: 'f32', layout: 'plain' })
  s.emit(lowerConvGradWeight(s, job, { sums: scratch(size.sums), totals: scratch(size.totals) }))
  return out
}

/** Padding of the output's gradient with which Winograd's transforms give the input's. */
const turnedPadding = (node: Node<'conv2dGradInput'>): readonly [number, number] => {
  const { padding } = node.attrs
  return [2 - padding[0], 2 - padding[1]]
}

/** [O, C, kH, kW] → [C, O, kH, kW]: what one result reads lies together. */
function swapped(s: Scheduler, weight: Node): Value {
  return s.shared(`swapped ${weight.id}`, () => {
    const [O = 1, C = 1, kH = 1, kW = 1] = weight.shape
    const from = s.value(weight)
    const out = s.scratch({ shape: [C, O, kH, kW], dtype: 'f32', layout: 'plain' })
    s.emit(lowerSwapChannels(s.lanes, from, out))
    return out
  })
}

const denseGradInput: Compute<'conv2dGradInput'> = (s, node, tail) => {
  const [g, weight] = [inputOf(node, 0), inputOf(node, 1)]
  const [O = 1, C = 1, kH = 1, kW = 1] = weight.shape
  const { inputSize, stride, padding } = node.attrs
  const shared = { bias: null, tail: tail?.write ?? null, pool: null, stride: [1, 1] as const }
  const turned = [C, O, kH, kW]
  if (isWinograd(turned, stride, inputSize) && padding.every((size) => size <= 2)) {
    const [x, from] = [s.value(g), { ...s.value(weight), shape: turned }]
    const out = s.allocate(tail?.end ?? node)
    const job = { ...shared, x, weight: from, out: { ...out, shape: node.shape }, padding: turnedPadding(node) }
    emitWinograd(s, job, weight.id, true)
    return out
  }
  const [, , OH = 1, OW = 1] = g.shape
  const { padding: around, phases } = phasesOf({
    input: inputSize,
    kernel: [kH, kW],
    output: [OH, OW],
    stride,
    padding,
    channels: O,
  })
  const [x, from] = [padded(s, g, around), swapped(s, weight)]
  const out = s.allocate(tail?.end ?? node)
  for (const phase of phases)
    s.emit(lowerConv(s.lanes, { ...shared, x, weight: from, out: { ...out, shape: node.shape }, phase }, s.plans.conv))
  return out
}

export const conv2dGradWeight: Compute<'conv2dGradWeight'> = (s, node, tail) =>
  (node.attrs.sparse ? sparseGradWeight : denseGradWeight)(s, node, tail)

export const conv2dGradInput: Compute<'conv2dGradInput'> = (s, node, tail) =>
  (node.attrs.sparse ? sparseGradInput : denseGradInput)(s, node, tail)
