/**
 * The backward of conv2d as a sparse contraction: behind relu and max-pool most of the output's gradient is zero, so its
 * non-zeros are listed once and each adds a whole kernel row of products. A skipped zero changes no finite sum.
 *
 * Layout of `nonZeros`, for each group of 8 pictures, O channels of P positions each:
 *   ends    i32 [O][8]: bytes of entries of channel o up to and with picture i of the group
 *   entries [O][8·P] of (i32 byte offset in the group's row pictures, f32 value)
 * Order of sums: weight: pictures of a group in order, positions in order; groups in order. input: channels, positions.
 * Not here: how pictures become rows (rows.ts).
 */
import { LenetError } from '../../base/index.js'
import { add, alu, float, int, loadInt, loadSplat, loadVec, mul, sub } from '../loop/build.js'
import type { Expr, Var } from '../loop/ir.js'
import { groupSize, groupsOf, KernelBuilder, restOf, type ScheduledKernel, type Value } from '../kernel.js'
import type { Positions, RowKernel } from './geometry.js'

type Local = { k: 'var'; v: Var }
const wordBytes = 4
const entryBytes = 8
const endsBytes = groupSize * wordBytes

/** i32 words for one group. */
export const nonZeroWords = (channels: number, positions: number): number => channels * groupSize * (1 + 2 * positions)

interface Lists {
  readonly channels: number
  readonly positions: number
  readonly groupBytes: number
}

const listsOf = (channels: number, positions: number): Lists => ({
  channels,
  positions,
  groupBytes: nonZeroWords(channels, positions) * wordBytes,
})

/** Pictures of the batch in group `group`: 8, or fewer in the last. */
const picturesIn = (b: KernelBuilder, group: Expr): Local =>
  b.let('pictures', alu('imin', sub({ k: 'n' }, mul(group, groupSize)), int(groupSize)))

/** q · factor >>> shift is q / divisor, rounded down; where not `exact` it may be one less. */
interface Divider {
  readonly factor: number
  readonly shift: number
  readonly exact: boolean
}

/** A multiplication and a shift that divide every q < limit by `divisor`; `exact` ones are checked for all of them. */
export function divider(divisor: number, limit: number): Divider {
  for (let shift = 8; shift < 31; shift++) {
    const factor = Math.ceil(2 ** shift / divisor)
    if (factor * limit >= 2 ** 31) break
    let exact = true
    for (let q = divisor - 1; q < limit && exact; q += divisor)
      exact = (q * factor) >>> shift === (q + 1) / divisor - 1 && ((q + 1) * factor) >>> shift === (q + 1) / divisor
    if (exact) return { factor, shift, exact }
  }
  // A factor rounded down is too small by less than 1, the quotient by less than limit / 2^shift.
  const shift = 32 - Math.ceil(Math.log2(limit / divisor))
  if (limit > 2 ** shift)
    throw new LenetError(`conv2d: a result of ${limit / divisor} × ${divisor} is too large to be pooled and trained`)
  return { factor: Math.floor(2 ** shift / divisor), shift, exact: false }
}

/** q / divisor rounded down, in the loop IR. */
function quotient(b: KernelBuilder, q: Expr, divisor: number, { factor, shift, exact }: Divider): Expr {
  const found = alu('ishru', mul(q, factor), int(shift))
  if (exact) return found
  const y = b.let('y', found)
  const rest = sub(q, mul(y, divisor))
  return add(add(y, 1), alu('ilt', rest, int(divisor)))
}

