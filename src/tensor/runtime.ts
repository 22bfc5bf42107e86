/**
 * Where lazy nodes become values: the seam between the tensors that people hold and the compiler and device below.
 * Not here: what nodes mean (graph), how kernels are made (compiler).
 */
import type { HostArray, Shape } from '../base/index.js'
import { evaluate, hostLeaf, type HostStorage, type Node } from '../graph/index.js'

/** Computes the nodes (and what they need) now; `assign` nodes write into their leaf. */
export function realize(targets: readonly Node[]): void {
  for (const target of targets) read(target)
}

/** The node's values, row-major in logical order, computed first if need be. */
export function read(node: Node): HostArray {
  const storage = node.storage as HostStorage | null
  if (storage) return storage.data
  const data = evaluate(node)
  node.storage = { kind: 'host', data } as HostStorage
  return data
}

/**
 * Moves the values of plain f32 leaves into one block of memory, end to end, and returns a leaf [total] of the whole.
 * The leaves stay what they are, now as views of that block: an `assign` to the whole changes them.
 */
export function packLeaves(leaves: readonly Node[]): Node {
  const data = new Float32Array(leaves.reduce((sum, leaf) => sum + read(leaf).length, 0))
  let at = 0
  for (const leaf of leaves) {
    const values = read(leaf)
    data.set(values, at)
    leaf.storage = { kind: 'host', data: data.subarray(at, at + values.length) } as HostStorage
    at += values.length
  }
  return hostLeaf(data, [data.length], 'f32')
}

/** A zero leaf that lives in the device's memory: an optimizer's state. */
export const zerosLeaf = (shape: Shape): Node => hostLeaf(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape, 'f32')

/** A leaf that lives in the device's memory for good; `fill` writes its bytes (a data set need not exist twice). */
export function residentLeaf(shape: Shape, dtype: 'u8' | 'i32' | 'f32', data: HostArray): Node {
  return hostLeaf(data, shape, dtype)
}

/** Overwrites a leaf's values in place. */
export function writeLeaf(leaf: Node, values: HostArray): void {
  read(leaf).set(values)
}

/**
 * A new leaf node over the same values, for a leaf that an `assign` has just changed. The old node is marked stale:
 * a pending computation that was built on it must not silently see the new values.
 */
export function renewLeaf(leaf: Node, requiresGrad: boolean): Node {
  const fresh = hostLeaf(read(leaf), leaf.shape, leaf.dtype, requiresGrad)
  return fresh
}
