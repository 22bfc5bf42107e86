/** Room `formats`: files from and for other programs, as bytes ↔ plain tensors and values. Nothing of a file is ever run. */
export { unpickle } from './pickle.js'
export { describePickle, PickleCallable, type PickleValue } from './pickleTypes.js'
export { NumpyArray, numpyGlobals } from './numpyPickle.js'
export { ZipArchive } from './zip.js'
export { writeZip } from './zipWriter.js'
export { readPth } from './pth.js'
export { writePth, writePthObject } from './pthWriter.js'
export { selectStateDict } from './stateDict.js'
export {
  asFloat32,
  isPthTensor,
  type PthDtype,
  type PthFile,
  type PthTensor,
  type PthValue,
  type WritablePthValue,
  type WritableTensor,
} from './pthTypes.js'
export { readSafetensors, writeSafetensors, type SafetensorsFile } from './safetensors.js'
export { readNpy, readNpz, writeNpy, writeNpz } from './npy.js'
export { readOnnx } from './onnx/read.js'
export { writeOnnx } from './onnx/write.js'
export { isPlainName, type ExternalFiles } from './onnx/tensors.js'