/** index: where each pooled gradient goes in the conv's output (null: `gradient` is of the conv's output itself). */
export function lowerNonZeros(
  lanes: number,
  attrs: Positions,
  gradient: Value,
  index: Value | null,
  out: Value,
): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const [, channels = 1, height = 1, width = 1] = gradient.shape
  const lists = listsOf(channels, height * width)
  const blockBytes = restOf(gradient) * b.width
  const buffers = {
    gradient: b.buffer(gradient, 'read'),
    index: index && b.buffer(index, 'read'),
    out: b.buffer(out, 'write'),
  }
  b.forUnits((group) => {
    const pictures = picturesIn(b, group)
    const start = b.pointer('start', buffers.out, group, lists.groupBytes)
    b.for('o', 0, channels, 1, (o) => {
      const ends = b.pointer('ends', start, o, endsBytes)
      const entriesAt = add(mul(o, groupSize * lists.positions * entryBytes), channels * endsBytes)
      const first = b.let('first', add(start, entriesAt))
      const entry = b.let('entry', first)
      b.for('i', 0, pictures, 1, (i) => {
        const picture = b.let('picture', add(mul(group, groupSize), i))
        const block = mul(alu('ishru', picture, int(Math.log2(lanes))), blockBytes)
        const lane = mul(alu('iand', picture, int(lanes - 1)), wordBytes)
        const at = b.let('at', add(add(block, lane), mul(o, lists.positions * b.width)))
        const base = b.let('base', mul(i, attrs.pictureFloats * wordBytes))
        listPicture(b, attrs, [height, width], buffers, at, base, entry)
        b.store('i32', add(ends, mul(i, wordBytes)), 0, sub(entry, first))
      })
    })
  })
  return b.finish('non-zeros', { pictures: groupSize })
}

/** Appends one picture's channel: stores every position, moves on only behind a non-zero. */
function listPicture(
  b: KernelBuilder,
  attrs: Positions,
  [height, width]: readonly [number, number],
  buffers: { gradient: Expr; index: Expr | null },
  at: Expr,
  base: Expr,
  entry: Local,
): void {
  const pixel = attrs.pixelFloats * wordBytes
  const [sy, sx] = attrs.stride
  const [outH, outW] = attrs.outSize
  const gradient = b.let('g', add(buffers.gradient, at))
  const write = (offset: Expr): void => {
    const bits = b.let('bits', loadInt(gradient))
    b.store('i32', entry, 0, offset)
    b.store('i32', entry, wordBytes, bits)
    const isZero = alu('ieq', alu('ishl', bits, int(1)), int(0))
    b.bump(entry, sub(int(entryBytes), alu('iand', isZero, int(entryBytes))))
    b.bump(gradient, b.width)
  }
  if (buffers.index) {
    const index = b.let('index', add(buffers.index, at))
    const by = divider(outW, outH * outW)
    b.loop(height * width, () => {
      const q = b.let('q', loadInt(index))
      const y = quotient(b, q, outW, by)
      write(add(base, add(mul(q, sx * pixel), mul(y, (sy * attrs.rowPixels - outW * sx) * pixel))))
      b.bump(index, b.width)
    })
    return
  }
  const offset = b.let('offset', base)
  b.loop(height, () => {
    b.loop(width, () => {
      write(offset)
      b.bump(offset, sx * pixel)
    })
    b.bump(offset, (sy * attrs.rowPixels - width * sx) * pixel)
  })
}

/** Cuts the vectors of a kernel (kH rows of rowFloats) into passes that fit in registers. */
function passesOf(attrs: RowKernel, lanes: number, most: number): { row: number; vector: number }[][] {
  const perRow = attrs.rowFloats / lanes
  const all = Array.from({ length: attrs.kernelSize[0] * perRow }, (_, i) => ({
    row: Math.floor(i / perRow),
    vector: i % perRow,
  }))
  const passes = Math.ceil(all.length / most)
  const size = Math.ceil(all.length / passes)
  return Array.from({ length: passes }, (_, i) => all.slice(i * size, (i + 1) * size)).filter((p) => p.length > 0)
}

