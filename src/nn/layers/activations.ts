/** Activations as layers, printed as PyTorch prints them. Not here: what they compute (graph). */
import { expectNumbers, expectWord, UsageError } from '../../base/index.js'
import type { Tensor } from '../../tensor/index.js'
import * as F from '../functional.js'
import { Module } from '../module.js'
import { expectOptions } from './check.js'
import { showFloat } from './text.js'

/** max(x, 0). */
export class ReLU extends Module {
  forward(x: Tensor): Tensor {
    return x.relu()
  }
}

export class Tanh extends Module {
  forward(x: Tensor): Tensor {
    return x.tanh()
  }
}

/** 1 / (1 + exp(-x)). */
export class Sigmoid extends Module {
  forward(x: Tensor): Tensor {
    return x.sigmoid()
  }
}

/** x above 0, negativeSlope · x else; default 0.01. */
export class LeakyReLU extends Module {
  readonly negativeSlope: number
  constructor(negativeSlope = 0.01) {
    super()
    expectNumbers('LeakyReLU', { negativeSlope })
    this.negativeSlope = negativeSlope
  }
  forward(x: Tensor): Tensor {
    return F.leakyRelu(x, this.negativeSlope)
  }
  override extraRepr(): string {
    return `negative_slope=${showFloat(this.negativeSlope)}`
  }
}

/** x above 0, alpha · (e^x - 1) else; alpha default 1. */
export class ELU extends Module {
  readonly alpha: number
  constructor(alpha = 1) {
    super()
    expectNumbers('ELU', { alpha })
    this.alpha = alpha
  }
  forward(x: Tensor): Tensor {
    return F.elu(x, this.alpha)
  }
  override extraRepr(): string {
    return `alpha=${showFloat(this.alpha)}`
  }
}

export class SELU extends Module {
  forward(x: Tensor): Tensor {
    return F.selu(x)
  }
}

/** x · sigmoid(x). */
export class SiLU extends Module {
  forward(x: Tensor): Tensor {
    return F.silu(x)
  }
}

/** x · Φ(x); `{ approximate: 'tanh' }` for the approximation. */
export class GELU extends Module {
  readonly approximate: NonNullable<F.GeluOptions['approximate']>
  constructor(options: F.GeluOptions = {}) {
    super()
    expectOptions('GELU', options, ['approximate'])
    const { approximate = 'none' } = options
    expectWord('GELU', 'approximate', approximate, ['none', 'tanh'])
    this.approximate = approximate
  }
  forward(x: Tensor): Tensor {
    return F.gelu(x, { approximate: this.approximate })
  }
  override extraRepr(): string {
    return `approximate='${this.approximate}'`
  }
}

/** ln(1 + e^(beta · x)) / beta; x where beta · x is above the threshold. */
export class Softplus extends Module {
  readonly beta: number
  readonly threshold: number
  constructor(beta = 1, threshold = 20) {
    super()
    expectNumbers('Softplus', { beta, threshold })
    this.beta = beta
    this.threshold = threshold
  }
  forward(x: Tensor): Tensor {
    return F.softplus(x, this.beta, this.threshold)
  }
  override extraRepr(): string {
    return `beta=${showFloat(this.beta)}, threshold=${showFloat(this.threshold)}`
  }
}

/** x · tanh(softplus(x)). */
export class Mish extends Module {
  forward(x: Tensor): Tensor {
    return F.mish(x)
  }
}

/** x / (1 + |x|). */
export class Softsign extends Module {
  forward(x: Tensor): Tensor {
    return F.softsign(x)
  }
}

/** x, but not below minVal and not above maxVal. */
export class Hardtanh extends Module {
  readonly minVal: number
  readonly maxVal: number
  constructor(minVal = -1, maxVal = 1) {
    super()
    expectNumbers('Hardtanh', { minVal, maxVal })
    if (!(minVal < maxVal)) throw new UsageError(`Hardtanh: minVal must be below maxVal, got ${minVal} and ${maxVal}`)
    this.minVal = minVal
    this.maxVal = maxVal
  }
  forward(x: Tensor): Tensor {
    return F.hardtanh(x, this.minVal, this.maxVal)
  }
  override extraRepr(): string {
    return `min_val=${showFloat(this.minVal)}, max_val=${showFloat(this.maxVal)}`
  }
}

/** x between 0 and 6. */
export class ReLU6 extends Module {
  forward(x: Tensor): Tensor {
    return F.relu6(x)
  }
}

/** x/6 + ½ between 0 and 1. */
export class Hardsigmoid extends Module {
  forward(x: Tensor): Tensor {
    return F.hardSigmoid(x)
  }
}

/** x · hardSigmoid(x). */
export class Hardswish extends Module {
  forward(x: Tensor): Tensor {
    return F.hardSwish(x)
  }
}

export interface DimOptions {
  readonly dim: number
}

function dimOf(what: string, given: number | DimOptions): number {
  const dim = typeof given === 'object' && given !== null ? given.dim : given
  if (Number.isInteger(dim)) return dim
  throw new UsageError(`${what}: say along which dimension: new ${what}(1), got ${String(dim)}`)
}

/** Probabilities along `dim`: `new Softmax(1)` or `new Softmax({ dim: 1 })`. */
export class Softmax extends Module {
  readonly dim: number
  constructor(dim: number | DimOptions) {
    super()
    this.dim = dimOf('Softmax', dim)
  }
  forward(x: Tensor): Tensor {
    return x.softmax(this.dim)
  }
  override extraRepr(): string {
    return `dim=${this.dim}`
  }
}

/** Logarithms of probabilities along `dim`. */
export class LogSoftmax extends Module {
  readonly dim: number
  constructor(dim: number | DimOptions) {
    super()
    this.dim = dimOf('LogSoftmax', dim)
  }
  forward(x: Tensor): Tensor {
    return x.logSoftmax(this.dim)
  }
  override extraRepr(): string {
    return `dim=${this.dim}`
  }
}
