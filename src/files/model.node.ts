/**
 * Models in files of every format: `loadModel` gives a net that runs and trains, `saveModel` writes one.
 * Not here: what bytes mean (read.ts) and become (write.ts), models of Keras as models of Keras (keras/save.node.ts).
 */
import { rmSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { isThere, readWholeFile, writeFileAtomic } from '../base/fs.node.js'
import { isArrayOf, LenetError, refuseForeign, UsageError } from '../base/index.js'
import { filesBeside } from '../formats/filesBeside.node.js'
import {
  activationOfLoss,
  endActivation,
  netFromKeras,
  netStateDict,
  netTensors,
  outputActivation,
  placeLayers,
  usualActivation,
  type KerasFile,
  type NetFile,
  type NetPreprocessing,
  type OutputActivation,
} from '../formats/index.js'
import { Model } from '../keras/index.js'
import { kerasFileOf } from '../keras/save.node.js'
import { namedNets } from '../models/index.js'
import { GraphModule, netOfModule, nn, refuseStrayParts, tensorFromPth, tensorToPth, type Layer } from '../nn/index.js'
import { asMade, channelsOf, knownName, makerOf, pictureSide, type Says } from './bareWeights.js'
import { allEndings, checkHead, formatByEnding, formats, type Target } from './format.js'
import { inTorchOrder, withNamesOf, withWeights } from './netCompare.js'
import { notesFor } from './notes.js'
import { namedPreprocessing, ownScaling } from './preprocessing.js'
import { readModelFrom, type ModelFile, type Source } from './read.js'
import { encodeKeras, encodeModel, encodeState, isKerasFormat, isStateFormat, type Encoded } from './write.js'

/** Reads the file; of a folder its model.json. Throws LenetError that names it. */
function sourceOf(given: string): Source {
  const path = isThere(given) && statSync(given).isDirectory() ? join(given, 'model.json') : given
  if (path !== given && !isThere(path))
    throw new LenetError(`${given}: it is a folder without a model.json (a TensorFlow.js model)`)
  return { path, bytes: readWholeFile(path, (head) => checkHead(head, path)), beside: filesBeside(path) }
}

/** The model of a file, or of a TensorFlow.js folder. Throws LenetError in one sentence that names file, part and reason. */
export const readModel = async (path: string, says?: Says): Promise<ModelFile> => readModelFrom(sourceOf(path), says)

/** The net that another file of a whole model holds. Throws LenetError where that holds weights alone. */
export async function saysOfFile(path: string): Promise<Says> {
  const { format, name, netFile } = await readModel(path)
  if (formats[format].bare) throw new LenetError(`--model ${path}: it holds weights alone, no net`)
  return { name, net: netFile() }
}

async function saysOf(model: string | Layer): Promise<Says> {
  refuseForeign('loadModel: the model', model)
  if (typeof model !== 'string') return { name: model.constructor.name, make: () => model }
  if (Object.hasOwn(namedNets, model)) return { name: model, make: makerOf(model) }
  if (isThere(model)) return saysOfFile(model)
  throw new UsageError(`loadModel: the model ${model} is neither ${Object.keys(namedNets).join(' or ')} nor a file`)
}

export interface LoadModelOptions {
  /**
   * Which net the file holds, where its names do not tell, as in a state dict of a net of yours: the net itself, into
   * which the weights are loaded; `lenet` or `lenet1`; or the path of a file that holds the whole net.
   */
  readonly model?: string | Layer
}

/**
 * The model of a file that PyTorch, Keras, ONNX, TensorFlow.js or this library wrote: .pth, .safetensors, .npz, .onnx,
 * .keras, .h5, .weights.h5, or a TF.js model's folder or model.json. Which of them it is, its bytes tell; nothing of it is
 * run. `net` takes pictures [N, C, H, W] and gives logits [N, classes]; it can be called and trained as any module.
 * `classifier(await loadModel(path))` classifies pictures as the file says they go in.
 * @throws LenetError in one sentence that names file, part and reason; and where the file is of another net than `model`
 */
export async function loadModel(path: string, { model }: LoadModelOptions = {}): Promise<ModelFile> {
  if (model === undefined) return readModel(path)
  const read = await readModel(path, await saysOf(model))
  return typeof model === 'string' || read.net === model ? read : intoModule(read, model)
}

const sizesOf = (shape: readonly (number | null)[]): number[] => shape.map((size) => size ?? pictureSide)

/** The file's weights in the net that was given: the two are built alike. */
function intoModule(read: ModelFile, module: Layer): ModelFile {
  const own = netOfModule(module, sizesOf(read.inputShape), read.path)
  const named = withNamesOf(inTorchOrder(read.netFile()), own)
  const tensors = [...netStateDict(named)].map(([name, { shape, data }]) => {
    const dtype = isArrayOf('BigInt64Array', data) ? 'i64' : 'f32'
    return [name, tensorFromPth({ dtype, shape: [...shape], data }, `${read.path}: ${name}`)] as const
  })
  module.loadStateDict(new Map(tensors))
  return { ...read, net: module, netFile: () => netOfModule(module, sizesOf(read.inputShape), read.path) }
}

/** A folder for a TF.js model, there or to be made: a name without an ending. */
const isFolder = (path: string): boolean =>
  isThere(path) ? statSync(path).isDirectory() : /[/\\]$/.test(path) || !basename(path).slice(1).includes('.')

/** What is to be written. Throws UsageError for an ending that no format has. */
export function targetOf(path: string): Target {
  if (isFolder(path)) return { format: 'tfjs', path: `${path.replace(/[/\\]+$/, '')}/model.json` }
  const format = formatByEnding(path)
  if (format !== undefined) return { format, path }
  throw new UsageError(
    `${path}: there is no format of that name; the endings are ${allEndings()}, and a folder for TensorFlow.js`,
  )
}

/** Writes all files, or leaves none that was not there. Throws LenetError that names the file. */
export async function writeModel(files: Encoded): Promise<void> {
  const made: string[] = []
  try {
    for (const [path, bytes] of files) {
      const isNew = !isThere(path)
      await writeFileAtomic(path, bytes)
      if (isNew) made.push(path)
    }
  } catch (error) {
    for (const path of made) rmSync(path, { force: true })
    throw error
  }
}

export interface SaveModelOptions {
  /** Names by index; `lenet predict` and `classifier` tell them. Default: those of the file that the model came from. */
  readonly classes?: readonly string[]
  /**
   * How bytes of pictures become the net's numbers: (byte · scale − mean) / std, a value a channel or one for all; or
   * `torch` (x / 255 − 0.5) / 0.5, `keras` x / 255, `none` bytes. Default: the file's that the model came from, else
   * `torch` of a module and `keras` of a Keras model.
   */
  readonly preprocessing?: NetPreprocessing | keyof typeof namedPreprocessing
  /** Of one picture [C, H, W], or one list [F]; needed of a module for files that hold the whole net. Default [C, 32, 32]. */
  readonly inputShape?: readonly number[]
}

/**
 * Saves a net for PyTorch, Keras, ONNX or TensorFlow.js; the ending of `path` tells the format (.pth, .safetensors, .npz,
 * .onnx, .keras, .h5, .weights.h5; a folder for TF.js). Layouts are changed as the format has them. A .pth is a bare state
 * dict, for `net.load_state_dict(torch.load(path))`; Keras's files of a Keras model keep how it was compiled and its
 * optimizer. The file is whole or not there, and the same net gives the same bytes.
 * @param model a module, a model of `lenet/keras`, or what `loadModel` gave, with its weights as they are now
 * @throws LenetError for a net with operations that the format does not know, by name; UsageError for an ending that no
 *   format has, and for notes where the format has no place (.npz)
 */
export async function saveModel(
  model: Layer | Model | ModelFile,
  path: string,
  options: SaveModelOptions = {},
): Promise<void> {
  const target = targetOf(path)
  refuseForeignModel(`${path} is not written: the model`, model)
  const { classes, preprocessing } = options
  if (target.format === 'npz' && (classes ?? preprocessing) !== undefined)
    throw new UsageError(`${path}: .npz has no place for class names and preprocessing; choose another format`)
  await writeModel(await encoded(model, target, options))
}

/** Of whichever part: a net, a model of Keras, or what `loadModel` gave. */
function refuseForeignModel(what: string, model: Layer | Model | ModelFile): void {
  refuseForeign(what, model)
  if (!isModule(model) && !(model instanceof Model)) refuseForeign(`${what}: its net`, model.net)
}

const isModule = (model: object): model is Layer => model instanceof nn.Module

function encoded(model: Layer | Model | ModelFile, target: Target, options: SaveModelOptions) {
  if (model instanceof Model) return encodedKeras(model, target, options)
  if (isModule(model)) return encodedModule(model, target, options)
  const { net, classes, preprocessing, inputShape } = model
  const told = { classes, preprocessing, inputShape: sizesOf(inputShape), ...options }
  return net instanceof GraphModule
    ? encodedNet(currentNet(model, net), target, told)
    : encodedModule(net, target, told)
}

/** As the file has it, a softmax at its end included, with the weights of now. What its optimizer had is of the past. */
function currentNet(model: ModelFile, net: GraphModule): NetFile {
  const { optimizer: _old, ...whole } = model.netFile()
  return withWeights(whole, netTensors(net.netFile()), model.path)
}

type Told = { readonly [K in keyof SaveModelOptions]?: SaveModelOptions[K] | undefined }

const numbersOf = (told: Told['preprocessing'], usual: NetPreprocessing): NetPreprocessing =>
  typeof told === 'string' ? namedPreprocessing[told] : (told ?? usual)

/** A state dict has the module's own names, and needs no knowledge of what it computes. */
async function encodedModule(module: Layer, target: Target, told: Told): Promise<Encoded> {
  const { format, path } = target
  const inputShape = told.inputShape ?? [channelsOf(module) ?? 3, pictureSide, pictureSide]
  if (!(module instanceof GraphModule)) refuseStrayParts(module, inputShape)
  if (isStateFormat(format) && !(module instanceof GraphModule)) {
    const notes = notesFor(format, undefined, notesOf(told, namedPreprocessing.torch))
    return encodeState(
      [...module.stateDict()].map(([name, x]) => [name, tensorToPth(x)] as const),
      notes,
      format,
      path,
    )
  }
  return encodedNet(traced(module, inputShape, path), target, told)
}

function traced(module: Layer, inputShape: readonly number[], path: string): NetFile {
  try {
    return netOfModule(module, inputShape)
  } catch (error) {
    if (!(error instanceof LenetError)) throw error
    const what = `${path} is not written: ${module.constructor.name}, called with an input of [${inputShape.join(', ')}]`
    throw new LenetError(`${what} (inputShape says another): ${error.message}`, { cause: error })
  }
}

const notesOf = ({ classes, preprocessing }: Told, usual: NetPreprocessing) => ({
  classes,
  preprocessing: numbersOf(preprocessing, usual),
})

async function encodedNet(
  net: NetFile,
  target: Target,
  told: Told,
  usual: NetPreprocessing = namedPreprocessing.torch,
) {
  const { preprocessing: own = ownScaling(net) ?? usual, ...bare } = net
  const notes = notesFor(target.format, net, notesOf(told, own))
  const made = isKerasFormat(target.format) ? bare : asMade(bare, knownName(bare) ?? '')
  return encodeModel({ ...made, ...notes }, target, target.path)
}

async function encodedKeras(model: Model, target: Target, told: Told): Promise<Encoded> {
  const file = kerasFileOf(model)
  if (!isKerasFormat(target.format))
    return encodedNet(netFromKeras(file, target.path), target, told, namedPreprocessing.keras)
  const begin = beginOf(file, target.path)
  const own = begin && ownScaling(begin)
  const notes = notesFor(target.format, begin, notesOf(told, own ?? namedPreprocessing.keras))
  const keepsLoss = target.format === 'keras' || target.format === 'h5'
  const activation = keepsLoss ? undefined : activationOfLoss(file.compile)
  return encodeKeras(file, { ...notes, ...(activation && { activation }) }, target.format, target.path)
}

/** What a model of Keras' idiom takes and gives. */
export interface KerasForm {
  /** How bytes of pictures become its numbers: x / 255 unless it scales them itself. */
  readonly preprocessing: NetPreprocessing
  readonly activation: OutputActivation
  /** It ends in that activation, else its outputs are logits (or probabilities, for `none`). */
  readonly endsInIt: boolean
}

/** Throws LenetError for a model that files do not know. */
export function formOfKeras(model: Model): KerasForm {
  const { compile: _own, ...file } = kerasFileOf(model)
  const net = netOrNothing(file, model.name)
  const begin = net ?? beginOf(file, model.name)
  const [outputs, ...more] = model.outputShape ?? []
  return {
    preprocessing: (begin && ownScaling(begin)) ?? namedPreprocessing.keras,
    activation: net ? outputActivation(net) : usualActivation(more.length > 0 ? undefined : outputs),
    endsInIt: net !== undefined && endActivation(net) !== undefined,
  }
}

function netOrNothing(file: KerasFile, where: string): NetFile | undefined {
  try {
    return netFromKeras(file, where)
  } catch (error) {
    if (error instanceof LenetError) return undefined // layers that only Keras has
    throw error
  }
}

/** What a model does before its first layer with weights; undefined where that is no net (layers that only Keras has). */
function beginOf({ model }: KerasFile, where: string): NetFile | undefined {
  const first = placeLayers(model, where).findIndex(({ variables }) => variables.length > 0)
  const layers = first < 0 ? model.layers : model.layers.slice(0, first)
  const read = new Set(layers.flatMap(({ inbound }) => inbound))
  const outputs = layers.map(({ name }) => name).filter((name) => !read.has(name))
  return netOrNothing({ model: { ...model, layers, outputs }, weights: new Map() }, where)
}
