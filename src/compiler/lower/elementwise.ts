/**
 * What each elementwise operation is in loop IR: one row an operation.
 * Not here: loops and addresses (map.ts), exp, log and their like (polynomials.ts).
 */
import { alu, float } from '../loop/build.js'
import type { Expr } from '../loop/ir.js'
import { isElementwise, type ElementwiseOp, type Node } from '../../graph/index.js'
import {
  emitErf,
  emitExp,
  emitExpm1,
  emitLog,
  emitLog1p,
  emitSigmoid,
  emitTanh,
  isNaN,
  or,
  select,
  splatInt,
  type Namer,
} from './polynomials.js'

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
  erf: unary((b, x) => emitErf(b, b.let('v', x))),
  expm1: unary((b, x) => emitExpm1(b, b.let('v', x))),
  log1p: unary((b, x) => emitLog1p(b, b.let('v', x))),
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
  normalize: (_, args) => {
    const [centred, scale, bias] = [alu('fsub', arg(args, 0), arg(args, 1)), arg(args, 2), args[3]]
    return bias ? alu('fma', centred, scale, bias) : alu('fmul', centred, scale)
  },
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
