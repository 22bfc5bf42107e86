/** How evenly threads share a step: from plans that are made and not run. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { netNames } from '../../src/bench/nets.js'
import { sharesOf, type PlanFigure, type ShareFigure } from '../../src/bench/shares.js'
import { shareTable } from '../../src/bench/tables.js'
import { allPlans } from '../../src/tensor/index.js'

const wholeOf = (figures: readonly (ShareFigure | PlanFigure)[]): PlanFigure => {
  const found = figures.find((figure) => figure.event === 'plan')
  assert.ok(found)
  return found
}
const kernelsOf = (figures: readonly (ShareFigure | PlanFigure)[]): ShareFigure[] =>
  figures.filter((figure) => figure.event === 'share')

test('one thread has everything, two have halves of what has two pieces', () => {
  const alone = sharesOf('lenet', 1)
  assert.ok(kernelsOf(alone).every(({ largest }) => largest === 1))
  assert.equal(wholeOf(alone).largest, 1)
  const two = sharesOf('lenet', 2)
  assert.equal(kernelsOf(two).find(({ kernel }) => kernel === 'conv2d+pool')?.largest, 1)
  assert.deepEqual([wholeOf(two).net, wholeOf(two).batch, wholeOf(two).threads], ['lenet', 32, 2])
})

test('16 threads have even shares of LeNet at batch 32 and of ResNet-20 at batch 128', () => {
  for (const net of ['lenet', 'resnet20'] as const) {
    const figures = sharesOf(net, 16)
    assert.ok(wholeOf(figures).largest <= 1.25, JSON.stringify(wholeOf(figures)))
    for (const { kernel, part, largest } of kernelsOf(figures))
      if (part > 0.02 && /conv2d(\+pool)?$|winograd$|conv2dGradInput/.test(kernel)) assert.ok(largest <= 1.25, kernel)
  }
})

test('parts of the work add up, kernels are counted, nothing runs', () => {
  for (const net of netNames.slice(0, 4)) {
    const figures = sharesOf(net, 2)
    const [kernels, whole] = [kernelsOf(figures), wholeOf(figures)]
    assert.ok(Math.abs(kernels.reduce((sum, { part }) => sum + part, 0) - 1) < 1e-9)
    assert.equal(
      kernels.reduce((sum, { count }) => sum + count, 0),
      whole.kernels,
    )
    assert.ok(whole.barriers > 0 && whole.barriers < whole.kernels)
    const lines = shareTable(kernels, whole).split('\n')
    assert.equal(
      lines[0],
      `${net}, batch ${whole.batch}, 2 threads: ${whole.kernels} kernels, ${whole.barriers} barriers`,
    )
    assert.equal(lines.length, 1 + 2 + kernels.length + 1)
  }
  assert.deepEqual(allPlans(), [])
})
