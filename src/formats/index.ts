/** Room `formats`: files from and for other programs, as bytes ↔ plain tensors and values. Nothing of a file is ever run. */
export { unpickle } from './pickle.js'
export { describePickle, PickleCallable, type PickleValue } from './pickleTypes.js'
export { NumpyArray, numpyGlobals } from './numpyPickle.js'
export { ZipArchive } from './zip.js'
export { writeZip } from './zipWriter.js'
export { readPth } from './pth.js'
export { writePth, writePthObject } from './pthWriter.js'
export { shownName } from './shownName.js'
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
export {
  netActivations,
  netTensors,
  noPadding,
  samePadding,
  type NetActivation,
  type NetFile,
  type NetInput,
  type NetNode,
  type NetOp,
  type NetOptimizer,
  type NetOptimizerSettings,
  type NetPadding,
  type NetPreprocessing,
  type NetTensor,
  type Pair,
  type PictureOrder,
} from './net.js'
export { netShapes, opShape, opWeights, shownShape, type NetShape } from './netShapes.js'
export {
  endActivation,
  logitsOf,
  outputActivation,
  outputSize,
  usualActivation,
  type OutputActivation,
} from './netEnd.js'
export { flattenInOrder } from './netOrder.js'
export { activationOfLoss } from './kerasCompile.js'
export { isLayerName } from './kerasConfig.js'
export { JsonPlace, type Json, type JsonObject } from './kerasJson.js'
export { isKerasClass, kerasLayer, type KerasClass, type KerasConfig, type KerasLayer } from './kerasLayers.js'
export type { KerasCompile, KerasFile, KerasModel, KerasOptimizer, KerasWeights, LooseWeights } from './kerasTypes.js'
export { layerVariables, placeLayers, type KerasVariable, type PlacedLayer } from './kerasVariables.js'
export { weightsOf } from './kerasMatch.js'
export { readKeras, writeKeras } from './keras.js'
export { holdsKerasModel, writeKerasH5 } from './kerasH5.js'
export { readKerasWeights, readLooseWeights, writeKerasWeights, type WeightsRead } from './kerasWeightsH5.js'
export { looksLikeHdf5, mayBeHdf5 } from './hdf5.js'
export { inKerasOrder, orderByDepth, walkBack, type DepthOrder } from './kerasOrder.js'
export { netFromKeras } from './kerasToNet.js'
export { kerasFromNet } from './netToKeras.js'
export { looksLikeTfjs, readTfjs, writeTfjs, type ReadShard, type TfjsFiles } from './tfjs.js'
export { netParameters, netStateDict, nodesInParameterOrder, withParameterOrder, writeNetPth } from './netPth.js'
export { optimizerFromTorch, optimizerToTorch } from './torchOptimizer.js'
