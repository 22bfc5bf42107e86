/**
 * A net as PyTorch's files hold it: its state dict, in the order of the module that it is loaded into, and an optimizer's
 * state beside it.
 * Not here: the optimizer (torchOptimizer.ts); the file (pth.ts, pthWriter.ts); finding the net that a state dict belongs to.
 */
import type { NetFile, NetNode } from './net.js'
import type { WritableTensor } from './pthTypes.js'
import { writePth, writePthObject } from './pthWriter.js'
import { optimizerToTorch, type NamedShape } from './torchOptimizer.js'

/** PyTorch's order within a module; then the count of batches that only PyTorch keeps. */
const weightOrder = ['weight', 'bias', 'running_mean', 'running_var']

const isBuffer = (name: string): boolean => /(^|\.)(running_mean|running_var|num_batches_tracked)$/.test(name)

/** A node's weights in PyTorch's order. */
const keysOf = ({ weights }: NetNode): string[] =>
  [...weights.keys()].toSorted((a, b) => weightOrder.indexOf(a) - weightOrder.indexOf(b))

/** The nodes in the order of the module's layers; those without parameters stand anywhere. */
export function nodesInParameterOrder({ nodes, parameterOrder = [] }: NetFile): readonly NetNode[] {
  if (parameterOrder.length === 0) return nodes
  const places = new Map(parameterOrder.map((name, i) => [name, i]))
  const place = (node: NetNode): number =>
    Math.min(...keysOf(node).map((key) => places.get(`${node.name}.${key}`) ?? Infinity))
  return nodes
    .map((node) => [node, place(node)] as const)
    .toSorted(([, a], [, b]) => (a === b ? 0 : a - b))
    .map(([node]) => node)
}

/** All tensors of `net.state_dict()`, in its order; of batch norms also num_batches_tracked (0). */
export function netStateDict(net: NetFile): Map<string, WritableTensor> {
  const tensors = new Map<string, WritableTensor>()
  for (const node of nodesInParameterOrder(net)) {
    for (const key of keysOf(node)) {
      const tensor = node.weights.get(key)
      if (tensor !== undefined) tensors.set(`${node.name}.${key}`, tensor)
    }
    if (node.op === 'batchNorm')
      tensors.set(`${node.name}.num_batches_tracked`, { shape: [], data: new BigInt64Array(1) })
  }
  return tensors
}

/** The trained ones among them, which optimizers number in this order. */
export function netParameters(net: NetFile): NamedShape[] {
  return [...netStateDict(net)].flatMap(([name, { shape }]) => (isBuffer(name) ? [] : [[name, shape] as const]))
}

/** The net with its parameters in the order of `names`, which may hold others too. */
export function withParameterOrder(net: NetFile, names: Iterable<string>): NetFile {
  const { parameterOrder: _old, ...plain } = net
  const own = netParameters(plain).map(([name]) => name)
  const known = new Set(own)
  const parameterOrder = [...names].filter((name) => known.has(name))
  return String(parameterOrder) === String(own) ? plain : { ...plain, parameterOrder }
}

/** The net as a .pth: its state dict; with an optimizer in mid-training `{ model, optimizer }`. */
export function writeNetPth(net: NetFile): Uint8Array {
  const model = netStateDict(net)
  if (net.optimizer === undefined) return writePth(model)
  return writePthObject({ model, optimizer: optimizerToTorch(net.optimizer, netParameters(net)) })
}
