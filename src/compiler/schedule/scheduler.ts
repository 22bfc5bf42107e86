/**
 * From a graph to kernels in order: which values are in memory, which are fused away, what is cut into pieces.
 * Demand-driven: asking for a node's value first asks for the values it needs. The table of what each operation asks for
 * is in compute.ts. Not here: the kernels' bodies (lower/), the address table (plan.ts).
 */
import { sameShape, sizeOf } from '../../base/index.js'
import { isElementwise, type Node, type OpName } from '../../graph/index.js'
import {
  allocFor,
  typeOfNode,
  vectorType,
  type Alloc,
  type KernelBuilder,
  type ScheduledKernel,
  type Value,
} from '../kernel.js'
import { emitNode } from '../lower/elementwise.js'
import { add, int, loadSplat, loadVec, mul } from '../loop/build.js'
import type { Expr } from '../loop/ir.js'
import type { Tail } from '../lower/conv.js'
import { lowerMap, type MapResult } from '../lower/map.js'
import { plansFor, type Plans } from '../tile/plans.js'
import type { Target } from '../tile/target.js'
import { surelyNeeded } from './ahead.js'
import { inputOf, Ledger } from './ledger.js'
import type { Check } from './check.js'
import { tailRoots, tailWays, type TailWay } from './tails.js'

/** Where a node's result has to go, when it is part of a larger value. */
interface Destination {
  readonly alloc: Alloc
  readonly offset: number
}

/** A fused elementwise tail of a heavy operation: the last node, and how to emit it from the operation's value. */
export interface FusedTail {
  readonly end: Node
  readonly write: (b: KernelBuilder) => Tail
}

/** How one operation's value is computed: its own, or that of the end of the elementwise tail fused to it. */
export type Compute<K extends OpName = OpName> = (s: Scheduler, node: Node<K>, tail: FusedTail | null) => Value

/** The rows of compute.ts; elementwise operations need none. */
export type ComputeTable = { readonly [K in OpName]?: Compute<K> }

export class Scheduler extends Ledger {
  readonly plans: Plans
  /** Vectors of sums that a kernel may keep in registers. */
  readonly accumulators: number
  readonly registers: number | undefined
  /** Parts of a block, at most, in kernels that take scratch memory for each. */
  readonly scratchParts: number
  readonly #order: ReadonlySet<Node>
  readonly #destinations = new Map<Node, Destination>()
  readonly #table: ComputeTable
  /** What the run tells: see `Check`. */
  readonly checks: Check[] = []
  /** Choices since the last kernel. */
  readonly #asked: string[] = []
  /** Values that are being computed for one another. */
  #calls = 0

  constructor(order: readonly Node[], targets: readonly Node[], target: Target, table: ComputeTable) {
    super(order, targets, target.lanes)
    this.#table = table
    this.accumulators = target.accumulators
    this.registers = target.registers
    this.scratchParts = target.isParted ? 4 : 1
    this.plans = plansFor(target, (key) => this.#asked.push(key))
    this.#order = new Set(order)
  }

  run(targets: readonly Node[]): void {
    // first, so that its parts are computed right where they belong
    for (const node of this.#order) if (node.op === 'concat' && node.layout === 'plain') this.value(node)
    for (const target of targets) if (target.op !== 'assign') this.#own(target)
    this.#assignAll(targets.filter((target): target is Node<'assign'> => target.op === 'assign'))
  }

  /** A result has memory of its own: as another shape of a leaf it would change with the leaf. */
  #own(target: Node): void {
    const value = this.value(target)
    if (value.alloc || target.storage) return
    const copy = this.allocate(target)
    this.emit(lowerMap(this.lanes, [{ node: target, value: copy }], (n) => (n === target ? value : undefined)))
    this.values.set(target, copy)
  }

  value(node: Node): Value {
    const known = this.values.get(node)
    if (known) return known
    if (node.storage) return this.#remember(node, this.newValue(typeOfNode(node), null))
    if (this.#calls >= MOST_CALLS) this.#fromBelow(node)
    this.#calls++
    const value = this.#remember(node, this.#compute(node))
    this.#calls--
    return value
  }

  /** Computes what the node will ask for, the deepest first: a deep net's graph is deeper than JavaScript's stack. */
  #fromBelow(end: Node): void {
    const calls = this.#calls
    this.#calls = 0
    const listed = new Set([end])
    const open = [end]
    for (let node = open.at(-1); node; node = open.at(-1)) {
      const needed = listed.has(node) ? surelyNeeded(this, node).filter((n) => n.op !== 'const' && !this.has(n)) : []
      listed.delete(node)
      for (const input of needed.toReversed()) {
        listed.add(input)
        open.push(input)
      }
      if (needed.length > 0) continue
      open.pop()
      if (node !== end) this.value(node)
    }
    this.#calls = calls
  }

  /** Memory where a kernel tells of a label that is none of so many classes. */
  flag(classes: number): Value {
    const flag = this.scratch({ shape: [3], dtype: 'i32', layout: 'plain' })
    this.checks.push({ flag, classes })
    return flag
  }

  wants(node: Node | null): node is Node {
    return node !== null && !node.storage && this.#order.has(node)
  }

  #remember(node: Node, value: Value): Value {
    this.values.set(node, value)
    return value
  }

