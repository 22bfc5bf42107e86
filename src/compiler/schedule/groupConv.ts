/**
 * What convolutions in groups and with dilation ask of the scheduler. The input's gradient is such a convolution itself:
 * of the output's gradient, stretched by the stride and padded, with the kernels turned round.
 * Not here: the kernels (lower/groupConv.ts), conv2d without groups and dilation (compute.ts).
 */
import { sizeOf, stridesOf } from '../../base/index.js'
import type { Node } from '../../graph/index.js'
import type { Value } from '../kernel.js'
import { lowerGroupConv, lowerGroupConvGradWeight } from '../lower/groupConv.js'
import { lowerMove } from '../lower/move.js'
import { inputOf } from './ledger.js'
import { padded } from './padded.js'
import type { Compute, Scheduler } from './scheduler.js'

export const groupConv2d: Compute<'groupConv2d'> = (s, node, tail) => {
  const { stride, dilation, groups } = node.attrs
  const x = padded(s, inputOf(node, 0), node.attrs.padding)
  const [weight, bias] = [s.input(node, 1), node.inputs[2] ? s.input(node, 2) : null]
  const out = s.allocate(tail?.end ?? node)
  const job = {
    x,
    weight,
    bias,
    out: { ...out, shape: node.shape },
    stride,
    dilation,
    groups,
    tail: tail?.write ?? null,
  }
  s.emit(lowerGroupConv(s.lanes, job, s.accumulators))
  return out
}

/** Where output position 0 lies in the stretched gradient, and its size, so that a plain slide gives the input's size. */
function stretched(node: Node<'groupConv2dGradInput'>, axis: 0 | 1): { start: number; size: number } {
  const { dilation, padding, inputSize } = node.attrs
  const reach = ((inputOf(node, 1).shape[axis + 2] ?? 1) - 1) * dilation[axis]
  return { start: reach - padding[axis], size: inputSize[axis] + reach }
}

/** The first output position that lies in the stretched gradient, and how many do: others met padding only. */
function within(count: number, stride: number, { start, size }: { start: number; size: number }): [number, number] {
  const first = Math.max(0, Math.ceil(-start / stride))
  const last = Math.min(count - 1, Math.floor((size - 1 - start) / stride))
  return [first, Math.max(0, last - first + 1)]
}

function stretchedGradient(s: Scheduler, node: Node<'groupConv2dGradInput'>): Value {
  const [N = 1, O = 1, OH = 1, OW = 1] = inputOf(node, 0).shape
  const { stride } = node.attrs
  const from = s.input(node, 0)
  const [down, across] = [stretched(node, 0), stretched(node, 1)]
  const [firstRow, rows] = within(OH, stride[0], down)
  const [firstColumn, columns] = within(OW, stride[1], across)
  const wide = s.scratch({ shape: [N, O, down.size, across.size], dtype: 'f32', layout: 'lanes' })
  const move = {
    size: [O, rows, columns],
    from: { strides: [OH * OW, OW, 1], start: firstRow * OW + firstColumn },
    to: {
      strides: [down.size * across.size, stride[0] * across.size, stride[1]],
      start: (down.start + firstRow * stride[0]) * across.size + across.start + firstColumn * stride[1],
    },
    fill: 0,
  }
  s.emit(lowerMove(s.lanes, 'stretch', move, from, wide))
  return wide
}

/** [O, C/G, kH, kW] → [C, O/G, kH, kW], kernels turned round. */
function turned(s: Scheduler, node: Node<'groupConv2dGradInput'>): Value {
  const weight = inputOf(node, 1)
  const [O = 1, groupChannels = 1, kH = 1, kW = 1] = weight.shape
  const { groups } = node.attrs
  const taps = kH * kW
  const size = [groups, groupChannels, O / groups, kH, kW]
  const from = s.value(weight)
  const out = s.scratch({ shape: [groups * groupChannels, O / groups, kH, kW], dtype: 'f32', layout: 'plain' })
  const strides = [(O / groups) * groupChannels * taps, taps, groupChannels * taps, -kW, -1]
  const move = { size, from: { strides, start: taps - 1 }, to: { strides: stridesOf(size), start: 0 }, fill: null }
  if (sizeOf(size) > 0) s.emit(lowerMove(s.lanes, 'turnKernels', move, from, out))
  return out
}

export const groupConv2dGradInput: Compute<'groupConv2dGradInput'> = (s, node, tail) => {
  const { dilation, groups } = node.attrs
  const [x, weight] = [stretchedGradient(s, node), turned(s, node)]
  const out = s.allocate(tail?.end ?? node)
  const write = tail?.write ?? null
  const shaped = { ...out, shape: node.shape }
  const job = { x, weight, bias: null, out: shaped, stride: [1, 1] as const, dilation, groups, tail: write }
  s.emit(lowerGroupConv(s.lanes, job, s.accumulators))
  return out
}

export const groupConv2dGradWeight: Compute<'groupConv2dGradWeight'> = (s, node) => {
  const { stride, dilation, groups, padding } = node.attrs
  const g = s.input(node, 0)
  const x = padded(s, inputOf(node, 1), padding)
  const out = s.allocate(node)
  s.emit(lowerGroupConvGradWeight(s.lanes, { g, x, out, stride, dilation, groups }, s.accumulators))
  return out
}
