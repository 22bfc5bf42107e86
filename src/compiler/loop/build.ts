/**
 * Short spellings for writing loop IR by hand: constant folding of addresses, locals, statements in order.
 * Not here: any decision about loops or tiles.
 */
import { aluTable } from '../../base/index.js'
import type { AluOp, Expr, LoadKind, Stmt, StoreKind, Type, Var } from './ir.js'

export const int = (value: number): Expr => ({ k: 'int', value })
export const float = (value: number): Expr => ({ k: 'float', value: Math.fround(value) })
export const batchSize: Expr = { k: 'n' }
export const iota: Expr = { k: 'iota' }
export const addr = (buffer: number): Expr => ({ k: 'addr', buffer })
export const splat = (value: Expr): Expr => ({ k: 'splat', value })

export function typeOf(e: Expr): Type {
  switch (e.k) {
    case 'var':
      return e.v.type
    case 'load':
    case 'alu':
      return e.type
    case 'float':
      return 'f32v'
    case 'splat':
    case 'iota':
      return 'i32v'
    default:
      return 'i32'
  }
}

/** An operation; its result type follows from the operation and its first argument. */
export function alu(op: AluOp, ...args: Expr[]): Expr {
  const { result } = aluTable[op]
  const [first] = args
  const alike = first ? typeOf(first) : 'i32'
  return { k: 'alu', op, type: result === 'int' ? alike : result === 'ints' ? 'i32v' : 'f32v', args }
}

const isInt = (e: Expr, value?: number): e is { k: 'int'; value: number } =>
  e.k === 'int' && (value === undefined || e.value === value)

/** a + b on addresses, constants folded. */
export function add(a: Expr, b: Expr | number): Expr {
  const y = typeof b === 'number' ? int(b) : b
  if (isInt(a) && isInt(y)) return int(a.value + y.value)
  if (isInt(y, 0)) return a
  return isInt(a, 0) ? y : alu('iadd', a, y)
}

/** a · b on addresses, constants folded. */
export function mul(a: Expr, b: Expr | number): Expr {
  const y = typeof b === 'number' ? int(b) : b
  if (isInt(a) && isInt(y)) return int(a.value * y.value)
  if (isInt(y, 1)) return a
  if (isInt(y, 0)) return int(0)
  return isInt(a, 1) ? y : alu('imul', a, y)
}

export const sub = (a: Expr, b: Expr | number): Expr =>
  typeof b === 'number' ? add(a, -b) : isInt(a) && isInt(b) ? int(a.value - b.value) : alu('isub', a, b)

/** ⌈n / size⌉ of a non-negative i32, size a power of two. */
export const ceilDiv = (e: Expr, size: number): Expr => alu('ishru', add(e, size - 1), int(Math.log2(size)))
export const floorDiv = (e: Expr, size: number): Expr => alu('ishru', e, int(Math.log2(size)))

/** The larger one of e, an i32, and 0. */
export const notNegative = (e: Expr): Expr => alu('iand', e, alu('ixor', alu('ishr', e, int(31)), int(-1)))

export const loadVec = (at: Expr, offset = 0, type: 'f32v' | 'i32v' = 'f32v'): Expr => load(type, 'vec', at, offset)
export const loadSplat = (at: Expr, offset = 0, type: 'f32v' | 'i32v' = 'f32v'): Expr => load(type, 'splat', at, offset)
export const loadInt = (at: Expr, offset = 0): Expr => load('i32', 'i32', at, offset)
export const loadByte = (at: Expr, offset = 0): Expr => load('i32', 'u8', at, offset)
const load = (type: Type, mem: LoadKind, at: Expr, offset: number): Expr => ({ k: 'load', type, mem, at, offset })

/** Collects statements in order; nested bodies are written by callbacks. */
export class Builder {
  #next = 0
  #body: Stmt[] = []

  get body(): readonly Stmt[] {
    return this.#body
  }

  /** A new local, not yet set. */
  local(type: Type, name: string): Var {
    return { id: this.#next++, type, name }
  }

  /** A new local with a value. */
  let(name: string, value: Expr): { k: 'var'; v: Var } {
    const v = this.local(typeOf(value), name)
    this.set(v, value)
    return { k: 'var', v }
  }

  set(v: Var, value: Expr): void {
    this.#body.push({ k: 'set', v, value })
  }

  /** Adds bytes to a pointer. */
  bump(pointer: { v: Var }, by: Expr | number): void {
    if (by !== 0) this.set(pointer.v, add({ k: 'var', v: pointer.v }, by))
  }

  store(mem: StoreKind, at: Expr, offset: number, value: Expr): void {
    this.#body.push({ k: 'store', mem, at, offset, value })
  }

  loop(count: Expr | number, body: () => void): void {
    const n = typeof count === 'number' ? int(count) : count
    if (isInt(n, 1)) body()
    else if (!isInt(n) || n.value > 0) this.#body.push({ k: 'loop', count: n, body: this.#nested(body) })
  }

  for(name: string, from: Expr | number, to: Expr | number, step: number, body: (i: Expr) => void): void {
    const v = this.local('i32', name)
    const as = (e: Expr | number): Expr => (typeof e === 'number' ? int(e) : e)
    const inner = this.#nested(() => body({ k: 'var', v }))
    this.#body.push({ k: 'for', v, from: as(from), to: as(to), step, body: inner })
  }

  if(cond: Expr, then: () => void, otherwise: () => void = () => {}): void {
    this.#body.push({ k: 'if', cond, body: this.#nested(then), otherwise: this.#nested(otherwise) })
  }

  /** The transpose of `lanes` vectors. */
  transpose(from: readonly Expr[]): Expr[] {
    const out = from.map((e, i) => this.local(typeOf(e), `t${i}`))
    this.#body.push({ k: 'transpose', out, from })
    return out.map((v): Expr => ({ k: 'var', v }))
  }

  bytes4(at: readonly Expr[], offset: number): Expr[] {
    const out = [0, 1, 2, 3].map((i) => this.local('i32v', `byte${i}`))
    this.#body.push({ k: 'bytes4', out, at, offset })
    return out.map((v): Expr => ({ k: 'var', v }))
  }

  #nested(write: () => void): readonly Stmt[] {
    const outer = this.#body
    this.#body = []
    write()
    const inner = this.#body
    this.#body = outer
    return inner
  }
}
