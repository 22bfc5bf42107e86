/** What permutations, parts, padding and joining ask of the scheduler. Not here: the copies (lower/move.ts). */
import { stridesOf } from '../../base/index.js'
import type { Node } from '../../graph/index.js'
import { unitBytes, type Value } from '../kernel.js'
import { lowerConcatLanes, lowerCopy, lowerMove, type Move } from '../lower/move.js'
import { dimsOf } from '../lower/space.js'
import { inputOf } from './ledger.js'
import type { Compute, Scheduler } from './scheduler.js'

function move(s: Scheduler, node: Node, spec: Move): Value {
  const from = s.input(node, 0)
  const out = s.allocate(node)
  s.emit(lowerMove(s.lanes, node.op, spec, from, out))
  return out
}

const start = (shape: readonly number[], at: readonly number[]): number =>
  stridesOf(shape).reduce((sum, stride, i) => sum + stride * (at[i] ?? 0), 0)

/** Where a value's elements lie, from its first on. */
const straight = (x: Node): Move['to'] => ({ strides: stridesOf(dimsOf(x)), start: 0 })

export const permute: Compute<'permute'> = (s, node) => {
  const strides = stridesOf(dimsOf(inputOf(node, 0)))
  const dims = node.layout === 'lanes' ? node.attrs.dims.slice(1).map((dim) => dim - 1) : node.attrs.dims
  const from = { strides: dims.map((dim) => strides[dim] ?? 0), start: 0 }
  return move(s, node, { size: dimsOf(node), from, to: straight(node), fill: null })
}

export const slice: Compute<'slice'> = (s, node) => {
  const sizes = dimsOf(inputOf(node, 0))
  const from = { strides: stridesOf(sizes), start: start(sizes, node.attrs.starts) }
  return move(s, node, { size: dimsOf(node), from, to: straight(node), fill: null })
}

export const pad: Compute<'pad'> = (s, node) => {
  const [x, sizes] = [inputOf(node, 0), dimsOf(node)]
  const to = { strides: stridesOf(sizes), start: start(sizes, node.attrs.before) }
  return move(s, node, { size: dimsOf(x), from: straight(x), to, fill: node.attrs.value })
}

function concatLanes(s: Scheduler, node: Node): Value {
  const parts = node.inputs.map((part) => s.value(part))
  const out = s.allocate(node)
  s.emit(lowerConcatLanes(s.lanes, parts, out))
  return out
}

/** Each part is computed right where it belongs, if it has no place yet; else copied. */
export const concat: Compute<'concat'> = (s, node) => {
  if (node.layout === 'lanes') return concatLanes(s, node)
  const out = s.allocate(node)
  let end = out.offset
  // all before any is computed: the kernel of one may compute others too
  const parts = node.inputs.map((part) => {
    const offset = end
    end += unitBytes(part, s.lanes)
    return { part, offset, direct: out.alloc !== null && s.directTo(part, out.alloc, offset) }
  })
  for (const { part, offset, direct } of parts) {
    const value = s.value(part)
    if (!direct) s.emit(lowerCopy(s.lanes, value, s.newValue(part, out.alloc, { offset })))
  }
  return out
}
