/**
 * What type a node has, given its operation and inputs: one table total over OpName, and the maker of nodes.
 * Strict about layouts. Not here: conversions for the user's convenience (compose.ts).
 */
import { foreignTensorError, hostArray, showShape, sizeOf, thisCopy } from '../base/index.js'
import { gradEnabled } from './gradMode.js'
import { inferElementwise } from './inferElementwise.js'
import { inferMovement } from './inferMovement.js'
import { inferNet } from './inferNet.js'
import { inferNorm } from './inferNorm.js'
import type { InferTable } from './inferShared.js'
import { follow, kindFollowing, kindOf } from './kind.js'
import { hostLeaf, nodeOf, type HostStorage, type Node, type NodeType } from './node.js'
import type { OpAttrs, OpName } from './ops.js'

const table: InferTable<OpName> = { ...inferElementwise, ...inferMovement, ...inferNet, ...inferNorm }

/** Constant almost everywhere, or an effect: no gradient flows through them. */
const withoutGradient: ReadonlySet<OpName> = new Set<OpName>([
  'eq',
  'lt',
  'le',
  'argmax',
  'maxPoolIndex',
  'random',
  'assign',
])

/** The type of `op` on `inputs`. Throws a LenetError that names the operation, what it expects and what it got. */
function infer<K extends OpName>(op: K, attrs: OpAttrs[K], inputs: readonly Node[]): NodeType {
  return table[op](attrs, inputs)
}

/** A node whose type follows from its inputs; see `infer` for errors. */
export function make<K extends OpName>(op: K, attrs: OpAttrs[K], given: readonly Node[]): Node<K> {
  const inputs = given.every(isOwn) ? given : given.map((input) => adopted(op, input))
  const kind = kindFollowing(op, attrs, inputs) ?? follow(op, attrs, inputs, infer(op, attrs, inputs))
  return nodeOf(op, attrs, inputs, kind, flows(op, kind.type, inputs))
}

/** A node of a type that its builder knows and has checked. */
export function makeTyped<K extends OpName>(op: K, attrs: OpAttrs[K], given: readonly Node[], type: NodeType): Node<K> {
  const inputs = given.every(isOwn) ? given : given.map((input) => adopted(op, input))
  return nodeOf(op, attrs, inputs, kindOf(op, attrs, inputs.length, type), flows(op, type, inputs))
}

export const isOwn = ({ kind }: Node): boolean => kind.copy === thisCopy

/**
 * A node of another copy of lenet as one of ours, where it is no more than values; its kind's numbers mean something else
 * here, and its graph is known there alone. Throws LenetError for other nodes.
 */
function adopted(op: OpName, node: Node): Node {
  if (isOwn(node)) return node
  const { shape, dtype, layout, storage } = node
  if (node.op !== 'leaf' || node.requiresGrad || layout !== 'plain' || storage?.kind !== 'host')
    throw foreignTensorError(`${op}: got a tensor ${showShape(shape)}`, node.kind.copy)
  const data = hostArray(dtype, sizeOf(shape))
  data.set((storage as HostStorage).data)
  return hostLeaf(data, shape, dtype)
}

/** Whether a gradient can flow through a node that is made now. */
function flows(op: OpName, type: NodeType, inputs: readonly Node[]): boolean {
  if (!gradEnabled() || type.dtype !== 'f32') return false
  for (let i = 0; i < inputs.length; i++) if (inputs[i]?.requiresGrad) return !withoutGradient.has(op)
  return false
}
