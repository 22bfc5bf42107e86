/**
 * Checks that a kernel means something: types, locals set before they are read, buffer numbers, constants.
 * It throws at the first fault and names the kernel and the statement. A fault is a bug of the lowering, not of users.
 * Not here: whether addresses stay inside their buffers (the interpreter sees that).
 */
import { aluTable } from '../../base/index.js'
import { typeOf } from './build.js'
import type { Expr, LoopKernel, Stmt, Type, Units, Var } from './ir.js'
import { partsOf } from './team.js'

type StmtOf<K extends Stmt['k']> = Extract<Stmt, { k: K }>
type ExprOf<K extends Expr['k']> = Extract<Expr, { k: K }>
/** Ids of the locals that surely have a value. */
type Known = Set<number>

/** Throws an Error that names the kernel and the statement if the kernel is not well formed. */
export function verify(kernel: LoopKernel): void {
  new Verifier(kernel).run()
}

const isCount = (value: number): boolean => Number.isInteger(value) && value > 0
const isPower = (value: number): boolean => isCount(value) && Number.isInteger(Math.log2(value))
const isI32 = (value: number): boolean => (value | 0) === value
const isFloat32 = (value: number): boolean => Object.is(Math.fround(value), value)
const isOffset = (value: number): boolean => isI32(value) && value >= 0

class Verifier {
  readonly #kernel: LoopKernel
  readonly #vars = new Map<number, Var>()
  /** Counters of the `for`s around the current statement: their bodies may not change them. */
  readonly #counters = new Set<number>()
  /** The kinds of the statements around the current one, with their numbers. */
  readonly #path: string[] = []

  constructor(kernel: LoopKernel) {
    this.#kernel = kernel
  }

  run(): void {
    const { lanes, lo, hi, units, body } = this.#kernel
    this.#path.push('head')
    this.#require(Number.isInteger(lanes) && lanes > 0, `lanes are ${lanes}`)
    this.#declare(lo, 'i32')
    this.#declare(hi, 'i32')
    this.#require(lo.id !== hi.id, 'lo and hi are one local')
    this.#units(units)
    this.#path.pop()
    this.#block(body, new Set([lo.id, hi.id]))
  }

