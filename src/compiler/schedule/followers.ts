/**
 * What follows from statistics of channels: elementwise nodes of one number a channel (scales, factors of a gradient). The
 * kernel that makes the statistics computes them too, so that none of them costs a kernel and a meeting of the team.
 * Not here: the statistics (norm.ts).
 */
import { sizeOf } from '../../base/index.js'
import { isElementwise, type Node } from '../../graph/index.js'
import type { Scheduler } from './scheduler.js'

/** The nodes to be written beside `sums`, inputs first. What only these need, and what only assignments need, is not. */
export function followersOf(s: Scheduler, sums: readonly Node[]): readonly Node[] {
  const found = reached(s, sums)
  return [...found].filter((node) => isElementwise(node) && isRead(s, node, found))
}

/** Somebody else reads the node itself or another shape of it. An assignment computes what it writes. */
function isRead(s: Scheduler, node: Node, found: ReadonlySet<Node>): boolean {
  if (s.isTarget(node)) return true
  return s
    .usersOf(node)
    .some((user) => (found.has(user) ? user.op === 'reshape' && isRead(s, user, found) : user.op !== 'assign'))
}

/** All that can be computed from the sums without another kernel, the sums included, inputs first. */
function reached(s: Scheduler, sums: readonly Node[]): ReadonlySet<Node> {
  const channels = sizeOf(sums[0]?.shape ?? [])
  const isNarrow = ({ layout, shape }: Node): boolean =>
    layout === 'plain' && (sizeOf(shape) === 1 || sizeOf(shape) === channels)
  const found = new Set(sums)
  const isThere = (input: Node): boolean =>
    found.has(input) || input.op === 'const' || (s.has(input) && isNarrow(input))
  const follows = (node: Node): boolean =>
    (isElementwise(node) || node.op === 'reshape') &&
    !s.has(node) &&
    node.dtype === 'f32' &&
    node.layout === 'plain' &&
    sizeOf(node.shape) === channels &&
    node.inputs.every(isThere)
  const open = new Set(sums.flatMap((sum) => s.usersOf(sum)))
  while (open.size > 0) {
    // ids grow from inputs to results
    const node = [...open].reduce((least, other) => (other.id < least.id ? other : least))
    open.delete(node)
    if (!follows(node)) continue
    found.add(node)
    for (const user of s.usersOf(node)) open.add(user)
  }
  return found
}
