/** Every operation against PyTorch: values and gradients, on plain inputs and on batches. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as g from '../../src/graph/index.js'
import type { Node } from '../../src/graph/index.js'
import { opCases } from '../oracle/cases.js'
import type { OpCase, OracleTensor } from '../oracle/cases.js'
import { dimOf, leafOf, runs } from '../oracle/runs.js'
import { assertClose } from './helpers.js'

/** PyTorch's float64 results were rounded to float32 once; ours are compared in float64. */
const tolerance = 3e-7
/** With every node rounded to float32. */
const float32Tolerance = 1e-5

function compare(node: Node, expected: OracleTensor, what: string): void {
  assert.deepEqual([...node.shape], expected.shape, `${what}: shape`)
  assertClose(g.evaluate64(node), expected.data, tolerance, what)
  assertClose(g.evaluate(node), expected.data, float32Tolerance, `${what} in float32`)
}

function compareGradients(output: Node, leaves: readonly Node[], entry: OpCase): void {
  if (!entry.outputGrad) return
  const found = g.gradients(output, leaves, leafOf(entry.outputGrad))
  entry.grads.forEach((expected, i) => {
    const gradient = found[i]
    if (!expected) return
    assert.ok(gradient, `input ${i} has a gradient`)
    assert.equal(gradient.layout, leaves[i]?.layout)
    compare(gradient, expected, `gradient of input ${i}`)
  })
}

function check(entry: OpCase, prepare: (x: Node, i: number) => Node): void {
  const leaves = entry.inputs.map(leafOf)
  const { output, extra = {} } = runs[entry.op](leaves.map(prepare), entry.attrs)
  compare(output, entry.output, 'output')
  for (const name in entry.extra) if (extra[name]) compare(extra[name], entry.extra[name]!, name)
  compareGradients(output, leaves, entry)
}

describe('operations agree with PyTorch', () => {
  for (const entry of opCases()) {
    test(entry.name, () => check(entry, (x) => x))
    if (entry.inputs.some(({ shape }) => shape.length > 0))
      test(`${entry.name}, first input as a batch`, () =>
        check(entry, (x, i) => (i === 0 && x.shape.length > 0 ? g.batch(x) : x)))
  }
})

describe('torch.max gives places too', () => {
  for (const entry of opCases().filter(({ op }) => op === 'max'))
    test(entry.name, () => {
      const { indices } = g.max(leafOf(entry.inputs[0]!), dimOf(entry.attrs), entry.attrs.keepdim)
      compare(indices, entry.extra['indices']!, 'indices')
    })
})
