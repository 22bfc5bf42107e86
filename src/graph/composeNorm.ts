/**
 * Normalisations that need no statistics of other pictures, and pooling to a given size. Not here: composeBatchNorm.ts.
 */
import { LenetError, sameShape, showShape, sizeOf } from '../base/index.js'
import type { Shape } from '../base/index.js'
import { add, batch, constant, div, mul, sqrt, square, sub, toFloat, unbatch } from './composeElementwise.js'
import { expandLike, reshape, transpose } from './composeMovement.js'
import { avgPool2d, linear, type Size2 } from './composeNet.js'
import { mean, sum } from './composeReduction.js'
import { make } from './infer.js'
import { hostLeaf } from './node.js'
import type { Node } from './node.js'

export interface NormParameters {
  /** Factors; default ones. */
  readonly weight?: Node | undefined
  /** Summands; default zeros. */
  readonly bias?: Node | undefined
  /** Added to the variance; default 1e-5. */
  readonly eps?: number | undefined
}

interface Statistics {
  readonly mean: Node
  readonly variance: Node
}

/** Of each channel of each picture of x [N, C, …] → [N, C, 1, …]. */
function statistics(x: Node): Statistics {
  const mean = make('channelMean', { apart: true }, [x])
  return { mean, variance: make('channelVariance', { apart: true }, [x, mean]) }
}

const inverse = (variance: Node, eps = 1e-5): Node => div(constant(1), sqrt(add(variance, constant(eps))))

const affine = (x: Node, weight: Node | undefined, bias: Node | undefined): Node => {
  const times = weight ? mul(x, weight) : x
  return bias ? add(times, bias) : times
}

/** Normalises over the last dimensions, which are `shape`; weight and bias are of that shape (Ba et al. 2016). */
export function layerNorm(x: Node, shape: Shape, { weight, bias, eps }: NormParameters = {}): Node {
  const first = x.shape.length - shape.length
  if (shape.length === 0 || first < 0 || !sameShape(x.shape.slice(first), shape))
    throw new LenetError(`layerNorm: the last dimensions of ${showShape(x.shape)} must be ${showShape(shape)}`)
  for (const parameter of [weight, bias])
    if (parameter && !sameShape(parameter.shape, shape))
      throw new LenetError(`layerNorm: weight and bias must be ${showShape(shape)}, got ${showShape(parameter.shape)}`)
  const N = first > 0 ? (x.shape[0] ?? 1) : 1
  const values = sizeOf(shape)
  // what is normalised together is a channel of a picture
  const input = reshape(batch(first > 0 ? toFloat(x) : reshape(toFloat(x), [1, ...shape])), [N, -1, values])
  const { mean: average, variance } = statistics(input)
  const normalised = make('normalize', {}, [input, average, inverse(variance, eps)])
  // for the weight's gradient it is made anew: cheaper than to keep it
  normalised.isPassing = weight !== undefined && normalised.requiresGrad
  const flat = (v: Node | undefined): Node | undefined => v && reshape(toFloat(v), [values])
  return reshape(affine(normalised, flat(weight), flat(bias)), x.shape)
}

/** Those of channels [N, C, 1, …], put together by runs of channels and given to each channel of its run. */
function ofGroups({ mean: own, variance }: Statistics, groups: number): Statistics {
  const [N = 1, channels = 1] = own.shape
  if (groups === channels) return { mean: own, variance }
  const runs = [N, groups, channels / groups]
  const grouped = (v: Node): Node => reshape(v, runs)
  const spread = (v: Node): Node => reshape(expandLike(v, grouped(own)), own.shape)
  // all channels have as many pixels, so the mean of means is the mean, and what they differ in adds to the variance
  const meanOf = (v: Node): Node => div(sum(v, [2], true), constant(channels / groups))
  const average = meanOf(grouped(own))
  const between = square(sub(grouped(own), average))
  return { mean: spread(average), variance: spread(meanOf(add(grouped(variance), between))) }
}

/** Normalises x [N, C, …] over each of `groups` runs of channels; weight and bias are [C] (Wu & He 2018). */
export function groupNorm(x: Node, groups: number, { weight, bias, eps }: NormParameters = {}): Node {
  const [, channels] = x.shape
  if (channels === undefined || !Number.isInteger(groups) || groups < 1 || channels % groups !== 0)
    throw new LenetError(`groupNorm: the channels of ${showShape(x.shape)} must fall into ${groups} equal groups`)
  for (const parameter of [weight, bias])
    if (parameter && !sameShape(parameter.shape, [channels]))
      throw new LenetError(`groupNorm: weight and bias must be [${channels}], got ${showShape(parameter.shape)}`)
  const input = batch(toFloat(x))
  const { mean: average, variance } = ofGroups(statistics(input), groups)
  const beside = (v: Node): Node => reshape(unbatch(toFloat(v)), [-1, ...x.shape.slice(2).map(() => 1)])
  const scale = weight ? mul(inverse(variance, eps), beside(weight)) : inverse(variance, eps)
  return make('normalize', {}, [input, average, scale, ...(bias ? [beside(bias)] : [])])
}

/** [out, size]: the mean over ⌊i·size/out⌋ … ⌈(i+1)·size/out⌉ − 1 for each i. */
function means(size: number, out: number): Node {
  const rows = new Float32Array(out * size)
  for (let i = 0; i < out; i++) {
    const [from, to] = [Math.floor((i * size) / out), Math.ceil(((i + 1) * size) / out)]
    rows.fill(1 / (to - from), i * size + from, i * size + to)
  }
  return hostLeaf(rows, [out, size], 'f32')
}

/**
 * [N, C, H, W] → [N, C, OH, OW], means over windows of about equal size; null keeps a size. A size of 1 is global
 * average pooling. Source: torch.nn.functional.adaptive_avg_pool2d.
 */
export function adaptiveAvgPool2d(x: Node, outputSize: Size2 | readonly [number | null, number | null]): Node {
  const rank = x.shape.length
  const [H, W] = [x.shape[rank - 2], x.shape[rank - 1]]
  if ((rank !== 3 && rank !== 4) || H === undefined || W === undefined)
    throw new LenetError(`adaptiveAvgPool2d: expects input [N, C, H, W] or [C, H, W], got ${showShape(x.shape)}`)
  const given = typeof outputSize === 'number' ? [outputSize, outputSize] : outputSize
  const [OH, OW] = [given[0] ?? H, given[1] ?? W]
  if (![OH, OW].every((size) => Number.isInteger(size) && size >= 1))
    throw new LenetError(
      `adaptiveAvgPool2d: output sizes must be whole numbers of 1 or more, got ${showShape([OH, OW])}`,
    )
  const input = rank === 4 ? batch(toFloat(x)) : toFloat(x)
  if (OH === 1 && OW === 1) return mean(input, [rank - 2, rank - 1], true)
  if (H % OH === 0 && W % OW === 0 && sizeOf([H, W]) > 0) return avgPool2d(input, [H / OH, W / OW])
  const across = linear(input, means(W, OW))
  return transpose(linear(transpose(across, rank - 2, rank - 1), means(H, OH)), rank - 2, rank - 1)
}
