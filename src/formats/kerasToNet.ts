/**
 * A Keras model as a net of the hub: layers become nodes of the same name (an activation inside a layer becomes the node
 * `<layer>.activation`), kernels go to PyTorch's layouts. Pictures are still flattened as Keras does, 'hwc':
 * `flattenInOrder(net, 'chw')` makes PyTorch's order of it.
 * Not here: the way back (netToKeras.ts).
 */
import { LenetError } from '../base/index.js'
import { activationOfLoss } from './kerasCompile.js'
import { layerOp, ownActivation } from './kerasNodes.js'
import { onlyInKeras } from './kerasOnly.js'
import { netOptimizer } from './kerasOptimizer.js'
import type { KerasFile, KerasWeights } from './kerasTypes.js'
import { checkedVariable, placeLayers, type PlacedLayer } from './kerasVariables.js'
import type { NetFile, NetInput, NetNode, NetTensor } from './net.js'
import { endActivation } from './netEnd.js'

/** The net. Layers that do nothing vanish. `where` names the file in errors. Throws LenetError. */
export function netFromKeras(file: KerasFile, where = 'the Keras model'): NetFile {
  const inputs: NetInput[] = []
  const nodes: NetNode[] = []
  /** Layer → the value that it gives. */
  const values = new Map<string, string>()
  for (const place of placeLayers(file.model, where)) {
    const { layer, output } = place
    if (layer.className === 'InputLayer') inputs.push({ name: layer.name, shape: output })
    const reads = layer.inbound.map((name) => values.get(name) ?? name)
    const own =
      layer.className === 'InputLayer' ? [] : layerNodes(place, reads, file.weights, `${where}, layer ${layer.name}`)
    nodes.push(...own)
    values.set(layer.name, own.at(-1)?.name ?? reads[0] ?? layer.name)
  }
  const outputs = file.model.outputs.map((name) => values.get(name) ?? name)
  inputs.sort((a, b) => file.model.inputs.indexOf(a.name) - file.model.inputs.indexOf(b.name))
  const bare: NetFile = { inputs, nodes, outputs }
  const activation = endActivation(bare) === undefined ? activationOfLoss(file.compile) : undefined
  const net = activation === undefined ? bare : { ...bare, activation }
  return file.optimizer === undefined ? net : { ...net, optimizer: netOptimizer(file.model, file.optimizer, where) }
}

function layerNodes(place: PlacedLayer, reads: readonly string[], weights: KerasWeights, where: string): NetNode[] {
  const { layer, inputs } = place
  const only = onlyInKeras(layer, inputs)
  if (only !== undefined) throw new LenetError(`${where}: only Keras's own files can hold ${only}`)
  const op = layerOp(layer, inputs, where)
  if (op === undefined) return []
  const main: NetNode = { ...op, name: layer.name, inputs: reads, weights: nodeWeights(place, weights, where) }
  const activation = ownActivation(layer)
  if (activation === undefined) return [main]
  return [main, { ...activation, name: `${layer.name}.activation`, inputs: [layer.name], weights: new Map() }]
}

function nodeWeights({ layer, variables }: PlacedLayer, weights: KerasWeights, where: string): Map<string, NetTensor> {
  const given = weights.get(layer.name)
  return new Map(
    variables.map((variable) => [
      variable.key,
      variable.toNet(checkedVariable(variable, given?.get(variable.name), where)),
    ]),
  )
}
