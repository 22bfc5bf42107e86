/** Generator against PyTorch 2.15: frozen draws, initial weights of both nets, and the order of batches after them. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { Generator, LenetError } from '../../src/base/index.js'
import { floatsOf, initOracle, readOracle } from '../oracle/cases.js'
import { frozenBatch } from '../oracle/frozenBatch.js'

interface Draws {
  seed: string
  u31: number[]
  uniform: { a: number; b: number; count: number; sha256: string }
  uniformWide: { a: number; b: number; data: string }
  random63: string[]
  randperm100: number[]
  normalFew: { mean: number; std: number; data: string }
  normalMany: { mean: number; std: number; data: string }
  normalFewMore: { mean: number; std: number; data: string }
  lastU31: number
}

const sha256 = (data: ArrayBufferView): string =>
  createHash('sha256')
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest('hex')

const frozenDraws = (): Draws[] => (readOracle('init.json') as { generator: Draws[] }).generator

function checkNormal(generator: Generator, { mean, std, data }: Draws['normalFew'], within: number): void {
  const expected = floatsOf(data)
  const got = generator.normal(new Float32Array(expected.length), mean, std)
  for (const [i, value] of expected.entries()) {
    const difference = Math.abs((got[i] ?? Number.NaN) - value)
    assert.ok(difference <= within * std, `normal ${i}: ${got[i]} instead of ${value}`)
  }
}

for (const draws of frozenDraws()) {
  test(`Generator(${draws.seed}) draws as PyTorch's`, () => {
    const g = new Generator(BigInt(draws.seed))
    for (const value of draws.u31) assert.equal(g.randomU32() & 0x7fffffff, value)
    const { a, b, count } = draws.uniform
    assert.equal(sha256(g.uniform(new Float32Array(count), a, b)), draws.uniform.sha256)
    const wide = g.uniform(new Float32Array(5), draws.uniformWide.a, draws.uniformWide.b)
    assert.deepEqual(wide, floatsOf(draws.uniformWide.data))
    for (const value of draws.random63) assert.equal(BigInt.asUintN(63, g.random64()).toString(), value)
    assert.deepEqual([...g.randperm(100)], draws.randperm100)
    checkNormal(g, draws.normalFew, 0) // PyTorch uses libm in double here: equal after rounding
    checkNormal(g, draws.normalMany, 1e-6)
    checkNormal(g, draws.normalFewMore, 0)
    assert.equal(g.randomU32() & 0x7fffffff, draws.lastU31)
  })
}

/** Uniform in ±1/√fan_in for each weight, then its bias: the default of Conv2d and Linear. */
function drawParameters(g: Generator, parameters: [string, { shape: readonly number[] }][]): Float32Array[] {
  let bound = 0
  return parameters.map(([name, { shape }]) => {
    const size = shape.reduce((p, n) => p * n, 1)
    if (name.endsWith('.weight')) bound = 1 / Math.sqrt(size / (shape[0] ?? 1))
    return g.uniform(new Float32Array(size), -bound, bound)
  })
}

for (const { net, seed, weightsSha256, parameters, epochs } of initOracle().nets) {
  test(`${net}, seed ${seed}: initial weights and order of batches are PyTorch's, bit for bit`, () => {
    const g = new Generator(seed)
    const entries = Object.entries(parameters)
    const drawn = drawParameters(g, entries)
    for (const [i, [name, { first }]] of entries.entries())
      assert.deepEqual(drawn[i]?.slice(0, 8), first.slice(0, drawn[i]?.length), name)
    assert.equal(sha256(Float32Array.from(drawn.flatMap((values) => [...values]))), weightsSha256)
    for (const epoch of epochs) {
      g.random64() // the iterator's base seed
      const order = new Generator(g.random64()).randperm(50000)
      assert.deepEqual(Array.from(order.subarray(0, 64)), epoch.first)
      assert.equal(sha256(order), epoch.sha256)
    }
  })
}

test('the frozen batch is the one that PyTorch was given', () => {
  const { pixelsSha256 } = readOracle('frozen.json') as { pixelsSha256: string }
  assert.equal(sha256(frozenBatch().pixels), pixelsSha256)
})

test('clone, getState and setState go on from the same place, also between the two normals of a pair', () => {
  const g = new Generator(11)
  g.normal(new Float32Array(3))
  const copy = g.clone()
  const state = g.getState()
  const next = [...g.normal(new Float32Array(4)), g.randomU32()]
  assert.deepEqual([...copy.normal(new Float32Array(4)), copy.randomU32()], next)
  const restored = new Generator(99).setState(state)
  assert.deepEqual([...restored.normal(new Float32Array(4)), restored.randomU32()], next)
  assert.equal(restored.seed, 11n)
  assert.throws(() => g.setState({ ...state, words: new Uint32Array(3) }), /not a state of this generator \(3 words/)
})

test('seeds: low 32 bits count, negatives wrap, anything else is refused', () => {
  assert.equal(new Generator(2 ** 32 + 5).randomU32(), new Generator(5).randomU32())
  assert.equal(new Generator(-1).seed, 2n ** 64n - 1n)
  assert.equal(new Generator(-1).seed32, 0xffffffff)
  assert.equal(new Generator().seed, 67280421310721n)
  for (const bad of [1.5, Number.NaN, 2 ** 60, 2n ** 64n]) assert.throws(() => new Generator(bad), LenetError)
})

test('randperm: small lengths and refused ones', () => {
  const g = new Generator(1)
  assert.deepEqual([...g.randperm(0)], [])
  assert.deepEqual([...g.randperm(1)], [0])
  assert.equal(g.randomU32(), new Generator(1).randomU32(), 'neither draws')
  for (const bad of [-1, 2.5, 2 ** 32])
    assert.throws(() => g.randperm(bad), /randperm: the length must be a whole number/)
})
