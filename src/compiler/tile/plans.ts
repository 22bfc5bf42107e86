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
  /** Vectors of a kernel row kept in registers by the sparse gradients. */
  readonly rowVectors: { readonly weight: number; readonly input: number }
}

const wasm: Plans = {
  conv: { channels: 2, rows: 2, columns: 2 },
  linear: { features: 2, blocks: 4 },
  linearGrad: { features: 2, vectors: 4 },
  rowVectors: { weight: 7, input: 7 },
}

/** The plans for a device of so many lanes. */
export const plansFor = (_lanes: number): Plans => wasm
