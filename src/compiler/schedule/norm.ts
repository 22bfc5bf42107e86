/**
 * What statistics of channels ask of the scheduler: both sums over the same values go in one pass, and what follows from
 * them in the kernel that ends them. Not here: the kernels (lower/channels.ts), what follows (followers.ts).
 */
import { sizeOf } from '../../base/index.js'
import type { Node, OpName } from '../../graph/index.js'
import type { Value } from '../kernel.js'
import {
  lowerGradParts,
  lowerMomentParts,
  lowerMoments,
  lowerNormalizeGrad,
  lowerPictureMoments,
  partsPerChannel,
  type ChannelResults,
} from '../lower/channels.js'
import { followersOf } from './followers.js'
import { inputOf } from './ledger.js'
import type { Compute, Scheduler } from './scheduler.js'

function partsOf(s: Scheduler, x: Node): Value {
  const [N = 1, C = 1] = x.shape
  return s.scratch({ shape: [N, C, partsPerChannel], dtype: 'f32', layout: 'batch' })
}

/** The nodes and what follows from them get memory, written by the kernel that `lower` makes. */
function emitWithFollowers(s: Scheduler, nodes: readonly Node[], lower: (job: ChannelResults) => void): void {
  const all = [...nodes, ...followersOf(s, nodes)]
  const results = all.map((node) => ({ node, value: s.allocate(node) }))
  lower({ results, valueOf: (node) => (node.storage ? s.value(node) : s.values.get(node)) })
  for (const { node, value } of results) s.values.set(node, value)
}

function emitMoments(s: Scheduler, x: Node, mean: Node | null, variance: Node | null): void {
  const parts = s.shared(`moments ${x.id}`, () => {
    const [from, made] = [s.value(x), partsOf(s, x)]
    s.emit(lowerMomentParts(s.lanes, from, made))
    return made
  })
  const pixels = sizeOf(x.shape.slice(2))
  const nodes = [mean, variance].filter((node) => node !== null)
  emitWithFollowers(s, nodes, (job) => s.emit(lowerMoments(s.lanes, parts, { ...job, mean, variance, pixels })))
}

/** Of each picture by itself: no sum over pictures follows. */
function emitPictureMoments(s: Scheduler, x: Node, mean: Node | null, variance: Node | null): void {
  const from = s.value(x)
  const outs = [mean, variance].map((node) => node && s.allocate(node)) as [Value | null, Value | null]
  s.emit(lowerPictureMoments(s.lanes, from, outs))
  ;[mean, variance].forEach((node, i) => node && s.values.set(node, outs[i] as Value))
}

const emit = (
  s: Scheduler,
  x: Node,
  mean: Node<'channelMean'> | null,
  variance: Node<'channelVariance'> | null,
): void => ((mean ?? variance)?.attrs.apart ? emitPictureMoments : emitMoments)(s, x, mean, variance)

function known(s: Scheduler, node: Node): Value {
  const value = s.values.get(node)
  if (!value) throw new Error(`${node.op} was not computed`)
  return value
}

export const channelMean: Compute<'channelMean'> = (s, node) => {
  const x = inputOf(node, 0)
  const variance = s.usersOf(node).find((user) => user.op === 'channelVariance' && user.inputs[0] === x && !s.has(user))
  emit(s, x, node, (variance as Node<'channelVariance'> | undefined) ?? null)
  return known(s, node)
}

export const channelVariance: Compute<'channelVariance'> = (s, node) => {
  // which may compute both
  s.input(node, 1)
  if (!s.values.has(node)) emit(s, inputOf(node, 0), null, node)
  return known(s, node)
}

/** Of the same g, x and mean: whoever is asked first computes both. */
const normalizeGrad = (s: Scheduler, node: Node<'normalizeGradBias' | 'normalizeGradScale'>): Value => {
  const [g, x, mean] = [inputOf(node, 0), inputOf(node, 1), inputOf(node, 2)]
  const find = (op: OpName): Node | null =>
    s.usersOf(g).find((user) => user.op === op && user.inputs.every((input, i) => input === node.inputs[i])) ?? null
  const both = [find('normalizeGradBias'), find('normalizeGradScale')] as const
  const [slope, from, average] = [s.value(g), s.value(x), s.value(mean)]
  if (node.attrs.apart) {
    const outs = both.map((found) => found && s.allocate(found)) as [Value | null, Value | null]
    s.emit(lowerGradParts(s.lanes, slope, from, average, outs))
    both.forEach((found, i) => found && s.values.set(found, outs[i] as Value))
    return known(s, node)
  }
  const parts = partsOf(s, x)
  s.emit(lowerGradParts(s.lanes, slope, from, average, parts))
  const nodes = both.filter((found) => found !== null)
  emitWithFollowers(s, nodes, (job) => s.emit(lowerNormalizeGrad(s.lanes, parts, both, job)))
  return known(s, node)
}

export const normalizeGradBias: Compute<'normalizeGradBias'> = normalizeGrad
export const normalizeGradScale: Compute<'normalizeGradScale'> = normalizeGrad
