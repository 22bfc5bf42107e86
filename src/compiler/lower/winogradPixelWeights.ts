/**
 * The weights of a Winograd conv of one picture at a time, transformed: for each point a matrix of input by output channels.
 * Not here: what is done with them (winogradPixels.ts), the transform (winogradTile.ts), weights for pictures in lanes
 * (winogradWeights.ts).
 */
import { add, alu, int, loadInt, loadSplat, mul, sub } from '../loop/build.js'
import { KernelBuilder, type ScheduledKernel, type Value } from '../kernel.js'
import { partOf, pieces, roundUp } from './pixelCut.js'
import { clear } from './sparse.js'
import { points, weightPoints } from './winogradTile.js'

const kernelBytes = 9 * 4

/** Floats of the transformed weights, with the bias before them. */
export const winogradPixelWeights = (lanes: number, inputs: number, channels: number): number =>
  roundUp(channels, lanes) * (1 + points * inputs)

/** weight [O, C, 3, 3], bias [O] → the bias (or 0); then for each point and each tile of `tile` vectors U[c][o]. */
export function lowerWinogradPixelWeights(
  lanes: number,
  tile: number,
  [weight, bias]: readonly [Value, Value | null],
  out: Value,
): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const [O = 1, C = 1] = weight.shape
  const room = roundUp(O, lanes) * 4
  const [from, to, biases] = [b.buffer(weight, 'read'), b.buffer(out, 'write'), bias && b.buffer(bias, 'read')]
  const vectors = room / b.width
  pieces(b, vectors, tile, partOf(b), (first, size) => {
    const start = b.let('start', mul(first, lanes))
    const end = b.let('end', alu('imin', add(start, size * lanes), int(O)))
    const own = b.let('own', add(add(to, room), mul(start, C * 4)))
    clear(b, add(to, mul(start, 4)), size * b.width)
    for (let k = 0; k < points; k++) clear(b, add(own, k * C * room), C * size * b.width)
    b.for('o', start, end, 1, (o) => {
      if (biases) b.store('i32', add(to, mul(o, 4)), 0, loadInt(add(biases, mul(o, 4))))
      const w = b.let('w', add(from, mul(o, C * kernelBytes)))
      const u = b.let('u', add(own, mul(sub(o, start), 4)))
      b.loop(C, () => {
        const taps = Array.from({ length: 9 }, (_, i) => b.let('g', loadSplat(w, i * 4)))
        weightPoints(b, taps).forEach((value, k) => b.store('one', u, k * C * room, value))
        b.bump(w, kernelBytes)
        b.bump(u, size * b.width)
      })
    })
  })
  return b.finish('winogradWeights', { count: Math.ceil(vectors / tile) })
}
