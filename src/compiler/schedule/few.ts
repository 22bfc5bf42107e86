/**
 * The plan of a forward pass for few pictures: one picture at a time, vectors along the channels instead of the batch
 * (which would fill one lane of many). Values of a batch lie in rows; results of convolutions and linear layers with their
 * channels side by side ("spread"). What depends on parameters alone is prepared: computed again only when they change.
 * Not here: the ordinary plan (scheduler.ts), the kernels (lower/pixels.ts), when it is chosen (device/cpu/cpuPlan.ts).
 */
import { sizeOf, stridesOf } from '../../base/index.js'
import { isElementwise, type Node, type NodeType } from '../../graph/index.js'
import { isPerChannel, typeOfNode, valueBytes, type ScheduledKernel, type Value } from '../kernel.js'
import { add, loadSplat, loadVec } from '../loop/build.js'
import type { Expr } from '../loop/ir.js'
import { emitNode } from '../lower/elementwise.js'
import { lowerMap } from '../lower/map.js'
import { roundUp } from '../lower/pixelCut.js'
import type { PictureTail, PixelSum } from '../lower/pixels.js'
import { lowerChannelCopy, lowerPixelPool } from '../lower/pixelWindows.js'
import { convTile, type ConvTile } from '../tile/choose.js'
import type { Target } from '../tile/target.js'
import { fewTable, isHeavy, weightShapes } from './fewTable.js'
import { inputOf, Ledger } from './ledger.js'

/** An elementwise tail of a convolution or linear layer, computed in its registers. */
export interface PixelTail {
  readonly end: Node
  /** The convolution or linear layer. */
  readonly root: Node
}

/** As large as the root's results, pixel by pixel. */
const isFull = (node: Node, { shape }: Node): boolean =>
  node.shape.length === shape.length && node.shape.every((size, i) => size === shape[i])

/** What narrower vectors cost on a processor that has wider ones. */
const costOfWidth: Readonly<Record<number, number>> = { 16: 1, 8: 1.25, 4: 2.5 }

/** The target with the vectors that a net's channels fill best. */
export function fewTarget(target: Target, order: readonly Node[]): Target {
  const shapes = weightShapes(order)
  const costOf = (lanes: number): number =>
    shapes.reduce((sum, { channels, terms }) => sum + roundUp(channels, lanes) * terms, 0) * (costOfWidth[lanes] ?? 1)
  const widths = [...(target.widths ?? [target.lanes])].sort((a, b) => b - a)
  const lanes = widths.reduce((best, width) => (costOf(width) < costOf(best) ? width : best))
  return { ...target, lanes }
}

export class FewScheduler extends Ledger {
  readonly #target: Target
  /** Vectors of sums that a kernel may keep in registers. */
  readonly accumulators: number
  /** Threads share each picture, not the pictures. */
  readonly cut: boolean

  constructor(order: readonly Node[], targets: readonly Node[], target: Target, cut: boolean) {
    super(order, targets, target.lanes)
    this.#target = target
    this.accumulators = target.accumulators
    this.cut = cut
  }

  /** A result is row-major, in memory of its own. */
  result(target: Node): Value {
    const value = this.rowMajor(target)
    if (value.alloc || target.storage) return value
    return this.#copy(target, value, this.allocate(target))
  }

  value(node: Node): Value {
    const known = this.values.get(node)
    if (known) return known
    const made = node.storage ? this.newValue(this.typeOf(node), null) : this.#compute(node)
    this.values.set(node, made)
    return made
  }

