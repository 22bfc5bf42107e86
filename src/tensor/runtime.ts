/**
 * Where lazy nodes become values, and values are read.
 * Not here: what nodes mean (graph), how plans are kept (plans.ts), leaves (leaves.ts).
 */
import { foreignTensorError, LenetError, type HostArray } from '../base/index.js'
import { isOwn, type HostStorage, type Node } from '../graph/index.js'
import { canCut, computeInPieces, endsBefore } from './pieces.js'
import { planFor } from './plans.js'
import { forgetLost, structureOf, type Structure } from './structure.js'
import { spoilRecording } from './recording.js'
import { isLost, mayGo, valuesLater, valuesOf } from './storage.js'

/** Computes the nodes (and what they need) now; `assign` nodes write into their leaf. */
export function realize(targets: readonly Node[]): void {
  const pending = targets.filter((target) => !target.storage)
  if (pending.length === 0) return
  // No graph mixes copies (graph/infer.ts), so its end tells whose it is.
  for (const { op, kind } of pending.filter((node) => !isOwn(node)))
    throw foreignTensorError(`the result of ${op}`, kind.copy)
  const structure = structureOf(pending)
  if (structure.mixed) return realizeMixed(pending, structure)
  run(structure, pending)
}

/** Runs a plan of one size of batch: at once, or what of it is large in pieces and then the rest. */
function run(structure: Structure, targets: readonly Node[]): void {
  const { batch, order } = structure
  const ends = endsBefore(structure, targets)
  if (ends) {
    realize(ends)
    return realize(targets)
  }
  const known = planFor(structure, targets)
  const piece = canCut(structure, targets) ? known.plan.piece(batch) : batch
  if (piece < batch && computeInPieces(structure, targets, piece, realize)) realize(targets)
  else known.run(order, targets, batch)
}

/**
 * Batches of several sizes meet only in plain values: those are computed first, all that come of one size at once, since
 * another size may need the same plan. What is written into leaves comes last and together: it reads their old values.
 */
function realizeMixed(targets: readonly Node[], first: Structure): void {
  for (let { order } = first; ; { order } = structureOf(targets)) {
    const meeting = order.filter(meets)
    if (meeting.length === 0) break
    const sizes = sizesBelow(order)
    const size = meeting.map((node) => sizes.get(node)).find((found) => found !== 'several')
    const ready = meeting.filter((node) => sizes.get(node) === size)
    realizeUnmixed(ready.length > 0 ? ready : meeting)
    ready.filter(mayGo).forEach((node) => (node.storage = hostOf(node)))
  }
  for (const target of targets) if (target.layout !== 'plain') realizeUnmixed([target])
  realizeUnmixed(targets.filter((target) => target.layout === 'plain'))
}

/** A plain value made of a batch, not computed yet. */
const meets = (node: Node): boolean =>
  !node.storage && node.layout === 'plain' && node.op !== 'assign' && node.inputs.some((x) => x.layout !== 'plain')

/** For each node the batch size of all that its computation still needs; 0 where there is none. */
function sizesBelow(order: readonly Node[]): Map<Node, number | 'several'> {
  const sizes = new Map<Node, number | 'several'>()
  for (const node of order) {
    let size: number | 'several' = node.layout === 'plain' ? 0 : (node.shape[0] ?? 1)
    for (const input of node.storage ? [] : node.inputs) {
      const below = sizes.get(input) ?? 0
      if (size === 0) size = below
      else if (below !== 0 && below !== size) size = 'several'
    }
    sizes.set(node, size)
  }
  return sizes
}

/** Computes nodes below which no two sizes of batches are left. */
function realizeUnmixed(targets: readonly Node[]): void {
  const pending = targets.filter((target) => !target.storage)
  if (pending.length === 0) return
  const structure = structureOf(pending)
  if (structure.mixed)
    throw new LenetError(
      `${pending[0]?.op ?? 'graph'}: batches of different sizes cannot be computed together; call .realize() on one first`,
    )
  run(structure, pending)
}

const hostOf = (node: Node): HostStorage => ({ kind: 'host', data: read(node) })

function realizeLost(node: Node): void {
  forgetLost(node)
  realize([node])
}

/** Computes the node if need be, also where its value was overwritten. */
export function ensure(node: Node): void {
  spoilRecording()
  if (!node.storage) realize([node])
  else if (isLost(node)) realizeLost(node)
}

/**
 * The node's values, row-major in logical order, computed first if need be.
 * @param instead the method of tensors that reads where values come only later
 */
export function read(node: Node, instead?: string): HostArray {
  ensure(node)
  return valuesOf(node, instead)
}

/** A copy from every device, of what they are now. */
export function readLater(node: Node): Promise<HostArray> {
  ensure(node)
  return valuesLater(node)
}
