/** Room `formats`: files from and for other programs, as bytes ↔ plain tensors and values. Nothing of a file is ever run. */
export { unpickle, type PickleResolve, type UnpickleOptions } from './pickle.js'
export { describePickle, PickleCallable, PickleDict, PickleOpaque, type PickleValue } from './pickleTypes.js'
export { NumpyArray, NumpyDtype, numpyGlobals } from './numpyPickle.js'
export { looksLikeZip, ZipArchive, type ZipMember } from './zip.js'
export { writeZip } from './zipWriter.js'
export { readPth } from './pth.js'
export { writePth, writePthObject } from './pthWriter.js'
export { selectStateDict } from './stateDict.js'
export {
  asFloat32,
  isPthTensor,
  pthDtypes,
  type PthArray,
  type PthDtype,
  type PthFile,
  type PthTensor,
  type PthValue,
  type WritablePthValue,
  type WritableTensor,
} from './pthTypes.js'
