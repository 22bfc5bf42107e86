/**
 * The loop IR's definition: a plain interpreter for any number of lanes, which every renderer must match bit for bit
 * (the bits of a NaN excepted). A kernel is turned into closures once and runs over any memory.
 * With ranges it also checks that every access stays in a declared buffer and is of the declared kind.
 * Not here: speed, and verification (verify.ts; what was not verified may do anything here).
 */
import { aluTable } from '../../base/index.js'
import type { Access, Expr, LoopKernel, Stmt, StoreKind, Var } from './ir.js'

type StmtOf<K extends Stmt['k']> = Extract<Stmt, { k: K }>
type ExprOf<K extends Expr['k']> = Extract<Expr, { k: K }>

/** Where each of a kernel's buffers begins and ends, in bytes. */
export type Ranges = readonly (readonly [begin: number, end: number])[]

/** One vector: its lanes as floats and as their bits. Moves go by the bits, so that NaNs stay what they are. */
interface Lanes {
  readonly f: Float32Array
  readonly i: Int32Array
}
type Scalar = () => number
/** Gives a vector that is not changed before the next call; the caller must not write into it. */
type Vector = () => Lanes
type Action = () => void

/**
 * Does the units lo … hi−1 of `kernel` on `memory`. `table` is the byte address of the address table, `slots[b]` the word
 * of buffer b in it. With `ranges` (one for each buffer) an access outside them, or a write to what is only read, throws.
 */
export function interpret(
  kernel: LoopKernel,
  slots: readonly number[],
  memory: ArrayBufferLike,
  table: number,
  lo: number,
  hi: number,
  ranges?: Ranges,
): void {
  compiled(kernel).run(slots, memory, table, lo, hi, ranges)
}

const cache = new WeakMap<LoopKernel, Interpreter>()
function compiled(kernel: LoopKernel): Interpreter {
  const known = cache.get(kernel)
  if (known) return known
  const made = new Interpreter(kernel)
  cache.set(kernel, made)
  return made
}

class Interpreter {
  readonly #kernel: LoopKernel
  readonly #lanes: number
  readonly #scalars: number[] = []
  readonly #vectors = new Map<number, Lanes>()
  readonly #body: Action

  // What the current run works on.
  #memory: ArrayBufferLike = new ArrayBuffer(0)
  #data = new DataView(this.#memory)
  #addresses: number[] = []
  #n = 0
  #ranges: Ranges | undefined

  constructor(kernel: LoopKernel) {
    this.#kernel = kernel
    this.#lanes = kernel.lanes
    this.#body = this.#block(kernel.body)
  }

  run(
    slots: readonly number[],
    memory: ArrayBufferLike,
    table: number,
    lo: number,
    hi: number,
    ranges: Ranges | undefined,
  ): void {
    if (memory !== this.#memory) {
      this.#memory = memory
      this.#data = new DataView(memory)
    }
    this.#n = this.#data.getInt32(table, true)
    this.#addresses = slots.map((slot) => this.#data.getUint32(table + 4 * slot, true))
    this.#ranges = ranges
    this.#scalars[this.#kernel.lo.id] = lo
    this.#scalars[this.#kernel.hi.id] = hi
    this.#body()
  }

  /** A new vector of zeros. */
  #fresh(): Lanes {
    const f = new Float32Array(this.#lanes)
    return { f, i: new Int32Array(f.buffer) }
  }

