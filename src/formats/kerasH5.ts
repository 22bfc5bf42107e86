/**
 * The older Keras format, .h5: the whole model, or weights alone at the root. Read as Keras 1–3 write it; written so that
 * Keras 2 and Keras 3 both open it.
 * Not here: Keras 3's .weights.h5 (kerasWeightsH5.ts), the config itself (kerasConfig.ts).
 * Source: keras/src/legacy/saving/legacy_h5_format.py of Keras 3.15.
 */
import { LenetError } from '../base/index.js'
import { withHdf5, type Hdf5File } from './hdf5.js'
import { writeHdf5, type Hdf5Group } from './hdf5Writer.js'
import { readKerasConfig, refuseHardSigmoid } from './kerasConfig.js'
import { plainCompile, trainingConfig } from './kerasCompile.js'
import { kerasConfigJson } from './kerasConfigWriter.js'
import { isObject, kerasJsonText, parseJson } from './kerasJson.js'
import { legacyVariables, optimizerFrom, optimizerVariables } from './kerasOptimizer.js'
import type { KerasCompile, KerasFile, KerasModel, KerasOptimizer, KerasWeights, LooseWeights } from './kerasTypes.js'
import { checkWeights, placeLayers } from './kerasVariables.js'
import { weightsOf } from './kerasMatch.js'
import type { NetTensor } from './net.js'
import { kerasVersion } from './kerasVersion.js'
import { shownName } from './shownName.js'

/** The attribute of the file that holds `KerasFile.notes`. */
export const notesName = 'lenet'

/** A list of texts in an attribute, also where it is split into name0, name1 … None may be there twice. */
function nameList(file: Hdf5File, path: string, name: string): string[] | undefined {
  const names = file.texts(path, name) ?? splitList(file, path, name)
  if (names === undefined) return undefined
  const seen = new Set<string>()
  for (const item of names) {
    if (seen.has(item)) file.fail(path, `refused: its ${name} has ${shownName(item)} twice`)
    seen.add(item)
  }
  return names
}

function splitList(file: Hdf5File, path: string, name: string): string[] | undefined {
  const parts: string[][] = []
  for (;;) {
    const next = file.texts(path, `${name}${parts.length}`)
    if (next === undefined) return parts.length === 0 ? undefined : parts.flat()
    parts.push(next)
  }
}

/** Weights of a group with `layer_names`: by layer, variables in the file's order. */
function readLayers(file: Hdf5File, group: string): LooseWeights {
  const names = nameList(file, group, 'layer_names')
  if (names === undefined) return file.fail(group, 'its list of layers (layer_names) is missing')
  return names.map((name) => {
    const layer = `${group}/${name}`
    const paths = nameList(file, layer, 'weight_names') ?? []
    return { name, paths, variables: paths.map((path) => file.tensor(`${layer}/${path}`)) }
  })
}

/** Datasets 0, 1, 2 … of a group, in the order of their numbers. */
export function readVariables(file: Hdf5File, path: string): NetTensor[] {
  if (!file.has(path)) return []
  const names = file.names(path).sort((a, b) => Number(a) - Number(b))
  return names.map((name, i) =>
    name === String(i) ? file.tensor(`${path}/${name}`) : file.fail(path, `${i} is missing`),
  )
}

/** True where an .h5 file holds weights in the older layout, with or without a model. */
export function isLegacyH5(file: Hdf5File): boolean {
  return file.texts('', 'model_config') !== undefined || nameList(file, '', 'layer_names') !== undefined
}

/** Whether an HDF5 file holds a whole model, or weights alone. `where` names it in errors. Throws LenetError. */
export async function holdsKerasModel(bytes: Uint8Array, where: string): Promise<boolean> {
  return withHdf5(bytes, where, (file) => file.texts('', 'model_config') !== undefined)
}

/** The model of an open .h5 file, or undefined where it holds weights alone. */
function readH5Model(file: Hdf5File): KerasFile | undefined {
  const [text] = file.texts('', 'model_config') ?? []
  if (text === undefined) return undefined
  const { model, warnings } = readKerasConfig(parseJson(text, `${file.where}, model_config`))
  refuseHardSigmoid(model, file.where, inKeras)
  placeLayers(model, file.where) // sizes are known before any weight is read
  const weights = weightsOf(model, readLayers(file, 'model_weights'), file.where, 'ordered')
  const compile = readTraining(file)
  const optimizer = readOptimizer(file, model, compile)
  if (typeof optimizer === 'string') warnings.push(optimizer)
  const [notes] = file.texts('', notesName) ?? []
  const own = { ...(compile === undefined ? {} : { compile }), ...(notes === undefined ? {} : { notes }) }
  const whole = { model, weights, warnings, ...own }
  return optimizer === undefined || typeof optimizer === 'string' ? whole : { ...whole, optimizer }
}

/** The weights of an open .h5 file, whole model or not. */
export function readH5Weights(file: Hdf5File): LooseWeights {
  return readLayers(file, file.has('model_weights') ? 'model_weights' : '')
}

function readTraining(file: Hdf5File): KerasCompile | undefined {
  const [text] = file.texts('', 'training_config') ?? []
  if (text === undefined) return undefined
  const { value } = parseJson(text, `${file.where}, training_config`)
  return isObject(value) ? plainCompile(value) : undefined
}

