/** Types of the normalisation of channels and of what it is made of. Not here: how it is composed (composeBatchNorm.ts). */
import { LenetError, sameShape, showShape } from '../base/index.js'
import type { Shape } from '../base/index.js'
import { dim, expectDType, expectLayout, inputOf } from './inferShared.js'
import type { Inputs, InferTable } from './inferShared.js'
import type { Node, NodeType } from './node.js'
import type { OpName } from './ops.js'

/** [C, 1, …]: one number a channel beside [N, C, …]. */
const channelShape = (x: Node): Shape => x.shape.slice(1).map((size, i) => (i === 0 ? size : 1))

/** A batch [N, C, …]. */
function expectChannels(op: OpName, what: string, x: Node): void {
  if (x.shape.length < 2)
    throw new LenetError(`${op}: ${what} must have 2 dimensions [N, C] or more, got ${showShape(x.shape)}`)
  expectDType(op, what, x, 'f32')
  expectLayout(op, x, 'batch')
}

function expectVector(op: OpName, what: string, v: Node, x: Node): void {
  expectDType(op, what, v, 'f32')
  expectLayout(op, v, 'plain')
  if (!sameShape(v.shape, channelShape(x)))
    throw new LenetError(`${op}: ${what} must be ${showShape(channelShape(x))}, got ${showShape(v.shape)}`)
}

const vectorOf = (x: Node): NodeType => ({ shape: channelShape(x), dtype: 'f32', layout: 'plain' })

function normalize(inputs: Inputs): NodeType {
  const x = inputOf('normalize', inputs, 0)
  expectChannels('normalize', 'input', x)
  const names = ['mean', 'scale', ...(inputs.length > 3 ? ['bias'] : [])]
  names.forEach((what, i) => expectVector('normalize', what, inputOf('normalize', inputs, i + 1), x))
  return { shape: x.shape, dtype: 'f32', layout: 'batch' }
}

function statistic(op: 'channelMean' | 'channelVariance', inputs: Inputs): NodeType {
  const x = inputOf(op, inputs, 0)
  expectChannels(op, 'input', x)
  if (dim(x, 0) === 0) throw new LenetError(`${op}: ${showShape(x.shape)} has no pictures`)
  if (op === 'channelVariance') expectVector(op, 'mean', inputOf(op, inputs, 1), x)
  return vectorOf(x)
}

function gradient(op: 'normalizeGradBias' | 'normalizeGradScale', inputs: Inputs): NodeType {
  const [g, x] = [inputOf(op, inputs, 0), inputOf(op, inputs, 1)]
  expectChannels(op, 'gradient', g)
  expectChannels(op, 'input', x)
  if (!sameShape(g.shape, x.shape))
    throw new LenetError(`${op}: gradient ${showShape(g.shape)} and input ${showShape(x.shape)} must be alike`)
  expectVector(op, 'mean', inputOf(op, inputs, 2), x)
  return vectorOf(x)
}

export const inferNorm = {
  normalize: (_attrs, inputs) => normalize(inputs),
  channelMean: (_attrs, inputs) => statistic('channelMean', inputs),
  channelVariance: (_attrs, inputs) => statistic('channelVariance', inputs),
  normalizeGradBias: (_attrs, inputs) => gradient('normalizeGradBias', inputs),
  normalizeGradScale: (_attrs, inputs) => gradient('normalizeGradScale', inputs),
} as const satisfies InferTable<
  'normalize' | 'channelMean' | 'channelVariance' | 'normalizeGradBias' | 'normalizeGradScale'
>
