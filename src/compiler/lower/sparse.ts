/**
 * The backward of conv2d as a sparse contraction: each non-zero of the output's gradient (nonZeros.ts) adds a whole kernel
 * of products, row by row.
 * Order of sums: weight: pictures of a group in order, entries in order; groups in order. Input: output channels in order,
 * entries in order. Not here: how pictures become rows (rows.ts).
 */
import { add, alu, ceilDiv, float, floorDiv, int, loadInt, loadSplat, loadVec, mul, sub } from '../loop/build.js'
import type { Expr } from '../loop/ir.js'
import { groupSize, groupsOf, KernelBuilder, partsOfPieces, type ScheduledKernel, type Value } from '../kernel.js'
import type { ScatterPlan } from '../tile/tuning.js'
import type { RowKernel } from './geometry.js'
import { endsBytes, entryBytes, listsIn, picturesIn, wordBytes } from './nonZeros.js'

/** A vector of a kernel: bytes from the kernel rows' start, and from an entry's place in the row picture. */
interface Piece {
  readonly weight: number
  readonly image: number
  /** Which vector it is of those of a row. */
  readonly vector: number
}

function piecesOf(attrs: RowKernel, lanes: number): Piece[] {
  const perRow = attrs.rowFloats / lanes
  return Array.from({ length: attrs.kernelSize[0] * perRow }, (_, i) => {
    const [row, vector] = [Math.floor(i / perRow), i % perRow]
    const image = row * attrs.rowPixels * attrs.pixelFloats + vector * lanes
    return { weight: i * lanes * wordBytes, image: image * wordBytes, vector }
  })
}

/** Passes whose sums fit in registers. */
function sumPasses(all: readonly Piece[], most: number): Piece[][] {
  const size = Math.ceil(all.length / Math.ceil(all.length / most))
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size))
}

/**
 * Passes of about `most` vectors that add to different channels, so that each element gets its products in the order of
 * the entries however the vectors are cut; one pass where a vector holds several pixels.
 */
function scatterPasses(attrs: RowKernel, lanes: number, most: number): Piece[][] {
  const all = piecesOf(attrs, lanes)
  if (attrs.pixelFloats % lanes !== 0) return [all]
  const chunks = attrs.pixelFloats / lanes
  const passes = Math.min(chunks, Math.ceil(all.length / most))
  const passOf = (piece: Piece): number => Math.floor(((piece.vector % chunks) * passes) / chunks)
  return Array.from({ length: passes }, (_, i) => all.filter((piece) => passOf(piece) === i))
}

/** So few channels are shared in halves of their kernels: the lists are then read twice where halves are parted. */
const fewChannels = 16

