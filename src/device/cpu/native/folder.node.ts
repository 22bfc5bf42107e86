/**
 * The folder of compiled kernels: code that we load, so only its owner may be able to write it.
 * Not here: the entries in it (cache). Windows has no owners and modes in Node: there only writing is checked.
 */
import { accessSync, constants, lstatSync, mkdirSync, mkdtempSync, realpathSync, type Stats, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileError, makeFolder } from '../../../base/fs.node.js'

export interface CacheFolder {
  /** Absolute, without links. */
  readonly path: string
  readonly isPrivate: boolean
  readonly notice?: string
}

const OTHERS_WRITE = 0o002
const GROUP_WRITE = 0o020
/** In such a folder (/tmp) only the owner of a name may take it away. */
const STICKY = 0o1000

/**
 * The folder if it can be trusted and written (made where it is missing), else a new temporary one, with a notice.
 * @throws the file system's error where not even a temporary folder can be made
 */
export function openCacheFolder(wanted: string): CacheFolder {
  const problem = makeIfMissing(wanted) ?? problemOf(wanted)
  if (problem === undefined) return { path: realpathSync(wanted), isPrivate: false }
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'lenet-native-')))
  const notice =
    `compiled kernels are not kept: ${wanted} ${problem}; ` +
    'make it a folder that only you can write, or choose another place with LENET_HOME'
  return { path, isPrivate: true, notice }
}

function makeIfMissing(wanted: string): string | undefined {
  try {
    makeFolder(dirname(wanted))
    if (!exists(wanted)) mkdirSync(wanted, { mode: 0o700 })
  } catch (error) {
    // Another process may have made it in this moment.
    if (!exists(wanted)) return `cannot be made (${shortReason(error, wanted)})`
  }
  return undefined
}

/** A link that leads nowhere is there too. */
function exists(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined
  } catch {
    return false
  }
}

function shortReason(error: unknown, path: string): string {
  return fileError(error, path).message.replace(`cannot write ${path}: `, '')
}

function problemOf(wanted: string): string | undefined {
  const stats = lstatSync(wanted)
  if (stats.isSymbolicLink()) return 'is a link'
  if (!stats.isDirectory()) return 'is no folder'
  const owner = ownerProblem(stats)
  if (owner !== undefined) return owner
  const above = problemAbove(realpathSync(wanted))
  if (above !== undefined) return above
  try {
    accessSync(wanted, constants.W_OK | constants.X_OK | constants.R_OK)
  } catch (error) {
    return `cannot be written (${shortReason(error, wanted)})`
  }
  return undefined
}

/** Of a folder or file: undefined where it is ours and nobody else can write it. */
export function ownerProblem(stats: Stats): string | undefined {
  const uid = process.getuid?.()
  if (uid === undefined) return undefined
  if (stats.uid !== uid) return 'belongs to another user'
  if ((stats.mode & (GROUP_WRITE | OTHERS_WRITE)) !== 0) return 'can be written by other users'
  return undefined
}

/** Who can write a folder above can put another one in our folder's place. */
function problemAbove(real: string): string | undefined {
  const uid = process.getuid?.()
  if (uid === undefined) return undefined
  for (let path = dirname(real); ; path = dirname(path)) {
    const stats = statSync(path)
    if (stats.uid !== uid && stats.uid !== 0) return `lies in ${path}, which belongs to another user`
    if (replaceable(stats)) return `lies in ${path}, which other users can write`
    if (path === dirname(path)) return undefined
  }
}

/** A user's own first group is mostly theirs alone (umask 002), so that its right to write says nothing. */
function replaceable(stats: Stats): boolean {
  if ((stats.mode & STICKY) !== 0) return false
  const byGroup = (stats.mode & GROUP_WRITE) !== 0 && stats.gid !== process.getgid?.()
  return byGroup || (stats.mode & OTHERS_WRITE) !== 0
}
