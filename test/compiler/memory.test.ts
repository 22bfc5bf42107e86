/** Where a plan's values lie: random pieces and plans of random graphs never overlap, and little room is left between them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { allocBytes, arrange, checkArrangement, makePlan, wasmTarget, type Piece } from '../../src/compiler/index.js'
import { randomGraph } from '../conformance/randomGraph.js'
import { batchesOf, orderOf } from '../conformance/runPlan.js'

const piece: fc.Arbitrary<Piece> = fc
  .record({
    bytes: fc.integer({ min: 1, max: 5000 }),
    per: fc.constantFrom(0, 1, 4, 8, 16),
    first: fc.integer({ min: -1, max: 30 }),
    phases: fc.integer({ min: 0, max: 12 }),
    kept: fc.boolean(),
  })
  .map(({ bytes, per, first, phases, kept }) => ({ bytes, per, first, last: first + phases, kept }))

const capacities = fc.constantFrom(8, 16, 40, 128)

/** As many bytes as are alive in a phase at least. */
function leastBytes(pieces: readonly Piece[], capacity: number): number {
  const inPhase = (phase: number): number =>
    pieces
      .filter(({ kept, first, last }) => !kept && first <= phase && phase <= last)
      .reduce((sum, one) => sum + allocBytes(one, capacity), 0)
  return Math.max(0, ...pieces.flatMap(({ first, last }) => [inPhase(first), inPhase(last)]))
}

test('random pieces: what is alive together lies apart, and what is kept too', () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 80 }), capacities, (pieces, capacity) => {
      const made = arrange(pieces, capacity)
      checkArrangement(pieces, made, capacity)
      pieces.forEach((one, i) => {
        const all = one.kept ? made.keptBytes : made.arenaBytes
        assert.ok((made.offsets[i] ?? NaN) + allocBytes(one, capacity) <= all)
      })
      const least = leastBytes(pieces, capacity)
      assert.ok(made.arenaBytes >= least)
      // the places are multiples of 64, and first fit is no more than twice what is alive at a time in practice
      assert.ok(made.arenaBytes <= 2 * least + 64 * pieces.length)
    }),
    { numRuns: 300 },
  )
})

test('the check sees pieces that overlap', () => {
  const one: Piece = { bytes: 100, per: 0, first: 0, last: 1, kept: false }
  const after: Piece = { ...one, first: 2, last: 3 }
  checkArrangement([one, after], { offsets: [0, 0], keptBytes: 0, arenaBytes: 384 }, 8)
  assert.throws(() => checkArrangement([one, one], { offsets: [0, 64], keptBytes: 0, arenaBytes: 448 }, 8), /overlap/)
  assert.throws(() => checkArrangement([one], { offsets: [32], keptBytes: 0, arenaBytes: 448 }, 8), /lies at 32/)
})

test('plans of random graphs: no two values that are alive together overlap, for any size of batch', () => {
  const seeds = fc.integer({ min: 1, max: 2 ** 31 - 1 }).filter((seed) => batchesOf(randomGraph(seed)).size <= 1)
  fc.assert(
    fc.property(seeds, capacities, (seed, capacity) => {
      const targets = randomGraph(seed)
      const { allocs } = makePlan(orderOf(targets), targets, wasmTarget)
      checkArrangement(allocs, arrange(allocs, capacity), capacity)
    }),
    { numRuns: 150 },
  )
})
