/**
 * Models out of files of every format: recognised by what the bytes are, with the preprocessing and class names that
 * belong to them. Nothing of a file is run; besides the given one only files of plain names in its folder are asked for,
 * and only for ONNX and TensorFlow.js.
 * Not here: weights without a net (bareWeights.ts), opening (model.node.ts), writing (write.ts).
 */
import { LenetError, isMap } from '../base/index.js'
import {
  netFromKeras,
  netParameters,
  optimizerFromTorch,
  outputSize,
  readKeras,
  readNpz,
  readOnnx,
  readPth,
  readSafetensors,
  readTfjs,
  selectStateDict,
  withParameterOrder,
  ZipArchive,
  type KerasFile,
  type NetFile,
  type NetPreprocessing,
  type OutputActivation,
  type PthFile,
} from '../formats/index.js'
import { GraphModule, type Layer } from '../nn/index.js'
import {
  asFound,
  channelsOf,
  knownName,
  netOfKerasWeights,
  netOfState,
  saidFor,
  type Found,
  type Says,
} from './bareWeights.js'
import { formatOf, formats, type FormatName } from './format.js'
import { sameStructure } from './netCompare.js'
import { notesMember, notesOf, type Notes } from './notes.js'
import { familyPreprocessing, ownScaling } from './preprocessing.js'

/** Bytes, and what lies beside them. */
export interface Source {
  readonly path: string
  readonly bytes: Uint8Array
  readonly beside: (name: string) => Uint8Array
}

/** A model that was read. */
export interface ModelFile {
  readonly path: string
  readonly format: FormatName
  /** lenet, lenet1, or what the file, or the net that was said, is called. */
  readonly name: string
  /** Runs: pictures [N, C, H, W] in, logits [N, classes] out. */
  readonly net: Layer
  /** As data, as the file has it; with the optimizer where the file has one that can be read. Throws LenetError where a user's net is not known in files. */
  readonly netFile: () => NetFile
  /** Why the file's optimizer is not read, or not wholly; undefined where it is, or there is none. Of Keras's whole models `notices` say it. */
  readonly optimizerNotice: () => string | undefined
  readonly preprocessing: NetPreprocessing
  /** The file says so itself. */
  readonly ownPreprocessing: boolean
  readonly classes: readonly string[] | undefined
  /** Channels, height, width of a picture; null where any is right or nothing is known. */
  readonly inputShape: readonly (number | null)[]
  /**
   * What makes probabilities of what the net gives: `softmax` of classes that exclude each other; `sigmoid` of labels each for
   * itself, of one output of the second of two classes; `none` where it gives probabilities.
   */
  readonly activation: OutputActivation
  /** Outputs; undefined where nothing is known. */
  readonly outputs: number | undefined
  /** Odd but harmless, one sentence each. */
  readonly notices: readonly string[]
}

interface Read {
  readonly found: Found
  readonly optimizer?: () => { readonly state?: NetFile['optimizer']; readonly notice?: string | undefined }
  readonly notes?: Notes
  readonly warnings?: readonly string[]
}

type Reader = (source: Source, says: Says | undefined) => Promise<Read>

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'string')

/** Class names beside the weights, as many training scripts keep them: `classes` or `class_names`. */
function classesIn({ whole }: PthFile): readonly string[] | undefined {
  return isMap(whole) ? ['classes', 'class_names'].map((key) => whole.get(key)).find(isTexts) : undefined
}

const mostNotes = 2 ** 20

function zipNotes({ bytes, path }: Source): Read['notes'] {
  if (bytes[0] !== 0x50) return {}
  const zip = new ZipArchive(bytes, path)
  const member = [...zip.members.keys()].find((name) => name.endsWith(`/${notesMember}`))
  return member === undefined ? {} : told(new TextDecoder().decode(zip.read(member, mostNotes)), `${path}, ${member}`)
}

const told = (text: string | undefined, where: string): NonNullable<Read['notes']> =>
  text === undefined ? {} : notesOf(text, where)

async function pth(source: Source, says: Says | undefined): Promise<Read> {
  const { bytes, path } = source
  const file = readPth(bytes, path)
  const found = netOfState(selectStateDict(file), path, says)
  const classes = classesIn(file)
  const { order = [] } = found
  const netFile = (): NetFile => withParameterOrder(found.netFile(), order)
  return {
    found: { ...found, netFile },
    optimizer: () => {
      const read = optimizerFromTorch(file.whole, netParameters(netFile()), path)
      return typeof read === 'string' ? { notice: read } : { state: read }
    },
    notes: { ...zipNotes(source), ...(classes === undefined ? {} : { classes }) },
    warnings: file.warnings,
  }
}

async function safetensors({ bytes, path }: Source, says: Says | undefined): Promise<Read> {
  const { name, tensors, metadata } = readSafetensors(bytes, path)
  const state = selectStateDict({ name, tensors, warnings: [], whole: new Map(tensors) })
  return { found: netOfState(state, path, says), notes: told(metadata.get('lenet'), `${path}, metadata lenet`) }
}

