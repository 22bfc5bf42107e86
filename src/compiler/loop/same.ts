/**
 * Kernels that do the same on other buffers become one: what a kernel does is written down as words, its locals in the order
 * in which they appear, and equal words are the same kernel. Addresses are none of its structure: they come from slots.
 * Not here: what is made of it, one function called from many places (renderers) or one entry of a cache (device).
 */
import { aluTable, type AluOp } from '../../base/index.js'
import type { Access, Expr, LoadKind, LoopKernel, Stmt, StoreKind, Type, Units, Var } from './ir.js'
import { partsOf } from './team.js'

/** The kernels, of equal ones the first for all. */
export function shareKernels(kernels: readonly LoopKernel[]): LoopKernel[] {
  const known = new Map<number, { words: Int32Array; kernel: LoopKernel }[]>()
  const words = new Words()
  return kernels.map((kernel) => {
    words.write(kernel)
    const alike = known.get(words.hash) ?? []
    for (const other of alike) if (words.equal(other.words)) return other.kernel
    known.set(words.hash, [...alike, { words: words.copy(), kernel }])
    return kernel
  })
}

/** The kernels of a program, each once, and which of them every call is of. */
export function distinct(kernels: readonly LoopKernel[]): { readonly kernels: LoopKernel[]; readonly calls: number[] } {
  const numbers = new Map<LoopKernel, number>()
  const calls = kernels.map((kernel) => {
    const number = numbers.get(kernel) ?? numbers.size
    numbers.set(kernel, number)
    return number
  })
  return { kernels: [...numbers.keys()], calls }
}

const numbered = <K extends string>(names: readonly K[]): Readonly<Record<K, number>> =>
  Object.fromEntries(names.map((name, i) => [name, i])) as Record<K, number>

const TYPES = numbered<Type>(['i32', 'f32v', 'i32v'])
const ACCESS = numbered<Access>(['read', 'write', 'both'])
const LOADS = numbered<LoadKind>(['i32', 'u8', 'vec', 'splat'])
const STORES = numbered<StoreKind>(['vec', 'one', 'i32'])
const OPS = numbered(Object.keys(aluTable) as AluOp[])
const EXPRS = numbered<Expr['k']>(['int', 'float', 'var', 'addr', 'n', 'iota', 'splat', 'load', 'alu'])
const STMTS = numbered<Stmt['k']>(['set', 'store', 'loop', 'for', 'if', 'transpose', 'bytes4'])

const float = new Float32Array(1)
const bits = new Int32Array(float.buffer)

/** Every list is written behind its length and every choice as a number, so that different kernels have different words. */
class Words {
  #words = new Int32Array(1024)
  #length = 0
  hash = 0
  readonly #locals = new Map<number, number>()

  write(kernel: LoopKernel): void {
    this.#length = this.hash = 0
    this.#locals.clear()
    this.#text(kernel.name)
    this.#put(kernel.lanes)
    this.#units(kernel.units)
    this.#list(kernel.buffers, (access) => this.#put(ACCESS[access]))
    this.#local(kernel.lo)
    this.#local(kernel.hi)
    this.#block(kernel.body)
  }

  equal(other: Int32Array): boolean {
    if (other.length !== this.#length) return false
    for (let i = 0; i < other.length; i++) if (other[i] !== this.#words[i]) return false
    return true
  }

  copy(): Int32Array {
    return this.#words.slice(0, this.#length)
  }

  #put(word: number): void {
    if (this.#length === this.#words.length) {
      const longer = new Int32Array(2 * this.#length)
      longer.set(this.#words)
      this.#words = longer
    }
    this.#words[this.#length++] = word
    this.hash = (Math.imul(this.hash, 31) + word) | 0
  }

  #list<T>(items: readonly T[], put: (item: T) => void): void {
    this.#put(items.length)
    for (const item of items) put(item)
  }

  #text(text: string): void {
    this.#put(text.length)
    for (let i = 0; i < text.length; i++) this.#put(text.charCodeAt(i))
  }

  #units(units: Units): void {
    if ('count' in units) for (const word of [-1 - units.count, Number(units.together ?? false)]) this.#put(word)
    if ('count' in units) return
    const { count, pieces } = partsOf(units)
    for (const word of [units.pictures, count, pieces]) this.#put(word)
  }

  #local({ id, type }: Var): void {
    const known = this.#locals.get(id)
    if (known === undefined) this.#locals.set(id, this.#locals.size)
    this.#put(known ?? this.#locals.size - 1)
    this.#put(TYPES[type])
  }

  #block(body: readonly Stmt[]): void {
    this.#list(body, (statement) => this.#stmt(statement))
  }

  #exprs(list: readonly Expr[]): void {
    this.#list(list, (e) => this.#expr(e))
  }

  #stmt(s: Stmt): void {
    this.#put(STMTS[s.k])
    switch (s.k) {
      case 'set':
        this.#local(s.v)
        return this.#expr(s.value)
      case 'store':
        this.#put(STORES[s.mem])
        this.#put(s.offset)
        this.#expr(s.at)
        return this.#expr(s.value)
      case 'loop':
        this.#expr(s.count)
        return this.#block(s.body)
      case 'for':
        this.#local(s.v)
        this.#put(s.step)
        this.#expr(s.from)
        this.#expr(s.to)
        return this.#block(s.body)
      case 'if':
        this.#expr(s.cond)
        this.#block(s.body)
        return this.#block(s.otherwise)
      case 'transpose':
        this.#list(s.out, (v) => this.#local(v))
        return this.#exprs(s.from)
      case 'bytes4':
        this.#put(s.offset)
        this.#list(s.out, (v) => this.#local(v))
        return this.#exprs(s.at)
    }
  }

  #expr(e: Expr): void {
    this.#put(EXPRS[e.k])
    switch (e.k) {
      case 'int':
        return this.#put(e.value)
      case 'float':
        float[0] = e.value
        return this.#put(bits[0] ?? 0)
      case 'var':
        return this.#local(e.v)
      case 'addr':
        return this.#put(e.buffer)
      case 'splat':
        return this.#expr(e.value)
      case 'load':
        this.#put(LOADS[e.mem])
        this.#put(TYPES[e.type])
        this.#put(e.offset)
        return this.#expr(e.at)
      case 'alu':
        this.#put(OPS[e.op])
        this.#put(TYPES[e.type])
        return this.#exprs(e.args)
      case 'n':
      case 'iota':
    }
  }
}
