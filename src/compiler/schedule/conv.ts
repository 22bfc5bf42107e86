/**
 * Which kernels compute a convolution that is dense: directly, or by Winograd's transforms.
 * Not here: what reads and fuses it (compute.ts, convGradient.ts), the kernels (lower/).
 */
import type { Node } from '../../graph/index.js'
import type { Value } from '../kernel.js'
import { lowerConv, type ConvJob } from '../lower/conv.js'
import { lowerWinograd, winogradScratch } from '../lower/winograd.js'
import { isWinograd } from '../lower/winogradTile.js'
import { lowerWinogradWeights } from '../lower/winogradWeights.js'
import { inputOf } from './ledger.js'
import { padded } from './padded.js'
import type { Scheduler } from './scheduler.js'

function isTransformed(node: Node<'conv2d'>): boolean {
  const [, , OH = 1, OW = 1] = node.shape
  return isWinograd(inputOf(node, 1).shape, node.attrs.stride, [OH, OW])
}

/** What a conv node reads, the picture with zeros around it where the kernel does not know of them. */
export function readsOf(
  s: Scheduler,
  node: Node<'conv2d'>,
): Pick<ConvJob, 'x' | 'weight' | 'bias' | 'stride' | 'padding'> {
  const { stride, padding } = node.attrs
  const x = isTransformed(node) ? s.input(node, 0) : padded(s, inputOf(node, 0), padding)
  return { x, weight: s.input(node, 1), bias: node.inputs[2] ? s.input(node, 2) : null, stride, padding }
}

/** The forward kernels of a conv node, with what is fused to it. */
export function emitConv(s: Scheduler, job: ConvJob, node: Node<'conv2d'>): void {
  if (isTransformed(node)) emitWinograd(s, job, inputOf(node, 1).id, false)
  else s.emit(lowerConv(s.lanes, job, s.plans.conv))
}

/**
 * @param turned the job's weight is that of the convolution whose input's gradient this is: its kernels are turned round
 * and its channels change places; `job.weight` has the shape after that.
 */
export function emitWinograd(s: Scheduler, job: ConvJob, weightId: number, turned: boolean): void {
  const weights = s.shared(`winograd ${turned ? 'turned ' : ''}${weightId}`, () => {
    const [O = 1, C = 1] = job.weight.shape
    const points = s.scratch({ shape: [16, O, C], dtype: 'f32', layout: 'plain' })
    s.emit(lowerWinogradWeights(s.lanes, job.weight, points, turned))
    return points
  })
  const how = { choose: s.plans.winograd, mostParts: s.scratchParts }
  const size = winogradScratch(s.lanes, job, how)
  const scratch = (floats: number): Value =>
    s.scratch({ shape: [job.x.shape[0] ?? 1, floats], dtype: 'f32', layout: 'lanes' })
  const memory = { weights, v: scratch(size.v), m: scratch(size.m) }
  s.emit(lowerWinograd(s.lanes, job, memory, how))
}
