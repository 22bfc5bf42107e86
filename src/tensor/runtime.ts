/**
 * Where lazy nodes become values: the seam between the tensors that people hold and the compiler and device below.
 * Not here: what nodes mean (graph), how kernels are made (compiler), how plans are kept (plans.ts).
 */
import {
  foreignTensorError,
  hostArray,
  LenetError,
  sizeOf,
  type DType,
  type HostArray,
  type Shape,
} from '../base/index.js'
import type { Backend } from '../device/index.js'
import { hostLeaf, isOwn, leafLike, type HostStorage, type Node, type Storage } from '../graph/index.js'
import { canCut, computeInPieces } from './pieces.js'
import { planFor } from './plans.js'
import { forgetLost, structureOf, type Structure } from './structure.js'
import { spoilRecording } from './recording.js'
import {
  backendWith,
  bytesIn,
  hold,
  isHost,
  isLost,
  isReadable,
  leafOver,
  placeOf,
  put,
  Stale,
  Stored,
  valuesLater,
  valuesOf,
} from './storage.js'
import { backend } from './current.js'

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

/** What the next run of its plan takes away. */
const mayGo = ({ storage }: Node): boolean => storage instanceof Stored && !storage.buf.stays

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

const stale = new Stale()

const hostOf = (node: Node): HostStorage => ({ kind: 'host', data: read(node) })

function realizeLost(node: Node): void {
  forgetLost(node)
  realize([node])
}

/** Computes the node if need be, also where its value was overwritten. */
function ensure(node: Node): void {
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

/** A leaf of a computed node's values that no later run takes away: on the host, if they can be read. */
export function keptLeaf(node: Node, requiresGrad = node.requiresGrad): Node {
  ensure(node)
  if (mayGo(node) && isReadable(node)) return hostLeaf(read(node), node.shape, node.dtype, requiresGrad)
  hold(node, Infinity)
  return leafOver({ ...node, layout: 'plain' }, node.storage as Storage, requiresGrad)
}

/**
 * Moves the values of plain f32 leaves into one block of memory, end to end, and returns a leaf [total] of the whole.
 * The leaves stay what they are, now as views of that block: an `assign` to the whole changes them.
 */
export function packLeaves(leaves: readonly Node[]): Node {
  leaves.forEach(ensure)
  const on = leaves.reduce<Backend | null>(backendWith, null) ?? backend()
  const total = leaves.reduce((sum, { shape }) => sum + sizeOf(shape), 0)
  const buf = on.alloc(total * 4)
  let at = 0
  for (const leaf of leaves) {
    const to = new Stored(on, buf, at)
    move(leaf, to)
    leaf.storage = to
    at += bytesIn(leaf)
  }
  return leafOver({ shape: [total], dtype: 'f32', layout: 'plain' }, new Stored(on, buf), false)
}

function move(leaf: Node, to: Stored): void {
  const from = placeOf(leaf)
  if (isHost(from)) to.backend.write(to.buf, to.at, from.data)
  else to.backend.copy(from, to, bytesIn(leaf))
}

/** A zero leaf that lives in the device's memory: an optimizer's state. */
export const zerosLeaf = (shape: Shape): Node => residentLeaf(shape, 'f32', new Float32Array(sizeOf(shape)))

const mapped = new WeakMap<HostArray, Stored>()

/**
 * Bytes to be filled in place, in the device's memory where JavaScript sees that: `residentLeaf` then takes them as they
 * lie, so that a data set need not be in memory twice.
 */
export function residentBytes(length: number): Uint8Array {
  const on = backend()
  const found = on.map?.(length)
  if (!found) return new Uint8Array(length)
  mapped.set(found.bytes, new Stored(on, found.buf))
  return found.bytes
}

/** A leaf that lives in the device's memory for good: a copy of `data`, or bytes of `residentBytes` themselves. */
export function residentLeaf(shape: Shape, dtype: DType, data: HostArray): Node {
  return leafOver({ shape, dtype, layout: 'plain' }, mapped.get(data) ?? put(backend(), data), false)
}

/**
 * A new leaf node with other values in place of a leaf; numbers become its dtype as in a typed array. On the device they
 * are written over the old ones, and the old node is stale; on the host what was built on the old values keeps them.
 */
export function overwriteLeaf(leaf: Node, values: ArrayLike<number>, requiresGrad: boolean): Node {
  const place = placeOf(leaf)
  const data = hostArray(leaf.dtype, values.length)
  data.set(values)
  if (!isHost(place)) {
    place.backend.write(place.buf, place.at, data)
    return renewLeaf(leaf, requiresGrad)
  }
  const fresh = leafLike(leaf, requiresGrad)
  const now: HostStorage = { kind: 'host', data }
  fresh.storage = now
  place.isPast = true
  return fresh
}

/**
 * A new leaf node over the same values, for a leaf that an `assign` has just changed. The old node is marked stale:
 * a pending computation that was built on it must not silently see the new values.
 */
export function renewLeaf(leaf: Node, requiresGrad: boolean): Node {
  if (!leaf.storage || leaf.storage instanceof Stale) throw new Error('only leaves with values are renewed')
  const fresh = leafLike(leaf, requiresGrad)
  leaf.storage = stale
  return fresh
}
