/**
 * Random graphs: values and gradients as computed for users against the naive reference. What plans share is full of NaN
 * before each run, so that nothing is read after its place was given away; sometimes all else has left the memory before.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HostArray } from '../../src/base/index.js'
import { evaluate, evaluate64 } from '../../src/graph/index.js'
import { read, realize } from '../../src/tensor/runtime.js'
import { cpuBackend } from '../../src/tensor/current.js'
import { randomGraph } from './randomGraph.js'

const graphs = 800

/** What float32 may do to a result: 20 times what it did to the reference, and 3e-5 of the largest value. */
function room(wanted: ArrayLike<number>, exact: ArrayLike<number>): number {
  let [largest, rounding] = [1, 0]
  for (let i = 0; i < wanted.length; i++) {
    largest = Math.max(largest, Math.abs(wanted[i] ?? 0))
    rounding = Math.max(rounding, Math.abs((wanted[i] ?? 0) - (exact[i] ?? 0)))
  }
  return 3e-5 * largest + 20 * rounding
}

const { arena, device, tenants } = cpuBackend()
arena.watchers.push((at, bytes) => device.memory.i32(at, bytes >> 2).fill(0x7fc00000))

/** All at once as a step computes them; every other time one of them is looked at before. */
function valuesOf(seed: number): HostArray[] {
  const nodes = randomGraph(seed)
  if (seed % 2 === 0) read(nodes[seed % 4 === 0 ? 0 : 1]!)
  for (let more = seed % 3 === 0; more;) more = tenants.relieve()
  realize(nodes)
  return nodes.map((node) => read(node))
}

function check(seed: number): void {
  const found = valuesOf(seed)
  const reference = randomGraph(seed)
  const wanted = reference.map((node) => evaluate(node))
  found.forEach((values, i) => {
    const [expected, exact] = [wanted[i]!, evaluate64(reference[i]!)]
    const allowed = room(expected, exact)
    assert.equal(values.length, expected.length)
    values.forEach((value, k) =>
      assert.ok(
        Object.is(value, expected[k]) || Math.abs(value - expected[k]!) <= allowed,
        `graph ${seed}, result ${i}, value ${k}: ${value}, expected ${expected[k]}`,
      ),
    )
  })
}

test(`${graphs} random graphs agree with the reference`, () => {
  for (let seed = 1; seed <= graphs; seed++) check(seed)
})
