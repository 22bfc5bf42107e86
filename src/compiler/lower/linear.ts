/**
 * linear and its gradients, and plain matrix products. Forward and input gradient have the batch in lanes and broadcast
 * weights; the weight gradient has input features in lanes and pictures in order.
 * Sum orders: forward: bias, then input features; input gradient: output features; weight gradient: pictures in order.
 */
import { add, alu, float, int, loadSplat, loadVec, mul, sub } from '../loop/build.js'
import type { Expr, Var } from '../loop/ir.js'
import { blocksOf, KernelBuilder, partsOfPieces, type ScheduledKernel, type Value } from '../kernel.js'
import type { LinearTile } from '../tile/choose.js'
import type { Plans } from '../tile/plans.js'
import type { Tail } from './conv.js'
import { cutsIn, tileAt } from './tiles.js'
import { quotient } from './divide.js'

type Local = { k: 'var'; v: Var }

/** One contraction y[N, R] = start + Σ_s x[N, S] · w, where w(r, s) lies at r · rBytes + s · sBytes. */
interface Contraction {
  readonly name: string
  readonly x: Value
  readonly weight: Value
  readonly bias: Value | null
  readonly out: Value
  readonly results: number // R
  readonly summed: number // S
  readonly rBytes: number
  readonly sBytes: number
  readonly tail: ((b: KernelBuilder) => Tail) | null
}

export function lowerLinear(
  lanes: number,
  [x, weight, bias, out]: readonly [Value, Value, Value | null, Value],
  plans: Plans,
  tail: Contraction['tail'],
): ScheduledKernel {
  const [results = 1, summed = 1] = weight.shape
  const strides = { rBytes: summed * 4, sBytes: 4 }
  return contract(
    lanes,
    { name: 'linear', x, weight, bias, out, results, summed, ...strides, tail },
    plans.linear(results, strides.rBytes),
  )
}

export function lowerLinearGradInput(
  lanes: number,
  [g, weight, out]: readonly [Value, Value, Value],
  plans: Plans,
  tail: Contraction['tail'],
): ScheduledKernel {
  const [summed = 1, results = 1] = weight.shape
  const strides = { rBytes: 4, sBytes: results * 4 }
  const job = { name: 'linearGradInput', x: g, weight, bias: null, out, results, summed, ...strides, tail }
  return contract(lanes, job, plans.linear(results, strides.rBytes))
}

/** Units are tiles of `blocks` blocks of pictures; the last tile may have fewer and goes block by block. */
function contract(lanes: number, job: Contraction, plan: LinearTile): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const finish = job.tail?.(b) ?? null
  const kernel = new ContractKernel(b, job, finish)
  const features = { count: job.results, tile: plan.features }
  const parts = partsOfPieces(cutsIn(features))
  b.forParts(parts, (tile, from, to) => {
    const block = b.let('block', mul(tile, plan.blocks))
    const end = add(block, plan.blocks)
    const some = (first: Expr, blocks: number): void => kernel.block(first, blocks, features, [from, to])
    b.if(
      alu('ilt', blocksOf(lanes), end),
      () => b.for('single', block, blocksOf(lanes), 1, (single) => some(single, 1)),
      () => some(block, plan.blocks),
    )
  })
  return b.finish(job.name, { pictures: lanes * plan.blocks, parts }, (n) => 2 * n * job.results * job.summed)
}

class ContractKernel {
  readonly #b: KernelBuilder
  readonly #job: Contraction
  readonly #tail: Tail | null

  constructor(b: KernelBuilder, job: Contraction, tail: Tail | null) {
    this.#b = b
    this.#job = job
    this.#tail = tail
  }

