/** F's activations: element by element, and softmax. Source: torch.nn.functional. Not here: what they compute (graph). */
import { expectNumbers, expectOptions, expectWord, UsageError } from '../base/index.js'
import { ops, Tensor } from '../tensor/index.js'

export const relu = (x: Tensor): Tensor => x.relu()
export const tanh = (x: Tensor): Tensor => x.tanh()
/** 1 / (1 + e^-x). */
export const sigmoid = (x: Tensor): Tensor => x.sigmoid()
export const softmax = (x: Tensor, dim: number): Tensor => x.softmax(dim)
export const logSoftmax = (x: Tensor, dim: number): Tensor => x.logSoftmax(dim)

/** x above 0, negativeSlope · x else. */
export function leakyRelu(x: Tensor, negativeSlope = 0.01): Tensor {
  expectNumbers('leakyRelu', { negativeSlope })
  return new Tensor(ops.leakyRelu(x.node, negativeSlope))
}
/** x above 0, alpha · (e^x - 1) else. */
export function elu(x: Tensor, alpha = 1): Tensor {
  expectNumbers('elu', { alpha })
  return new Tensor(ops.elu(x.node, alpha))
}
/** 1.0507 · elu(x, 1.6733). */
export const selu = (x: Tensor): Tensor => new Tensor(ops.selu(x.node))
/** x · sigmoid(x). */
export const silu = (x: Tensor): Tensor => new Tensor(ops.silu(x.node))

export interface GeluOptions {
  /** 'none' (default): by the error function; 'tanh': its approximation. */
  readonly approximate?: ops.GeluApproximation
}

/** x · Φ(x), Φ the normal distribution's. */
export function gelu(x: Tensor, options: GeluOptions = {}): Tensor {
  expectOptions('gelu', options, ['approximate'])
  const { approximate = 'none' } = options
  expectWord('gelu', 'approximate', approximate, ['none', 'tanh'])
  return new Tensor(ops.gelu(x.node, approximate))
}
/** ln(1 + e^(beta · x)) / beta; x where beta · x is above the threshold. */
export function softplus(x: Tensor, beta = 1, threshold = 20): Tensor {
  expectNumbers('softplus', { beta, threshold })
  return new Tensor(ops.softplus(x.node, beta, threshold))
}
/** x · tanh(softplus(x)). */
export const mish = (x: Tensor): Tensor => new Tensor(ops.mish(x.node))
/** x / (1 + |x|). */
export const softsign = (x: Tensor): Tensor => new Tensor(ops.softsign(x.node))
/** x, but not below minVal and not above maxVal. */
export function hardtanh(x: Tensor, minVal = -1, maxVal = 1): Tensor {
  expectNumbers('hardtanh', { minVal, maxVal })
  if (minVal > maxVal) throw new UsageError(`hardtanh: minVal cannot be above maxVal, got ${minVal} and ${maxVal}`)
  return new Tensor(ops.hardTanh(x.node, minVal, maxVal))
}
/** x between 0 and 6. */
export const relu6 = (x: Tensor): Tensor => new Tensor(ops.relu6(x.node))
/** x/6 + ½ between 0 and 1. */
export const hardSigmoid = (x: Tensor): Tensor => new Tensor(ops.hardSigmoid(x.node))
/** x · hardSigmoid(x). */
export const hardSwish = (x: Tensor): Tensor => new Tensor(ops.hardSwish(x.node))
