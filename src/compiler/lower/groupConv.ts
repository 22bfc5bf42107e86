/**
 * conv2d in groups of channels (depthwise: each its own) and with dilation, batch in lanes, and its input's gradient.
 * x [N, C, H, W] lanes, weight [O, C/G, kH, kW] plain → y [N, O, OH, OW] lanes. Borders and strides: slide.ts.
 * Order of sums: bias, then the group's channels, kernel rows, kernel columns; the gradient: the group's output channels,
 * then rows and columns from the last to the first. All dense.
 * Not here: the weight's gradient (groupConvGrad.ts), conv2d without groups and dilation (conv.ts, sparse.ts).
 */
import { sizeOf } from '../../base/index.js'
import { add, float, loadSplat, mul } from '../loop/build.js'
import type { Expr } from '../loop/ir.js'
import { KernelBuilder, partsOfPieces, type ScheduledKernel, type Value } from '../kernel.js'
import type { Finish, Tail } from './conv.js'
import { tiles } from './tiles.js'
import {
  contract,
  forPieces,
  forRows,
  leavesRows,
  tileOf,
  type Line,
  type Local,
  type Phases,
  type Steps,
} from './slide.js'

export interface GroupConvJob {
  readonly name: string
  /** What is read: the input, or the gradient of the output. */
  readonly x: Value
  readonly weight: Value
  readonly bias: Value | null
  /** [N, channels, rows, columns] */
  readonly out: Value
  readonly phases: readonly [Phases, Phases]
  readonly groups: number
  /** The weight's second channels are those of the result. */
  readonly isGradient: boolean
  readonly tail: ((b: KernelBuilder) => Tail) | null
}

/** How planes of [N, C, H, W] lie in lanes. */
export function stepsOf({ shape }: Value, width: number): Steps {
  const [, , H = 1, W = 1] = shape
  return { plane: H * W * width, row: W * width, pixel: width }
}

/** Bytes from a weight [O, C/G, kH, kW] to that of the next channel of the source, of the result, and of the next group. */
function weightSteps({ weight, groups, isGradient }: GroupConvJob): { source: number; result: number; group: number } {
  const [outputs = 1, inputs = 1, kH = 1, kW = 1] = weight.shape
  const [near, far] = [kH * kW * 4, inputs * kH * kW * 4]
  const group = (outputs / groups) * far
  return isGradient ? { source: far, result: near, group } : { source: near, result: far, group }
}

export function lowerGroupConv(lanes: number, job: GroupConvJob, accumulators: number): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const [, channels = 1, , W = 1] = job.x.shape
  const [, results = 1, , columns = 1] = job.out.shape
  const [, groupChannels = 1, kH = 1, kW = 1] = job.weight.shape
  const targets = results / job.groups
  const line = { phases: job.phases[1], source: W, results: columns }
  const tile = tileOf(line, targets, accumulators)
  const work = { line, columns: tile.columns, result: b.buffer(job.out, 'write') }
  const tail = job.tail?.(b) ?? null
  const [from, to, weight] = [stepsOf(job.x, b.width), stepsOf(job.out, b.width), weightSteps(job)]
  const [input, weights] = [b.buffer(job.x, 'read'), b.buffer(job.weight, 'read')]
  const parts = partsOfPieces(job.groups)
  b.forParts(parts, (block, first, end) => {
    const x = b.pointer('xBlock', input, block, channels * from.plane)
    const outBlock = b.let('outBlock', mul(block, results * to.plane))
    b.for('group', first, end, 1, (group) =>
      tiles(b, 'o', targets, tile.channels, (first, count) => {
        const o = b.let('o', add(mul(group, targets), first))
        const bias = job.bias && b.pointer('bias', b.buffer(job.bias, 'read'), o, 4)
        const source = b.pointer('from', x, group, (channels / job.groups) * from.plane)
        const taps = b.let('w', add(weights, add(mul(group, weight.group), mul(first, weight.result))))
        const plane = b.let('plane', add(outBlock, mul(o, to.plane)))
        const finishes = Array.from({ length: count }, (_, a) => tail?.(add(o, a)))
        planes(b, job, { ...work, count, finishes, bias, source, taps, plane })
      }),
    )
  })
  const outputs = job.isGradient ? job.x : job.out
  const flops = 2 * sizeOf(outputs.shape.slice(1)) * groupChannels * kH * kW
  return b.finish(job.name, { pictures: lanes, parts }, (n) => n * flops)
}

/** Planes of results that are computed together. */
interface Planes {
  readonly line: Line
  /** Columns of results in a piece. */
  readonly columns: number
  readonly result: Expr
  /** Channels of the result, and what becomes of each one's values. */
  readonly count: number
  readonly finishes: readonly (Finish | undefined)[]
  /** Where the first one's bias, the group's source, the weights and (from `result`) the first plane lie. */
  readonly bias: Expr | null
  readonly source: Expr
  readonly taps: Expr
  readonly plane: Expr
}

function planes(b: KernelBuilder, job: GroupConvJob, p: Planes): void {
  const [, channels = 1, H = 1] = job.x.shape
  const [, , rows = 1] = job.out.shape
  const [, , , kW = 1] = job.weight.shape
  const [steps, to, weight] = [stepsOf(job.x, b.width), stepsOf(job.out, b.width), weightSteps(job)]
  const read = (w: Expr, a: number, column: number): Expr => loadSplat(w, a * weight.result + column * 4)
  const weights = { at: p.taps, row: kW * 4, channel: weight.source, read }
  const shared = { from: p.source, channels: channels / job.groups, steps, weights }
  forRows(b, job.phases[0], rows, (row, i, phase) => {
    const height = leavesRows(phase, Math.ceil(rows / job.phases[0].length), H) ? H : null
    forPieces(b, p.line, p.columns, (column, base, piece) => {
      const sums = startSums(b, p.bias, p.count, piece.columns)
      contract(b, { ...shared, piece, sums, rows: phase, i, base, height })
      const place = b.let('to', add(p.plane, add(mul(row, to.row), mul(column, to.pixel))))
      const target = b.let('target', add(p.result, place))
      sums.forEach((sum, k) => {
        const offset = Math.floor(k / piece.columns) * to.plane + (k % piece.columns) * to.pixel
        const finish = p.finishes[Math.floor(k / piece.columns)]
        b.store('vec', target, offset, finish ? finish(sum, b.let('where', add(place, offset))) : sum)
      })
    })
  })
}

/** [channel][column]. */
function startSums(b: KernelBuilder, bias: Expr | null, channels: number, columns: number): Local[] {
  return Array.from({ length: channels * columns }, (_, i) =>
    b.let('acc', bias ? loadSplat(bias, Math.floor(i / columns) * 4) : float(0)),
  )
}
