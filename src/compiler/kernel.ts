/**
 * Where values lie and how a lowering writes one kernel: buffers by use, the loop over units, the finished record.
 * Not here: what any operation computes (lower/), or which kernels there are (schedule/).
 */
import { sizeOf, type DType, type Shape } from '../base/index.js'
import type { Node, NodeType } from '../graph/index.js'
import { add, addr, alu, Builder, ceilDiv, int, mul, notNegative, sub } from './loop/build.js'
import type { Access, Expr, LoopKernel, Parts, Units, Var } from './loop/ir.js'

/** Pictures whose gradients are summed in order before any other sum: the same for every device and thread count. */
export const groupSize = 8

/** A piece of a plan's memory. Sizes that depend on the batch grow with `per` that many pictures. */
export interface Alloc {
  readonly bytes: number // for one unit of `per` pictures, or for all where per = 0
  readonly per: number
}

/** How a picture in rows lies where it is not row-major, in elements: its channels side by side, pixel after pixel. */
export interface Spread {
  /** Between neighbours along each dim but the batch. */
  readonly steps: readonly number[]
  /** From one picture to the next. */
  readonly size: number
}

/** Values in memory: address = the allocation's (or the leaf's) plus `offset` bytes. */
export interface Value extends NodeType {
  /** For rows that are not row-major. */
  readonly spread?: Spread | undefined
  readonly alloc: Alloc | null // null: a leaf, its address is given when the plan runs
  readonly offset: number
  /** Word of the plan's address table. */
  readonly word: number
}

export interface ScheduledKernel {
  readonly kernel: LoopKernel
  readonly values: readonly Value[]
  /** Names of the choices (tile/) that it was made with. */
  readonly choices?: readonly string[]
}

/** Every value may be read and written this far past its end: vectors need not stop exactly. */
export const slackBytes = 256

/** The bytes of a picture (lanes: of L pictures, groups: of a group, plain: of all). Everything is 4 bytes wide but u8 outside of lanes. */
export function unitBytes(type: NodeType, lanes: number): number {
  const width = type.dtype === 'u8' && type.layout !== 'lanes' ? 1 : 4
  const elements = type.layout === 'plain' ? sizeOf(type.shape) : sizeOf(type.shape.slice(1))
  return elements * width * (type.layout === 'lanes' ? lanes : 1)
}

/** The bytes of one unit (see `unitBytes`) of a value, which may be spread. */
export const valueBytes = (value: Value, lanes: number): number =>
  value.spread ? value.spread.size * 4 : unitBytes(value, lanes)

export function allocFor(type: NodeType, lanes: number): Alloc {
  const per = { plain: 0, lanes, rows: 1, groups: groupSize }[type.layout]
  return { bytes: unitBytes(type, lanes), per }
}

/** The elements of one picture: all dims but the batch. */
export const restOf = (node: { readonly shape: Shape }): number => sizeOf(node.shape.slice(1))

/** Whether `node` is [C, 1, …] beside results [N, C, …]: one number a channel. */
export function isPerChannel(node: { readonly shape: Shape }, results: { readonly shape: Shape }): boolean {
  const [, C = 1] = results.shape
  const added = results.shape.length - node.shape.length
  return added >= 0 && results.shape.every((_, i) => (node.shape[i - added] ?? 1) === (i === 1 ? C : 1))
}

export const typeOfNode = (node: Node): NodeType => ({ shape: node.shape, dtype: node.dtype, layout: node.layout })

export const vectorType = (dtype: DType): 'f32v' | 'i32v' => (dtype === 'f32' ? 'f32v' : 'i32v')

/** Writes one kernel. Units lo … hi−1 of it are done by one call. */
export class KernelBuilder extends Builder {
  readonly lo: Var
  readonly hi: Var
  readonly #values: Value[] = []
  readonly #access: Access[] = []
  readonly lanes: number
  /** Bytes of one vector. */
  readonly width: number

  constructor(lanes: number) {
    super()
    this.lanes = lanes
    this.width = lanes * 4
    this.lo = this.local('i32', 'lo')
    this.hi = this.local('i32', 'hi')
  }

  /** The address of a value in this kernel. */
  buffer(value: Value, access: Access): Expr {
    const known = this.#values.indexOf(value)
    if (known < 0) {
      this.#values.push(value)
      this.#access.push(access)
      return addr(this.#values.length - 1)
    }
    if (this.#access[known] !== access) this.#access[known] = 'both'
    return addr(known)
  }

  /** Runs the body for each of this call's units. */
  forUnits(body: (unit: Expr) => void): void {
    this.for('unit', { k: 'var', v: this.lo }, { k: 'var', v: this.hi }, 1, body)
  }

  /**
   * Runs the body for each block of pictures of this call's units, told the pieces of it that they are (all of them but at
   * the ends of the call) and the first part, which no other call has.
   */
  forParts({ count, pieces }: Parts, body: (block: Expr, from: Expr, to: Expr, part: Expr) => void): void {
    if (count === 1) return this.forUnits((block) => body(block, int(0), int(pieces), int(0)))
    const [lo, hi] = [{ k: 'var', v: this.lo } as const, { k: 'var', v: this.hi } as const]
    const shift = Math.log2(count)
    const pieceOf = (part: Expr): Expr => (pieces === count ? part : alu('ishru', mul(part, pieces), int(shift)))
    this.for('block', alu('ishru', lo, int(shift)), ceilDiv(hi, count), 1, (block) => {
      const first = this.let('first', mul(block, count))
      const part = this.let('part', notNegative(this.let('before', sub(lo, first))))
      const end = this.let('end', alu('imin', sub(hi, first), int(count)))
      body(block, this.let('from', pieceOf(part)), this.let('to', pieceOf(end)), part)
    })
  }

  finish(name: string, units: Units, flops: (n: number) => number = () => 0): ScheduledKernel {
    const { lanes, lo, hi, body } = this
    return { kernel: { name, lanes, buffers: this.#access, units, lo, hi, body, flops }, values: this.#values }
  }

  /** A pointer local: base + index · bytes. */
  pointer(name: string, base: Expr, index: Expr, bytes: number): { k: 'var'; v: Var } {
    return this.let(name, add(base, mul(index, bytes)))
  }
}

/** Parts of a block, as many more than its pieces: so a team's shares differ by a piece at most. */
const [mostParts, partsPerPiece] = [256, 8]

/** So many pieces of a block as parts, `most` at most. */
export function partsOfPieces(pieces: number, most = mostParts): Parts {
  if (pieces === 1) return { count: 1, pieces }
  const wanted = Math.min(most, partsPerPiece * 2 ** Math.ceil(Math.log2(pieces)))
  // a part's number times the pieces is an i32
  return { count: Math.min(wanted, 2 ** Math.max(0, Math.floor(30 - Math.log2(pieces)))), pieces }
}

export const blocksOf = (lanes: number): Expr => ceilDiv({ k: 'n' }, lanes)
export const groupsOf: Expr = ceilDiv({ k: 'n' }, groupSize)
export const one: Units = { count: 1 }
