/**
 * What elementwise operations and reductions mean, in plain loops. Each value is computed in float64 and rounded once;
 * sums accumulate in float64, so they are the exact sums to float32's eyes, in no particular order.
 */
import { broadcastIndices, reducedIndices, valuesAt } from './referenceShared.js'
import type { Numbers, ReferenceTable, Values } from './referenceShared.js'
import type { NodeType } from './node.js'

/** out[i] = f(x[i]). */
const unary = (f: (x: number) => number) => (out: Numbers, inputs: readonly Values[]) => {
  const { data } = valuesAt(inputs, 0)
  for (let i = 0; i < out.length; i++) out[i] = f(data[i]!)
}

/** out[i] = f(a[i], b[i]), broadcast. */
const binary =
  (f: (a: number, b: number) => number) =>
  (out: Numbers, inputs: readonly Values[], _attrs: unknown, type: NodeType) => {
    const [a, b] = [valuesAt(inputs, 0), valuesAt(inputs, 1)]
    const [ofA, ofB] = [broadcastIndices(type.shape, a.shape), broadcastIndices(type.shape, b.shape)]
    for (let i = 0; i < out.length; i++) out[i] = f(a.data[ofA[i]!]!, b.data[ofB[i]!]!)
  }

function where(out: Numbers, inputs: readonly Values[], _attrs: unknown, { shape }: NodeType): void {
  const [c, a, b] = [valuesAt(inputs, 0), valuesAt(inputs, 1), valuesAt(inputs, 2)]
  const [ofC, ofA, ofB] = [c, a, b].map((v) => broadcastIndices(shape, v.shape)) as [Int32Array, Int32Array, Int32Array]
  for (let i = 0; i < out.length; i++) out[i] = c.data[ofC[i]!] === 0 ? b.data[ofB[i]!]! : a.data[ofA[i]!]!
}

function sum(out: Numbers, inputs: readonly Values[], { dims }: { dims: readonly number[] }): void {
  const x = valuesAt(inputs, 0)
  const to = reducedIndices(x.shape, dims)
  const sums = new Float64Array(out.length)
  x.data.forEach((v, i) => (sums[to[i]!]! += v))
  out.set(sums)
}

function amax(out: Numbers, inputs: readonly Values[], { dims }: { dims: readonly number[] }): void {
  const x = valuesAt(inputs, 0)
  const to = reducedIndices(x.shape, dims)
  out.fill(-Infinity)
  x.data.forEach((v, i) => {
    // Nothing is larger than a NaN, so it stays.
    if (v > out[to[i]!]! || Number.isNaN(v)) out[to[i]!] = v
  })
}

/** The first of equals; the first NaN before all. */
function argmax(out: Numbers, inputs: readonly Values[], { dim }: { dim: number }): void {
  const { data, shape } = valuesAt(inputs, 0)
  const to = reducedIndices(shape, [dim])
  const best = new Float64Array(out.length).fill(-Infinity)
  const step = shape.slice(dim + 1).reduce((product, size) => product * size, 1)
  data.forEach((v, i) => {
    const j = to[i]!
    if (Number.isNaN(best[j]!) || !(v > best[j]! || Number.isNaN(v))) return
    best[j] = v
    out[j] = Math.floor(i / step) % shape[dim]!
  })
}

/** erf in float64: its series (Abramowitz & Stegun 7.1.6), and 1 beyond 6, where float64 has no more. */
function erf(x: number): number {
  if (!(Math.abs(x) < 6)) return Math.sign(x)
  let [term, total] = [x, x]
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(total); n++) {
    term *= (2 * x * x) / (2 * n + 1)
    total += term
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * total
}

const bool = (value: boolean): number => (value ? 1 : 0)

export const referenceElementwise = {
  const: (out, _inputs, { value }) => void out.fill(value),
  neg: unary((x) => -x),
  exp: unary(Math.exp),
  log: unary(Math.log),
  sqrt: unary(Math.sqrt),
  abs: unary(Math.abs),
  relu: unary((x) => (x <= 0 ? 0 : x)),
  tanh: unary(Math.tanh),
  sigmoid: unary((x) => 1 / (1 + Math.exp(-x))),
  erf: unary(erf),
  expm1: unary(Math.expm1),
  log1p: unary(Math.log1p),
  cast: (out, inputs, { dtype }) => unary(dtype === 'f32' ? (x) => x : Math.trunc)(out, inputs),
  add: binary((a, b) => a + b),
  sub: binary((a, b) => a - b),
  mul: binary((a, b) => a * b),
  div: binary((a, b) => a / b),
  maximum: binary(Math.max),
  eq: binary((a, b) => bool(a === b)),
  lt: binary((a, b) => bool(a < b)),
  le: binary((a, b) => bool(a <= b)),
  where,
  sum,
  amax,
  argmax,
} as const satisfies ReferenceTable<
  | 'const'
  | 'neg'
  | 'exp'
  | 'log'
  | 'sqrt'
  | 'abs'
  | 'relu'
  | 'tanh'
  | 'sigmoid'
  | 'erf'
  | 'expm1'
  | 'log1p'
  | 'cast'
  | 'add'
  | 'sub'
  | 'mul'
  | 'div'
  | 'maximum'
  | 'eq'
  | 'lt'
  | 'le'
  | 'where'
  | 'sum'
  | 'amax'
  | 'argmax'
>
