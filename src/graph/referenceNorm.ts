/** What the normalisation of channels means, in plain loops; sums accumulate in float64. */
import { broadcastIndices, valuesAt } from './referenceShared.js'
import type { Numbers, ReferenceTable, Values } from './referenceShared.js'
import type { NodeType } from './node.js'

type Inputs = readonly Values[]

/** The channel of each value of x [N, C, …]. */
function channelsOf({ shape }: Values): (i: number) => number {
  const [, channels = 1, ...pixels] = shape
  const plane = pixels.reduce((product, size) => product * size, 1)
  return (i) => Math.floor(i / plane) % channels
}

function normalize(out: Numbers, inputs: Inputs, _attrs: unknown, { shape }: NodeType): void {
  const [x, mean, scale, bias] = [valuesAt(inputs, 0), valuesAt(inputs, 1), valuesAt(inputs, 2), inputs[3]]
  const of = broadcastIndices(shape, mean.shape)
  for (let i = 0; i < out.length; i++)
    out[i] = (x.data[i]! - mean.data[of[i]!]!) * scale.data[of[i]!]! + (bias?.data[of[i]!] ?? 0)
}

/** Σ term(i, channel) over the values of each channel, times `factor`. */
function sums(out: Numbers, x: Values, factor: number, term: (i: number, c: number) => number): void {
  const channelOf = channelsOf(x)
  const totals = new Float64Array(out.length)
  for (let i = 0; i < x.data.length; i++) totals[channelOf(i)]! += term(i, channelOf(i))
  out.set(totals.map((total) => total * factor))
}

function channelMean(out: Numbers, inputs: Inputs): void {
  const x = valuesAt(inputs, 0)
  sums(out, x, out.length / x.data.length, (i) => x.data[i]!)
}

function channelVariance(out: Numbers, inputs: Inputs): void {
  const [x, mean] = [valuesAt(inputs, 0), valuesAt(inputs, 1)]
  sums(out, x, out.length / x.data.length, (i, c) => (x.data[i]! - mean.data[c]!) ** 2)
}

function normalizeGradBias(out: Numbers, inputs: Inputs): void {
  const g = valuesAt(inputs, 0)
  sums(out, g, 1, (i) => g.data[i]!)
}

function normalizeGradScale(out: Numbers, inputs: Inputs): void {
  const [g, x, mean] = [valuesAt(inputs, 0), valuesAt(inputs, 1), valuesAt(inputs, 2)]
  sums(out, g, 1, (i, c) => g.data[i]! * (x.data[i]! - mean.data[c]!))
}

export const referenceNorm = {
  normalize,
  channelMean,
  channelVariance,
  normalizeGradBias,
  normalizeGradScale,
} as const satisfies ReferenceTable<
  'normalize' | 'channelMean' | 'channelVariance' | 'normalizeGradBias' | 'normalizeGradScale'
>
