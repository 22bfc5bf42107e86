/** fmaf against C's own on frozen hard cases, and against exact whole-number arithmetic on random ones. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { fmaf } from '../../src/base/index.js'

const word = new DataView(new ArrayBuffer(4))
const floatOf = (bits: number): number => (word.setUint32(0, bits), word.getFloat32(0))
const bitsOf = (value: number): number => (
  word.setFloat32(0, value),
  Number.isNaN(value) ? 0x7fc00000 : word.getUint32(0)
)

/** A finite float32 as a whole number of 2^-149. */
function scaled(value: number): bigint {
  const bits = bitsOf(value)
  const exponent = (bits >>> 23) & 0xff
  const fraction = BigInt(bits & 0x7fffff)
  const magnitude = exponent === 0 ? fraction : (fraction | 0x800000n) << BigInt(exponent - 1)
  return bits >>> 31 ? -magnitude : magnitude
}

const bitLength = (n: bigint): number => n.toString(2).length

/** a·b + c as a whole number of 2^-298, rounded once to the nearest float32, ties to even. Finite arguments. */
function exactFma(a: number, b: number, c: number): number {
  const sum = scaled(a) * scaled(b) + (scaled(c) << 149n)
  if (sum === 0n) return a * b + c // the sign of zero is that of plain arithmetic
  const magnitude = sum < 0n ? -sum : sum
  const drop = BigInt(Math.max(149, bitLength(magnitude) - 24))
  const half = 1n << (drop - 1n)
  const below = magnitude >> drop
  const rest = magnitude & ((1n << drop) - 1n)
  const up = rest > half || (rest === half && (below & 1n) === 1n)
  const rounded = Number(up ? below + 1n : below) * 2 ** (Number(drop) - 298)
  const limited = rounded >= 2 ** 128 ? Infinity : rounded
  return sum < 0n ? -limited : limited
}

const show = (v: number): string => `${v} (0x${bitsOf(v).toString(16)})`

test('fmaf gives the bits of C on 2,381 frozen cases', () => {
  const file = new URL('../../../test/oracle/fma.json', import.meta.url)
  const rows = JSON.parse(readFileSync(file, 'utf8')) as [number, number, number, number][]
  assert.equal(rows.length, 2381)
  for (const [a, b, c, expected] of rows) {
    const got = fmaf(floatOf(a), floatOf(b), floatOf(c))
    assert.equal(bitsOf(got), expected, `fmaf(${[a, b, c].map((v) => show(floatOf(v))).join(', ')})`)
    assert.ok(Number.isNaN(got) || Math.fround(got) === got, 'the result is a float32')
  }
})

test('fmaf is exactly rounded: any finite bits', () => {
  const finite = fc.integer({ min: 0, max: 0xffffffff }).map(floatOf).filter(Number.isFinite)
  fc.assert(
    fc.property(finite, finite, finite, (a, b, c) => {
      assert.equal(bitsOf(fmaf(a, b, c)), bitsOf(exactFma(a, b, c)))
    }),
    { numRuns: 5000 },
  )
})

test('fmaf is exactly rounded: sums that nearly tie, cancel or leave the normal range', () => {
  const near = (low: number, high: number): fc.Arbitrary<number> =>
    fc
      .tuple(
        fc.integer({ min: low, max: high }),
        fc.constantFrom(0, 1, 2, 0x400000, 0x7fffff, 0x7ffffe, 0x555555),
        fc.boolean(),
      )
      .map(([exponent, fraction, minus]) => floatOf(((minus ? 0x80000000 : 0) | (exponent << 23) | fraction) >>> 0))
  const group = (low: number, high: number, cLow: number, cHigh: number) =>
    fc.tuple(near(low, high), near(low, high), near(cLow, cHigh))
  const cases = fc.oneof(group(100, 130, 90, 140), group(62, 66, 0, 4), group(40, 66, 0, 26), group(188, 192, 250, 254))
  fc.assert(
    fc.property(cases, ([a, b, c]) => {
      assert.equal(bitsOf(fmaf(a, b, c)), bitsOf(exactFma(a, b, c)), [a, b, c].map(show).join(', '))
    }),
    { numRuns: 20000 },
  )
})

test('fmaf differs from rounding twice where it should', () => {
  // (1 + 2^-23)(1 - 2^-23) = 1 - 2^-46: the sum lies just below a tie, by less than a double can say.
  const [a, b, c] = [2 ** -24 * (1 + 2 ** -23), 1 - 2 ** -23, 1 + 2 ** -23]
  assert.equal(fmaf(a, b, c), 1 + 2 ** -23)
  assert.equal(Math.fround(a * b + c), 1 + 2 ** -22)
})
