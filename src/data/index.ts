/**
 * Room `data`: labelled pictures, what is done to them on their way into a net, and the batches of it. This door leads to
 * what also runs in a browser; files and downloads are behind index.node.ts.
 */
export type { DataProgress, ImageSet } from './imageSet.js'
export { cifar10Classes, cifar10ShortClasses } from './cifarFormat.js'
export {
  transforms,
  type Compose,
  type Normalize,
  type NormalizeOptions,
  type ToTensor,
  type Transform,
} from './transforms.js'
export { DataLoader, type DataLoaderOptions } from './loader.js'
export { ImageDataset, TensorDataset, type Batch, type Dataset, type ImageDatasetOptions } from './loaderDatasets.js'
export { makeGrid, type GridOptions } from './loaderGrid.js'
