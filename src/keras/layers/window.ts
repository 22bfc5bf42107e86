/** Windows and their padding as TensorFlow counts them. Not here: what is computed under a window. */
import { LenetError, UsageError, type Shape } from '../../base/index.js'
import { sameName } from '../naming.js'
import { showBatch } from '../layer.js'

/** One number for both directions, or [vertical, horizontal]. */
export type Size2 = number | readonly number[]
export type Pair = readonly [number, number]
export type Padding = 'valid' | 'same'

export function pairOf(what: string, name: string, size: Size2): Pair {
  const [vertical = NaN, horizontal = vertical] = typeof size === 'number' ? [size] : size
  const isPair = typeof size === 'number' || size.length === 1 || size.length === 2
  if (isPair && [vertical, horizontal].every((n) => Number.isInteger(n) && n > 0)) return [vertical, horizontal]
  throw new UsageError(`${what}: ${name} must be a whole number of 1 or more, or two of them, got ${String(size)}`)
}

export function paddingOf(what: string, padding: string): Padding {
  const found = sameName(padding)
  if (found === 'valid' || found === 'same') return found
  throw new UsageError(`${what}: The \`padding\` argument must be one of {'same', 'valid'}. Received: ${padding}`)
}

export interface Geometry {
  /** Height and width of the result. */
  readonly out: Pair
  /** Rows and columns added before and after, [vertical, horizontal]. */
  readonly before: Pair
  readonly after: Pair
}

/** How far a window reaches whose taps lie `dilation` pixels apart. */
export const dilated = (kernel: Pair, dilation: Pair): Pair => [
  (kernel[0] - 1) * dilation[0] + 1,
  (kernel[1] - 1) * dilation[1] + 1,
]

/** Along one direction. The odd pixel of 'same' comes after. */
function along(size: number, kernel: number, stride: number, padding: Padding): readonly [number, number, number] {
  if (padding === 'valid') return [Math.floor((size - kernel) / stride) + 1, 0, 0]
  const out = Math.ceil(size / stride)
  const total = Math.max((out - 1) * stride + kernel - size, 0)
  const before = Math.floor(total / 2)
  return [out, before, total - before]
}

/** Of a window over pictures of sizes [H, W, C]. Throws LenetError when it does not fit. */
export function geometry(what: string, sizes: Shape, kernel: Pair, strides: Pair, padding: Padding): Geometry {
  const [height = 0, width = 0] = sizes
  const vertical = along(height, kernel[0], strides[0], padding)
  const horizontal = along(width, kernel[1], strides[1], padding)
  if (vertical[0] < 1 || horizontal[0] < 1)
    throw new LenetError(
      `${what}: Computed output size would be zero or negative. Received inputs of the shape ${showBatch(sizes)}, a window of (${kernel.join(', ')}), strides=(${strides.join(', ')}), padding=${padding}`,
    )
  return {
    out: [vertical[0], horizontal[0]],
    before: [vertical[1], horizontal[1]],
    after: [vertical[2], horizontal[2]],
  }
}
