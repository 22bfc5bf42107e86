/** The counter-based random numbers: known values, and that they look random along positions and keys. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Generator, hash32, uniform24 } from '../../src/base/index.js'

/** The formula of hash32.ts again, in arithmetic without 32-bit operators. */
function slowHash(position: number, key0: number, key1: number): number {
  const word = 2n ** 32n
  const mix = (value: bigint): bigint => {
    let h = value
    h = ((h ^ (h >> 16n)) * 0x21f0aaadn) % word
    h = ((h ^ (h >> 15n)) * 0xd35a2d97n) % word
    return h ^ (h >> 15n)
  }
  const first = mix(BigInt.asUintN(32, BigInt(position) + BigInt(key0)))
  return Number(mix(first ^ BigInt.asUintN(32, BigInt(key1))))
}

const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })

test('hash32 is its formula for any position and key words, signed or not', () => {
  fc.assert(
    fc.property(fc.nat(2 ** 31 - 1), word, word, (position, key0, key1) => {
      assert.equal(hash32(position, key0, key1), slowHash(position, key0, key1))
      assert.equal(hash32(position, key0 >>> 0, key1 >>> 0), hash32(position, key0, key1))
    }),
  )
})

test('uniform24 is the upper 24 bits, exact in float32 and below 1', () => {
  for (let i = 0; i < 1000; i++) {
    const u = uniform24(i, 12345, -6789)
    assert.equal(u, Math.floor(hash32(i, 12345, -6789) / 256) / 2 ** 24)
    assert.equal(Math.fround(u), u)
    assert.ok(u >= 0 && u < 1)
  }
})

/** χ² of counts that should be equal: about `counts.length` ± a few times √(2·length). */
function assertEven(counts: readonly number[], what: string): void {
  const expected = counts.reduce((a, b) => a + b, 0) / counts.length
  const chi2 = counts.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0)
  const freedom = counts.length - 1
  assert.ok(
    Math.abs(chi2 - freedom) < 5 * Math.sqrt(2 * freedom),
    `${what}: χ² ${chi2} of ${freedom} degrees of freedom`,
  )
}

const keys = new Generator(7)
const keyPairs = Array.from({ length: 4 }, () => [keys.randomU32() | 0, keys.randomU32() | 0] as const)

test('values fill [0, 1) evenly along positions, alone and in neighbouring pairs', () => {
  for (const [key0, key1] of keyPairs) {
    const counts = Array<number>(256).fill(0)
    const pairs = Array<number>(256).fill(0)
    for (let i = 0; i < 65536; i++) {
      const here = uniform24(i, key0, key1)
      counts[Math.floor(here * 256)]! += 1
      pairs[Math.floor(here * 16) * 16 + Math.floor(uniform24(i + 1, key0, key1) * 16)]! += 1
    }
    assertEven(counts, 'single values')
    assertEven(pairs, 'pairs')
  }
})

test('every bit of position and key flips every bit of the hash half of the time', () => {
  const trials = 4000
  for (let bit = 0; bit < 32; bit++)
    for (const where of [0, 1, 2]) {
      const flips = Array<number>(32).fill(0)
      const words = new Generator(bit * 3 + where)
      for (let t = 0; t < trials; t++) {
        const input = [words.randomU32() | 0, words.randomU32() | 0, words.randomU32() | 0] as [number, number, number]
        const before = hash32(...input)
        input[where]! ^= 1 << bit
        const changed = before ^ hash32(...input)
        for (let b = 0; b < 32; b++) flips[b]! += (changed >>> b) & 1
      }
      // Six standard deviations of a fair coin.
      for (const n of flips)
        assert.ok(Math.abs(n - trials / 2) < 6 * Math.sqrt(trials / 4), `bit ${bit} of word ${where}: ${n}`)
    }
})

test('streams of different random keys are not correlated', () => {
  const [[a0, a1], [b0, b1]] = keyPairs as [readonly [number, number], readonly [number, number]]
  let product = 0
  const count = 65536
  for (let i = 0; i < count; i++) product += (uniform24(i, a0, a1) - 0.5) * (uniform24(i, b0, b1) - 0.5)
  // The variance of one product is 1/144.
  assert.ok(Math.abs(product / count) < 5 / 12 / Math.sqrt(count))
})
