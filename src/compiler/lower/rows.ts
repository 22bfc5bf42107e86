/**
 * Changes of layout: plain or rows ↔ lanes, pictures with channels innermost ("row pictures") ↔ lanes, conv kernels as
 * rows. Four by four transposes in registers. Not here: copies within the plain layout (move.ts).
 */
import { sizeOf } from '../../base/index.js'
import { add, alu, int, loadInt, loadVec, mul } from '../loop/build.js'
import type { Expr } from '../loop/ir.js'
import { KernelBuilder, restOf, type ScheduledKernel, type Value, vectorType } from '../kernel.js'
import type { Tail } from './conv.js'
import type { ImageRows, RowKernel } from './geometry.js'
import { clear, moveStrided } from './sparse.js'

/** Calls back for each run: one loop for those in step, the overlapping one after it. */
function forRuns(b: KernelBuilder, count: number, body: (start: Expr) => void): void {
  const whole = Math.floor(count / b.lanes) * b.lanes
  b.for('f', 0, whole, b.lanes, body)
  if (count > whole) body(int(count - b.lanes))
}

/** lanes [N, F] → rows or plain [N, F]; with `forward` false the other way. Elements are 4 bytes wide. */
export function lowerTransposeBatch(lanes: number, from: Value, to: Value, toLanes: boolean): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const features = restOf(from)
  const name = toLanes ? 'to lanes' : 'to rows'
  const [source, target] = [b.buffer(from, 'read'), b.buffer(to, 'write')]
  const rowsBytes = features * 4
  // a plain side has no room for the pictures that fill the last block
  const exact = from.layout === 'plain' || to.layout === 'plain'
  if (exact || features < lanes || from.dtype === 'u8') return byElement(b, name, features, from, to, toLanes)
  const type = vectorType(from.dtype)
  b.forUnits((block) => {
    const lanesAt = b.pointer('lanes', toLanes ? target : source, block, features * b.width)
    const rowsAt = b.pointer('rows', toLanes ? source : target, block, lanes * rowsBytes)
    forRuns(b, features, (f) => {
      const inLanes = b.let('inLanes', add(lanesAt, mul(f, b.width)))
      const inRows = b.let('inRows', add(rowsAt, mul(f, 4)))
      const steps = Array.from({ length: lanes }, (_, i) => i)
      const read = toLanes
        ? steps.map((i) => loadVec(inRows, i * rowsBytes, type))
        : steps.map((i) => loadVec(inLanes, i * b.width, type))
      b.transpose(read).forEach((value, i) =>
        toLanes ? b.store('vec', inLanes, i * b.width, value) : b.store('vec', inRows, i * rowsBytes, value),
      )
    })
  })
  return b.finish(name, { pictures: lanes })
}

/** The same, one element at a time: short pictures, bytes. */
function byElement(
  b: KernelBuilder,
  name: string,
  features: number,
  from: Value,
  to: Value,
  toLanes: boolean,
): ScheduledKernel {
  const { lanes } = b
  const bytes = from.dtype === 'u8' && from.layout !== 'lanes'
  const [source, target] = [b.buffer(from, 'read'), b.buffer(to, 'write')]
  b.forUnits((n) => {
    const block = mul(alu('ishru', n, int(Math.log2(lanes))), features * b.width)
    const inLanes = b.let('inLanes', add(add(toLanes ? target : source, block), mul(alu('iand', n, int(lanes - 1)), 4)))
    const inRows = b.let('inRows', add(toLanes ? source : target, mul(n, features * (bytes ? 1 : 4))))
    b.loop(features, () => {
      const [p, q] = toLanes ? [inRows, inLanes] : [inLanes, inRows]
      b.store('i32', q, 0, bytes ? { k: 'load', type: 'i32', mem: 'u8', at: p, offset: 0 } : loadInt(p))
      b.bump(inLanes, b.width)
      b.bump(inRows, bytes ? 1 : 4)
    })
  })
  return b.finish(name, { pictures: 1 })
}

/** lanes [N, C, H, W] → row pictures [H+2p][W+2p][C]. Each pixel writes whole vectors; the next pixel overwrites the excess. */
export function lowerImageRows(lanes: number, attrs: ImageRows, x: Value, out: Value): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const { channels } = attrs
  const [H, W] = attrs.size
  const [pH, pW] = attrs.padding
  const pictureBytes = attrs.pictureFloats * 4
  const pixelBytes = attrs.pixelFloats * 4
  const [source, target] = [b.buffer(x, 'read'), b.buffer(out, 'write')]
  b.forUnits((block) => {
    const from = b.pointer('from', source, block, channels * H * W * b.width)
    const to = b.pointer('to', target, block, lanes * pictureBytes)
    if (pH + pW > 0) clear(b, to, lanes * pictureBytes)
    b.bump(to, (pH * (W + 2 * pW) + pW) * pixelBytes)
    b.loop(H, () => {
      b.loop(W, () => {
        pixelToRows(b, from, to, channels, H * W * b.width, pictureBytes)
        b.bump(from, b.width)
        b.bump(to, pixelBytes)
      })
      if (pW > 0) blankAfter(b, to, lanes, pictureBytes)
      b.bump(to, 2 * pW * pixelBytes)
    })
    if (pW === 0 && pH > 0) blankAfter(b, to, lanes, pictureBytes)
  })
  return b.finish('imageRows', { pictures: lanes })
}

