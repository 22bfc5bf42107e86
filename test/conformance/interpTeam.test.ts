/**
 * The interpreter as a team: what members would do at the same time it does member by member, the last one first, so that
 * a barrier that is missing shows as wrong bits; where the team is large, members do parts of the same pictures. All cases, and nets of a batch that fills several blocks of 16.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Generator, sizeOf, type Shape } from '../../src/base/index.js'
import { createDevice, createInterpDevice, deviceInfo } from '../../src/device/index.js'
import * as g from '../../src/graph/index.js'
import type { Node } from '../../src/graph/index.js'
import { cases, nodesOf } from './cases.js'
import { batchesOf, runPlan } from './runPlan.js'

const skip = deviceInfo().fusedMultiplyAdd
  ? false
  : 'this machine has no fused multiply-add, so the last bits may differ'

/** Every team's values are those of WebAssembly on one thread. */
function agree(build: () => readonly Node[], teams: readonly number[], lanes: readonly number[] = [4, 8, 16]): void {
  const wanted = runPlan(createDevice('wasm', { threads: 1 }), build())
  for (const width of lanes)
    for (const threads of teams)
      assert.deepEqual(
        runPlan(createInterpDevice({ lanes: width, threads }), build()),
        wanted,
        `${threads} threads, ${width} lanes`,
      )
}

describe('cases', { skip }, () => {
  for (const { name, build } of cases.filter((entry) => batchesOf(nodesOf(entry.build())).size <= 1))
    test(name, () => agree(() => nodesOf(build()), [3, 16]))
})

const pictures = 37

/** Leaves with fixed values, drawn in order. */
class Leaves {
  readonly wanted: Node[] = []
  readonly #generator = new Generator(5)

  of(shape: Shape): Node {
    const values = this.#generator.uniform(new Float32Array(sizeOf(shape)), -0.5, 0.5)
    const leaf = g.hostLeaf(values, shape, 'f32', true)
    this.wanted.push(leaf)
    return leaf
  }

  labels(classes: number): Node {
    const values = Int32Array.from({ length: pictures }, () => this.#generator.randomU32() % classes)
    return g.hostLeaf(values, [pictures], 'i32')
  }

  bytes(shape: Shape): Node {
    const values = Uint8Array.from({ length: sizeOf(shape) }, () => this.#generator.randomU32() & 255)
    return g.gatherRows(g.hostLeaf(values, shape, 'u8'), this.labels(shape[0] ?? 1))
  }
}

/** The loss, and every gradient. */
const step = (logits: Node, leaves: Leaves): Node[] => {
  const loss = g.crossEntropy(logits, leaves.labels(4))
  return [loss, ...g.gradients(loss, leaves.wanted).filter((node) => node !== null)]
}

/** Two convs with pools and two layers, from bytes. */
function small(): Node[] {
  const l = new Leaves()
  const x = g.sub(g.div(g.cast(l.bytes([50, 2, 12, 12]), 'f32'), 255), 0.5)
  const a = g.maxPool2d(g.relu(g.conv2d(x, l.of([5, 2, 3, 3]), l.of([5]))), 2) // [N, 5, 5, 5]
  const b = g.relu(g.conv2d(a, l.of([18, 5, 2, 2]), l.of([18]), { padding: 1, stride: 2 })) // [N, 18, 3, 3]
  const c = g.relu(g.conv2d(b, l.of([4, 18, 2, 2]), l.of([4]))) // [N, 4, 2, 2]
  const hidden = g.relu(g.linear(g.reshape(c, [pictures, 16]), l.of([9, 16]), l.of([9])))
  return step(g.linear(hidden, l.of([4, 9]), l.of([4])), l)
}

/** Statistics over the batch between convs: sums that all members wait for. */
function normalised(): Node[] {
  const l = new Leaves()
  const x = g.batch(l.of([pictures, 3, 8, 8]))
  const norm = (y: Node, channels: number): Node => {
    const mean = g.mean(y, [0, 2, 3], true)
    const centred = g.sub(y, mean)
    const deviation = g.sqrt(g.add(g.mean(g.mul(centred, centred), [0, 2, 3], true), 1e-5))
    return g.add(g.mul(g.div(centred, deviation), l.of([channels, 1, 1])), l.of([channels, 1, 1]))
  }
  const a = g.relu(norm(g.conv2d(x, l.of([6, 3, 3, 3])), 6)) // [N, 6, 6, 6]
  const b = g.avgPool2d(norm(g.conv2d(a, l.of([4, 6, 3, 3])), 4), 2) // [N, 4, 2, 2]
  const dropped = g.dropout(g.reshape(b, [pictures, 16]), 0.4, g.hostLeaf(Int32Array.of(5, 9), [2], 'i32'))
  return step(g.linear(dropped, l.of([4, 16]), l.of([4])), l)
}

describe(`nets of ${pictures} pictures`, { skip }, () => {
  const teams = [1, 2, 3, 5, 16, 64]
  test('conv, pool, linear', () => agree(small, teams))
  test('with normalisation and dropout', () => agree(normalised, teams))
})