  #fail(message: string): never {
    throw new Error(`kernel '${this.#kernel.name}', ${this.#path.join(' ')}: ${message}`)
  }

  #require(holds: boolean, message: string): void {
    if (!holds) this.#fail(message)
  }

  #declare(v: Var, type?: Type): void {
    const known = this.#vars.get(v.id)
    if (known) this.#require(known === v || (known.type === v.type && known.name === v.name), `local ${v.id} is two`)
    this.#vars.set(v.id, v)
    if (type) this.#require(v.type === type, `'${v.name}' is ${v.type}, not ${type}`)
  }

  #units(units: Units): void {
    const fits =
      'count' in units
        ? Number.isInteger(units.count) && units.count >= 0
        : [units.pictures, partsOf(units).count].every(isPower) && isCount(partsOf(units).pieces)
    this.#require(fits, `units of ${JSON.stringify(units)}`)
  }

  #block(body: readonly Stmt[], known: Known): void {
    body.forEach((statement, i) => {
      this.#path.push(`${statement.k}#${i}`)
      this.#stmt(statement, known)
      this.#path.pop()
    })
  }

  /** Adds to `known` what the statement surely sets. */
  #stmt(s: Stmt, known: Known): void {
    switch (s.k) {
      case 'set':
        this.#expect(s.value, s.v.type, known, `value of '${s.v.name}'`)
        return this.#assign(s.v, known)
      case 'store':
        return this.#store(s, known)
      case 'loop':
        this.#expect(s.count, 'i32', known, 'count')
        return this.#repeat(s.body, known, s.count.k === 'int' && s.count.value > 0)
      case 'for':
        return this.#for(s, known)
      case 'if':
        return this.#if(s, known)
      case 'transpose':
        return this.#transpose(s, known)
      case 'bytes4':
        return this.#bytes4(s, known)
    }
  }

  #assign(v: Var, known: Known): void {
    this.#declare(v)
    this.#require(!this.#counters.has(v.id), `'${v.name}' counts a loop around this`)
    known.add(v.id)
  }

  #store(s: StmtOf<'store'>, known: Known): void {
    this.#expect(s.at, 'i32', known, 'address')
    this.#require(isOffset(s.offset), `offset ${s.offset}`)
    const type = this.#check(s.value, known)
    const fits = s.mem === 'i32' ? type === 'i32' : type !== 'i32'
    this.#require(fits, `'${s.mem}' cannot store ${type}`)
  }

  /** What a body sets counts afterwards only if the body surely runs. */
  #repeat(body: readonly Stmt[], known: Known, sure: boolean): void {
    this.#block(body, sure ? known : new Set(known))
  }

  #for(s: StmtOf<'for'>, known: Known): void {
    this.#expect(s.from, 'i32', known, 'from')
    this.#expect(s.to, 'i32', known, 'to')
    this.#require(isI32(s.step) && s.step > 0, `step ${s.step}`)
    this.#declare(s.v, 'i32')
    this.#require(!this.#counters.has(s.v.id), `'${s.v.name}' counts a loop around this`)
    this.#counters.add(s.v.id)
    known.add(s.v.id)
    this.#repeat(s.body, known, s.from.k === 'int' && s.to.k === 'int' && s.from.value < s.to.value)
    this.#counters.delete(s.v.id)
    known.delete(s.v.id)
  }

  #if(s: StmtOf<'if'>, known: Known): void {
    this.#expect(s.cond, 'i32', known, 'condition')
    const then = new Set(known)
    const otherwise = new Set(known)
    this.#path.push('then')
    this.#block(s.body, then)
    this.#path.splice(-1, 1, 'otherwise')
    this.#block(s.otherwise, otherwise)
    this.#path.pop()
    for (const id of then) if (otherwise.has(id)) known.add(id)
  }

  #transpose(s: StmtOf<'transpose'>, known: Known): void {
    const { lanes } = this.#kernel
    this.#require(s.from.length === lanes && s.out.length === lanes, `wants ${lanes} vectors`)
    const type = s.out[0]?.type ?? 'f32v'
    this.#require(type !== 'i32', 'wants vectors')
    for (const e of s.from) this.#expect(e, type, known, 'vector')
    this.#outputs(s.out, type, known)
  }

  #bytes4(s: StmtOf<'bytes4'>, known: Known): void {
    const { lanes } = this.#kernel
    this.#require(s.at.length === lanes, `wants ${lanes} addresses`)
    this.#require(s.out.length === 4, 'gives 4 vectors')
    this.#require(isOffset(s.offset), `offset ${s.offset}`)
    for (const e of s.at) this.#expect(e, 'i32', known, 'address')
    this.#outputs(s.out, 'i32v', known)
  }

  #outputs(out: readonly Var[], type: Type, known: Known): void {
    this.#require(new Set(out.map((v) => v.id)).size === out.length, 'gives one local twice')
    for (const v of out) {
      this.#declare(v, type)
      this.#assign(v, known)
    }
  }

  #expect(e: Expr, type: Type, known: Known, what: string): void {
    const found = this.#check(e, known)
    this.#require(found === type, `${what} is ${found}, not ${type}`)
  }

  /** Checks an expression and gives its type. */
  #check(e: Expr, known: Known): Type {
    switch (e.k) {
      case 'int':
        this.#require(isI32(e.value), `${e.value} is no i32`)
        break
      case 'float':
        this.#require(isFloat32(e.value), `${e.value} is no float32`)
        break
      case 'var':
        this.#declare(e.v)
        this.#require(known.has(e.v.id), `'${e.v.name}' is read before it is set`)
        break
      case 'addr':
        this.#require(e.buffer in this.#kernel.buffers, `there is no buffer ${e.buffer}`)
        break
      case 'splat':
        this.#expect(e.value, 'i32', known, 'splat value')
        break
      case 'load':
        this.#load(e, known)
        break
      case 'alu':
        this.#alu(e, known)
        break
    }
    return typeOf(e)
  }

  #load(e: ExprOf<'load'>, known: Known): void {
    this.#expect(e.at, 'i32', known, 'address')
    this.#require(isOffset(e.offset), `offset ${e.offset}`)
    const scalar = e.mem === 'i32' || e.mem === 'u8'
    this.#require(scalar === (e.type === 'i32'), `'${e.mem}' cannot load ${e.type}`)
  }

  #alu(e: ExprOf<'alu'>, known: Known): void {
    const { args, result } = aluTable[e.op]
    this.#require(e.args.length === args.length, `'${e.op}' takes ${args.length} arguments, not ${e.args.length}`)
    const wanted = { float: 'f32v', ints: 'i32v', count: 'i32', int: e.type } as const
    this.#require(result === 'int' ? e.type !== 'f32v' : e.type === wanted[result], `'${e.op}' cannot give ${e.type}`)
    args.forEach((kind, i) => this.#expect(e.args[i]!, wanted[kind], known, `argument ${i} of '${e.op}'`))
  }
}
