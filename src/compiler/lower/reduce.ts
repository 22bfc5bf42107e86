/**
 * Sums, maxima and their positions, with an elementwise producer computed on the way.
 * The order of a sum follows from shapes alone: positions in row-major order dealt to four partial sums along the
 * innermost reduced run, (s0 + s1) + (s2 + s3) at the end; over pictures by groups of 8 in order, groups in order.
 * Not here: which producer is fused (schedule/).
 */
import { normalizeDim, stridesOf } from '../../base/index.js'
import type { Node, NodeType } from '../../graph/index.js'
import { add, alu, float, int, loadSplat, mul, splat, floorDiv } from '../loop/build.js'
import type { Expr, Var } from '../loop/ir.js'
import { KernelBuilder, one, restOf, typeOfNode, type ScheduledKernel, type Value } from '../kernel.js'
import { emitNode } from './elementwise.js'
import { operandsOf } from './map.js'
import { sumsOverPictures } from './overPictures.js'
import { axesOf, dimsOf, loadAt, nest, operand, rewind, stridesIn, type Axis, type Operand } from './space.js'

type ReduceOp = 'sum' | 'amax' | 'argmax'
type Local = { k: 'var'; v: Var }

/** The dims (of the whole shape) that a reduction removes. */
export function reducedDims(node: Node<ReduceOp>): readonly number[] {
  const rank = node.inputs[0]?.shape.length ?? 0
  const dims = 'dim' in node.attrs ? [node.attrs.dim] : node.attrs.dims
  return dims.map((dim) => normalizeDim(dim, rank, node.op))
}

/**
 * Would the sum of an expression of these values go in the order of the sum of its result in memory? Not so where one of
 * them is broadcast along a part of what is one run in the result: then the result must be put into memory first.
 */
export function keepsOrder(lanes: number, node: Node<ReduceOp>, reads: Iterable<Value>): boolean {
  const source = node.inputs[0]
  if (!source) throw new Error(`${node.op} lacks an input`)
  const space = typeOfNode(source)
  const skip = space.layout === 'plain' ? 0 : 1
  const folded = reducedDims(node).map((dim) => dim - skip)
  const runs = (...values: NodeType[]): string => {
    const strides = values.map((value) => ({ strides: stridesIn(space, value, lanes) }))
    return axesOf(dimsOf(space), folded, strides)
      .map((axis) => axis.count)
      .join()
  }
  return node.op !== 'sum' || runs(...reads) === runs(space)
}

export function lowerReduce(
  lanes: number,
  node: Node<ReduceOp>,
  out: Value,
  valueOf: (node: Node) => Value | undefined,
): ScheduledKernel {
  const source = node.inputs[0]
  if (!source) throw new Error(`${node.op} lacks an input`)
  const space: NodeType = out.layout === 'rows' ? { ...typeOfNode(source), layout: 'rows' } : typeOfNode(source)
  const b = new KernelBuilder(lanes)
  const dims = dimsOf(space)
  const skip = space.layout === 'plain' ? 0 : 1
  const reduced = new Set(reducedDims(node).map((dim) => dim - skip))
  const order = [...dims.keys()]
  const kept = order.filter((dim) => !reduced.has(dim))
  const write = (unit: Expr): void => {
    const reads = [...operandsOf([source], valueOf)]
    const inputs = reads.map(([n, v]) => [n, operand(b, v, 'read', stridesIn(space, v, lanes), unit)] as const)
    const target = operand(b, out, 'write', outStrides(dims, kept, out, lanes), unit)
    const all = [...inputs.map(([, o]) => o), target]
    const keptAxes = axesOf(dims, kept, all)
    const foldAxes = axesOf(
      dims,
      order.filter((dim) => reduced.has(dim)),
      all,
    )
    const at = new Map(inputs)
    const value = (): Expr =>
      emitNode(b, source, (n) => (at.has(n) ? loadAt(at.get(n) as Operand) : undefined), new Map())
    nest(b, keptAxes, all, () => {
      const result = folds[node.op](b, foldAxes, all, value)
      rewind(b, foldAxes, all)
      b.store(target.vector ? 'vec' : 'one', target.pointer, 0, result)
    })
  }
  if (space.layout === 'plain') write(int(0))
  else b.forUnits(write)
  return b.finish(`${node.op}`, space.layout === 'plain' ? one : { pictures: space.layout === 'batch' ? lanes : 1 })
}

