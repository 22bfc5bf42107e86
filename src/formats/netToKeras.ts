/**
 * A net of the hub as a Keras model: nodes become layers of the same name, pictures are flattened as Keras does (with the
 * weights behind it), an activation node `<layer>.activation` goes back into its layer. What Keras has no layer for is
 * refused by name.
 * `classes` and `preprocessing` have no place in a Keras file: whoever converts decides what becomes of them.
 * Not here: the way back (kerasToNet.ts), each node's layer (nodeLayers.ts).
 */
import { LenetError } from '../base/index.js'
import { JsonPlace } from './kerasJson.js'
import { kerasLayer, type KerasLayer } from './kerasLayers.js'
import { inKerasOrder } from './kerasOrder.js'
import { activationName } from './kerasNodes.js'
import { kerasOptimizer } from './kerasOptimizer.js'
import type { KerasCompile, KerasFile, KerasModel } from './kerasTypes.js'
import { placeLayers } from './kerasVariables.js'
import type { NetFile, NetNode, NetTensor } from './net.js'
import { endActivation, outputActivation } from './netEnd.js'
import { flattenInOrder } from './netOrder.js'
import { netShapes, type NetShape } from './netShapes.js'
import { nodeLayers, type LayerPlan } from './nodeLayers.js'

const canFuse: ReadonlySet<string> = new Set(['conv2d', 'linear'])

/** Nodes that go into the layer they read, by their own name. */
function fusedActivations(net: NetFile): Map<string, NetNode> {
  const byName = new Map(net.nodes.map((node) => [node.name, node]))
  const readers = new Map<string, number>()
  for (const name of [...net.nodes.flatMap(({ inputs }) => inputs), ...net.outputs])
    readers.set(name, (readers.get(name) ?? 0) + 1)
  return new Map(
    net.nodes
      .filter((node) => {
        const [from = ''] = node.inputs
        const source = byName.get(from)
        const fits = source !== undefined && canFuse.has(source.op) && readers.get(from) === 1
        return fits && node.name === `${from}.activation` && activationName(node) !== undefined
      })
      .map((node) => [node.inputs[0] ?? '', node]),
  )
}

/** Keras's names are parts of paths: slashes go, and every name is unique. */
class Names {
  readonly #used = new Set<string>()