/** (nonZeros, row pictures of x) → [group][O][kH][rowFloats]. */
export function lowerRowsGradWeight(
  lanes: number,
  attrs: RowKernel,
  lists: Value,
  x: Value,
  out: Value,
  most: number,
): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const channels = out.shape[1] ?? 1
  const { groupBytes, positions } = listsIn(lists, channels)
  const rowBytes = attrs.rowFloats * wordBytes
  const kernelBytes = attrs.kernelSize[0] * rowBytes
  const buffers = { lists: b.buffer(lists, 'read'), x: b.buffer(x, 'read'), out: b.buffer(out, 'write') }
  b.forUnits((group) => {
    const pictures = picturesIn(b, group)
    const start = b.pointer('start', buffers.lists, group, groupBytes)
    const rows = b.pointer('rows', buffers.x, group, groupSize * attrs.pictureFloats * wordBytes)
    const result = b.pointer('result', buffers.out, group, channels * kernelBytes)
    b.for('o', 0, channels, 1, (o) => {
      const ends = add(start, mul(o, endsBytes))
      const bytes = b.let('bytes', loadInt(add(ends, mul(sub(pictures, 1), wordBytes))))
      const count = b.let('count', alu('ishru', bytes, int(3)))
      const first = b.let('first', add(start, add(mul(o, groupSize * positions * entryBytes), channels * endsBytes)))
      for (const pass of passesOf(attrs, lanes, most)) {
        const sums = pass.map(() => b.let('acc', float(0)))
        forEntries(b, first, count, rows, (place, value) =>
          pass.forEach(({ row, vector }, i) => {
            const sum = sums[i] as Local
            b.set(
              sum.v,
              alu('fma', loadVec(place, (row * attrs.rowPixels * attrs.pixelFloats + vector * lanes) * 4), value, sum),
            )
          }),
        )
        pass.forEach(({ row, vector }, i) =>
          b.store('vec', result, row * rowBytes + vector * b.width, sums[i] as Local),
        )
      }
      b.bump(result, kernelBytes)
    })
  })
  return b.finish('conv2dGradWeight', { pictures: groupSize }, denseFlops(attrs, channels, positions))
}

function listsIn(lists: Value, channels: number): Lists {
  const positions = ((lists.shape[1] ?? 0) / (channels * groupSize) - 1) / 2
  return listsOf(channels, positions)
}

const denseFlops = (attrs: RowKernel, channels: number, positions: number) => (n: number) =>
  2 * n * channels * positions * attrs.channels * attrs.kernelSize[0] * attrs.kernelSize[1]

/** Runs over `count` list entries: where in the row pictures, and the value in all lanes. */
function forEntries(
  b: KernelBuilder,
  first: Expr,
  count: Expr,
  rows: Expr,
  body: (place: Expr, value: Expr) => void,
): void {
  const entry = b.let('entry', first)
  b.loop(count, () => {
    const place = b.let('place', add(rows, loadInt(entry)))
    body(place, b.let('value', loadSplat(entry, wordBytes)))
    b.bump(entry, entryBytes)
  })
}

/** (nonZeros, kernelRows of the weight) → row pictures [N, pictureFloats]. */
export function lowerRowsGradInput(
  lanes: number,
  attrs: RowKernel,
  lists: Value,
  weight: Value,
  out: Value,
  most: number,
): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const channels = weight.shape[0] ?? 1
  const { groupBytes, positions } = listsIn(lists, channels)
  const rowBytes = attrs.rowFloats * wordBytes
  const pictureBytes = attrs.pictureFloats * wordBytes
  const buffers = { lists: b.buffer(lists, 'read'), weight: b.buffer(weight, 'read'), out: b.buffer(out, 'both') }
  b.forUnits((group) => {
    const pictures = picturesIn(b, group)
    const start = b.pointer('start', buffers.lists, group, groupBytes)
    const rows = b.pointer('rows', buffers.out, group, groupSize * pictureBytes)
    const picture = b.let('picture', rows)
    b.for('i', 0, pictures, 1, (i) => {
      clear(b, picture, pictureBytes)
      b.bump(picture, pictureBytes)
      const w = b.let('w', buffers.weight)
      const ends = b.let('ends', add(start, mul(i, wordBytes)))
      const channel = b.let('channel', add(start, channels * endsBytes))
      const isFirst = b.let('isFirst', alu('ieq', i, int(0)))
      b.loop(channels, () => {
        // the entry before this picture's in `ends` is another channel's when i = 0: then the list begins here
        const from = b.let('from', int(0))
        b.if(alu('ieq', isFirst, int(0)), () => b.set(from.v, loadInt(sub(ends, wordBytes))))
        const count = b.let('count', alu('ishru', sub(loadInt(ends), from), int(3)))
        const first = b.let('first', add(channel, from))
        for (const pass of passesOf(attrs, lanes, most))
          scatterPass(b, attrs, pass, { w, first, count, rows, rowBytes })
        b.bump(w, attrs.kernelSize[0] * rowBytes)
        b.bump(ends, endsBytes)
        b.bump(channel, groupSize * positions * entryBytes)
      })
    })
  })
  return b.finish('conv2dGradInput', { pictures: groupSize }, denseFlops(attrs, channels, positions))
}

