/**
 * conv2d in groups of channels (depthwise: each its own) and with dilation, batch in lanes, and its gradients.
 * x [N, C, H, W] lanes (already padded), weight [O, C/G, kH, kW] plain → y [N, O, OH, OW] lanes.
 * Order of sums: bias, then the group's channels, kernel rows, kernel columns; weight gradient: positions in row-major
 * order for each picture, then pictures. All dense. Not here: conv2d without groups and dilation (conv.ts, sparse.ts).
 */
import { add, alu, float, loadSplat, loadVec, mul } from '../loop/build.js'
import type { Expr, Var } from '../loop/ir.js'
import { KernelBuilder, type ScheduledKernel, type Value } from '../kernel.js'
import { tiles, type Tail } from './conv.js'

type Local = { k: 'var'; v: Var }
type Pair = readonly [number, number]

export interface GroupConvJob {
  readonly x: Value
  readonly weight: Value
  readonly bias: Value | null
  readonly out: Value // [N, O, OH, OW]
  readonly stride: Pair
  readonly dilation: Pair
  readonly groups: number
  readonly tail: ((b: KernelBuilder) => Tail) | null
}

interface Geometry {
  readonly W: number
  readonly plane: number // H · W of x
  readonly channels: number // of x
  readonly outputs: number
  readonly groupChannels: number
  readonly groupOutputs: number
  readonly kernel: Pair
  readonly out: Pair
}

function geometryOf(x: Value, weight: Value, out: Value, groups: number): Geometry {
  const [, channels = 1, H = 1, W = 1] = x.shape
  const [outputs = 1, groupChannels = 1, kH = 1, kW = 1] = weight.shape
  const [, , OH = 1, OW = 1] = out.shape
  const sizes = { W, plane: H * W, channels, outputs, groupChannels, groupOutputs: outputs / groups }
  return { ...sizes, kernel: [kH, kW], out: [OH, OW] }
}

/** Sums in registers: output channels of a group × columns. */
interface Tile {
  readonly channels: number
  readonly columns: number
}

const pieces = (count: number, tile: number): number[] =>
  Array.from({ length: Math.ceil(count / tile) }, (_, i) => Math.min(tile, count - i * tile))

/** Multiply-adds of a kernel row over all tiles, with the loads that feed them. */
function costOf(g: Geometry, tile: Tile, stride: number): number {
  let cost = 0
  for (const channels of pieces(g.groupOutputs, tile.channels))
    for (const columns of pieces(g.out[1], tile.columns)) {
      const loads = channels * g.kernel[1] + (columns - 1) * Math.min(stride, g.kernel[1]) + g.kernel[1]
      cost += channels * columns * g.kernel[1] + 0.5 * loads + 2
    }
  return cost
}

function tileOf(g: Geometry, stride: number, accumulators: number): Tile {
  let best = { channels: 1, columns: 1 }
  for (let channels = 1; channels <= Math.min(4, g.groupOutputs); channels++)
    for (let columns = 1; columns <= Math.min(8, g.out[1]); columns++) {
      const tile = { channels, columns }
      const fits = channels * columns <= accumulators
      if (fits && costOf(g, tile, stride) < costOf(g, best, stride)) best = tile
    }
  return best
}

