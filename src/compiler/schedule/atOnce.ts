/**
 * How many pictures a plan for few should compute in one run: so many that what a kernel leaves is still in a near cache when
 * the next one reads it, however large the batch. Larger batches take several runs over the same memory.
 * Not here: the runs (tensor/bound.ts), when such a plan is chosen (tensor/plans.ts).
 */
import { sizeOf } from '../../base/index.js'
import type { Node } from '../../graph/index.js'

/** Pictures of a run, and the leaves that are of pictures, by place in the order, with the bytes of one. */
export interface AtOnce {
  readonly pictures: number
  readonly leaves: ReadonlyMap<number, number>
}

/** All pictures in one run. */
export const allAtOnce: AtOnce = { pictures: Infinity, leaves: new Map() }

/** Bytes of the pictures' largest values: some of them are in the last cache together. */
const nearBytes = 2 ** 23

/** Values of a picture beyond so many bytes leave the near caches soon. */
const largeBytes = 2 ** 20

const bytesOf = ({ shape }: Node): number => sizeOf(shape.slice(1)) * 4

const largestOf = (order: readonly Node[]): number =>
  order.reduce((most, node) => (node.storage || node.layout !== 'batch' ? most : Math.max(most, bytesOf(node))), 0)

/** Whether a graph's pictures are so large that batches of any size are better computed few at a time. */
export const hasLargePictures = (order: readonly Node[]): boolean => largestOf(order) >= largeBytes

/** Values that are not of pictures but made of them: sums over a batch. */
export const endsInPlain = ({ layout, storage, inputs }: Node): boolean =>
  layout === 'plain' && !storage && inputs.some((input) => input.layout !== 'plain')

/** For a graph whose threads share pictures. A graph that must see all pictures has one run. */
export function atOnceOf(order: readonly Node[]): AtOnce {
  const leaves = new Map<number, number>()
  const users = new Map<Node, Node[]>()
  for (const node of order)
    if (!node.storage) for (const input of node.inputs) users.set(input, [...(users.get(input) ?? []), node])
  for (const [index, node] of order.entries()) {
    if (endsInPlain(node) || (node.op === 'batch' && !node.storage && !node.inputs[0]?.storage)) return allAtOnce
    if (!node.storage) continue
    const asBatch = (users.get(node) ?? []).filter(({ op }) => op === 'batch').length
    if (node.layout === 'plain' && asBatch === 0) continue
    if (node.layout === 'plain' && asBatch < (users.get(node)?.length ?? 0)) return allAtOnce
    leaves.set(index, sizeOf(node.shape.slice(1)) * (node.dtype === 'u8' ? 1 : 4))
  }
  return { pictures: Math.max(1, Math.floor(nearBytes / largestOf(order))), leaves }
}
