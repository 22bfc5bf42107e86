/**
 * The input's gradient of a convolution as convolutions of the output's gradient: pixels whose places leave the same
 * remainders of the strides (a phase) meet the same taps, at neighbouring places of the output's gradient. With a stride
 * of 1 there is one phase, with all taps turned round. No product is with a zero that a stride put between.
 * Not here: the kernel that computes a phase (conv.ts).
 */
import type { Phase } from './conv.js'

type Pair = readonly [number, number]

export interface InputGradient {
  /** [H, W] of the input, of the kernel, of the output's gradient. */
  readonly input: Pair
  readonly kernel: Pair
  readonly output: Pair
  readonly stride: Pair
  readonly padding: Pair
  /** Of the output's gradient. */
  readonly channels: number
}

/** One direction of a phase: pixels `start`, `start` + stride, …; pixel i reads places i + `from` … of the gradient. */
interface Line {
  readonly start: number
  readonly count: number
  readonly taps: number
  /** Tap read at the first of those places; the next places have those a stride before it. */
  readonly tap: number
  readonly from: number
}

function linesOf(shape: InputGradient, axis: 0 | 1): Line[] {
  const [size, kernel, stride, padding] = [
    shape.input[axis],
    shape.kernel[axis],
    shape.stride[axis],
    shape.padding[axis],
  ]
  return Array.from({ length: Math.min(stride, size) }, (_, start) => {
    const first = (start + padding) % stride
    const taps = Math.max(0, Math.ceil((kernel - first) / stride))
    const from = taps === 0 ? 0 : (start + padding - first) / stride - taps + 1
    return { start, count: Math.ceil((size - start) / stride), taps, tap: first + stride * (taps - 1), from }
  })
}

/** Zeros that the lines read around so many places. */
const missing = (lines: readonly Line[], places: number): number =>
  lines.reduce((most, { from, count, taps }) => {
    return taps === 0 ? most : Math.max(most, -from, from + count + taps - 1 - places)
  }, 0)

/** The phases, for weights whose channels were swapped, and how many zeros there must be around the output's gradient. */
export function phasesOf(shape: InputGradient): { padding: Pair; phases: Phase[] } {
  const [down, across] = [linesOf(shape, 0), linesOf(shape, 1)]
  const padding = [missing(down, shape.output[0]), missing(across, shape.output[1])] as const
  const phases = down.flatMap((y) => across.map((x) => phaseOf(shape, padding, y, x)))
  return { padding, phases }
}

function phaseOf(shape: InputGradient, padding: Pair, y: Line, x: Line): Phase {
  const [kH, kW] = shape.kernel
  const [sy, sx] = shape.stride
  const any = y.taps * x.taps > 0
  const row = shape.output[1] + 2 * padding[1]
  return {
    taps: any ? [y.taps, x.taps] : [0, 0],
    rows: y.count,
    columns: x.count,
    from: any ? (y.from + padding[0]) * row + x.from + padding[1] : 0,
    weight: {
      start: any ? y.tap * kW + x.tap : 0,
      output: shape.channels * kH * kW,
      input: kH * kW,
      row: -sy * kW,
      column: -sx,
    },
    to: { start: y.start * shape.input[1] + x.start, row: sy * shape.input[1], column: sx },
  }
}
