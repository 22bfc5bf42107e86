/**
 * One kernel as a C function (memory, table, slots, lo, hi): buffer b begins at the byte address in word slots[b] of the
 * table. Expression trees become C expressions as they stand, a `set` is one statement. i32 locals are uint32_t: they wrap,
 * and widening them to an address costs nothing.
 * Not here: any choice (tiles, unrolling, order); the file around it (index.ts).
 */
import type { Expr, LoadKind, LoopKernel, Stmt, StoreKind, Type, Var } from '../../loop/ir.js'
import { typeOf } from '../../loop/build.js'
import { spell } from './ops.js'
import { countReads, type Reads } from './reads.js'

type ExprOf<K extends Expr['k']> = Extract<Expr, { k: K }>
type StmtOf<K extends Stmt['k']> = Extract<Stmt, { k: K }>

const cTypes: { readonly [type in Type]: string } = { i32: 'uint32_t', f32v: 'vf', i32v: 'vi' }

/** A name that C takes, of letters, digits and underscores. */
const identifier = (name: string): string => name.replaceAll(/[^A-Za-z0-9_]+/g, '_')

/** The function, called NAME. */
export function kernelFunction(kernel: LoopKernel): string {
  return new KernelText(kernel).write()
}

/** An i32 constant. */
const intText = (value: number): string => (value < 0 ? `-${-value}u` : `${value}u`)

/** The shortest decimal that is this float32, which C reads back exactly. */
function floatText(value: number): string {
  if (Number.isNaN(value)) return 'F(__builtin_nanf(""))'
  if (!Number.isFinite(value)) return `F(${value < 0 ? '-' : ''}__builtin_inff())`
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  const digits = String(Math.abs(value))
  return `F(${sign}${/[.e]/.test(digits) ? digits : `${digits}.0`}f)`
}

class KernelText {
  readonly #kernel: LoopKernel
  readonly #reads: Reads
  readonly #lines: string[] = []
  /** Locals by id, as C names them. */
  readonly #names = new Map<number, string>()
  readonly #declared: { readonly [type in Type]: string[] } = { i32: [], f32v: [], i32v: [] }
  /** Buffers read from the table, and the batch size under 'n'. */
  readonly #fromTable = new Map<number | 'n', string>()
  #temporaries = 0
  #indent = '  '

  constructor(kernel: LoopKernel) {
    this.#kernel = kernel
    this.#reads = countReads(kernel.body)
  }

  write(): string {
    const { lo, hi, body } = this.#kernel
    this.#names.set(lo.id, 'lo').set(hi.id, 'hi')
    this.#block(body)
    return [
      'KERNEL NAME(uint8_t *memory, uint32_t table, const uint32_t *slots, uint32_t lo, uint32_t hi) {',
      ...this.#head(),
      ...this.#lines,
      '}',
      '',
    ].join('\n')
  }

