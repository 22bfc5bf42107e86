/**
 * Every case on the interpreter that checks each access, in memory full of NaN: no kernel reads or writes outside the
 * buffers it declared, nothing depends on what was in memory before, and vectors of 8 give the bits of vectors of 4.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createInterpDevice } from '../../src/device/index.js'
import { evaluate } from '../../src/graph/index.js'
import { assertClose } from '../graph/helpers.js'
import { cases, nodesOf } from './cases.js'
import { batchesOf, runPlan } from './runPlan.js'

const run = (lanes: number, build: (typeof cases)[number]['build']): number[][] =>
  runPlan(createInterpDevice({ lanes, checked: true }), nodesOf(build()))

describe('kernels stay inside their buffers and read nothing stale', () => {
  for (const { name, build } of cases.filter((entry) => batchesOf(nodesOf(entry.build())).size <= 1))
    test(name, () => {
      const nodes = nodesOf(build())
      const four = run(4, build)
      const eight = run(8, build)
      nodes.forEach((node, i) => {
        const found = Float32Array.from(four[i] ?? [])
        assertClose(found, evaluate(node), 1e-4, `result ${i}`)
        // A conv adds to its input's gradient in passes over its kernel, which are cut by vectors.
        if (hasInputGradient(node)) assertClose(Float32Array.from(eight[i] ?? []), found, 1e-5, `result ${i}, 8 lanes`)
        else assert.deepEqual(eight[i], four[i], `result ${i}, 8 lanes`)
      })
    })
})

/** Does it depend on the gradient of a conv's input? */
function hasInputGradient(root: ReturnType<typeof nodesOf>[number]): boolean {
  const seen = new Set([root])
  for (const node of seen) for (const input of node.inputs) seen.add(input)
  return [...seen].some(({ op }) => op === 'conv2dGradInput')
}
