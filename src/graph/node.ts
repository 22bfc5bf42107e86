/**
 * The nodes of the lazy graph: what is to be computed, from what, in which shape and layout.
 * Not here: how shapes follow (infer.ts), what nodes mean (reference.ts), gradients, or when they are computed.
 */
import type { DType, HostArray, Shape } from '../base/index.js'
import type { OpAttrs, OpName } from './ops.js'

/**
 * How a node's values lie in memory.
 * plain: row-major. lanes: blocks of the device's lanes, the picture index innermost: [⌈N/L⌉][rest…][L].
 * rows: row-major with the batch as dim 0. groups: row-major, one item for every 8 pictures.
 * For all but plain, dim 0 depends on the batch size N, which is not part of the structure: one plan serves every N.
 */
export type Layout = 'plain' | 'lanes' | 'rows' | 'groups'

/** Values a node has: on the host, or in a device's memory. The tensor room defines the latter. */
export interface Storage {
  readonly kind: 'host' | 'device'
}

/** Values in a JavaScript array, row-major in logical order; given to a plan each time it runs. */
export interface HostStorage extends Storage {
  readonly kind: 'host'
  readonly data: HostArray
}

export interface Node<K extends OpName = OpName> {
  readonly id: number
  readonly op: K
  readonly attrs: OpAttrs[K]
  inputs: readonly Node[]
  readonly shape: Shape
  readonly dtype: DType
  readonly layout: Layout
  /** A gradient can flow through it to a leaf that wants one. */
  readonly requiresGrad: boolean
  /** Interned number of op, count of inputs, attributes, dtype, layout and shape (without a batch dim 0). */
  readonly signature: number
  /** 1 + the longest way to a node with values. */
  readonly depth: number
  /** Set for leaves, and for a node once it was computed. */
  storage: Storage | null
  /** For maxPool2d: its maxPoolIndex, computed by the same kernel when a gradient may need it. */
  companion: Node | null
  /** The walk that met it last, and where in that walk's order it stands (tensor/plans.ts). */
  walk: number
  place: number
}

export interface NodeType {
  readonly shape: Shape
  readonly dtype: DType
  readonly layout: Layout
}

let lastId = 0

/** Interned sequences of numbers and words: the way down the tree is the sequence. */
class Interned {
  #next: Map<number | string, Interned> | null = null
  number = 0

  then(word: number | string): Interned {
    const next = (this.#next ??= new Map())
    let found = next.get(word)
    if (!found) next.set(word, (found = new Interned()))
    return found
  }
}

const root = new Interned()
let signatures = 0

/** One number for each different (op, attributes, count of inputs, type): what the plan cache compares. */
function signatureOf(op: OpName, attrs: object, inputs: number, { shape, dtype, layout }: NodeType): number {
  let place = root.then(op).then(dtype).then(layout).then(shape.length).then(inputs)
  for (let i = layout === 'plain' ? 0 : 1; i < shape.length; i++) place = place.then(shape[i] ?? 0)
  for (const name in attrs) {
    const value = (attrs as Record<string, number | string | readonly number[]>)[name] ?? 0
    if (typeof value !== 'object') place = place.then(value)
    else for (const item of value) place = place.then(item)
  }
  if (place.number === 0) place.number = ++signatures
  return place.number
}

/** A node of a type that is known already; `make` in infer.ts checks and infers it. */
export function createNode<K extends OpName>(
  op: K,
  attrs: OpAttrs[K],
  inputs: readonly Node[],
  type: NodeType,
  requiresGrad: boolean,
): Node<K> {
  let depth = 0
  for (const input of inputs) if (!input.storage && input.depth >= depth) depth = input.depth + 1
  const { shape, dtype, layout } = type
  const signature = signatureOf(op, attrs, inputs.length, type)
  return {
    id: ++lastId,
    op,
    attrs,
    inputs,
    shape,
    dtype,
    layout,
    requiresGrad,
    signature,
    depth,
    storage: null,
    companion: null,
    walk: 0,
    place: 0,
  }
}

/** A leaf with values on the host. `data` is not copied. */
export function hostLeaf(data: HostArray, shape: Shape, dtype: DType, requiresGrad = false): Node<'leaf'> {
  const node = createNode('leaf', {}, [], { shape, dtype, layout: 'plain' }, requiresGrad)
  const storage: HostStorage = { kind: 'host', data }
  node.storage = storage
  return node
}

export const isOp = <K extends OpName>(node: Node, op: K): node is Node<K> => node.op === op
