/**
 * TensorFlow.js layers models: model.json beside group1-shard1of1.bin …, shards of 4 MB. Weight files are asked for by
 * plain names, for the folder of model.json only.
 * Not here: TF.js graph models (refused by name), quantised weights, files (the caller reads and writes them).
 * Source: tfjs-converter's python/tensorflowjs/{write_weights,read_weights}.py; tfjs-layers' src/models.ts.
 */
import { LenetError } from '../base/index.js'
import { readKerasConfig } from './kerasConfig.js'
import { plainCompile } from './kerasCompile.js'
import { isObject, parseJson, type JsonObject, type JsonPlace } from './kerasJson.js'
import { inVariableOrder, weightsOf } from './kerasMatch.js'
import type { KerasFile, KerasModel, LooseWeights } from './kerasTypes.js'
import { checkWeights, placeLayers } from './kerasVariables.js'
import { kerasVersion } from './kerasVersion.js'
import type { NetTensor } from './net.js'
import { isPlainName } from './onnx/tensors.js'
import { shownName } from './shownName.js'
import { tfjsConfig } from './tfjsModel.js'
import { widenHalves } from './torchTensors.js'

const shardBytes = 4 * 2 ** 20
const mostJsonBytes = 2 ** 24
const mostShards = 10_000

/** A layers model: the text of model.json, and its weight files by name. */
export interface TfjsFiles {
  readonly modelJson: Uint8Array
  readonly shards: ReadonlyMap<string, Uint8Array>
}

interface Spec {
  readonly name: string
  readonly shape: readonly number[]
  readonly bytes: number
  readonly decode: Coding['decode']
}

/** One of the weight files, which `name` says plainly; throws where there is none, or one of more than `most` bytes. */
export type ReadShard = (name: string, most: number) => Uint8Array | Promise<Uint8Array>

/** True where JSON bytes look like a TF.js model.json. */
export function looksLikeTfjs(bytes: Uint8Array): boolean {
  const head = new TextDecoder().decode(bytes.subarray(0, 1 << 16))
  return head.trimStart().startsWith('{') && (head.includes('"modelTopology"') || head.includes('"weightsManifest"'))
}

/**
 * The model of a TF.js layers model. `readShard` gets plain file names (no folder, no address) and gives their bytes;
 * `name` names model.json in errors. Throws LenetError.
 */
export async function readTfjs(modelJson: Uint8Array, readShard: ReadShard, name: string): Promise<KerasFile> {
  if (modelJson.length > mostJsonBytes)
    throw new LenetError(`${name}: refused: a model.json of ${modelJson.length} bytes`)
  const root = parseJson(decoded(modelJson, name), name)
  const format = root.at('format')
  if (format.there && format.value !== 'layers-model')
    root.fail(`is a ${shownName(format.text())}; only layers models are known`)
  const topology = root.at('modelTopology')
  const config = topology.at('model_config').there ? topology.at('model_config') : topology
  const { model, warnings } = readKerasConfig(config)
  placeLayers(model, name)
  const loose = await readManifest(root.at('weightsManifest'), readShard, name)
  const training = topology.at('training_config').value
  const compile = isObject(training) ? { compile: plainCompile(training) } : {}
  return { model, weights: weightsOf(model, byLayer(model, loose), name, 'named'), ...compile, warnings }
}

function decoded(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new LenetError(`${name}: should be UTF-8 text and is not`)
  }
}

/** A file beside model.json: no folder, no drive, no address. */
function plainName(place: JsonPlace): string {
  const name = place.text()
  if (!isPlainName(name) || name.startsWith('.')) {
    place.fail(`refused: the weights' file is called ${JSON.stringify(shownName(name))}; a plain name is expected`)
  }
  return name
}

/** How numbers of a weight lie in its bytes. */
interface Coding {
  readonly itemBytes: number
  readonly decode: (bytes: Uint8Array) => Float32Array
}

const plainFloats: Coding = { itemBytes: 4, decode: (bytes) => new Float32Array(bytes.slice().buffer) }
const halves: Coding = { itemBytes: 2, decode: (bytes) => widenHalves(new Uint16Array(bytes.slice().buffer)) }

/** Whole numbers q for q · scale + min. Source: tfjs-core's `decodeWeights`. */
function scaled(itemBytes: 1 | 2, scale: number, min: number): Coding {
  const decode = (bytes: Uint8Array): Float32Array =>
    Float32Array.from(itemBytes === 1 ? bytes : new Uint16Array(bytes.slice().buffer), (q) => q * scale + min)
  return { itemBytes, decode }
}

function codingOf(quantization: JsonPlace): Coding {
  if (!quantization.there) return plainFloats
  const dtype = quantization.at('dtype')
  const number = (key: string): number => {
    const place = quantization.at(key)
    const { value } = place
    return typeof value === 'number' && Number.isFinite(value) ? value : place.fail('should be a number')
  }
  if (dtype.value === 'float16') return halves
  if (dtype.value === 'uint8') return scaled(1, number('scale'), number('min'))
  if (dtype.value === 'uint16') return scaled(2, number('scale'), number('min'))
  return dtype.fail(`refused: weights quantised as ${shownName(dtype.text())}; uint8, uint16 and float16 are known`)
}

