/**
 * How a net ends: whether its outputs are logits or probabilities, and by what logits become probabilities.
 * Not here: doing it (room files, classifier).
 */
import type { NetFile, NetNode } from './net.js'
import { netShapes } from './netShapes.js'

/**
 * What makes probabilities of a net's outputs: `softmax` of classes that exclude each other; `sigmoid` of labels each for
 * itself, of one output of the second of two classes; `none` where they are probabilities.
 */
export type OutputActivation = 'softmax' | 'sigmoid' | 'none'

/** What changes no value that is there. */
const passing: ReadonlySet<string> = new Set(['dropout', 'augmentation', 'flatten', 'reshape'])

/** The softmax or sigmoid whose values are the outputs, at most laid out anew; undefined where there is none, or others read it. */
export function endActivation(net: NetFile): NetNode | undefined {
  const byName = new Map(net.nodes.map((node) => [node.name, node]))
  const readers = (name: string): number => net.nodes.filter(({ inputs }) => inputs.includes(name)).length
  let [name = ''] = net.outputs
  for (let most = net.outputs.length === 1 ? 0 : -1; readers(name) === most; most = 1) {
    const node = byName.get(name)
    if (node === undefined || !passing.has(node.op)) return node && isActivation(node, net) ? node : undefined
    name = node.inputs[0] ?? ''
  }
  return undefined
}

/** A softmax over the channels of a picture of several pixels is not one over all of its values. */
function isActivation({ op, inputs }: NetNode, net: NetFile): boolean {
  const [, ...pixels] = netShapes(net).get(inputs[0] ?? '') ?? []
  return op === 'sigmoid' || ((op === 'softmax' || op === 'logSoftmax') && pixels.every((size) => size === 1))
}

/** Whether values are from 0 to 1, given whether those that the node reads are. */
function isShare(node: NetNode, areShares: boolean): boolean {
  switch (node.op) {
    case 'sigmoid':
    case 'softmax':
      return true
    case 'clamp':
      return areShares || (node.min !== null && node.min >= 0 && node.max !== null && node.max <= 1)
    case 'pad':
      return areShares && node.value >= 0 && node.value <= 1
    case 'maxPool2d':
    case 'avgPool2d':
    case 'globalAvgPool2d':
    case 'globalMaxPool2d':
    case 'mul':
    case 'concat':
    case 'slice':
    case 'relu':
      return areShares
    default:
      return areShares && passing.has(node.op)
  }
}

/** True where the outputs are from 0 to 1 whatever the input. */
function givesShares({ nodes, outputs }: NetFile): boolean {
  const shares = new Set<string>()
  for (const node of nodes)
    if (
      isShare(
        node,
        node.inputs.every((name) => shares.has(name)),
      )
    )
      shares.add(node.name)
  return outputs.every((name) => shares.has(name))
}

/** Values of the one output; undefined where they are open. */
export function outputSize(net: NetFile): number | undefined {
  const shape = netShapes(net).get(net.outputs[0] ?? '') ?? []
  return shape.length === 1 ? (shape[0] ?? undefined) : undefined
}

/** Where nothing tells it: one output is a logit, several are those of classes. */
export const usualActivation = (outputs: number | undefined): OutputActivation =>
  outputs === 1 ? 'sigmoid' : 'softmax'

/** What makes probabilities of the net's outputs, without the softmax or sigmoid at its end. */
export function outputActivation(net: NetFile): OutputActivation {
  const end = endActivation(net)
  if (end !== undefined) return end.op === 'sigmoid' ? 'sigmoid' : 'softmax'
  return givesShares(net) ? 'none' : (net.activation ?? usualActivation(outputSize(net)))
}

/** The net without the softmax or sigmoid at its end: what losses and classifiers take. */
export function logitsOf(net: NetFile): NetFile {
  const end = endActivation(net)
  if (end === undefined) return net
  const { activation: _told, ...rest } = net
  const [before = ''] = end.inputs
  const nodes = net.nodes
    .filter((node) => node !== end)
    .map((node) => (node.inputs.includes(end.name) ? { ...node, inputs: [before] } : node))
  const outputs = net.outputs.map((name) => (name === end.name ? before : name))
  return { ...rest, nodes, outputs, ...(end.op === 'sigmoid' ? { activation: 'sigmoid' } : {}) }
}
