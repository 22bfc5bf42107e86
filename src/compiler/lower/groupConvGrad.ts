/**
 * The weight's gradient of conv2d in groups of channels (depthwise: each its own) and with dilation, batch in lanes.
 * (g [N, O, OH, OW] lanes, x [N, C, H, W] lanes) → the gradient of each picture [N, O, C/G, kH, kW] lanes.
 * Order of sums: positions in row-major order; over pictures: reduce.ts.
 * Not here: forward and the input's gradient (groupConv.ts), borders and strides (slide.ts).
 */
import { sizeOf } from '../../base/index.js'
import { add, alu, float, loadVec, mul } from '../loop/build.js'
import type { Expr } from '../loop/ir.js'
import { KernelBuilder, partsOfPieces, type ScheduledKernel, type Value } from '../kernel.js'
import { tiles } from './tiles.js'
import { stepsOf } from './groupConv.js'
import {
  byOffset,
  forPieces,
  isRow,
  leastOffset,
  leavesRows,
  type Line,
  type Local,
  type Phase,
  type Phases,
  type Piece,
  type Steps,
} from './slide.js'

export interface GroupGradJob {
  readonly g: Value
  readonly x: Value
  readonly out: Value // [N, O, C/G, kH, kW]
  readonly phases: readonly [Phases, Phases]
  readonly groups: number
}

/** Registers beside a kernel's usual sums. */
const besides = 6
/** More sums than this take another pass. */
const mostSums = 64

/** How the taps of output channels are summed: kernel rows in one pass, output channels and columns of g together. */
interface GradTile {
  readonly rows: number
  readonly channels: number
  readonly columns: number
}

/**
 * Registers hold the columns of g and a kernel row's sums; those of the other rows may wait in the stack: one pass with
 * 25 sums of a 5 × 5 kernel takes half the time of five passes, in WebAssembly too.
 */
function gradTile(targets: number, [kH, kW]: readonly [number, number], accumulators: number): GradTile {
  const room = accumulators + besides - 1
  const rows = Math.max(1, Math.min(kH, Math.floor(mostSums / kW)))
  const channels = Math.max(1, Math.min(4, targets, Math.floor(room / (kW + 4))))
  return { rows, channels, columns: channels * (rows * kW + 8) <= room ? 8 : 4 }
}

export function lowerGroupConvGradWeight(lanes: number, job: GroupGradJob, accumulators: number): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const [, outputs = 1, sources = 1, kH = 1, kW = 1] = job.out.shape
  const [, channels = 1, H = 1, W = 1] = job.x.shape
  const [, , OH = 1, OW = 1] = job.g.shape
  const targets = outputs / job.groups
  const tile = gradTile(targets, [kH, kW], accumulators)
  const [g, x] = [stepsOf(job.g, b.width), stepsOf(job.x, b.width)]
  const kernel = kH * kW * b.width
  const buffers = { g: b.buffer(job.g, 'read'), x: b.buffer(job.x, 'read'), out: b.buffer(job.out, 'write') }
  const line = { phases: job.phases[1], source: W, results: OW }
  const [phase] = job.phases[0] as readonly [Phase]
  const shared = { line, phase, size: { x: H, g: OH }, steps: { g, x, out: sources * kernel }, tile, kW }
  const parts = partsOfPieces(job.groups)
  b.forParts(parts, (block, begin, end) => {
    const grad = b.pointer('gBlock', buffers.g, block, outputs * g.plane)
    const pixels = b.pointer('xBlock', buffers.x, block, channels * x.plane)
    const out = b.pointer('outBlock', buffers.out, block, outputs * sources * kernel)
    b.for('group', begin, end, 1, (group) =>
      tiles(b, 'o', targets, tile.channels, (first, count) => {
        const o = b.let('o', add(mul(group, targets), first))
        const from = b.pointer('from', grad, o, g.plane)
        b.for('c', 0, sources, 1, (c) => {
          const plane = b.pointer('plane', pixels, b.let('channel', add(mul(group, sources), c)), x.plane)
          const to = b.let('to', add(out, mul(add(mul(o, sources), c), kernel)))
          for (let row = 0; row < kH; row += tile.rows)
            gradTaps(b, { ...shared, from, plane, to, count, row, rows: Math.min(tile.rows, kH - row) })
        })
      }),
    )
  })
  const flops = 2 * sizeOf(job.g.shape.slice(1)) * sources * kH * kW
  return b.finish('groupConv2dGradWeight', { pictures: lanes, parts }, (n) => n * flops)
}

