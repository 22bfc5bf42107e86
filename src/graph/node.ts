/**
 * The nodes of the lazy graph: what is to be computed, from what, in which shape and layout.
 * Not here: how shapes follow (infer.ts), what nodes mean (reference.ts), gradients, or when they are computed.
 */
import type { DType, HostArray, Shape } from '../base/index.js'
import { kindOf, type Kind } from './kind.js'
import { elementwiseOps, type ElementwiseOp, type OpAttrs, type OpName } from './ops.js'

/**
 * What dim 0 of a node's values is, and how they lie.
 * plain: row-major. batch: dim 0 is the batch, and how pictures lie is the backend's affair.
 * rows: row-major with the batch as dim 0. groups: row-major, one item for every 8 pictures.
 * For all but plain, dim 0 depends on the batch size N, which is not part of the structure: one plan serves every N.
 */
export type Layout = 'plain' | 'batch' | 'rows' | 'groups'

/** Values a node has: on the host, or in a device's memory. The tensor room defines the latter. */
export interface Storage {
  readonly kind: 'host' | 'device'
}

/** Values in a JavaScript array, row-major in logical order; given to a plan each time it runs. */
export interface HostStorage extends Storage {
  readonly kind: 'host'
  readonly data: HostArray
  /** The tensor that had these values has others now. */
  isPast?: boolean
}

/** Who holds a leaf. The tensor room defines it. */
export interface Owner {
  readonly node: Node
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
  /** Operation, attributes, count of inputs and type, interned. */
  readonly kind: Kind
  /** How many numbers were put together one after the other to make it, as far as they are not computed (tensor/scalars.ts). */
  carried: number
  /** Set for leaves, and for a node once it was computed. */
  storage: Storage | null
  /** For maxPool2d: its maxPoolIndex, computed by the same kernel when a gradient may need it. */
  companion: Node | null
  /** For leaves: the tensor that is this leaf now. */
  owner: Owner | null
  /** A loss whose gradients were asked for: once is all there is. */
  differentiated: boolean
  /** What a net gave: its value can be read after whatever run computes it. */
  isOutput: boolean
  /** It lies inside of a checkpoint: not kept for gradients, which compute it anew (checkpoint.ts). */
  isPassing: boolean
  /** It is such a value computed anew: as late as can be. */
  isAnew: boolean
  /** The walk that met it last, and where in that walk's order it stands (tensor/structure.ts). */
  walk: number
  place: number
}

export interface NodeType {
  readonly shape: Shape
  readonly dtype: DType
  readonly layout: Layout
}

let lastId = 0

/** The id of the node that was made last; ids rise. */
export const newestNode = (): number => lastId

/** A node of a type that is known already; `make` in infer.ts checks and infers it. */
export function createNode<K extends OpName>(
  op: K,
  attrs: OpAttrs[K],
  inputs: readonly Node[],
  type: NodeType,
  requiresGrad: boolean,
): Node<K> {
  return nodeOf(op, attrs, inputs, kindOf(op, attrs, inputs.length, type), requiresGrad)
}

/** A node of a kind. */
export function nodeOf<K extends OpName>(
  op: K,
  attrs: OpAttrs[K],
  inputs: readonly Node[],
  kind: Kind,
  requiresGrad: boolean,
): Node<K> {
  const { shape, dtype, layout } = kind.type
  return {
    id: ++lastId,
    op,
    attrs,
    inputs,
    shape,
    dtype,
    layout,
    requiresGrad,
    kind,
    carried: 0,
    storage: null,
    companion: null,
    owner: null,
    differentiated: false,
    isOutput: false,
    isPassing: false,
    isAnew: false,
    walk: 0,
    place: 0,
  }
}

/** A leaf like `leaf`, over the same values. */
export function leafLike(leaf: Node, requiresGrad: boolean): Node {
  const made = nodeOf('leaf', noAttrs, noInputs, leaf.kind, requiresGrad)
  made.storage = leaf.storage
  return made
}

let walks = 0

/** A number for a walk over the graph, to be left in `walk` of the nodes that it meets. */
export const newWalk = (): number => ++walks

const noAttrs = {}
const noInputs: readonly Node[] = []

/** A leaf with values on the host. `data` is not copied. */
export function hostLeaf(data: HostArray, shape: Shape, dtype: DType, requiresGrad = false): Node<'leaf'> {
  const node = createNode('leaf', noAttrs, noInputs, { shape, dtype, layout: 'plain' }, requiresGrad)
  const storage: HostStorage = { kind: 'host', data }
  node.storage = storage
  return node
}

export const isOp = <K extends OpName>(node: Node, op: K): node is Node<K> => node.op === op

const elementwise: ReadonlySet<OpName> = new Set(elementwiseOps)
export const isElementwise = (node: Node): node is Node<ElementwiseOp> => elementwise.has(node.op)
