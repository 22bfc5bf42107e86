/** Moving values: shapes, order of dimensions, parts, matrix products in PyTorch's rules. Not here: arithmetic. */
import { broadcastShapes, LenetError, normalizeDim, sameShape, showShape, sizeOf } from '../base/index.js'
import type { Shape } from '../base/index.js'
import { batch, cast, toFloat, unbatch } from './composeElementwise.js'
import { make, makeTyped } from './infer.js'
import type { Layout, Node } from './node.js'

const typed = (op: 'reshape' | 'expand', x: Node, shape: Shape, layout: Layout): Node =>
  makeTyped(op, {}, [x], { shape, dtype: x.dtype, layout })

/** One −1 stands for what is left. */
function fullShape(x: Node, shape: Shape): Shape {
  const count = sizeOf(x.shape)
  const free = shape.indexOf(-1)
  const rest = sizeOf(shape.filter((_, i) => i !== free))
  const filled = free < 0 ? shape : shape.map((size, i) => (i === free ? count / rest : size))
  if (sizeOf(filled) !== count || !filled.every((size) => Number.isInteger(size) && size >= 0))
    throw new LenetError(`reshape: ${showShape(x.shape)} has ${count} values, which do not fill ${showShape(shape)}`)
  return filled
}

/** The same values in row-major order in another shape; one size may be −1. A batch stays one where dim 0 is kept. */
export function reshape(x: Node, shape: Shape): Node {
  if (sameShape(shape, x.shape)) return x
  const full = fullShape(x, shape)
  if (sameShape(full, x.shape)) return x
  if (x.layout === 'batch' && full[0] === x.shape[0]) return typed('reshape', x, full, 'batch')
  return typed('reshape', unbatch(x), full, 'plain')
}

/** Dimensions startDim … endDim become one (torch.flatten). */
export function flatten(x: Node, startDim = 0, endDim = -1): Node {
  const rank = x.shape.length
  if (rank === 0) return reshape(x, [1])
  const [start, end] = [normalizeDim(startDim, rank, 'flatten'), normalizeDim(endDim, rank, 'flatten')]
  if (end < start) throw new LenetError(`flatten: startDim ${startDim} comes after endDim ${endDim}`)
  const middle = sizeOf(x.shape.slice(start, end + 1))
  return reshape(x, [...x.shape.slice(0, start), middle, ...x.shape.slice(end + 1)])
}

/** Result dimension i is dimension dims[i] of x. */
export function permute(x: Node, dims: readonly number[]): Node {
  const order = dims.map((d) => normalizeDim(d, x.shape.length, 'permute'))
  if (order.length === x.shape.length && order.every((d, i) => d === i)) return x
  return make('permute', { dims: order }, [x.layout === 'batch' && order[0] === 0 ? x : unbatch(x)])
}

/** Two dimensions change places. */
export function transpose(x: Node, dim0: number, dim1: number): Node {
  const rank = x.shape.length
  const [a, b] = [normalizeDim(dim0, rank, 'transpose'), normalizeDim(dim1, rank, 'transpose')]
  return permute(
    x,
    x.shape.map((_, i) => (i === a ? b : i === b ? a : i)),
  )
}

/** Repeats dimensions of size 1, and new ones in front; −1 keeps a size (torch.Tensor.expand). */
export function expand(x: Node, shape: Shape): Node {
  const added = shape.length - x.shape.length
  const full = shape.map((size, i) => (size === -1 ? (x.shape[i - added] ?? -1) : size))
  const fits = x.shape.every((size, i) => size === 1 || size === full[i + added])
  if (added < 0 || !fits || full.some((size) => size < 0))
    throw new LenetError(`expand: ${showShape(x.shape)} cannot be expanded to ${showShape(shape)}`)
  if (sameShape(full, x.shape)) return x
  if (x.layout === 'batch' && added === 0 && full[0] === x.shape[0]) return typed('expand', x, full, 'batch')
  return typed('expand', unbatch(x), full, 'plain')
}

/** Broadcast to the shape and layout of `like`, which it must fit: plain values become the same for each picture. */
export function expandLike(x: Node, like: Pick<Node, 'shape' | 'layout'>): Node {
  if (x.layout === like.layout && sameShape(x.shape, like.shape)) return x
  return typed('expand', x, like.shape, like.layout)
}

const isZero = (size: number): boolean => size === 0

/** Values starts[i] … ends[i] − 1 of each dimension i. A batch stays one where dim 0 is kept. */
export function slice(x: Node, starts: readonly number[], ends: readonly number[]): Node {
  if (starts.every(isZero) && sameShape(ends, x.shape)) return x
  if (x.layout === 'batch' && starts[0] === 0 && ends[0] === x.shape[0])
    return make('slice', { starts: starts.slice(1), ends: ends.slice(1) }, [x])
  return make('slice', { starts, ends }, [unbatch(x)])
}

