/**
 * Random kernels for comparing devices: grown from a list of numbers, each a choice, so that fast-check can shrink them.
 * They read `inputWords` words of buffer 0 and write both halves of buffer 1: floats, then integers.
 */
import { aluTable, type AluKind, type AluOp } from '../../src/base/index.js'
import {
  add,
  alu,
  batchSize,
  float,
  int,
  iota,
  loadByte,
  loadInt,
  loadSplat,
  loadVec,
  splat,
  typeOf,
  type Builder,
  type Expr,
  type LoopKernel,
  type Type,
  type Var,
} from '../../src/compiler/index.js'
import { input, kernelOf, output } from './kernels.js'

/** Input words that loads may reach: addresses up to 127 + 63, vectors of 4 · lanes bytes. */
export const inputWords = (lanes: number): number => Math.ceil((190 + 4 * lanes) / 4)
/** Bytes of each half of the output. */
export const halfBytes = (lanes: number): number => 64 * lanes

const INTS = [0, 1, -1, 3, 31, 255, -128, 65536, 0x7fffffff, -0x80000000]
const FLOATS = [0, -0, 1, -1.5, 0.1, 1e-45, -1e-39, 3e38, Infinity, NaN, 1 + 2 ** -12]

class Grower {
  readonly #choices: readonly number[]
  #next = 0
  readonly #b: Builder
  readonly #lanes: number
  readonly #ops: readonly AluOp[]
  #vars: Var[] = []
  #depth = 0

  constructor(choices: readonly number[], b: Builder, lanes: number, ops: readonly AluOp[]) {
    this.#choices = choices
    this.#b = b
    this.#lanes = lanes
    this.#ops = ops
  }

  /** A number below `count`; 0, which always means something small, when the choices are used up. */
  #pick(count: number): number {
    return (this.#choices[this.#next++] ?? 0) % count
  }

  #oneOf<T>(items: readonly T[]): T {
    return items[this.#pick(items.length)]!
  }

  block(count: number): void {
    const outer = this.#vars.length
    for (let i = 0; i < count; i++) this.#statement()
    // Locals set inside may be unset outside, in loops that do not run.
    if (this.#depth > 0) this.#vars.length = outer
  }

  finish(): void {
    for (const v of this.#vars) this.#store({ k: 'var', v })
  }

  #statement(): void {
    const nested = this.#depth < 3
    const kind = this.#pick(nested ? 10 : 6)
    if (kind <= 1) this.#vars.push(this.#newVar())
    else if (kind === 2) this.#assign()
    else if (kind === 3) this.#store(this.#expr(this.#oneOf(['f32v', 'i32v', 'i32'] as const), 3))
    else if (kind === 4) this.#rows()
    else if (kind === 5) this.#bytes()
    else this.#nest(kind)
  }

  #newVar(): Var {
    return this.#b.let('v', this.#expr(this.#oneOf(['f32v', 'i32v', 'i32'] as const), 3)).v
  }

  #assign(): void {
    const v = this.#oneOf(this.#vars)
    if (v) this.#b.set(v, this.#expr(v.type, 3))
  }

  #rows(): void {
    const type = this.#oneOf(['f32v', 'i32v'] as const)
    const out = this.#b.transpose(this.#eachLane(() => this.#expr(type, 2)))
    for (const e of out) if (e.k === 'var') this.#vars.push(e.v)
  }

  #bytes(): void {
    const out = this.#b.bytes4(
      this.#eachLane(() => this.#address()),
      this.#pick(64),
    )
    for (const e of out) if (e.k === 'var') this.#vars.push(e.v)
  }

  #eachLane(make: () => Expr): Expr[] {
    return Array.from({ length: this.#lanes }, make)
  }

  #nest(kind: number): void {
    const body = (): void => {
      this.#depth++
      this.block(1 + this.#pick(4))
      this.#depth--
    }
    const small = (): Expr => alu('isub', alu('iand', this.#expr('i32', 2), int(3)), int(1))
    if (kind === 6) this.#b.loop(this.#pick(4), body)
    else if (kind === 7) this.#b.loop(small(), body)
    else if (kind === 8) this.#b.if(this.#expr('i32', 2), body, body)
    else this.#b.for('i', small(), add(small(), this.#pick(3)), 1 + this.#pick(3), body)
  }

  /** Floats and integers go to parts of their own, as NaNs are compared as floats. */
  #store(value: Expr): void {
    const type = typeOf(value)
    const at = add(output, alu('iand', this.#expr('i32', 1), int(56 * this.#lanes)))
    const offset = (type === 'f32v' ? 0 : halfBytes(this.#lanes)) + 4 * this.#pick(4)
    this.#b.store(type === 'i32' ? 'i32' : this.#oneOf(['vec', 'one'] as const), at, offset, value)
  }

  #address(): Expr {
    return add(input, alu('iand', this.#expr('i32', 1), int(127)))
  }

  #expr(type: Type, depth: number): Expr {
    const known = this.#vars.filter((v) => v.type === type)
    const kind = this.#pick(depth > 0 ? 8 : 3)
    if (kind === 1 && known.length > 0) return { k: 'var', v: this.#oneOf(known) }
    if (kind === 2) return this.#load(type)
    return kind < 3 ? this.#leaf(type) : this.#operation(type, depth - 1)
  }

  #leaf(type: Type): Expr {
    if (type === 'f32v') return float(this.#oneOf(FLOATS))
    if (type === 'i32v') return this.#pick(3) === 0 ? iota : splat(int(this.#oneOf(INTS)))
    return this.#pick(3) === 0 ? batchSize : int(this.#oneOf(INTS))
  }

  #load(type: Type): Expr {
    const at = this.#address()
    const offset = this.#pick(64)
    if (type === 'i32') return this.#pick(2) === 0 ? loadInt(at, offset) : loadByte(at, offset)
    return this.#pick(2) === 0 ? loadVec(at, offset, type) : loadSplat(at, offset, type)
  }

  #operation(type: Type, depth: number): Expr {
    const fits = this.#ops.filter((op) => resultFits(aluTable[op].result, type))
    const op = this.#oneOf(fits)
    if (op === 'fbits') return alu('fbits', this.#number(depth))
    const typeOfKind: Record<AluKind, Type> = { float: 'f32v', ints: 'i32v', int: type, count: 'i32' }
    const args = aluTable[op].args.map((kind) => this.#expr(typeOfKind[kind], depth))
    if (op === 'fselect') args[0] = alu('flt', this.#expr('f32v', depth), this.#expr('f32v', depth))
    if (op === 'iselect') args[0] = alu('ilt', this.#expr(type, depth), this.#expr(type, depth))
    return alu(op, ...args)
  }

  /** A float that is no NaN, whose bits are not promised. */
  #number(depth: number): Expr {
    const e = this.#b.let('number', this.#expr('f32v', depth))
    return alu('fselect', alu('feq', e, e), e, float(7))
  }
}

const resultFits = (result: 'float' | 'ints' | 'int', type: Type): boolean =>
  result === 'float' ? type === 'f32v' : result === 'ints' ? type === 'i32v' : type !== 'f32v'

/** A kernel of the given lanes that uses the given operations. */
export function growKernel(choices: readonly number[], lanes: number, ops: readonly AluOp[]): LoopKernel {
  const kernel = kernelOf((b) => {
    const grower = new Grower(choices, b, lanes, ops)
    grower.block(12)
    grower.finish()
  })
  return { ...kernel, lanes }
}
