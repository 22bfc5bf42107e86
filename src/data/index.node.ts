/** Room `data`, the part for Node: data sets from files and the network, and pictures. */
export {
  fetchCifar10,
  loadCifar10,
  type FetchCifar10Options,
  type FetchedCifar10,
  type LoadCifar10Options,
} from './cifar10.node.js'
export type { CifarSource, FetchHooks } from './cifarSources.node.js'
export { decodePicture, encodePng, type PictureSize } from './pictures.node.js'
