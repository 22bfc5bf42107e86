/**
 * Copies within the plain layout (permute, slice, pad, concat) and random numbers. Elements are 4 bytes wide.
 * Not here: changes of layout (rows.ts).
 */
import { HASH_FACTOR_1, HASH_FACTOR_2, LenetError, sizeOf, type Shape } from '../../base/index.js'
import { add, alu, float, int, iota, loadInt, loadSplat, mul, splat } from '../loop/build.js'
import type { Expr } from '../loop/ir.js'
import { KernelBuilder, one, restOf, type ScheduledKernel, type Value } from '../kernel.js'
import { copyWords } from './map.js'
import { clear } from './sparse.js'
import { axesOf, nest, operand } from './space.js'

/** What is copied: a region of `size`, from and to with their own strides and starts, in elements. */
export interface Move {
  readonly size: Shape
  readonly from: { readonly strides: readonly number[]; readonly start: number }
  readonly to: { readonly strides: readonly number[]; readonly start: number }
  readonly zeroFirst: boolean
}

export function lowerMove(lanes: number, name: string, move: Move, source: Value, out: Value): ScheduledKernel {
  if (source.dtype === 'u8')
    throw new LenetError(`${name}: uint8 values cannot be moved about; cast them to float32 first`)
  const b = new KernelBuilder(lanes)
  const bytes = (side: Move['from']): number[] => side.strides.map((stride) => stride * 4)
  const from = operand(b, source, 'read', bytes(move.from), int(0))
  const to = operand(b, out, 'write', bytes(move.to), int(0))
  if (move.zeroFirst) clear(b, to.pointer, sizeOf(out.shape) * 4)
  b.bump(from.pointer, move.from.start * 4)
  b.bump(to.pointer, move.to.start * 4)
  const both = [from, to]
  nest(b, axesOf(move.size, [...move.size.keys()], both), both, () =>
    b.store('i32', to.pointer, 0, loadInt(from.pointer)),
  )
  return b.finish(name, one)
}

/** A straight copy of a whole plain value. */
export function lowerCopy(lanes: number, source: Value, out: Value): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  copyWords(b, b.buffer(source, 'read'), b.buffer(out, 'write'), sizeOf(source.shape) * 4)
  return b.finish('copy', one)
}

/** Uniform numbers of [0, 1) by logical position: base/hash32.ts in vectors. */
export function lowerRandom(lanes: number, key: Value, out: Value): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const keyAt = b.buffer(key, 'read')
  const keys = [b.let('key0', loadSplat(keyAt, 0, 'i32v')), b.let('key1', loadSplat(keyAt, 4, 'i32v'))] as const
  const lanesOut = out.layout === 'lanes'
  const rest = lanesOut ? restOf(out) : sizeOf(out.shape)
  const fill = (to: Expr, first: Expr, perLane: number, count: number, store: 'vec' | 'one'): void => {
    const at = b.let('at', to)
    const position = b.let('position', alu('iadd', splat(first), alu('imul', iota, splat(int(perLane)))))
    const step = lanesOut || store === 'one' ? 1 : lanes
    b.loop(count, () => {
      b.store(store, at, 0, uniform(b, position, keys))
      b.set(position.v, alu('iadd', position, splat(int(step))))
      b.bump(at, store === 'vec' ? b.width : 4)
    })
  }
  const start = b.buffer(out, 'write')
  if (lanesOut) {
    b.forUnits((block) => fill(add(start, mul(block, rest * b.width)), mul(block, lanes * rest), rest, rest, 'vec'))
    return b.finish('random', { pictures: lanes })
  }
  const whole = Math.floor(rest / lanes)
  fill(start, int(0), 1, whole, 'vec')
  fill(add(start, whole * b.width), int(whole * lanes), 0, rest - whole * lanes, 'one')
  return b.finish('random', one)
}

function uniform(b: KernelBuilder, position: Expr, [key0, key1]: readonly [Expr, Expr]): Expr {
  const mixed = b.let('h', mix(b, alu('iadd', position, key0)))
  const hash = mix(b, alu('ixor', mixed, key1))
  return alu('fmul', alu('itof', alu('ishru', hash, int(8))), float(2 ** -24))
}

function mix(b: KernelBuilder, value: Expr): Expr {
  const folded = (h: Expr, shift: number): Expr => {
    const named = b.let('h', h)
    return alu('ixor', named, alu('ishru', named, int(shift)))
  }
  const first = alu('imul', folded(value, 16), splat(int(HASH_FACTOR_1 | 0)))
  return folded(alu('imul', folded(first, 15), splat(int(HASH_FACTOR_2 | 0))), 15)
}
