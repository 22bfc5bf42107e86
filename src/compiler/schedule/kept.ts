/**
 * Which values of a plan are there when it has run: what was asked for, what nets gave, small ones, and what gradients that
 * may be asked for later need. The others' memory is used again within the run; they can be computed anew.
 * Not here: where values lie (memory.ts), when they are lost (tensor/).
 */
import { sizeOf } from '../../base/index.js'
import type { Node } from '../../graph/index.js'

/** Values of up to so many numbers, of one picture or of all, cost nothing. */
const fewNumbers = 1024
const fewPlain = 16384

const isSmall = ({ layout, shape }: Node): boolean =>
  layout === 'plain' ? sizeOf(shape) <= fewPlain : sizeOf(shape.slice(1)) <= fewNumbers

/** Whether a node's value is there after the run of a plan of these targets. */
export function keptBy(targets: readonly Node[]): (node: Node) => boolean {
  const wanted = new Set(targets)
  const done = below(targets.filter(({ differentiated }) => differentiated))
  const waiting = below(targets.filter(awaitsGradient))
  const isWaiting = (node: Node): boolean => waiting.has(node) && !done.has(node) && !node.isPassing
  return (node) => node.isOutput || wanted.has(node) || isSmall(node) || isWaiting(node)
}

/** A gradient of it may be asked for. */
export const awaitsGradient = ({ requiresGrad, differentiated, op }: Node): boolean =>
  requiresGrad && !differentiated && op !== 'leaf'

/** What the gradients of these nodes may read. */
function below(ends: readonly Node[]): ReadonlySet<Node> {
  const found = new Set(ends)
  for (const node of found) {
    if (node.companion) found.add(node.companion)
    if (!node.storage) for (const input of node.inputs) found.add(input)
  }
  return found
}
