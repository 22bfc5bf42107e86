/**
 * Data sets as Keras gives them: bytes [count, height, width, channels] and labels [count, 1]. Pictures are not copied:
 * the tensor is a view of the table that lies in the device's memory. Not here: fetching (room data).
 */
import { loadCifar10, loadImageFolder, loadMnist } from '../data/index.node.js'
import type { DataProgress, ImageSet } from '../data/index.js'
import { ops, residentBytes, residentLeaf, Tensor } from '../tensor/index.js'

export interface LoadDataOptions {
  /** A folder that has it, or to put it into; default our cache. */
  readonly root?: string
  /** Told how far a download has come. */
  readonly onProgress?: (progress: DataProgress) => void
}

export type Part = readonly [images: Tensor, labels: Tensor]
export type DataSet = readonly [train: Part, test: Part]

/** [N, H, W, C] bytes; [N, H, W] where `isGrey`. */
function imagesOf({ pixels, count, channels, height, width }: ImageSet, isGrey: boolean): Tensor {
  if (isGrey) return new Tensor(residentLeaf([count, height, width], 'u8', pixels))
  return new Tensor(ops.permute(residentLeaf([count, channels, height, width], 'u8', pixels), [0, 2, 3, 1]))
}

const labelsOf = ({ labels, count }: ImageSet, shape: readonly number[]): Tensor =>
  new Tensor(ops.hostLeaf(labels, [count, ...shape], 'u8'))

export const datasets = {
  cifar10: {
    /** 50,000 and 10,000 pictures [32, 32, 3]; labels [N, 1]. Source: keras.datasets.cifar10.load_data. */
    async loadData({ root, onProgress }: LoadDataOptions = {}): Promise<DataSet> {
      const load = async (train: boolean): Promise<Part> => {
        const set = await loadCifar10({ train, dir: root, onProgress, into: residentBytes })
        return [imagesOf(set, false), labelsOf(set, [1])]
      }
      return [await load(true), await load(false)]
    },
  },
  mnist: {
    /** 60,000 and 10,000 pictures [28, 28]; labels [N]. Source: keras.datasets.mnist.load_data. */
    async loadData({ root, onProgress }: LoadDataOptions = {}): Promise<DataSet> {
      const load = async (train: boolean): Promise<Part> => {
        const set = await loadMnist({ train, dir: root, onProgress })
        return [imagesOf(set, true), labelsOf(set, [])]
      }
      return [await load(true), await load(false)]
    },
  },
} as const

export interface ImageDirectoryOptions {
  /** Every picture is scaled and cropped to size × size; default 32. */
  readonly imageSize?: number
  readonly onProgress?: (progress: DataProgress) => void
}

export interface ImageDirectory {
  /** Bytes [count, size, size, 3] and labels [count, 1]. */
  readonly train: Part
  readonly validation: Part
  /** The folders' names, by label. */
  readonly classNames: readonly string[]
}

/**
 * Your pictures (PNG, JPEG, GIF, WebP), one folder a class: all of them in memory, and not in batches. `directory/train` and
 * `directory/test` are taken as they are; of `directory/CLASS` every fifth picture is for validation.
 * Source: keras.utils.image_dataset_from_directory.
 * @throws LenetError: no such folder, too few classes, no pictures, or a picture that cannot be read (named)
 */
export async function imageDatasetFromDirectory(
  directory: string,
  { imageSize = 32, onProgress }: ImageDirectoryOptions = {},
): Promise<ImageDirectory> {
  const load = (train: boolean) => loadImageFolder({ dir: directory, train, size: imageSize, onProgress })
  const [train, validation] = [await load(true), await load(false)]
  const partOf = (set: ImageSet): Part => [imagesOf(set, false), labelsOf(set, [1])]
  return { train: partOf(train), validation: partOf(validation), classNames: train.classes }
}
