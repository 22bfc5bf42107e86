/**
 * How WebAssembly spells each scalar operation, on vectors and, for the integer ones, on i32.
 * Not here: statements and memory (kernel.ts), meaning (base/alu.ts).
 */
import type { AluOp } from '../../../base/index.js'
import { f32x4, i32, i32Const, i32x4, SELECT, v128, type Bytes } from './encode.js'

/** Pushes argument `i`. Each is pushed once, or as often as the operation says. */
export type Push = (i: number) => Bytes

export interface WasmOptions {
  /** Spell `fma` as f32x4.relaxed_madd; else as a product and a sum, which round twice. */
  readonly relaxedFma: boolean
  /** The imported memory is shared. */
  readonly shared: boolean
}

/** A place for a value that is used twice: [tee it, get it again]. */
export type Temporary = () => readonly [Bytes, Bytes]

interface Spelling {
  readonly vector: (push: Push, options: WasmOptions) => Bytes
  readonly scalar?: (push: Push, temporary: Temporary) => Bytes
}

const one =
  (op: Bytes) =>
  (push: Push): Bytes => [...push(0), ...op]
const two =
  (op: Bytes) =>
  (push: Push): Bytes => [...push(0), ...push(1), ...op]
const both = (vector: Bytes, scalar: Bytes): Spelling => ({ vector: two(vector), scalar: two(scalar) })
/** i32 comparisons give 1 or 0; ours give −1 or 0. */
const comparison = (vector: Bytes, scalar: Bytes): Spelling => ({
  vector: two(vector),
  scalar: (push) => [...i32Const(0), ...push(0), ...push(1), ...scalar, ...i32.sub],
})

const select = (push: Push): Bytes => [...push(1), ...push(2), ...push(0), ...v128.select]

function scalarMin(push: Push, temporary: Temporary): Bytes {
  const [teeA, a] = temporary()
  const [teeB, b] = temporary()
  return [...push(0), ...teeA, ...push(1), ...teeB, ...a, ...b, ...i32.ltS, ...SELECT]
}

const spellings: { readonly [op in AluOp]: Spelling } = {
  fadd: { vector: two(f32x4.add) },
  fsub: { vector: two(f32x4.sub) },
  fmul: { vector: two(f32x4.mul) },
  fdiv: { vector: two(f32x4.div) },
  fma: {
    vector: (push, { relaxedFma }) =>
      relaxedFma
        ? [...push(0), ...push(1), ...push(2), ...f32x4.relaxedMadd]
        : [...push(0), ...push(1), ...f32x4.mul, ...push(2), ...f32x4.add],
  },
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
  fselect: { vector: select },
  iselect: { vector: select, scalar: (push) => [...push(1), ...push(2), ...push(0), ...SELECT] },
  itof: { vector: one(f32x4.convert) },
  ftoi: { vector: one(i32x4.truncSat) },
  fbits: { vector: (push) => push(0) },
  ibits: { vector: (push) => push(0) },
}

export function spellVector(op: AluOp, push: Push, options: WasmOptions): Bytes {
  return spellings[op].vector(push, options)
}

export function spellScalar(op: AluOp, push: Push, temporary: Temporary): Bytes {
  const { scalar } = spellings[op]
  if (!scalar) throw new Error(`'${op}' has no meaning on i32`)
  return scalar(push, temporary)
}

/** A condition: any number but 0 will do, so comparisons need no −1. */
export function spellCondition(op: AluOp, push: Push, temporary: Temporary): Bytes {
  if (op === 'ilt') return two(i32.ltS)(push)
  if (op === 'ieq') return two(i32.eq)(push)
  return spellScalar(op, push, temporary)
}
