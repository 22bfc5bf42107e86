/**
 * What convolutions in groups and with dilation ask of the scheduler. The input's gradient is such a convolution itself,
 * of the output's gradient.
 * Not here: the kernels (lower/groupConv.ts), conv2d without groups and dilation (compute.ts).
 */
import type { GroupSlide } from '../../graph/index.js'
import type { Shape } from '../../base/index.js'
import { lowerGroupConv } from '../lower/groupConv.js'
import { lowerGroupConvGradWeight } from '../lower/groupConvGrad.js'
import { gradientPhases, slidePhases, type Phases, type Slide1 } from '../lower/slide.js'
import type { Compute } from './scheduler.js'

/** Down and across; the kernel's size are the last two of `shape`. */
export function phasesOf(
  slide: GroupSlide,
  shape: Shape,
  phases: (slide: Slide1) => Phases,
): readonly [Phases, Phases] {
  const along = (axis: 0 | 1): Phases => {
    const kernel = shape.at(axis - 2) ?? 1
    return phases({
      kernel,
      stride: slide.stride[axis],
      padding: slide.padding[axis],
      dilation: slide.dilation[axis],
    })
  }
  return [along(0), along(1)]
}

export const groupConv2d: Compute<'groupConv2d'> = (s, node, tail) => {
  const [x, weight, bias] = [s.input(node, 0), s.input(node, 1), node.inputs[2] ? s.input(node, 2) : null]
  const out = s.allocate(tail?.end ?? node)
  const phases = phasesOf(node.attrs, weight.shape, slidePhases)
  const shared = { name: node.op, groups: node.attrs.groups, isGradient: false, tail: tail?.write ?? null }
  const job = { ...shared, x, weight, bias, out: { ...out, shape: node.shape }, phases }
  s.emit(lowerGroupConv(s.lanes, job, s.accumulators))
  return out
}

export const groupConv2dGradInput: Compute<'groupConv2dGradInput'> = (s, node, tail) => {
  const [g, weight] = [s.input(node, 0), s.input(node, 1)]
  const out = s.allocate(tail?.end ?? node)
  const phases = phasesOf(node.attrs, weight.shape, gradientPhases)
  const shared = { name: node.op, groups: node.attrs.groups, isGradient: true, tail: tail?.write ?? null }
  const job = { ...shared, x: g, weight, bias: null, out: { ...out, shape: node.shape }, phases }
  s.emit(lowerGroupConv(s.lanes, job, s.accumulators))
  return out
}

export const groupConv2dGradWeight: Compute<'groupConv2dGradWeight'> = (s, node) => {
  const [g, x] = [s.input(node, 0), s.input(node, 1)]
  const out = s.allocate(node)
  const phases = phasesOf(node.attrs, node.shape, slidePhases)
  s.emit(lowerGroupConvGradWeight(s.lanes, { g, x, out, phases, groups: node.attrs.groups }, s.accumulators))
  return out
}
