/**
 * Keras 3's .weights.h5, alone or inside a .keras: `layers/<class in snake case>[_k]/vars/<i>` and `optimizer/vars/<i>`.
 * Groups are named by class, not by layer, and HDF5 lists them by the alphabet: only the model's order says which is whose.
 * Not here: the older .h5 (kerasH5.ts), the zip around it (keras.ts).
 * Source: keras/src/saving/saving_lib.py of Keras 3.15.
 */
import { LenetError } from '../base/index.js'
import { withHdf5, type Hdf5File } from './hdf5.js'
import { writeHdf5, type Hdf5Group } from './hdf5Writer.js'
import { isLegacyH5, notesName, readH5Weights, readVariables } from './kerasH5.js'
import { layerWeights, weightsOf } from './kerasMatch.js'
import { inKerasOrder } from './kerasOrder.js'
import { isObject, parseJson } from './kerasJson.js'
import { optimizerFrom, optimizerVariables, usualCompile } from './kerasOptimizer.js'
import type { KerasCompile, KerasModel, KerasOptimizer, KerasWeights, LooseWeights } from './kerasTypes.js'
import { checkWeights, placeLayers, type PlacedLayer } from './kerasVariables.js'
import type { NetTensor } from './net.js'
import { shownName } from './shownName.js'

