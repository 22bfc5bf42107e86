/**
 * Changes of layout: plain or rows ↔ lanes, pictures with channels innermost ("row pictures") ↔ lanes, conv kernels as
 * rows. Square transposes in registers. Not here: copies within the plain layout (move.ts).
 */
import { sizeOf } from '../../base/index.js'
import { add, alu, float, int, loadInt, loadVec, mul, sub } from '../loop/build.js'
import type { Expr, Parts } from '../loop/ir.js'
import { KernelBuilder, partsOfPieces, restOf, type ScheduledKernel, type Value, vectorType } from '../kernel.js'
import type { Tail } from './conv.js'
import type { ImageRows, RowKernel } from './geometry.js'
import { clear, moveStrided } from './sparse.js'

/** Calls back for each run of those from … to − 1: one loop for those in step, the overlapping one with the last of them. */
function forRuns(
  b: KernelBuilder,
  count: number,
  [from, to]: readonly [Expr, Expr],
  body: (start: Expr) => void,
): void {
  const whole = Math.floor(count / b.lanes)
  b.for('run', from, to, 1, (run) => body(b.let('f', mul(run, b.lanes))))
  if (count > whole * b.lanes) b.if(alu('ieq', to, int(whole)), () => body(int(count - b.lanes)))
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
  const parts = partsOfPieces(Math.floor(features / lanes))
  b.forParts(parts, (block, from, to) => {
    const lanesAt = b.pointer('lanes', toLanes ? target : source, block, features * b.width)
    const rowsAt = b.pointer('rows', toLanes ? source : target, block, lanes * rowsBytes)
    forRuns(b, features, [from, to], (f) => {
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
  return b.finish(name, { pictures: lanes, parts })
}

/** The same, one element at a time: short pictures, bytes (to lanes alone). */
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

const times = (size: Expr | number, bytes: number): Expr | number =>
  typeof size === 'number' ? size * bytes : mul(size, bytes)

/** Rows of pixels that lie without a gap in row pictures and in lanes: of the picture, or all of it where no padding is beside. */
function runsOf({ size: [H, W], padding: [, pW] }: ImageRows): { count: number; pixels: number } {
  return pW > 0 ? { count: H, pixels: W } : { count: 1, pixels: H * W }
}

/** Vectors and pixels of a row picture begin together again after so many pixels. */
function periodOf({ pixelFloats }: ImageRows, lanes: number): number {
  let period = 1
  while ((period * pixelFloats) % lanes !== 0) period++
  return period
}

/** A block of pictures is cut between such pixels, where nothing is around it: a part must not clear what others write. */
function partsOfRun(attrs: ImageRows, lanes: number): Parts {
  const isBare = attrs.padding.every((size) => size === 0)
  return partsOfPieces(isBare ? Math.max(1, Math.floor(runsOf(attrs).pixels / periodOf(attrs, lanes))) : 1)
}

/** A number of a row picture's vector: the channel of a pixel, both counted from where the run has come to. */
interface Place {
  readonly pixel: number
  readonly channel: number
}

/**
 * Goes through the pieces from … to − 1 of a run of pixels in vectors of its row picture. Calls back with a vector's numbers
 * (some of them room behind a pixel's channels or, in the last vector, behind the run) and its first byte; `next` moves on by
 * so many pixels.
 */
function forVectors(
  b: KernelBuilder,
  attrs: ImageRows,
  [from, to]: readonly [Expr, Expr],
  body: (places: Place[], byte: number, pixels: number) => void,
  next: (pixels: Expr | number) => void,
): void {
  const { lanes } = b
  const { pixelFloats } = attrs
  const { pixels } = runsOf(attrs)
  const period = periodOf(attrs, lanes)
  const turns = Math.floor(pixels / period)
  const some = (count: number): void => {
    for (let f = 0; f < count * pixelFloats; f += lanes) {
      const places = Array.from({ length: lanes }, (_, k) => ({
        pixel: Math.floor((f + k) / pixelFloats),
        channel: (f + k) % pixelFloats,
      }))
      body(places, f * 4, count)
    }
    next(count)
  }
  const rest = (): void => some(pixels % period)
  if (partsOfRun(attrs, lanes).count === 1) {
    b.loop(turns, () => some(period))
    if (pixels % period > 0) rest()
    return
  }
  next(mul(from, period))
  b.loop(sub(to, from), () => some(period))
  if (pixels % period > 0) b.if(alu('ieq', to, int(turns)), rest)
}

/** lanes [N, C, H, W] → row pictures [H+2p][W+2p][pixelFloats]; what is in the room behind a pixel's channels has no meaning. */
export function lowerImageRows(lanes: number, attrs: ImageRows, x: Value, out: Value): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const { channels, pixelFloats } = attrs
  const [H, W] = attrs.size
  const [pH, pW] = attrs.padding
  const pictureBytes = attrs.pictureFloats * 4
  const pixelBytes = pixelFloats * 4
  const [source, target] = [b.buffer(x, 'read'), b.buffer(out, 'write')]
  const { count, pixels } = runsOf(attrs)
  const passesEnd = (pixels * pixelFloats) % lanes !== 0
  const parts = partsOfRun(attrs, lanes)
  b.forParts(parts, (block, first, end) => {
    const from = b.pointer('from', source, block, channels * H * W * b.width)
    const to = b.pointer('to', target, block, lanes * pictureBytes)
    if (pH + pW > 0) clear(b, to, lanes * pictureBytes)
    b.bump(to, (pH * (W + 2 * pW) + pW) * pixelBytes)
    const write = (places: Place[], byte: number, size: number): void => {
      const read = places.map(({ pixel, channel }) => {
        const plane = Math.min(channel, channels - 1) * H * W
        return loadVec(from, (plane + Math.min(pixel, size - 1)) * b.width)
      })
      b.transpose(read).forEach((value, lane) => b.store('vec', to, lane * pictureBytes + byte, value))
    }
    const next = (size: Expr | number): void => {
      b.bump(from, times(size, b.width))
      b.bump(to, times(size, pixelBytes))
    }
    b.loop(count, () => {
      forVectors(b, attrs, [first, end], write, next)
      // the last vector reached into padding that must be zero; what is zeroed of the next row is yet to come
      if (passesEnd && pH + pW > 0)
        for (let lane = 0; lane < lanes; lane++) b.store('vec', to, lane * pictureBytes, float(0))
      b.bump(to, 2 * pW * pixelBytes)
    })
  })
  return b.finish('imageRows', { pictures: lanes, parts })
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
  const finishAt = tail?.(b)
  const { channels } = attrs
  const [H, W] = attrs.size
  const [pH, pW] = attrs.padding
  const pictureBytes = attrs.pictureFloats * 4
  const pixelBytes = attrs.pixelFloats * 4
  const [source, target] = [b.buffer(rows, 'read'), b.buffer(out, 'write')]
  const { count } = runsOf(attrs)
  const parts = partsOfRun(attrs, lanes)
  b.forParts(parts, (block, first, end) => {
    const from = b.pointer('from', source, block, lanes * pictureBytes)
    const place = b.let('place', mul(block, channels * H * W * b.width))
    b.bump(from, (pH * (W + 2 * pW) + pW) * pixelBytes)
    const write = (places: Place[], byte: number, size: number): void => {
      const read = Array.from({ length: lanes }, (_, lane) => loadVec(from, lane * pictureBytes + byte))
      b.transpose(read).forEach((value, k) => {
        const { pixel, channel } = places[k] as Place
        if (channel >= channels || pixel >= size) return
        const offset = (channel * H * W + pixel) * b.width
        const result = finishAt ? finishAt(int(channel))(value, b.let('where', add(place, offset))) : value
        b.store('vec', add(target, place), offset, result)
      })
    }
    const next = (size: Expr | number): void => {
      b.bump(from, times(size, pixelBytes))
      b.bump(place, times(size, b.width))
    }
    b.loop(count, () => {
      forVectors(b, attrs, [first, end], write, next)
      b.bump(from, 2 * pW * pixelBytes)
    })
  })
  return b.finish('fromImageRows', { pictures: lanes, parts })
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

/** weight [O, C, kH, kW] → [C, O, kH, kW]. */
export function lowerSwapChannels(lanes: number, weight: Value, out: Value): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const [O = 1, C = 1, kH = 1, kW = 1] = weight.shape
  const kernelBytes = kH * kW * 4
  const [source, target] = [b.buffer(weight, 'read'), b.buffer(out, 'write')]
  b.forUnits((c) => {
    const from = b.pointer('from', source, c, kernelBytes)
    const to = b.pointer('to', target, c, O * kernelBytes)
    b.loop(O, () => {
      moveStrided(b, from, to, kH * kW, 4, 4)
      b.bump(from, C * kernelBytes)
      b.bump(to, kernelBytes)
    })
  })
  return b.finish('swapChannels', { count: C })
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
  const [planeBytes, outBytes] = [H * W * b.width, sizeOf(out.shape.slice(2)) * b.width]
  const [source, target] = [b.buffer(x, 'read'), b.buffer(out, 'write')]
  const parts = partsOfPieces(C)
  b.forParts(parts, (block, first, end) => {
    const plane = b.let('plane', add(mul(block, C), first))
    const from = b.pointer('from', source, plane, planeBytes)
    const to = b.pointer('to', target, plane, outBytes)
    b.loop(sub(end, first), () => {
      clear(b, to, outBytes)
      b.bump(to, (pH * wide + pW) * b.width)
      b.loop(H, () => {
        b.loop(W, () => {
          b.store('vec', to, 0, loadVec(from))
          b.bump(from, b.width)
          b.bump(to, b.width)
        })
        b.bump(to, 2 * pW * b.width)
      })
      b.bump(to, (pH * wide - pW) * b.width)
    })
  })
  return b.finish('padLanes', { pictures: lanes, parts })
}
