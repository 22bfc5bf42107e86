/**
 * How C spells each scalar operation, on vectors and, for the integer ones, on i32 (held as uint32_t, which wraps).
 * What an operator cannot say is a function of the prelude. Not here: statements and memory (kernel.ts), meaning
 * (base/alu.ts).
 */
import type { AluOp } from '../../../base/index.js'

interface Spelling {
  readonly vector: (a: string, b: string, c: string) => string
  readonly scalar?: (a: string, b: string, c: string) => string
}

const call =
  (name: string, arity: 1 | 2 | 3) =>
  (a: string, b: string, c: string): string =>
    `${name}(${[a, b, c].slice(0, arity).join(', ')})`
const infix =
  (op: string) =>
  (a: string, b: string): string =>
    `(${a} ${op} ${b})`
/** Integer vectors are signed; these go through unsigned ones, where overflow is defined. */
const wrapping =
  (op: string) =>
  (a: string, b: string): string =>
    `(vi)((vu)${a} ${op} (vu)${b})`
const signed = (x: string): string => `(int32_t)${x}`
/** −1 or 0. */
const scalarMask = (condition: string): string => `-(uint32_t)(${condition})`

const both = (vector: Spelling['vector'], op: string): Spelling => ({ vector, scalar: infix(op) })

const spellings: { readonly [op in AluOp]: Spelling } = {
  fadd: { vector: infix('+') },
  fsub: { vector: infix('-') },
  fmul: { vector: infix('*') },
  fdiv: { vector: infix('/') },
  fma: { vector: call('v_fma', 3) },
  fsqrt: { vector: call('v_sqrt', 1) },
  fneg: { vector: (a) => `(-${a})` },
  fabs: { vector: call('v_abs', 1) },
  pmax: { vector: call('v_pmax', 2) },
  pmin: { vector: call('v_pmin', 2) },
  fnearest: { vector: call('v_nearest', 1) },
  flt: { vector: (a, b) => `(vi)(${a} < ${b})` },
  fle: { vector: (a, b) => `(vi)(${a} <= ${b})` },
  feq: { vector: (a, b) => `(vi)(${a} == ${b})` },
  fne: { vector: (a, b) => `(vi)(${a} != ${b})` },
  iadd: both(wrapping('+'), '+'),
  isub: both(wrapping('-'), '-'),
  imul: both(wrapping('*'), '*'),
  iand: both(infix('&'), '&'),
  ior: both(infix('|'), '|'),
  ixor: both(infix('^'), '^'),
  ishl: { vector: (a, b) => `(vi)((vu)${a} << (${b} & 31))`, scalar: (a, b) => `(${a} << (${b} & 31))` },
  ishr: {
    vector: (a, b) => `(${a} >> (int32_t)(${b} & 31))`,
    scalar: (a, b) => `(uint32_t)(${signed(a)} >> (${b} & 31))`,
  },
  ishru: { vector: (a, b) => `(vi)((vu)${a} >> (${b} & 31))`, scalar: (a, b) => `(${a} >> (${b} & 31))` },
  ilt: { vector: (a, b) => `(vi)(${a} < ${b})`, scalar: (a, b) => scalarMask(`${signed(a)} < ${signed(b)}`) },
  ieq: { vector: (a, b) => `(vi)(${a} == ${b})`, scalar: (a, b) => scalarMask(`${a} == ${b}`) },
  imin: { vector: call('v_imin', 2), scalar: call('s_imin', 2) },
  fselect: { vector: call('v_fselect', 3) },
  iselect: { vector: call('v_iselect', 3), scalar: (a, b, c) => `(${a} ? ${b} : ${c})` },
  itof: { vector: call('v_itof', 1) },
  ftoi: { vector: call('v_ftoi', 1) },
  fbits: { vector: (a) => `(vi)${a}` },
  ibits: { vector: (a) => `(vf)${a}` },
}

/** The operation on spelled arguments: a cast expression of C or something that binds tighter, as its arguments must be. */
export function spell(op: AluOp, scalar: boolean, args: readonly string[]): string {
  const write = scalar ? spellings[op].scalar : spellings[op].vector
  if (!write) throw new Error(`'${op}' has no meaning on i32`)
  const [a = '', b = '', c = ''] = args
  return write(a, b, c)
}
