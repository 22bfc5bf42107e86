/**
 * Model configs of Keras 3 (.keras), of Keras 2 and 3's .h5 and of TF.js, read into a KerasModel. Sequential and
 * functional models of known layers, each used once; anything else is refused by name.
 * Not here: the fields of a layer (kerasLayers.ts), writing (kerasConfigWriter.ts).
 * Source: keras/src/models/{sequential,functional}.py and saving/serialization_lib.py of Keras 3.15.
 */
import { LenetError } from '../base/index.js'
import { plainCompile } from './kerasCompile.js'
import { isList, isObject, JsonPlace, type Json } from './kerasJson.js'
import { kerasLayer, type KerasLayer } from './kerasLayers.js'
import { inKerasOrder } from './kerasOrder.js'
import type { KerasCompile, KerasModel } from './kerasTypes.js'
import { shownName } from './shownName.js'

const mostLayers = 5000
/** Where Keras's own classes live; a class of any other module is not Keras's, whatever its name. */
const kerasModule = /^(keras|tf_keras|tensorflow)(\.|$)/

export interface ConfigRead {
  readonly model: KerasModel
  readonly compile?: KerasCompile
  readonly warnings: string[]
}

/** `place` is the object with `class_name` and `config`. Throws LenetError. */
export function readKerasConfig(place: JsonPlace): ConfigRead {
  const className = place.at('class_name').text()
  const warnings: string[] = []
  refuseForeign(place, className)
  const config = place.at('config')
  // the oldest files give a Sequential's layers without its name
  const body = isList(config.value) ? new JsonPlace({ name: 'sequential', layers: config.value }, config.where) : config
  if (className !== 'Sequential' && className !== 'Functional' && className !== 'Model') {
    place.fail(`refused: a model of class ${JSON.stringify(shownName(className))}; Sequential and Functional are known`)
  }
  const model = className === 'Sequential' ? readSequential(body, warnings) : readFunctional(body, warnings)
  const compile = place.at('compile_config')
  return isObject(compile.value) && Object.keys(compile.value).length > 0
    ? { model, compile: plainCompile(compile.value), warnings }
    : { model, warnings }
}

function refuseForeign(place: JsonPlace, className: string): void {
  const module = place.at('module')
  if (module.there && !kerasModule.test(module.text())) {
    place.fail(
      `refused: the class ${JSON.stringify(shownName(className))} of ${JSON.stringify(shownName(module.text()))} is not Keras's`,
    )
  }
  const registered = place.at('registered_name')
  if (registered.there && registered.text() !== className) {
    place.fail(`refused: the custom class ${JSON.stringify(shownName(registered.text()))}`)
  }
}

function readLayer(place: JsonPlace, inbound: readonly string[], warnings: string[]): KerasLayer {
  const className = place.at('class_name').text()
  refuseForeign(place, className)
  const config = place.at('config')
  const name = layerName(config)
  const trainable = config.at('trainable')
  const named = new JsonPlace(config.value, `${config.where} (${className} ${shownName(name)})`)
  refuseModes(named)
  warnAbout(named, warnings)
  return kerasLayer(className, name, named, inbound, !trainable.there || trainable.boolean())
}

/** Names are parts of paths in HDF5 files, so a slash or an empty name cannot be one. */
export const isLayerName = (name: string): boolean =>
  name !== '' && name !== '.' && name !== '..' && name.length <= 200 && !/[/\x00-\x1f\x7f]/.test(name)

function layerName(config: JsonPlace): string {
  const name = config.at('name').text()
  if (!isLayerName(name)) {
    config.at('name').fail(`refused: a layer is called ${JSON.stringify(shownName(name))}`)
  }
  return name
}

/** Settings of other versions by which a known class computes something else. */
const otherModes = ['renorm', 'rms_scaling']

function refuseModes(config: JsonPlace): void {
  for (const mode of otherModes)
    if (config.at(mode).there && config.at(mode).value !== false) config.at(mode).fail('refused: it is not known here')
  const { value } = config.at('dtype')
  const policy = isObject(value) ? value['class_name'] : undefined
  if (typeof policy === 'string' && /^(Quantized|GPTQ|AWQ)/.test(policy))
    config.at('dtype').fail(`refused: quantised weights (${shownName(policy)}) are not known`)
}

/** kerasLayers.ts keeps an L2 of kernels. */
const isKept = (key: string, value: Json): boolean =>
  /^(kernel|depthwise)_regularizer$/.test(key) && isObject(value) && value['class_name'] === 'L2'

/** What changes training or precision and is not kept. */
function warnAbout(config: JsonPlace, warnings: string[]): void {
  for (const [key, value] of Object.entries(config.object())) {
    if (value !== null && /(regularizer|constraint|quantization_config)$/.test(key) && !isKept(key, value)) {
      warnings.push(`${config.where}: its ${key} is not kept`)
    }
  }
  const dtype = config.at('dtype')
  const inner = isObject(dtype.value) ? dtype.at('config').at('name').value : dtype.value
  if (typeof inner === 'string' && inner !== 'float32')
    warnings.push(`${config.where}: its dtype ${shownName(inner)} is read as float32`)
}

/**
 * One name, two functions: clip(0.2 x + 0.5) in Keras 2, clip(x / 6 + 0.5) in Keras 3.
 * @param what what to do instead
 */
export function refuseHardSigmoid({ layers }: KerasModel, where: string, what: string): void {
  const found = layers.find(({ config }) => 'activation' in config && config.activation === 'hard_sigmoid')
  if (found)
    throw new LenetError(
      `${where}, layer ${found.name}: hard_sigmoid is one function in Keras 2 and another in Keras 3; ${what}`,
    )
}

