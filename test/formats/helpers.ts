/** Reads the frozen files of test/formats/fixtures. Not here: how they are made (the Python scripts beside them). */
import { readFileSync } from 'node:fs'

const folder = new URL('../../../test/formats/fixtures/', import.meta.url)

/** A JSON file of base64 texts, by name. */
export function base64Fixtures(name: string): ReadonlyMap<string, Uint8Array> {
  const texts: unknown = JSON.parse(readFileSync(new URL(name, folder), 'utf8'))
  if (typeof texts !== 'object' || texts === null) throw new Error(`${name} is not an object`)
  return new Map(Object.entries(texts).map(([key, text]) => [key, new Uint8Array(Buffer.from(String(text), 'base64'))]))
}

/** The fixture called `key`; a missing one is a mistake in the test. */
export function pick(files: ReadonlyMap<string, Uint8Array>, key: string): Uint8Array {
  const bytes = files.get(key)
  if (bytes === undefined) throw new Error(`no fixture ${key}`)
  return bytes
}

/** Bytes from numbers and latin1 texts, for pickles written by hand. */
export function bytesOf(...parts: (number | string | Uint8Array)[]): Uint8Array {
  return new Uint8Array(
    parts.flatMap((part) =>
      typeof part === 'number' ? [part] : typeof part === 'string' ? [...Buffer.from(part, 'latin1')] : [...part],
    ),
  )
}
