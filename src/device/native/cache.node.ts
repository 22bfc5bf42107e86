/**
 * Compiled libraries on disk: `<key>-<SHA-256 of the file>.so`. The name carries the sum of the bytes, so that one rename
 * makes an entry and nothing is loaded that is not what was written.
 * Not here: whether the folder can be trusted (folder).
 */
import { createHash } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { replaceFileSync } from '../../base/fs.node.js'
import { messageOf } from '../../base/index.js'
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

/**
 * The path of a sound entry; entries of this key that are damaged or not ours are removed.
 * An entry found is marked as used now.
 */
export function findEntry(folder: string, key: string): string | undefined {
  for (const name of namesIn(folder)) {
    if (NAME.exec(name)?.groups?.['key'] !== key) continue
    const path = join(folder, name)
    if (entryProblem(path) === undefined) {
      touch(path)
      return path
    }
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
 * Makes a compiler's output an entry: whole on the disk first, then by rename.
 * @returns the entry's path
 * @throws the file system's error
 */
export function storeEntry(folder: string, key: string, output: string): string {
  chmodSync(output, 0o700)
  const file = openSync(output, 'r+')
  let sum
  try {
    fsyncSync(file)
    sum = sumOf(readFileSync(file))
  } finally {
    closeSync(file)
  }
  const path = join(folder, `${key}-${sum}.so`)
  // Another process may have made the same meanwhile; Windows replaces no library that is loaded.
  if (entryProblem(path) !== undefined) replaceFileSync(output, path)
  return path
}

/** Removes entries not used for the longest time until the rest fits, never `keep`; and what killed processes left. */
export function prune(folder: string, maximumBytes: number, keep: string): void {
  const entries = listEntries(folder).toSorted((a, b) => b.usedMs - a.usedMs)
  let bytes = 0
  for (const { path, size } of entries) {
    bytes += size
    if (bytes > maximumBytes && path !== keep) remove(path)
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
  return { entries: entries.length, bytes: entries.reduce((sum, { size }) => sum + size, 0) }
}

function listEntries(folder: string): { path: string; size: number; usedMs: number }[] {
  return namesIn(folder)
    .filter((name) => NAME.test(name))
    .flatMap((name) => {
      const path = join(folder, name)
      // Another process may just have removed it.
      const stats = statSync(path, { throwIfNoEntry: false })
      return stats === undefined ? [] : [{ path, size: stats.size, usedMs: stats.mtimeMs }]
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
