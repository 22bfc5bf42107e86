/**
 * Files written whole or not at all, and the folder of our cache. For Node only.
 * Not here: what is in the files (formats) and where data sets come from (data).
 */
import { randomUUID } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { type FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import envPaths from 'env-paths'
import { LenetError } from './errors.js'
import { codeOf, isArrayOf, messageOf } from './realm.js'

/** What a file is made of: all bytes, text (UTF-8), or chunks that need never be in memory together. */
export type FileContent = Uint8Array | string | Iterable<Uint8Array> | AsyncIterable<Uint8Array>

/** What users can do about the errors that disks give; other codes are told with the system's own words. */
const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on the disk: free some, or choose another folder',
  EDQUOT: 'the disk quota is used up: free some space, or choose another folder',
  EFBIG: 'the file is larger than the system allows here: choose another folder',
  EACCES: 'permission denied: choose a folder you may write to, or change its permissions',
  EPERM: 'permission denied: choose a folder you may write to, or change its permissions',
  EROFS: 'the disk is read-only: choose another folder',
  ENOENT: 'no folder can be made there: choose another path',
  EISDIR: 'it is a folder: give the name of a file',
  ENOTDIR: 'a part of the path is a file, not a folder: choose another path',
  EEXIST: 'a part of the path is a file, not a folder: choose another path',
  ENAMETOOLONG: 'the name is too long: choose a shorter one',
  EMFILE: 'too many open files: close some, or raise the limit (ulimit -n)',
  ERR_ACCESS_DENIED: 'Node runs with --permission and may not: allow it by --allow-fs-read and --allow-fs-write',
}

/**
 * Turns an error of the file system into one clear sentence that names the path.
 * @param error what node:fs threw; a LenetError comes back as it is
 * @param path the file the user knows, not a temporary name
 * @param verb 'write' (default), 'read', …
 */
export function fileError(error: unknown, path: string, verb = 'write'): LenetError {
  if (error instanceof LenetError) return error
  const code = codeOf(error)
  const told = messageOf(error)
  const reason = code === 'ENOENT' && verb === 'read' ? 'there is no such file' : (ADVICE[code ?? ''] ?? told)
  return new LenetError(`cannot ${verb} ${path}: ${reason}`, { cause: error })
}

/** Whether something is at a path. Where Node runs with --permission: what it may not read is not there. */
export function isThere(path: string): boolean {
  try {
    return existsSync(path)
  } catch {
    return false
  }
}

/** A file beyond this is looked at before all of it is read. */
const largeBytes = 2 ** 26
const headBytes = 2 ** 16

function headOf(path: string): Uint8Array {
  const file = openSync(path, 'r')
  try {
    const head = new Uint8Array(headBytes)
    return head.subarray(0, readSync(file, head))
  } finally {
    closeSync(file)
  }
}

/**
 * All bytes of a plain file. A pipe would wait for ever, and a device never end.
 * @param checkHead is given the beginning of a file of more than 64 MiB, and throws where it is not worth reading
 * @throws LenetError naming the path
 */
export function readWholeFile(path: string, checkHead?: (head: Uint8Array) => void): Uint8Array {
  try {
    const found = statSync(path)
    if (found.isDirectory()) throw new LenetError(`cannot read ${path}: ${ADVICE['EISDIR']}`)
    if (!found.isFile()) throw new LenetError(`cannot read ${path}: it is no file`)
    if (found.size > largeBytes) checkHead?.(headOf(path))
    const { buffer, byteOffset, byteLength } = readFileSync(path)
    return new Uint8Array(buffer, byteOffset, byteLength)
  } catch (error) {
    throw fileError(error, path, 'read')
  }
}

/**
 * Makes a folder and those above it; one that is there is fine. Node's own recursive mkdir never ends where the system
 * answers that a folder is missing though its parent is there (/proc).
 * @throws the file system's error
 */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path)
  } catch (error) {
    const code = codeOf(error)
    if (code === 'EEXIST' && statSync(path).isDirectory()) return
    if (code !== 'ENOENT' || isThere(dirname(path))) throw error
    makeFolder(dirname(path))
    makeFolder(path)
  }
}

function makeFolderOf(path: string, target: string): void {
  try {
    makeFolder(dirname(target))
  } catch (error) {
    throw fileError(error, path)
  }
}

/** In the same folder, because a rename is atomic only within one disk; short, because names have a limit. */
function temporaryName(target: string): string {
  return join(dirname(target), `.lenet-${process.pid}-${randomUUID().slice(0, 8)}.tmp`)
}

/** A new file takes the mode of the one it replaces; anything else than a file is never replaced. */
function modeToKeep(
  path: string,
  stats: { isFile(): boolean; isDirectory(): boolean; mode: number } | undefined,
): number {
  if (stats === undefined) return 0o666
  if (stats.isDirectory()) throw new LenetError(`cannot write ${path}: ${ADVICE['EISDIR']}`)
  if (!stats.isFile()) throw new LenetError(`cannot write ${path}: it is a device or pipe: give the name of a file`)
  return stats.mode & 0o777
}

async function* chunksOf(content: FileContent): AsyncGenerator<Uint8Array> {
  if (typeof content === 'string') yield new TextEncoder().encode(content)
  else if (isArrayOf('Uint8Array', content)) yield content
  else yield* content
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await file.write(bytes, done, bytes.length - done)).bytesWritten
  }
}

