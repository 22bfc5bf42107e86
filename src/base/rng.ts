/**
 * Random numbers: PyTorch's CPU generator (mt19937) number for number, and the counter-based Philox.
 * Same seed, same draws as PyTorch: initial weights bit for bit, and the same order of batches.
 * Not here: who draws when (nn's initialisation, data's loader), nor any global generator.
 */
import { LenetError } from './errors.js'
import { fmaf } from './fma.js'

const N = 624
const M = 397
const TWO_POW_MINUS_24 = 2 ** -24
const TWO_POW_MINUS_53 = 2 ** -53
/** From this length on PyTorch draws 64 bits for each swap of `randperm`. */
const RANDPERM_LIMIT = Math.floor(0xffffffff / 20)

/** All that a Generator remembers. Plain data: it may be stored and given back to `setState`. */
export interface GeneratorState {
  /** The seed as given, modulo 2^64. */
  readonly seed: bigint
  /** The 624 words of mt19937. */
  readonly words: Uint32Array
  /** How many of the words have been used, 0 to 624. */
  readonly index: number
  /** The second value of the last scalar Box–Muller pair, when it has not been drawn yet. */
  readonly nextNormal: number | undefined
}

/** PyTorch's CPU generator: mt19937 (Matsumoto & Nishimura 1998) and the draws that PyTorch makes from it. */
export class Generator {
  readonly #words = new Uint32Array(N)
  #index = N
  #seed = 0n
  #nextNormal: number | undefined

  /** @param seed an integer; negative ones count modulo 2^64, as in PyTorch. Default: PyTorch's default seed. */
  constructor(seed: number | bigint = 67280421310721n) {
    this.manualSeed(seed)
  }

  /** Starts again from `seed`. Only its low 32 bits reach the numbers, as in PyTorch. Returns this generator. */
  manualSeed(seed: number | bigint): this {
    this.#seed = parseSeed(seed)
    const words = this.#words
    let last = this.seed32
    words[0] = last
    for (let i = 1; i < N; i++) {
      last = (Math.imul(1812433253, last ^ (last >>> 30)) + i) | 0
      words[i] = last
    }
    this.#index = N
    this.#nextNormal = undefined
    return this
  }

  /** The last seed given, modulo 2^64 (`torch.Generator.initial_seed`). */
  get seed(): bigint {
    return this.#seed
  }

