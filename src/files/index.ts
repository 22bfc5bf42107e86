/** The room `files`: models of every format, from bytes to a net that runs, and back. The disk is behind model.node.ts. */
export { asMade, channelsOf, type MakeNet, type Says } from './bareWeights.js'
export { formats, type FormatName, type Target } from './format.js'
export { parameterCount } from './netCompare.js'
export { notesFor } from './notes.js'
export {
  checkChannels,
  familyPreprocessing,
  meanAndStd,
  namedPreprocessing,
  ownScaling,
  shownPreprocessing,
} from './preprocessing.js'
export { readModelFrom, type ModelFile, type Source } from './read.js'
export { decodeModel, encodeModel, type Encoded } from './write.js'
