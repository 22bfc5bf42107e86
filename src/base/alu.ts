/**
 * The scalar operations of the compiler, one row each: arguments, result and meaning in plain arithmetic.
 * The interpreter runs this meaning; every renderer must give the same bits (a NaN's bits excepted).
 * Not here: how a machine spells them (compiler/render), vectors and memory (compiler/loop).
 */
import { fmaf } from './fma.js'

/**
 * f…: on floats (f32v). i…: on i32 or i32v alike. A comparison gives −1 (all ones) or 0.
 * pmax(a,b) = a < b ? b : a and pmin(a,b) = b < a ? b : a pass a NaN in `a` on. `fma` is rounded once.
 * fnearest rounds half to even; ftoi truncates, saturates and gives 0 for NaN; the counts of shifts are taken modulo 32.
 * The first argument of a select is −1 or 0 in every lane: other masks have no promised meaning.
 * fbits and ibits reinterpret (the bits of a NaN that was computed are not promised).
 */
export type AluOp =
  | 'fadd'
  | 'fsub'
  | 'fmul'
  | 'fdiv'
  | 'fma'
  | 'fsqrt'
  | 'fneg'
  | 'fabs'
  | 'pmax'
  | 'pmin'
  | 'fnearest'
  | 'flt'
  | 'fle'
  | 'feq'
  | 'fne'
  | 'iadd'
  | 'isub'
  | 'imul'
  | 'iand'
  | 'ior'
  | 'ixor'
  | 'ishl'
  | 'ishr'
  | 'ishru'
  | 'ilt'
  | 'ieq'
  | 'imin'
  | 'fselect'
  | 'iselect'
  | 'itof'
  | 'ftoi'
  | 'fbits'
  | 'ibits'

/**
 * float: f32v. ints: i32v. int: i32 or i32v, all `int` arguments of an operation and its `int` result alike.
 * count: i32, one for all lanes.
 */
export type AluKind = 'float' | 'ints' | 'int' | 'count'

export interface AluRow {
  readonly args: readonly AluKind[]
  readonly result: 'float' | 'ints' | 'int'
  /** One lane. Floats are float32 values, ints are i32; what is beyond the arity is ignored. */
  readonly eval: (a: number, b: number, c: number) => number
}

const round = Math.fround
const mask = (yes: boolean): number => (yes ? -1 : 0)

const scratch = new DataView(new ArrayBuffer(4))
function bitsOf(x: number): number {
  scratch.setFloat32(0, x)
  return scratch.getInt32(0)
}
function floatOf(bits: number): number {
  scratch.setInt32(0, bits)
  return scratch.getFloat32(0)
}

/** Beyond 2^23 every float32 is whole; below, adding 2^52 to a double rounds half to even. The sign of 0 is kept. */
function nearest(x: number): number {
  const size = Math.abs(x)
  if (!(size < 2 ** 23)) return x
  const whole = size + 2 ** 52 - 2 ** 52
  return x < 0 || Object.is(x, -0) ? -whole : whole
}

function truncate(x: number): number {
  if (x >= 2 ** 31) return 2 ** 31 - 1
  return x <= -(2 ** 31) ? -(2 ** 31) : Math.trunc(x) | 0
}

type Eval = AluRow['eval']
const float = (arity: 1 | 2 | 3, evaluate: Eval): AluRow => ({
  args: Array.from({ length: arity }, () => 'float'),
  result: 'float',
  eval: evaluate,
})
const compare = (evaluate: Eval): AluRow => ({ args: ['float', 'float'], result: 'ints', eval: evaluate })
const int2 = (evaluate: Eval): AluRow => ({ args: ['int', 'int'], result: 'int', eval: evaluate })
const shift = (evaluate: Eval): AluRow => ({ args: ['int', 'count'], result: 'int', eval: evaluate })

export const aluTable: { readonly [op in AluOp]: AluRow } = {
  fadd: float(2, (a, b) => round(a + b)),
  fsub: float(2, (a, b) => round(a - b)),
  fmul: float(2, (a, b) => round(a * b)),
  fdiv: float(2, (a, b) => round(a / b)),
  fma: float(3, fmaf),
  fsqrt: float(1, (a) => round(Math.sqrt(a))),
  fneg: float(1, (a) => -a),
  fabs: float(1, (a) => Math.abs(a)),
  pmax: float(2, (a, b) => (a < b ? b : a)),
  pmin: float(2, (a, b) => (b < a ? b : a)),
  fnearest: float(1, nearest),
  flt: compare((a, b) => mask(a < b)),
  fle: compare((a, b) => mask(a <= b)),
  feq: compare((a, b) => mask(a === b)),
  fne: compare((a, b) => mask(a !== b)),
  iadd: int2((a, b) => (a + b) | 0),
  isub: int2((a, b) => (a - b) | 0),
  imul: int2((a, b) => Math.imul(a, b)),
  iand: int2((a, b) => a & b),
  ior: int2((a, b) => a | b),
  ixor: int2((a, b) => a ^ b),
  ishl: shift((a, b) => a << b),
  ishr: shift((a, b) => a >> b),
  ishru: shift((a, b) => (a >>> b) | 0),
  ilt: int2((a, b) => mask(a < b)),
  ieq: int2((a, b) => mask(a === b)),
  imin: int2((a, b) => (a < b ? a : b)),
  fselect: { args: ['ints', 'float', 'float'], result: 'float', eval: (m, a, b) => (m !== 0 ? a : b) },
  iselect: { args: ['int', 'int', 'int'], result: 'int', eval: (m, a, b) => (m !== 0 ? a : b) },
  itof: { args: ['ints'], result: 'float', eval: (a) => round(a) },
  ftoi: { args: ['float'], result: 'ints', eval: truncate },
  fbits: { args: ['float'], result: 'ints', eval: bitsOf },
  ibits: { args: ['ints'], result: 'float', eval: floatOf },
}
