/** Files of models. Not here: what they hold (modelFile.ts), their bytes (room formats). */
import { basename } from 'node:path'
import { readWholeFile, writeFileAtomicSync } from '../base/fs.node.js'
import { UsageError } from '../base/index.js'
import {
  readKeras,
  readKerasWeights,
  writeKeras,
  writeKerasH5,
  writeKerasWeights,
  type JsonObject,
} from '../formats/index.js'
import {
  kerasFileOf,
  kerasModelOf,
  kerasOptimizerOf,
  kerasWeightsOf,
  modelOf,
  setKerasOptimizer,
  setKerasWeights,
} from './modelFile.js'
import type { Model } from './model.js'

export { kerasFileOf } from './modelFile.js'

const isHdf5 = (path: string): boolean => /\.(?:h5|hdf5)$/.test(path)

/** `model.save(path)`: .keras, or .h5 that Keras 2 and 3 read. The file is whole or not there. */
export async function saveModel(model: Model, path: string): Promise<void> {
  if (!path.endsWith('.keras') && !isHdf5(path))
    throw new UsageError(
      `Invalid filepath extension for saving. Please add either a \`.keras\` extension (the native Keras format) or a \`.h5\` extension. Received: filepath=${path}.`,
    )
  const file = kerasFileOf(model)
  writeFileAtomicSync(path, await (isHdf5(path) ? writeKerasH5(file) : writeKeras(file)))
}

/** `model.saveWeights(path)`: .weights.h5, with the optimizer's state where it is there. */
export async function saveWeights(model: Model, path: string): Promise<void> {
  if (!path.endsWith('.weights.h5'))
    throw new UsageError(`The filename must end in \`.weights.h5\`. Received: filepath=${path}`)
  const optimizer = kerasOptimizerOf(model.optimizer)
  writeFileAtomicSync(path, await writeKerasWeights(kerasModelOf(model), kerasWeightsOf(model), optimizer))
}

/** `model.loadWeights(path)`: of .weights.h5, .h5 or .keras; with the optimizer's state where both have it. */
export async function loadWeights(model: Model, path: string): Promise<void> {
  const [bytes, name] = [readWholeFile(path), basename(path)]
  const compile = model.getCompileConfig()
  const compiled = compile ? (JSON.parse(JSON.stringify(compile)) as JsonObject) : undefined
  const read = path.endsWith('.keras')
    ? await readKeras(bytes, name)
    : await readKerasWeights(bytes, name, kerasModelOf(model), compiled)
  setKerasWeights(model, read.weights, name)
  if (compile && read.optimizer) setKerasOptimizer(model, read.optimizer)
}

export interface LoadModelOptions {
  /** Compiles it as it was saved, with the optimizer's state; default true. */
  readonly compile?: boolean
}

/**
 * A model out of a .keras or .h5 file, Keras 2's too; nothing of the file is run. Source: keras.models.load_model.
 * @throws LenetError for a file that is damaged or hostile, and for layers that are not known, by name
 */
export async function loadModel(path: string, { compile = true }: LoadModelOptions = {}): Promise<Model> {
  const name = basename(path)
  const file = await readKeras(readWholeFile(path), name)
  return modelOf(file, name, compile, (text) => console.warn(text))
}