  /** The node's value as it is in logical order. */
  rowMajor(node: Node): Value {
    const value = this.value(node)
    if (!value.spread) return value
    return this.shared(`rowMajor ${node.id}`, () => this.#copy(node, value, this.allocate(node)))
  }

  /** The node's value with its channels side by side. */
  spread(node: Node): Value {
    const value = this.value(node)
    if (value.spread) return value
    return this.shared(`spread ${node.id}`, () => this.#copy(node, value, this.allocateSpread(node)))
  }

  #copy(node: Node, from: Value, to: Value): Value {
    this.emit(lowerMap(this.lanes, [{ node, value: to }], (n) => (n === node ? from : undefined), this.cut))
    return to
  }

  /** The tile of a sum in vectors of channels × rows × columns of results. */
  tileFor({ channels, size: [rows, columns], pool }: Pick<PixelSum, 'channels' | 'size' | 'pool'>): ConvTile {
    if (rows * columns === 1) return this.#lineFor(Math.ceil(channels / this.lanes))
    return convTile(this.#target, { channels: Math.ceil(channels / this.lanes), rows, columns, window: pool ? 2 : 1 })
  }

  /** Each weight is read once: V8 spills sooner than in a convolution (8 sums in WebAssembly: 20 GFLOP/s, 6: 38). */
  #lineFor(vectors: number): ConvTile {
    const most = Math.floor(this.#target.accumulators * 0.75)
    return { channels: Math.ceil(vectors / Math.ceil(vectors / most)), rows: 1, columns: 1 }
  }

  #compute(node: Node): Value {
    if (isElementwise(node)) return this.#elementwise(node)
    const row = fewTable[node.op] as ((s: FewScheduler, node: Node, tail: PixelTail | null) => Value) | undefined
    if (!row) throw new Error(`few pictures have no row for ${node.op}`)
    return row(this, node, null)
  }

  typeOf(node: Node): NodeType {
    const type = typeOfNode(node)
    return type.layout === 'batch' ? { ...type, layout: 'rows' } : type
  }

  allocate(node: Node): Value {
    return this.scratch(this.typeOf(node))
  }

  /** Pixel after pixel, each with room for whole vectors of channels, and `more` floats. */
  allocateSpread(node: Pick<NodeType, 'shape' | 'dtype'>, more = 0): Value {
    const [, C = 1, ...pixels] = node.shape
    const room = roundUp(C, this.lanes) + more
    const steps = [1, ...stridesOf(pixels).map((stride) => stride * room)]
    const size = sizeOf(pixels) * room
    const { shape, dtype } = node
    return this.newValue({ shape, dtype, layout: 'rows' }, { bytes: size * 4, per: 1 }, { spread: { steps, size } })
  }

  emit(kernel: ScheduledKernel): void {
    this.kernels.push(kernel)
  }

  // ── elementwise ──

  #elementwise(node: Node): Value {
    const root = this.tailRoot(node)
    if (root) {
      const row = fewTable[root.op] as (s: FewScheduler, node: Node, tail: PixelTail) => Value
      return row(this, root, { end: node, root })
    }
    const reads = new Set<Node>()
    for (const input of node.inputs) this.#collect(input, node, reads)
    const spread = node.layout === 'batch' && this.#isSpread(node, [...reads])
    const values = new Map([...reads].map((n) => [n, this.#operand(n, node, spread)] as const))
    const value = spread ? this.allocateSpread(node) : this.allocate(node)
    this.emit(lowerMap(this.lanes, [{ node, value }], (n) => values.get(n), this.cut))
    return value
  }

  /** What an expression reads from memory. Plain parts of a batch's expression are values of their own: those are prepared. */
  #collect(node: Node, end: Node, reads: Set<Node>): void {
    if (node.op === 'const') return
    const inline = isElementwise(node) && node.layout === end.layout && this.isPrivate(node) && !this.tailRoot(node)
    if (inline) for (const input of node.inputs) this.#collect(input, end, reads)
    else {
      this.value(node)
      reads.add(node)
    }
  }

  /** Whether an expression is computed pixel after pixel: all that it reads in its own size lies so. */
  #isSpread(node: Node, reads: readonly Node[]): boolean {
    const full = reads.filter((n) => n.layout !== 'plain' && sizeOf(n.shape) === sizeOf(node.shape))
    const alike = (n: Node): boolean => n.shape.length === node.shape.length && this.value(n).spread !== undefined
    return node.shape.length > 1 && full.length > 0 && full.every(alike)
  }

  #operand(node: Node, end: Node, spread: boolean): Value {
    return spread && sizeOf(node.shape) === sizeOf(end.shape) ? this.value(node) : this.rowMajor(node)
  }

