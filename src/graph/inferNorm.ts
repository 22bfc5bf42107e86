/** Types of the normalisation of channels and of what it is made of. Not here: how it is composed (composeBatchNorm.ts, composeNorm.ts). */
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

/** What statistics of x are. */
function statisticOf(x: Node, apart: boolean): NodeType {
  const shape = channelShape(x)
  return { shape: apart ? [dim(x, 0), ...shape] : shape, dtype: 'f32', layout: apart ? 'batch' : 'plain' }
}

function expectStatistic(op: OpName, what: string, v: Node, x: Node, apart: boolean): void {
  const { shape, layout } = statisticOf(x, apart)
  expectDType(op, what, v, 'f32')
  expectLayout(op, v, layout)
  if (!sameShape(v.shape, shape))
    throw new LenetError(`${op}: ${what} must be ${showShape(shape)}, got ${showShape(v.shape)}`)
}

function normalize(inputs: Inputs): NodeType {
  const [x, mean] = [inputOf('normalize', inputs, 0), inputOf('normalize', inputs, 1)]
  expectChannels('normalize', 'input', x)
  const names = ['mean', 'scale', ...(inputs.length > 3 ? ['bias'] : [])]
  names.forEach((what, i) => {
    const v = inputOf('normalize', inputs, i + 1)
    expectStatistic('normalize', what, v, x, mean.layout === 'batch' && what !== 'bias')
  })
  return { shape: x.shape, dtype: 'f32', layout: 'batch' }
}

function statistic(op: 'channelMean' | 'channelVariance', apart: boolean, inputs: Inputs): NodeType {
  const x = inputOf(op, inputs, 0)
  expectChannels(op, 'input', x)
  if (dim(x, 0) === 0) throw new LenetError(`${op}: ${showShape(x.shape)} has no pictures`)
  if (op === 'channelVariance') expectStatistic(op, 'mean', inputOf(op, inputs, 1), x, apart)
  return statisticOf(x, apart)
}

function gradient(op: 'normalizeGradBias' | 'normalizeGradScale', apart: boolean, inputs: Inputs): NodeType {
  const [g, x] = [inputOf(op, inputs, 0), inputOf(op, inputs, 1)]
  expectChannels(op, 'gradient', g)
  expectChannels(op, 'input', x)
  if (!sameShape(g.shape, x.shape))
    throw new LenetError(`${op}: gradient ${showShape(g.shape)} and input ${showShape(x.shape)} must be alike`)
  expectStatistic(op, 'mean', inputOf(op, inputs, 2), x, apart)
  return statisticOf(x, apart)
}

export const inferNorm = {
  normalize: (_attrs, inputs) => normalize(inputs),
  channelMean: ({ apart }, inputs) => statistic('channelMean', apart, inputs),
  channelVariance: ({ apart }, inputs) => statistic('channelVariance', apart, inputs),
  normalizeGradBias: ({ apart }, inputs) => gradient('normalizeGradBias', apart, inputs),
  normalizeGradScale: ({ apart }, inputs) => gradient('normalizeGradScale', apart, inputs),
} as const satisfies InferTable<
  'normalize' | 'channelMean' | 'channelVariance' | 'normalizeGradBias' | 'normalizeGradScale'
>
