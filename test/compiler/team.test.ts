/**
 * How a team shares a program: whatever the batch, the team and the kernels' units, every unit is done once; shares of pieces are as
 * even as they can be; kernels of one phase are cut at the same pictures.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  add,
  addr,
  granuleOf,
  interpret,
  loadInt,
  mul,
  pieceOf,
  piecesOf,
  placeOf,
  rankShare,
  shareOf,
  squadsOf,
  unitCount,
  unitsIn,
  verify,
  workOf,
  type LoopKernel,
  type Parts,
  type Units,
} from '../../src/compiler/index.js'
import { KernelBuilder } from '../../src/compiler/kernel.js'

const power = (most: number): fc.Arbitrary<number> => fc.integer({ min: 0, max: most }).map((exponent) => 2 ** exponent)
const parts = fc.record({ count: power(6), pieces: fc.integer({ min: 1, max: 90 }) })
const units: fc.Arbitrary<Units> = fc.oneof(
  fc.record({ pictures: power(4) }),
  fc.record({ pictures: power(4), parts }),
  fc.record({ count: fc.integer({ min: 0, max: 300 }) }),
  fc.record({ count: fc.integer({ min: 0, max: 300 }), together: fc.constant(true as const) }),
)

const kernelOf = (own: Units): LoopKernel => {
  const b = new KernelBuilder(4)
  return { name: 'k', lanes: 4, buffers: [], units: own, lo: b.lo, hi: b.hi, body: [], flops: () => 0 }
}

/** What member tid does of a kernel: [lo, hi) of each call. */
function callsOf(kernels: readonly LoopKernel[], own: Units, n: number, tid: number, nth: number) {
  if ('count' in own) return Array.from({ length: piecesOf(own) }, (_, i) => pieceOf(own, i, tid, nth))
  const granule = granuleOf(kernels)
  const squads = squadsOf(kernels, n, nth)
  const place = placeOf(tid, nth, squads)
  const [first, last] = shareOf(Math.ceil(n / granule), place.squad, squads)
  return Array.from({ length: last - first }, (_, i) => rankShare(unitsIn(own, n, first + i, granule), place))
}

test('every unit is done once', () => {
  fc.assert(
    fc.property(
      fc.array(units, { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 0, max: 150 }),
      fc.integer({ min: 1, max: 64 }),
      (all, n, nth) => {
        const kernels = all.map(kernelOf)
        for (const own of all) {
          const done = new Uint8Array(unitCount(own, n))
          for (let tid = 0; tid < nth; tid++)
            for (const [lo, hi] of callsOf(kernels, own, n, tid, nth)) for (let u = lo; u < hi; u++) done[u]!++
          assert.ok(done.every((times) => times === 1))
        }
      },
    ),
    { numRuns: 500 },
  )
})

test('squads are as large as one another, and their shares of granules within a quarter of the mean', () => {
  const kernels = [kernelOf({ pictures: 8, parts: { count: 4, pieces: 4 } })]
  for (let nth = 1; nth <= 64; nth++)
    for (let n = 1; n <= 300; n += 7) {
      const squads = squadsOf(kernels, n, nth)
      const granules = Math.ceil(n / 8)
      assert.equal(nth % squads, 0)
      assert.ok(squads === 1 || Math.ceil(granules / squads) <= (1.25 * granules) / squads)
    }
  // a batch that feeds all, and kernels that have no parts
  assert.equal(squadsOf(kernels, 32, 4), 4)
  assert.equal(squadsOf(kernels, 32, 16), 4)
  assert.equal(squadsOf(kernels, 32, 6), 2)
  assert.equal(squadsOf(kernels, 8, 3), 1)
  assert.equal(squadsOf([kernelOf({ pictures: 8 })], 8, 3), 3)
})

test('what parts are of a block', () => {
  const own: Units = { pictures: 4, parts: { count: 8, pieces: 6 } }
  assert.equal(unitCount(own, 9), 24)
  assert.equal(workOf(own, [0, 24]), 3)
  assert.deepEqual(
    [0, 1, 2, 3].map((part) => 6 * workOf(own, [8 + part, 9 + part])).map(Math.round),
    [0, 1, 1, 0].map((_, part) => Math.floor((6 * (part + 1)) / 8) - Math.floor((6 * part) / 8)),
  )
  assert.equal(workOf({ count: 9 }, [2, 7]), 5)
})

/** A kernel that counts in word block · pieces + piece how often a piece was done, and notes the part that a call began with. */
function counting(own: Parts, begins: number): LoopKernel {
  const b = new KernelBuilder(4)
  const at = addr(0)
  b.forParts(own, (block, from, to, part) => {
    const first = b.let('first', mul(block, own.pieces))
    b.for('piece', from, to, 1, (piece) => {
      const word = b.let('word', add(at, mul(add(first, piece), 4)))
      b.store('i32', word, 0, add(loadInt(word), 1))
    })
    b.store('i32', at, 4 * begins, part)
  })
  return { ...kernelOf({ pictures: 1, parts: own }), buffers: ['both'], lo: b.lo, hi: b.hi, body: b.body }
}

test('a kernel does the pieces of its parts, whatever the cuts', () => {
  fc.assert(
    fc.property(parts, fc.integer({ min: 1, max: 4 }), fc.array(fc.nat(), { maxLength: 6 }), (own, blocks, marks) => {
      const pieces = blocks * own.pieces
      const kernel = counting(own, pieces)
      verify(kernel)
      const words = new Int32Array(2 + pieces + 1)
      words.set([blocks, 8])
      const all = blocks * own.count
      const cuts = [0, ...marks.map((mark) => mark % (all + 1)).toSorted((a, b) => a - b), all]
      cuts.slice(1).forEach((hi, i) => {
        const lo = cuts[i] ?? 0
        interpret(kernel, [1], words.buffer, 0, lo, hi)
        // the last block's first part of this call
        const block = Math.floor((hi - 1) / own.count)
        if (lo < hi) assert.equal(words.at(-1), Math.max(0, lo - block * own.count))
      })
      assert.ok(words.subarray(2, -1).every((times) => times === 1))
    }),
    { numRuns: 300 },
  )
})
