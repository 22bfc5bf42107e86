/** Room `data`, the part for Node: data sets from files and the network, and pictures. */
export { fetchCifar10, loadCifar10, type LoadOptions } from './cifar10.node.js'
export type { DataSource, FetchedData, FetchHooks, FetchOptions } from './dataSet.node.js'
export { loadImageFolder, type ImageFolderOptions } from './imageFolder.node.js'
export { fetchMnist, loadMnist } from './mnist.node.js'
export { decodePicture, encodePng, pictureSize, type PictureFit, type PictureSize } from './pictures.node.js'
export { datasets, type DatasetOptions, type FolderOptions } from './loaderNamed.node.js'
export { saveImage } from './loaderImage.node.js'
