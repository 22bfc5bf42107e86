/**
 * Tile plans as data: how many accumulators of which shape each kernel keeps in registers on a target. A plan may change
 * speed only, never the order of a sum. Not here: the kernels.
 * Measured: V8 spills beyond 8 accumulators and likes one tap a basic block (tap loops stay loops).
 */
import {
  convTile,
  linearGradTile,
  linearTile,
  type ConvShape,
  type ConvTile,
  type LinearGradTile,
  type LinearTile,
} from './choose.js'
import type { Target } from './target.js'

/** The plans of a target: a tile for each kernel that has a choice. */
export interface Plans {
  readonly conv: (shape: ConvShape) => ConvTile
  /** linear and its input gradient; `stride`: bytes from the weights of one result to those of the next. */
  readonly linear: (results: number, stride: number) => LinearTile
  /** linear's weight gradient [outputs, inputs]. */
  readonly linearGrad: (outputs: number, inputs: number) => LinearGradTile
  readonly rowVectors: RowVectors
}

/** Vectors of a conv's kernel in one pass over a list of non-zeros. */
export interface RowVectors {
  /** Sums of the weight gradient, all in registers. */
  readonly weight: number
  /** Input gradient: so many weights in registers, the others read for each entry, about `most` in all. */
  readonly input: { readonly registers: number; readonly most: number }
}

const rowVectors = ({ accumulators }: Target): RowVectors =>
  accumulators > 8
    ? { weight: accumulators + 2, input: { registers: accumulators, most: 36 } }
    : { weight: 7, input: { registers: 10, most: 144 } }

export const plansFor = (target: Target): Plans => ({
  conv: (shape) => convTile(target, shape),
  linear: (results, stride) => linearTile(target, results, stride),
  linearGrad: (outputs, inputs) => linearGradTile(target, outputs, inputs),
  rowVectors: rowVectors(target),
})
