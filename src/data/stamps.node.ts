/**
 * What is known of files that were verified once: size, time and sum, so that a later start need not hash them again.
 * A stamp file that is missing, damaged or not writable costs a new hash, never an error.
 * Not here: what the sums should be.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { writeFileAtomic } from '../base/fs.node.js'

interface Stamp {
  readonly size: number
  /** Milliseconds since 1970, with the fraction that the file system keeps. */
  readonly mtimeMs: number
  /** Hexadecimal SHA-256 of the contents, or of what they were proved to hold. */
  readonly sum: string
}

/** Takes a stamp away: no file has this sum. */
export const noStamp: Stamp = { size: 0, mtimeMs: 0, sum: '' }

/** By file name, or by absolute path. */
export type Stamps = Map<string, Stamp>

function isStamp(value: unknown): value is Stamp {
  if (typeof value !== 'object' || value === null) return false
  if (!('size' in value) || !('mtimeMs' in value) || !('sum' in value)) return false
  return typeof value.size === 'number' && typeof value.mtimeMs === 'number' && typeof value.sum === 'string'
}

/** The stamps in a file; none where it is missing or not one of ours. */
export async function readStamps(path: string): Promise<Stamps> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'))
    if (typeof value !== 'object' || value === null || !('files' in value)) return new Map()
    const files: object = typeof value.files === 'object' && value.files !== null ? value.files : {}
    return new Map(Object.entries(files).filter((entry): entry is [string, Stamp] => isStamp(entry[1])))
  } catch {
    return new Map()
  }
}

/** The stamp of a file as it is now. Throws the system's error where there is none. */
export async function stampOf(path: string, sum: string): Promise<Stamp> {
  const { size, mtimeMs } = await stat(path)
  return { size, mtimeMs, sum }
}

/** Whether the file is still the one that was verified to have `sum`. */
export async function isStamped(stamps: Stamps, key: string, path: string, sum: string): Promise<boolean> {
  const known = stamps.get(key)
  if (known === undefined || known.sum !== sum) return false
  const now = await stat(path).catch(() => undefined)
  return now !== undefined && now.size === known.size && now.mtimeMs === known.mtimeMs
}

/** Adds stamps to those already in the file. Where it cannot be written, nothing happens: the next start hashes again. */
export async function addStamps(path: string, added: Stamps): Promise<void> {
  const files = Object.fromEntries([...(await readStamps(path)), ...added])
  const text = JSON.stringify({ version: 1, files }, undefined, 1)
  await writeFileAtomic(path, `${text}\n`).catch(() => undefined)
}

/** Hexadecimal SHA-256 of bytes. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Hexadecimal SHA-256 of a file, read in pieces. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}
