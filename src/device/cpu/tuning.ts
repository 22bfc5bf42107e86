/**
 * Measured choices (`lenet tune`) as text, and how they reach the targets that plans are made for. Whatever a file says, a
 * plan takes only what is among a kernel's candidates: it changes speed, never a result.
 * Not here: where the file lies (tuning.node.ts), what candidates there are (compiler/tile).
 */
import type { Target, Tuned } from '../../compiler/index.js'

/** Which candidate is best, by the full name of the choice: tier, target, kernel and shape. */
export type Choices = ReadonlyMap<string, string>

/** Raised when names of choices or candidates change their meaning. */
const format = 'lenet tuning 1'
const [mostChoices, longest] = [4096, 100]
/** A file of so many choices is not longer. */
export const mostTuningBytes = mostChoices * 2 * (longest + 8)

/** The full name of a choice. */
export const choiceName = (tier: string, { lanes, accumulators }: Target, key: string): string =>
  `${tier} ${lanes}/${accumulators} ${key}`

/** The target with what was measured on this machine. */
export function tunedTarget(tier: string, target: Target, choices: Choices): Target {
  return choices.size === 0 ? target : { ...target, tuned: (key) => choices.get(choiceName(tier, target, key)) }
}

/** The target with choices of somebody who tries them. */
export const triedTarget = (target: Target, tuned: Tuned): Target => ({ ...target, tuned })

/** @param machine what the choices were measured on */
export function formatTuning(machine: string, choices: Choices): string {
  const sorted = [...choices].toSorted(([a], [b]) => (a < b ? -1 : 1))
  return `${JSON.stringify({ format, machine, choices: Object.fromEntries(sorted) }, null, 2)}\n`
}

/** The choices; or, as a string, why there are none. */
export function parseTuning(text: string, machine: string): Choices | string {
  let found: unknown
  try {
    found = JSON.parse(text)
  } catch {
    return 'it is no JSON'
  }
  if (!isRecord(found) || found['format'] !== format) return `it is not in the format '${format}'`
  if (found['machine'] !== machine) return 'it was measured on another machine'
  const { choices } = found
  if (!isRecord(choices)) return 'it holds no choices'
  const pairs = Object.entries(choices)
  if (pairs.length > mostChoices) return `it holds more than ${mostChoices} choices`
  const good = pairs.filter((pair): pair is [string, string] => pair.every(isName))
  return good.length === pairs.length ? new Map(good) : 'it holds something else than names of choices'
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isName = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= longest && /^[\w ×/]+$/.test(value)
