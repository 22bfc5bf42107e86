/**
 * Elementwise operations for users: numbers, mixed dtypes and mixed layouts are brought to what infer.ts accepts.
 * A number becomes a host scalar, an input of the plan: another number needs no second plan.
 * Not here: constants of a formula (`constant`), which are part of the structure.
 */
import { LenetError } from '../base/index.js'
import type { DType } from '../base/index.js'
import { make } from './infer.js'
import { fitsBatch } from './inferElementwise.js'
import { createNode, hostLeaf } from './node.js'
import type { Layout, Node } from './node.js'

export type Operand = Node | number

/** A float32 scalar given anew each time a plan runs. */
export const scalar = (value: number): Node => hostLeaf(Float32Array.of(value), [], 'f32')

/** A float32 scalar that is part of the structure. */
export const constant = (value: number): Node =>
  createNode('const', { value }, [], { shape: [], dtype: 'f32', layout: 'plain' }, false)

const toNode = (x: Operand): Node => (typeof x === 'number' ? scalar(x) : x)

/** The node itself where it has that dtype already. i32 → f32 rounds to nearest; f32 → i32 and u8 truncates. */
export const cast = (x: Node, dtype: DType): Node => (x.dtype === dtype ? x : make('cast', { dtype }, [x]))

export const toFloat = (x: Operand): Node => cast(toNode(x), 'f32')

/** What `x` came from, if it is just the other conversion of that and nothing was computed or detached between. */
function undone(x: Node, op: 'batch' | 'unbatch'): Node | undefined {
  const [inner] = x.inputs
  return x.op === op && !x.storage && inner?.requiresGrad === x.requiresGrad ? inner : undefined
}

/** The same values with dim 0 as the batch. The node itself where it is so already. */
export function batch(x: Node): Node {
  if (x.layout === 'batch') return x
  if (x.shape.length === 0) throw new LenetError('batch: expects a tensor of 1 dimension or more, got a scalar')
  return undone(x, 'unbatch') ?? batchLeaf(x) ?? make('batch', {}, [x])
}

/** The same host values as a leaf of another layout; undefined where `x` is no such leaf. */
function hostLeafAs(x: Node, layout: Layout): Node | undefined {
  if (x.op !== 'leaf' || x.requiresGrad || x.storage?.kind !== 'host') return undefined
  if (x.layout === layout) return x
  const leaf = createNode('leaf', {}, [], { shape: x.shape, dtype: x.dtype, layout }, false)
  leaf.storage = x.storage
  return leaf
}

/**
 * Values on the host are given anew each time a plan runs: with the batch as their dim 0 from the start, batches of
 * another size need no second plan. A list [N] is one as it is, if its elements are words.
 */
function batchLeaf(x: Node): Node | undefined {
  if (x.shape.length === 1 && x.dtype !== 'u8') return hostLeafAs(x, 'batch')
  const rows = hostLeafAs(x, 'rows')
  return rows && make('batch', {}, [rows])
}

/** The same values, row-major. The node itself where it is so already. */
export function unbatch(x: Node): Node {
  if (x.layout === 'plain') return x
  const inner = undone(x, 'batch') ?? x
  if (inner.layout === 'plain') return inner
  // of a batch bytes lie in words; only what is written in one go can be packed (compiler/lower/move.ts)
  const packed = (): Node => cast(make('unbatch', {}, [cast(x, 'i32')]), 'u8')
  return hostLeafAs(inner, 'plain') ?? (x.dtype === 'u8' ? packed() : make('unbatch', {}, [x]))
}

/** Plain, of the same rank as `like` and as long in dim 0: it becomes a batch too. */
const joins = (x: Node, like: Node): boolean =>
  x.layout === 'plain' && x.shape.length === like.shape.length && x.shape[0] === like.shape[0]

/** Operands in layouts that may stand beside each other. */
function fit(operands: Node[]): Node[] {
  let like: Node | undefined
  let fits = true
  for (const x of operands) if (x.layout === 'batch') like ??= x
  if (!like) return operands
  for (const x of operands) fits &&= fitsBatch(x, like)
  if (fits) return operands
  return refit(operands, like)
}

function refit(operands: Node[], like: Node): Node[] {
  if (!operands.every((x) => fitsBatch(x, like) || joins(x, like))) return operands.map(unbatch)
  return operands.map((x) => (fitsBatch(x, like) ? x : batch(x)))
}

type Unary = 'neg' | 'exp' | 'log' | 'sqrt' | 'abs' | 'relu' | 'tanh' | 'sigmoid' | 'erf' | 'expm1' | 'log1p'
type Binary = 'add' | 'sub' | 'mul' | 'div' | 'maximum'
type Comparison = 'eq' | 'lt' | 'le'

const unary =
  (op: Unary) =>
  (x: Operand): Node =>
    make(op, {}, [toFloat(x)])

const binary =
  (op: Binary) =>
  (a: Operand, b: Operand): Node =>
    make(op, {}, fit([toFloat(a), toFloat(b)]))

