/**
 * What each elementwise operation is in loop IR: one row an operation. exp, log and tanh are polynomials of the IR's own
 * operations, so that every device gives the same bits.
 * Not here: loops and addresses (map.ts).
 * Sources of the polynomials: Cephes 2.2 (Moshier, 1992), single precision expf, logf, tanhf.
 */
import { alu, float, int, splat } from '../loop/build.js'
import type { Expr, Var } from '../loop/ir.js'
import type { Node, OpName } from '../../graph/index.js'

export const elementwiseOps = [
  'neg',
  'exp',
  'log',
  'sqrt',
  'abs',
  'relu',
  'tanh',
  'sigmoid',
  'cast',
  'add',
  'sub',
  'mul',
  'div',
  'maximum',
  'eq',
  'lt',
  'le',
  'where',
  'expand',
] as const satisfies readonly OpName[]
export type ElementwiseOp = (typeof elementwiseOps)[number]

const names: ReadonlySet<OpName> = new Set(elementwiseOps)
export const isElementwise = (node: Node): node is Node<ElementwiseOp> => names.has(node.op)

/** Gives an expression a name when it is used more than once. */
export interface Namer {
  let(name: string, value: Expr): { k: 'var'; v: Var }
}

const fma = (a: Expr, b: Expr, c: Expr): Expr => alu('fma', a, b, c)
const horner = (x: Expr, coefficients: readonly number[]): Expr =>
  coefficients.slice(1).reduce<Expr>((sum, c) => fma(sum, x, float(c)), float(coefficients[0] ?? 0))
const or = (a: Expr, b: Expr): Expr => alu('ior', a, b)
const isNaN = (x: Expr): Expr => alu('fne', x, x)
const select = (mask: Expr, a: Expr, b: Expr): Expr => alu('fselect', mask, a, b)
const splatInt = (value: number): Expr => splat(int(value))

/** e^x; 0 below −87.34 (no denormals), ∞ above 88.73, NaN stays. Relative error below 2 ulp. */
export function emitExp(b: Namer, x: Expr): Expr {
  const clamped = b.let('x', alu('pmax', alu('pmin', x, float(88.8)), float(-87.4)))
  const k = b.let('k', alu('fnearest', alu('fmul', clamped, float(1.44269504088896341))))
  const r = b.let('r', fma(k, float(2.1219444e-4), fma(k, float(-0.693359375), clamped)))
  const p = horner(
    r,
    [1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1],
  )
  const mantissa = alu('fadd', fma(p, alu('fmul', r, r), r), float(1))
  // 2^k in two factors, so that k = 128 does not leave the exponent's range before the product does
  const whole = b.let('i', alu('ftoi', k))
  const half = b.let('h', alu('ishr', whole, int(1)))
  const power = (e: Expr): Expr => alu('ibits', alu('ishl', alu('iadd', e, splatInt(127)), int(23)))
  const value = alu('fmul', alu('fmul', mantissa, power(half)), power(alu('isub', whole, half)))
  const low = select(alu('flt', x, float(-87.336544)), float(0), value)
  return select(isNaN(x), x, select(alu('flt', float(88.7228394), x), float(Infinity), low))
}

/** ln x; −∞ at 0, NaN below, ∞ at ∞. Denormals are scaled up first. */
export function emitLog(b: Namer, x: Expr): Expr {
  const tiny = b.let('tiny', alu('flt', x, float(1.17549435e-38)))
  const bits = b.let('bits', alu('fbits', select(tiny, alu('fmul', x, float(2 ** 23)), x)))
  const m0 = b.let('m', alu('ibits', alu('ior', alu('iand', bits, splatInt(0x7fffff)), splatInt(0x3f000000)))) // [0.5, 1)
  const small = b.let('small', alu('flt', m0, float(0.707106781186547524)))
  const bias = alu('iselect', tiny, splatInt(126 + 23), splatInt(126))
  const exponent = alu('isub', alu('ishru', bits, int(23)), bias)
  const e = b.let('e', alu('fadd', alu('itof', exponent), select(small, float(-1), float(0))))
  const r = b.let('r', alu('fsub', alu('fadd', m0, select(small, m0, float(0))), float(1)))
  const z = b.let('z', alu('fmul', r, r))
  const p = horner(
    r,
    [
      7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
      2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
    ],
  )
  const y = fma(e, float(-2.1219444e-4), alu('fmul', alu('fmul', p, r), z))
  const value = fma(e, float(0.693359375), alu('fadd', r, fma(z, float(-0.5), y)))
  const zero = select(alu('feq', x, float(0)), float(-Infinity), value)
  const negative = select(alu('flt', x, float(0)), float(NaN), zero)
  return select(or(isNaN(x), alu('feq', x, float(Infinity))), x, negative)
}

/** tanh x: a polynomial near 0, by e^(2|x|) farther away. */
function emitTanh(b: Namer, x: Expr): Expr {
  const a = b.let('a', alu('fabs', x))
  const e = b.let('e', emitExp(b, alu('fadd', a, a)))
  const far = alu('fsub', float(1), alu('fdiv', float(2), alu('fadd', e, float(1))))
  const signed = select(alu('flt', x, float(0)), alu('fneg', far), far)
  const z = b.let('z', alu('fmul', x, x))
  const p = horner(z, [-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1])
  return select(alu('flt', a, float(0.625)), fma(alu('fmul', p, z), x, x), select(isNaN(x), x, signed))
}

const emitSigmoid = (b: Namer, x: Expr): Expr =>
  alu('fdiv', float(1), alu('fadd', float(1), b.let('e', emitExp(b, b.let('x', alu('fneg', x))))))

