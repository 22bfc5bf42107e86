/**
 * One training a folder: a lock file in it says who is at work. It is made whole or not at all, taken away at the end, and
 * taken over from a process that is gone (a crash, kill -9, a reboot).
 * Not here: what is written into the folder (trainShared.ts). A package (proper-lockfile) was weighed: it knows no process,
 * waits for a time to pass after each crash, and is not looked after any more.
 */
import { randomUUID } from 'node:crypto'
import {
  existsSync,
  linkSync,
  lstatSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileError, makeFolder } from '../base/fs.node.js'
import { codeOf, LenetError } from '../base/index.js'
import { logTime } from '../report/index.js'

const fileName = 'lenet.lock'

/** A holder that cannot be asked (another machine or container) counts as gone when it was silent for so long. */
const silentMs = 60_000
const beatMs = 10_000
/** Taking a lock over takes no time: whoever left its mark there for so long has died over it. */
const takeoverMs = 10_000

interface Holder {
  readonly pid: number
  readonly host?: string
  /** Where the pid means something: this boot of this machine, this container. */
  readonly place: string
  /** When the process began, in the system's own count; '' where it does not tell. A pid may have been given anew. */
  readonly began: string
  readonly since: string
  readonly token: string
}

function textOf(read: () => string): string {
  try {
    return read()
  } catch {
    return '' // not Linux, or hidden
  }
}

function placeNow(): string {
  const boot = textOf(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim())
  const container = textOf(() => readlinkSync('/proc/self/ns/pid'))
  return boot === '' ? hostname() : `${boot} ${container}`
}

/** Field 22 of Linux's stat, counted behind the name, which may hold anything. Source: proc(5). */
function beganOf(pid: number): string {
  const stat = textOf(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) !== 'ESRCH' // somebody else's process is one
  }
}

interface Found {
  readonly text: string
  /** Null where the file is not one of ours, or half written. */
  readonly holder: Holder | null
  readonly silence: number
}

function holderIn(text: string): Holder | null {
  try {
    const value = JSON.parse(text) as Partial<Holder> | null
    return Number.isInteger(value?.pid) ? (value as Holder) : null
  } catch {
    return null
  }
}

/** Undefined where there is none. */
function readLock(path: string): Found | undefined {
  try {
    const silence = Date.now() - statSync(path).mtimeMs
    const text = readFileSync(path, 'utf8')
    return { text, holder: holderIn(text), silence }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

function isAlive({ holder, silence }: Found): boolean {
  if (holder?.place !== placeNow()) return silence < silentMs
  return exists(holder.pid) && (holder.began === '' || holder.began === beganOf(holder.pid))
}

/** Makes the file with its text, or finds it there: false. */
function createWhole(path: string, text: string): boolean {
  const temporary = join(dirname(path), `.lenet-${process.pid}-${randomUUID().slice(0, 8)}.tmp`)
  writeFileSync(temporary, text, { flag: 'wx' })
  try {
    return linked(temporary, path)
  } catch {
    return written(path, text) // a file system without links
  } finally {
    rmSync(temporary, { force: true })
  }
}

function linked(temporary: string, path: string): boolean {
  try {
    linkSync(temporary, path)
    return true
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
    return statSync(temporary).nlink === 2 // the answer of a network's first try was lost
  }
}

function written(path: string, text: string): boolean {
  try {
    writeFileSync(path, text, { flag: 'wx' })
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

/** Removes a lock that was found dead, one process at a time: the next one's lock must not be taken for it. */
function removeDead(path: string, { text }: Found): void {
  const mark = `${path}.takeover`
  if (!createWhole(mark, '')) {
    if ((readLock(mark)?.silence ?? 0) > takeoverMs) rmSync(mark, { force: true })
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
    return
  }
  try {
    if (readLock(path)?.text === text) rmSync(path, { force: true })
  } finally {
    rmSync(mark, { force: true })
  }
}

const timeOf = (since: string): string => {
  const date = new Date(since)
  return Number.isNaN(date.getTime()) ? '' : `, since ${logTime(date).slice(0, 19)}`
}

function inUse(folder: string, path: string, { holder }: Found): LenetError {
  const isHere = holder?.place === placeNow()
  const who = holder
    ? `process ${holder.pid}${isHere ? '' : ` on ${holder.host ?? 'another machine'}`}${timeOf(holder.since)}`
    : 'another one'
  const shown = shownFolder(folder)
  const removed = isHere ? '' : `; if it has ended, remove ${path}`
  return new LenetError(
    `${shown} is in use by a training that is not done (${who}): give another folder with --out, or wait for its end${removed}`,
  )
}

const shownFolder = (folder: string): string => {
  const near = relative('', folder)
  return near === '' || near.startsWith('..') ? folder : near
}

/** What stands where our file goes and is none: a folder, a link that leads nowhere. Nobody's lock is that. */
function refuseOther(folder: string, path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (!found || found.isFile()) return
  const what = found.isDirectory() ? 'a folder' : found.isSymbolicLink() ? 'a link' : 'no file'
  throw new LenetError(`${shownFolder(folder)} cannot be locked: ${path} is ${what}; remove it, or give another folder`)
}

function acquire(folder: string, path: string, text: string): void {
  while (!createWhole(path, text)) {
    refuseOther(folder, path)
    const found = readLock(path)
    if (found && isAlive(found)) throw inUse(folder, path, found)
    if (found) removeDead(path, found)
  }
}

/** The folders that must be made, the innermost first. */
function missing(folder: string): string[] {
  return existsSync(folder) ? [] : [folder, ...missing(dirname(folder))]
}

function removeEmpty(folders: readonly string[]): void {
  try {
    for (const folder of folders) rmdirSync(folder)
  } catch {
    // something was written there
  }
}

/**
 * Makes the folder, and holds it until the function that it gives is called, or the process ends. It finds out now, not
 * after the first epoch, whether files can be written there. What was made and stayed empty is taken away again.
 * @throws LenetError where another training holds it, and where no files can be written
 */
export function holdFolder(folder: string): () => void {
  const path = join(folder, fileName)
  const made = missing(folder)
  const { pid } = process
  const token = randomUUID()
  const now = { pid, host: hostname(), place: placeNow(), began: beganOf(pid), since: new Date().toISOString(), token }
  try {
    makeFolder(folder)
    acquire(folder, path, `${JSON.stringify(now satisfies Holder)}\n`)
  } catch (error) {
    removeEmpty(made)
    throw fileError(error, folder)
  }
  const isOurs = (): boolean => readLock(path)?.holder?.token === token
  const beat = setInterval(() => {
    try {
      if (isOurs()) utimesSync(path, new Date(), new Date())
    } catch {
      // a disk that is away for a moment
    }
  }, beatMs)
  beat.unref()
  const release = (): void => {
    clearInterval(beat)
    process.off('exit', release)
    try {
      if (isOurs()) rmSync(path, { force: true })
    } catch {
      return // whoever comes next sees that this process is gone
    }
    removeEmpty(made)
  }
  process.on('exit', release)
  return release
}