function pixelToRows(
  b: KernelBuilder,
  from: Expr,
  to: Expr,
  channels: number,
  planeBytes: number,
  pictureBytes: number,
): void {
  for (let c = 0; c < channels; c += b.lanes) {
    const read = Array.from({ length: b.lanes }, (_, k) => loadVec(from, Math.min(c + k, channels - 1) * planeBytes))
    b.transpose(read).forEach((value, lane) => b.store('vec', to, lane * pictureBytes + c * 4, value))
  }
}

/** The last pixel of a row wrote past it, into padding that must be zero. */
function blankAfter(b: KernelBuilder, to: Expr, lanes: number, pictureBytes: number): void {
  for (let lane = 0; lane < lanes; lane++)
    for (let k = 0; k < lanes - 1; k++) b.store('i32', to, lane * pictureBytes + k * 4, int(0))
}

/** Row pictures → lanes [N, C, H, W] without the padding, through a fused elementwise tail. */
export function lowerFromImageRows(
  lanes: number,
  attrs: ImageRows,
  rows: Value,
  out: Value,
  tail: ((b: KernelBuilder) => Tail) | null,
): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const finish = tail?.(b)
  const { channels } = attrs
  const [H, W] = attrs.size
  const [pH, pW] = attrs.padding
  const pictureBytes = attrs.pictureFloats * 4
  const pixelBytes = attrs.pixelFloats * 4
  const [source, target] = [b.buffer(rows, 'read'), b.buffer(out, 'write')]
  b.forUnits((block) => {
    const from = b.pointer('from', source, block, lanes * pictureBytes)
    const blockAt = b.let('blockAt', mul(block, channels * H * W * b.width))
    b.bump(from, (pH * (W + 2 * pW) + pW) * pixelBytes)
    const place = b.let('place', blockAt)
    b.loop(H, () => {
      b.loop(W, () => {
        for (let c = 0; c < channels; c += lanes) {
          const read = Array.from({ length: lanes }, (_, i) => loadVec(from, i * pictureBytes + c * 4))
          b.transpose(read).forEach((value, k) => {
            if (c + k >= channels) return
            const offset = (c + k) * H * W * b.width
            b.store(
              'vec',
              add(target, place),
              offset,
              finish ? finish(b, value, b.let('where', add(place, offset))) : value,
            )
          })
        }
        b.bump(from, pixelBytes)
        b.bump(place, b.width)
      })
      b.bump(from, 2 * pW * pixelBytes)
    })
  })
  return b.finish('fromImageRows', { pictures: lanes })
}

/** weight [O, C, kH, kW] → [O][kH][rowFloats] of (kx, c), zeros elsewhere. */
export function lowerKernelRows(lanes: number, attrs: RowKernel, weight: Value, out: Value): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const [O = 1, C = 1, kH = 1, kW = 1] = weight.shape
  const { pixelFloats } = attrs
  const rowBytes = attrs.rowFloats * 4
  const [source, target] = [b.buffer(weight, 'read'), b.buffer(out, 'write')]
  b.forUnits((o) => {
    const from = b.pointer('from', source, o, C * kH * kW * 4)
    const to = b.pointer('to', target, o, kH * rowBytes)
    clear(b, to, kH * rowBytes)
    b.loop(kH, () => {
      b.loop(kW, () => {
        moveStrided(b, from, to, C, kH * kW * 4, 4)
        b.bump(from, 4)
        b.bump(to, pixelFloats * 4)
      })
      b.bump(to, rowBytes - kW * pixelFloats * 4)
    })
  })
  return b.finish('kernelRows', { count: O })
}

/** lanes [N, C, H, W] → lanes [N, C, H+2pH, W+2pW], zeros around. */
export function lowerPadLanes(
  lanes: number,
  x: Value,
  padding: readonly [number, number],
  out: Value,
): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const [, C = 1, H = 1, W = 1] = x.shape
  const [pH, pW] = padding
  const wide = W + 2 * pW
  const outBytes = sizeOf(out.shape.slice(1)) * b.width
  const [source, target] = [b.buffer(x, 'read'), b.buffer(out, 'write')]
  b.forUnits((block) => {
    const from = b.pointer('from', source, block, C * H * W * b.width)
    const to = b.pointer('to', target, block, outBytes)
    clear(b, to, outBytes)
    b.bump(to, (pH * wide + pW) * b.width)
    b.loop(C, () => {
      b.loop(H, () => {
        b.loop(W, () => {
          b.store('vec', to, 0, loadVec(from))
          b.bump(from, b.width)
          b.bump(to, b.width)
        })
        b.bump(to, 2 * pW * b.width)
      })
      b.bump(to, 2 * pH * wide * b.width)
    })
  })
  return b.finish('padLanes', { pictures: lanes })
}
