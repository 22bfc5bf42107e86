/**
 * One kernel for elementwise expressions over one space, with any number of results (an optimizer updates parameters and
 * moments in one pass). Not here: which nodes are put into one kernel (schedule/).
 */
import type { Node, NodeType } from '../../graph/index.js'
import { sizeOf } from '../../base/index.js'
import { add, alu, int, loadVec, mul, sub } from '../loop/build.js'
import type { Expr, Units } from '../loop/ir.js'
import { KernelBuilder, one, partsOfPieces, type ScheduledKernel, type Value } from '../kernel.js'
import { emitNode } from './elementwise.js'
import { axesOf, dimsOf, loadAt, nest, operand, stridesIn, type Axis, type Operand } from './space.js'

export interface MapResult {
  readonly node: Node // the expression
  readonly value: Value // where it goes
}

type ValueOf = (node: Node) => Value | undefined

/** The nodes of an expression that are in memory, each once. */
export function operandsOf(roots: readonly Node[], valueOf: ValueOf): Map<Node, Value> {
  const found = new Map<Node, Value>()
  const seen = new Set<Node>()
  const visit = (node: Node): void => {
    if (seen.has(node)) return
    seen.add(node)
    const value = valueOf(node)
    if (value) found.set(node, value)
    else node.inputs.forEach(visit)
  }
  roots.forEach(visit)
  return found
}

export function lowerMap(lanes: number, results: readonly MapResult[], valueOf: ValueOf): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const space: NodeType = { ...mapSpace(results), dtype: 'f32' }
  const reads = operandsOf(
    results.map((r) => r.node),
    valueOf,
  )
  const name = results.map((r) => r.node.op).join('+')
  const map = new MapKernel(b, space, results, reads)
  const units = { lanes: () => map.lanes(), rows: () => map.rows(), plain: () => map.plain(), groups: never }
  return b.finish(`map ${name}`, units[space.layout]())
}

function never(): never {
  throw new Error('groups have no elementwise operations')
}

function mapSpace(results: readonly MapResult[]): Value {
  const first = results[0]
  if (!first) throw new Error('a map kernel needs a result')
  return first.value
}

class MapKernel {
  readonly #b: KernelBuilder
  readonly #space: NodeType
  readonly #results: readonly MapResult[]
  readonly #reads: ReadonlyMap<Node, Value>

  constructor(b: KernelBuilder, space: NodeType, results: readonly MapResult[], reads: ReadonlyMap<Node, Value>) {
    this.#b = b
    this.#space = space
    this.#results = results
    this.#reads = reads
  }

