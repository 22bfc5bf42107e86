/**
 * Nets as the bytes of a file of any format, and what these hold, read back in memory.
 * Not here: which net, and writing to the disk (model.node.ts); the formats' bytes (formats).
 */
import { LenetError } from '../base/index.js'
import {
  asFloat32,
  flattenInOrder,
  kerasFromNet,
  netFromKeras,
  netParameters,
  netStateDict,
  readKerasWeights,
  readNpz,
  readPth,
  readSafetensors,
  selectStateDict,
  writeKeras,
  writeKerasH5,
  writeKerasWeights,
  writeNetPth,
  writeNpz,
  writeOnnx,
  writePth,
  writeSafetensors,
  writeTfjs,
  writeZip,
  ZipArchive,
  type KerasFile,
  type NetFile,
  type PthTensor,
  type WritableTensor,
} from '../formats/index.js'
import { formats, type FormatName, type Target } from './format.js'
import { inTorchOrder, withWeights } from './netCompare.js'
import { notesMember, notesText, type Notes } from './notes.js'
import { readModelFrom } from './read.js'

/** Files by their path; the one that others refer to comes last. */
export type Encoded = ReadonlyMap<string, Uint8Array>

const only = (path: string, bytes: Uint8Array): Encoded => new Map([[path, bytes]])

const inFolderOf = (path: string, name: string): string => path.replace(/[^/\\]*$/, '') + name

/** The bytes of a .pth with notes as one more member, which PyTorch passes over. */
function withNotes(bytes: Uint8Array, notes: string | undefined): Uint8Array {
  if (notes === undefined) return bytes
  const zip = new ZipArchive(bytes, 'the file being made')
  const members = [...zip.members.values()].map(({ name, size }) => [name, zip.read(name, size)] as const)
  return writeZip([...members, [`archive/${notesMember}`, new TextEncoder().encode(notes)]])
}

type State = Iterable<readonly [name: string, tensor: WritableTensor]>

/** Formats that hold a state dict and nothing of the net. */
const stateFormats = ['pth', 'safetensors', 'npz'] as const
type StateFormat = (typeof stateFormats)[number]

export const isStateFormat = (format: FormatName): format is StateFormat =>
  (stateFormats as readonly FormatName[]).includes(format)

const stateEncoders: { readonly [F in StateFormat]: (state: State, notes: string | undefined) => Uint8Array } = {
  pth: (state, notes) => withNotes(writePth(state), notes),
  safetensors: (state, notes) =>
    writeSafetensors(state, [['format', 'pt'], ...(notes === undefined ? [] : [['lenet', notes] as const])]),
  npz: (state) => writeNpz(state),
}

/** A state dict under its own names, whatever net it is of. */
export const encodeState = (state: State, notes: Notes, format: StateFormat, path: string): Encoded =>
  only(path, stateEncoders[format](state, notesText(notes)))

/** Keras's model of the net, with what it has no place for as notes: the order of parameters where Keras's is another. */
function kerasFile(net: NetFile, where: string): KerasFile {
  const file = kerasFromNet(net, where)
  const layers = file.model.layers.filter(({ name }) => file.weights.has(name)).map(({ name }) => name)
  const own = net.nodes.map(({ name }) => name).filter((name) => file.weights.has(name))
  const { parameterOrder = netParameters(net).map(([name]) => name) } = net
  const notes = notesText(String(own) === String(layers) ? net : { ...net, parameterOrder })
  return { ...file, ...(notes === undefined ? {} : { notes }) }
}

function tfjsFiles(file: KerasFile, path: string): Encoded {
  const { modelJson, shards } = writeTfjs(file)
  const files = [...shards].map(([name, bytes]) => [inFolderOf(path, name), bytes] as const)
  if (file.notes === undefined) return new Map([...files, [path, modelJson]])
  const json: object = JSON.parse(new TextDecoder().decode(modelJson))
  const noted = JSON.stringify({ ...json, userDefinedMetadata: { lenet: file.notes } })
  return new Map([...files, [path, new TextEncoder().encode(noted)]])
}

type KerasFormat = { [F in FormatName]: (typeof formats)[F]['family'] extends 'keras' ? F : never }[FormatName]

export const isKerasFormat = (format: FormatName): format is KerasFormat => formats[format].family === 'keras'

const kerasEncoders: { readonly [F in KerasFormat]: (file: KerasFile, path: string) => Encoded | Promise<Encoded> } = {
  keras: async (file, path) => only(path, await writeKeras(file)),
  h5: async (file, path) => only(path, await writeKerasH5(file)),
  weights: async ({ model, weights, optimizer, notes }, path) =>
    only(path, await writeKerasWeights(model, weights, optimizer, notes)),
  tfjs: tfjsFiles,
}

/** A model of Keras, with how it was compiled. */
export const encodeKeras = async (
  file: KerasFile,
  notes: Notes,
  format: KerasFormat,
  path: string,
): Promise<Encoded> => {
  const text = notesText(notes)
  return kerasEncoders[format]({ ...file, ...(text === undefined ? {} : { notes: text }) }, path)
}

/**
 * The bytes of the net in the target's format.
 * @param forTraining of .h5: the optimizer's state where Keras 2 goes on from it
 * @throws LenetError, beginning with `where`, for what the format cannot hold
 */
export async function encodeModel(
  net: NetFile,
  { format, path }: Target,
  where: string,
  forTraining = false,
): Promise<Encoded> {
  if (format === 'h5' && forTraining)
    return only(path, await writeKerasH5(kerasFile(net, where), { optimizerFor: 'keras2' }))
  if (isKerasFormat(format)) return kerasEncoders[format](kerasFile(net, where), path)
  if (format === 'onnx') return only(path, writeOnnx(inTorchOrder(net), where))
  const inOrder = flattenInOrder(net, 'chw', where)
  const { parameterOrder: _told, ...notes } = net // by the order of the state dict
  if (format === 'pth') return only(path, withNotes(writeNetPth(inOrder), notesText(notes)))
  return encodeState(netStateDict(inOrder), notes, format, path)
}

const stateOf = (format: StateFormat, bytes: Uint8Array, path: string): ReadonlyMap<string, PthTensor> => {
  if (format === 'npz') return readNpz(bytes, path)
  if (format === 'safetensors') return readSafetensors(bytes, path).tensors
  return selectStateDict(readPth(bytes, path))
}

/** What the encoded files hold, read as any file is; weights alone go into the net they were taken from. */
export async function decodeModel(files: Encoded, { format, path }: Target, net: NetFile): Promise<NetFile> {
  const bytes = files.get(path)
  if (bytes === undefined) throw new LenetError(`${path}: nothing was made of it`)
  if (format === 'weights') {
    const { model } = kerasFromNet(net)
    return netFromKeras({ model, weights: (await readKerasWeights(bytes, path, model)).weights }, path)
  }
  if (isStateFormat(format)) {
    const state = [...stateOf(format, bytes, path)].map(
      ([name, tensor]) => [name, { ...tensor, data: asFloat32(tensor) }] as const,
    )
    return withWeights(flattenInOrder(net, 'chw', path), new Map(state), path)
  }
  const beside = (name: string): Uint8Array => {
    const found = files.get(inFolderOf(path, name))
    if (found === undefined) throw new LenetError(`${path}: the file ${name} was not made`)
    return found
  }
  return (await readModelFrom({ path, bytes, beside })).netFile()
}
