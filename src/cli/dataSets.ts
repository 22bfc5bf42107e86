/** The data sets of the command line: fetched with progress, ready for a net. Not here: sources and formats (data). */
import { existsSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { UsageError } from '../base/index.js'
import { ImageDataset, transforms, type DataProgress, type ImageSet } from '../data/index.js'
import {
  fetchCifar10,
  fetchMnist,
  loadCifar10,
  loadImageFolder,
  loadMnist,
  type FetchHooks,
} from '../data/index.node.js'
import { residentBytes } from '../tensor/index.js'
import type { Output } from './output.js'

export interface DataOptions {
  readonly data: string
  readonly dataDir?: string | undefined
}

/** `cifar10`, `mnist`, or a folder with a folder of pictures for each class. */
export function checkData(name: string): void {
  if (name === 'cifar10' || name === 'mnist') return
  if (!existsSync(name)) throw new UsageError(`--data ${name}: there is no such data set or folder`)
  if (!statSync(name).isDirectory())
    throw new UsageError(`--data ${name}: it is no folder; give one with a folder of pictures for each class`)
}

/** Progress in bytes for what takes time; drawn only when something is fetched. */
function byteProgress(output: Output): { hook: (progress: DataProgress) => void; finish: () => void } {
  let shown: ReturnType<Output['progress']> | undefined
  let label = ''
  return {
    hook: ({ source, doneBytes, totalBytes }) => {
      if (source !== label) {
        shown?.clear()
        label = source
        shown = output.progress({ unit: 'byte', label: basename(source) })
      }
      shown?.update(doneBytes, undefined, totalBytes > 0 ? totalBytes : undefined)
    },
    finish: () => shown?.clear(),
  }
}

export async function fetchData(
  output: Output,
  options: DataOptions & { verify?: boolean },
): Promise<{ folder: string; source: string }> {
  const fetcher = { cifar10: fetchCifar10, mnist: fetchMnist }[options.data]
  if (!fetcher) throw new UsageError(`${options.data}: cifar10 and mnist can be fetched`)
  const progress = byteProgress(output)
  const { dataDir, verify } = options
  const found = await fetcher({ dir: dataDir, verify, onProgress: progress.hook, warn: output.warn })
  progress.finish()
  return found
}

type ReadOptions = FetchHooks & { readonly train: boolean; readonly limit: number | undefined }

async function readSet({ data, dataDir }: DataOptions, options: ReadOptions): Promise<ImageSet> {
  if (data === 'cifar10') return loadCifar10({ ...options, dir: dataDir, into: residentBytes })
  if (data === 'mnist') return framed(await loadMnist({ ...options, dir: dataDir }))
  return loadImageFolder({ ...options, dir: data })
}

/** Digits of 28 × 28 stand in the middle of 32 × 32, which LeNet takes (LeCun et al. 1998 do so too). */
export const digitMargin = 2

/** Digits [count, 1, 28, 28] with their margin. */
function framed(images: ImageSet): ImageSet {
  const { height: side, count } = images
  const outer = side + 2 * digitMargin
  return { ...images, pixels: withMargin(images.pixels, count, side, digitMargin), height: outer, width: outer }
}

/** Bytes [planes, side, side] with a black margin around each plane. */
export function withMargin(pixels: Uint8Array, planes: number, side: number, margin: number): Uint8Array {
  const outer = side + 2 * margin
  const out = new Uint8Array(planes * outer * outer)
  for (let row = 0; row < planes * side; row++) {
    const [plane, y] = [Math.floor(row / side), row % side]
    out.set(pixels.subarray(row * side, (row + 1) * side), (plane * outer + y + margin) * outer + margin)
  }
  return out
}

/** Training or test pictures as bytes. */
export async function loadImages(
  output: Output,
  options: DataOptions,
  train: boolean,
  limit?: number,
  signal?: AbortSignal,
): Promise<ImageSet> {
  checkData(options.data)
  const progress = byteProgress(output)
  const hooks = { onProgress: progress.hook, warn: output.warn, signal }
  const images = await readSet(options, { ...hooks, train, limit })
  progress.finish()
  return images
}

/** Normalised as the article's first half does: (x / 255 − 0.5) / 0.5. */
export function normalised(images: ImageSet): ImageDataset {
  const transform = transforms.compose([transforms.toTensor(), transforms.normalize([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])])
  return new ImageDataset(images, { transform })
}

/** Training or test pictures, normalised. */
export async function loadSet(...args: Parameters<typeof loadImages>): Promise<ImageDataset> {
  return normalised(await loadImages(...args))
}