async function npz(source: Source, says: Says | undefined): Promise<Read> {
  const { bytes, path } = source
  return { found: netOfState(readNpz(bytes, path), path, says) }
}

const ofGraph = (net: NetFile, path: string): Read => {
  const found = asFound(path.split(/[\\/]/).at(-1) ?? path, net, path)
  return { found, optimizer: () => ({ state: net.optimizer }), notes: net }
}

async function onnx({ bytes, path, beside }: Source): Promise<Read> {
  return ofGraph(readOnnx(bytes, path, beside), path)
}

function ofKeras(file: KerasFile, path: string, notes = file.notes): Read {
  const all = told(notes, `${path}, notes`)
  const net = netFromKeras(file, path)
  const read = ofGraph(all.activation === undefined ? net : { ...net, activation: all.activation }, path)
  return { ...read, notes: all, warnings: file.warnings ?? [] }
}

const keras: Reader = async ({ bytes, path }) => ofKeras(await readKeras(bytes, path), path)

async function weights({ bytes, path }: Source, says: Says | undefined): Promise<Read> {
  const { found, notes, warnings } = await netOfKerasWeights(bytes, path, says)
  const optimizer = () => ({ state: found.netFile().optimizer, notice: warnings[0] })
  return { found, notes: told(notes, `${path}, notes`), optimizer }
}

async function tfjs({ bytes, path, beside }: Source): Promise<Read> {
  const file = await readTfjs(bytes, beside, path)
  const json: { userDefinedMetadata?: { lenet?: unknown } | null } = JSON.parse(new TextDecoder().decode(bytes))
  const notes = json.userDefinedMetadata?.lenet
  return ofKeras(file, path, typeof notes === 'string' ? notes : undefined)
}

const readers: { readonly [F in FormatName]: Reader } = { pth, safetensors, npz, onnx, keras, h5: keras, weights, tfjs }

/** A file that tells its net must tell the one that it is said to be. */
function checkSaid(says: Says, read: Read, path: string): void {
  const net = read.found.netFile()
  const fail = (what: string): never => {
    throw new LenetError(`${path} holds another net than the ${says.name} that it is said to be: ${what}`)
  }
  let wanted: NetFile
  try {
    wanted = saidFor(says, net)
  } catch (error) {
    if (!(error instanceof LenetError)) throw error
    const shape = (net.inputs[0]?.shape ?? []).map((size) => size ?? 'any').join(', ')
    return fail(`it takes inputs of [${shape}], and there is no ${says.name} for them: ${error.message}`)
  }
  if (!sameStructure(net, wanted)) fail(`${shownNet(net)}; ${says.name} has ${shownNet(wanted)}`)
}

function shownNet({ nodes }: NetFile): string {
  const shapes = nodes.flatMap(({ weights: own }) => [...own].map(([, { shape }]) => `[${shape.join(', ')}]`))
  return `${nodes.length} operations with the weights ${shapes.slice(0, 12).join(' ')}`
}

/**
 * The model of bytes that were read.
 * @param says which net it is said to be
 * @throws LenetError in one sentence that names file, part and reason
 */
export async function readModelFrom(source: Source, says?: Says): Promise<ModelFile> {
  const { path } = source
  const format = await formatOf(source.bytes, path)
  const read = await readers[format](source, says)
  const { bare, family } = formats[format]
  if (says !== undefined && !bare) checkSaid(says, read, path)
  const { found, notes = {}, optimizer, warnings = [] } = read
  const net = found.module instanceof GraphModule ? found.netFile() : undefined
  const own = notes.preprocessing ?? (net && ownScaling(net))
  const guess = `${path} is taken for a ${found.name} by the shapes of its weights`
  return {
    path,
    format,
    name: bare || net === undefined ? found.name : (says?.name ?? knownName(net) ?? found.name),
    net: found.module,
    netFile: () => withRest(found.netFile(), notes, optimizer?.().state),
    optimizerNotice: () => optimizer?.().notice,
    preprocessing: own ?? familyPreprocessing[family],
    ownPreprocessing: own !== undefined,
    classes: notes.classes,
    activation: (bare ? notes.activation : undefined) ?? found.activation,
    inputShape: net?.inputs[0]?.shape ?? [channelsOf(found.module) ?? null, null, null],
    outputs: net ? outputSize(net) : found.module.parameters().at(-1)?.shape[0],
    notices: found.guessed && says === undefined ? [...warnings, guess] : warnings,
  }
}

function withRest(net: NetFile, notes: Notes, optimizer: NetFile['optimizer']): NetFile {
  const { classes, preprocessing, parameterOrder = net.parameterOrder, activation = net.activation } = notes
  return {
    inputs: net.inputs,
    nodes: net.nodes,
    outputs: net.outputs,
    ...(parameterOrder === undefined ? {} : { parameterOrder }),
    ...(activation === undefined ? {} : { activation }),
    ...(classes === undefined ? {} : { classes }),
    ...(preprocessing === undefined ? {} : { preprocessing }),
    ...(optimizer === undefined ? {} : { optimizer }),
  }
}
