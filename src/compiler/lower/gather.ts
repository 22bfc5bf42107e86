/**
 * gatherRows: rows of a table by a list of indices, laid into lanes: (table plain [R, …], index [N] i32) → lanes [N, …].
 * Bytes become numbers on the way and a fused elementwise tail (cast, normalise) is applied at once.
 * Indices are held inside the table (the loader gives right ones; a wrong one must not read outside memory).
 */
import { sizeOf } from '../../base/index.js'
import { add, alu, int, loadByte, loadInt, loadVec, mul, notNegative, sub } from '../loop/build.js'
import type { Expr } from '../loop/ir.js'
import { KernelBuilder, partsOfPieces, type ScheduledKernel, type Value, vectorType } from '../kernel.js'
import type { Finish, Tail } from './conv.js'

export function lowerGather(
  lanes: number,
  table: Value,
  index: Value,
  out: Value,
  tail: ((b: KernelBuilder) => Tail) | null,
): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const rest = sizeOf(table.shape.slice(1))
  const width = table.dtype === 'u8' ? 1 : 4
  const last = (table.shape[0] ?? 1) - 1
  const bytes = table.dtype === 'u8' && rest % 4 === 0
  const parts = partsOfPieces(bytes ? rest / 4 : 1)
  b.forParts(parts, (block, from, to) => {
    const indices = b.pointer('indices', b.buffer(index, 'read'), block, b.width)
    const rows = Array.from({ length: lanes }, (_, lane) => {
      const at = b.let('i', loadInt(indices, lane * 4))
      return b.pointer('row', b.buffer(table, 'read'), alu('imin', notNegative(at), int(last)), rest * width)
    })
    const place = b.let('place', mul(block, rest * b.width))
    const finish = tail?.(b)(int(0)) ?? null // it reads nothing by channel: what is one here is not known
    if (bytes) gatherBytes(b, rows, place, out, [from, to], finish)
    else gatherWords(b, rows, place, out, rest, table, finish)
  })
  return b.finish('gatherRows', { pictures: lanes, parts })
}

/** Four bytes of each picture at a time: of words from … to − 1. */
function gatherBytes(
  b: KernelBuilder,
  rows: Expr[],
  place: Expr,
  out: Value,
  [first, end]: readonly [Expr, Expr],
  finish: Finish | null,
): void {
  const to = b.buffer(out, 'write')
  const offset = b.let('offset', mul(first, 4))
  b.loop(sub(end, first), () => {
    const at = rows.map((row) => b.let('at', add(row, offset)))
    b.bytes4(at, 0).forEach((value, j) => {
      const target = b.let('target', add(place, add(mul(offset, b.width), j * b.width)))
      b.store('vec', add(to, target), 0, finish ? finish(value, target) : value)
    })
    b.bump(offset, 4)
  })
}

/** One element of one picture at a time; then the tail over whole vectors. */
function gatherWords(
  b: KernelBuilder,
  rows: Expr[],
  place: Expr,
  out: Value,
  rest: number,
  table: Value,
  finish: Finish | null,
): void {
  const width = table.dtype === 'u8' ? 1 : 4
  const type = vectorType(table.dtype)
  const to = b.let('to', add(b.buffer(out, 'both'), place))
  const offset = b.let('offset', int(0))
  b.loop(rest, () => {
    rows.forEach((row, lane) => {
      const at = add(row, offset)
      b.store('i32', to, lane * 4, width === 1 ? loadByte(at) : loadInt(at))
    })
    if (finish) {
      const value = loadVec(to, 0, type)
      b.store('vec', to, 0, finish(value, b.let('where', add(place, mul(floorTo(offset, width), b.width)))))
    }
    b.bump(to, b.width)
    b.bump(offset, width)
  })
}

const floorTo = (offset: Expr, width: number): Expr => (width === 1 ? offset : alu('ishru', offset, int(2)))
