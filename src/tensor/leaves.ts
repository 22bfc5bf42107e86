/**
 * Leaves: values that were given, or written by a step, and where they lie.
 * Not here: computing and reading (runtime.ts), making tensors of numbers (create.ts).
 */
import { hostArray, sizeOf, type DType, type HostArray, type Shape } from '../base/index.js'
import type { Backend } from '../device/index.js'
import { hostLeaf, leafLike, type HostStorage, type Node, type Storage } from '../graph/index.js'
import { backend } from './current.js'
import { ensure, read } from './runtime.js'
import {
  backendWith,
  bytesIn,
  hold,
  isHost,
  isReadable,
  leafOver,
  mayGo,
  placeOf,
  put,
  Stale,
  Stored,
} from './storage.js'

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

const stale = new Stale()

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
