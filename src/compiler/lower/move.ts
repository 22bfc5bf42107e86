/**
 * Copies within a layout (permute, slice, pad, concat), plain, lanes or rows, and random numbers. Elements are 4 bytes wide; of
 * plain u8 one, stored as a word whose other bytes the next elements overwrite: such copies run upwards, without gaps.
 * Not here: changes of layout (rows.ts).
 */
import { HASH_FACTOR_1, HASH_FACTOR_2, sizeOf, stridesOf, type Shape } from '../../base/index.js'
import { add, alu, float, int, iota, loadByte, loadInt, loadSplat, mul, splat } from '../loop/build.js'
import type { Expr } from '../loop/ir.js'
import { KernelBuilder, one, restOf, unitBytes, type ScheduledKernel, type Value } from '../kernel.js'
import { copyWords } from './map.js'
import { axesOf, dimsOf, loadAt, nest, operand } from './space.js'

/** What is copied: a region of `size`, from and to with their own strides and starts, in elements. Of batches: a picture's. */
export interface Move {
  readonly size: Shape
  readonly from: { readonly strides: readonly number[]; readonly start: number }
  readonly to: { readonly strides: readonly number[]; readonly start: number }
  /** What the result is filled with before. */
  readonly fill: number | null
}

export function lowerMove(lanes: number, name: string, move: Move, source: Value, out: Value): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const vector = source.layout === 'batch'
  const isBytes = source.dtype === 'u8' && !vector
  if (isBytes && move.fill !== null) throw new Error(`${name}: bytes cannot be put among others`)
  const width = vector ? b.width : isBytes ? 1 : 4
  const word = isBytes ? loadByte : loadInt
  const copy = (unit: Expr): void => {
    const bytes = (side: Move['from']): number[] => side.strides.map((stride) => stride * width)
    const from = operand(b, source, 'read', bytes(move.from), unit)
    const to = operand(b, out, 'write', bytes(move.to), unit)
    if (move.fill !== null) fill(b, to.pointer, sizeOf(dimsOf(out)) * width, constantOf(out, move.fill))
    b.bump(from.pointer, move.from.start * width)
    b.bump(to.pointer, move.to.start * width)
    const both = [from, to]
    nest(b, axesOf(move.size, [...move.size.keys()], both), both, () =>
      vector ? b.store('vec', to.pointer, 0, loadAt(from)) : b.store('i32', to.pointer, 0, word(from.pointer)),
    )
  }
  const isPlain = source.layout === 'plain'
  if (isPlain) copy(int(0))
  else b.forUnits(copy)
  return b.finish(name, isPlain ? one : { pictures: vector ? lanes : 1 })
}

const constantOf = ({ dtype }: Value, value: number): Expr =>
  dtype === 'f32' ? float(value) : splat(int(Math.trunc(value)))

/** Fills `bytes` (a multiple of 4) bytes. */
function fill(b: KernelBuilder, from: Expr, bytes: number, value: Expr): void {
  const at = b.let('fill', from)
  b.loop(Math.floor(bytes / b.width), () => {
    b.store('vec', at, 0, value)
    b.bump(at, b.width)
  })
  for (let offset = 0; offset < bytes % b.width; offset += 4) b.store('one', at, offset, value)
}

/** Lanes or rows [N, n] side by side: [N, Σ n]. */
export function lowerConcatPictures(lanes: number, parts: readonly Value[], out: Value): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  b.forUnits((unit) => {
    const to = b.pointer('to', b.buffer(out, 'write'), unit, unitBytes(out, lanes))
    for (const part of parts) {
      const bytes = unitBytes(part, lanes)
      copyWords(b, b.pointer('from', b.buffer(part, 'read'), unit, bytes), to, bytes)
      b.bump(to, bytes)
    }
  })
  return b.finish('concat', { pictures: out.layout === 'batch' ? lanes : 1 })
}

/** A straight copy of a whole plain value. */
export function lowerCopy(lanes: number, source: Value, out: Value): ScheduledKernel {
  if (source.dtype === 'u8') {
    const side = { strides: stridesOf(source.shape), start: 0 }
    return lowerMove(lanes, 'copy', { size: source.shape, from: side, to: side, fill: null }, source, out)
  }
  const b = new KernelBuilder(lanes)
  copyWords(b, b.buffer(source, 'read'), b.buffer(out, 'write'), sizeOf(source.shape) * 4)
  return b.finish('copy', one)
}

/** Uniform numbers of [0, 1) by logical position: base/hash32.ts in vectors. */
export function lowerRandom(lanes: number, key: Value, out: Value): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const keyAt = b.buffer(key, 'read')
  const keys = [b.let('key0', loadSplat(keyAt, 0, 'i32v')), b.let('key1', loadSplat(keyAt, 4, 'i32v'))] as const
  const lanesOut = out.layout === 'batch'
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