const truth = (mask: Expr): Expr => select(mask, float(1), float(0))
const compare = (node: Node, float_: 'feq' | 'flt' | 'fle', x: Expr, y: Expr): Expr => {
  if (node.inputs[0]?.dtype === 'f32') return alu(float_, x, y)
  if (float_ === 'feq') return alu('ieq', x, y)
  return float_ === 'flt' ? alu('ilt', x, y) : alu('ixor', alu('ilt', y, x), splatInt(-1))
}

/** The mask of a comparison, for `where` and for the 0/1 value alike. */
const maskOf: { readonly [K in 'eq' | 'lt' | 'le']: (node: Node, x: Expr, y: Expr) => Expr } = {
  eq: (node, x, y) => compare(node, 'feq', x, y),
  lt: (node, x, y) => compare(node, 'flt', x, y),
  le: (node, x, y) => compare(node, 'fle', x, y),
}
const isComparison = (node: Node): node is Node<'eq' | 'lt' | 'le'> => node.op in maskOf

type Row = (b: Namer, args: readonly Expr[], node: Node) => Expr
const arg = (args: readonly Expr[], i: number): Expr => {
  const e = args[i]
  if (!e) throw new Error(`elementwise operation lacks argument ${i}`)
  return e
}
const unary =
  (f: (b: Namer, x: Expr) => Expr): Row =>
  (b, args) =>
    f(b, arg(args, 0))
const binary =
  (f: (x: Expr, y: Expr) => Expr): Row =>
  (_, args) =>
    f(arg(args, 0), arg(args, 1))

/** A byte is the low byte of the whole number, also where it lies in a word. */
function emitCast(_: Namer, args: readonly Expr[], node: Node): Expr {
  const [x, from] = [arg(args, 0), node.inputs[0]?.dtype]
  if (node.dtype === 'f32') return from === 'f32' ? x : alu('itof', x)
  const whole = from === 'f32' ? alu('ftoi', x) : x
  return node.dtype === 'u8' && from !== 'u8' ? alu('iand', whole, splatInt(255)) : whole
}

const table: { readonly [K in ElementwiseOp]: Row } = {
  neg: unary((_, x) => alu('fneg', x)),
  exp: unary((b, x) => emitExp(b, b.let('v', x))),
  log: unary((b, x) => emitLog(b, b.let('v', x))),
  sqrt: unary((_, x) => alu('fsqrt', x)),
  abs: unary((_, x) => alu('fabs', x)),
  relu: unary((_, x) => alu('pmax', x, float(0))),
  tanh: unary((b, x) => emitTanh(b, b.let('v', x))),
  sigmoid: unary((b, x) => emitSigmoid(b, x)),
  cast: emitCast,
  add: binary((x, y) => alu('fadd', x, y)),
  sub: binary((x, y) => alu('fsub', x, y)),
  mul: binary((x, y) => alu('fmul', x, y)),
  div: (_, args, node) => emitDiv(arg(args, 0), arg(args, 1), node),
  maximum: (b, args) => {
    const [x, y] = [b.let('x', arg(args, 0)), b.let('y', arg(args, 1))]
    return select(or(alu('flt', x, y), isNaN(y)), y, x)
  },
  eq: (_, args, node) => truth(maskOf.eq(node, arg(args, 0), arg(args, 1))),
  lt: (_, args, node) => truth(maskOf.lt(node, arg(args, 0), arg(args, 1))),
  le: (_, args, node) => truth(maskOf.le(node, arg(args, 0), arg(args, 1))),
  where: binary((x, y) => alu('fadd', x, y)), // never used: emitNode spells it with a mask
  expand: unary((_, x) => x),
}

/** A division by a constant power of two is a multiplication, exactly. */
function emitDiv(x: Expr, y: Expr, node: Node): Expr {
  const divisor = node.inputs[1]
  if (divisor?.op === 'const') {
    const { value } = (divisor as Node<'const'>).attrs
    if (Number.isInteger(Math.log2(Math.abs(value)))) return alu('fmul', x, float(1 / value))
  }
  return alu('fdiv', x, y)
}

/**
 * The value of `node` at the current place. `leaf` gives the value of a node that is in memory (undefined: compute it);
 * shared nodes become locals, kept in `memo`.
 */
export function emitNode(b: Namer, node: Node, leaf: (node: Node) => Expr | undefined, memo: Map<Node, Expr>): Expr {
  const known = memo.get(node)
  if (known) return known
  const value = leaf(node) ?? emitOperation(b, node, leaf, memo)
  const named = value.k === 'float' || value.k === 'var' ? value : b.let(node.op, value)
  memo.set(node, named)
  return named
}

function emitOperation(b: Namer, node: Node, leaf: (node: Node) => Expr | undefined, memo: Map<Node, Expr>): Expr {
  if (node.op === 'const') return float((node as Node<'const'>).attrs.value)
  if (!isElementwise(node)) throw new Error(`${node.op} is not elementwise`)
  const emit = (input: Node): Expr => emitNode(b, input, leaf, memo)
  if (node.op === 'where') {
    const [condition, yes, no] = node.inputs
    if (!condition || !yes || !no) throw new Error('where lacks an input')
    return select(emitMask(b, condition, leaf, memo), emit(yes), emit(no))
  }
  return table[node.op](b, node.inputs.map(emit), node)
}

function emitMask(b: Namer, condition: Node, leaf: (node: Node) => Expr | undefined, memo: Map<Node, Expr>): Expr {
  if (isComparison(condition) && !leaf(condition)) {
    const [x, y] = condition.inputs.map((input) => emitNode(b, input, leaf, memo))
    if (x && y) return maskOf[condition.op](condition, x, y)
  }
  return alu('fne', emitNode(b, condition, leaf, memo), float(0))
}
