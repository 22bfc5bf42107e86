/**
 * Nets as data as the bytes of a file of any format, read back in memory, and written so that a file is whole or not
 * there.
 * Not here: which net (convert.ts), the formats' bytes (formats).
 */
import { existsSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { writeFileAtomic } from '../base/fs.node.js'
import { LenetError } from '../base/index.js'
import {
  asFloat32,
  flattenInOrder,
  kerasFromNet,
  netFromKeras,
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
  writeSafetensors,
  writeTfjs,
  writeZip,
  ZipArchive,
  type KerasFile,
  type NetFile,
  type PthTensor,
} from '../formats/index.js'
import { notesMember, readModelFrom } from './modelFiles.js'
import type { FormatName, Target } from './modelFormats.js'
import { inTorchOrder, withWeights } from './netCompare.js'
import { notesText } from './preprocessing.js'

/** Files by their path; the one that others refer to comes last. */
export type Encoded = ReadonlyMap<string, Uint8Array>

const only = (path: string, bytes: Uint8Array): Encoded => new Map([[path, bytes]])

/** PyTorch's file with our notes as one more member, which PyTorch passes over. */
function pthBytes(net: NetFile): Uint8Array {
  const bytes = writeNetPth(net)
  const notes = notesText(net)
  if (notes === undefined) return bytes
  const zip = new ZipArchive(bytes, 'the file being made')
  const members = [...zip.members.values()].map(({ name, size }) => [name, zip.read(name, size)] as const)
  return writeZip([...members, [`archive/${notesMember}`, new TextEncoder().encode(notes)]])
}

function safetensorsBytes(net: NetFile): Uint8Array {
  const notes = notesText(net)
  return writeSafetensors(netStateDict(net), [
    ['format', 'pt'],
    ...(notes === undefined ? [] : [['lenet', notes] as const]),
  ])
}

/** Keras's model of the net, with what it has no place for as notes. */
function kerasFile(net: NetFile, where: string): KerasFile {
  const notes = notesText(net)
  return { ...kerasFromNet(net, where), ...(notes === undefined ? {} : { notes }) }
}

async function weightsBytes(net: NetFile, where: string): Promise<Uint8Array> {
  const { model, weights, optimizer, notes } = kerasFile(net, where)
  return writeKerasWeights(model, weights, optimizer, notes)
}

function tfjsFiles(net: NetFile, path: string, where: string): Encoded {
  const { modelJson, shards } = writeTfjs(kerasFile(net, where))
  const notes = notesText(net)
  const files = [...shards].map(([name, bytes]) => [join(dirname(path), name), bytes] as const)
  if (notes === undefined) return new Map([...files, [path, modelJson]])
  const json: object = JSON.parse(new TextDecoder().decode(modelJson))
  const noted = JSON.stringify({ ...json, userDefinedMetadata: { lenet: notes } })
  return new Map([...files, [path, new TextEncoder().encode(noted)]])
}

type Encoder = (net: NetFile, path: string, where: string) => Encoded | Promise<Encoded>

const encoders: { readonly [F in FormatName]: Encoder } = {
  pth: (net, path, where) => only(path, pthBytes(flattenInOrder(net, 'chw', where))),
  safetensors: (net, path, where) => only(path, safetensorsBytes(flattenInOrder(net, 'chw', where))),
  npz: (net, path, where) => only(path, writeNpz(netStateDict(flattenInOrder(net, 'chw', where)))),
  onnx: (net, path, where) => only(path, writeOnnx(inTorchOrder(net), where)),
  keras: async (net, path, where) => only(path, await writeKeras(kerasFile(net, where))),
  h5: async (net, path, where) => only(path, await writeKerasH5(kerasFile(net, where))),
  weights: async (net, path, where) => only(path, await weightsBytes(net, where)),
  tfjs: tfjsFiles,
}

/** The bytes of the net in the target's format. Throws LenetError, beginning with `where`, for what it cannot hold. */
export async function encodeModel(net: NetFile, { format, path }: Target, where: string): Promise<Encoded> {
  return encoders[format](net, path, where)
}

const stateOf = (format: FormatName, bytes: Uint8Array, path: string): ReadonlyMap<string, PthTensor> => {
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
  if (format === 'pth' || format === 'safetensors' || format === 'npz') {
    const state = [...stateOf(format, bytes, path)].map(
      ([name, tensor]) => [name, { ...tensor, data: asFloat32(tensor) }] as const,
    )
    return withWeights(flattenInOrder(net, 'chw', path), new Map(state), path)
  }
  const beside = (name: string): Uint8Array => {
    const found = files.get(join(dirname(path), basename(name)))
    if (found === undefined) throw new LenetError(`${path}: the file ${name} was not made`)
    return found
  }
  return (await readModelFrom({ path, bytes, beside })).netFile()
}

/** Writes all files, or leaves none that was not there. Throws LenetError that names the file. */
export async function writeModel(files: Encoded): Promise<void> {
  const made: string[] = []
  try {
    for (const [path, bytes] of files) {
      const isNew = !existsSync(path)
      await writeFileAtomic(path, bytes)
      if (isNew) made.push(path)
    }
  } catch (error) {
    for (const path of made) rmSync(path, { force: true })
    throw error
  }
}
