/**
 * What type a node has, given its operation and inputs: one table total over OpName, and the maker of nodes.
 * Strict about layouts. Not here: conversions for the user's convenience (compose.ts).
 */
import { gradEnabled } from './gradMode.js'
import { inferElementwise } from './inferElementwise.js'
import { inferMovement } from './inferMovement.js'
import { inferNet } from './inferNet.js'
import type { InferTable } from './inferShared.js'
import { createNode } from './node.js'
import type { Node, NodeType } from './node.js'
import type { OpAttrs, OpName } from './ops.js'

const table: InferTable<OpName> = { ...inferElementwise, ...inferMovement, ...inferNet }

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
export function make<K extends OpName>(op: K, attrs: OpAttrs[K], inputs: readonly Node[]): Node<K> {
  return makeTyped(op, attrs, inputs, infer(op, attrs, inputs))
}

/** A node of a type that its builder knows and has checked. */
export function makeTyped<K extends OpName>(
  op: K,
  attrs: OpAttrs[K],
  inputs: readonly Node[],
  type: NodeType,
): Node<K> {
  const differentiable = gradEnabled() && type.dtype === 'f32' && !withoutGradient.has(op)
  return createNode(op, attrs, inputs, type, differentiable && inputs.some((x) => x.requiresGrad))
}
