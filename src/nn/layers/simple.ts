/** Layers without parameters: activations, dropout, flatten, loss. Not here: what they compute (graph). */
import { UsageError } from '../../base/index.js'
import type { Tensor } from '../../tensor/index.js'
import * as F from '../functional.js'
import { Module } from '../module.js'
import { expectOptions } from './check.js'

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

export interface DimOptions {
  readonly dim: number
}

const dimOf = (dim: number | DimOptions): number => (typeof dim === 'number' ? dim : dim.dim)

/** Probabilities along `dim`: `new Softmax(1)` or `new Softmax({ dim: 1 })`. */
export class Softmax extends Module {
  readonly #dim: number
  constructor(dim: number | DimOptions) {
    super()
    this.#dim = dimOf(dim)
  }
  forward(x: Tensor): Tensor {
    return x.softmax(this.#dim)
  }
  override extraRepr(): string {
    return `dim=${this.#dim}`
  }
}

/** Logarithms of probabilities along `dim`. */
export class LogSoftmax extends Module {
  readonly #dim: number
  constructor(dim: number | DimOptions) {
    super()
    this.#dim = dimOf(dim)
  }
  forward(x: Tensor): Tensor {
    return x.logSoftmax(this.#dim)
  }
  override extraRepr(): string {
    return `dim=${this.#dim}`
  }
}

/** In training each value is 0 with probability p (default 0.5) and else divided by 1 - p. */
export class Dropout extends Module {
  readonly #p: number
  constructor(p = 0.5) {
    super()
    if (!(p >= 0 && p <= 1)) throw new UsageError(`Dropout: the probability must be from 0 to 1, got ${p}`)
    this.#p = p
  }
  forward(x: Tensor): Tensor {
    return F.dropout(x, this.#p, this.training)
  }
  override extraRepr(): string {
    return `p=${this.#p}, inplace=False`
  }
}

/** Dimensions startDim (default 1) to endDim (default the last) become one. */
export class Flatten extends Module {
  readonly #start: number
  readonly #end: number
  constructor(startDim = 1, endDim = -1) {
    super()
    this.#start = startDim
    this.#end = endDim
  }
  forward(x: Tensor): Tensor {
    return x.flatten(this.#start, this.#end)
  }
  override extraRepr(): string {
    return `start_dim=${this.#start}, end_dim=${this.#end}`
  }
}

export class Identity extends Module {
  forward(x: Tensor): Tensor {
    return x
  }
}

/**
 * Softmax and negative log likelihood in one: (logits [N, C], labels [N]) → the mean over the batch, or as `reduction`
 * says: 'mean', 'sum', 'none'. Source: torch.nn.CrossEntropyLoss (class weights and smoothing are not there).
 */
export class CrossEntropyLoss extends Module {
  readonly #options: F.LossOptions
  constructor(options: F.LossOptions = {}) {
    super()
    expectOptions('CrossEntropyLoss', options, ['reduction'])
    const { reduction = 'mean' } = options
    if (!['mean', 'sum', 'none'].includes(reduction)) {
      throw new UsageError(`CrossEntropyLoss: reduction must be 'mean', 'sum' or 'none', got '${reduction}'`)
    }
    this.#options = { reduction }
  }
  forward(logits: Tensor, labels: Tensor): Tensor {
    return F.crossEntropy(logits, labels, this.#options)
  }
}