interface Scatter {
  readonly w: Expr
  readonly first: Expr
  readonly count: Expr
  readonly rows: Expr
  readonly rowBytes: number
}

function scatterPass(
  b: KernelBuilder,
  attrs: RowKernel,
  pass: readonly { row: number; vector: number }[],
  s: Scatter,
): void {
  const weights = pass.map(({ row, vector }) => b.let('w', loadVec(s.w, row * s.rowBytes + vector * b.width)))
  forEntries(b, s.first, s.count, s.rows, (place, value) =>
    pass.forEach(({ row, vector }, i) => {
      const offset = row * attrs.rowPixels * attrs.pixelFloats * wordBytes + vector * b.width
      b.store('vec', place, offset, alu('fma', weights[i] as Local, value, loadVec(place, offset)))
    }),
  )
}

/** Zeroes `bytes` (a multiple of 4) bytes. */
export function clear(b: KernelBuilder, from: Expr, bytes: number): void {
  const at = b.let('clear', from)
  b.loop(Math.floor(bytes / b.width), () => {
    b.store('vec', at, 0, float(0))
    b.bump(at, b.width)
  })
  for (let offset = 0; offset < bytes % b.width; offset += wordBytes) b.store('i32', at, offset, int(0))
}

/** [group][O][kH][rowFloats] → [O, C, kH, kW]: groups added in order (in place, into the first), then put in order. */
export function lowerSumGroups(lanes: number, attrs: RowKernel, groups: Value, out: Value): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const [kH, kW] = attrs.kernelSize
  const channels = groups.shape[1] ?? 1
  const rowBytes = attrs.rowFloats * wordBytes
  const groupBytes = channels * kH * rowBytes
  const buffers = { groups: b.buffer(groups, 'both'), out: b.buffer(out, 'write') }
  b.forUnits((o) => {
    const row = b.pointer('row', buffers.groups, o, kH * rowBytes)
    const at = b.let('at', row)
    b.loop(kH * (attrs.rowFloats / lanes), () => {
      const sum = b.let('sum', loadVec(at))
      const part = b.let('part', at)
      b.loop(sub(groupsOf, 1), () => {
        b.bump(part, groupBytes)
        b.set(sum.v, alu('fadd', sum, loadVec(part)))
      })
      b.store('vec', at, 0, sum)
      b.bump(at, b.width)
    })
    const to = b.pointer('to', buffers.out, o, attrs.channels * kH * kW * wordBytes)
    b.loop(kH, () => {
      b.loop(kW, () => {
        moveStrided(b, row, to, attrs.channels, wordBytes, kH * kW * wordBytes)
        b.bump(row, attrs.pixelFloats * wordBytes)
        b.bump(to, wordBytes)
      })
      b.bump(row, rowBytes - kW * attrs.pixelFloats * wordBytes)
    })
  })
  return b.finish('sumGroups', { count: channels })
}

/** Copies `count` words; each side moves on by its stride. */
export function moveStrided(
  b: KernelBuilder,
  from: Expr,
  to: Expr,
  count: number,
  fromStride: number,
  toStride: number,
): void {
  const [p, q] = [b.let('p', from), b.let('q', to)]
  b.loop(count, () => {
    b.store('i32', q, 0, loadInt(p))
    b.bump(p, fromStride)
    b.bump(q, toStride)
  })
}