  // ── tails ──

  /** The private convolution or linear layer that `node` is an elementwise tail of, if all else it reads fits. */
  tailRoot(node: Node): Node | null {
    if (!isElementwise(node) || node.layout !== 'batch' || node.dtype !== 'f32') return null
    for (const input of node.inputs) {
      const root = this.#spine(input)
      if (root && node.inputs.every((n) => this.#fits(n, root))) return root
    }
    return null
  }

  #spine(node: Node): Node | null {
    if (!this.isPrivate(node) || node.layout !== 'batch') return null
    if (isHeavy(node)) return node
    if (!isElementwise(node)) return null
    for (const input of node.inputs) {
      const root = this.#spine(input)
      if (root) return root
    }
    return null
  }

  #fits(node: Node, root: Node): boolean {
    if (node === root || node.op === 'const') return true
    if (node.dtype !== 'f32') return false
    if (node.layout === 'plain') return sizeOf(node.shape) === 1 || isPerChannel(node, root)
    if (!isFull(node, root)) return false
    return !this.#isInside(node, root) || node.inputs.every((n) => this.#fits(n, root))
  }

  /** Computed in the root's registers; else it is read from memory. */
  #isInside(node: Node, root: Node): boolean {
    return node === root || (isElementwise(node) && this.#spine(node) === root)
  }

  /** Whether a tail reads values as large as its root's besides it: a residual. */
  hasResidual({ end, root }: PixelTail): boolean {
    const inside = (node: Node): boolean =>
      node.op === 'const' || node.layout === 'plain' || node === root || (this.#isInside(node, root) && reads(node))
    const reads = (node: Node): boolean => node.inputs.every(inside)
    return !reads(end)
  }

  /** How the tail is written. The values that it reads are scheduled at once. */
  tail({ end, root }: PixelTail): PictureTail {
    const reads = new Map<Node, Value>()
    const collect = (node: Node): void => {
      if (node === root || node.op === 'const' || reads.has(node)) return
      if (node.layout === 'plain') reads.set(node, this.#perChannel(node))
      else if (node === end || this.#isInside(node, root)) node.inputs.forEach(collect)
      else reads.set(node, this.spread(node))
    }
    collect(end)
    const full = [...reads].filter(([node]) => node.layout !== 'plain')
    return (b) => (picture) => {
      const start = new Map(
        full.map(([node, value]) => [
          node,
          b.pointer('residual', b.buffer(value, 'read'), picture, valueBytes(value, this.lanes)),
        ]),
      )
      return (at, sum, { channel, at: place, offset }) => {
        const known = (node: Node): Expr | undefined => {
          if (node === root) return sum
          const value = reads.get(node)
          if (!value) return undefined
          const picturesOwn = start.get(node)
          if (picturesOwn) return loadVec(add(picturesOwn, place), offset)
          const from = b.buffer(value, 'read')
          return sizeOf(node.shape) === 1 ? loadSplat(from) : loadVec(add(from, channel))
        }
        return emitNode(at, end, known, new Map())
      }
    }
  }

  #perChannel(node: Node): Value {
    const value = this.value(node)
    const count = sizeOf(node.shape)
    if (count === 1) return value
    return this.shared(`channels ${node.id}`, () => {
      const out = this.scratch({ shape: [roundUp(count, this.lanes)], dtype: 'f32', layout: 'plain' })
      this.emit(lowerChannelCopy(this.lanes, value, count, out))
      return out
    })
  }

  pool(kind: 'max' | 'avg', node: Node<'maxPool2d' | 'avgPool2d'>): Value {
    const x = this.spread(inputOf(node, 0))
    const out = this.allocateSpread(node)
    this.emit(lowerPixelPool(this.lanes, kind, node.attrs, [x, out], this.cut))
    return out
  }
}