  #operands(unit: Expr): { inputs: Map<Node, Operand>; outputs: Operand[]; all: Operand[] } {
    const make = (value: Value, access: 'read' | 'write'): Operand =>
      operand(this.#b, value, access, stridesIn(this.#space, value, this.#b.lanes), unit)
    const inputs = new Map([...this.#reads].map(([node, value]) => [node, make(value, 'read')] as const))
    const outputs = this.#results.map((r) => make(r.value, 'write'))
    return { inputs, outputs, all: [...inputs.values(), ...outputs] }
  }

  /** The expressions at the present position. `wide`: with plain vectors; else all lanes agree. */
  #body(
    inputs: ReadonlyMap<Node, Operand>,
    outputs: readonly Operand[],
    wide: (o: Operand) => boolean,
    memo = new Map<Node, Expr>(),
  ): void {
    const leaf = (node: Node): Expr | undefined => {
      const o = inputs.get(node)
      return o && (wide(o) && o.value.dtype === 'u8' ? this.#bytes(o) : loadAt(o, wide(o)))
    }
    const values = this.#results.map((r) => emitNode(this.#b, r.node, leaf, memo))
    values.forEach((value, i) => {
      const o = outputs[i]
      if (o) this.#b.store(o.vector || wide(o) ? 'vec' : 'one', o.pointer, 0, value)
    })
  }

  /** Neighbouring bytes of a picture in rows; reads three more. */
  #bytes({ pointer }: Operand): Expr {
    const places = Array.from({ length: this.#b.lanes }, (_, lane) => add(pointer, lane))
    return this.#b.bytes4(places, 0)[0] ?? pointer
  }

  lanes(): Units {
    const dims = dimsOf(this.#space)
    const values = [...this.#reads.values(), ...this.#results.map(({ value }) => value)]
    const strides = values.map((value) => ({ strides: stridesIn(this.#space, value, this.#b.lanes) }))
    const axes = axesOf(dims, [...dims.keys()], strides)
    const parts = partsOfPieces(axes[0]?.count ?? 1)
    this.#b.forParts(parts, (block, from, to) => {
      const { inputs, outputs, all } = this.#operands(block)
      if (parts.count > 1) all.forEach((o, i) => this.#b.bump(o.pointer, mul(from, axes[0]?.strides[i] ?? 0)))
      const memo = new Map<Node, Expr>()
      const body = (): void => this.#body(inputs, outputs, () => false, memo)
      nest(this.#b, axes, all, body, (left) => this.#ahead(left, inputs, memo), sub(to, from))
    })
    return { pictures: this.#b.lanes, parts }
  }

  /** Computes in front of a loop what stands still in it and in those within: one number a channel, say. */
  #ahead(axes: readonly Axis[], inputs: ReadonlyMap<Node, Operand>, memo: Map<Node, Expr>): void {
    const moves = new Set([...inputs.keys()].filter((_, i) => axes.some(({ strides }) => strides[i] !== 0)))
    const leaf = (node: Node): Expr | undefined => {
      const o = inputs.get(node)
      return o && loadAt(o)
    }
    const emit = (node: Node): void => void (node.op === 'const' || emitNode(this.#b, node, leaf, memo))
    const seen = new Map<Node, boolean>()
    const stands = (node: Node): boolean => {
      const known = seen.get(node)
      if (known !== undefined) return known
      const parts = inputs.has(node) ? [] : node.inputs
      const still = parts.filter(stands)
      const found = still.length === parts.length && !moves.has(node)
      seen.set(node, found)
      if (!found) still.forEach(emit)
      return found
    }
    for (const { node } of this.#results) if (stands(node)) emit(node)
  }

  plain(): Units {
    const { inputs, outputs, all } = this.#operands(int(0))
    const dims = dimsOf(this.#space)
    const axes = axesOf(dims, [...dims.keys()], all)
    const inner = axes.at(-1) ?? { count: 1, strides: all.map(() => 0) }
    const write = (wide: (o: Operand) => boolean): void => this.#body(inputs, outputs, wide)
    if (axes.length <= 1 && this.#straight(inner, all)) return this.#flat(inner, all, write)
    this.#runs(axes, all, write)
    return one
  }

  /** Picture by picture, each along the dim whose neighbours lie side by side. */
  rows(): Units {
    const dims = dimsOf(this.#space)
    const steps = stridesIn(this.#space, mapSpace(this.#results), this.#b.lanes)
    const order = [...dims.keys()].sort((x, y) => (steps[y] ?? 0) - (steps[x] ?? 0))
    this.#b.forUnits((picture) => {
      const { inputs, outputs, all } = this.#operands(picture)
      this.#runs(axesOf(dims, order, all), all, (wide) => this.#body(inputs, outputs, wide))
    })
    return { pictures: 1 }
  }

  /** All positions, the last axis in vectors where it runs straight. */
  #runs(axes: readonly Axis[], all: readonly Operand[], write: (wide: (o: Operand) => boolean) => void): void {
    const inner = axes.at(-1) ?? { count: 1, strides: all.map(() => 0) }
    nest(this.#b, axes.slice(0, -1), all, () => {
      this.#inner(inner, all, write)
      if (axes.length > 1) all.forEach((o, i) => this.#b.bump(o.pointer, -inner.count * (inner.strides[i] ?? 0)))
    })
  }

  /** Every operand stands still or moves by one element, so that vectors can be read. */
  #straight(axis: Axis, all: readonly Operand[]): boolean {
    return all.every(({ value: { dtype, layout } }, i) => {
      const stride = axis.strides[i]
      return stride === 0 || (dtype === 'u8' ? stride === 1 && layout === 'rows' : stride === 4)
    })
  }

  #inner(axis: Axis, all: readonly Operand[], write: (wide: (o: Operand) => boolean) => void): void {
    const whole = this.#straight(axis, all) ? Math.floor(axis.count / this.#b.lanes) : 0
    this.#run(int(whole), axis, all, write, this.#b.lanes)
    this.#run(int(axis.count - whole * this.#b.lanes), axis, all, write, 1)
  }

  /** `count` steps of `step` elements. */
  #run(
    count: Expr,
    axis: Axis,
    all: readonly Operand[],
    write: (wide: (o: Operand) => boolean) => void,
    step: number,
  ): void {
    const moves = new Set(all.filter((_, i) => axis.strides[i] !== 0))
    this.#b.loop(count, () => {
      write((o) => step > 1 && moves.has(o))
      all.forEach((o, i) => this.#b.bump(o.pointer, step * (axis.strides[i] ?? 0)))
    })
  }

  /** One straight run, its vectors shared out as units; the last unit is what does not fill a vector. */
  #flat(axis: Axis, all: readonly Operand[], write: (wide: (o: Operand) => boolean) => void): Units {
    const { lanes } = this.#b
    const count = sizeOf(this.#space.shape)
    const whole = Math.floor(count / lanes)
    const [lo, hi] = [{ k: 'var', v: this.#b.lo } as const, { k: 'var', v: this.#b.hi } as const]
    all.forEach((o, i) => this.#b.bump(o.pointer, mul(lo, lanes * (axis.strides[i] ?? 0))))
    this.#run(sub(alu('imin', hi, int(whole)), lo), axis, all, write, lanes)
    if (count > whole * lanes)
      this.#b.if(alu('ilt', int(whole), hi), () => this.#run(int(count - whole * lanes), axis, all, write, 1))
    return { count: whole + (count > whole * lanes ? 1 : 0) }
  }
}

/** A straight copy of `bytes` (a multiple of 4) bytes between two addresses. */
export function copyWords(b: KernelBuilder, from: Expr, to: Expr, bytes: number): void {
  const [p, q] = [b.let('from', from), b.let('to', to)]
  b.loop(Math.floor(bytes / b.width), () => {
    b.store('vec', q, 0, loadVec(p))
    b.bump(p, b.width)
    b.bump(q, b.width)
  })
  for (let at = 0; at < bytes % b.width; at += 4)
    b.store('i32', q, at, { k: 'load', type: 'i32', mem: 'i32', at: p, offset: at })
}
