/** Every operation, compiled and run, against PyTorch: values and gradients, on plain inputs and on batches. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as g from '../../src/graph/index.js'
import type { Node } from '../../src/graph/index.js'
import { read } from '../../src/tensor/index.js'
import { assertClose } from '../graph/helpers.js'
import { opCases, type OpCase, type OracleTensor } from '../oracle/cases.js'
import { leafOf, runs } from '../oracle/runs.js'

const tolerance = 1e-5

function compare(node: Node, expected: OracleTensor, what: string): void {
  assert.deepEqual([...node.shape], expected.shape, `${what}: shape`)
  assertClose(read(node), expected.data, tolerance, what)
}

function check(entry: OpCase, prepare: (x: Node, i: number) => Node): void {
  const leaves = entry.inputs.map(leafOf)
  const { output, extra = {} } = runs[entry.op](leaves.map(prepare), entry.attrs)
  compare(output, entry.output, 'output')
  for (const name in entry.extra) if (extra[name]) compare(extra[name], entry.extra[name]!, name)
  if (!entry.outputGrad) return
  const found = g.gradients(output, leaves, leafOf(entry.outputGrad))
  entry.grads.forEach((expected, i) => {
    if (expected) compare(found[i]!, expected, `gradient of input ${i}`)
  })
}

describe('compiled operations agree with PyTorch', () => {
  for (const entry of opCases()) {
    test(entry.name, () => check(entry, (x) => x))
    if (entry.inputs.some(({ shape }) => shape.length > 0))
      test(`${entry.name}, first input as a batch`, () =>
        check(entry, (x, i) => (i === 0 && x.shape.length > 0 ? g.batch(x) : x)))
  }
})
