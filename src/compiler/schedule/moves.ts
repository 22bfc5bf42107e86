/**
 * Where the elements of permuted, cut and padded values come from and go to: of a whole plain value, or of a picture.
 * Not here: the copy itself (lower/move.ts), values side by side (compute.ts, fewTable.ts).
 */
import { stridesOf } from '../../base/index.js'
import type { Node } from '../../graph/index.js'
import type { Move } from '../lower/move.js'
import { dimsOf } from '../lower/space.js'
import { inputOf } from './ledger.js'

const start = (shape: readonly number[], at: readonly number[]): number =>
  stridesOf(shape).reduce((sum, stride, i) => sum + stride * (at[i] ?? 0), 0)

/** Where a value's elements lie, from its first on. */
const straight = (x: Node): Move['to'] => ({ strides: stridesOf(dimsOf(x)), start: 0 })

function permute(node: Node<'permute'>): Move {
  const strides = stridesOf(dimsOf(inputOf(node, 0)))
  const dims = node.layout === 'batch' ? node.attrs.dims.slice(1).map((dim) => dim - 1) : node.attrs.dims
  const from = { strides: dims.map((dim) => strides[dim] ?? 0), start: 0 }
  return { size: dimsOf(node), from, to: straight(node), fill: null }
}

function slice(node: Node<'slice'>): Move {
  const sizes = dimsOf(inputOf(node, 0))
  const from = { strides: stridesOf(sizes), start: start(sizes, node.attrs.starts) }
  return { size: dimsOf(node), from, to: straight(node), fill: null }
}

function pad(node: Node<'pad'>): Move {
  const [x, sizes] = [inputOf(node, 0), dimsOf(node)]
  const to = { strides: stridesOf(sizes), start: start(sizes, node.attrs.before) }
  return { size: dimsOf(x), from: straight(x), to, fill: node.attrs.value }
}

export const moves = { permute, slice, pad } as const
