/**
 * Depthwise convolutions of one picture at a time, its channels side by side: each tap is one multiply-add of vectors of
 * channels. Sums go in the order of groupConv.ts, so that the bits are its.
 * Not here: other convolutions of one picture (pixels.ts), how borders and strides are met (slide.ts).
 */
import { add, loadVec, mul } from '../loop/build.js'
import type { Expr } from '../loop/ir.js'
import { KernelBuilder, valueBytes, type ScheduledKernel, type Value } from '../kernel.js'
import { forEach, forPictures } from './pixelCut.js'
import type { PictureTail } from './pixels.js'
import { contract, forPieces, leavesRows, tileOf, type Pair, type Phase, type Phases, type Steps } from './slide.js'

export interface DepthwiseJob {
  /** [N, C, H, W] and [N, C, rows, columns], spread. */
  readonly x: Value
  readonly out: Value
  /** Laid by `lowerPixelWeights` in tiles of one vector: its bias, then its taps in row-major order. */
  readonly weights: Value
  readonly kernel: Pair
  /** Of a convolution: one in each direction. */
  readonly phases: readonly [Phases, Phases]
  readonly tail: PictureTail | null
  /** Threads share a picture's rows. */
  readonly cut: boolean
}

/** From a vector of channels to the next, from row to row and pixel to pixel. */
function stepsOf({ spread }: Value, width: number): Steps {
  const [, row = 0, pixel = 0] = spread?.steps ?? []
  return { plane: width, row: row * 4, pixel: pixel * 4 }
}

export function lowerDepthwisePixels(lanes: number, job: DepthwiseJob, accumulators: number): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const { x, out, phases } = job
  const [, channels = 1, H = 1, W = 1] = x.shape
  const [, , rows = 1, columns = 1] = out.shape
  const [kH, kW] = job.kernel
  const [from, to] = [stepsOf(x, b.width), stepsOf(out, b.width)]
  const line = { phases: phases[1], source: W, results: columns }
  const phase = phases[0][0] as Phase
  const height = leavesRows(phase, rows, H) ? H : null
  const tile = tileOf(line, 1, accumulators).columns
  const tailOf = job.tail?.(b) ?? null
  const laid = b.buffer(job.weights, 'read')
  const read = (w: Expr, _: number, column: number): Expr => loadVec(w, column * b.width)
  const units = forPictures(b, job.cut ? rows : null, (picture, part) => {
    const source = b.pointer('xPicture', b.buffer(x, 'read'), picture, valueBytes(x, lanes))
    const result = b.pointer('outPicture', b.buffer(out, 'write'), picture, valueBytes(out, lanes))
    const tail = tailOf?.(picture) ?? null
    // channels innermost: what a piece reads of a few rows is near when the next channels read it
    forEach(b, rows, part, (row) =>
      forPieces(b, line, tile, (column, base, piece) =>
        b.for('channel', 0, Math.ceil(channels / lanes) * b.width, b.width, (channel) => {
          const bias = b.let('bias', add(laid, mul(channel, kH * kW + 1)))
          const plane = { from: b.let('from', add(source, channel)), channels: 1, steps: from }
          const weights = { at: b.let('taps', add(bias, b.width)), row: kW * b.width, channel: 0, read }
          const sums = Array.from({ length: piece.columns }, () => b.let('acc', loadVec(bias)))
          contract(b, { ...plane, piece, sums, rows: phase, i: row, base, height, weights })
          const place = b.let('place', add(channel, add(mul(row, to.row), mul(column, to.pixel))))
          const at = b.let('at', add(result, place))
          sums.forEach((sum, k) => {
            const offset = k * to.pixel
            b.store('vec', at, offset, tail ? tail(b, sum, { channel, at: place, offset }) : sum)
          })
        }),
      ),
    )
  })
  const flops = 2 * channels * rows * columns * kH * kW
  return b.finish('depthwise', units, (n) => n * flops)
}