/** Keras's rule: Conv2D → conv2d, MaxPooling2D → max_pooling2d, ReLU → re_lu. */
function snakeCase(name: string): string {
  return name
    .replace(/\W+/g, '')
    .replace(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase()
}

/** The group of each layer, in the model's order. A Sequential's input has none. */
function groupNames(model: KerasModel): Map<string, string> {
  const used = new Map<string, number>()
  const names = new Map<string, string>()
  for (const { className, name } of model.layers) {
    if (model.className === 'Sequential' && className === 'InputLayer') continue
    const base = snakeCase(className)
    const count = used.get(base) ?? 0
    used.set(base, count + 1)
    names.set(name, count === 0 ? base : `${base}_${count}`)
  }
  return names
}

/** Keras before 3.0 named the folder otherwise. */
function layersFolder(file: Hdf5File): string {
  const found = ['layers', '_layer_checkpoint_dependencies'].find((name) => file.has(name))
  return found ?? file.fail('', 'its weights (the group layers) are missing')
}

function readWeights(file: Hdf5File, model: KerasModel, isOwn: boolean): KerasWeights {
  const folder = layersFolder(file)
  const groups = groupNames(model)
  checkNames(file, folder, groups, placeLayers(model, file.where), isOwn)
  const weights = new Map<string, Map<string, NetTensor>>()
  for (const place of placeLayers(model, file.where))
    weights.set(place.layer.name, readLayer(file, folder, groups, place))
  const known = new Set(groups.values())
  if (file.has('vars') && file.names('vars').length > 0)
    file.fail('vars', "has weights; the model has none but its layers'")
  for (const name of file.names(folder)) {
    if (known.has(name) || readVariables(file, `${folder}/${name}/vars`).length === 0) continue
    file.fail(`${folder}/${name}`, 'has weights, but the model has no such layer')
  }
  return new Map([...weights].filter(([, variables]) => variables.size > 0))
}

/**
 * Groups say which layer they are. In a model's own file each must be the one that its place means; elsewhere layers may
 * have other names, but not each other's.
 */
function checkNames(
  file: Hdf5File,
  folder: string,
  groups: ReadonlyMap<string, string>,
  places: readonly PlacedLayer[],
  isOwn: boolean,
): void {
  const told = places.flatMap(({ layer: { name }, variables }) => {
    const path = `${folder}/${groups.get(name) ?? ''}/vars`
    const [own] = variables.length > 0 && file.has(path) ? (file.texts(path, 'name') ?? []) : []
    return own === undefined ? [] : [{ name, own, path }]
  })
  const names = new Set(told.map(({ name }) => name))
  const wrong = told.find(({ name, own }) => own !== name)
  if (wrong === undefined || !(isOwn || told.every(({ own }) => names.has(own)))) return
  file.fail(wrong.path, `says that it is the layer ${shownName(wrong.own)}; the model's config has ${wrong.name} there`)
}

function readLayer(
  file: Hdf5File,
  folder: string,
  groups: ReadonlyMap<string, string>,
  place: PlacedLayer,
): Map<string, NetTensor> {
  const name = groups.get(place.layer.name)
  if (name === undefined) return new Map()
  const path = `${folder}/${name}/vars`
  if (place.variables.length > 0 && !file.has(path)) {
    file.fail(path, `is missing: the weights of the model's layer ${place.layer.name}`)
  }
  return layerWeights(place, readVariables(file, path), `${file.where}, ${path}`)
}

/** The attribute of the file that says the optimizer's class and settings; Keras passes over it. */
const optimizerName = 'lenet_optimizer'

export interface WeightsRead {
  readonly weights: KerasWeights
  readonly optimizer?: KerasOptimizer
  /** See `KerasFile.notes`. */
  readonly notes?: string
  readonly warnings: readonly string[]
}

/**
 * Weights for the model `given` out of a .weights.h5 file, or an .h5 of any layout; with the optimizer where it has one. `compile`
 * says its settings; else our files do, and of others those that Keras begins with are taken, with a warning.
 * `isOwn`: the file belongs to this very model, so that its layers' names must be the model's.
 * Throws LenetError, telling both sides, where they do not fit.
 */
export async function readKerasWeights(
  bytes: Uint8Array,
  where: string,
  given: KerasModel,
  compile?: KerasCompile,
  isOwn = false,
): Promise<WeightsRead> {
  const model = inKerasOrder(given) // which is what the file's groups were numbered by
  return withHdf5(bytes, where, (file) => {
    if (isLegacyH5(file))
      return { weights: weightsOf(model, readH5Weights(file), where, isOwn ? 'ordered' : 'loose'), warnings: [] }
    const weights = readWeights(file, model, isOwn)
    const [told] = file.texts('', notesName) ?? []
    const notes = told === undefined ? {} : { notes: told }
    if (!file.has('optimizer/vars')) return { weights, ...notes, warnings: [] }
    const variables = readVariables(file, 'optimizer/vars')
    const own = compile ?? ownCompile(file)
    const optimizer =
      own === undefined ? looseOptimizer(file, model, variables) : optimizerFrom(model, own, variables, where)
    // of a model that was compiled and never trained Keras keeps the steps, none, and the learning rate alone
    const isFresh = variables.length === 2 && variables[0]?.data[0] === 0
    if (typeof optimizer === 'string') return { weights, ...notes, warnings: isFresh ? [] : [optimizer] }
    const guess = `${where}: its optimizer's settings are not in the file; those that Keras begins with are taken`
    return { weights, optimizer, ...notes, warnings: own === undefined ? [guess] : [] }
  })
}

/** The optimizer's class and settings, which our files of weights keep beside its variables. */
function ownCompile(file: Hdf5File): KerasCompile | undefined {
  const [text] = file.texts('', optimizerName) ?? []
  if (text === undefined) return undefined
  const { value } = parseJson(text, `${file.where}, ${optimizerName}`)
  return isObject(value) ? { optimizer: value } : undefined
}

/** Keras itself keeps the optimizer's name and its variables alone. */
function looseOptimizer(file: Hdf5File, model: KerasModel, variables: readonly NetTensor[]): KerasOptimizer | string {
  const [name = ''] = file.texts('optimizer/vars', 'name') ?? []
  const compile = usualCompile(model, name, variables.length, file.where)
  if (compile !== undefined) return optimizerFrom(model, compile, variables, file.where)
  return `${file.where}: the optimizer's state is not read: ${shownName(name)} with ${variables.length} variables tells no settings`
}

/** The weights of a file without a model, under the file's own names. */
export async function readLooseWeights(bytes: Uint8Array, where: string): Promise<LooseWeights> {
  return withHdf5(bytes, where, (file) => {
    if (isLegacyH5(file)) return readH5Weights(file)
    const folder = layersFolder(file)
    return file.names(folder).map((group) => {
      const path = `${folder}/${group}/vars`
      const [name = group] = file.has(path) ? (file.texts(path, 'name') ?? []) : []
      return { name, variables: readVariables(file, path) }
    })
  })
}

type Children = Map<string, Hdf5Group | NetTensor | bigint>

function varsGroup(name: string, values: readonly (NetTensor | bigint)[]): Hdf5Group {
  const vars: Hdf5Group = { attributes: { name }, children: new Map(values.map((value, i) => [String(i), value])) }
  return { attributes: {}, children: new Map([['vars', vars]]) }
}

/** The .weights.h5 file. Throws LenetError where weights and model disagree. */
export async function writeKerasWeights(
  model: KerasModel,
  weights: KerasWeights,
  optimizer?: KerasOptimizer,
  notes?: string,
): Promise<Uint8Array> {
  const where = 'the model being saved'
  checkWeights(model, weights, where)
  const layers: Children = new Map()
  const groups = groupNames(model)
  for (const { layer, variables } of placeLayers(model, where)) {
    const group = groups.get(layer.name)
    const values = variables.map(({ name }) => weights.get(layer.name)?.get(name) ?? missing(layer.name, name))
    if (group !== undefined) layers.set(group, varsGroup(layer.name, values))
  }
  const children: Children = new Map([['layers', { attributes: {}, children: layers }]])
  if (optimizer !== undefined) {
    children.set('optimizer', varsGroup(optimizer.className.toLowerCase(), optimizerVariables(model, optimizer, where)))
  }
  children.set('vars', { attributes: { name: model.name }, children: new Map() })
  const told = optimizer && { class_name: optimizer.className, config: optimizer.config }
  return writeHdf5({
    attributes: {
      ...(notes === undefined ? {} : { [notesName]: notes }),
      ...(told === undefined ? {} : { [optimizerName]: JSON.stringify(told) }),
    },
    children,
  })
}

function missing(layer: string, name: string): never {
  throw new LenetError(`the model being saved, layer ${layer}: the weight ${name} is missing`)
}