/** Byte strides of the result along the dims of the source; 0 along what is reduced. */
function outStrides(dims: readonly number[], kept: readonly number[], out: Value, lanes: number): number[] {
  const width = out.layout === 'batch' ? 4 * lanes : 4
  const own = stridesOf(kept.map((dim) => dims[dim] ?? 1))
  const strides = new Array<number>(dims.length).fill(0)
  kept.forEach((dim, i) => (strides[dim] = (own[i] ?? 0) * width))
  return strides
}

type Fold = (b: KernelBuilder, axes: readonly Axis[], all: readonly Operand[], value: () => Expr) => Expr

/** Runs `step` over all folded positions; the innermost run in turns of `ways`, `step` told which turn it is. */
function foldNest(
  b: KernelBuilder,
  axes: readonly Axis[],
  all: readonly Operand[],
  ways: number,
  step: (way: number) => void,
): void {
  const inner = axes.at(-1) ?? { count: 1, strides: all.map(() => 0) }
  const turn = (way: number): void => {
    step(way)
    all.forEach((o, i) => b.bump(o.pointer, inner.strides[i] ?? 0))
  }
  nest(b, axes.slice(0, -1), all, () => {
    b.loop(Math.floor(inner.count / ways), () => {
      for (let way = 0; way < ways; way++) turn(way)
    })
    for (let way = 0; way < inner.count % ways; way++) turn(way)
    if (axes.length > 1) all.forEach((o, i) => b.bump(o.pointer, -inner.count * (inner.strides[i] ?? 0)))
  })
}

const foldSum: Fold = (b, axes, all, value) => {
  const sums = [0, 1, 2, 3].map((i) => b.let(`sum${i}`, float(0)))
  foldNest(b, axes, all, sums.length, (way) => {
    const sum = sums[way] as Local
    b.set(sum.v, alu('fadd', sum, value()))
  })
  const [s0, s1, s2, s3] = sums as [Local, Local, Local, Local]
  return alu('fadd', alu('fadd', s0, s1), alu('fadd', s2, s3))
}

/** x is taken over the best so far: larger, or a NaN where there was none. */
const better = (x: Expr, best: Expr): Expr =>
  alu('ior', alu('flt', best, x), alu('iand', alu('fne', x, x), alu('feq', best, best)))

const foldMax: Fold = (b, axes, all, value) => {
  const best = b.let('best', float(-Infinity))
  foldNest(b, axes, all, 1, () => {
    const x = b.let('x', value())
    b.set(best.v, alu('fselect', better(x, best), x, best))
  })
  return best
}

const foldArgmax: Fold = (b, axes, all, value) => {
  const best = b.let('best', float(-Infinity))
  const where = b.let('where', splat(int(0)))
  const at = b.let('at', int(0))
  foldNest(b, axes, all, 1, () => {
    const x = b.let('x', value())
    const mask = b.let('mask', better(x, best))
    b.set(where.v, alu('iselect', mask, splat(at), where))
    b.set(best.v, alu('fselect', mask, x, best))
    b.set(at.v, add(at, 1))
  })
  return where
}

const folds: { readonly [K in ReduceOp]: Fold } = { sum: foldSum, amax: foldMax, argmax: foldArgmax }

/** The sum over pictures: lanes or rows [N, rest] → plain [rest]. */
export function lowerSumBatch(lanes: number, node: Node<'sum'>, source: Value, out: Value): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const rest = restOf(source)
  const from = b.buffer(source, 'read')
  const to = b.buffer(out, 'write')
  b.forUnits((i) => {
    const [total] = sumsOverPictures(b, rest, 1, (_, picture) => [loadSplat(add(from, placeIn(b, source, picture, i)))])
    b.store('one', add(to, mul(i, 4)), 0, total as Local)
  })
  return b.finish(`${node.op} over pictures`, { count: rest })
}

/** Where element i of a picture of lanes or rows lies. */
function placeIn(b: KernelBuilder, source: Value, picture: Expr, i: Expr): Expr {
  const rest = restOf(source)
  if (source.layout !== 'batch') return mul(add(mul(picture, rest), i), 4)
  const block = mul(floorDiv(picture, b.lanes), rest * b.width)
  return add(add(block, mul(alu('iand', picture, int(b.lanes - 1)), 4)), mul(i, b.width))
}
