/**
 * Tile plans as data: how many accumulators of which shape each kernel keeps in registers on a target. A plan may change
 * speed only, never the order of a sum. Not here: the kernels.
 * Measured: V8 spills beyond 8 accumulators and likes one tap a basic block (tap loops stay loops).
 */

/** Accumulators of a conv: output channels × output rows × output columns. */
export interface ConvTile {
  readonly channels: number
  readonly rows: number
  readonly columns: number
}

export interface Plans {
  readonly conv: ConvTile
  /** linear: output features × blocks of pictures. */
  readonly linear: { readonly features: number; readonly blocks: number }
  /** linear's weight gradient: output features × vectors of input features. */
  readonly linearGrad: { readonly features: number; readonly vectors: number }
  readonly rowVectors: RowVectors
}

/** Vectors of a conv's kernel in one pass over a list of non-zeros. */
export interface RowVectors {
  /** Sums of the weight gradient, all in registers. */
  readonly weight: number
  /** Input gradient: so many weights in registers, the others read for each entry, about `most` in all. */
  readonly input: { readonly registers: number; readonly most: number }
}

const wasm: Plans = {
  conv: { channels: 2, rows: 2, columns: 2 },
  linear: { features: 2, blocks: 4 },
  linearGrad: { features: 2, vectors: 4 },
  rowVectors: { weight: 7, input: { registers: 10, most: 144 } },
}

/** The plans for a device of so many lanes. */
export const plansFor = (_lanes: number): Plans => wasm
