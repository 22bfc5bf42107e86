/**
 * How pictures' bytes become a net's numbers: each family's habit, and what a file says of itself.
 * Not here: doing it (classifier, data), the text in which a file says it (notes.ts).
 */
import { LenetError } from '../base/index.js'
import type { NetFile, NetPreprocessing } from '../formats/index.js'

const scale = 1 / 255

/** What files of a family are trained on, if they say nothing. */
export const familyPreprocessing = {
  /** (x / 255 − 0.5) / 0.5 */
  torch: { scale, mean: [0.5], std: [0.5] },
  /** x / 255 */
  keras: { scale, mean: [0], std: [1] },
} as const satisfies Readonly<Record<string, NetPreprocessing>>

/** The net scales pictures itself. */
const bytesAsTheyAre: NetPreprocessing = { scale: 1, mean: [0], std: [1] }

/** What a net's pixels have been through: x · scale + offset, of each channel. */
interface Affine {
  readonly scale: readonly number[]
  readonly offset: readonly number[]
}

const untouched: Affine = { scale: [1], offset: [0] }

const valueOf = (values: readonly number[], c: number): number => values[values.length === 1 ? 0 : c] ?? 0

/** `then` after `first`. */
function composed(first: Affine, then: Affine): Affine {
  const channels = Math.max(...[first.scale, first.offset, then.scale, then.offset].map(({ length }) => length))
  const each = (value: (c: number) => number): number[] => Array.from({ length: channels }, (_, c) => value(c))
  return {
    scale: each((c) => valueOf(first.scale, c) * valueOf(then.scale, c)),
    offset: each((c) => valueOf(first.offset, c) * valueOf(then.scale, c) + valueOf(then.offset, c)),
  }
}

/** What leaves pixels what they are, whichever of them there are then. */
const keepsPixels: ReadonlySet<string> = new Set([
  'augmentation',
  'dropout',
  'pad',
  'maxPool2d',
  'avgPool2d',
  'flatten',
  'reshape',
  'slice',
  'relu',
])

/** What pixels have been through on each way from an input to the first operation that is more than a scale. */
function waysIn({ inputs, nodes, outputs }: NetFile): Affine[] {
  const values = new Map(inputs.map(({ name }) => [name, untouched]))
  const ends = new Set(outputs)
  for (const node of nodes) {
    const before = values.get(node.inputs[0] ?? '')
    if (before !== undefined && node.op === 'rescaling') values.set(node.name, composed(before, node))
    else if (before !== undefined && keepsPixels.has(node.op)) values.set(node.name, before)
    else node.inputs.forEach((name) => ends.add(name))
  }
  return [...values].flatMap(([name, value]) => (ends.has(name) ? [value] : []))
}

/** The pixels that become numbers around 0 … 1 or −1 … 1 that way; undefined where it does not tell. */
function pixelsFor({ scale, offset }: Affine): NetPreprocessing | undefined {
  const centres = scale.map((factor, c) => -valueOf(offset, c) / factor)
  if (scale.every((factor) => Math.abs(factor) <= 0.02) || centres.some((centre) => centre > 2)) return bytesAsTheyAre
  const isCentred = centres.every((centre) => centre > 0 && centre <= 1) && scale.every((factor) => factor >= 1)
  return isCentred || scale.every((factor) => factor >= 50) ? familyPreprocessing.keras : undefined
}

/**
 * The pixels of a net that scales them itself, at its beginning or behind layers that leave them what they are: bytes where it
 * scales 0 … 255 down, or takes the mean of such numbers away; x / 255 where it normalises 0 … 1. Else undefined.
 */
export function ownScaling(net: NetFile): NetPreprocessing | undefined {
  const told = waysIn(net).flatMap((way) => pixelsFor(way) ?? [])
  return told.find((pixels) => pixels === bytesAsTheyAre) ?? told[0]
}

/** As (x / 255 − mean) / std. */
export function meanAndStd(preprocessing: NetPreprocessing): { mean: number[]; std: number[] } {
  const whole = 255 * preprocessing.scale
  return {
    mean: preprocessing.mean.map((value) => value / whole),
    std: preprocessing.std.map((value) => value / whole),
  }
}

const same = (a: readonly number[], b: readonly number[], channels: number): boolean =>
  Array.from({ length: channels }, (_, c) => {
    const [x, y] = [a[a.length === 1 ? 0 : c], b[b.length === 1 ? 0 : c]]
    return x !== undefined && y !== undefined && Math.abs(x - y) <= 1e-9 * Math.max(1, Math.abs(x))
  }).every(Boolean)

export function samePreprocessing(a: NetPreprocessing, b: NetPreprocessing): boolean {
  const [x, y] = [meanAndStd(a), meanAndStd(b)]
  const channels = Math.max(x.mean.length, x.std.length, y.mean.length, y.std.length)
  return same(x.mean, y.mean, channels) && same(x.std, y.std, channels)
}

const listed = (values: readonly number[]): string => {
  const shown = values.map((value) => String(Number(value.toPrecision(6))))
  return new Set(shown).size === 1 ? (shown[0] ?? '') : `[${shown.join(', ')}]`
}

/** `(x / 255 − 0.5) / 0.5` */
export function shownPreprocessing(preprocessing: NetPreprocessing): string {
  if (samePreprocessing(preprocessing, bytesAsTheyAre)) return 'x as bytes of 0 … 255'
  const { mean, std } = meanAndStd(preprocessing)
  const [m, s] = [listed(mean), listed(std)]
  if (m === '0') return s === '1' ? 'x / 255' : `x / 255 / ${s}`
  return s === '1' ? `x / 255 − ${m}` : `(x / 255 − ${m}) / ${s}`
}

/** Those that go by a name: `none` gives bytes as they are. */
export const namedPreprocessing = { ...familyPreprocessing, none: bytesAsTheyAre } as const

/** Numbers a channel must be as many as the net has. */
export function checkChannels({ mean, std }: NetPreprocessing, channels: number, where: string): void {
  for (const [what, { length }] of Object.entries({ means: mean, deviations: std }))
    if (length !== 1 && length !== channels)
      throw new LenetError(`${where}: ${length} ${what} for pictures of ${channels} channels`)
}
