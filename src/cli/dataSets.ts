/** The data sets of the command line: fetched with progress, ready for a net. Not here: sources and formats (data). */
import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import { UsageError } from '../base/index.js'
import { ImageDataset, transforms, type DataProgress } from '../data/index.js'
import { fetchCifar10, loadCifar10, loadImageFolder } from '../data/index.node.js'
import { residentBytes } from '../tensor/index.js'
import type { Output } from './output.js'

export interface DataOptions {
  readonly data: string
  readonly dataDir?: string | undefined
}

/** `cifar10`, or a folder with a folder of pictures for each class. */
export function checkData(name: string): void {
  if (name === 'mnist')
    throw new UsageError('--data mnist is not built yet; use --data cifar10 or a folder of pictures')
  if (name === 'cifar10') return
  if (!existsSync(name)) throw new UsageError(`--data ${name}: there is no such data set or folder`)
}

/** Progress in bytes for what takes time; drawn only when something is fetched. */
export function byteProgress(output: Output): { hook: (progress: DataProgress) => void; finish: () => void } {
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
  if (options.data !== 'cifar10') throw new UsageError(`${options.data}: only cifar10 can be fetched`)
  const progress = byteProgress(output)
  const { dataDir, verify } = options
  const found = await fetchCifar10({ dir: dataDir, verify, onProgress: progress.hook, warn: output.warn })
  progress.finish()
  return found
}

/** Training or test pictures, normalised as the article does: (x / 255 − 0.5) / 0.5. */
export async function loadSet(
  output: Output,
  options: DataOptions,
  train: boolean,
  limit?: number,
  signal?: AbortSignal,
): Promise<ImageDataset> {
  checkData(options.data)
  const progress = byteProgress(output)
  const hooks = { onProgress: progress.hook, warn: output.warn, signal }
  const images =
    options.data === 'cifar10'
      ? await loadCifar10({ train, dir: options.dataDir, limit, into: residentBytes, ...hooks })
      : await loadImageFolder({ dir: options.data, train, limit, ...hooks })
  progress.finish()
  const transform = transforms.compose([transforms.toTensor(), transforms.normalize([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])])
  return new ImageDataset(images, { transform })
}
