/**
 * The weights of a conv by Winograd's F(2×2, 3×3), transformed once for all pictures.
 * Not here: the transform itself (winogradTile.ts), who reads them (winograd.ts).
 */
import { add, int, loadVec, mul } from '../loop/build.js'
import type { Expr } from '../loop/ir.js'
import { KernelBuilder, type ScheduledKernel, type Value } from '../kernel.js'
import { weightPoints } from './winogradTile.js'

const kernelBytes = 9 * 4

/**
 * weight [O, C, 3, 3] → U = G g Gᵀ, [16][O][C]. @param turned it lies as [C, O, 3, 3], each kernel turned round: so for the
 * input's gradient of the convolution that it is of.
 */
export function lowerWinogradWeights(lanes: number, weight: Value, out: Value, turned = false): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const [O = 1, C = 1] = weight.shape
  const [source, target] = [b.buffer(weight, 'read'), b.buffer(out, 'write')]
  const [perOutput, perInput] = turned ? [kernelBytes, O * kernelBytes] : [C * kernelBytes, kernelBytes]
  b.forUnits((o) => {
    const from = b.pointer('from', source, o, perOutput)
    const to = b.pointer('to', target, o, C * 4)
    const some = (c: Expr): void => {
      const lying = tapsOf(b, b.let('at', add(from, mul(c, perInput))), perInput)
      const taps = turned ? lying.toReversed() : lying
      const place = b.let('place', add(to, mul(c, 4)))
      weightPoints(b, taps).forEach((value, k) => b.store('vec', place, k * O * C * 4, value))
    }
    const whole = Math.floor(C / lanes) * lanes
    b.for('c', 0, whole, lanes, some)
    if (C > whole) some(int(C - lanes))
  })
  return b.finish('winogradWeights', { count: O })
}

/** The 9 taps of `lanes` kernels that lie so many bytes apart, a kernel a lane. */
function tapsOf(b: KernelBuilder, at: Expr, apart: number): Expr[] {
  const taps: Expr[] = []
  for (let first = 0; first < 9; first += b.lanes) {
    const from = Math.max(0, Math.min(first, 9 - b.lanes))
    const read = Array.from({ length: b.lanes }, (_, i) => loadVec(at, i * apart + from * 4))
    b.transpose(read).forEach((value, i) => (taps[from + i] = value))
  }
  return taps.slice(0, 9)
}