  /** The low 32 bits of the last seed given: all of it that counts. */
  get seed32(): number {
    return Number(this.#seed & 0xffffffffn)
  }

  /** The next 32 bits: an integer of [0, 2^32). */
  randomU32(): number {
    if (this.#index === N) refill(this.#words)
    this.#index = this.#index === N ? 1 : this.#index + 1
    let y = this.#words[this.#index - 1] ?? 0
    y ^= y >>> 11
    y ^= (y << 7) & 0x9d2c5680
    y ^= (y << 15) & 0xefc60000
    return (y ^ (y >>> 18)) >>> 0
  }

  /** The next 64 bits: two draws, the high word first. */
  random64(): bigint {
    const high = BigInt(this.randomU32())
    return (high << 32n) | BigInt(this.randomU32())
  }

  /**
   * Fills `out` with uniform numbers of [a, b), bit-equal to a float32 `torch.Tensor.uniform_(a, b)`: 24 random bits,
   * scaled and shifted by one fma in single precision. One draw a number.
   */
  uniform(out: Float32Array, a = 0, b = 1): Float32Array {
    const from = Math.fround(a)
    const range = Math.fround(Math.fround(b) - from)
    for (let i = 0; i < out.length; i++) out[i] = fmaf(this.#unit24(), range, from)
    return out
  }

  /** A random order of 0…n-1 as `torch.randperm(n)`: n-1 draws. */
  randperm(n: number): Uint32Array {
    if (!Number.isInteger(n) || n < 0 || n >= RANDPERM_LIMIT) {
      throw new LenetError(`randperm: the length must be a whole number from 0 to ${RANDPERM_LIMIT - 1}, got ${n}.`)
    }
    const r = Uint32Array.from({ length: n }, (_, i) => i)
    for (let i = 0; i < n - 1; i++) {
      const j = i + (this.randomU32() % (n - i))
      const here = r[i] ?? 0
      r[i] = r[j] ?? 0
      r[j] = here
    }
    return r
  }

  /**
   * Fills `out` with normal numbers, drawing as a contiguous float32 `torch.Tensor.normal_(mean, std)` does: the
   * generator is afterwards where PyTorch's would be. Values agree to about 1e-6 · std, not to the bit: PyTorch uses the
   * vector unit's own log, sin and cos for 16 numbers or more.
   */
  normal(out: Float32Array, mean = 0, std = 1): Float32Array {
    if (!(std >= 0)) throw new LenetError(`normal: the standard deviation must be 0 or more, got ${std}.`)
    const n = out.length
    if (n < 16) {
      for (let i = 0; i < n; i++) out[i] = this.#normalScalar() * std + mean
      return out
    }
    for (let i = 0; i < n; i++) out[i] = this.#unit24()
    for (let i = 0; i + 16 <= n; i += 16) boxMuller16(out, i, mean, std)
    if (n % 16 !== 0) {
      // PyTorch draws the last 16 again, over numbers that were ready.
      for (let i = n - 16; i < n; i++) out[i] = this.#unit24()
      boxMuller16(out, n - 16, mean, std)
    }
    return out
  }

  /** A copy that goes on from here on its own. */
  clone(): Generator {
    return new Generator().setState(this.getState())
  }

  /** All that is needed to go on from here later. */
  getState(): GeneratorState {
    return { seed: this.#seed, words: this.#words.slice(), index: this.#index, nextNormal: this.#nextNormal }
  }

  /** Goes on from where `getState` was called. Returns this generator. */
  setState(state: GeneratorState): this {
    const { words, index } = state
    if (words.length !== N || !Number.isInteger(index) || index < 0 || index > N) {
      throw new LenetError(
        `Generator.setState: not a state of this generator (${words.length} words, index ${index}); give it one from getState().`,
      )
    }
    this.#words.set(words)
    this.#index = index
    this.#seed = state.seed
    this.#nextNormal = state.nextNormal
    return this
  }

  #unit24(): number {
    return (this.randomU32() & 0xffffff) * TWO_POW_MINUS_24
  }

  /** 53 bits of two draws, high word first. */
  #unit53(): number {
    const high = this.randomU32() & 0x1fffff
    return (high * 2 ** 32 + this.randomU32()) * TWO_POW_MINUS_53
  }

  #normalScalar(): number {
    const ready = this.#nextNormal
    this.#nextNormal = undefined
    if (ready !== undefined) return ready
    const theta = 2 * Math.PI * this.#unit53()
    const radius = Math.sqrt(-2 * Math.log1p(-this.#unit53()))
    this.#nextNormal = radius * Math.sin(theta)
    return radius * Math.cos(theta)
  }
}

function parseSeed(seed: number | bigint): bigint {
  if (typeof seed === 'number' && !Number.isSafeInteger(seed)) {
    throw new LenetError(`The seed must be a whole number, got ${seed}; give larger ones than 2^53 as a bigint.`)
  }
  const big = BigInt(seed)
  if (big < -(2n ** 63n) || big >= 2n ** 64n) {
    throw new LenetError(`The seed must lie in [-2^63, 2^64), got ${seed}.`)
  }
  return BigInt.asUintN(64, big)
}

/** The next 624 words of mt19937, in place. */
function refill(words: Uint32Array): void {
  for (let i = 0; i < N; i++) {
    const here = words[i] ?? 0
    const next = words[(i + 1) % N] ?? 0
    const far = words[(i + M) % N] ?? 0
    const y = (here & 0x80000000) | (next & 0x7fffffff)
    words[i] = far ^ (y >>> 1) ^ (next & 1 ? 0x9908b0df : 0)
  }
}

/** Sixteen uniform numbers at `start` become normal ones: number j and number j + 8 are a pair. */
function boxMuller16(data: Float32Array, start: number, mean: number, std: number): void {
  for (let j = start; j < start + 8; j++) {
    const u1 = 1 - (data[j] ?? 0)
    const theta = 2 * Math.PI * (data[j + 8] ?? 0)
    const radius = Math.sqrt(-2 * Math.log(u1))
    data[j] = radius * Math.cos(theta) * std + mean
    data[j + 8] = radius * Math.sin(theta) * std + mean
  }
}
