/** Options given by name, and numbers by place. Not here: what they mean. */
import { UsageError } from './errors.js'

const shown = (value: unknown): string => {
  if (typeof value === 'string') return `'${value}'`
  if (typeof value !== 'object' || value === null) return String(value)
  const isPlain = Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype
  return isPlain ? JSON.stringify(value) : `a ${value.constructor?.name ?? 'value'}`
}

const isOptions = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value)

/**
 * Throws UsageError for an option that there is not, such as one spelled as in Python, and for options by their place:
 * said, not ignored.
 */
export function expectOptions(what: string, options: object, known: readonly string[]): void {
  if (!isOptions(options))
    throw new UsageError(`${what}: options are given by name, { ${known[0] ?? 'name'}: … }, got ${shown(options)}`)
  for (const name of Object.keys(options))
    if (!known.includes(name))
      throw new UsageError(`${what}: there is no option ${name}; there are ${known.join(', ')}`)
}

/** Throws UsageError for anything but numbers (infinite ones are). */
export function expectNumbers(what: string, values: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(values))
    if (typeof value !== 'number' || Number.isNaN(value))
      throw new UsageError(`${what}: ${name} must be a number, got ${shown(value)}`)
}

/** Throws UsageError for what is none of the words. */
export function expectWord(what: string, name: string, value: unknown, words: readonly string[]): void {
  if (typeof value === 'string' && words.includes(value)) return
  throw new UsageError(`${what}: ${name} must be ${words.map((word) => `'${word}'`).join(' or ')}, got ${shown(value)}`)
}
