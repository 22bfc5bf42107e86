/**
 * The lists of the non-zeros of a conv output's gradient: behind relu and max-pool most of it is zero, so what is not is
 * listed once, for the sparse gradients (sparse.ts). A skipped zero changes no finite sum.
 *
 * Layout, for each group of 8 pictures, O channels of P positions each:
 *   ends    i32 [O][8]: bytes of entries of channel o up to and with picture i of the group
 *   entries [O][8·P and room for a vector] of (i32 byte offset in the group's row pictures, f32 value)
 * Entries go by pictures, each picture's by positions: row by row, or window by window behind a max-pool.
 */
import { add, alu, int, iota, loadInt, loadVec, mul, splat, sub } from '../loop/build.js'
import type { Expr, Parts, Var } from '../loop/ir.js'
import { groupSize, KernelBuilder, restOf, type ScheduledKernel, type Value } from '../kernel.js'
import { quotient } from './divide.js'
import type { Positions } from './geometry.js'

export type Local = { k: 'var'; v: Var }
export const wordBytes = 4
export const entryBytes = 8
export const endsBytes = groupSize * wordBytes
const lineBytes = 64

/** Where the lists lie that are made of `positions` values a channel of a picture. */
export interface Lists {
  readonly positions: number
  /** The entries of one channel, and all of a group. */
  readonly channelBytes: number
  readonly groupBytes: number
}

function listsOf(lanes: number, channels: number, positions: number): Lists {
  const channelBytes = groupSize * positions * entryBytes + lanes * wordBytes
  return { positions, channelBytes, groupBytes: channels * (endsBytes + channelBytes) }
}

/** i32 words of the lists of one group. */
export const nonZeroWords = (lanes: number, channels: number, positions: number): number =>
  listsOf(lanes, channels, positions).groupBytes / wordBytes

/** How the value that lowerNonZeros wrote lies. */
export function listsIn(lanes: number, value: Value, channels: number): Lists {
  const words = restOf(value) / channels
  return listsOf(lanes, channels, (words - groupSize - lanes) / (2 * groupSize))
}

/** A picture's own list; a line more than it needs, so that lists do not begin in the same set of a cache. */
const ownBytes = (positions: number): number => positions * entryBytes + lineBytes

/** i32 words of scratch for one group: for each of its parts (of channels) a list for each picture and a vector. */
export const listScratchWords = (lanes: number, parts: Parts, positions: number): number =>
  parts.count * ((groupSize * ownBytes(positions)) / wordBytes + lanes)

/** Scratch memory of `listScratchWords`, and the parts that it is for. */
interface Scratch {
  readonly own: Value
  readonly parts: Parts
}

/** Pictures of the batch in group `group`: 8, or fewer in the last. */
export const picturesIn = (b: KernelBuilder, group: Expr): Local =>
  b.let('pictures', alu('imin', sub({ k: 'n' }, mul(group, groupSize)), int(groupSize)))

/** What is listed: a gradient of the conv's output, or of its pooled output and, in `index`, where that goes in the output. */
export interface Listed {
  readonly gradient: Value
  readonly index: Value | null
  /** Without an index: the windows by which positions are taken, in both directions; [1, 1] is row by row. */
  readonly window: readonly [number, number]
  readonly windowStride: readonly [number, number]
}

/** Up to 8 pictures whose lanes are in one block. */
interface Part {
  /** The first of them: its number within the group. */
  readonly first: Expr
  /** Its lane of the block, and the bytes to there from the first lane. */
  readonly lane: Expr
  readonly laneBytes: Expr
}

/** Writes one position; `offsetOf(j)`: where the part's picture j has it in the group's row pictures. */
type Write = (offsetOf: (j: number) => Expr) => void

export function lowerNonZeros(
  lanes: number,
  attrs: Positions,
  what: Listed,
  scratch: Scratch,
  out: Value,
): ScheduledKernel {
  return new Lister(new KernelBuilder(lanes), attrs, what, scratch, out).kernel()
}

class Lister {
  readonly #b: KernelBuilder
  readonly #attrs: Positions
  readonly #what: Listed
  readonly #own: Value
  readonly #parts: Parts
  readonly #out: Value
  readonly #channels: number
  readonly #size: readonly [number, number]
  readonly #lists: Lists
  readonly #ownBytes: number

  constructor(b: KernelBuilder, attrs: Positions, what: Listed, { own, parts }: Scratch, out: Value) {
    const [, channels = 1, height = 1, width = 1] = what.gradient.shape
    this.#b = b
    this.#attrs = attrs
    this.#what = what
    this.#own = own
    this.#parts = parts
    this.#out = out
    this.#channels = channels
    this.#size = [height, width]
    this.#lists = listsOf(b.lanes, channels, height * width)
    this.#ownBytes = ownBytes(height * width)
  }

