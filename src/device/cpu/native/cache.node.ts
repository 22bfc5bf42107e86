/**
 * Compiled functions on disk: `<key>-<SHA-256 of the file>.so`. A library that was compiled of several functions has a name
 * for each, all of one file. The name carries the sum of the bytes, so that one link makes an entry and nothing is loaded
 * that is not what was written.
 * Not here: whether the folder can be trusted (folder).
 */
import { createHash } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { replaceFileSync } from '../../../base/fs.node.js'
import { messageOf } from '../../../base/index.js'
import { ownerProblem } from './folder.node.js'

const NAME = /^(?<key>[0-9a-f]{64})-(?<sum>[0-9a-f]{64})\.so$/
/** Begins the name of a folder in which a compiler works. */
const TEMPORARY = '.tmp-'
/** What a killed process left behind is older than any compilation. */
const STALE_MS = 24 * 3600 * 1000

/** SHA-256, hexadecimal, of strings that cannot run into each other. */
export function keyOf(parts: readonly (string | number)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}

export function temporaryFolderOf(folder: string, token: string, id: number): string {
  return join(folder, `${TEMPORARY}${token}-${id}`)
}

/** Removes what a service's compilations left. */
export function removeTemporaries(folder: string, token: string): void {
  for (const name of namesIn(folder)) if (name.startsWith(`${TEMPORARY}${token}-`)) remove(join(folder, name))
}

/** What a folder holds, read once for many keys. */
export interface Listing {
  readonly folder: string
  readonly names: ReadonlyMap<string, readonly string[]>
  /** By their sums the files that were found to be sound. */
  readonly sound: Map<string, string>
}

export function listingOf(folder: string): Listing {
  const names = new Map<string, string[]>()
  for (const name of namesIn(folder)) {
    const key = NAME.exec(name)?.groups?.['key']
    if (key !== undefined) names.set(key, [...(names.get(key) ?? []), name])
  }
  return { folder, names, sound: new Map() }
}

/**
 * The path of a sound library of this key that serves; entries that are damaged, not ours or of no use are removed. A library
 * that several keys share is read once. An entry found is marked as used now.
 */
export function findEntry(
  { folder, names, sound }: Listing,
  key: string,
  serves: (path: string) => boolean,
): string | undefined {
  for (const name of names.get(key) ?? []) {
    const path = join(folder, name)
    const sum = NAME.exec(name)?.groups?.['sum'] ?? ''
    if (!sound.has(sum) && entryProblem(path) === undefined) sound.set(sum, path)
    const library = sound.get(sum)
    if (library !== undefined && serves(library)) {
      touch(path)
      return library
    }
    if (library === path) sound.delete(sum)
    remove(path)
  }
  return undefined
}

/**
 * What speaks against loading a file: its name has no sum, the bytes have another one, or others can write it.
 * Reads the whole file.
 */
export function entryProblem(path: string): string | undefined {
  const sum = NAME.exec(basename(path))?.groups?.['sum']
  if (sum === undefined) return 'its name is not one of the cache'
  try {
    const file = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0))
    try {
      const stats = fstatSync(file)
      if (!stats.isFile()) return 'it is no file'
      const owner = ownerProblem(stats)
      if (owner !== undefined) return `it ${owner}`
      return sumOf(readFileSync(file)) === sum ? undefined : 'its bytes are not those that were written'
    } finally {
      closeSync(file)
    }
  } catch (error) {
    return messageOf(error)
  }
}

function sumOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/**
 * Makes a compiler's output an entry of each key: whole on the disk first, then by links.
 * @returns the path of the first
 * @throws the file system's error
 */
export function storeEntry(folder: string, keys: readonly string[], output: string): string {
  chmodSync(output, 0o700)
  const file = openSync(output, 'r+')
  let sum
  try {
    fsyncSync(file)
    sum = sumOf(readFileSync(file))
  } finally {
    closeSync(file)
  }
  const paths = keys.map((key) => join(folder, `${key}-${sum}.so`))
  // Another process may have made the same meanwhile; Windows replaces no library that is loaded.
  for (const path of paths) if (entryProblem(path) !== undefined) addName(output, path)
  return paths[0] ?? output
}

/** Another name of a file; a copy where the file system has no such thing. */
function addName(output: string, path: string): void {
  remove(path)
  try {
    linkSync(output, path)
  } catch {
    copyFileSync(output, `${output}.copy`)
    replaceFileSync(`${output}.copy`, path)
  }
}

/** Removes entries not used for the longest time until the rest fits, never those of `keep`; and what killed processes left. */
export function prune(folder: string, maximumBytes: number, keep: ReadonlySet<string>): void {
  const entries = listEntries(folder).toSorted((a, b) => b.usedMs - a.usedMs)
  const seen = new Set<string>()
  let bytes = 0
  for (const entry of entries) {
    bytes += newBytes(entry, seen)
    if (bytes > maximumBytes && !keep.has(entry.key)) remove(entry.path)
  }
  for (const name of namesIn(folder)) {
    const path = join(folder, name)
    const stats = name.startsWith(TEMPORARY) ? statSync(path, { throwIfNoEntry: false }) : undefined
    if (stats !== undefined && Date.now() - stats.mtimeMs > STALE_MS) remove(path)
  }
}

/** How many entries there are and how large they are together. */
export function cacheSize(folder: string): { entries: number; bytes: number } {
  const entries = listEntries(folder)
  const seen = new Set<string>()
  return { entries: entries.length, bytes: entries.reduce((sum, entry) => sum + newBytes(entry, seen), 0) }
}

interface Entry {
  readonly path: string
  readonly key: string
  /** Tells files apart, whatever their names. */
  readonly file: string
  readonly size: number
  readonly usedMs: number
}

/** What a file takes of the disk, told with the first of its names. */
function newBytes({ file, size }: Entry, seen: Set<string>): number {
  if (seen.has(file)) return 0
  seen.add(file)
  return size
}

function listEntries(folder: string): Entry[] {
  return namesIn(folder).flatMap((name) => {
    const key = NAME.exec(name)?.groups?.['key']
    if (key === undefined) return []
    const path = join(folder, name)
    // Another process may just have removed it.
    const stats = statSync(path, { throwIfNoEntry: false })
    if (stats === undefined) return []
    return [{ path, key, file: `${stats.dev} ${stats.ino}`, size: stats.size, usedMs: stats.mtimeMs }]
  })
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function touch(path: string): void {
  try {
    const now = new Date()
    utimesSync(path, now, now)
  } catch {
    // Only the order of removal suffers.
  }
}

/** Files and folders; what cannot be removed stays and is never loaded. */
export function remove(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true })
  } catch {
    // Another process uses it (Windows).
  }
}
