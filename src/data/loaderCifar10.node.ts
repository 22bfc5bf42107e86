/** Data sets by name, fetched when they are not there, ready for a DataLoader. Not here: fetching (cifar10.node.ts). */
import { loadCifar10 } from './cifar10.node.js'
import { residentBytes } from '../tensor/index.js'
import { ImageDataset } from './loaderDatasets.js'
import type { DataProgress } from './imageSet.js'
import type { Transform } from './transforms.js'

export interface DatasetOptions {
  /** The training pictures (default) or the test pictures. */
  readonly train?: boolean
  /** Default `transforms.toTensor()`. */
  readonly transform?: Transform
  /** A folder that has it, or to put it into; default our cache. */
  readonly root?: string
  /** Taken for PyTorch's sake: what is not there is fetched. */
  readonly download?: boolean
  /** Only the first so many pictures. */
  readonly limit?: number
  /** Told how far a download has come. */
  readonly onProgress?: (progress: DataProgress) => void
}

export const datasets = {
  /**
   * CIFAR-10: 50,000 training and 10,000 test pictures [3, 32, 32] in 10 classes, verified by the official SHA-256 sums.
   * Source: torchvision.datasets.CIFAR10.
   */
  async cifar10({ train = true, transform, root, limit, onProgress }: DatasetOptions = {}): Promise<ImageDataset> {
    const images = await loadCifar10({ train, dir: root, limit, onProgress, into: residentBytes })
    return new ImageDataset(images, { transform })
  },
} as const
