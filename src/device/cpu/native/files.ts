/**
 * How functions that have to be compiled are spread over C files: files are compiled side by side, and each costs the head
 * that it begins with anew.
 * Not here: compiling (compiler.node.ts), the texts (compiler/render/c).
 */
import type { CPart } from '../../../compiler/index.js'

/** One function that a library is to have. */
export interface Part extends CPart {
  /** Of its entry in the cache. */
  readonly key: string
  readonly head: string
}

/** Measured (gcc 12): the head takes as long as this much text of kernels; a file of four times as much takes two seconds. */
const headLength = 20_000
const fileLength = 4 * headLength

/** The parts as files, those that take longest first: enough files for so many compilers, each of like length. */
export function intoFiles(parts: readonly Part[], compilers: number): Part[][] {
  const alike = new Map<string, Part[]>()
  for (const part of parts) alike.set(part.head, [...(alike.get(part.head) ?? []), part])
  return [...alike.values()].flatMap((group) => spread(group, compilers)).toSorted((a, b) => lengthOf(b) - lengthOf(a))
}

const lengthOf = (parts: readonly Part[]): number => parts.reduce((sum, { text }) => sum + text.length, 0)

/** The longest first, each to the file that is shortest so far. */
function spread(parts: readonly Part[], compilers: number): Part[][] {
  const whole = lengthOf(parts)
  const few = Math.min(compilers, Math.ceil(whole / headLength))
  const count = Math.min(parts.length, Math.max(few, Math.ceil(whole / fileLength)))
  const files = Array.from({ length: count }, () => ({ length: 0, parts: [] as Part[] }))
  for (const part of parts.toSorted((a, b) => b.text.length - a.text.length)) {
    const shortest = files.reduce((least, file) => (file.length < least.length ? file : least))
    shortest.length += part.text.length
    shortest.parts.push(part)
  }
  return files.map((file) => file.parts)
}
