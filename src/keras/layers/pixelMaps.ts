/**
 * Moving pixels along one direction as matrices: row o of a map [out, in] says of which pixels output pixel o is made.
 * Flips, translations, crops and resizing are such maps. Not here: which are drawn (random.ts).
 */
import type { Tensor } from '../../tensor/index.js'

export const fillModes = ['reflect', 'constant', 'nearest', 'wrap'] as const
export type FillMode = (typeof fillModes)[number]

/** One matrix [out, in] for each of `count` pictures, row-major. */
export class PixelMaps {
  readonly data: Float32Array<ArrayBuffer>
  readonly out: number
  readonly size: number

  constructor(count: number, out: number, size: number) {
    this.data = new Float32Array(count * out * size)
    this.out = out
    this.size = size
  }

  /** Output pixel `o` of picture `n` takes the value at `place`, between two pixels where it is no whole number. */
  sample(n: number, o: number, place: number, fill: FillMode): void {
    const left = Math.floor(place)
    const share = place - left
    this.#add(n, o, left, 1 - share, fill)
    if (share > 0) this.#add(n, o, left + 1, share, fill)
  }

  #add(n: number, o: number, place: number, share: number, fill: FillMode): void {
    const pixel = inside(place, this.size, fill)
    if (pixel === undefined) return
    const at = (n * this.out + o) * this.size + pixel
    this.data[at] = (this.data[at] ?? 0) + share
  }
}

/** The pixel that stands for a place outside; undefined: none. */
function inside(place: number, size: number, fill: FillMode): number | undefined {
  if (place >= 0 && place < size) return place
  if (fill === 'constant') return undefined
  if (fill === 'nearest') return place < 0 ? 0 : size - 1
  const turn = (n: number): number => ((place % n) + n) % n
  if (fill === 'wrap') return turn(size)
  const there = turn(2 * size) // d c b a | a b c d | d c b a
  return there < size ? there : 2 * size - 1 - there
}

/** Pictures [N, C, H, W] with their rows [N, OH, H] and columns [N, OW, W] mapped; null leaves a direction alone. */
export function mapPixels(x: Tensor, rows: Tensor | null, columns: Tensor | null): Tensor {
  const [count, channels, height, width] = [x.size(0), x.size(1), x.size(2), x.size(3)]
  const outWidth = columns ? columns.size(1) : width
  const wide = columns
    ? x
        .view(count, channels * height, width)
        .matmul(columns.permute(0, 2, 1))
        .view(count, channels, height, outWidth)
    : x
  if (!rows) return wide
  return rows.unsqueeze(1).matmul(wide) // [N, 1, OH, H] × [N, C, H, OW]
}
