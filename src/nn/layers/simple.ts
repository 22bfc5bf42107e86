/** Layers without parameters: dropout, flatten. Not here: what they compute (graph). */
import { UsageError } from '../../base/index.js'
import type { Tensor } from '../../tensor/index.js'
import * as F from '../functional.js'
import { Module } from '../module.js'

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

/** In training each channel of a picture is 0 with probability p (default 0.5) and else divided by 1 - p. */
export class Dropout2d extends Module {
  readonly #p: number
  constructor(p = 0.5) {
    super()
    if (!(p >= 0 && p <= 1)) throw new UsageError(`Dropout2d: the probability must be from 0 to 1, got ${p}`)
    this.#p = p
  }
  forward(x: Tensor): Tensor {
    return F.dropout2d(x, this.#p, this.training)
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
