/** The frozen oracles are whole: every op has a case, sizes agree with shapes. What they say is tested elsewhere. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lossOracle, opCases, opNames, trainingRuns } from './cases.js'
import type { OracleTensor } from './cases.js'

const sizeOf = (t: OracleTensor): number => t.shape.reduce((product, size) => product * size, 1)

test('every op has a case, and every case has whole tensors', () => {
  const cases = opCases()
  for (const op of opNames)
    assert.ok(
      cases.some((c) => c.op === op),
      `no case of ${op}`,
    )
  for (const { name, op, inputs, output, extra, outputGrad, grads } of cases) {
    assert.ok(opNames.includes(op), `${name}: unknown op ${op}`)
    for (const t of [...inputs, output, ...Object.values(extra)]) assert.equal(t.data.length, sizeOf(t), name)
    assert.equal(grads.length, inputs.length, name)
    if (outputGrad) assert.deepEqual(outputGrad.shape, output.shape, name)
    for (const [i, grad] of grads.entries()) if (grad) assert.deepEqual(grad.shape, inputs[i]?.shape, name)
  }
})

test('ops that have a gradient have a case with all of them', () => {
  const cases = opCases()
  for (const op of opNames.filter((name) => name !== 'argmax')) {
    const withGrads = cases.filter((c) => c.op === op && c.grads.some((grad) => grad !== undefined))
    assert.ok(withGrads.length > 0, `no gradient of ${op}`)
  }
})

test('the loss oracles hold 500 and 10 losses, falling', () => {
  for (const losses of Object.values(lossOracle())) {
    assert.equal(losses.length, 500)
    const mean = (from: number, to: number) => losses.slice(from, to).reduce((a, b) => a + b, 0) / (to - from)
    assert.ok(mean(450, 500) < mean(0, 50) - 0.4)
  }
  for (const { name, losses, logits, gradNorms, normsAfter } of trainingRuns().runs) {
    assert.equal(losses.length, 10, name)
    assert.ok((losses[9] ?? 9) < (losses[0] ?? 0), name)
    assert.deepEqual([logits.length, logits[0]?.length], [32, 10], name)
    assert.deepEqual(Object.keys(gradNorms), Object.keys(normsAfter), name)
  }
})