  kernel(): ScheduledKernel {
    const b = this.#b
    const parts = this.#parts
    const scratchBytes = (restOf(this.#own) * wordBytes) / parts.count
    b.forParts(parts, (group, from, to, part) => {
      const pictures = picturesIn(b, group)
      const scratch = add(mul(group, parts.count), part)
      const own = b.pointer('own', b.buffer(this.#own, 'both'), scratch, scratchBytes)
      const start = b.pointer('start', b.buffer(this.#out, 'write'), group, this.#lists.groupBytes)
      b.for('o', from, to, 1, (o) => {
        const ends = b.pointer('ends', start, o, endsBytes)
        const begin = b.pointer('begin', add(start, this.#channels * endsBytes), o, this.#lists.channelBytes)
        const to = b.let('to', begin)
        b.for('first', 0, pictures, Math.min(groupSize, b.lanes), (first) => {
          const heads = this.#list(this.#part(group, first), group, o, own)
          heads.forEach((head, j) =>
            b.if(alu('ilt', add(first, j), pictures), () => {
              this.#append(add(own, j * this.#ownBytes), head, to)
              b.store('i32', add(ends, mul(first, wordBytes)), j * wordBytes, sub(to, begin))
            }),
          )
        })
      })
    })
    return b.finish('non-zeros', { pictures: groupSize, parts })
  }

  #picture(group: Expr, first: Expr): Expr {
    return add(mul(group, groupSize), first)
  }

  #part(group: Expr, first: Expr): Part {
    const lane = this.#b.let('lane', alu('iand', this.#picture(group, first), int(this.#b.lanes - 1)))
    return { first, lane, laneBytes: mul(lane, wordBytes) }
  }

  /** A list for each picture of a part; gives their ends. */
  #list(part: Part, group: Expr, o: Expr, own: Expr): Local[] {
    const b = this.#b
    const { gradient, index } = this.#what
    const block = alu('ishru', this.#picture(group, part.first), int(Math.log2(b.lanes)))
    const at = b.let('at', mul(add(mul(block, restOf(gradient)), mul(o, this.#lists.positions)), b.width))
    const values = b.pointer('values', b.buffer(gradient, 'read'), at, 1)
    const count = Math.min(groupSize, b.lanes)
    const heads = Array.from({ length: count }, (_, j) => b.let('head', add(own, j * this.#ownBytes)))
    const write = this.#writer(part, values, heads)
    const vector = add(own, groupSize * this.#ownBytes)
    if (index) this.#pooled(part, b.pointer('index', b.buffer(index, 'read'), at, 1), values, vector, write)
    else this.#dense(part, values, write)
    return heads
  }

  /** Every picture stores its entry and moves on only behind a non-zero. */
  #writer(part: Part, values: Expr, heads: readonly Local[]): Write {
    const b = this.#b
    return (offsetOf) => {
      const lanesAt = b.let('lanesAt', add(values, part.laneBytes))
      heads.forEach((head, j) => {
        const bits = b.let('bits', loadInt(lanesAt, j * wordBytes))
        b.store('i32', head, 0, offsetOf(j))
        b.store('i32', head, wordBytes, bits)
        const isZero = alu('ieq', alu('ishl', bits, int(1)), int(0))
        b.bump(head, add(alu('ishl', isZero, int(Math.log2(entryBytes))), entryBytes))
      })
    }
  }

  /** Position q of the conv's output is pixel (q / W · sy, q % W · sx) of a row picture: computed for all lanes at once. */
  #pooled(part: Part, index: Local, values: Local, vector: Expr, write: Write): void {
    const b = this.#b
    const { outSize, pictureFloats, pixelFloats, rowPixels, stride } = this.#attrs
    const pixel = pixelFloats * wordBytes
    const times = (e: Expr, factor: number): Expr => alu('imul', e, splat(int(factor)))
    const pictures = alu('iadd', iota, splat(sub(part.first, part.lane)))
    const bases = b.let('bases', times(pictures, pictureFloats * wordBytes))
    const at = b.let('vector', vector)
    const mine = b.let('mine', add(at, part.laneBytes))
    b.loop(this.#size[0] * this.#size[1], () => {
      const q = b.let('q', loadVec(index, 0, 'i32v'))
      const y = quotient(b, q, outSize[1], outSize[0] * outSize[1])
      const inRow = alu('iadd', bases, times(q, stride[1] * pixel))
      b.store('vec', at, 0, alu('iadd', inRow, times(y, (stride[0] * rowPixels - outSize[1] * stride[1]) * pixel)))
      write((j) => loadInt(mine, j * wordBytes))
      b.bump(index, b.width)
      b.bump(values, b.width)
    })
  }

  #dense(part: Part, values: Local, write: Write): void {
    const b = this.#b
    const { pictureFloats, pixelFloats, rowPixels, stride } = this.#attrs
    const { window, windowStride } = this.#what
    const [height, width] = this.#size
    const offset = b.pointer('offset', int(0), part.first, pictureFloats * wordBytes)
    const move = (rows: number, columns: number): void => {
      b.bump(values, (rows * width + columns) * b.width)
      b.bump(offset, (rows * stride[0] * rowPixels + columns * stride[1]) * pixelFloats * wordBytes)
    }
    const tall = Math.floor((height - window[0]) / windowStride[0]) + 1
    const wide = Math.floor((width - window[1]) / windowStride[1]) + 1
    b.loop(tall, () => {
      b.loop(wide, () => {
        b.loop(window[0], () => {
          b.loop(window[1], () => {
            write((j) => add(offset, j * pictureFloats * wordBytes))
            move(0, 1)
          })
          move(1, -window[1])
        })
        move(-window[0], windowStride[1])
      })
      move(windowStride[0], -wide * windowStride[1])
    })
  }

  /** Copies a picture's list behind those before it, in whole vectors: the next one overwrites the excess. */
  #append(from: Expr, head: Expr, to: Local): void {
    const b = this.#b
    const bytes = b.let('bytes', sub(head, from))
    const [source, target] = [b.let('source', from), b.let('target', to)]
    b.loop(alu('ishru', add(bytes, b.width - 1), int(Math.log2(b.width))), () => {
      b.store('vec', target, 0, loadVec(source, 0, 'i32v'))
      b.bump(source, b.width)
      b.bump(target, b.width)
    })
    b.bump(to, bytes)
  }
}