function refuseDoubles(layers: readonly KerasLayer[], place: JsonPlace): void {
  const seen = new Set<string>()
  for (const { name } of layers) {
    if (seen.has(name)) place.fail(`damaged: two layers are called ${JSON.stringify(shownName(name))}`)
    seen.add(name)
  }
}

function layerPlaces(config: JsonPlace): JsonPlace[] {
  const places = config.at('layers').items()
  if (places.length === 0) config.at('layers').fail('the model has no layers')
  if (places.length > mostLayers) config.at('layers').fail(`refused: a model of ${places.length} layers`)
  return places
}

function readSequential(config: JsonPlace, warnings: string[]): KerasModel {
  const layers: KerasLayer[] = []
  for (const place of layerPlaces(config)) {
    const before = layers.at(-1)
    const layer = readLayer(place, before === undefined ? [] : [before.name], warnings)
    if (before === undefined && layer.className !== 'InputLayer') {
      layers.push(impliedInput(place, config, layer.name))
      layers.push({ ...layer, inbound: [`${layer.name}_input`] })
    } else if (before !== undefined && layer.className === 'InputLayer')
      place.fail('an InputLayer stands inside the model')
    else layers.push(layer)
  }
  refuseDoubles(layers, config.at('layers'))
  const name = config.at('name').there ? config.at('name').text() : 'sequential'
  return {
    className: 'Sequential',
    name,
    layers,
    inputs: [layers[0]?.name ?? ''],
    outputs: [layers.at(-1)?.name ?? ''],
  }
}

/** Keras 2 may tell the input's shape in the first layer, Keras 3 in the model's build config. */
function impliedInput(first: JsonPlace, config: JsonPlace, name: string): KerasLayer {
  const own = first.at('config')
  const shape = [own.at('batch_input_shape'), own.at('batch_shape'), config.at('build_input_shape')].find(
    ({ there }) => there,
  )
  if (shape === undefined) return config.fail('the shape of its input is missing: build the model before saving it')
  return kerasLayer('InputLayer', `${name}_input`, new JsonPlace({ batch_shape: shape.value ?? null }, own.where), [])
}

function readFunctional(config: JsonPlace, warnings: string[]): KerasModel {
  const known = new Set<string>()
  const layers = layerPlaces(config).map((place) => {
    const inbound = inboundNames(place)
    const layer = readLayer(place, inbound, warnings)
    for (const name of inbound) {
      if (!known.has(name))
        place.fail(`reads ${JSON.stringify(shownName(name))}, which does not come before it (a cycle?)`)
    }
    if ((layer.className === 'InputLayer') !== (inbound.length === 0)) place.fail(`reads ${inbound.length} layers`)
    known.add(layer.name)
    return layer
  })
  refuseDoubles(layers, config.at('layers'))
  const outputs = tensorNames(config.at('output_layers'))
  for (const name of outputs)
    if (!known.has(name)) config.at('output_layers').fail(`${JSON.stringify(shownName(name))} is missing`)
  const name = config.at('name').there ? config.at('name').text() : 'functional'
  return inKerasOrder({ className: 'Functional', name, layers, inputs: inputNames(config, layers), outputs })
}

/** As the model takes them; where the config does not tell all in a list, as they stand. */
function inputNames(config: JsonPlace, layers: readonly KerasLayer[]): string[] {
  const own = layers.filter(({ className }) => className === 'InputLayer').map(({ name }) => name)
  const place = config.at('input_layers')
  const told = isList(place.value) && place.value.length > 0 ? tensorNames(place) : []
  return told.length === own.length && own.every((name) => told.includes(name)) ? told : own
}

/** `["fc1", 0, 0]`, or a list of these. */
function tensorNames(place: JsonPlace): string[] {
  const items = place.items()
  if (typeof items[0]?.value === 'string') return [historyName(place)]
  return items.map(historyName)
}

function historyName(place: JsonPlace): string {
  const [name, node, tensor] = place.items()
  if (name === undefined || node === undefined || tensor === undefined)
    return place.wanted('a layer, a node and a tensor')
  if (node.value !== 0 || tensor.value !== 0) place.fail('refused: a layer that is used more than once')
  return name.text()
}

/** The layers that a layer reads: Keras 3's `{ args, kwargs }` or Keras 2's `[[[name, 0, 0, {}]]]`. */
function inboundNames(place: JsonPlace): string[] {
  const nodes = place.at('inbound_nodes')
  const calls = nodes.there ? nodes.items() : []
  if (calls.length > 1) nodes.fail('refused: a layer that is used more than once')
  const [call] = calls
  if (call === undefined) return []
  if (isObject(call.value)) {
    const named = call.at('kwargs')
    const arguments_ = named.there ? Object.keys(named.object()).map((key) => named.at(key)) : []
    return [...call.at('args').items(), ...arguments_].flatMap(kerasTensors)
  }
  // TF.js and Keras 2 agree but for layers of one input, which the oldest files give without the outer list
  return tensorNames(call)
}

/** Keras 3's tensors in an argument, in order; other arguments (training, mask) are of no account. */
function kerasTensors(place: JsonPlace): string[] {
  if (isList(place.value)) return place.items().flatMap(kerasTensors)
  if (!isObject(place.value) || place.value['class_name'] !== '__keras_tensor__') return []
  return [historyName(place.at('config').at('keras_history'))]
}
