/** `--normalize`: how bytes become a net's numbers, where the file and its family do not tell it right. */
import { UsageError } from '../base/index.js'
import { namedPreprocessing } from '../files/index.js'
import type { NetPreprocessing } from '../formats/index.js'

const names: Readonly<Record<string, NetPreprocessing>> = namedPreprocessing

function numbers(text: string): number[] {
  return text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)))
}

/** `--normalize`: torch, keras, none, or MEAN/STD of x / 255, each one number or one a channel. */
export function normalizeFlag(text: string): NetPreprocessing {
  const named = Object.hasOwn(names, text) ? names[text] : undefined
  if (named !== undefined) return named
  const [mean = [], std = [], ...more] = text.split('/').map(numbers)
  const right = [...mean, ...std].every(Number.isFinite) && !std.includes(0) && more.length === 0
  if (right && mean.length > 0 && std.length > 0) return { scale: 1 / 255, mean, std }
  throw new UsageError(
    `--normalize ${text}: there are torch, keras, none, and MEAN/STD of x / 255, as in 0.5/0.5 or 0.49,0.48,0.45/0.25,0.24,0.26`,
  )
}
