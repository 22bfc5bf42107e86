/**
 * How near exp, log and their like come to the true value, in units of the last place, and that they never fall where they
 * should rise. On the device of this process: the bits are the same on all.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as g from '../../src/graph/index.js'
import type { Node } from '../../src/graph/index.js'
import { read } from '../../src/tensor/index.js'

const float = new Float32Array(1)
const bits = new Int32Array(float.buffer)

/** The float `steps` places after x. */
function after(x: number, steps: number): number {
  float[0] = x
  bits[0]! += steps
  return float[0]
}

const lastPlace = (y: number): number => 2 ** (Math.max(Math.floor(Math.log2(Math.abs(y))), -126) - 23)

/** Numbers of [low, high] in order: evenly, over all magnitudes, and runs of neighbours. */
function samples(low: number, high: number): Float32Array {
  const list: number[] = []
  for (let i = 0; i <= 20_000; i++) list.push(low + ((high - low) * i) / 20_000)
  for (let i = 0; i < 4000; i++) for (const sign of [1, -1]) list.push(sign * 10 ** (-30 + i / 80))
  for (const start of [0.1, 0.25, 0.3466, 0.5, 0.625, 0.7071, 0.9, 1, 1.25, 1.584, 2, 3])
    for (const sign of [1, -1]) for (let k = -500; k < 500; k++) list.push(after(sign * start, k))
  return Float32Array.from(list.filter((x) => x >= low && x <= high)).sort()
}

/** Largest error and largest fall, in last places. */
function measured(op: (x: Node) => Node, low: number, high: number): { error: number; fall: number } {
  const x = samples(low, high)
  const node = op(g.hostLeaf(x, [x.length], 'f32'))
  const wanted = g.evaluate64(node)
  const found = read(node)
  let [error, fall] = [0, 0]
  wanted.forEach((y, i) => {
    error = Math.max(error, Math.abs(y - found[i]!) / lastPlace(y))
    if (i > 0) fall = Math.max(fall, (found[i - 1]! - found[i]!) / lastPlace(y))
  })
  return { error, fall }
}

/** Range, most last places of error, and most last places of a fall. */
const limits = [
  ['exp', g.exp, -87.3, 88.7, 1.5, 0],
  ['log', g.log, 1.2e-38, 3e38, 1.5, 0],
  ['tanh', g.tanh, -10, 10, 1.5, 0],
  ['sigmoid', g.sigmoid, -87, 88, 2.5, 0],
  ['erf', g.erf, -4.5, 4.5, 1.5, 1],
  ['expm1', g.expm1, -20, 88.7, 1.5, 0],
  ['log1p', g.log1p, -0.9999, 1e30, 1.5, 0],
] as const

for (const [name, op, low, high, most, mostFall] of limits)
  test(`${name}: at most ${most} last places of error`, () => {
    const { error, fall } = measured(op, low, high)
    assert.ok(error <= most, `${error} last places`)
    assert.ok(fall <= mostFall, `it falls by ${fall} last places where it should rise`)
  })
