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

/** A net that begins by scaling 0 … 255 down wants bytes. */
export function ownScaling(net: NetFile): NetPreprocessing | undefined {
  const [first] = net.nodes
  const scales = first?.op === 'rescaling' && net.inputs.some(({ name }) => name === first.inputs[0])
  return scales && first.scale.every((factor) => Math.abs(factor) <= 0.02) ? bytesAsTheyAre : undefined
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
