/**
 * How WebAssembly spells each scalar operation, on vectors and, for the integer ones, on i32.
 * Not here: statements and memory (kernel.ts), meaning (base/alu.ts).
 */
import type { AluOp } from '../../../base/index.js'
import { f32x4, i32, i32x4, SELECT, v128, type Bytes, type Code } from './encode.js'

/** Writes argument `i`; once for each call. */
export type Push = (i: number) => void

export interface WasmOptions {
  /** Spell `fma` as f32x4.relaxed_madd; else as a product and a sum, which round twice. */
  readonly relaxedFma: boolean
  /** The imported memory is shared. */
  readonly shared: boolean
}

/** A new i32 local, for a value that is used twice. */
export type Temporary = () => number

interface Spelling {
  readonly vector: (code: Code, push: Push, options: WasmOptions) => void
  readonly scalar?: (code: Code, push: Push, temporary: Temporary) => void
}
type Spell = (code: Code, push: Push) => void

const one =
  (opcode: Bytes): Spell =>
  (code, push) => {
    push(0)
    code.op(opcode)
  }
const two =
  (opcode: Bytes): Spell =>
  (code, push) => {
    push(0)
    push(1)
    code.op(opcode)
  }
const same: Spell = (_code, push) => push(0)
const both = (vector: Bytes, scalar: Bytes): Spelling => ({ vector: two(vector), scalar: two(scalar) })

/** i32 comparisons give 1 or 0; ours give −1 or 0. */
const comparison = (vector: Bytes, scalar: Bytes): Spelling => ({
  vector: two(vector),
  scalar: (code, push) => {
    code.i32Const(0)
    two(scalar)(code, push)
    code.op(i32.sub)
  },
})

/** The mask is the first argument here, the last there. */
const select =
  (opcode: Bytes): Spell =>
  (code, push) => {
    push(1)
    push(2)
    push(0)
    code.op(opcode)
  }

function fma(code: Code, push: Push, { relaxedFma }: WasmOptions): void {
  push(0)
  push(1)
  if (!relaxedFma) code.op(f32x4.mul)
  push(2)
  code.op(relaxedFma ? f32x4.relaxedMadd : f32x4.add)
}

function scalarMin(code: Code, push: Push, temporary: Temporary): void {
  const a = temporary()
  const b = temporary()
  push(0)
  code.tee(a)
  push(1)
  code.tee(b)
  code.get(a)
  code.get(b)
  code.op(i32.ltS)
  code.op(SELECT)
}

const spellings: { readonly [op in AluOp]: Spelling } = {
  fadd: { vector: two(f32x4.add) },
  fsub: { vector: two(f32x4.sub) },
  fmul: { vector: two(f32x4.mul) },
  fdiv: { vector: two(f32x4.div) },
  fma: { vector: fma },
  fsqrt: { vector: one(f32x4.sqrt) },
  fneg: { vector: one(f32x4.neg) },
  fabs: { vector: one(f32x4.abs) },
  pmax: { vector: two(f32x4.pmax) },
  pmin: { vector: two(f32x4.pmin) },
  fnearest: { vector: one(f32x4.nearest) },
  flt: { vector: two(f32x4.lt) },
  fle: { vector: two(f32x4.le) },
  feq: { vector: two(f32x4.eq) },
  fne: { vector: two(f32x4.ne) },
  iadd: both(i32x4.add, i32.add),
  isub: both(i32x4.sub, i32.sub),
  imul: both(i32x4.mul, i32.mul),
  iand: both(v128.and, i32.and),
  ior: both(v128.or, i32.or),
  ixor: both(v128.xor, i32.xor),
  ishl: both(i32x4.shl, i32.shl),
  ishr: both(i32x4.shrS, i32.shrS),
  ishru: both(i32x4.shrU, i32.shrU),
  ilt: comparison(i32x4.ltS, i32.ltS),
  ieq: comparison(i32x4.eq, i32.eq),
  imin: { vector: two(i32x4.minS), scalar: scalarMin },
  fselect: { vector: select(v128.select) },
  iselect: { vector: select(v128.select), scalar: select(SELECT) },
  itof: { vector: one(f32x4.convert) },
  ftoi: { vector: one(i32x4.truncSat) },
  fbits: { vector: same },
  ibits: { vector: same },
}

export function spellVector(code: Code, op: AluOp, push: Push, options: WasmOptions): void {
  spellings[op].vector(code, push, options)
}

export function spellScalar(code: Code, op: AluOp, push: Push, temporary: Temporary): void {
  const { scalar } = spellings[op]
  if (!scalar) throw new Error(`'${op}' has no meaning on i32`)
  scalar(code, push, temporary)
}

/** A condition: any number but 0 will do, so comparisons need no −1. */
export function spellCondition(code: Code, op: AluOp, push: Push, temporary: Temporary): void {
  if (op === 'ilt') two(i32.ltS)(code, push)
  else if (op === 'ieq') two(i32.eq)(code, push)
  else spellScalar(code, op, push, temporary)
}
