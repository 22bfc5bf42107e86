/**
 * Tile plans as data: how many accumulators of which shape each kernel keeps in registers on a target. A plan may change
 * speed only, never the order of a sum. Not here: the kernels.
 * Measured: V8 spills beyond 8 accumulators and likes one tap a basic block (tap loops stay loops).
 */
import {
  winogradTile,
  type ConvShape,
  type ConvTile,
  type LinearGradTile,
  type LinearTile,
  type WinogradShape,
  type WinogradTile,
} from './choose.js'
import type { Target } from './target.js'
import {
  chooseConv,
  chooseGradInput,
  chooseGradWeight,
  chooseLinear,
  chooseLinearGrad,
  type RowShape,
  type ScatterPlan,
} from './tuning.js'

/** The plans of a target: a tile for each kernel that has a choice. */
export interface Plans {
  readonly conv: (shape: ConvShape) => ConvTile
  readonly winograd: (shape: WinogradShape) => WinogradTile
  /** linear and its input gradient; `stride`: bytes from the weights of one result to those of the next. */
  readonly linear: (results: number, stride: number) => LinearTile
  /** linear's weight gradient [outputs, inputs]. */
  readonly linearGrad: (outputs: number, inputs: number) => LinearGradTile
  readonly rowVectors: {
    /** Sums of a conv's weight gradient in one pass over a list of non-zeros, all in registers. */
    readonly weight: (shape: RowShape) => number
    readonly input: (shape: RowShape) => ScatterPlan
  }
}

/** Plans of a target; `asked` is told the name of each choice as it is made. */
export function plansFor(target: Target, asked: (key: string) => void): Plans {
  const told: Target = {
    ...target,
    tuned: (key, candidates) => {
      asked(key)
      return target.tuned?.(key, candidates)
    },
  }
  return {
    conv: (shape) => chooseConv(told, shape),
    winograd: (shape) => winogradTile(told, shape),
    linear: (results, stride) => chooseLinear(told, results, stride),
    linearGrad: (outputs, inputs) => chooseLinearGrad(told, outputs, inputs),
    rowVectors: {
      weight: (shape) => chooseGradWeight(told, shape),
      input: (shape) => chooseGradInput(told, shape),
    },
  }
}
