/** A model as the plain data of Keras' files, and back. Not here: bytes (room formats), reading and writing (save.node.ts). */
import { LenetError } from '../base/index.js'
import {
  JsonPlace,
  kerasLayer,
  type Json,
  type JsonObject,
  type KerasFile,
  type KerasLayer,
  type KerasModel,
  type KerasOptimizer,
  type KerasWeights,
} from '../formats/index.js'
import { fromArray } from '../tensor/index.js'
import type { Config, Layer } from './layer.js'
import type { Optimizer } from './optimizer.js'
import { Functional } from './functional.js'
import { applyAll } from './functionalConfig.js'
import { withoutInitializers } from './initializers.js'
import { layerFromConfig } from './layers/fromConfig.js'
import { Model } from './model.js'
import { Sequential } from './sequential.js'
import type { Weight } from './weight.js'

const plain = (value: unknown): Json => JSON.parse(JSON.stringify(value)) as Json

function layerOf(layer: Layer, inbound: readonly string[]): KerasLayer {
  if (layer instanceof Model)
    throw new LenetError(`the model has the model '${layer.name}' inside: files of such models are not written here`)
  const place = new JsonPlace(plain(layer.getConfig()), `layer '${layer.name}'`)
  return kerasLayer(layer.className, layer.name, place, inbound, layer.trainable)
}

/** The layers that a layer reads in the model. */
function inboundOf(model: Functional, layer: Layer): readonly string[] {
  const [use, ...more] = model.usesOf(layer)
  if (more.length > 0)
    throw new LenetError(`layer '${layer.name}' is used more than once: files of such models are not written here`)
  return use?.inputs.map((value) => value.layer.name) ?? []
}

const inputName = ({ className, name }: KerasLayer): string[] => (className === 'InputLayer' ? [name] : [])

/** Layers and their order. Throws LenetError where the model is not built, or has a layer that files do not know. */
export function kerasModelOf(model: Model): KerasModel {
  const { name, allLayers } = model
  if (!model.built || allLayers.length === 0)
    throw new LenetError(`the model '${name}' is not built: give its first layer an inputShape, or train it first`)
  if (model instanceof Functional) {
    const layers = allLayers.map((layer) => layerOf(layer, inboundOf(model, layer)))
    return {
      className: 'Functional',
      name,
      layers,
      inputs: layers.flatMap(inputName),
      outputs: [model.outputLayer.name],
    }
  }
  const layers = allLayers.map((layer, i) => layerOf(layer, i === 0 ? [] : [allLayers[i - 1]?.name ?? '']))
  return {
    className: 'Sequential',
    name,
    layers,
    inputs: layers.flatMap(inputName),
    outputs: [layers.at(-1)?.name ?? ''],
  }
}

type Lists = Iterable<{ readonly weight: Weight; readonly data: Float32Array }>

/** By layer, then by variable. */
function byLayer(lists: Lists): KerasWeights {
  const layers = new Map<string, Map<string, { shape: readonly number[]; data: Float32Array }>>()
  for (const { weight, data } of lists) {
    const own = layers.get(weight.layer) ?? new Map<string, { shape: readonly number[]; data: Float32Array }>()
    layers.set(weight.layer, own.set(weight.name, { shape: weight.shape, data }))
  }
  return layers
}

export const kerasWeightsOf = (model: Model): KerasWeights =>
  byLayer(model.weights.map((weight) => ({ weight, data: Float32Array.from(weight.get().toTypedArray()) })))

const classNames = ['SGD', 'Adam', 'AdamW', 'RMSprop', 'Adagrad'] as const

/** The optimizer with its state; undefined before training, or where files do not know its class. */
export function kerasOptimizerOf(optimizer: Optimizer | null): KerasOptimizer | undefined {
  const className = classNames.find((name) => name === optimizer?.className)
  if (!optimizer?.built || className === undefined) return undefined
  const values = [...optimizer.slotValues()]
  const names = [...new Set(values.map(({ slot }) => slot))]
  const slots = new Map(names.map((name) => [name, byLayer(values.filter(({ slot }) => slot === name))] as const))
  const config = (plain(optimizer.serialize()) as { readonly config: JsonObject }).config
  const { iterations, learningRate } = optimizer
  return { className, config, iterations, learningRate, slots }
}

/** All that a file of the whole model holds. */
export function kerasFileOf(model: Model): KerasFile {
  const compile = model.getCompileConfig()
  const optimizer = kerasOptimizerOf(model.optimizer)
  return {
    model: kerasModelOf(model),
    weights: kerasWeightsOf(model),
    ...(compile && { compile: plain(compile) as JsonObject }),
    ...(optimizer && { optimizer }),
  }
}

/** Weights that fit the model's own. Nothing is changed unless everything fits. */
export function setKerasWeights(model: Model, weights: KerasWeights, where: string): void {
  model.setWeights(
    model.weights.map((weight) => {
      const found = weights.get(weight.layer)?.get(weight.name)
      if (!found) throw new LenetError(`${where}: the weight ${weight.path} is missing`)
      return fromArray(found.data, found.shape, 'f32')
    }),
  )
}

export function setKerasOptimizer(model: Model, state: KerasOptimizer): void {
  model.buildOptimizer()
  model.optimizer?.setState(state, (slot, weight) => state.slots.get(slot)?.get(weight.layer)?.get(weight.name)?.data)
}

const single = (value: Json | undefined): Json | undefined =>
  Array.isArray(value) && value.length === 1 ? (value[0] as Json) : value

/** Keras' configuration with Rescaling's numbers as it writes them. */
function configOf({ className, name, config, trainable }: KerasLayer): Config {
  const own: JsonObject = { ...(config as JsonObject) }
  const numbers = className === 'Rescaling' ? { scale: single(own['scale']), offset: single(own['offset']) } : {}
  return { class_name: className, config: { ...own, ...numbers, name, trainable } }
}

/** The model of a file without its weights. */
function emptyModel({ className, name, layers, outputs }: KerasModel, where: string): Model {
  if (className === 'Sequential')
    return Sequential.fromConfig({ name, layers: layers.map(configOf) }, { initialize: false })
  const inputs = layers.filter((layer) => layer.className === 'InputLayer')
  const [input = '', output = ''] = [inputs[0]?.name, outputs[0]]
  if (inputs.length !== 1 || outputs.length !== 1)
    throw new LenetError(
      `${where}: the model has ${inputs.length} inputs and ${outputs.length} outputs; models of one input and one output are known`,
    )
  const applied = layers.map((layer) => {
    const places = layer.inbound.map((from) => [from, 0] as const)
    return { layer: layerFromConfig(configOf(layer)), uses: places.length > 0 ? [places] : [] }
  })
  return withoutInitializers(() => new Functional({ name, ...applyAll(applied, [input, 0], [output, 0]) }))
}

/**
 * The model of a file, with its weights, and compiled as it was where that is known.
 * @param warn told what was left out, one sentence each
 * @throws LenetError for layers that are not known, by name
 */
export function modelOf(file: KerasFile, where: string, compile: boolean, warn: (text: string) => void): Model {
  const { model: saved, weights, compile: compiled, optimizer } = file
  const model = emptyModel(saved, where)
  setKerasWeights(model, weights, where)
  if (!compile || !compiled || (compiled['loss'] ?? null) === null) return model
  try {
    model.compileFromConfig(compiled, (text) => warn(`${where}: ${text}`))
    if (optimizer) setKerasOptimizer(model, optimizer)
  } catch (error) {
    if (!(error instanceof LenetError)) throw error
    warn(`${where}: the model is not compiled as it was: ${error.message}`)
  }
  return model
}
