/**
 * A folder of the parts of a data set: which of them are right, and putting verified ones in. Nothing is written that has
 * not the official sum, and every file is written whole or not at all, so that two processes may fill one folder at once.
 * Not here: where the parts come from (sources.node.ts).
 */
import { stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { LenetError, messageOf } from '../base/index.js'
import type { DataSet, FoundPart, Part, World } from './dataSet.node.js'
import { addStamps, isStamped, noStamp, readStamps, sha256, sha256OfFile, stampOf, type Stamps } from './stamps.node.js'

/** The cache itself cannot be written: no other source would help. */
export class StoreError extends LenetError {}

/** What was found in a folder: all parts, and the files of those that must be had anew. */
export interface FolderState {
  readonly isWhole: boolean
  readonly needed: ReadonlySet<string>
  readonly damaged: readonly { readonly path: string; readonly fault: string }[]
}

export function stampPath(folder: string): string {
  return join(folder, 'stamp.json')
}

/** Says what is wrong with a file's contents, by its whole sum; undefined where nothing is. */
async function contentFault(path: string, sum: string): Promise<string | undefined> {
  const found = await sha256OfFile(path)
  return found === sum ? undefined : `its SHA-256 is ${found} where ${sum} is expected`
}

type Finding = 'stamped' | 'hashed' | 'missing' | { readonly fault: string }

async function inspectPart(path: string, key: string, part: Part, stamps: Stamps): Promise<Finding> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) return 'missing'
  if (!found.isFile()) return { fault: 'it is no file' }
  const fault = part.lengthFault(found.size)
  if (fault !== undefined) return { fault }
  if (await isStamped(stamps, key, path, part.sum)) return 'stamped'
  const wrong = await contentFault(path, part.sum)
  return wrong === undefined ? 'hashed' : { fault: wrong }
}

/** Where a folder's stamps lie: in the folder itself when it is ours, else in our cache under absolute paths. */
export interface StampPlace {
  readonly path: string
  readonly key: (path: string) => string
}

/** Stamps beside the parts, by file name. */
function ownStamps(folder: string): StampPlace {
  return { path: stampPath(folder), key: (file) => basename(file) }
}

/** Stamps in our cache, by absolute path: nothing is written into a folder that is not ours. */
export function foreignStamps(cacheFolder: string): StampPlace {
  return { path: join(cacheFolder, 'seen.json'), key: (file) => file }
}

/**
 * Looks at the parts of a data set in a folder. Files with a right stamp are taken as they are; others are hashed, and
 * stamped when they are right. `verify` hashes them all.
 */
export async function inspectFolder(
  folder: string,
  { parts }: DataSet,
  verify = false,
  place = ownStamps(folder),
): Promise<FolderState> {
  const stamps = verify ? new Map() : await readStamps(place.path)
  const needed = new Set<string>()
  const damaged: { path: string; fault: string }[] = []
  const fresh: Stamps = new Map()
  for (const part of parts) {
    const path = join(folder, part.file)
    const finding = await inspectPart(path, place.key(path), part, stamps)
    if (finding === 'hashed') fresh.set(place.key(path), await stampOf(path, part.sum))
    if (finding === 'missing' || typeof finding === 'object') needed.add(part.file)
    if (typeof finding === 'object') {
      damaged.push({ path, fault: finding.fault })
      fresh.set(place.key(path), noStamp)
    }
  }
  if (fresh.size > 0) await addStamps(place.path, fresh)
  return { isWhole: needed.size === 0, needed, damaged }
}

/** Checks the contents and the sum of one part. Throws LenetError that says where it came from. */
export function verifyPart({ title }: DataSet, { part, bytes, from }: FoundPart): void {
  part.check(bytes, from)
  const found = sha256(bytes)
  if (found === part.sum) return
  throw new LenetError(
    `${from} is not ${title}'s ${part.file}: decoded, its SHA-256 is ${found} where ${part.sum} is expected`,
  )
}

function storeError(folder: string, error: unknown, { title, parts }: DataSet): StoreError {
  const megabytes = Math.ceil(parts.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6)
  const reason = messageOf(error)
  const advice = `${title} needs ${megabytes} MB in ${folder}; --dir or LENET_HOME names another folder`
  return new StoreError(`${reason}. ${advice}`, { cause: error })
}

/**
 * Puts one verified part into the folder and stamps it; another process may do the same at the same time.
 * Throws StoreError when the folder cannot be written (no space left, for instance): nothing half-written stays.
 */
export async function storePart(folder: string, { part, bytes }: FoundPart, set: DataSet, world: World): Promise<void> {
  const path = join(folder, part.file)
  try {
    await world.write(path, bytes)
  } catch (error) {
    throw storeError(folder, error, set)
  }
  await addStamps(stampPath(folder), new Map([[part.file, await stampOf(path, part.sum)]]))
}