function readOptimizer(
  file: Hdf5File,
  model: KerasModel,
  compile: KerasCompile | undefined,
): KerasOptimizer | string | undefined {
  if (file.has('optimizer/vars'))
    return optimizerFrom(model, compile, readVariables(file, 'optimizer/vars'), file.where)
  if (!file.has('optimizer_weights')) return undefined
  const names = nameList(file, 'optimizer_weights', 'weight_names') ?? []
  if (names.length === 0) return undefined
  const values = names.map((name) => file.tensor(`optimizer_weights/${name}`))
  const isLegacy = /(?:^|\/)iter(?::0)?$/.test(names[0] ?? '')
  return optimizerFrom(model, compile, values, file.where, isLegacy)
}

/** Reads an .h5 file of a whole model. `where` names it in errors. Throws LenetError. */
export async function readKerasH5(bytes: Uint8Array, where: string): Promise<KerasFile> {
  return withHdf5(
    bytes,
    where,
    (file) => readH5Model(file) ?? file.fail('', 'holds weights alone, no model (model_config is missing)'),
  )
}

/** An .h5 may be of or for either. */
const inKeras = 'use a .keras file'

/** Keras 3 forgets all axes but the last when it reads an .h5 (tried with 3.15: `axis` arrives as -1). */
function refuseLostAxes({ layers }: KerasModel, where: string): void {
  for (const layer of layers) {
    if (layer.className !== 'LayerNormalization' || layer.config.axis.length === 1) continue
    throw new LenetError(
      `${where}, layer ${layer.name}: Keras 3 does not read a LayerNormalization of several axes from .h5; use a .keras file`,
    )
  }
}

type Children = Map<string, Hdf5Group | NetTensor | bigint>
const group = (children: Children, attributes: Hdf5Group['attributes'] = {}): Hdf5Group => ({ attributes, children })

function layerGroup(name: string, variables: ReadonlyMap<string, NetTensor> | undefined): Hdf5Group {
  const children: Children = new Map()
  if (variables === undefined || variables.size === 0) return group(children)
  const inner: Children = new Map(variables)
  return group(new Map([[name, group(inner)]]), { weight_names: [...variables.keys()].map((key) => `${name}/${key}`) })
}

/** The group that `save_weights` makes: layers in order, without the input. */
function weightsGroup(model: KerasModel, weights: KerasWeights): Hdf5Group {
  const layers = model.layers.filter(({ className }) => model.className === 'Functional' || className !== 'InputLayer')
  const children: Children = new Map(layers.map(({ name }) => [name, layerGroup(name, weights.get(name))]))
  return group(children, {
    layer_names: layers.map(({ name }) => name),
    backend: 'tensorflow',
    keras_version: kerasVersion,
  })
}

/** Keras 3's list of variables, as in a .weights.h5. */
function optimizerGroup(model: KerasModel, optimizer: KerasOptimizer, where: string): Hdf5Group {
  const variables = optimizerVariables(model, optimizer, where).map((value, i) => [String(i), value] as const)
  return group(new Map([['vars', group(new Map(variables))]]))
}

/** That of Keras 2's older optimizers: Keras 2 takes a `training_config` without `is_legacy_optimizer`, which Keras 3 refuses, for theirs. */
function keras2Group(model: KerasModel, optimizer: KerasOptimizer, where: string): Hdf5Group {
  const variables = legacyVariables(model, optimizer, where)
  return group(new Map(variables), { weight_names: [...variables.keys()] })
}

export interface KerasH5Options {
  /** Which program's `fit` finds the optimizer's state; default neither, and then both train on with a fresh one. */
  readonly optimizerFor?: 'keras2'
}

/**
 * The file as .h5. Optimizer state lies where Keras does not look, in `optimizer/vars` as in a .weights.h5: both Kerases
 * open the file and train on with a fresh optimizer. With `optimizerFor: 'keras2'` it lies in `optimizer_weights`: Keras 2
 * goes on with it, and Keras 3.15 must compile the model again before it trains, as with its own .h5 files (it builds the
 * optimizer for no variables). State goes to Keras 3 by .keras files.
 * Throws LenetError where weights and model disagree.
 */
export async function writeKerasH5(file: KerasFile, { optimizerFor }: KerasH5Options = {}): Promise<Uint8Array> {
  const where = 'the model being saved'
  refuseHardSigmoid(file.model, where, inKeras)
  refuseLostAxes(file.model, where)
  checkWeights(file.model, file.weights, where)
  const training = trainingConfig(file.compile, file.optimizer)
  const children: Children = new Map([['model_weights', weightsGroup(file.model, file.weights)]])
  if (file.optimizer !== undefined) {
    if (optimizerFor === 'keras2') children.set('optimizer_weights', keras2Group(file.model, file.optimizer, where))
    else children.set('optimizer', optimizerGroup(file.model, file.optimizer, where))
  }
  const attributes = {
    backend: 'tensorflow',
    keras_version: kerasVersion,
    model_config: JSON.stringify(kerasConfigJson(file.model, 'legacy')),
    ...(training === undefined ? {} : { training_config: kerasJsonText(training) }),
    ...(file.notes === undefined ? {} : { [notesName]: file.notes }),
  }
  return writeHdf5({ attributes, children })
}
