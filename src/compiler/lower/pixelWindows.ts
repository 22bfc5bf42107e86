/**
 * What is done to pictures whose channels lie side by side besides sums of products: pools, zeros around them, means over
 * pixels, rows of a table. Orders of sums are those of pool.ts and reduce.ts.
 * Not here: convolutions (pixels.ts), elementwise operations (map.ts).
 */
import type { Window } from '../../graph/index.js'
import { add, alu, float, int, loadInt, loadVec, mul, sub } from '../loop/build.js'
import type { Expr, Var } from '../loop/ir.js'
import { KernelBuilder, valueBytes, type ScheduledKernel, type Value } from '../kernel.js'
import { copyWords } from './map.js'
import { forEach, forPictures, roundUp } from './pixelCut.js'
import { clear } from './sparse.js'

const max0 = (e: Expr): Expr => alu('iand', e, alu('ixor', alu('ishr', e, int(31)), int(-1)))

/** Max- or average pool of spread pictures. Order: positions of a window in row-major order. Parts: rows. */
export function lowerPixelPool(
  lanes: number,
  kind: 'max' | 'avg',
  w: Window,
  [x, out]: readonly [Value, Value],
  cut: boolean,
): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const [, C = 1, H = 1, W = 1] = x.shape
  const [, , PH = 1, PW = 1] = out.shape
  const [, rowStep = 0, columnStep = 0] = x.spread?.steps ?? []
  const [, outRow = 0] = out.spread?.steps ?? []
  const scale = float(1 / (w.kernelSize[0] * w.kernelSize[1]))
  const range = (at: Expr, axis: 0 | 1, size: number): [Expr, Expr] => {
    const start = b.let('from', sub(mul(at, w.stride[axis]), w.padding[axis]))
    return [b.let('first', max0(start)), b.let('end', alu('imin', add(start, w.kernelSize[axis]), int(size)))]
  }
  const units = forPictures(b, cut ? PH : null, (picture, part) => {
    const from = b.pointer('from', b.buffer(x, 'read'), picture, valueBytes(x, lanes))
    const picturesOut = b.pointer('out', b.buffer(out, 'write'), picture, valueBytes(out, lanes))
    forEach(b, PH, part, (py) => {
      const [y0, y1] = range(py, 0, H)
      const to = b.let('to', add(picturesOut, mul(py, outRow * 4)))
      b.for('px', 0, PW, 1, (px) => {
        const [x0, x1] = range(px, 1, W)
        b.for('c', 0, roundUp(C, lanes) * 4, b.width, (c) => {
          const best = b.let('best', float(kind === 'max' ? -Infinity : 0))
          b.for('y', y0, y1, 1, (y) =>
            b.for('x', x0, x1, 1, (column) => {
              const place = add(mul(y, rowStep * 4), mul(column, columnStep * 4))
              const v = b.let('v', loadVec(add(add(from, c), place)))
              if (kind === 'avg') return b.set(best.v, alu('fadd', best, v))
              const mask = b.let('mask', alu('ior', alu('flt', best, v), alu('fne', v, v)))
              b.set(best.v, alu('fselect', mask, v, best))
            }),
          )
          b.store('vec', add(to, c), 0, kind === 'avg' ? alu('fmul', best, scale) : best)
        })
        b.bump(to, roundUp(C, lanes) * 4)
      })
    })
  })
  return b.finish(`${kind}Pool2d`, units)
}

