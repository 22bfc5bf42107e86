/**
 * How pictures and conv kernels lie with their channels innermost, for the sparse backward of conv2d.
 * A "row picture" is [H+2p][W+2p] pixels of `pixelFloats` (the channels, then room), and room for a vector behind.
 * Not here: the kernels that use them (rows.ts, sparse.ts).
 */

/** How a picture [C, H, W] of a conv's input lies as row picture. */
export interface ImageRows {
  readonly size: readonly [number, number] // H, W
  readonly padding: readonly [number, number]
  readonly channels: number
  readonly pixelFloats: number
  readonly pictureFloats: number
}

/** Where the positions of a conv's output [O, OH, OW] begin in the row pictures of its input. */
export interface Positions {
  readonly stride: readonly [number, number]
  readonly outSize: readonly [number, number]
  readonly pixelFloats: number
  readonly rowPixels: number // W + 2p
  readonly pictureFloats: number
}

/** A conv kernel as rows: kH rows of kW pixels, each padded to rowFloats. */
export interface RowKernel {
  readonly kernelSize: readonly [number, number]
  readonly channels: number
  readonly pixelFloats: number
  readonly rowFloats: number
  readonly rowPixels: number // of the picture that it slides over
  readonly pictureFloats: number
}

const roundUp = (count: number, step: number): number => Math.ceil(count / step) * step

/** Geometry shared by the pieces of one conv's backward; x is [C, H, W]. */
export function rowGeometry(
  lanes: number,
  [channels, H, W]: readonly [number, number, number],
  kernelSize: readonly [number, number],
  padding: readonly [number, number],
): { image: ImageRows; kernel: RowKernel } {
  const [tall, wide] = [H + 2 * padding[0], W + 2 * padding[1]]
  // Neighbouring pixels' vectors should not overlap in part: a load behind such a store waits. Few channels gain more by
  // being close; above a vector's worth each vector belongs to one pixel.
  const pixelFloats = channels > 4 ? roundUp(channels, channels > lanes ? lanes : 4) : channels
  const pictureFloats = roundUp(tall * wide * pixelFloats + lanes - 1, lanes)
  const rowFloats = roundUp(kernelSize[1] * pixelFloats, lanes)
  return {
    image: { size: [H, W], padding, channels, pixelFloats, pictureFloats },
    kernel: { kernelSize, channels, pixelFloats, rowFloats, rowPixels: wide, pictureFloats },
  }
}
