/**
 * A Keras model as far as TensorFlow.js knows its layers: random layers, which do nothing at inference, are left out, some
 * activations have other names, and what TF.js has not (or computes otherwise) is refused by name.
 * Not here: the files (tfjs.ts).
 * Source: tfjs-layers 4.22, src/layers/ and src/activations.ts.
 */
import { LenetError } from '../base/index.js'
import { kerasConfigJson } from './kerasConfigWriter.js'
import { isList, isObject, type Json, type JsonObject } from './kerasJson.js'
import type { KerasActivation, KerasLayer } from './kerasLayers.js'
import type { KerasModel } from './kerasTypes.js'
import { placeLayers } from './kerasVariables.js'

const random = /^Random/

const activationNames: { readonly [A in KerasActivation]: string | undefined } = {
  linear: 'linear',
  relu: 'relu',
  relu6: 'relu6',
  elu: 'elu',
  gelu: 'gelu',
  silu: 'swish',
  sigmoid: 'sigmoid',
  tanh: 'tanh',
  softmax: 'softmax',
  log_softmax: 'logSoftmax',
  selu: 'selu',
  softplus: 'softplus',
  softsign: 'softsign',
  mish: 'mish',
  leaky_relu: undefined,
  hard_silu: undefined,
  hard_tanh: undefined,
  hard_sigmoid: undefined,
  exponential: undefined,
}

function refuseUnknown(layer: KerasLayer, where: string): void {
  const place = `${where}, layer ${layer.name}`
  if ('activation' in layer.config && activationNames[layer.config.activation] === undefined) {
    throw new LenetError(`${place}: TensorFlow.js has no activation ${layer.config.activation}`)
  }
  if (layer.className === 'Conv2D' && layer.config.groups > 1) {
    throw new LenetError(`${place}: TensorFlow.js has no convolution in ${layer.config.groups} groups`)
  }
}

/** The model without its random layers; who read them reads what they read. */
function withoutRandom(model: KerasModel): KerasModel {
  const instead = new Map<string, string>()
  const resolve = (name: string): string => instead.get(name) ?? name
  const layers = model.layers.flatMap((layer) => {
    const [from = ''] = layer.inbound
    if (!random.test(layer.className)) return [{ ...layer, inbound: layer.inbound.map(resolve) }]
    instead.set(layer.name, resolve(from))
    return []
  })
  return { ...model, layers, outputs: model.outputs.map(resolve) }
}

function renamed(layer: Json): Json {
  const config = isObject(layer) ? (layer['config'] ?? null) : null
  if (!isObject(layer) || !isObject(config) || typeof config['activation'] !== 'string') return layer
  const found = Object.entries(activationNames).find(([name]) => name === config['activation'])
  const kept = Object.entries(config).filter(([key]) => !key.endsWith('_regularizer')) // it has no class L2
  return { ...layer, config: { ...Object.fromEntries(kept), activation: found?.[1] ?? config['activation'] } }
}

/** Reshape with all sizes told: TF.js does not work out a -1 in time. */
function withSizes(model: KerasModel, where: string): KerasModel {
  const layers = placeLayers(model, where).map(({ layer, output }): KerasLayer => {
    if (layer.className !== 'Reshape') return layer
    const [channels, ...pixels] = output
    const shape = (output.length === 3 ? [...pixels, channels] : output).map((size) => size ?? -1)
    return { ...layer, config: { target_shape: shape } }
  })
  return { ...model, layers }
}

/** The `model_config` of a model.json. Throws LenetError for what TF.js does not have. */
export function tfjsConfig(model: KerasModel, where: string): JsonObject {
  for (const layer of model.layers) refuseUnknown(layer, where)
  const json = kerasConfigJson(withSizes(withoutRandom(model), where), 'legacy')
  const config = json['config'] ?? null
  if (!isObject(config) || !isList(config['layers'])) return json
  return { ...json, config: { ...config, layers: config['layers'].map(renamed) } }
}
