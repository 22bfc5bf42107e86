/**
 * The step in C, run by teams of threads: shares are those of loop/team.ts, members meet where the program says, asleep or
 * awake, and a member that failed ends the step for all.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  add,
  alu,
  batchSize,
  ceilDiv,
  granuleOf,
  int,
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
  type Expr,
  type Program,
  type Units,
} from '../../src/compiler/index.js'
import { input, output } from '../device/kernels.js'
import { Batch, noCompiler, type Compiled, type Job } from './c/harness.js'
import { kernelWith } from './c/jobs.js'

const NO_WORDS = Int32Array.of(0)
const LENGTH = 160

/** Each unit notes where the call that did it began and ended, and how often it was done. */
function noteJob(units: Units): Job {
  const kernel = kernelWith(
    4,
    (b, lo, hi) =>
      b.for('u', lo, hi, 1, (u) => {
        const at = b.let('at', add(output, mul(u, 12)))
        b.store('i32', at, 0, lo)
        b.store('i32', at, 4, hi)
        b.store('i32', at, 8, add(loadInt(at, 8), 1))
      }),
    units,
  )
  return { name: JSON.stringify(units), kernel, words: NO_WORDS, length: 3 * LENGTH }
}

/** Sums what all units of the job before wrote into each of its own units, and adds that to what was there. */
function sumJob(after: number, unitsBefore: Expr, units: Units): Job {
  const kernel = kernelWith(
    4,
    (b, lo, hi) =>
      b.for('u', lo, hi, 1, (u) => {
        const at = b.let('at', add(output, mul(u, 4)))
        const sum = b.let('sum', add(loadInt(at), u))
        const from = b.let('from', input)
        b.loop(unitsBefore, () => {
          b.set(sum.v, alu('iadd', mul(sum, 3), loadInt(from)))
          b.bump(from, 4)
        })
        b.store('i32', at, 0, sum)
      }),
    units,
  )
  return { name: 'sum', kernel, words: NO_WORDS, length: LENGTH, after, barrier: true }
}

/** Each picture's number is read by the same squad that wrote it: no barrier between. */
function ownJob(after: number): Job {
  const kernel = kernelWith(4, (b, lo, hi) =>
    b.for('u', lo, hi, 1, (u) => {
      const at = b.let('at', mul(u, 4))
      b.store('i32', add(output, at), 0, add(loadInt(add(input, at)), 5))
    }),
  )
  return { name: 'own', kernel, words: NO_WORDS, length: LENGTH, after }
}

const UNITS: Units[] = [
  { pictures: 1 },
  { pictures: 4 },
  { pictures: 16 },
  { pictures: 1, parts: { count: 4, pieces: 3 } },
  { pictures: 8, parts: { count: 16, pieces: 40 } },
  { count: 7 },
  { count: 41, together: true },
  { count: 1 },
  { count: 0 },
]

/** The calls [lo, hi) of a kernel that a member makes. */
function callsOf(program: Program, units: Units, n: number, tid: number, nth: number): (readonly [number, number])[] {
  if ('count' in units && nth === 1) return [[0, units.count]]
  if ('count' in units) return Array.from({ length: piecesOf(units) }, (_, i) => pieceOf(units, i, tid, nth))
  const [granule, squads] = [granuleOf(program.kernels), squadsOf(program.kernels, n, nth)]
  const place = placeOf(tid, nth, squads)
  const [first, last] = shareOf(Math.ceil(n / granule), place.squad, squads)
  return Array.from({ length: last - first }, (_, i) => rankShare(unitsIn(units, n, first + i, granule), place))
}

describe('a team of C', { skip: noCompiler }, () => {
  const n = 33
  const notes = UNITS.map(noteJob)
  const shares = new Batch(notes, n)
  const meeting = new Batch(
    [
      { ...sumJob(2, int(9), { count: 11 }) },
      sumJob(0, int(11), { pictures: 1 }),
      ownJob(1),
      { ...sumJob(1, batchSize, { pictures: 8 }) },
      sumJob(3, ceilDiv(batchSize, 8), { count: 9 }),
    ],
    n,
  )
  let sharesC: Compiled
  let meetingC: Compiled
  before(async () => {
    ;[sharesC, meetingC] = await Promise.all([shares.compiled(), meeting.compiled()])
  })
  after(() => {
    sharesC[Symbol.dispose]()
    meetingC[Symbol.dispose]()
  })

  for (const nth of [1, 2, 3, 6, 16]) {
    test(`${nth} threads share the units as loop/team.ts says`, () => {
      const found = sharesC.run({ nth })
      UNITS.forEach((units, i) => {
        const wanted = new Int32Array(3 * LENGTH)
        for (let tid = 0; tid < nth; tid++) {
          for (const [lo, hi] of callsOf(shares.program, units, n, tid, nth))
            for (let u = lo; u < hi; u++) wanted.set([lo, hi, 1], 3 * u)
        }
        assert.equal(wanted.filter((value, at) => at % 3 === 2 && value === 1).length, unitCount(units, n))
        assert.deepEqual(found?.[i], wanted, notes[i]!.name)
      })
    })

    // Without looking, members sleep at every barrier.
    for (const [spins, repeats] of [
      [0, 40],
      [1000, 300],
    ] as const) {
      test(`${nth} threads meet between kernels, ${spins} looks, ${repeats} steps`, () => {
        assert.deepEqual(meetingC.run({ nth, spins, repeats }), meeting.interpreted(repeats))
      })
    }
  }

  test('a step ends for all when a member has failed', () => {
    assert.equal(meetingC.run({ nth: 2, failed: true }), null)
    assert.deepEqual(meetingC.run({ nth: 1, failed: true }), meeting.interpreted())
  })
})
