/**
 * One kernel as a WebAssembly function body (lanes = 4). Expression trees become stack code as they stand: V8 allocates
 * registers best when it sees each multiply-add as load, load, get, madd, set and no other locals.
 * Not here: any choice (tiles, unrolling, order); the module around it (index.ts).
 */
import type { Expr, LoopKernel, Stmt, Type, Var } from '../../loop/ir.js'
import * as w from './encode.js'
import { Code, I32, V128, type Bytes, type Words } from './encode.js'
import { spellCondition, spellScalar, spellVector, type WasmOptions } from './ops.js'

/** Parameters of what a step calls: the address of the table, the first unit, one past the last. */
const TABLE = 0
const LO = 1
const HI = 2
/** The first parameters of a kernel that is called from several places: n; lo and hi follow, then its buffers' addresses. */
const SHARED_N = 0
const SHARED_BUFFERS = 3

type ExprOf<K extends Expr['k']> = Extract<Expr, { k: K }>
type StmtOf<K extends Stmt['k']> = Extract<Stmt, { k: K }>

const bits = new DataView(new ArrayBuffer(4))
function bitsOf(value: number): number {
  bits.setFloat32(0, value)
  return bits.getInt32(0)
}

const rangeOf = ({ lo, hi }: LoopKernel): Map<number, number> =>
  new Map([
    [lo.id, LO],
    [hi.id, HI],
  ])

/** The kernel as a function (table, lo, hi) for the buffers of these slots: its entry in the code section, without the size. */
export function kernelCode(kernel: LoopKernel, slots: readonly number[], options: WasmOptions): Bytes {
  return new FunctionBody(slots, options, HI + 1, rangeOf(kernel)).code(kernel.body)
}

/** The kernel as a function (n, lo, hi, address of buffer 0, …) for any buffers. */
export function sharedCode(kernel: LoopKernel, options: WasmOptions): Bytes {
  const count = kernel.buffers.length
  const given = new Map<number | 'n', number>([['n', SHARED_N]])
  for (let b = 0; b < count; b++) given.set(b, SHARED_BUFFERS + b)
  return new FunctionBody([], options, SHARED_BUFFERS + count, rangeOf(kernel), given).code(kernel.body)
}

/** A function (table, lo, hi) that calls such a kernel, function number `kernel`, for the buffers of these slots. */
export function callCode(kernel: number, slots: readonly number[]): Bytes {
  const code = new Code()
  const word = (slot: number): void => {
    code.get(TABLE)
    code.access(w.I32_LOAD, 4 * slot)
  }
  word(0)
  code.get(LO)
  code.get(HI)
  slots.forEach(word)
  code.call(kernel)
  return [0, ...code.bytes, ...w.END]
}

const four = (word: number): Words => [word, word, word, word]
const LOADS = { i32: w.I32_LOAD, vec: w.V128_LOAD, splat: w.LOAD_SPLAT } as const

class FunctionBody {
  /** slots[b]: the word of the table where buffer b's address stands. */
  readonly #slots: readonly number[]
  readonly #options: WasmOptions
  /** How many parameters the function has: its other locals are numbered from here. */
  readonly #params: number
  readonly #vars: Map<number, number>
  /** What is given, or read from the table once, at the start: buffer number or 'n' → local. */
  readonly #fromTable: Map<number | 'n', number>
  readonly #localTypes: number[] = []
  readonly #prologue = new Code()
  readonly #code = new Code()

  constructor(
    slots: readonly number[],
    options: WasmOptions,
    params: number,
    vars: Map<number, number>,
    given = new Map<number | 'n', number>(),
  ) {
    this.#slots = slots
    this.#options = options
    this.#params = params
    this.#vars = vars
    this.#fromTable = given
  }

  code(body: readonly Stmt[]): Bytes {
    this.#block(body)
    return this.#assemble()
  }

  #assemble(): Bytes {
    return w.join([w.vector(this.#localGroups()), this.#prologue.bytes, this.#code.bytes, w.END])
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

  #tableWord(key: number | 'n'): void {
    this.#code.get(this.#fromTable.get(key) ?? this.#loadWord(key))
  }

  #loadWord(key: number | 'n'): number {
    const local = this.#newLocal('i32')
    this.#fromTable.set(key, local)
    this.#prologue.get(TABLE)
    this.#prologue.access(w.I32_LOAD, 4 * (key === 'n' ? 0 : (this.#slots[key] ?? 0)))
    this.#prologue.set(local)
    return local
  }

  #expr(e: Expr): void {
    const code = this.#code
    switch (e.k) {
      case 'int':
        return code.i32Const(e.value)
      case 'float':
        return code.v128Const(four(bitsOf(e.value)))
      case 'var':
        return code.get(this.#local(e.v))
      case 'addr':
        return this.#tableWord(e.buffer)
      case 'n':
        return this.#tableWord('n')
      case 'iota':
        return code.v128Const([0, 1, 2, 3])
      case 'splat':
        this.#expr(e.value)
        return code.op(w.i32x4.splat)
      case 'load':
        this.#expr(e.at)
        return e.mem === 'u8' ? code.loadByte(e.offset) : code.access(LOADS[e.mem], e.offset)
      case 'alu':
        return this.#alu(e)
    }
  }

  #alu(e: ExprOf<'alu'>): void {
    const push = (i: number): void => this.#expr(e.args[i]!)
    if (e.type === 'i32') spellScalar(this.#code, e.op, push, () => this.#newLocal('i32'))
    else spellVector(this.#code, e.op, push, this.#options)
  }

  #condition(e: Expr): void {
    if (e.k !== 'alu') return this.#expr(e)
    const push = (i: number): void => this.#expr(e.args[i]!)
    spellCondition(this.#code, e.op, push, () => this.#newLocal('i32'))
  }

  #assign(value: Expr, local: number): void {
    this.#expr(value)
    this.#code.set(local)
  }

  #block(body: readonly Stmt[]): void {
    for (const statement of body) this.#stmt(statement)
  }

