/**
 * Philox4x32-10: random numbers that are a function of a key and a counter, so that any element of any step can be
 * computed alone, in any order, on any thread (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
 * Dropout draws from it. Not here: PyTorch's sequential generator (rng.ts); dropout does not follow PyTorch's bits.
 */

const MULTIPLIER_0 = 0xd2511f53
const MULTIPLIER_1 = 0xcd9e8d57
const WEYL_0 = 0x9e3779b9
const WEYL_1 = 0xbb67ae85
const ROUNDS = 10

/** A counter of 128 bits as four words. */
export type PhiloxCounter = readonly [number, number, number, number]

/** The high 32 bits of the product of two unsigned 32-bit integers. */
function mulHigh(a: number, b: number): number {
  const aHigh = a >>> 16
  const aLow = a & 0xffff
  const bHigh = b >>> 16
  const bLow = b & 0xffff
  // Each partial product and sum stays far below 2^53, so doubles are exact.
  const middle = aHigh * bLow + Math.floor((aLow * bLow) / 0x10000)
  const middle2 = aLow * bHigh + (middle % 0x10000)
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(middle2 / 0x10000)) >>> 0
}

/** The four random words of one counter under one key (two words). Words are unsigned 32-bit integers. */
export function philox(key0: number, key1: number, counter: PhiloxCounter): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter
  let k0 = key0
  let k1 = key1
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = mulHigh(MULTIPLIER_0, c0)
    const low0 = Math.imul(MULTIPLIER_0, c0)
    const high1 = mulHigh(MULTIPLIER_1, c2)
    const low1 = Math.imul(MULTIPLIER_1, c2)
    c0 = (high1 ^ c1 ^ k0) >>> 0
    c1 = low1 >>> 0
    c2 = (high0 ^ c3 ^ k1) >>> 0
    c3 = low0 >>> 0
    k0 = (k0 + WEYL_0) >>> 0
    k1 = (k1 + WEYL_1) >>> 0
  }
  return [c0, c1, c2, c3]
}

/**
 * Fills `out` with the words of one stream: element i is word i mod 4 of counter (floor(i / 4), 0, stream0, stream1).
 * For dropout: key = seed, stream0 = which dropout layer, stream1 = how many times it has drawn.
 */
export function philoxFill(out: Uint32Array, key0: number, key1: number, stream0 = 0, stream1 = 0): Uint32Array {
  for (let i = 0; i < out.length; i += 4) {
    const words = philox(key0, key1, [i >>> 2, 0, stream0 >>> 0, stream1 >>> 0])
    for (let j = 0; j < 4 && i + j < out.length; j++) out[i + j] = words[j] ?? 0
  }
  return out
}
