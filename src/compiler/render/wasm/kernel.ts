/**
 * One kernel as a WebAssembly function body (lanes = 4). Expression trees become stack code as they stand: V8 allocates
 * registers best when it sees each multiply-add as load, load, get, madd, set and no other locals.
 * Not here: any choice (tiles, unrolling, order); the module around it (index.ts).
 */
import type { Expr, LoopKernel, Stmt, Type, Var } from '../../loop/ir.js'
import * as w from './encode.js'
import { append, I32, V128, type Bytes } from './encode.js'
import { spellCondition, spellScalar, spellVector, type WasmOptions } from './ops.js'

/** Parameters of every kernel: the address of the table, the first unit, one past the last. */
const TABLE = 0
const LO = 1
const HI = 2

type StmtOf<K extends Stmt['k']> = Extract<Stmt, { k: K }>

const bits = new DataView(new ArrayBuffer(4))
function bitsOf(value: number): number {
  bits.setFloat32(0, value)
  return bits.getInt32(0)
}

/** The kernel's function (table, lo, hi): its entry in the code section, without the size. */
export function kernelCode(kernel: LoopKernel, slots: readonly number[], options: WasmOptions): Bytes {
  const params = new Map([
    [kernel.lo.id, LO],
    [kernel.hi.id, HI],
  ])
  return new FunctionBody(slots, options, HI + 1, params).code(kernel.body)
}

/** The function (table) → how many units the kernel has. */
export function unitsCode(kernel: LoopKernel, options: WasmOptions): Bytes {
  return new FunctionBody([], options, TABLE + 1, new Map()).result(kernel.units)
}

class FunctionBody {
  /** slots[b]: the word of the table where buffer b's address stands. */
  readonly #slots: readonly number[]
  readonly #options: WasmOptions
  /** How many parameters the function has: its other locals are numbered from here. */
  readonly #params: number
  readonly #vars: Map<number, number>
  /** What is read from the table once, at the start: buffer number or 'n' → local. */
  readonly #fromTable = new Map<number | 'n', number>()
  readonly #localTypes: number[] = []
  readonly #prologue: Bytes = []

  constructor(slots: readonly number[], options: WasmOptions, params: number, vars: Map<number, number>) {
    this.#slots = slots
    this.#options = options
    this.#params = params
    this.#vars = vars
  }

  code(body: readonly Stmt[]): Bytes {
    return this.#assemble(this.#block(body))
  }

  result(value: Expr): Bytes {
    return this.#assemble(this.#expr(value))
  }

  #assemble(body: Bytes): Bytes {
    const out = w.vector(this.#localGroups())
    append(out, this.#prologue)
    append(out, body)
    append(out, w.END)
    return out
  }

  /** Runs of locals of one type. */
  #localGroups(): Bytes[] {
    const groups: { type: number; count: number }[] = []
    for (const type of this.#localTypes) {
      const last = groups.at(-1)
      if (last?.type === type) last.count++
      else groups.push({ type, count: 1 })
    }
    return groups.map(({ type, count }) => [...w.u32(count), type])
  }

