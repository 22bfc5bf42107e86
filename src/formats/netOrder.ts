/**
 * The order in which flatten reads a picture, changed together with the weights behind it: Keras's first Dense after
 * Flatten has its rows in HWC order, PyTorch's in CHW order. A net converted without this computes something else.
 * Optimizer state moves with the weights.
 * Not here: shapes (netShapes.ts), reshape (its order is told in the node and never changed).
 */
import { LenetError } from '../base/index.js'
import {
  netActivations,
  type NetFile,
  type NetNode,
  type NetOptimizer,
  type NetTensor,
  type PictureOrder,
} from './net.js'
import { netShapes, shownShape, type NetShape } from './netShapes.js'

/** Operations that treat each item of a list alike: an order passes through them. */
const itemwise: ReadonlySet<string> = new Set([...netActivations, 'dropout', 'augmentation'])

/** Weights with an item for each of the list's items along their last dimension. */
const perItem: ReadonlySet<string> = new Set(['linear', 'batchNorm', 'layerNorm', 'rescaling'])

/** from[i]: which item of the old order stands at place i of the new one, for a picture [C, H, W]. */
function newPlaces(shape: NetShape, to: PictureOrder, where: string): number[] {
  const [c, h, w] = shape
  if (c === undefined || h === undefined || w === undefined || c === null || h === null || w === null) {
    throw new LenetError(
      `${where}: the order of a picture ${shownShape(shape)} cannot be changed; its size must be known`,
    )
  }
  const places: number[] = []
  const pixels = h * w
  if (to === 'chw') for (let i = 0; i < c; i++) for (let p = 0; p < pixels; p++) places.push(p * c + i)
  else for (let p = 0; p < pixels; p++) for (let i = 0; i < c; i++) places.push(i * pixels + p)
  return places
}

/** The same tensor with its last dimension in the new order. */
function permuted(tensor: NetTensor, from: readonly number[]): NetTensor {
  if (tensor.shape.at(-1) !== from.length) return tensor // a bias of other size
  const data = new Float32Array(tensor.data.length)
  for (let row = 0; row < data.length; row += from.length) {
    for (let i = 0; i < from.length; i++) data[row + i] = tensor.data[row + (from[i] ?? 0)] ?? 0
  }
  return { shape: tensor.shape, data }
}

function permutedNode(node: NetNode, from: readonly number[]): NetNode {
  const moved = new Map(
    [...node.weights].map(([key, tensor]) => [key, moves(node, key) ? permuted(tensor, from) : tensor]),
  )
  if (node.op !== 'rescaling') return { ...node, weights: moved }
  const each = (values: readonly number[]): readonly number[] =>
    values.length === 1 ? values : from.map((i) => values[i] ?? 0)
  return { ...node, scale: each(node.scale), offset: each(node.offset) }
}

/** A linear layer's bias has an item for each output, not for each input. */
function moves(node: NetNode, key: string): boolean {
  return node.op !== 'linear' || key === 'weight'
}

/** Keeps track of which values are lists in the old order, and rewrites what reads them. */
class Reordering {
  readonly #shapes: ReadonlyMap<string, NetShape>
  readonly #to: PictureOrder
  readonly #where: string
  /** Value → places, where its items have moved. */
  readonly #moved = new Map<string, readonly number[]>()
  /** Parameter → places. */
  readonly parameters = new Map<string, readonly number[]>()

  constructor(shapes: ReadonlyMap<string, NetShape>, to: PictureOrder, where: string) {
    this.#shapes = shapes
    this.#to = to
    this.#where = where
  }

  node(node: NetNode): NetNode {
    if (node.op === 'flatten') return this.#flatten(node, node.order)
    const places = node.inputs.map((name) => this.#moved.get(name)).find((moved) => moved !== undefined)
    if (places === undefined) return node
    if (node.op === 'concat') return this.#joined(node)
    if (node.op === 'add' || node.op === 'mul') return this.#together(node, places)
    if (perItem.has(node.op)) return this.#perItem(node, places)
    if (!itemwise.has(node.op)) this.#refuse(node.name)
    this.#moved.set(node.name, places)
    return node
  }

  /** Lists end to end: each moves within its own part. */
  #joined(node: NetNode): NetNode {
    const places: number[] = []
    for (const name of node.inputs) {
      const [size = null, ...more] = this.#shapes.get(name) ?? []
      if (size === null || more.length > 0) return this.#refuse(node.name)
      const own = this.#moved.get(name) ?? Array.from({ length: size }, (_, i) => i)
      const before = places.length
      for (const from of own) places.push(before + from)
    }
    this.#moved.set(node.name, places)
    return node
  }

  /** Values item by item, which all moved alike. */
  #together(node: NetNode, places: readonly number[]): NetNode {
    const isAlike = node.inputs.every((name) => String(this.#moved.get(name)) === String(places))
    if (!isAlike) this.#refuse(node.name)
    this.#moved.set(node.name, places)
    return node
  }

  #flatten(node: NetNode, order: PictureOrder): NetNode {
    const input = node.inputs[0] ?? ''
    const shape = this.#shapes.get(input) ?? []
    const before = this.#moved.get(input)
    if (before !== undefined) this.#moved.set(node.name, before)
    if (order === this.#to) return node
    if (shape.length === 3) {
      const places = newPlaces(shape, this.#to, `${this.#where}, ${node.name}`)
      if (places.some((from, i) => from !== i)) this.#moved.set(node.name, places)
    }
    return { ...node, op: 'flatten', order: this.#to }
  }

  #perItem(node: NetNode, places: readonly number[]): NetNode {
    for (const key of node.weights.keys()) if (moves(node, key)) this.parameters.set(`${node.name}.${key}`, places)
    if (node.op !== 'linear') this.#moved.set(node.name, places)
    return permutedNode(node, places)
  }

  #refuse(name: string): never {
    throw new LenetError(
      `${this.#where}, ${name}: reads a flattened picture whose order would change here, and cannot follow`,
    )
  }

  outputs(names: readonly string[]): void {
    for (const name of names) if (this.#moved.has(name)) this.#refuse(name)
  }
}

function permutedOptimizer(optimizer: NetOptimizer, moved: ReadonlyMap<string, readonly number[]>): NetOptimizer {
  const state = [...optimizer.state].map(([parameter, slots]): [string, ReadonlyMap<string, NetTensor>] => {
    const places = moved.get(parameter)
    if (places === undefined) return [parameter, slots]
    return [parameter, new Map([...slots].map(([slot, tensor]) => [slot, permuted(tensor, places)]))]
  })
  return { ...optimizer, state: new Map(state) }
}

/**
 * The same net, whose flattens read pictures in `order`; weights (and optimizer state) of what follows are permuted to
 * fit. Throws LenetError, with `where`, where a flattened picture is an output or goes on in a way that cannot follow.
 */
export function flattenInOrder(net: NetFile, order: PictureOrder, where = 'the net'): NetFile {
  const work = new Reordering(netShapes(net, where), order, where)
  const nodes = net.nodes.map((node) => work.node(node))
  work.outputs(net.outputs)
  if (net.optimizer === undefined) return { ...net, nodes }
  return { ...net, nodes, optimizer: permutedOptimizer(net.optimizer, work.parameters) }
}