  #vectorOf(v: Var): Lanes {
    const known = this.#vectors.get(v.id)
    if (known) return known
    const made = this.#fresh()
    this.#vectors.set(v.id, made)
    return made
  }

  /** The address of an access after its checks. */
  #at(address: number, bytes: number, access: 'read' | 'write'): number {
    if (this.#ranges && !this.#allowed(this.#ranges, address, bytes, access)) {
      throw new Error(
        `kernel '${this.#kernel.name}': ${access} of ${bytes} bytes at ${address} is in no buffer declared for it`,
      )
    }
    return address
  }

  #allowed(ranges: Ranges, address: number, bytes: number, access: 'read' | 'write'): boolean {
    const permits = (declared: Access | undefined): boolean => declared === access || declared === 'both'
    return ranges.some(
      ([begin, end], i) => address >= begin && address + bytes <= end && permits(this.#kernel.buffers[i]),
    )
  }

  #scalar(e: Expr): Scalar {
    switch (e.k) {
      case 'int': {
        const { value } = e
        return () => value
      }
      case 'var': {
        const scalars = this.#scalars
        const { id } = e.v
        scalars[id] = 0
        return () => scalars[id]!
      }
      case 'addr':
        return () => this.#addresses[e.buffer]!
      case 'n':
        return () => this.#n
      case 'load':
        return this.#scalarLoad(e)
      case 'alu':
        return this.#scalarAlu(e)
      default:
        throw new Error(`'${e.k}' is no i32`)
    }
  }

  #scalarLoad({ at, offset, mem }: ExprOf<'load'>): Scalar {
    const address = this.#scalar(at)
    if (mem === 'u8') return () => this.#data.getUint8(this.#at((address() >>> 0) + offset, 1, 'read'))
    return () => this.#data.getInt32(this.#at((address() >>> 0) + offset, 4, 'read'), true)
  }

  #scalarAlu({ op, args }: ExprOf<'alu'>): Scalar {
    const { eval: evaluate } = aluTable[op]
    const [a, b, c] = args.map((arg) => this.#scalar(arg))
    if (!a) throw new Error(`'${op}' without arguments`)
    if (!b) return () => evaluate(a(), 0, 0)
    if (!c) return () => evaluate(a(), b(), 0)
    return () => evaluate(a(), b(), c())
  }

  #vector(e: Expr): Vector {
    switch (e.k) {
      case 'float': {
        const out = this.#fresh()
        out.f.fill(e.value)
        return () => out
      }
      case 'iota': {
        const out = this.#fresh()
        out.i.forEach((_, lane) => (out.i[lane] = lane))
        return () => out
      }
      case 'var': {
        const out = this.#vectorOf(e.v)
        return () => out
      }
      case 'splat':
        return this.#broadcast(this.#scalar(e.value))
      case 'load':
        return e.mem === 'vec' ? this.#vectorLoad(e) : this.#splatLoad(e)
      case 'alu':
        return this.#vectorAlu(e)
      default:
        throw new Error(`'${e.k}' is no vector`)
    }
  }

  #broadcast(value: Scalar): Vector {
    const out = this.#fresh()
    const { i } = out
    return () => {
      i.fill(value())
      return out
    }
  }

  #splatLoad({ at, offset }: ExprOf<'load'>): Vector {
    const address = this.#scalar(at)
    return this.#broadcast(() => this.#data.getInt32(this.#at((address() >>> 0) + offset, 4, 'read'), true))
  }

  #vectorLoad({ at, offset }: ExprOf<'load'>): Vector {
    const address = this.#scalar(at)
    const lanes = this.#lanes
    const out = this.#fresh()
    const { i } = out
    return () => {
      const from = this.#at((address() >>> 0) + offset, 4 * lanes, 'read')
      const data = this.#data
      for (let lane = 0; lane < lanes; lane++) i[lane] = data.getInt32(from + 4 * lane, true)
      return out
    }
  }

  #vectorAlu({ op, args }: ExprOf<'alu'>): Vector {
    // A vector has both readings anyhow, and a signalling NaN would not survive a number.
    if (op === 'fbits' || op === 'ibits') return this.#vector(args[0]!)
    const { args: kinds, result, eval: evaluate } = aluTable[op]
    const lanes = this.#lanes
    const out = this.#fresh()
    const into = result === 'float' ? out.f : out.i
    // An argument is read as floats or as integers; a count is one number for all lanes.
    const [a, b, c] = args.map((arg, j): (() => Float32Array | Int32Array) => {
      const value = kinds[j] === 'count' ? this.#broadcast(this.#scalar(arg)) : this.#vector(arg)
      return kinds[j] === 'float' ? () => value().f : () => value().i
    })
    if (!a) throw new Error(`'${op}' without arguments`)
    return () => {
      const x = a()
      const y = b ? b() : x
      const z = c ? c() : x
      for (let lane = 0; lane < lanes; lane++) into[lane] = evaluate(x[lane]!, y[lane]!, z[lane]!)
      return out
    }
  }

  #block(body: readonly Stmt[]): Action {
    const actions = body.map((statement) => this.#stmt(statement))
    return () => {
      for (const action of actions) action()
    }
  }

  #stmt(s: Stmt): Action {
    switch (s.k) {
      case 'set':
        return this.#set(s.v, s.value)
      case 'store':
        return this.#store(s.mem, this.#scalar(s.at), s.offset, s.value)
      case 'loop':
        return this.#loop(this.#scalar(s.count), this.#block(s.body))
      case 'for':
        return this.#for(s)
      case 'if':
        return this.#if(this.#scalar(s.cond), this.#block(s.body), this.#block(s.otherwise))
      case 'transpose':
        return this.#transpose(s)
      case 'bytes4':
        return this.#bytes4(s)
    }
  }

  #set(v: Var, e: Expr): Action {
    if (v.type === 'i32') {
      const value = this.#scalar(e)
      return () => {
        this.#scalars[v.id] = value()
      }
    }
    const value = this.#vector(e)
    const { i } = this.#vectorOf(v)
    return () => i.set(value().i)
  }

  #store(mem: StoreKind, address: Scalar, offset: number, e: Expr): Action {
    if (mem === 'i32') {
      const value = this.#scalar(e)
      return () => {
        this.#data.setInt32(this.#at((address() >>> 0) + offset, 4, 'write'), value(), true)
      }
    }
    const value = this.#vector(e)
    const count = mem === 'one' ? 1 : this.#lanes
    return () => {
      const { i } = value()
      const to = this.#at((address() >>> 0) + offset, 4 * count, 'write')
      for (let lane = 0; lane < count; lane++) this.#data.setInt32(to + 4 * lane, i[lane]!, true)
    }
  }

  #loop(count: Scalar, body: Action): Action {
    return () => {
      for (let left = count(); left > 0; left--) body()
    }
  }

  #for(s: StmtOf<'for'>): Action {
    const from = this.#scalar(s.from)
    const to = this.#scalar(s.to)
    const body = this.#block(s.body)
    const { id } = s.v
    return () => {
      const end = to()
      for (let i = from(); i < end; i = (i + s.step) | 0) {
        this.#scalars[id] = i
        body()
      }
    }
  }

  #if(condition: Scalar, then: Action, otherwise: Action): Action {
    return () => (condition() !== 0 ? then() : otherwise())
  }

  #transpose(s: StmtOf<'transpose'>): Action {
    // Vectors of the body may be outputs too: all are copied before any is written.
    const from = s.from.map((e) => ({ value: this.#vector(e), copy: this.#fresh().i }))
    const out = s.out.map((v) => this.#vectorOf(v).i)
    return () => {
      for (const { value, copy } of from) copy.set(value().i)
      out.forEach((to, i) => from.forEach(({ copy }, j) => (to[j] = copy[i]!)))
    }
  }

  #bytes4(s: StmtOf<'bytes4'>): Action {
    const at = s.at.map((e) => this.#scalar(e))
    const out = s.out.map((v) => this.#vectorOf(v).i)
    return () => {
      at.forEach((address, lane) => {
        const from = this.#at((address() >>> 0) + s.offset, 4, 'read')
        out.forEach((to, j) => (to[lane] = this.#data.getUint8(from + j)))
      })
    }
  }
}