/** Zeros around pictures, row-major or spread (where pixels may come to lie further apart). Parts: rows of all planes. */
export function lowerPixelPad(
  lanes: number,
  [x, out]: readonly [Value, Value],
  [pH, pW]: readonly [number, number],
  cut: boolean,
): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const [, C = 1, H = 1, W = 1] = x.shape
  const [own, pixel] = [(x.spread?.steps[2] ?? 1) * 4, (out.spread?.steps[2] ?? 1) * 4]
  const planes = x.spread ? 1 : C
  const [row, wide] = [W * own, (W + 2 * pW) * pixel]
  const tall = H + 2 * pH
  const inside = (y: Expr): Expr => alu('ilt', int(-1), alu('ior', y, sub(int(H - 1), y)))
  const copyRow = (from: Expr, to: Expr): void => {
    if (own === pixel) return copyWords(b, from, to, row)
    const [read, write] = [b.let('pixel', from), b.let('copy', to)]
    b.loop(W, () => {
      copyWords(b, read, write, own)
      b.bump(read, own)
      b.bump(write, pixel)
    })
  }
  const units = forPictures(b, cut ? tall : null, (picture, part) => {
    const from = b.pointer('from', b.buffer(x, 'read'), picture, valueBytes(x, lanes))
    const to = b.pointer('to', b.buffer(out, 'write'), picture, valueBytes(out, lanes))
    forEach(b, tall, part, (y) => {
      const source = b.let('y', sub(y, pH))
      const [read, write] = [b.let('read', add(from, mul(source, row))), b.let('write', add(to, mul(y, wide)))]
      const full = (): void => {
        clear(b, write, pW * pixel)
        copyRow(read, add(write, pW * pixel))
        clear(b, add(write, (pW + W) * pixel), pW * pixel)
      }
      b.loop(planes, () => {
        if (pH === 0) full()
        else b.if(inside(source), full, () => clear(b, write, wide))
        b.bump(read, H * row)
        b.bump(write, tall * wide)
      })
    })
  })
  return b.finish('pad', units)
}

/** Partial sums that pixels are dealt to in turn: reduce.ts. */
const ways = 4

/** Σ of each channel's pixels: spread [N, C, …] → spread [N, C] (or [N, C, 1, …]). Parts: vectors of channels. */
export function lowerPixelSums(
  lanes: number,
  [x, out]: readonly [Value, Value],
  pixels: number,
  cut: boolean,
): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const [, C = 1] = x.shape
  const bytes = roundUp(C, lanes) * 4
  const vectors = bytes / b.width
  const units = forPictures(b, cut ? vectors : null, (picture, part) => {
    const from = b.pointer('from', b.buffer(x, 'read'), picture, valueBytes(x, lanes))
    const to = b.pointer('to', b.buffer(out, 'write'), picture, valueBytes(out, lanes))
    forEach(b, vectors, part, (vector) => {
      const at = b.let('at', add(from, mul(vector, b.width)))
      const sums = Array.from({ length: ways }, () => b.let('sum', float(0)))
      const turn = (size: number): void => {
        for (const [way, sum] of sums.slice(0, size).entries()) b.set(sum.v, alu('fadd', sum, loadVec(at, way * bytes)))
        b.bump(at, size * bytes)
      }
      b.loop(Math.floor(pixels / ways), () => turn(ways))
      if (pixels % ways > 0) turn(pixels % ways)
      const [s0, s1, s2, s3] = sums as [Local, Local, Local, Local]
      b.store('vec', add(to, mul(vector, b.width)), 0, alu('fadd', alu('fadd', s0, s1), alu('fadd', s2, s3)))
    })
  })
  return b.finish('sum', units)
}

type Local = { k: 'var'; v: Var }

/** Rows of a table by a list of indices, as they are: (table [R, …], index [N] i32) → rows [N, …]. Indices are held inside. */
export function lowerPixelGather(lanes: number, table: Value, index: Value, out: Value): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const bytes = valueBytes(out, lanes)
  const last = (table.shape[0] ?? 1) - 1
  b.forUnits((picture) => {
    const row = alu('imin', max0(b.let('i', loadInt(add(b.buffer(index, 'read'), mul(picture, 4))))), int(last))
    const from = b.pointer('from', b.buffer(table, 'read'), row, bytes)
    copyWords(b, from, b.pointer('to', b.buffer(out, 'write'), picture, bytes), bytes)
  })
  return b.finish('gatherRows', { pictures: 1 })
}

/** A number a channel, with room for whole vectors. */
export function lowerChannelCopy(lanes: number, from: Value, channels: number, out: Value): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  copyWords(b, b.buffer(from, 'read'), b.buffer(out, 'write'), channels * 4)
  return b.finish('copy', { count: 1 })
}
