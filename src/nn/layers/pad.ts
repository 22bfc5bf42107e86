/** Layers that put numbers around pictures. Not here: what they compute (graph). */
import { UsageError } from '../../base/index.js'
import type { Tensor } from '../../tensor/index.js'
import * as F from '../functional.js'
import { Module } from '../module.js'

/** One number for all sides, or left, right, above, below; below 0 cuts off. */
export type Padding2 = number | readonly [number, number, number, number]

function sides(layer: string, padding: Padding2): readonly number[] {
  const all = typeof padding === 'number' ? [padding, padding, padding, padding] : padding
  if (all.length !== 4 || !all.every(Number.isInteger))
    throw new UsageError(
      `${layer}: padding must be a whole number or [left, right, above, below], got ${String(padding)}`,
    )
  return all
}

/** Source: torch.nn.ConstantPad2d. */
export class ConstantPad2d extends Module {
  readonly #padding: readonly number[]
  readonly #value: number
  constructor(padding: Padding2, value: number) {
    super()
    this.#padding = sides('ConstantPad2d', padding)
    this.#value = value
  }
  forward(x: Tensor): Tensor {
    return F.pad(x, this.#padding, this.#value)
  }
  override extraRepr(): string {
    return `padding=(${this.#padding.join(', ')}), value=${this.#value}`
  }
}

/** Source: torch.nn.ZeroPad2d. */
export class ZeroPad2d extends Module {
  readonly #padding: readonly number[]
  constructor(padding: Padding2) {
    super()
    this.#padding = sides('ZeroPad2d', padding)
  }
  forward(x: Tensor): Tensor {
    return F.pad(x, this.#padding)
  }
  override extraRepr(): string {
    return `(${this.#padding.join(', ')})`
  }
}
