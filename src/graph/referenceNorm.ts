/** What the normalisation of channels means, in plain loops; sums accumulate in float64. */
import { broadcastIndices, valuesAt } from './referenceShared.js'
import type { Numbers, ReferenceTable, Values } from './referenceShared.js'
import type { NodeType } from './node.js'
import type { OpAttrs } from './ops.js'

type Inputs = readonly Values[]

/** Where each value of x [N, C, …] counts: its channel, or that of its picture. */
function channelsOf({ shape }: Values, apart: boolean): (i: number) => number {
  const [, channels = 1, ...pixels] = shape
  const plane = pixels.reduce((product, size) => product * size, 1)
  return (i) => (apart ? Math.floor(i / plane) : Math.floor(i / plane) % channels)
}

function normalize(out: Numbers, inputs: Inputs, _attrs: unknown, { shape }: NodeType): void {
  const [x, mean, scale, bias] = [valuesAt(inputs, 0), valuesAt(inputs, 1), valuesAt(inputs, 2), inputs[3]]
  const [m, s] = [broadcastIndices(shape, mean.shape), broadcastIndices(shape, scale.shape)]
  const b = bias && broadcastIndices(shape, bias.shape)
  for (let i = 0; i < out.length; i++)
    out[i] = (x.data[i]! - mean.data[m[i]!]!) * scale.data[s[i]!]! + (bias?.data[b?.[i] ?? 0] ?? 0)
}

/** Σ term(i, channel) over the values of each channel, times `factor`. */
function sums(out: Numbers, x: Values, apart: boolean, term: (i: number, c: number) => number, factor = 1): void {
  const channelOf = channelsOf(x, apart)
  const totals = new Float64Array(out.length)
  for (let i = 0; i < x.data.length; i++) totals[channelOf(i)]! += term(i, channelOf(i))
  out.set(totals.map((total) => total * factor))
}

type Attrs = OpAttrs['channelMean']

function channelMean(out: Numbers, inputs: Inputs, { apart }: Attrs): void {
  const x = valuesAt(inputs, 0)
  sums(out, x, apart, (i) => x.data[i]!, out.length / x.data.length)
}

function channelVariance(out: Numbers, inputs: Inputs, { apart }: Attrs): void {
  const [x, mean] = [valuesAt(inputs, 0), valuesAt(inputs, 1)]
  sums(out, x, apart, (i, c) => (x.data[i]! - mean.data[c]!) ** 2, out.length / x.data.length)
}

function normalizeGradBias(out: Numbers, inputs: Inputs, { apart }: Attrs): void {
  const g = valuesAt(inputs, 0)
  sums(out, g, apart, (i) => g.data[i]!)
}

function normalizeGradScale(out: Numbers, inputs: Inputs, { apart }: Attrs): void {
  const [g, x, mean] = [valuesAt(inputs, 0), valuesAt(inputs, 1), valuesAt(inputs, 2)]
  sums(out, g, apart, (i, c) => g.data[i]! * (x.data[i]! - mean.data[c]!))
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
