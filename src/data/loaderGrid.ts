/** Pictures side by side in one. Source: torchvision.utils.make_grid. */
import { LenetError, showShape } from '../base/index.js'
import { fromArray, type Tensor } from '../tensor/index.js'

export interface GridOptions {
  /** Pictures in a row; default 8. */
  readonly nrow?: number
  /** Pixels between pictures and around the grid; default 2. */
  readonly padding?: number
  /** The value of these pixels; default 0. */
  readonly padValue?: number
}

/** Copies picture [C, H, W] number i into its place; grey becomes three equal channels. */
function place(
  grid: Float32Array,
  size: readonly [number, number],
  picture: ArrayLike<number>,
  at: readonly number[],
  of: readonly number[],
): void {
  const [top = 0, left = 0] = at
  const [channels = 1, height = 0, width = 0] = of
  for (let c = 0; c < 3; c++) {
    const from = channels === 1 ? 0 : c * height * width
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++)
        grid[(c * size[0] + top + y) * size[1] + left + x] = picture[from + y * width + x] ?? 0
  }
}

/**
 * A grid [3, rows · (H + padding) + padding, columns · (W + padding) + padding] of pictures [N, C, H, W] (or one,
 * [C, H, W]); C is 1 or 3.
 * @throws LenetError for other shapes
 */
export function makeGrid(images: Tensor, { nrow = 8, padding = 2, padValue = 0 }: GridOptions = {}): Tensor {
  const shape = images.dim() === 3 ? [1, ...images.shape] : images.shape
  const [count = 0, channels = 0, height = 0, width = 0] = shape
  if (shape.length !== 4 || (channels !== 1 && channels !== 3) || count === 0) {
    throw new LenetError(`makeGrid: expects pictures [N, 1 or 3, H, W], got ${showShape(images.shape)}`)
  }
  const columns = Math.min(nrow, count)
  const rows = Math.ceil(count / columns)
  const size = [rows * (height + padding) + padding, columns * (width + padding) + padding] as const
  const grid = new Float32Array(3 * size[0] * size[1]).fill(padValue)
  const values = images.toTypedArray()
  const step = channels * height * width
  for (let i = 0; i < count; i++) {
    const top = Math.floor(i / columns) * (height + padding) + padding
    const left = (i % columns) * (width + padding) + padding
    place(grid, size, values.subarray(i * step, (i + 1) * step), [top, left], [channels, height, width])
  }
  return fromArray(grid, [3, ...size], 'f32')
}
