/**
 * Random graphs bit for bit: WebAssembly gives the interpreter's bits without a step outside of its buffers, and what is
 * computed within a fused kernel has the bits that it has alone.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createDevice, createInterpDevice, deviceInfo } from '../../src/device/index.js'
import type { Node } from '../../src/graph/index.js'
import { randomGraph } from './randomGraph.js'
import { batchesOf, runPlan } from './runPlan.js'

const skip = deviceInfo().fusedMultiplyAdd
  ? false
  : 'this machine has no fused multiply-add, so the last bits may differ'

const seeds = fc.integer({ min: 1, max: 2 ** 31 - 1 })
const hasOneBatch = (seed: number): boolean => batchesOf(randomGraph(seed)).size <= 1

/** A new memory from time to time: runPlan leaves all in it. */
function wasmDevices(): () => ReturnType<typeof createDevice> {
  let [device, uses] = [createDevice('wasm'), 0]
  return () => {
    if (++uses % 25 === 0) device = createDevice('wasm')
    return device
  }
}

test('WebAssembly and the interpreter of 4, 8 and 16 lanes give the same bits', { skip }, () => {
  const wasm = wasmDevices()
  fc.assert(
    fc.property(seeds.filter(hasOneBatch), (seed) => {
      const found = runPlan(wasm(), randomGraph(seed))
      for (const lanes of [4, 8, 16]) {
        const wanted = runPlan(createInterpDevice({ lanes, checked: true }), randomGraph(seed))
        assert.deepEqual(found, wanted, `${lanes} lanes`)
      }
    }),
    { numRuns: 60 },
  )
})

/** Everything that the targets are made of, each a target by itself: nothing can be fused. */
function separate(targets: readonly Node[]): Node[] {
  const all = new Set(targets)
  for (const node of all) for (const input of node.inputs) all.add(input)
  const valueless: ReadonlySet<string> = new Set(['const', 'maxPoolIndex'])
  return [...all].filter((node) => targets.includes(node) || (!node.storage && !valueless.has(node.op)))
}

test('a value has the same bits whether others of its graph are wanted too or not', () => {
  const wasm = wasmDevices()
  fc.assert(
    fc.property(seeds.filter(hasOneBatch), (seed) => {
      const targets = randomGraph(seed)
      const all = separate(targets)
      const together = runPlan(wasm(), targets)
      const alone = runPlan(wasm(), all)
      targets.forEach((target, i) => assert.deepEqual(together[i], alone[all.indexOf(target)], target.op))
    }),
    { numRuns: 120 },
  )
})
