/**
 * Pooling that is not fused into a conv, and the gradients of pools in dense form. [N, C, H, W] lanes.
 * Order: windows in row-major order, positions of a window in row-major order. Not here: the fused pool (conv.ts).
 */
import type { Window } from '../../graph/index.js'
import { add, alu, float, int, loadVec, mul, notNegative, splat, sub } from '../loop/build.js'
import type { Expr } from '../loop/ir.js'
import { KernelBuilder, partsOfPieces, restOf, type ScheduledKernel, type Value } from '../kernel.js'
import { clear } from './sparse.js'

interface Planes {
  readonly channels: number
  readonly size: readonly [number, number] // H, W: what is pooled
  readonly pooled: readonly [number, number]
}

function planes(big: Value, small: Value): Planes {
  const [, channels = 1, H = 1, W = 1] = big.shape
  const [, , PH = 1, PW = 1] = small.shape
  return { channels, size: [H, W], pooled: [PH, PW] }
}

/** Byte offsets of a window's result and of what is pooled within the block, and the rows and columns that it covers. */
interface WindowAt {
  readonly place: Expr
  readonly plane: Expr
  readonly y: readonly Expr[]
  readonly x: readonly Expr[]
}

/** Calls back for each window of channels from … to − 1; `before` those of a channel. */
function forWindows(
  b: KernelBuilder,
  p: Planes,
  w: Window,
  [from, to]: readonly [Expr, Expr],
  body: (window: WindowAt) => void,
  before: (plane: Expr) => void = () => {},
): void {
  const [H, W] = p.size
  const range = (at: Expr, axis: 0 | 1, size: number): Expr[] => {
    const start = b.let('start', sub(mul(at, w.stride[axis]), w.padding[axis]))
    return [b.let('from', notNegative(start)), b.let('to', alu('imin', add(start, w.kernelSize[axis]), int(size)))]
  }
  const place = b.let('place', mul(from, p.pooled[0] * p.pooled[1] * b.width))
  b.for('c', from, to, 1, (c) => {
    const plane = b.let('plane', mul(c, H * W * b.width))
    before(plane)
    b.for('py', 0, p.pooled[0], 1, (py) => {
      const y = range(py, 0, H)
      b.for('px', 0, p.pooled[1], 1, (px) => {
        body({ place, plane, y, x: range(px, 1, W) })
        b.bump(place, b.width)
      })
    })
  })
}

/** Calls back for each position of a window with its index y · W + x. */
function forPositions(
  b: KernelBuilder,
  width: number,
  y: readonly Expr[],
  x: readonly Expr[],
  body: (q: Expr) => void,
): void {
  const [y0, y1] = y as [Expr, Expr]
  const [x0, x1] = x as [Expr, Expr]
  b.for('y', y0, y1, 1, (row) => b.for('x', x0, x1, 1, (column) => body(b.let('q', add(mul(row, width), column)))))
}

/** Values, and positions where `index` is wanted. */
export function lowerMaxPool(
  lanes: number,
  w: Window,
  x: Value,
  out: Value | null,
  index: Value | null,
): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const small = out ?? index
  if (!small) throw new Error('maxPool2d without a result')
  const p = planes(x, small)
  const parts = partsOfPieces(p.channels)
  b.forParts(parts, (block, first, end) => {
    const from = b.pointer('from', b.buffer(x, 'read'), block, restOf(x) * b.width)
    const to = mul(block, restOf(small) * b.width)
    const outAt = out && b.let('out', add(b.buffer(out, 'write'), to))
    const indexAt = index && b.let('index', add(b.buffer(index, 'write'), to))
    forWindows(b, p, w, [first, end], ({ place, plane, y, x: columns }) => {
      const best = b.let('best', float(-Infinity))
      const first = add(mul(y[0] as Expr, p.size[1]), columns[0] as Expr)
      const at = b.let('at', splat(first))
      forPositions(b, p.size[1], y, columns, (q) => {
        const v = b.let('v', loadVec(add(add(from, plane), mul(q, b.width))))
        const better = alu('ior', alu('flt', best, v), alu('fne', v, v))
        const mask = b.let('mask', better)
        b.set(best.v, alu('fselect', mask, v, best))
        if (indexAt) b.set(at.v, alu('iselect', mask, splat(q), at))
      })
      if (outAt) b.store('vec', add(outAt, place), 0, best)
      if (indexAt) b.store('vec', add(indexAt, place), 0, at)
    })
  })
  return b.finish('maxPool2d', { pictures: lanes, parts })
}

export function lowerAvgPool(lanes: number, w: Window, x: Value, out: Value): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const p = planes(x, out)
  const scale = float(1 / (w.kernelSize[0] * w.kernelSize[1]))
  const parts = partsOfPieces(p.channels)
  b.forParts(parts, (block, first, end) => {
    const from = b.pointer('from', b.buffer(x, 'read'), block, restOf(x) * b.width)
    const to = b.pointer('to', b.buffer(out, 'write'), block, restOf(out) * b.width)
    forWindows(b, p, w, [first, end], ({ place, plane, y, x: columns }) => {
      const sum = b.let('sum', float(0))
      forPositions(b, p.size[1], y, columns, (q) =>
        b.set(sum.v, alu('fadd', sum, loadVec(add(add(from, plane), mul(q, b.width))))),
      )
      b.store('vec', add(to, place), 0, alu('fmul', sum, scale))
    })
  })
  return b.finish('avgPool2d', { pictures: lanes, parts })
}

/** Spreads g back over the windows: to the picked position (index), or evenly (no index). */
export function lowerPoolGrad(lanes: number, w: Window, index: Value | null, g: Value, out: Value): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const p = planes(out, g)
  const scale = float(1 / (w.kernelSize[0] * w.kernelSize[1]))
  const parts = partsOfPieces(p.channels)
  b.forParts(parts, (block, first, end) => {
    const to = b.pointer('to', b.buffer(out, 'both'), block, restOf(out) * b.width)
    const offset = b.let('offset', mul(block, restOf(g) * b.width))
    const zeros = (plane: Expr): void => clear(b, add(to, plane), p.size[0] * p.size[1] * b.width)
    const spread = ({ place, plane, y, x }: WindowAt): void => {
      const at = b.let('at', add(offset, place))
      const grad = loadVec(add(b.buffer(g, 'read'), at))
      const value = b.let('g', index ? grad : alu('fmul', grad, scale))
      const picked = index && b.let('picked', loadVec(add(b.buffer(index, 'read'), at), 0, 'i32v'))
      forPositions(b, p.size[1], y, x, (q) => {
        const target = b.let('target', add(add(to, plane), mul(q, b.width)))
        const part = picked ? alu('fselect', alu('ieq', picked, splat(q)), value, float(0)) : value
        b.store('vec', target, 0, alu('fadd', loadVec(target), part))
      })
    }
    forWindows(b, p, w, [first, end], spread, zeros)
  })
  return b.finish(index ? 'maxPool2dGrad' : 'avgPool2dGrad', { pictures: lanes, parts })
}