/** Elements start … end − 1 along one dimension. */
export function narrow(x: Node, dim: number, start: number, end: number): Node {
  const starts = x.shape.map((_, i) => (i === dim ? start : 0))
  return slice(
    x,
    starts,
    x.shape.map((size, i) => (i === dim ? end : size)),
  )
}

/** `value` before and after each dimension. A batch stays one where dim 0 is kept. */
export function pad(x: Node, before: readonly number[], after: readonly number[], value = 0): Node {
  if (before.length === x.shape.length && before.every(isZero) && after.every(isZero)) return x
  // bytes are written in one go, without gaps
  if (x.dtype === 'u8' && x.layout === 'plain') return cast(pad(cast(x, 'i32'), before, after, value), 'u8')
  if (x.layout === 'batch' && before[0] === 0 && after[0] === 0)
    return make('pad', { before: before.slice(1), after: after.slice(1), value }, [x])
  return make('pad', { before, after, value }, [unbatch(x)])
}

/** One after the other along `dim`; all other sizes agree (torch.cat). A batch stays one but along dim 0. */
export function concat(parts: readonly Node[], dim = 0): Node {
  const [first] = parts
  if (!first) throw new LenetError('concat: expects one tensor or more, got none')
  if (first.shape.length === 0) throw new LenetError('concat: expects tensors of 1 dimension or more, got a scalar')
  const along = normalizeDim(dim, first.shape.length, 'concat')
  const others = (x: Node): Shape => x.shape.map((size, i) => (i === along ? 1 : size))
  for (const x of parts)
    if (!sameShape(others(x), others(first)))
      throw new LenetError(
        `concat: ${showShape(x.shape)} and ${showShape(first.shape)} may differ in dimension ${along} only`,
      )
  const kept = along > 0 && parts.some(({ layout }) => layout === 'batch') ? 1 : 0
  return endToEnd(
    parts.map((x) => (kept === 1 ? batch(x) : unbatch(x))),
    along,
    kept,
  )
}

/** Puts dimension `along` behind the first `kept`, joins flat parts, and puts it back. */
function endToEnd(parts: readonly Node[], along: number, kept: 0 | 1): Node {
  const inFront = parts.map((x) => transpose(x, kept, along))
  const flat = make(
    'concat',
    {},
    inFront.map((x) => flatten(x, kept)),
  )
  const total = parts.reduce((sum, x) => sum + (x.shape[along] ?? 0), 0)
  const { shape = [] } = inFront[0] ?? {}
  return transpose(reshape(flat, [...shape.slice(0, kept), total, ...shape.slice(kept + 1)]), kept, along)
}

/** Row index[i] of the table for each i: (table [R, …], index [N]) → [N, …] as a batch. The table gets no gradient. */
export const gatherRows = (table: Node, index: Node): Node => make('gatherRows', {}, [unbatch(table), batch(index)])

/** torch.matmul: 1-D sides count as a row and a column, leading dimensions broadcast. */
export function matmul(left: Node, right: Node): Node {
  const [a, b] = [toFloat(left), toFloat(right)]
  checkProduct(a, b)
  // [N, k] × [k, n] of a batch: a linear layer with the transposed weight.
  if (a.layout === 'batch' && b.layout === 'plain' && a.shape.length === 2 && b.shape.length === 2)
    return make('linear', {}, [a, transpose(b, 0, 1)])
  const rows = a.shape.length === 1 ? reshape(unbatch(a), [1, ...a.shape]) : unbatch(a)
  const columns = b.shape.length === 1 ? reshape(unbatch(b), [...b.shape, 1]) : unbatch(b)
  const leading = broadcastShapes(rows.shape.slice(0, -2), columns.shape.slice(0, -2), 'matmul')
  const product = make('matmul', {}, [stack(rows, leading), stack(columns, leading)])
  const m = a.shape.length === 1 ? [] : product.shape.slice(1, 2)
  const n = b.shape.length === 1 ? [] : product.shape.slice(2, 3)
  return reshape(product, [...leading, ...m, ...n])
}

function checkProduct(a: Node, b: Node): void {
  const inner = b.shape.at(b.shape.length === 1 ? -1 : -2)
  if (a.shape.length === 0 || b.shape.length === 0 || a.shape.at(-1) !== inner)
    throw new LenetError(
      `matmul: the columns of ${showShape(a.shape)} must be as many as the rows of ${showShape(b.shape)}`,
    )
}

/** [leading…, r, c] → [B, r, c]. */
function stack(x: Node, leading: Shape): Node {
  const matrix = x.shape.slice(-2)
  return reshape(expand(x, [...leading, ...matrix]), [sizeOf(leading), ...matrix])
}
