/**
 * Data sets by name, fetched when they are not there, and folders of pictures, ready for a DataLoader.
 * Not here: fetching (cifar10.node.ts, mnist.node.ts), reading folders (imageFolder.node.ts).
 */
import { loadCifar10 } from './cifar10.node.js'
import { residentBytes } from '../tensor/index.js'
import { loadImageFolder } from './imageFolder.node.js'
import type { DataProgress } from './imageSet.js'
import { ImageDataset } from './loaderDatasets.js'
import { loadMnist } from './mnist.node.js'
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

export interface FolderOptions extends Omit<DatasetOptions, 'root' | 'download'> {
  /** Every picture is scaled and cropped to size × size; default 32. */
  readonly size?: number
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

  /** MNIST: 60,000 training and 10,000 test digits [1, 28, 28] in 10 classes. Source: torchvision.datasets.MNIST. */
  async mnist({ train = true, transform, root, limit, onProgress }: DatasetOptions = {}): Promise<ImageDataset> {
    return new ImageDataset(await loadMnist({ train, dir: root, limit, onProgress }), { transform })
  },

  /**
   * Your pictures (PNG, JPEG, GIF, WebP), one folder a class, as [3, size, size]. Of `dir/train/CLASS` and
   * `dir/test/CLASS` the one asked for; of `dir/CLASS` every fifth picture is for testing and the others for training.
   * Source: torchvision.datasets.ImageFolder, which splits and scales nothing itself.
   * @throws LenetError: no such folder, too few classes, no pictures, or a picture that cannot be read (named)
   */
  async imageFolder(
    dir: string,
    { train = true, transform, size, limit, onProgress }: FolderOptions = {},
  ): Promise<ImageDataset> {
    const sizes = size === undefined ? {} : { size }
    return new ImageDataset(await loadImageFolder({ dir, train, limit, onProgress, ...sizes }), { transform })
  },
} as const
