/**
 * Filling parameters, with PyTorch's numbers for the same seed. Source: torch.nn.init.
 * Not here: which layer uses what (layers/).
 */
import { LenetError, showShape, type Generator } from '../base/index.js'
import { defaultGenerator, type Tensor } from '../tensor/index.js'

/** Uniform numbers of [a, b). */
export function uniform_(x: Tensor, a = 0, b = 1, generator: Generator = defaultGenerator): Tensor {
  return x.copy_(generator.uniform(new Float32Array(x.numel()), a, b))
}

/** Normal numbers; they agree with PyTorch's to about 1e-6 · std. */
export function normal_(x: Tensor, mean = 0, std = 1, generator: Generator = defaultGenerator): Tensor {
  return x.copy_(generator.normal(new Float32Array(x.numel()), mean, std))
}

export const constant_ = (x: Tensor, value: number): Tensor => x.copy_(new Float32Array(x.numel()).fill(value))
export const zeros_ = (x: Tensor): Tensor => constant_(x, 0)
export const ones_ = (x: Tensor): Tensor => constant_(x, 1)

/** How many inputs an output has, and the other way: a weight is [out, in, kernel…]. */
export function fans(weight: Tensor): { fanIn: number; fanOut: number } {
  const [out, inputs, ...kernel] = weight.shape
  if (out === undefined || inputs === undefined) {
    throw new LenetError(`init: a weight needs 2 dimensions or more, got ${showShape(weight.shape)}`)
  }
  const field = kernel.reduce((product, size) => product * size, 1)
  return { fanIn: inputs * field, fanOut: out * field }
}

/** Uniform of ±gain · √(3 / fanIn) with gain √(2 / (1 + a²)) (He et al. 2015); layers use a = √5. */
export function kaimingUniform_(weight: Tensor, a = 0, generator: Generator = defaultGenerator): Tensor {
  const std = Math.sqrt(2 / (1 + a ** 2)) / Math.sqrt(fans(weight).fanIn)
  const bound = Math.sqrt(3) * std
  return uniform_(weight, -bound, bound, generator)
}

/** Uniform of ±gain · √(6 / (fanIn + fanOut)) (Glorot & Bengio 2010). */
export function xavierUniform_(weight: Tensor, gain = 1, generator: Generator = defaultGenerator): Tensor {
  const { fanIn, fanOut } = fans(weight)
  const bound = Math.sqrt(3) * gain * Math.sqrt(2 / (fanIn + fanOut))
  return uniform_(weight, -bound, bound, generator)
}
