/**
 * The cost model of the dense weight gradient: which register tile it gets on a target. A choice changes speed only.
 * Not here: the kernel (lower/convGradWeight.ts).
 */
import { fitsRegisters, type Registers } from './target.js'

/** Sums in registers: output channels × input channels × taps of a kernel row. */
export interface GradWeightTile {
  readonly outputs: number
  readonly inputs: number
  readonly taps: number
}

interface Shape {
  readonly outputs: number
  readonly inputs: number
  /** In a kernel row. */
  readonly taps: number
}

/** What a load costs of a multiply-add, and a turn of the loop. */
const [loadCost, turnCost] = [0.4, 1.5]

/** Measured: V8 holds nine sums for rows of three taps, though it spills as many of other shapes. */
const isHeld = (target: Registers, { outputs, inputs, taps }: GradWeightTile): boolean =>
  fitsRegisters(target, outputs * inputs * taps, outputs + 1) || (taps === 3 && outputs * inputs <= 3)

/** Multiply-adds of one position with what it takes to feed them. */
function costOf(shape: Shape, { outputs, inputs, taps }: GradWeightTile): number {
  const one = (count: number): number => count * inputs * taps + loadCost * (count + inputs * taps) + turnCost
  const whole = Math.floor(shape.outputs / outputs)
  const rest = shape.outputs - whole * outputs
  return Math.ceil(shape.inputs / inputs) * (whole * one(outputs) + (rest > 0 ? one(rest) : 0))
}

export function gradWeightTile(target: Registers, shape: Shape): GradWeightTile {
  const taps = Math.ceil(shape.taps / Math.ceil(shape.taps / target.accumulators))
  let best: GradWeightTile = { outputs: 1, inputs: 1, taps }
  for (let outputs = 1; outputs <= Math.min(8, shape.outputs); outputs++)
    for (let inputs = 1; inputs <= Math.min(8, shape.inputs); inputs++) {
      const tile = { outputs, inputs, taps }
      if (isHeld(target, tile) && costOf(shape, tile) < costOf(shape, best)) best = tile
    }
  return best
}