  fresh(wanted: string): string {
    const base = wanted.replaceAll('/', '_').replace(/^\.*$/, 'layer')
    let name = base
    for (let k = 1; this.#used.has(name); k++) name = `${base}_${k}`
    this.#used.add(name)
    return name
  }
}

interface Made {
  readonly layers: KerasLayer[]
  readonly weights: Map<string, ReadonlyMap<string, NetTensor>>
  /** Value of the net → layer that gives it. */
  readonly values: Map<string, string>
  /** Node → its layer, for weights and optimizer slots. */
  readonly layerOf: Map<string, string>
  /** Nodes with parameters of which the optimizer trains none. */
  readonly frozen: ReadonlySet<string>
}

function frozenNodes({ nodes, optimizer }: NetFile): Set<string> {
  const trained = optimizer?.parameters && new Set(optimizer.parameters)
  const isFrozen = ({ name, weights }: NetNode): boolean =>
    trained !== undefined && weights.size > 0 && ![...weights.keys()].some((key) => trained.has(`${name}.${key}`))
  return new Set(nodes.filter(isFrozen).map(({ name }) => name))
}

/** The Keras model. `where` names the net in errors. Throws LenetError. */
export function kerasFromNet(given: NetFile, where = 'the net'): KerasFile {
  const net = flattenInOrder(given, 'hwc', where)
  const shapes = netShapes(net, where)
  const made = makeLayers(net, shapes, where)
  const outputs = net.outputs.map((name) => made.values.get(name) ?? name)
  const isChain = made.layers.every(({ inbound }, i) =>
    i === 0 ? inbound.length === 0 : String(inbound) === made.layers[i - 1]?.name,
  )
  const isSequential = isChain && outputs.length === 1 && outputs[0] === made.layers.at(-1)?.name
  const className = isSequential ? 'Sequential' : 'Functional'
  const inputs = net.inputs.map(({ name }) => made.values.get(name) ?? name)
  const model = inKerasOrder({ className, name: className.toLowerCase(), layers: made.layers, inputs, outputs })
  const weights = kerasWeights(model, net, made, where)
  if (net.optimizer === undefined) return { model, weights }
  const { parameters: _some, ...optimizer } = net.optimizer // its layers are frozen instead
  const renamed = { ...optimizer, state: renamedState(net, made) }
  return { model, weights, compile: compileFor(net), optimizer: kerasOptimizer(model, renamed, where) }
}

function makeLayers(net: NetFile, shapes: ReadonlyMap<string, NetShape>, where: string): Made {
  const fused = fusedActivations(net)
  const fusedNodes = new Set(fused.values())
  const names = new Names()
  const made: Made = {
    layers: [],
    weights: new Map(),
    values: new Map(),
    layerOf: new Map(),
    frozen: frozenNodes(net),
  }
  for (const { name, shape } of net.inputs) {
    const own = names.fresh(name)
    const batchShape = shape.length === 3 ? [null, ...shape.slice(1), shape[0] ?? null] : [null, ...shape]
    made.layers.push(kerasLayer('InputLayer', own, new JsonPlace({ batch_shape: batchShape }, where), []))
    made.values.set(name, own)
  }
  const nodes = new Map(net.nodes.map((node) => [node.name, node]))
  for (const node of net.nodes) {
    if (fusedNodes.has(node)) continue
    const activation = fused.get(node.name)
    const inputs = node.inputs.map((name) => shapes.get(name) ?? [])
    const plan = nodeLayers(
      node,
      { inputs, nodes, activation: activation && activationName(activation) },
      `${where}, ${node.name}`,
    )
    addLayers(made, node, plan, names, where)
    if (activation !== undefined) made.values.set(activation.name, made.values.get(node.name) ?? '')
  }
  return made
}

/** A node's layers, each reading the one before; the last has the node's name. */
function addLayers(made: Made, node: NetNode, plan: readonly LayerPlan[], names: Names, where: string): void {
  let inbound = node.inputs.map((name) => made.values.get(name) ?? name)
  for (const [i, { className, config }] of plan.entries()) {
    const name = names.fresh(i === plan.length - 1 ? node.name : `${node.name}_pad`)
    const place = new JsonPlace(config, `${where}, ${node.name}`)
    made.layers.push(kerasLayer(className, name, place, inbound, !made.frozen.has(node.name)))
    inbound = [name]
  }
  const last = inbound[0] ?? ''
  made.values.set(node.name, last)
  made.layerOf.set(node.name, last)
}

function kerasWeights(model: KerasModel, net: NetFile, made: Made, where: string): KerasFile['weights'] {
  const placed = new Map(placeLayers(model, where).map((place) => [place.layer.name, place.variables]))
  const weights = new Map<string, ReadonlyMap<string, NetTensor>>()
  for (const node of net.nodes) {
    const layer = made.layerOf.get(node.name)
    const variables = layer === undefined ? undefined : placed.get(layer)
    if (layer === undefined || variables === undefined || variables.length === 0) continue
    const entries = variables.map((variable): [string, NetTensor] => {
      const tensor = node.weights.get(variable.key)
      if (tensor === undefined) throw new LenetError(`${where}, ${node.name}: the weight ${variable.key} is missing`)
      return [variable.name, variable.fromNet(tensor)]
    })
    weights.set(layer, new Map(entries))
  }
  return weights
}

/** The optimizer's state under the names of the layers. */
function renamedState(net: NetFile, made: Made): Map<string, ReadonlyMap<string, NetTensor>> {
  const state = new Map<string, ReadonlyMap<string, NetTensor>>()
  for (const node of net.nodes) {
    for (const key of node.weights.keys()) {
      const slots = net.optimizer?.state.get(`${node.name}.${key}`)
      if (slots !== undefined) state.set(`${made.layerOf.get(node.name) ?? node.name}.${key}`, slots)
    }
  }
  return state
}

/** What Keras needs to train on: the loss of a classifier, from logits unless the net ends in probabilities. */
function compileFor(net: NetFile): KerasCompile {
  const activation = outputActivation(net)
  const [className, name] =
    activation === 'softmax'
      ? ['SparseCategoricalCrossentropy', 'sparse_categorical_crossentropy']
      : ['BinaryCrossentropy', 'binary_crossentropy']
  const from_logits = activation !== 'none' && endActivation(net) === undefined
  const config = { name, reduction: 'sum_over_batch_size', from_logits }
  const loss = { module: 'keras.losses', class_name: className, config, registered_name: null }
  return { loss, metrics: ['accuracy'] }
}
