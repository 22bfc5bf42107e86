/** What permutations, parts, padding and joining ask of the scheduler. Not here: the copies (lower/move.ts). */
import type { Node } from '../../graph/index.js'
import { unitBytes, type Value } from '../kernel.js'
import { lowerConcatPictures, lowerCopy, lowerMove, type Move } from '../lower/move.js'
import { moves } from './moves.js'
import type { Compute, Scheduler } from './scheduler.js'

function move(s: Scheduler, node: Node, spec: Move): Value {
  const from = s.input(node, 0)
  const out = s.allocate(node)
  s.emit(lowerMove(s.lanes, node.op, spec, from, out))
  return out
}

export const permute: Compute<'permute'> = (s, node) => move(s, node, moves.permute(node))
export const slice: Compute<'slice'> = (s, node) => move(s, node, moves.slice(node))
export const pad: Compute<'pad'> = (s, node) => move(s, node, moves.pad(node))

function concatLanes(s: Scheduler, node: Node): Value {
  const parts = node.inputs.map((part) => s.value(part))
  const out = s.allocate(node)
  s.emit(lowerConcatPictures(s.lanes, parts, out))
  return out
}

/** Each part is computed right where it belongs, if it has no place yet; else copied. */
export const concat: Compute<'concat'> = (s, node) => {
  if (node.layout === 'batch') return concatLanes(s, node)
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