export function lowerGroupConv(lanes: number, job: GroupConvJob, accumulators: number): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const g = geometryOf(job.x, job.weight, job.out, job.groups)
  const tail = job.tail?.(b) ?? null
  const [OH, OW] = g.out
  const tile = tileOf(g, job.stride[1], accumulators)
  const [input, weights, result] = [b.buffer(job.x, 'read'), b.buffer(job.weight, 'read'), b.buffer(job.out, 'write')]
  b.forUnits((block) => {
    const x = b.pointer('xBlock', input, block, g.channels * g.plane * b.width)
    const outBlock = b.let('outBlock', mul(block, g.outputs * OH * OW * b.width))
    b.for('group', 0, job.groups, 1, (group) => {
      const from = b.pointer('from', x, group, g.groupChannels * g.plane * b.width)
      tiles(b, 'o', g.groupOutputs, tile.channels, (first, channels) => {
        const o = b.let('o', add(mul(group, g.groupOutputs), first))
        const w = b.pointer('w', weights, o, g.groupChannels * g.kernel[0] * g.kernel[1] * 4)
        const bias = job.bias && b.pointer('bias', b.buffer(job.bias, 'read'), o, 4)
        b.for('row', 0, OH, 1, (row) =>
          tiles(b, 'column', OW, tile.columns, (column, columns) => {
            const sums = startSums(b, bias, channels, columns)
            const place = b.let(
              'place',
              add(mul(row, job.stride[0] * g.W * b.width), mul(column, job.stride[1] * b.width)),
            )
            contract(b, g, job, sums, { x: b.let('x', add(from, place)), w: b.let('wAt', w), columns })
            const at = b.let('at', add(mul(o, OH * OW * b.width), add(mul(row, OW * b.width), mul(column, b.width))))
            const to = b.let('to', add(outBlock, at))
            const target = b.let('target', add(result, to))
            const finishes = Array.from({ length: channels }, (_, a) => tail?.(add(o, a)))
            sums.forEach((sum, i) => {
              const finish = finishes[Math.floor(i / columns)]
              const offset = (Math.floor(i / columns) * OH * OW + (i % columns)) * b.width
              b.store('vec', target, offset, finish ? finish(sum, b.let('where', add(to, offset))) : sum)
            })
          }),
        )
      })
    })
  })
  const flops = 2 * g.outputs * OH * OW * g.groupChannels * g.kernel[0] * g.kernel[1]
  return b.finish('groupConv2d', { pictures: lanes }, (n) => n * flops)
}

/** [channel][column]. */
function startSums(b: KernelBuilder, bias: Expr | null, channels: number, columns: number): Local[] {
  return Array.from({ length: channels * columns }, (_, i) =>
    b.let('acc', bias ? loadSplat(bias, Math.floor(i / columns) * 4) : float(0)),
  )
}

interface Window {
  readonly x: Local
  readonly w: Local
  readonly columns: number
}

/** Adds x · w over the group's channels and kernel rows; a row of taps is spelled out, each number of x read once. */
function contract(b: KernelBuilder, g: Geometry, job: GroupConvJob, sums: readonly Local[], window: Window): void {
  const { x, w } = window
  const [kH, kW] = g.kernel
  b.loop(g.groupChannels, () => {
    b.loop(kH, () => {
      rowOfTaps(b, g, job, sums, window)
      b.bump(x, job.dilation[0] * g.W * b.width)
      b.bump(w, kW * 4)
    })
    b.bump(x, (g.plane - kH * job.dilation[0] * g.W) * b.width)
  })
}

function rowOfTaps(b: KernelBuilder, g: Geometry, job: GroupConvJob, sums: readonly Local[], window: Window): void {
  const { x, w, columns } = window
  const kW = g.kernel[1]
  const channels = sums.length / columns
  const perOutput = g.groupChannels * g.kernel[0] * kW * 4
  const weights = Array.from({ length: channels * kW }, (_, i) =>
    b.let('s', loadSplat(w, Math.floor(i / kW) * perOutput + (i % kW) * 4)),
  )
  const meets = new Map<number, [column: number, tap: number][]>()
  for (let tap = 0; tap < kW; tap++)
    for (let column = 0; column < columns; column++) {
      const at = column * job.stride[1] + tap * job.dilation[1]
      meets.set(at, [...(meets.get(at) ?? []), [column, tap]])
    }
  for (const [at, pairs] of [...meets].sort(([p], [q]) => p - q)) {
    const v = b.let('v', loadVec(x, at * b.width))
    for (const [column, tap] of pairs)
      for (let a = 0; a < channels; a++) {
        const sum = sums[a * columns + column] as Local
        b.set(sum.v, alu('fma', v, weights[a * kW + tap] as Expr, sum))
      }
  }
}