/** f32 0 or 1. Integers are compared as integers. */
const comparison =
  (op: Comparison) =>
  (left: Operand, right: Operand): Node => {
    const [a, b] = [toNode(left), toNode(right)]
    const dtype = a.dtype === 'f32' || b.dtype === 'f32' ? 'f32' : 'i32'
    return make(op, {}, fit([cast(a, dtype), cast(b, dtype)]))
  }

export const neg = unary('neg')
export const exp = unary('exp')
export const log = unary('log')
export const sqrt = unary('sqrt')
/** Its gradient at 0 is 0. */
export const abs = unary('abs')
/** Passes NaN on, as PyTorch. */
export const relu = unary('relu')
export const tanh = unary('tanh')
export const sigmoid = unary('sigmoid')
/** The error function. */
export const erf = unary('erf')
/** e^x − 1, exact to the last bits near 0 too. */
export const expm1 = unary('expm1')
/** ln(1 + x), exact to the last bits near 0 too. */
export const log1p = unary('log1p')

export const add = binary('add')
export const sub = binary('sub')
export const mul = binary('mul')
export const div = binary('div')
/** A NaN in either operand passes on; a tie gives each half of the gradient. */
export const maximum = binary('maximum')
export const minimum = (a: Operand, b: Operand): Node => neg(maximum(neg(a), neg(b)))

export const eq = comparison('eq')
export const lt = comparison('lt')
export const le = comparison('le')
export const gt = (a: Operand, b: Operand): Node => lt(b, a)
export const ge = (a: Operand, b: Operand): Node => le(b, a)
/** A NaN is not equal to anything, itself included. */
export const ne = (a: Operand, b: Operand): Node => sub(constant(1), eq(a, b))

/** `a` where the condition is not 0, else `b`; what is not chosen is not looked at, NaN or not. */
export const where = (condition: Node, a: Operand, b: Operand): Node =>
  make('where', {}, fit([toFloat(condition), toFloat(a), toFloat(b)]))

export const square = (x: Operand): Node => {
  const node = toFloat(x)
  return mul(node, node)
}

/** Whole exponents up to here are products: a few more roundings, and the sign of negative numbers. */
const mostFactors = 64

/**
 * x to a power that is a number: multiples of ½ up to 64 by products and a square root, others by logarithms. Gradients are
 * those of PyTorch at 0 and at infinity too.
 */
export function pow(x: Operand, exponent: number): Node {
  const base = toFloat(x)
  if (exponent < 0) return pow(div(constant(1), base), -exponent)
  if (exponent === 0) return where(constant(0), base, constant(1))
  if (exponent <= mostFactors && Number.isInteger(2 * exponent)) {
    const whole = power(base, Math.floor(exponent))
    if (Number.isInteger(exponent)) return whole ?? base
    if (!whole) return sqrt(base)
    const isZero = eq(base, constant(0))
    return where(isZero, mul(base, constant(0)), mul(whole, sqrt(where(isZero, constant(1), base))))
  }
  return powByLogarithm(base, exponent)
}

/** Products of squares; undefined for the power 0. */
function power(base: Node, exponent: number): Node | undefined {
  let result: Node | undefined
  for (let [left, square] = [exponent, base]; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result = result ? mul(result, square) : square
    if (left > 1) square = mul(square, square)
  }
  return result
}

function powByLogarithm(base: Node, exponent: number): Node {
  const isZero = eq(base, constant(0))
  const size = Number.isInteger(exponent) ? abs(base) : base
  const away = exp(mul(scalar(exponent), log(where(isZero, constant(1), size))))
  const signed = exponent % 2 === 1 ? where(lt(base, constant(0)), neg(away), away) : away
  // Its slope at 0 is 0, or infinite like the root's.
  return where(isZero, exponent > 1 ? mul(base, constant(0)) : sqrt(base), signed)
}

/** x to powers of its own shape or broadcast to it. Source: torch.pow. */
export function powTensor(x: Node, exponent: Node): Node {
  const [base, power] = [toFloat(x), toFloat(exponent)]
  const whole = (y: Node): Node => cast(cast(y, 'i32'), 'f32')
  const isWhole = eq(whole(power), power)
  const half = mul(power, constant(0.5))
  const isOdd = mul(isWhole, ne(whole(half), half))
  const isZero = mul(eq(base, constant(0)), lt(constant(0), power))
  const size = where(isZero, constant(1), where(isWhole, abs(base), base))
  const result = exp(mul(power, log(size)))
  const signed = where(mul(isOdd, lt(base, constant(0))), neg(result), result)
  return where(isZero, mul(base, constant(0)), where(eq(power, constant(0)), constant(1), signed))
}

/** The same values; no gradient flows back. */
export function detach(x: Node): Node {
  if (!x.requiresGrad) return x
  return createNode('reshape', {}, [x], { shape: x.shape, dtype: x.dtype, layout: x.layout }, false)
}