function readSpec(place: JsonPlace): Spec {
  const dtype = place.at('dtype')
  const { itemBytes, decode } = codingOf(place.at('quantization'))
  if (dtype.value !== 'float32') dtype.fail(`refused: weights of ${shownName(dtype.text())}; float32 is known`)
  const shape = place
    .at('shape')
    .items()
    .map((size) => size.size(0))
  const bytes = shape.reduce((product, size) => product * size, itemBytes)
  return { name: place.at('name').text(), shape, bytes, decode }
}

async function readManifest(manifest: JsonPlace, readShard: ReadShard, name: string): Promise<Map<string, NetTensor>> {
  const tensors = new Map<string, NetTensor>()
  const seen = new Set<string>()
  for (const group of manifest.items()) {
    const paths = group.at('paths').items().map(plainName)
    for (const path of paths) {
      if (seen.has(path)) group.at('paths').fail(`refused: the file ${shownName(path)} is named twice`)
      seen.add(path)
    }
    if (paths.length > mostShards) group.at('paths').fail(`refused: ${paths.length} files`)
    const specs = group.at('weights').items().map(readSpec)
    const wanted = specs.reduce((sum, { bytes }) => sum + bytes, 0)
    const bytes = await joined(paths, readShard, wanted, name)
    let at = 0
    for (const spec of specs) {
      if (tensors.has(spec.name))
        group.fail(`damaged: the weight ${JSON.stringify(shownName(spec.name))} is there twice`)
      tensors.set(spec.name, { shape: spec.shape, data: spec.decode(bytes.subarray(at, at + spec.bytes)) })
      at += spec.bytes
    }
  }
  return tensors
}

/** The shards one behind the other; their sizes must add up to what the manifest announces. */
async function joined(
  paths: readonly string[],
  readShard: ReadShard,
  wanted: number,
  name: string,
): Promise<Uint8Array> {
  const shards: Uint8Array[] = []
  let total = 0
  for (const path of paths) {
    const shard = await readShard(path, wanted - total)
    shards.push(shard)
    total += shard.length
    if (total > wanted) break
  }
  if (total !== wanted) {
    throw new LenetError(
      `${name}: its weights need ${wanted} bytes; the files ${paths.slice(0, 3).join(', ')} hold ${total > wanted ? 'more' : total}`,
    )
  }
  const bytes = new Uint8Array(total)
  let at = 0
  for (const shard of shards) {
    bytes.set(shard, at)
    at += shard.length
  }
  return bytes
}

/** `conv1/kernel`, or `sequential/conv1/kernel`: the layer is the last part before that which the model knows. */
function byLayer(model: KerasModel, tensors: ReadonlyMap<string, NetTensor>): LooseWeights {
  const layers = new Map<string, string[]>()
  const names = new Set(model.layers.map(({ name }) => name))
  for (const path of tensors.keys()) {
    const parts = path.split('/').slice(0, -1)
    const layer = parts.findLast((part) => names.has(part)) ?? parts.at(-1) ?? path
    const list = layers.get(layer) ?? []
    layers.set(layer, list)
    list.push(path)
  }
  return [...layers].map(([name, unordered]) => {
    const paths = inVariableOrder(unordered, (path) => path) // TF.js goes by names alone
    return { name, paths, variables: paths.flatMap((path) => tensors.get(path) ?? []) }
  })
}

/**
 * The model as TF.js reads it. The optimizer's state has no place there, and random layers are left out (TF.js has none).
 * Throws LenetError where weights do not fit, or TF.js has no such layer.
 */
export function writeTfjs(file: KerasFile): TfjsFiles {
  checkWeights(file.model, file.weights, 'the model being saved')
  const tensors: [string, NetTensor][] = []
  for (const { layer, variables } of placeLayers(file.model, 'the model being saved')) {
    for (const { name } of variables) {
      const tensor = file.weights.get(layer.name)?.get(name)
      const own = layer.className === 'DepthwiseConv2D' && name === 'kernel' ? 'depthwise_kernel' : name
      if (tensor !== undefined) tensors.push([`${layer.name}/${own}`, tensor])
    }
  }
  const shards = sharded(tensors.map(([, { data }]) => data))
  const weights = tensors.map(([name, { shape }]) => ({ name, shape: [...shape], dtype: 'float32' }))
  const json: JsonObject = {
    format: 'layers-model',
    generatedBy: `keras v${kerasVersion}`,
    convertedBy: 'lenet',
    modelTopology: {
      keras_version: kerasVersion,
      backend: 'tensorflow',
      model_config: tfjsConfig(file.model, 'the model being saved'),
    },
    weightsManifest: [{ paths: [...shards.keys()], weights }],
  }
  return { modelJson: new TextEncoder().encode(JSON.stringify(json)), shards }
}

function sharded(arrays: readonly Float32Array[]): Map<string, Uint8Array> {
  const total = arrays.reduce((sum, { byteLength }) => sum + byteLength, 0)
  const all = new Uint8Array(total)
  let at = 0
  for (const { buffer, byteOffset, byteLength } of arrays) {
    all.set(new Uint8Array(buffer, byteOffset, byteLength), at)
    at += byteLength
  }
  const count = Math.max(1, Math.ceil(total / shardBytes))
  return new Map(
    Array.from({ length: count }, (_, i) => [
      `group1-shard${i + 1}of${count}.bin`,
      all.subarray(i * shardBytes, (i + 1) * shardBytes),
    ]),
  )
}