  #compute(node: Node): Value {
    if (isElementwise(node)) return this.#elementwise(node)
    return this.#row(node)(this, node, null)
  }

  #row(node: Node): Compute {
    const row = this.#table[node.op]
    if (!row) throw new Error(`the scheduler has no row for ${node.op}`)
    return row as Compute
  }

  /** Memory for the node's result: its own, or the part of a larger value that was set aside for it. */
  allocate(node: Node): Value {
    const place = this.#destinations.get(node)
    if (place) return this.newValue(typeOfNode(node), place.alloc, place)
    return this.newValue(typeOfNode(node), allocFor(node, this.lanes))
  }

  emit(kernel: ScheduledKernel): void {
    this.kernels.push({ ...kernel, choices: this.#asked.splice(0) })
  }

  /** Sets aside a part of a larger value for a node not computed yet (through reshapes); false if it has a place. */
  directTo(node: Node, alloc: Alloc, offset: number): boolean {
    if (this.has(node) || this.#destinations.has(node) || node.layout !== 'plain' || node.op === 'const') return false
    if (node.op === 'reshape')
      return inputOf(node, 0).layout === 'plain' && this.directTo(inputOf(node, 0), alloc, offset)
    this.#destinations.set(node, { alloc, offset })
    return true
  }

  // ── elementwise ──

  #elementwise(node: Node): Value {
    const inside = this.expression(node)
    for (const root of node.layout === 'lanes' ? inside : []) {
      const ways = tailRoots.has(root.op) ? tailWays(node, root, inside) : null
      if (ways) return this.#row(root)(this, root, { end: node, write: this.#tailFrom(root, node, ways) })
    }
    this.#materialize(node, inside)
    const value = this.allocate(node)
    this.emit(lowerMap(this.lanes, [{ node, value }], (n) => this.values.get(n)))
    return value
  }

  /** Puts into memory what an expression reads and cannot compute on the way. */
  materialize(node: Node): void {
    this.#materialize(node, this.expression(node))
  }

  #materialize(node: Node, inside: ReadonlySet<Node>): void {
    const seen = new Set<Node>()
    for (const input of node.inputs) this.#operand(input, (n) => inside.has(n), seen)
  }

  #operand(node: Node, inline: (node: Node) => boolean, seen: Set<Node>, depth = 0): void {
    if (node.op === 'const' || this.values.has(node) || seen.has(node)) return
    seen.add(node)
    const inlined = isElementwise(node) && depth < MOST_NODES && inline(node)
    if (inlined) for (const input of node.inputs) this.#operand(input, inline, seen, depth + 1)
    else this.value(node)
  }

  /**
   * `end` and what it is made of that only it needs, however often: every use is in the expression itself. Elementwise
   * operations, other shapes of them, and the heavy operations that an elementwise tail can be fused to. Not without end.
   */
  expression(end: Node): ReadonlySet<Node> {
    const inside = new Set<Node>()
    const uses = new Map<Node, number>()
    const open = [end]
    // ids grow from inputs to results: when a node's turn comes, all its uses in the expression are known
    for (let node = takeLatest(open); node && inside.size < MOST_NODES; node = takeLatest(open)) {
      if (node !== end && !this.#isOwn(node, uses.get(node) ?? 0, end)) continue
      inside.add(node)
      if (tailRoots.has(node.op)) continue
      for (const input of node.inputs) {
        if (!uses.has(input)) open.push(input)
        uses.set(input, (uses.get(input) ?? 0) + 1)
      }
    }
    return inside
  }

  /** May a node with so many uses in the expression of `end` be computed in it? */
  #isOwn(node: Node, uses: number, end: Node): boolean {
    const known = isElementwise(node) || node.op === 'reshape' || tailRoots.has(node.op)
    // a smaller value that is used several times would be computed anew for each place it is broadcast to
    const once = uses === 1 || sizeOf(node.shape) === sizeOf(end.shape)
    return known && once && this.isPrivate(node, uses)
  }

  #tailFrom(root: Node, end: Node, ways: ReadonlyMap<Node, TailWay>): FusedTail['write'] {
    const values = new Map<Node, Value>()
    const seen = new Set<Node>()
    const visit = (node: Node): void => {
      if (seen.has(node)) return
      seen.add(node)
      if (ways.get(node) === 'inline') node.inputs.forEach(visit)
      else if (ways.has(node)) values.set(node, this.value(node))
    }
    visit(end)
    return (b) => (channel) => {
      const ahead = new Map<Node, Expr>()
      for (const [node, value] of values) {
        const way = ways.get(node)
        if (way !== 'place') ahead.set(node, b.let(node.op, readPlain(b, value, way === 'channel' ? channel : int(0))))
      }
      return (accumulator, offset) => {
        const memo = new Map<Node, Expr>(ahead)
        const known = (node: Node): Expr | undefined => {
          const value = values.get(node)
          if (value) return loadVec(add(b.buffer(value, 'read'), offset), 0, vectorType(value.dtype))
          if (node === root) return accumulator
          return node.op === 'reshape' ? emitNode(b, inputOf(node, 0), known, memo) : undefined
        }
        return emitNode(b, end, known, memo)
      }
    }
  }

  // ── assignments: last, since what they overwrite has been read by then ──

  #assignAll(assigns: readonly Node<'assign'>[]): void {
    const groups: { shape: readonly number[]; nodes: Node<'assign'>[] }[] = []
    for (const assign of assigns) {
      const group = groups.find((g) => sameShape(g.shape, assign.shape))
      if (group) group.nodes.push(assign)
      else groups.push({ shape: assign.shape, nodes: [assign] })
    }
    for (const { nodes } of groups) this.#prepareAssigns(nodes, groups.length === 1)
    for (const { nodes } of groups) {
      const results: MapResult[] = nodes.map((node) => ({ node: inputOf(node, 1), value: this.input(node, 0) }))
      this.emit(lowerMap(this.lanes, results, (n) => this.values.get(n)))
      nodes.forEach((node) => this.values.set(node, this.input(node, 0)))
    }
  }

  /**
   * What the group's expressions read is put into memory; the rest is computed by the group's own kernel. Not so if they
   * read leaves that another group may overwrite first.
   */
  #prepareAssigns(nodes: readonly Node<'assign'>[], alone: boolean): void {
    const own = new Set(nodes.map((node) => inputOf(node, 0)))
    const inside = this.#closure(nodes)
    const safe = alone || nodes.every((node) => this.#readsOnly(inputOf(node, 1), own, inside))
    const inline = (node: Node): boolean => safe && (inside(node) || this.isPrivate(node))
    const seen = new Set<Node>()
    for (const node of nodes) this.#operand(inputOf(node, 1), inline, seen)
  }

  #readsOnly(end: Node, own: ReadonlySet<Node>, inside: (node: Node) => boolean): boolean {
    const seen = new Set([end])
    for (const node of seen) {
      if (node.op === 'leaf' && !own.has(node) && node.storage?.kind !== 'host') return false
      const inlined = isElementwise(node) && (inside(node) || this.isPrivate(node))
      if (inlined || (node.op === 'reshape' && !node.storage)) for (const input of node.inputs) seen.add(input)
    }
    return true
  }

  #closure(nodes: readonly Node<'assign'>[]): (node: Node) => boolean {
    const uses = new Map<Node, number>()
    const open = nodes.map((node) => inputOf(node, 1))
    for (let node = open.pop(); node; node = open.pop()) {
      const known = uses.get(node)
      uses.set(node, (known ?? 0) + 1)
      if (known === undefined && isElementwise(node) && !this.has(node)) open.push(...node.inputs)
    }
    const shape = nodes[0]?.shape ?? []
    return (node) =>
      !this.isTarget(node) &&
      !this.has(node) &&
      uses.get(node) === this.usesOf(node) &&
      (sameShape(node.shape, shape) || sizeOf(node.shape) === 1)
  }
}

/** Values computed for one another call each other; more than so many are computed from below. */
const MOST_CALLS = 100
/** Nodes in one expression, at most: its kernel is written by functions that call each other as deep. */
const MOST_NODES = 256

/** Removes the node that was made last; undefined where there is none. */
function takeLatest(open: Node[]): Node | undefined {
  let latest = 0
  open.forEach(({ id }, i) => {
    if (id > (open[latest]?.id ?? 0)) latest = i
  })
  return open.splice(latest, 1)[0]
}

/** The number of a plain value at `index`. */
const readPlain = (b: KernelBuilder, value: Value, index: Expr): Expr =>
  loadSplat(add(b.buffer(value, 'read'), mul(index, 4)), 0, vectorType(value.dtype))
