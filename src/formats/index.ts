/** Room `formats`: files from and for other programs, as bytes ↔ plain tensors and values. Nothing of a file is ever run. */
export { unpickle, type PickleResolve, type UnpickleOptions } from './pickle.js'
export { describePickle, PickleCallable, PickleDict, PickleOpaque, type PickleValue } from './pickleTypes.js'
export { NumpyArray, NumpyDtype, numpyGlobals } from './numpyPickle.js'
