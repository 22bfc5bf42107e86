/**
 * How pictures' bytes become a net's numbers: each family's habit, what a file says of itself, and `--normalize`.
 * Not here: doing it (classifier, data).
 */
import { LenetError, UsageError } from '../base/index.js'
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

const names: Readonly<Record<string, NetPreprocessing>> = { ...familyPreprocessing, none: bytesAsTheyAre }

function numbers(text: string): number[] {
  return text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)))
}

/** `--normalize`: torch, keras, none, or MEAN/STD of x / 255, each one number or one a channel. */
export function normalizeFlag(text: string): NetPreprocessing {
  const named = Object.hasOwn(names, text) ? names[text] : undefined
  if (named !== undefined) return named
  const [mean = [], std = [], ...more] = text.split('/').map(numbers)
  const right = [...mean, ...std].every(Number.isFinite) && !std.includes(0) && more.length === 0
  if (right && mean.length > 0 && std.length > 0) return { scale, mean, std }
  throw new UsageError(
    `--normalize ${text}: there are torch, keras, none, and MEAN/STD of x / 255, as in 0.5/0.5 or 0.49,0.48,0.45/0.25,0.24,0.26`,
  )
}

/** Numbers a channel must be as many as the net has. */
export function checkChannels({ mean, std }: NetPreprocessing, channels: number, where: string): void {
  for (const [what, { length }] of Object.entries({ means: mean, deviations: std }))
    if (length !== 1 && length !== channels)
      throw new LenetError(`${where}: ${length} ${what} for pictures of ${channels} channels`)
}

const isNumbers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'number' && Number.isFinite(item))

type Notes = Pick<NetFile, 'classes' | 'preprocessing'>

/** What files keep of a net besides weights, as JSON; undefined where there is nothing to keep. */
export function notesText({ classes, preprocessing }: Notes): string | undefined {
  if (classes === undefined && preprocessing === undefined) return undefined
  return JSON.stringify({ classes, preprocessing })
}

/** What is no such text, or damaged, is refused: a net that is given other pictures would be silently wrong. */
export function notesOf(text: string, where: string): Notes {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new LenetError(`${where}: should be JSON and is not`)
  }
  if (typeof value !== 'object' || value === null) throw new LenetError(`${where}: should be an object`)
  const found: { classes?: unknown; preprocessing?: unknown } = value
  const { classes, preprocessing } = found
  const areTexts = Array.isArray(classes) && classes.every((name) => typeof name === 'string')
  return {
    ...(areTexts ? { classes } : {}),
    ...(preprocessing === undefined ? {} : { preprocessing: preprocessingOf(preprocessing, where) }),
  }
}

function preprocessingOf(value: unknown, where: string): NetPreprocessing {
  const told: Record<string, unknown> = typeof value === 'object' ? { ...value } : {}
  const { scale: factor, mean, std } = told
  if (typeof factor === 'number' && factor > 0 && isNumbers(mean) && isNumbers(std) && !std.includes(0))
    return { scale: factor, mean, std }
  throw new LenetError(`${where}: its preprocessing has no scale, mean and std`)
}
