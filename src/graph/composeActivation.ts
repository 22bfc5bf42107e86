/**
 * Activation functions of a line or two, with PyTorch's formulas, edges and gradients at the edges. NaN passes on.
 * Not here: relu, tanh and sigmoid, which are operations (composeElementwise.ts); softmax (composeReduction.ts).
 */
import {
  add,
  constant,
  div,
  erf,
  exp,
  expm1,
  ge,
  gt,
  le,
  log1p,
  mul,
  sigmoid,
  tanh,
  toFloat,
  abs,
  where,
  type Operand,
} from './composeElementwise.js'
import type { Node } from './node.js'

const times = (x: Node, factor: number): Node => (factor === 1 ? x : mul(x, constant(factor)))

/** x where it is 0 or less, else 0: what an exponential may be taken of without ∞. */
const notAbove = (x: Node): Node => where(le(x, constant(0)), x, constant(0))

/** x above 0, slope · x else; `negativeSlope` default 0.01. */
export function leakyRelu(x: Operand, negativeSlope = 0.01): Node {
  const input = toFloat(x)
  return where(le(input, constant(0)), times(input, negativeSlope), input)
}

/** x above 0, α (e^x − 1) else; α default 1 (Clevert et al. 2016). */
export function elu(x: Operand, alpha = 1): Node {
  const input = toFloat(x)
  return where(le(input, constant(0)), times(expm1(notAbove(input)), alpha), input)
}

/** λ elu(x, α) with the constants of Klambauer et al. 2017. */
export const selu = (x: Operand): Node => times(elu(x, 1.6732632423543772), 1.0507009873554805)

/** x · sigmoid(x), also called swish (Hendrycks & Gimpel 2016). */
export function silu(x: Operand): Node {
  const input = toFloat(x)
  return mul(input, sigmoid(input))
}

export type GeluApproximation = 'none' | 'tanh'

/** x · Φ(x) with Φ the normal distribution's, or its approximation by tanh (Hendrycks & Gimpel 2016). */
export function gelu(x: Operand, approximate: GeluApproximation = 'none'): Node {
  const input = toFloat(x)
  const inner = approximate === 'none' ? erf(times(input, Math.SQRT1_2)) : tanh(geluInner(input))
  return mul(times(input, 0.5), add(constant(1), inner))
}

/** √(2/π) (x + 0.044715 x³). */
function geluInner(x: Node): Node {
  const cube = mul(mul(x, x), x)
  return times(add(x, times(cube, 0.044715)), Math.sqrt(2 / Math.PI))
}

/** ln(1 + e^(βx)) / β; x itself where βx is above the threshold. */
export function softplus(x: Operand, beta = 1, threshold = 20): Node {
  const input = toFloat(x)
  const scaled = times(input, beta)
  const large = gt(scaled, constant(threshold))
  return where(large, input, times(log1p(exp(where(large, constant(0), scaled))), 1 / beta))
}

/** x · tanh(softplus(x)) (Misra 2019). */
export function mish(x: Operand): Node {
  const input = toFloat(x)
  return mul(input, tanh(softplus(input)))
}

/** x / (1 + |x|). */
export function softsign(x: Operand): Node {
  const input = toFloat(x)
  return div(input, add(constant(1), abs(input)))
}

/** x, but not below `low` and not above `high`: no gradient there, on the edges neither. */
export function hardTanh(x: Operand, low = -1, high = 1): Node {
  const input = toFloat(x)
  const below = le(input, constant(low))
  return where(below, constant(low), where(ge(input, constant(high)), constant(high), input))
}

export const relu6 = (x: Operand): Node => hardTanh(x, 0, 6)

/** x/6 + ½ between 0 and 1. */
export function hardSigmoid(x: Operand): Node {
  const input = toFloat(x)
  const line = add(times(input, 1 / 6), constant(0.5))
  return where(le(input, constant(-3)), constant(0), where(ge(input, constant(3)), constant(1), line))
}

/** x · hardSigmoid(x) (Howard et al. 2019). */
export function hardSwish(x: Operand): Node {
  const input = toFloat(x)
  return mul(input, hardSigmoid(input))
}