export interface GroupGradJob {
  readonly g: Value
  readonly x: Value // padded
  readonly out: Value // [N, O, C/G, kH, kW]
  readonly stride: Pair
  readonly dilation: Pair
  readonly groups: number
}

/** (g [N, O, OH, OW], x) → the weight's gradient of each picture, in lanes. */
export function lowerGroupConvGradWeight(lanes: number, job: GroupGradJob, accumulators: number): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const [, outputs = 1, groupChannels = 1, kH = 1, kW = 1] = job.out.shape
  const weightLike = { ...job.out, shape: [outputs, groupChannels, kH, kW] }
  const g = geometryOf(job.x, weightLike, job.g, job.groups)
  const [OH, OW] = g.out
  // sums: outputs × taps of some kernel rows
  const rows = Math.max(1, Math.min(kH, Math.floor(accumulators / kW)))
  const most = Math.max(1, Math.min(4, g.groupOutputs, Math.floor(accumulators / (rows * kW))))
  const buffers = { g: b.buffer(job.g, 'read'), x: b.buffer(job.x, 'read'), out: b.buffer(job.out, 'write') }
  b.forUnits((block) => {
    const grad = b.pointer('gBlock', buffers.g, block, outputs * OH * OW * b.width)
    const x = b.pointer('xBlock', buffers.x, block, g.channels * g.plane * b.width)
    const out = b.pointer('outBlock', buffers.out, block, outputs * groupChannels * kH * kW * b.width)
    b.for('group', 0, job.groups, 1, (group) =>
      tiles(b, 'o', g.groupOutputs, most, (first, count) => {
        const o = b.let('o', add(mul(group, g.groupOutputs), first))
        const from = b.pointer('gFrom', grad, o, OH * OW * b.width)
        b.for('c', 0, groupChannels, 1, (c) => {
          const channel = b.let('channel', add(mul(group, groupChannels), c))
          const plane = b.pointer('plane', x, channel, g.plane * b.width)
          const to = b.let('to', add(out, mul(add(mul(o, groupChannels), c), kH * kW * b.width)))
          for (let row = 0; row < kH; row += rows)
            gradTaps(b, g, job, { from, plane, to, count, row, rows: Math.min(rows, kH - row) })
        })
      }),
    )
  })
  const flops = 2 * outputs * OH * OW * groupChannels * kH * kW
  return b.finish('groupConv2dGradWeight', { pictures: lanes }, (n) => n * flops)
}

interface GradTaps {
  readonly from: Expr
  readonly plane: Expr
  readonly to: Expr
  /** Output channels. */
  readonly count: number
  /** The first kernel row, and how many. */
  readonly row: number
  readonly rows: number
}

function gradTaps(b: KernelBuilder, g: Geometry, job: GroupGradJob, t: GradTaps): void {
  const [OH, OW] = g.out
  const [kH, kW] = g.kernel
  const taps = t.rows * kW
  const sums = Array.from({ length: t.count * taps }, () => b.let('acc', float(0)))
  const [grad, x] = [b.let('g', t.from), b.let('x', add(t.plane, t.row * job.dilation[0] * g.W * b.width))]
  b.loop(OH, () => {
    b.loop(OW, () => {
      const grads = Array.from({ length: t.count }, (_, a) => b.let('gAt', loadVec(grad, a * OH * OW * b.width)))
      for (let i = 0; i < taps; i++) {
        const at = Math.floor(i / kW) * job.dilation[0] * g.W + (i % kW) * job.dilation[1]
        const v = b.let('v', loadVec(x, at * b.width))
        grads.forEach((value, a) => {
          const sum = sums[a * taps + i] as Local
          b.set(sum.v, alu('fma', v, value, sum))
        })
      }
      b.bump(grad, b.width)
      b.bump(x, job.stride[1] * b.width)
    })
    b.bump(x, (job.stride[0] * g.W - OW * job.stride[1]) * b.width)
  })
  sums.forEach((sum, i) => {
    const [a, tap] = [Math.floor(i / taps), i % taps]
    b.store('vec', t.to, (a * g.groupChannels * kH * kW + t.row * kW + tap) * b.width, sum)
  })
}
