/**
 * Batch normalisation: statistics of each channel over a batch, and (x − mean) · γ / √(variance + ε) + β in one operation.
 * Not here: parameters and running statistics (nn, keras), normalisations within a picture (composeNorm.ts).
 */
import { LenetError, showShape, sizeOf } from '../base/index.js'
import { add, batch, constant, div, mul, scalar, sqrt, toFloat, unbatch } from './composeElementwise.js'
import { reshape } from './composeMovement.js'
import { make } from './infer.js'
import type { Node } from './node.js'

export interface BatchNormParameters {
  /** γ [C]; default ones. */
  readonly weight?: Node | undefined
  /** β [C]; default zeros. */
  readonly bias?: Node | undefined
  /** Added to the variance; default 1e-5. */
  readonly eps?: number
  /** Takes one value a channel in training too, of variance 0, as Keras; default false: an error, as PyTorch. */
  readonly takesSingles?: boolean
}

export interface BatchNormResult {
  readonly output: Node
  /** [C] of this batch. */
  readonly mean: Node
  /** [C], divided by the count: what normalises. */
  readonly variance: Node
  /** [C], divided by the count − 1: what running statistics take in. */
  readonly unbiasedVariance: Node
}

function checkBatchNorm(x: Node, vectors: readonly (Node | undefined)[]): void {
  const [, channels] = x.shape
  if (channels === undefined)
    throw new LenetError(`batchNorm: input must have 2 dimensions [N, C] or more, got ${showShape(x.shape)}`)
  for (const v of vectors)
    if (v && (v.shape.length !== 1 || v.shape[0] !== channels))
      throw new LenetError(
        `batchNorm: expects ${channels} channels, got ${showShape(v.shape)} for input ${showShape(x.shape)}`,
      )
}

/** [C] → [C, 1, …]: beside x [N, C, …]. */
const beside = (x: Node, v: Node): Node => reshape(unbatch(toFloat(v)), [-1, ...x.shape.slice(2).map(() => 1)])

/** mean and variance [C, 1, …]. */
function normalized(x: Node, mean: Node, variance: Node, { weight, bias, eps = 1e-5 }: BatchNormParameters): Node {
  const inverse = div(constant(1), sqrt(add(variance, constant(eps))))
  const scale = weight ? mul(beside(x, weight), inverse) : inverse
  return make('normalize', {}, [x, mean, scale, ...(bias ? [beside(x, bias)] : [])])
}

/** Normalises each channel of x [N, C, …] by the mean and variance of this batch (Ioffe & Szegedy 2015). */
export function batchNormTrain(x: Node, parameters: BatchNormParameters = {}): BatchNormResult {
  checkBatchNorm(x, [parameters.weight, parameters.bias])
  const input = batch(toFloat(x))
  const count = sizeOf(input.shape) / (input.shape[1] ?? 1)
  if (count < 1 || (count === 1 && parameters.takesSingles !== true))
    throw new LenetError(
      `batchNorm: training needs more than 1 value for each channel, got input ${showShape(x.shape)}`,
    )
  const average = make('channelMean', { apart: false }, [input])
  const spread = make('channelVariance', { apart: false }, [input, average])
  const [mean, variance] = [reshape(average, [-1]), reshape(spread, [-1])]
  const unbiasedVariance = mul(variance, scalar(count / Math.max(count - 1, 1)))
  return { output: normalized(input, average, spread, parameters), mean, variance, unbiasedVariance }
}

/** Normalises each channel of x [N, C, …] by a known mean and variance [C]. */
export function batchNormEval(x: Node, average: Node, variance: Node, parameters: BatchNormParameters = {}): Node {
  checkBatchNorm(x, [average, variance, parameters.weight, parameters.bias])
  const input = batch(toFloat(x))
  return normalized(input, beside(input, average), beside(input, variance), parameters)
}
