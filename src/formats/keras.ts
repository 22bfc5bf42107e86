/**
 * Files of whole Keras models by what their bytes are: .keras (a zip of Keras 3) and .h5.
 * Not here: weights alone (kerasWeightsH5.ts), TF.js (tfjs.ts), other formats (kerasToNet.ts, netToKeras.ts).
 * Source: keras/src/saving/saving_lib.py of Keras 3.15.
 */
import { LenetError } from '../base/index.js'
import { mayBeHdf5 } from './hdf5.js'
import { readKerasConfig, refuseHardSigmoid } from './kerasConfig.js'
import { compileConfig } from './kerasCompile.js'
import { kerasConfigJson } from './kerasConfigWriter.js'
import { readKerasH5 } from './kerasH5.js'
import { kerasJsonText, parseJson } from './kerasJson.js'
import type { KerasFile } from './kerasTypes.js'
import { placeLayers } from './kerasVariables.js'
import { kerasVersion } from './kerasVersion.js'
import { readKerasWeights, writeKerasWeights } from './kerasWeightsH5.js'
import { looksLikeZip, ZipArchive } from './zip.js'
import { writeZip } from './zipWriter.js'

/** A config is text: one beyond this is none. */
const mostConfigBytes = 2 ** 24
/** What a member may unpack to beyond the file's own size (Keras stores them as they are). */
const freeBytes = 2 ** 24
const metadataName = 'metadata.json'
const weightsName = 'model.weights.h5'
/** Where `KerasFile.notes` is. */
const notesName = 'lenet.json'

/**
 * A Keras model out of the bytes of a .keras or .h5 file; `name` names the file in errors. Nothing of it is run and no
 * other file is opened. Throws LenetError: damaged, hostile, classes that are not known, a config that its weights do not fit.
 */
export async function readKeras(bytes: Uint8Array, name: string): Promise<KerasFile> {
  if (looksLikeZip(bytes)) return readKerasZip(bytes, name) // its weights are HDF5 and may lie anywhere in it
  if (mayBeHdf5(bytes)) return readKerasH5(bytes, name)
  throw new LenetError(`${name}: neither a .keras file (a zip) nor an .h5 file (HDF5)`)
}

async function readKerasZip(bytes: Uint8Array, name: string): Promise<KerasFile> {
  const zip = new ZipArchive(bytes, name)
  for (const part of ['config.json', weightsName]) {
    if (!zip.members.has(part)) throw new LenetError(`${name}: no .keras file: ${part} is missing in the zip file`)
  }
  const place = parseJson(text(zip.read('config.json', mostConfigBytes), name), `${name}, config.json`)
  const { model, compile, warnings } = readKerasConfig(place)
  if (isOfKeras2(zip, name)) refuseHardSigmoid(model, name, 'save it by Keras 3')
  placeLayers(model, name)
  const inner = zip.read(weightsName, freeBytes + 4 * bytes.length)
  const read = await readKerasWeights(inner, `${name}, ${weightsName}`, model, compile, true)
  return {
    model,
    weights: read.weights,
    ...(compile === undefined ? {} : { compile }),
    ...(read.optimizer === undefined ? {} : { optimizer: read.optimizer }),
    ...(zip.members.has(notesName) ? { notes: text(zip.read(notesName, mostConfigBytes), name) } : {}),
    warnings: [...zip.warnings, ...warnings, ...read.warnings],
  }
}

/** Whether tf_keras wrote it, as its own metadata say. */
function isOfKeras2(zip: ZipArchive, name: string): boolean {
  if (!zip.members.has(metadataName)) return false
  const place = parseJson(text(zip.read(metadataName, mostConfigBytes), name), `${name}, ${metadataName}`)
  const { value } = place.at('keras_version')
  return typeof value === 'string' && value.startsWith('2.')
}

function text(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new LenetError(`${name}, config.json: should be UTF-8 text and is not`)
  }
}

/** The file as .keras. Throws LenetError where weights and model disagree. For .h5 see `writeKerasH5`. */
export async function writeKeras(file: KerasFile): Promise<Uint8Array> {
  const compile = compileConfig(file.compile, file.optimizer)
  const config = kerasConfigJson(file.model, 'keras3', compile)
  const metadata = { keras_version: kerasVersion, date_saved: '1980-01-01@00:00:00' }
  const encoder = new TextEncoder()
  return writeZip([
    [metadataName, encoder.encode(JSON.stringify(metadata))],
    ['config.json', encoder.encode(kerasJsonText(config))],
    [weightsName, await writeKerasWeights(file.model, file.weights, file.optimizer)],
    ...(file.notes === undefined ? [] : [[notesName, encoder.encode(file.notes)] as const]),
  ])
}
