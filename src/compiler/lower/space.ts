/**
 * Nested loops over the positions of a space with one moving pointer an operand: what maps, reductions and copies share.
 * Not here: what is done at a position.
 */
import type { NodeType } from '../../graph/index.js'
import { add, int, loadByte, loadSplat, loadVec, mul, splat } from '../loop/build.js'
import type { Access, Expr, Var } from '../loop/ir.js'
import { valueBytes, vectorType, type KernelBuilder, type Spread, type Value } from '../kernel.js'

/** A value that is read or written at every position of a space. */
export interface Operand {
  readonly value: Value
  readonly pointer: { k: 'var'; v: Var }
  /** Bytes from one position to the next along each axis. */
  readonly strides: readonly number[]
  /** Each lane has its own element (else one element for all lanes). */
  readonly vector: boolean
}

export interface Axis {
  readonly count: number
  readonly strides: readonly number[] // bytes, one an operand
}

/** The dims that loops run over: all, or all but the batch. */
export const dimsOf = (space: NodeType): readonly number[] =>
  space.layout === 'plain' ? space.shape : space.shape.slice(1)

/** Bytes between neighbours along each dim of `space`; 0 where `type` is broadcast. */
export function stridesIn(
  space: NodeType,
  type: NodeType & { readonly spread?: Spread | undefined },
  lanes: number,
): number[] {
  const dims = dimsOf(space)
  const own = dimsOf(type)
  const width = type.layout === 'lanes' ? 4 * lanes : type.dtype === 'u8' ? 1 : 4
  const strides = new Array<number>(dims.length).fill(0)
  let step = width
  for (let i = dims.length - 1, j = own.length - 1; i >= 0 && j >= 0; i--, j--) {
    const size = own[j] ?? 1
    if (size !== 1) strides[i] = type.spread ? (type.spread.steps[j] ?? 0) * 4 : step
    step *= size
  }
  return strides
}

/** A pointer to a value at the first position of unit `unit` (a block of pictures, a picture in rows; 0 for a plain space). */
export function operand(
  b: KernelBuilder,
  value: Value,
  access: Access,
  strides: readonly number[],
  unit: Expr,
): Operand {
  const vector = value.layout === 'lanes'
  const start = value.layout === 'plain' ? int(0) : mul(unit, valueBytes(value, b.lanes))
  const pointer = b.let('p', add(b.buffer(value, access), start))
  return { value, pointer, strides, vector }
}

/** Axes for the given dims in order, neighbours merged where every operand runs straight through. */
export function axesOf(
  dims: readonly number[],
  order: readonly number[],
  operands: readonly Pick<Operand, 'strides'>[],
): Axis[] {
  const axes: Axis[] = []
  for (const dim of order) {
    const count = dims[dim] ?? 1
    if (count === 1) continue
    const strides = operands.map((o) => o.strides[dim] ?? 0)
    const outer = axes.at(-1)
    const runs = outer && strides.every((s, i) => outer.strides[i] === s * count)
    if (runs) axes[axes.length - 1] = { count: outer.count * count, strides }
    else axes.push({ count, strides })
  }
  return axes
}

/**
 * Loops over the axes; the pointers move along and end where they would for one more position of an outer axis.
 * `before` writes in front of each loop, told the axes that are still to come. `turns`: of the outermost loop.
 */
export function nest(
  b: KernelBuilder,
  axes: readonly Axis[],
  operands: readonly Operand[],
  body: () => void,
  before: (axes: readonly Axis[]) => void = () => {},
  turns: Expr | number = axes[0]?.count ?? 1,
): void {
  const [axis, ...inner] = axes
  if (!axis) return body()
  before(axes)
  b.loop(turns, () => {
    nest(b, inner, operands, body, before)
    operands.forEach((o, i) => b.bump(o.pointer, (axis.strides[i] ?? 0) - advance(inner[0], i)))
  })
}

const advance = (axis: Axis | undefined, i: number): number => (axis ? axis.count * (axis.strides[i] ?? 0) : 0)

/** Puts the pointers back to where they were before `nest` ran over the axes. */
export function rewind(b: KernelBuilder, axes: readonly Axis[], operands: readonly Operand[]): void {
  operands.forEach((o, i) => b.bump(o.pointer, -advance(axes[0], i)))
}

/** The element(s) at an operand's pointer. `wide`: a plain operand that moves with the lanes is read as a vector. */
export function loadAt(o: Operand, wide = false): Expr {
  const { dtype, layout } = o.value
  if (dtype === 'u8' && layout !== 'lanes') return splat(loadByte(o.pointer))
  const type = vectorType(dtype)
  return o.vector || wide ? loadVec(o.pointer, 0, type) : loadSplat(o.pointer, 0, type)
}