  /** Tiles from … to − 1 of the results of `blocks` blocks of pictures. */
  block(
    block: Expr,
    blocks: number,
    features: { readonly count: number; readonly tile: number },
    [from, to]: readonly [Expr, Expr],
  ): void {
    const b = this.#b
    const x = b.pointer('xBlock', b.buffer(this.#job.x, 'read'), block, this.#job.summed * b.width)
    const place = b.let('place', mul(block, this.#job.results * b.width))
    b.for('tile', from, to, 1, (i) => tileAt(b, i, features, (r, size) => this.#tile(x, place, r, size, blocks)))
  }

  #tile(xBlock: Expr, place: Expr, r: Expr, features: number, blocks: number): void {
    const { job, b } = { job: this.#job, b: this.#b }
    const bias = job.bias && b.let('bias', add(b.buffer(job.bias, 'read'), mul(r, 4)))
    const sums = Array.from({ length: features * blocks }, (_, i) =>
      b.let('acc', bias ? loadSplat(bias, Math.floor(i / blocks) * 4) : float(0)),
    )
    const x = b.let('x', xBlock)
    const w = b.let('w', add(b.buffer(job.weight, 'read'), mul(r, job.rBytes)))
    b.loop(job.summed, () => {
      const xs = Array.from({ length: blocks }, (_, k) => b.let('v', loadVec(x, k * job.summed * b.width)))
      for (let a = 0; a < features; a++) {
        const s = b.let('s', loadSplat(w, a * job.rBytes))
        xs.forEach((v, k) => {
          const sum = sums[a * blocks + k] as Local
          b.set(sum.v, alu('fma', v, s, sum))
        })
      }
      b.bump(x, b.width)
      b.bump(w, job.sBytes)
    })
    const at = b.let('at', add(place, mul(r, b.width)))
    const finishes = Array.from({ length: features }, (_, a) => this.#tail?.(add(r, a)))
    sums.forEach((sum, i) => {
      const finish = finishes[Math.floor(i / blocks)]
      const offset = ((i % blocks) * job.results + Math.floor(i / blocks)) * b.width
      const value = finish ? finish(sum, b.let('where', add(at, offset))) : sum
      b.store('vec', add(b.buffer(job.out, 'write'), at), offset, value)
    })
  }
}

/** (g rows [N, O], x rows [N, I]) → [O, I]. Input features in lanes; the last vectors overlap. */
export function lowerLinearGradWeight(lanes: number, g: Value, x: Value, out: Value, plans: Plans): ScheduledKernel {
  const [O = 1, I = 1] = out.shape
  const b = new KernelBuilder(lanes)
  const { features, vectors } = plans.linearGrad(O, I)
  const buffers = { g: b.buffer(g, 'read'), x: b.buffer(x, 'read'), out: b.buffer(out, 'write') }
  const tile = (o: Expr, i: Expr, rows: number, wide: number, type: 'vec' | 'one'): void => {
    const sums = Array.from({ length: rows * wide }, () => b.let('acc', float(0)))
    const gAt = b.let('g', add(buffers.g, mul(o, 4)))
    const xAt = b.let('x', add(buffers.x, mul(i, 4)))
    b.loop({ k: 'n' }, () => {
      const xs = Array.from({ length: wide }, (_, k) =>
        b.let('v', type === 'vec' ? loadVec(xAt, k * b.width) : loadSplat(xAt)),
      )
      for (let a = 0; a < rows; a++) {
        const s = b.let('s', loadSplat(gAt, a * 4))
        xs.forEach((v, k) => {
          const sum = sums[a * wide + k] as Local
          b.set(sum.v, alu('fma', v, s, sum))
        })
      }
      b.bump(gAt, O * 4)
      b.bump(xAt, I * 4)
    })
    const at = b.let('at', add(buffers.out, add(mul(o, I * 4), mul(i, 4))))
    sums.forEach((sum, k) => b.store(type, at, Math.floor(k / wide) * I * 4 + (k % wide) * b.width, sum))
  }
  const last = (o: Expr, rows: number): void => {
    if (I % lanes === 0) return
    if (I >= lanes) tile(o, int(I - lanes), rows, 1, 'vec')
    else b.for('i', 0, I, 1, (i) => tile(o, i, rows, 1, 'one'))
  }
  const across = { count: Math.floor(I / lanes), tile: vectors } // in vectors
  const [down, wide] = [{ count: O, tile: features }, Math.max(1, cutsIn(across))]
  const units = cutsIn(down) * wide
  b.forUnits((unit) => {
    const row = wide === 1 ? unit : b.let('row', quotient(b, unit, wide, units))
    const column = wide === 1 ? int(0) : b.let('column', sub(unit, mul(row, wide)))
    tileAt(b, row, down, (o, rows) => {
      if (across.count > 0) tileAt(b, column, across, (i, size) => tile(o, mul(i, lanes), rows, size, 'vec'))
      if (wide === 1) last(o, rows)
      else b.if(alu('ieq', column, int(wide - 1)), () => last(o, rows))
    })
  })
  return b.finish('linearGradWeight', { count: units }, (n) => 2 * n * O * I)
}

/** [B, m, k] × [B, k, n] → [B, m, n], plain. Columns in lanes, the rest one by one. */
export function lowerMatmul(lanes: number, x: Value, y: Value, out: Value): ScheduledKernel {
  const [B = 1, m = 1, n = 1] = out.shape
  const k = x.shape[2] ?? 1
  const b = new KernelBuilder(lanes)
  const buffers = { x: b.buffer(x, 'read'), y: b.buffer(y, 'read'), out: b.buffer(out, 'write') }
  const columns = (row: Expr, matrix: Expr, j: Expr, type: 'vec' | 'one'): void => {
    const sum = b.let('acc', float(0))
    const xAt = b.let('x', add(buffers.x, mul(row, k * 4)))
    const yAt = b.let('y', add(add(buffers.y, mul(matrix, k * n * 4)), mul(j, 4)))
    b.loop(k, () => {
      const value = type === 'vec' ? loadVec(yAt) : loadSplat(yAt)
      b.set(sum.v, alu('fma', loadSplat(xAt), value, sum))
      b.bump(xAt, 4)
      b.bump(yAt, n * 4)
    })
    b.store(type, add(buffers.out, add(mul(row, n * 4), mul(j, 4))), 0, sum)
  }
  b.forUnits((matrix) => {
    b.for('i', 0, m, 1, (i) => {
      const row = b.let('row', add(mul(matrix, m), i))
      const whole = Math.floor(n / lanes) * lanes
      b.for('j', 0, whole, lanes, (j) => columns(row, matrix, j, 'vec'))
      b.for('j', whole, n, 1, (j) => columns(row, matrix, j, 'one'))
    })
  })
  return b.finish('matmul', { count: B }, () => 2 * B * m * n * k)
}