  #newLocal(type: Type): number {
    return this.#params + this.#localTypes.push(type === 'i32' ? I32 : V128) - 1
  }

  #local(v: Var): number {
    const known = this.#vars.get(v.id)
    if (known !== undefined) return known
    const local = this.#newLocal(v.type)
    this.#vars.set(v.id, local)
    return local
  }

  #tableWord(key: number | 'n'): Bytes {
    const known = this.#fromTable.get(key)
    if (known !== undefined) return w.get(known)
    const local = this.#newLocal('i32')
    this.#fromTable.set(key, local)
    const slot = key === 'n' ? 0 : (this.#slots[key] ?? 0)
    append(this.#prologue, [...w.get(TABLE), ...w.i32Load(4 * slot), ...w.set(local)])
    return w.get(local)
  }

  #expr(e: Expr): Bytes {
    switch (e.k) {
      case 'int':
        return w.i32Const(e.value)
      case 'float': {
        const word = bitsOf(e.value)
        return w.v128Const([word, word, word, word])
      }
      case 'var':
        return w.get(this.#local(e.v))
      case 'addr':
        return this.#tableWord(e.buffer)
      case 'n':
        return this.#tableWord('n')
      case 'iota':
        return w.v128Const([0, 1, 2, 3])
      case 'splat':
        return [...this.#expr(e.value), ...w.i32x4.splat]
      case 'load':
        return [...this.#expr(e.at), ...loadOf[e.mem](e.offset)]
      case 'alu':
        return this.#alu(e)
    }
  }

  #alu(e: Extract<Expr, { k: 'alu' }>): Bytes {
    const push = (i: number): Bytes => this.#expr(e.args[i]!)
    return e.type === 'i32' ? spellScalar(e.op, push, () => this.#temporary()) : spellVector(e.op, push, this.#options)
  }

  #temporary(): readonly [Bytes, Bytes] {
    const local = this.#newLocal('i32')
    return [w.tee(local), w.get(local)]
  }

  #condition(e: Expr): Bytes {
    if (e.k !== 'alu') return this.#expr(e)
    return spellCondition(
      e.op,
      (i) => this.#expr(e.args[i]!),
      () => this.#temporary(),
    )
  }

  #block(body: readonly Stmt[]): Bytes {
    const out: Bytes = []
    for (const statement of body) append(out, this.#stmt(statement))
    return out
  }

  #stmt(s: Stmt): Bytes {
    switch (s.k) {
      case 'set':
        return [...this.#expr(s.value), ...w.set(this.#local(s.v))]
      case 'store':
        return [...this.#expr(s.at), ...this.#expr(s.value), ...storeOf[s.mem](s.offset)]
      case 'loop':
        return this.#loop(s)
      case 'for':
        return this.#for(s)
      case 'if':
        return this.#if(s)
      case 'transpose':
        return this.#transpose(s)
      case 'bytes4':
        return this.#bytes4(s)
    }
  }

  #if(s: StmtOf<'if'>): Bytes {
    const out = [...this.#condition(s.cond), ...w.IF]
    append(out, this.#block(s.body))
    if (s.otherwise.length > 0) {
      append(out, w.ELSE)
      append(out, this.#block(s.otherwise))
    }
    append(out, w.END)
    return out
  }

  /** Counts one local down to 0. */
  #loop(s: StmtOf<'loop'>): Bytes {
    if (s.count.k === 'int' && s.count.value <= 0) return []
    const counter = this.#newLocal('i32')
    const start = [...this.#expr(s.count), ...w.set(counter)]
    const inner = [...w.LOOP]
    append(inner, this.#block(s.body))
    append(inner, [...w.get(counter), ...w.i32Const(1), ...w.i32.sub, ...w.tee(counter), ...w.branchIf(0), ...w.END])
    return this.#guarded(start, s.count.k === 'int', [...w.get(counter), ...w.i32Const(0), ...w.i32.gtS], inner)
  }

  #for(s: StmtOf<'for'>): Bytes {
    const { from, to } = s
    const known = from.k === 'int' && to.k === 'int'
    if (known && from.value >= to.value) return []
    const v = this.#local(s.v)
    // The bound is read once: the body may change what it was made of.
    const start: Bytes = []
    let end = this.#expr(to)
    if (to.k !== 'int') {
      const bound = this.#newLocal('i32')
      start.push(...end, ...w.set(bound))
      end = w.get(bound)
    }
    start.push(...this.#expr(from), ...w.set(v))
    const inner = [...w.LOOP]
    append(inner, this.#block(s.body))
    const next = [...w.get(v), ...w.i32Const(s.step), ...w.i32.add, ...w.tee(v)]
    append(inner, [...next, ...end, ...w.i32.ltS, ...w.branchIf(0), ...w.END])
    return this.#guarded(start, known, [...w.get(v), ...end, ...w.i32.ltS], inner)
  }

  #guarded(start: Bytes, sure: boolean, condition: Bytes, inner: Bytes): Bytes {
    const out = start
    if (!sure) append(out, [...condition, ...w.IF])
    append(out, inner)
    if (!sure) append(out, w.END)
    return out
  }

  /** Pairs of words, then pairs of pairs: 8 shuffles, which x86 and ARM have as single instructions. */
  #transpose(s: StmtOf<'transpose'>): Bytes {
    const [a, b, c, d] = s.from.map(() => this.#newLocal('f32v')) as [number, number, number, number]
    const into = [a, b, c, d]
    const out: Bytes = []
    s.from.forEach((e, i) => out.push(...this.#expr(e), ...w.set(into[i]!)))
    const mix = (x: number, y: number, words: readonly [number, number, number, number], to: number): void => {
      out.push(...w.get(x), ...w.get(y), ...w.shuffle32(words), ...w.set(to))
    }
    const [low1, high1, low2, high2] = into.map(() => this.#newLocal('f32v')) as [number, number, number, number]
    mix(a, b, [0, 4, 1, 5], low1)
    mix(a, b, [2, 6, 3, 7], high1)
    mix(c, d, [0, 4, 1, 5], low2)
    mix(c, d, [2, 6, 3, 7], high2)
    const [o0, o1, o2, o3] = s.out.map((v) => this.#local(v)) as [number, number, number, number]
    mix(low1, low2, [0, 1, 4, 5], o0)
    mix(low1, low2, [2, 3, 6, 7], o1)
    mix(high1, high2, [0, 1, 4, 5], o2)
    mix(high1, high2, [2, 3, 6, 7], o3)
    return out
  }

  /** The four bytes of each lane are loaded as one word; byte j is then a shift and a mask. */
  #bytes4(s: StmtOf<'bytes4'>): Bytes {
    const words = this.#newLocal('i32v')
    const out: Bytes = []
    s.at.forEach((at, lane) => {
      out.push(...this.#expr(at))
      if (lane === 0) out.push(...w.loadZero32(s.offset), ...w.set(words))
      else out.push(...w.get(words), ...w.loadLane32(s.offset, lane), ...w.set(words))
    })
    const mask = w.v128Const([255, 255, 255, 255])
    s.out.forEach((v, j) => {
      const shift = j === 0 ? [] : [...w.i32Const(8 * j), ...w.i32x4.shrU]
      out.push(...w.get(words), ...shift, ...(j === 3 ? [] : [...mask, ...w.v128.and]), ...w.set(this.#local(v)))
    })
    return out
  }
}

const loadOf = { i32: w.i32Load, u8: w.i32Load8u, vec: w.v128Load, splat: w.loadSplat32 } as const
const storeOf = {
  vec: w.v128Store,
  one: (offset: number): Bytes => w.storeLane32(offset, 0),
  i32: w.i32Store,
} as const
