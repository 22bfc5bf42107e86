/**
 * exp, log and what is made of them, as polynomials of the IR's own operations: every device gives the same bits.
 * Errors are measured by test/conformance/accuracy.test.ts. Not here: which operation uses what (elementwise.ts).
 * Sources: Cephes 2.2 (Moshier, 1992), single precision expf, logf, tanhf; erf and expm1 are least maximum fits of their
 * own (scripts of the fit: weighted least squares, weights raised where the error is largest).
 */
import { alu, float, int, splat } from '../loop/build.js'
import type { Expr, Var } from '../loop/ir.js'

/** Gives an expression a name when it is used more than once. */
export interface Namer {
  let(name: string, value: Expr): { k: 'var'; v: Var }
}

const fma = (a: Expr, b: Expr, c: Expr): Expr => alu('fma', a, b, c)
const horner = (x: Expr, coefficients: readonly number[]): Expr =>
  coefficients.slice(1).reduce<Expr>((sum, c) => fma(sum, x, float(c)), float(coefficients[0] ?? 0))
export const or = (a: Expr, b: Expr): Expr => alu('ior', a, b)
export const isNaN = (x: Expr): Expr => alu('fne', x, x)
export const select = (mask: Expr, a: Expr, b: Expr): Expr => alu('fselect', mask, a, b)
export const splatInt = (value: number): Expr => splat(int(value))

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

interface Parts {
  /** m − 1 of x = 2^e · m, m in [√½, √2). */
  readonly r: Expr
  /** e, as a float and as a whole number. */
  readonly e: Expr
  readonly exponent: Expr
}

/** x > 0 in parts; denormals are scaled up first where there may be some. */
function parts(b: Namer, x: Expr, denormals: boolean): Parts {
  const tiny = b.let('tiny', alu('flt', x, float(1.17549435e-38)))
  const bits = b.let('bits', alu('fbits', denormals ? select(tiny, alu('fmul', x, float(2 ** 23)), x) : x))
  const m0 = b.let('m', alu('ibits', alu('ior', alu('iand', bits, splatInt(0x7fffff)), splatInt(0x3f000000)))) // [0.5, 1)
  const small = b.let('small', alu('flt', m0, float(0.707106781186547524)))
  const bias = denormals ? alu('iselect', tiny, splatInt(126 + 23), splatInt(126)) : splatInt(126)
  // the mask is −1
  const exponent = b.let('exponent', alu('iadd', alu('isub', alu('ishru', bits, int(23)), bias), small))
  const r = alu('fsub', alu('fadd', m0, select(small, m0, float(0))), float(1))
  return { r, e: b.let('e', alu('itof', exponent)), exponent }
}

/** ln(2^e · (1 + r)); `x` is what it is the logarithm of: −∞ at 0, NaN below, ∞ at ∞. */
function logOf(b: Namer, x: Expr, r: Expr, e: Expr): Expr {
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

/** ln x; −∞ at 0, NaN below, ∞ at ∞. */
export function emitLog(b: Namer, x: Expr): Expr {
  const { r, e } = parts(b, x, true)
  return logOf(b, x, b.let('r', r), e)
}

/** ln(1 + x). With 1 + x ≈ 2^e · m, r is (2^−e − 1) + x · 2^−e, rounded once; x alone counts where it is large. */
export function emitLog1p(b: Namer, x: Expr): Expr {
  const u = b.let('u', alu('fadd', x, float(1)))
  const { r, e, exponent } = parts(b, u, false)
  const scale = b.let('scale', alu('ibits', alu('ishl', alu('isub', splatInt(127), exponent), int(23))))
  const exact = fma(x, scale, alu('fsub', scale, float(1)))
  const log = b.let('log', logOf(b, u, b.let('r', select(alu('flt', float(2 ** 60), x), r, exact)), e))
  // the sign of a zero, and denormals, stay
  return select(alu('flt', alu('fabs', x), float(2 ** -25)), x, log)
}

/** tanh x: a polynomial near 0, by e^(2|x|) farther away. */
export function emitTanh(b: Namer, x: Expr): Expr {
  const a = b.let('a', alu('fabs', x))
  const e = b.let('e', emitExp(b, alu('fadd', a, a)))
  const far = alu('fsub', float(1), alu('fdiv', float(2), alu('fadd', e, float(1))))
  const signed = select(alu('flt', x, float(0)), alu('fneg', far), far)
  const z = b.let('z', alu('fmul', x, x))
  const p = horner(z, [-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1])
  return select(alu('flt', a, float(0.625)), fma(alu('fmul', p, z), x, x), select(isNaN(x), x, signed))
}

/** 1 / (1 + e^−x). */
export const emitSigmoid = (b: Namer, x: Expr): Expr =>
  alu('fdiv', float(1), alu('fadd', float(1), b.let('e', emitExp(b, b.let('x', alu('fneg', x))))))

/** The error function: x · P(x²) near 0, 1 − e^Q(|x|) farther away; 1 beyond 4. */
export function emitErf(b: Namer, x: Expr): Expr {
  const a = b.let('a', alu('pmin', alu('fabs', x), float(4)))
  const q = horner(a, [2.14594955e-4, -3.21997493e-3, 2.29060296e-2, -0.105286852, -0.635699391, -1.12852001])
  const far = alu('fsub', float(1), b.let('e', emitExp(b, b.let('q', alu('fmul', q, a)))))
  const signed = select(alu('flt', x, float(0)), alu('fneg', far), far)
  const p = horner(
    b.let('z', alu('fmul', x, x)),
    [-6.09037816e-4, 5.01196692e-3, -2.67789122e-2, 0.112821408, -0.376125246, 0.128379151],
  )
  return select(alu('flt', a, float(0.9)), fma(p, x, x), select(isNaN(x), x, signed))
}

/** e^x − 1, exact to the last bits near 0 too: 2^k · (e^r − 1) + (2^k − 1), with half of 2^k so that 2^128 is no infinity. */
export function emitExpm1(b: Namer, x: Expr): Expr {
  const clamped = b.let('x', alu('pmax', alu('pmin', x, float(88.8)), float(-80)))
  const k = b.let('k', alu('fnearest', alu('fmul', clamped, float(1.44269504088896341))))
  const r = b.let('r', fma(k, float(2.1219444e-4), fma(k, float(-0.693359375), clamped)))
  const p = horner(r, [1.98458802e-4, 1.39406545e-3, 8.33338965e-3, 4.16663624e-2, 0.166666657, 0.5])
  const small = fma(p, alu('fmul', r, r), r)
  const half = b.let('h', alu('ibits', alu('ishl', alu('iadd', alu('ftoi', k), splatInt(126)), int(23))))
  const sum = b.let('sum', fma(small, half, alu('fsub', half, float(0.5))))
  const value = alu('fadd', sum, sum)
  const high = select(alu('flt', float(88.7228394), x), float(Infinity), value)
  // the sign of a zero, and denormals, stay
  return select(or(isNaN(x), alu('flt', alu('fabs', x), float(2 ** -25))), x, high)
}
