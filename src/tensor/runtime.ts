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
import { createNode, isOwn, leafLike, type HostStorage, type Node } from '../graph/index.js'
import { computeInPieces, endsApart, isLarge } from './pieces.js'
import { planFor } from './plans.js'
import { forgetLost, isLost, structureOf, type Structure } from './structure.js'
import { spoilRecording } from './recording.js'
import { addressOf, isHost, noteWritten, Resident, Stale, upload, valuesOf, viewAt } from './storage.js'
import { device } from './current.js'
import { Region } from './region.js'

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
  const ends = endsApart(structure, targets)
  if (ends) {
    realize(ends)
    return realize(targets)
  }
  const plan = planFor(structure, targets)
  if (isLarge(structure, targets, plan) && computeInPieces(structure, targets, plan, realize)) realize(targets)
  else plan.run(structure.order, targets, structure.batch)
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
    for (const node of ready) node.storage = hostOf(node)
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

const stale = new Stale()

const hostOf = (node: Node): HostStorage => ({ kind: 'host', data: read(node) })

function realizeLost(node: Node): void {
  forgetLost(node)
  realize([node])
}

/** The node's values, row-major in logical order, computed first if need be. */
export function read(node: Node): HostArray {
  spoilRecording()
  if (!node.storage) realize([node])
  else if (isLost(node)) realizeLost(node)
  if (!node.storage) throw new Error(`${node.op} was not computed`)
  return valuesOf(node)
}

/**
 * Moves the values of plain f32 leaves into one block of memory, end to end, and returns a leaf [total] of the whole.
 * The leaves stay what they are, now as views of that block: an `assign` to the whole changes them.
 */
export function packLeaves(leaves: readonly Node[]): Node {
  const values = leaves.map(read)
  const total = values.reduce((sum, data) => sum + data.length, 0)
  const region = new Region(total * 4)
  let at = 0
  leaves.forEach((leaf, i) => {
    const data = values[i] as HostArray
    viewAt('f32', region.address + at, data.length).set(data)
    leaf.storage = new Resident(region, at)
    at += data.length * 4
  })
  return leafOf([total], 'f32', new Resident(region), false)
}

function leafOf(shape: Shape, dtype: DType, storage: Resident | HostStorage, requiresGrad: boolean): Node {
  const leaf = createNode('leaf', {}, [], { shape, dtype, layout: 'plain' }, requiresGrad)
  leaf.storage = storage
  return leaf
}

/** A zero leaf that lives in the device's memory: an optimizer's state. */
export const zerosLeaf = (shape: Shape): Node => residentLeaf(shape, 'f32', new Float32Array(sizeOf(shape)))

const regions = new WeakMap<HostArray, Region>()

/**
 * Bytes in the device's memory, to be filled in place: `residentLeaf` then takes them as they lie, so that a data set
 * need not be in memory twice.
 */
export function residentBytes(length: number): Uint8Array {
  const region = new Region(length, true)
  const bytes = device().memory.u8(region.address, length)
  regions.set(bytes, region)
  return bytes
}

/** A leaf that lives in the device's memory for good: a copy of `data`, or bytes of `residentBytes` themselves. */
export function residentLeaf(shape: Shape, dtype: DType, data: HostArray): Node {
  const region = regions.get(data)
  return leafOf(shape, dtype, region ? new Resident(region) : upload(data), false)
}

/**
 * A new leaf node with other values in place of a leaf; numbers become its dtype as in a typed array. On the device they
 * are written over the old ones, and the old node is stale; on the host what was built on the old values keeps them.
 */
export function overwriteLeaf(leaf: Node, values: ArrayLike<number>, requiresGrad: boolean): Node {
  const { storage } = leaf
  if (storage && isHost(storage)) {
    const fresh = leafLike(leaf, requiresGrad)
    const data = hostArray(leaf.dtype, values.length)
    data.set(values)
    const now: HostStorage = { kind: 'host', data }
    fresh.storage = now
    storage.isPast = true
    return fresh
  }
  viewAt(leaf.dtype, addressOf(leaf), values.length).set(values)
  noteWritten(leaf)
  return renewLeaf(leaf, requiresGrad)
}

/**
 * A new leaf node over the same values, for a leaf that an `assign` has just changed. The old node is marked stale:
 * a pending computation that was built on it must not silently see the new values.
 */
export function renewLeaf(leaf: Node, requiresGrad: boolean): Node {
  const { storage } = leaf
  if (!storage || !(isHost(storage) || storage instanceof Resident))
    throw new Error('only leaves with values are renewed')
  const fresh = leafLike(leaf, requiresGrad)
  leaf.storage = stale
  return fresh
}