interface GradTaps {
  readonly line: Line
  readonly phase: Phase
  /** Rows of x and g. */
  readonly size: { readonly x: number; readonly g: number }
  /** Bytes; out: from one output channel to the next. */
  readonly steps: { readonly g: Steps; readonly x: Steps; readonly out: number }
  readonly tile: GradTile
  readonly kW: number
  /** Where the output channels' gradients, the channel of x and the results begin. */
  readonly from: Expr
  readonly plane: Expr
  readonly to: Expr
  /** Output channels. */
  readonly count: number
  /** The first kernel row, and how many. */
  readonly row: number
  readonly rows: number
}

function gradTaps(b: KernelBuilder, t: GradTaps): void {
  const { phase, steps, kW } = t
  const taps = t.rows * kW
  const sums = Array.from({ length: t.count * taps }, () => b.let('acc', float(0)))
  b.for('row', 0, t.size.g, 1, (row) => {
    const first = b.let('y', add(mul(row, phase.step), phase.start + t.row * phase.apart))
    const inside = rowsInside(b, t, first)
    const x = b.let('xRow', add(t.plane, mul(first, steps.x.row)))
    const grad = b.let('gRow', add(t.from, mul(row, steps.g.row)))
    forPieces(b, t.line, t.tile.columns, (column, base, piece) => {
      if (piece.meetings.length === 0) return
      const at = b.let('g', add(grad, mul(column, steps.g.pixel)))
      const grads = Array.from({ length: t.count * piece.columns }, (_, i) => {
        const offset = Math.floor(i / piece.columns) * steps.g.plane + (i % piece.columns) * steps.g.pixel
        return b.let('gAt', loadVec(at, offset))
      })
      const pixels = b.let('x', add(x, mul(add(base, leastOffset(piece)), steps.x.pixel)))
      inside.forEach((isInside, k) => {
        const pixelRow = add(pixels, k * phase.apart * steps.x.row)
        const work = (): void => addRow(b, t, { sums, grads, piece, row: k }, b.let('xAt', pixelRow))
        if (isInside) b.if(isInside, work)
        else work()
      })
    })
  })
  sums.forEach((sum, i) => {
    const [a, tap] = [Math.floor(i / taps), i % taps]
    b.store('vec', t.to, a * steps.out + (t.row * kW + tap) * b.width, sum)
  })
}

/** For each kernel row: is its row of x there? null: always. */
function rowsInside(b: KernelBuilder, t: GradTaps, first: Expr): (Expr | null)[] {
  return Array.from({ length: t.rows }, (_, k) => {
    const start = t.phase.start + (t.row + k) * t.phase.apart
    if (!leavesRows({ ...t.phase, start, taps: 1 }, t.size.g, t.size.x)) return null
    return b.let('isRow', isRow(b.let('rowOfX', add(first, k * t.phase.apart)), t.size.x))
  })
}

interface RowOfGrads {
  /** [output channel][kernel row][kernel column] */
  readonly sums: readonly Local[]
  /** [output channel][column] */
  readonly grads: readonly Expr[]
  readonly piece: Piece
  /** Of the pass. */
  readonly row: number
}

/** Each pixel is read once for all that it meets. */
function addRow(b: KernelBuilder, t: GradTaps, { sums, grads, piece, row }: RowOfGrads, x: Expr): void {
  const least = leastOffset(piece)
  for (const [offset, met] of byOffset(piece)) {
    const v = b.let('v', loadVec(x, (offset - least) * t.steps.x.pixel))
    for (const { column, weight } of met)
      for (let a = 0; a < t.count; a++) {
        const sum = sums[(a * t.rows + row) * t.kW + weight] as Local
        b.set(sum.v, alu('fma', v, grads[a * piece.columns + column] as Expr, sum))
      }
  }
}