/** Not by FileHandle.sync, for which Yarn's Plug'n'Play has nothing but an error. */
async function syncFile({ fd }: FileHandle): Promise<void> {
  await promisify(fsync)(fd)
}

/** Makes the rename itself durable. Some systems cannot open or sync a folder: there it is left to them. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r')
    await syncFile(handle).finally(() => handle.close())
  } catch {
    // The file is whole either way; only its name might be the old one after a power cut.
  }
}

/** Runs one step on the disk; its errors name the user's path. Errors of the content's source are left alone. */
async function onDisk<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw fileError(error, path)
  }
}

/** A link is followed, so that it stays a link. */
async function targetOf(path: string): Promise<string> {
  return realpath(path).catch(() => resolve(path))
}

async function fillTemporary(temporary: string, mode: number, path: string, content: FileContent): Promise<void> {
  const file = await onDisk(path, () => open(temporary, 'wx', mode))
  try {
    for await (const chunk of chunksOf(content)) await onDisk(path, () => writeAll(file, chunk))
    await onDisk(path, () => syncFile(file))
  } finally {
    await file.close()
  }
}

/** Milliseconds between tries to put a file in another's place: some three seconds in all. */
const PAUSES = [10, 20, 40, 80, 160, 320, 640, 1000, 1000]
/** What Windows answers while another program (a virus scanner, an indexer) has one of the two files open. */
const BUSY = new Set(['EACCES', 'EBUSY', 'EPERM'])

/** @returns how long to wait before the next try; undefined where another try would not help */
function pauseAfter(error: unknown, tries: number, platform: string): number | undefined {
  return platform === 'win32' && BUSY.has(codeOf(error) ?? '') ? PAUSES[tries] : undefined
}

/** The rename of a file onto another; Windows refuses it for a moment now and then. */
export async function replaceFile(
  from: string,
  to: string,
  move: (from: string, to: string) => Promise<void> = rename,
  platform: string = process.platform,
): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      return await move(from, to)
    } catch (error) {
      const pause = pauseAfter(error, tries, platform)
      if (pause === undefined) throw error
      await setTimeout(pause)
    }
  }
}

/** {@link replaceFile} for code that cannot wait otherwise than by sleeping. */
export function replaceFileSync(
  from: string,
  to: string,
  move: (from: string, to: string) => void = renameSync,
  platform: string = process.platform,
): void {
  for (let tries = 0; ; tries++) {
    try {
      return move(from, to)
    } catch (error) {
      const pause = pauseAfter(error, tries, platform)
      if (pause === undefined) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pause)
    }
  }
}

/**
 * Writes a file whole or not at all: a temporary file in the same folder, fsync, rename, fsync of the folder.
 * Whoever reads `path` sees the old file or the new one, never a part; when anything fails the old one stays.
 * Missing folders are made. A link is followed.
 * @param path the file
 * @param content bytes, text, or chunks (also asynchronous: a download can go straight through)
 * @throws LenetError naming the path: no space, no permission, a folder of that name, …; errors thrown by the chunks' own source pass through as they are
 */
export async function writeFileAtomic(path: string, content: FileContent): Promise<void> {
  const target = await targetOf(path)
  const mode = modeToKeep(path, await stat(target).catch(() => undefined))
  makeFolderOf(path, target)
  const temporary = temporaryName(target)
  try {
    await fillTemporary(temporary, mode, path, content)
    await onDisk(path, () => replaceFile(temporary, target))
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined)
    throw error
  }
  await syncFolder(dirname(target))
}

function syncFolderSync(folder: string): void {
  try {
    const handle = openSync(folder, 'r')
    try {
      fsyncSync(handle)
    } finally {
      closeSync(handle)
    }
  } catch {
    // As in syncFolder.
  }
}

function realpathOr(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return resolve(path)
  }
}

/** Cleans up after a failure, whose own reason is the one to tell. */
function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch {
    // Not there, or not ours to remove: nothing was lost.
  }
}

function fillTemporarySync(temporary: string, mode: number, bytes: Uint8Array): void {
  const file = openSync(temporary, 'wx', mode)
  try {
    for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done, bytes.length - done)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/**
 * {@link writeFileAtomic} for code that cannot wait, such as the article's loop that saves a net at its end.
 * @throws LenetError naming the path
 */
export function writeFileAtomicSync(path: string, content: Uint8Array | string): void {
  const target = realpathOr(path)
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content
  const temporary = temporaryName(target)
  try {
    const mode = modeToKeep(path, statSync(target, { throwIfNoEntry: false }))
    makeFolder(dirname(target))
    fillTemporarySync(temporary, mode, bytes)
    replaceFileSync(temporary, target)
  } catch (error) {
    removeQuietly(temporary)
    throw fileError(error, path)
  }
  syncFolderSync(dirname(target))
}

/**
 * The folder for downloaded data and compiled kernels: `LENET_HOME` when set, else the system's cache folder
 * (`~/.cache/lenet` on Linux, `~/Library/Caches/lenet` on macOS, `%LOCALAPPDATA%\lenet\Cache` on Windows).
 * An absolute path; the folder need not exist yet.
 */
export function cacheHome(): string {
  const chosen = process.env['LENET_HOME']
  return chosen === undefined || chosen === '' ? envPaths('lenet', { suffix: '' }).cache : resolve(chosen)
}
