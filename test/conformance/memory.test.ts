/**
 * Every case on the interpreter that checks each access, in memory full of NaN: no kernel reads or writes outside the
 * buffers it declared, nothing depends on what was in memory before, and vectors of 8 and 16 give the bits of vectors of 4.
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
      nodes.forEach((node, i) => {
        const found = Float32Array.from(four[i] ?? [])
        assertClose(found, evaluate(node), 1e-4, `result ${i}`)
      })
      for (const lanes of [8, 16]) assert.deepEqual(run(lanes, build), four, `${lanes} lanes`)
    })
})