/** Channels whose halves are from … to − 1: both at once, where they are not cut. */
function forHalves(
  b: KernelBuilder,
  all: readonly Piece[],
  [from, to]: readonly [Expr, Expr],
  body: (vectors: readonly Piece[], o: Expr) => void,
): void {
  const middle = all.length >> 1
  b.for('o', floorDiv(from, 2), ceilDiv(to, 2), 1, (o) => {
    const first = b.let('half', mul(o, 2))
    b.if(
      alu('ilt', first, from),
      () => body(all.slice(middle), o),
      () =>
        b.if(
          alu('ilt', add(first, 1), to),
          () => body(all, o),
          () => body(all.slice(0, middle), o),
        ),
    )
  })
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
  const { groupBytes, channelBytes, positions } = listsIn(lanes, lists, channels)
  const kernelBytes = attrs.kernelSize[0] * attrs.rowFloats * wordBytes
  const buffers = { lists: b.buffer(lists, 'read'), x: b.buffer(x, 'read'), out: b.buffer(out, 'write') }
  const all = piecesOf(attrs, lanes)
  const each = channels < fewChannels && all.length > 1 ? 2 : 1
  const parts = partsOfPieces(each * channels)
  b.forParts(parts, (group, from, to) => {
    const pictures = picturesIn(b, group)
    const start = b.pointer('start', buffers.lists, group, groupBytes)
    const rows = b.pointer('rows', buffers.x, group, groupSize * attrs.pictureFloats * wordBytes)
    const sums = (vectors: readonly Piece[], o: Expr): void => {
      const result = b.pointer('result', buffers.out, add(mul(group, channels), o), kernelBytes)
      const ends = add(start, mul(o, endsBytes))
      const bytes = b.let('bytes', loadInt(add(ends, mul(sub(pictures, 1), wordBytes))))
      const count = b.let('count', alu('ishru', bytes, int(3)))
      const first = b.let('first', add(start, add(mul(o, channelBytes), channels * endsBytes)))
      for (const pass of sumPasses(vectors, most)) {
        const found = pass.map((piece) => ({ ...piece, sum: b.let('acc', float(0)) }))
        forEntries(b, first, count, rows, (place, value) =>
          found.forEach(({ image, sum }) => b.set(sum.v, alu('fma', loadVec(place, image), value, sum))),
        )
        found.forEach(({ weight, sum }) => b.store('vec', result, weight, sum))
      }
    }
    if (each === 1) b.for('o', from, to, 1, (o) => sums(all, o))
    else forHalves(b, all, [from, to], sums)
  })
  return b.finish('conv2dGradWeight', { pictures: groupSize, parts }, denseFlops(attrs, channels, positions))
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

/** Goes through the lists of picture i of a group, channel by channel. */
function forChannels(
  b: KernelBuilder,
  { start, channels, channelBytes }: { start: Expr; channels: number; channelBytes: number },
  i: Expr,
  body: (first: Expr, count: Expr) => void,
): void {
  const ends = b.let('ends', add(start, mul(i, wordBytes)))
  const channel = b.let('channel', add(start, channels * endsBytes))
  const isFirst = b.let('isFirst', alu('ieq', i, int(0)))
  b.loop(channels, () => {
    // the entry before this picture's in `ends` is another channel's when i = 0: then the list begins here
    const from = b.let('from', int(0))
    b.if(alu('ieq', isFirst, int(0)), () => b.set(from.v, loadInt(sub(ends, wordBytes))))
    const count = b.let('count', alu('ishru', sub(loadInt(ends), from), int(3)))
    body(b.let('first', add(channel, from)), count)
    b.bump(ends, endsBytes)
    b.bump(channel, channelBytes)
  })
}

/** (nonZeros, kernelRows of the weight) → row pictures [N, pictureFloats]. */
export function lowerRowsGradInput(
  lanes: number,
  attrs: RowKernel,
  lists: Value,
  weight: Value,
  out: Value,
  plan: ScatterPlan,
): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const channels = weight.shape[0] ?? 1
  const { groupBytes, channelBytes, positions } = listsIn(lanes, lists, channels)
  const kernelBytes = attrs.kernelSize[0] * attrs.rowFloats * wordBytes
  const pictureBytes = attrs.pictureFloats * wordBytes
  const buffers = { lists: b.buffer(lists, 'read'), weight: b.buffer(weight, 'read'), out: b.buffer(out, 'both') }
  const passes = scatterPasses(attrs, lanes, plan.most)
  const parts = partsOfPieces(groupSize)
  b.forParts(parts, (group, from, to) => {
    const end = b.let('last', alu('imin', picturesIn(b, group), to))
    const start = b.pointer('start', buffers.lists, group, groupBytes)
    const rows = b.pointer('rows', buffers.out, group, groupSize * pictureBytes)
    const picture = b.pointer('picture', rows, from, pictureBytes)
    b.for('i', from, end, 1, (i) => {
      clear(b, picture, pictureBytes)
      b.bump(picture, pictureBytes)
      const w = b.let('w', buffers.weight)
      forChannels(b, { start, channels, channelBytes }, i, (first, count) => {
        for (const pass of passes) scatter(b, pass, { w, first, count, rows, registers: plan.registers })
        b.bump(w, kernelBytes)
      })
    })
  })
  return b.finish('conv2dGradInput', { pictures: groupSize, parts }, denseFlops(attrs, channels, positions))
}

interface Scatter {
  readonly w: Expr
  readonly first: Expr
  readonly count: Expr
  readonly rows: Expr
  readonly registers: number
}

/** Adds each entry's products to its place; the first weights stay in registers, the others are read again. */
function scatter(b: KernelBuilder, pass: readonly Piece[], s: Scatter): void {
  const kept = pass.slice(0, s.registers).map(({ weight }) => b.let('w', loadVec(s.w, weight)))
  forEntries(b, s.first, s.count, s.rows, (place, value) =>
    pass.forEach(({ weight, image }, i) =>
      b.store('vec', place, image, alu('fma', kept[i] ?? loadVec(s.w, weight), value, loadVec(place, image))),
    ),
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
