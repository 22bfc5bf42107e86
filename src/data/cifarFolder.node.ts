/**
 * A folder of six CIFAR-10 batches in the binary format: which of them are right, and putting verified ones in.
 * Nothing is written that has not the official sum, and every file is written whole or not at all, so that two processes
 * may fill one folder at once. Not here: where the batches come from (cifarContainers.node.ts, cifarRemote.node.ts).
 */
import { stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { LenetError } from '../base/index.js'
import { batchBytes, batchNames, checkRecords, lengthFault, type BatchName, type CifarSpec } from './cifarFormat.js'
import { addStamps, isStamped, noStamp, readStamps, sha256, sha256OfFile, stampOf, type Stamps } from './stamps.node.js'

/** The cache itself cannot be written: no other source would help. */
export class StoreError extends LenetError {}

export type WriteFile = (path: string, bytes: Uint8Array) => Promise<void>

/** What was found in a folder; the three lists together are the six batches. */
export interface FolderState {
  readonly valid: readonly BatchName[]
  readonly missing: readonly BatchName[]
  readonly damaged: readonly { readonly name: BatchName; readonly path: string; readonly fault: string }[]
}

export function batchPath(folder: string, name: BatchName): string {
  return join(folder, `${name}.bin`)
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

async function inspectBatch(path: string, key: string, sum: string, spec: CifarSpec, stamps: Stamps): Promise<Finding> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) return 'missing'
  if (!found.isFile()) return { fault: 'it is no file' }
  const fault = lengthFault(found.size, spec)
  if (fault !== undefined) return { fault }
  if (await isStamped(stamps, key, path, sum)) return 'stamped'
  const wrong = await contentFault(path, sum)
  return wrong === undefined ? 'hashed' : { fault: wrong }
}

/** Where a folder's stamps lie: in the folder itself when it is ours, else in our cache under absolute paths. */
export interface StampPlace {
  readonly path: string
  readonly key: (batchFile: string) => string
}

/** Stamps beside the batches, by file name. */
export function ownStamps(folder: string): StampPlace {
  return { path: stampPath(folder), key: (file) => basename(file) }
}

/** Stamps in our cache, by absolute path: nothing is written into a folder that is not ours. */
export function foreignStamps(cacheFolder: string): StampPlace {
  return { path: join(cacheFolder, 'seen.json'), key: (file) => file }
}

/**
 * Looks at the six batches of a folder. Files with a right stamp are taken as they are; others are hashed, and stamped
 * when they are right. `verify` hashes them all.
 */
export async function inspectFolder(
  folder: string,
  spec: CifarSpec,
  verify = false,
  place = ownStamps(folder),
): Promise<FolderState> {
  const stamps = verify ? new Map() : await readStamps(place.path)
  const state = {
    valid: [] as BatchName[],
    missing: [] as BatchName[],
    damaged: [] as FolderState['damaged'][number][],
  }
  const fresh: Stamps = new Map()
  for (const name of batchNames) {
    const path = batchPath(folder, name)
    const finding = await inspectBatch(path, place.key(path), spec.sums[name], spec, stamps)
    if (typeof finding === 'object') {
      state.damaged.push({ name, path, fault: finding.fault })
      fresh.set(place.key(path), noStamp)
    } else state[finding === 'missing' ? 'missing' : 'valid'].push(name)
    if (finding === 'hashed') fresh.set(place.key(path), await stampOf(path, spec.sums[name]))
  }
  if (fresh.size > 0) await addStamps(place.path, fresh)
  return state
}

/** Checks the records and the sum of one batch. Throws LenetError that says where it came from. */
export function verifyBatch(name: BatchName, bytes: Uint8Array, spec: CifarSpec, from: string): void {
  checkRecords(bytes, spec, from)
  const found = sha256(bytes)
  if (found === spec.sums[name]) return
  throw new LenetError(
    `${from} is not CIFAR-10's ${name}: decoded, its SHA-256 is ${found} where ${spec.sums[name]} is expected`,
  )
}

function storeError(folder: string, error: unknown, spec: CifarSpec): StoreError {
  const megabytes = Math.ceil((batchBytes(spec) * batchNames.length) / 1e6)
  const reason = error instanceof Error ? error.message : String(error)
  const advice = `CIFAR-10 needs ${megabytes} MB in ${folder}; --dir or LENET_HOME names another folder`
  return new StoreError(`${reason}. ${advice}`, { cause: error })
}

/**
 * Puts one verified batch into the folder and stamps it; another process may do the same at the same time.
 * Throws StoreError when the folder cannot be written (no space left, for instance): nothing half-written stays.
 */
export async function storeBatch(
  folder: string,
  name: BatchName,
  bytes: Uint8Array,
  spec: CifarSpec,
  write: WriteFile,
): Promise<void> {
  const path = batchPath(folder, name)
  try {
    await write(path, bytes)
  } catch (error) {
    throw storeError(folder, error, spec)
  }
  await addStamps(stampPath(folder), new Map([[basename(path), await stampOf(path, spec.sums[name])]]))
}