  #stmt(s: Stmt): void {
    switch (s.k) {
      case 'set':
        return this.#assign(s.value, this.#local(s.v))
      case 'store':
        return this.#store(s)
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

  #store(s: StmtOf<'store'>): void {
    this.#expr(s.at)
    this.#expr(s.value)
    if (s.mem === 'one') this.#code.lane(w.STORE_LANE, s.offset, 0)
    else this.#code.access(s.mem === 'vec' ? w.V128_STORE : w.I32_STORE, s.offset)
  }

  #if(s: StmtOf<'if'>): void {
    this.#condition(s.cond)
    this.#code.block(w.IF, () => {
      this.#block(s.body)
      if (s.otherwise.length === 0) return
      this.#code.op(w.ELSE)
      this.#block(s.otherwise)
    })
  }

  /** Counts one local down to 0. */
  #loop({ count, body }: StmtOf<'loop'>): void {
    if (count.k === 'int' && count.value <= 0) return
    const code = this.#code
    const counter = this.#newLocal('i32')
    this.#assign(count, counter)
    const positive = (): void => {
      code.get(counter)
      code.i32Const(0)
      code.op(w.i32.gtS)
    }
    this.#repeat(count.k === 'int' ? undefined : positive, () => {
      this.#block(body)
      code.get(counter)
      code.i32Const(1)
      code.op(w.i32.sub)
      code.tee(counter)
    })
  }

  #for({ v, from, to, step, body }: StmtOf<'for'>): void {
    const known = from.k === 'int' && to.k === 'int'
    if (known && from.value >= to.value) return
    const code = this.#code
    const local = this.#local(v)
    const end = this.#bound(to)
    this.#assign(from, local)
    const below = (): void => {
      code.get(local)
      end()
      code.op(w.i32.ltS)
    }
    this.#repeat(known ? undefined : below, () => {
      this.#block(body)
      code.get(local)
      code.i32Const(step)
      code.op(w.i32.add)
      code.set(local)
      below()
    })
  }

  /** How to write a bound: it is read once, as the body may change what it was made of. */
  #bound(e: Expr): () => void {
    if (e.k === 'int') return () => this.#code.i32Const(e.value)
    const local = this.#newLocal('i32')
    this.#assign(e, local)
    return () => this.#code.get(local)
  }

  /** `body` ends with a condition: it runs again while that holds; the first time if `first` holds or is not given. */
  #repeat(first: (() => void) | undefined, body: () => void): void {
    const again = (): void => {
      body()
      this.#code.branchIf(0)
    }
    if (!first) return this.#code.block(w.LOOP, again)
    first()
    this.#code.block(w.IF, () => this.#code.block(w.LOOP, again))
  }

  /** Pairs of words, then pairs of pairs: 8 shuffles, which x86 and ARM have as single instructions. */
  #transpose(s: StmtOf<'transpose'>): void {
    const fresh = (): number => this.#newLocal('f32v')
    // All vectors are read before any output is set.
    const rows = s.from.map((e) => {
      const row = fresh()
      this.#assign(e, row)
      return row
    })
    const low1 = this.#mix(rows[0]!, rows[1]!, [0, 4, 1, 5], fresh())
    const high1 = this.#mix(rows[0]!, rows[1]!, [2, 6, 3, 7], fresh())
    const low2 = this.#mix(rows[2]!, rows[3]!, [0, 4, 1, 5], fresh())
    const high2 = this.#mix(rows[2]!, rows[3]!, [2, 6, 3, 7], fresh())
    const out = s.out.map((v) => this.#local(v))
    this.#mix(low1, low2, [0, 1, 4, 5], out[0]!)
    this.#mix(low1, low2, [2, 3, 6, 7], out[1]!)
    this.#mix(high1, high2, [0, 1, 4, 5], out[2]!)
    this.#mix(high1, high2, [2, 3, 6, 7], out[3]!)
  }

  #mix(a: number, b: number, picks: Words, to: number): number {
    this.#code.get(a)
    this.#code.get(b)
    this.#code.shuffle(picks)
    this.#code.set(to)
    return to
  }

  /** The four bytes of each lane are loaded as one word; byte j is then a shift and a mask. */
  #bytes4(s: StmtOf<'bytes4'>): void {
    const code = this.#code
    const words = this.#newLocal('i32v')
    s.at.forEach((at, lane) => {
      this.#expr(at)
      if (lane > 0) code.get(words)
      if (lane > 0) code.lane(w.LOAD_LANE, s.offset, lane)
      else code.access(w.LOAD_ZERO, s.offset)
      code.set(words)
    })
    s.out.forEach((v, j) => this.#byte(words, j, this.#local(v)))
  }

  #byte(words: number, j: number, to: number): void {
    const code = this.#code
    code.get(words)
    if (j > 0) code.i32Const(8 * j)
    if (j > 0) code.op(w.i32x4.shrU)
    if (j < 3) code.v128Const(four(255))
    if (j < 3) code.op(w.v128.and)
    code.set(to)
  }
}
