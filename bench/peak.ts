/**
 * The machine's peak of multiply-adds with this device's vectors on one core, measured: independent chains in registers.
 * Not here: what nets reach of it (step.ts).
 */
import { Builder, alu, float, addr, type LoopKernel, type Expr } from '../src/compiler/index.js'
import { device } from '../src/tensor/index.js'

const chains = 8
const rounds = 2_000_000

function peakKernel(lanes: number): LoopKernel {
  const b = new Builder()
  const [lo, hi] = [b.local('i32', 'lo'), b.local('i32', 'hi')]
  const factor = b.let('factor', float(0.999))
  const sums = Array.from({ length: chains }, (_, i) => b.let('sum', float(i)))
  b.loop(rounds, () => sums.forEach((sum) => b.set(sum.v, alu('fma', sum, factor, factor))))
  const total = sums.reduce<Expr>((a, sum) => alu('fadd', a, sum), float(0))
  b.store('vec', addr(0), 0, total)
  return { name: 'peak', lanes, buffers: ['write'], units: { count: 1 }, lo, hi, body: b.body, flops: () => 0 }
}

/** GFLOP/s; the best of five. */
export function fmaPeak(): number {
  const { memory, targetFor, compile } = device()
  const { lanes } = targetFor(1)
  const table = memory.alloc(8)
  memory.i32(table, 2).set([1, memory.alloc(64)])
  const program = compile({ kernels: [peakKernel(lanes)], slots: [[1]], slotCount: 2, barriers: [false] })
  const seconds = Array.from({ length: 5 }, () => {
    const start = performance.now()
    program.run(table)
    return (performance.now() - start) / 1000
  })
  return (2 * chains * lanes * rounds) / Math.min(...seconds) / 1e9
}