  /** Parameters that may be unused, what is read from the table, locals. */
  #head(): string[] {
    const words = [...this.#fromTable].map(([key, name]) => {
      const word = key === 'n' ? '0' : `4 * slots[${key}]`
      return `  const uint32_t ${name} = LOAD_U32(table, ${word});`
    })
    const locals = Object.entries(this.#declared).flatMap(([type, names]) =>
      names.length > 0 ? [`  ${cTypes[type as Type]} ${names.join(', ')};`] : [],
    )
    return ['  (void)memory, (void)table, (void)slots, (void)lo, (void)hi;', ...words, ...locals]
  }

  #line(text: string): void {
    this.#lines.push(this.#indent + text)
  }

  #nested(head: string, body: readonly Stmt[]): void {
    this.#line(head)
    this.#indent += '  '
    this.#block(body)
    this.#indent = this.#indent.slice(2)
  }

  #name(v: Var): string {
    const known = this.#names.get(v.id)
    if (known) return known
    const made = `${identifier(v.name)}_${v.id}`
    this.#names.set(v.id, made)
    this.#declared[v.type].push(made)
    return made
  }

  #tableWord(key: number | 'n'): string {
    const name = key === 'n' ? 'n' : `buffer${key}`
    this.#fromTable.set(key, name)
    return name
  }

  /** A cast expression or tighter. */
  #expr(e: Expr): string {
    switch (e.k) {
      case 'int':
        return intText(e.value)
      case 'float':
        return floatText(e.value)
      case 'var':
        return this.#name(e.v)
      case 'addr':
        return this.#tableWord(e.buffer)
      case 'n':
        return this.#tableWord('n')
      case 'iota':
        return 'IOTA'
      case 'splat':
        return `I((int32_t)${this.#expr(e.value)})`
      case 'load':
        return this.#load(e)
      case 'alu':
        return spell(
          e.op,
          e.type === 'i32',
          e.args.map((arg) => this.#expr(arg)),
        )
    }
  }

  #load({ type, mem, at, offset }: ExprOf<'load'>): string {
    const place = `(${this.#expr(at)}, ${offset})`
    const float = type === 'f32v'
    const spelled: { readonly [mem in LoadKind]: string } = {
      i32: `LOAD_U32${place}`,
      u8: `LOAD_U8${place}`,
      vec: `LOAD_${float ? 'VF' : 'VI'}${place}`,
      splat: float ? `F(LOAD_F32${place})` : `I(LOAD_I32${place})`,
    }
    return spelled[mem]
  }

  #block(body: readonly Stmt[]): void {
    for (const statement of body) this.#stmt(statement)
  }

  #stmt(s: Stmt): void {
    switch (s.k) {
      case 'set':
        return this.#set(s)
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

  /** What is loaded once and read often stays in a register: gcc would rather load it anew for every reader. */
  #set({ v, value }: StmtOf<'set'>): void {
    const held = value.k === 'load' && value.mem === 'vec' && (this.#reads.get(v.id) ?? 0) > 1
    const name = this.#name(v)
    this.#line(`${name} = ${this.#expr(value)};${held ? ` HOLD(${name});` : ''}`)
  }

  #store({ mem, at, offset, value }: StmtOf<'store'>): void {
    const place = `${this.#expr(at)}, ${offset}`
    const text = this.#expr(value)
    const float = typeOf(value) === 'f32v'
    const spelled: { readonly [mem in StoreKind]: string } = {
      vec: `STORE_${float ? 'VF' : 'VI'}(${place}, ${text})`,
      one: `STORE_${float ? 'F32' : 'I32'}(${place}, (${text})[0])`,
      i32: `STORE_U32(${place}, ${text})`,
    }
    this.#line(`${spelled[mem]};`)
  }

  #temporary(): string {
    return `c${this.#temporaries++}`
  }

  #loop({ count, body }: StmtOf<'loop'>): void {
    const c = this.#temporary()
    this.#nested(`LOOP for (int32_t ${c} = (int32_t)${this.#expr(count)}; ${c} > 0; ${c}--) {`, body)
    this.#line('}')
  }

  /** The bound is read once, as the body may change what it was made of. */
  #for({ v, from, to, step, body }: StmtOf<'for'>): void {
    const end = this.#temporary()
    const i = this.#name(v)
    this.#line(`const int32_t ${end} = (int32_t)${this.#expr(to)};`)
    this.#nested(`LOOP for (${i} = ${this.#expr(from)}; (int32_t)${i} < ${end}; ${i} += ${step}u) {`, body)
    this.#line('}')
  }

  #if({ cond, body, otherwise }: StmtOf<'if'>): void {
    this.#nested(`if (${this.#expr(cond)}) {`, body)
    if (otherwise.length > 0) this.#nested('} else {', otherwise)
    this.#line('}')
  }

  /** All vectors are read before any output is set. */
  #transpose({ out, from }: StmtOf<'transpose'>): void {
    const rows = this.#temporary()
    const read = from.map((e) => `(vf)${this.#expr(e)}`)
    this.#line(`vf ${rows}[] = {${read.join(', ')}};`)
    this.#line(`v_transpose(${rows});`)
    out.forEach((v, i) => this.#line(`${this.#name(v)} = (${cTypes[v.type]})${rows}[${i}];`))
  }

  /** The four bytes of each lane are read as one word. */
  #bytes4({ out, at, offset }: StmtOf<'bytes4'>): void {
    const words = this.#temporary()
    const read = at.map((e) => `LOAD_U32(${this.#expr(e)}, ${offset})`)
    this.#line(`const vu ${words} = {${read.join(', ')}};`)
    out.forEach((v, j) => this.#line(`${this.#name(v)} = (vi)((${words} >> ${8 * j}) & 255);`))
  }
}
