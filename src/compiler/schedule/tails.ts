/**
 * Which elementwise expressions can be computed in the registers of a heavy operation, as its tail, and how each part of them
 * comes there. Not here: which expression is looked at (scheduler.ts), the kernels that write a tail (lower/).
 */
import { sameShape, sizeOf } from '../../base/index.js'
import { isElementwise, type Node, type OpName } from '../../graph/index.js'
import { isPerChannel, restOf } from '../kernel.js'

/** Operations that write a tail. */
export const tailRoots: ReadonlySet<OpName> = new Set([
  'conv2d',
  'conv2dGradInput',
  'groupConv2d',
  'groupConv2dGradInput',
  'linear',
  'linearGradInput',
  'gatherRows',
])

/** What becomes of a node in a tail: computed on the way, or read from memory: at each place, one a channel, one for all. */
export type TailWay = 'inline' | 'place' | 'channel' | 'one'

/**
 * How each node of the expression that ends in `end` comes into the tail of `root`; null where it cannot be one: what
 * depends on the root is computed place by place, what does not is so too, or is read at that place, or is one number, or
 * one a channel (where the root knows what a channel is).
 */
export function tailWays(end: Node, root: Node, inside: ReadonlySet<Node>): Map<Node, TailWay> | null {
  const dependent = dependents(root, inside)
  const ways = new Map<Node, TailWay>()
  const readAs = (node: Node, user: Node): TailWay | null => {
    if (dependent.has(node)) return null
    if (node.layout === 'batch') return restOf(node) === restOf(root) ? 'place' : null
    if (node.layout !== 'plain') return null
    if (sizeOf(node.shape) === 1) return 'one'
    return root.op !== 'gatherRows' && sameShape(user.shape, root.shape) && isPerChannel(node, root) ? 'channel' : null
  }
  const fits = (node: Node, user: Node): boolean => {
    const known = ways.get(node)
    if (node === root || node.op === 'const' || (known && known !== 'channel')) return true
    const full = node.layout === 'batch' && restOf(node) === restOf(root)
    const computed = inside.has(node) && (isElementwise(node) || (node.op === 'reshape' && dependent.has(node)))
    const inline = computed && full && node.inputs.every((input) => fits(input, node))
    const way = inline ? 'inline' : readAs(node, user)
    if (way) ways.set(node, way)
    return way !== null
  }
  return dependent.has(end) && fits(end, end) ? ways : null
}

/** The nodes of an expression that are computed from `root`, which is one of them. */
function dependents(root: Node, inside: ReadonlySet<Node>): ReadonlySet<Node> {
  const found = new Set([root])
  // the expression lists users before inputs
  for (const node of [...inside].toReversed()) if (node.inputs.some((input) => found.has(input))) found.add(node)
  return found
}
