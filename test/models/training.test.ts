/**
 * LeNet and LeNet1 against PyTorch 2.15: initial weights bit for bit, logits, gradients and ten losses on a frozen batch
 * for each optimizer. The oracles' makers are in test/oracle/make.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { LeNet, LeNet1 } from '../../src/models/index.js'
import { nn, optim } from '../../src/nn/index.js'
import { manualSeed, max, tensor, type Tensor } from '../../src/tensor/index.js'
import { initOracle, trainingRuns, type TrainingRun } from '../oracle/cases.js'
import { frozenBatch, frozenBatchShape } from '../oracle/frozenBatch.js'

const frozenRuns = trainingRuns().runs
const nets = { lenet: LeNet, lenet1: LeNet1 }

const bytesOf = (x: Tensor): Uint8Array => new Uint8Array(x.toTypedArray().slice().buffer)

for (const init of initOracle().nets) {
  test(`${init.net}, seed ${init.seed}: initial weights are PyTorch's bit for bit`, () => {
    manualSeed(init.seed)
    const net = new nets[init.net](3, 10)
    const sum = createHash('sha256')
    for (const parameter of net.parameters()) sum.update(bytesOf(parameter))
    assert.equal(sum.digest('hex'), init.weightsSha256)
    const shapes = [...net.namedParameters()].map(([name, { shape }]) => [name, [...shape]])
    assert.deepEqual(
      shapes,
      Object.entries(init.parameters).map(([name, { shape }]) => [name, [...shape]]),
    )
  })
}

function batch(): { inputs: Tensor; labels: Tensor } {
  const { pixels, labels } = frozenBatch()
  const inputs = tensor(pixels, { shape: frozenBatchShape }).float().div(255).sub(0.5).div(0.5)
  return { inputs, labels: tensor(labels) }
}

function optimizerOf(run: TrainingRun, net: nn.Module): optim.Adam | optim.SGD {
  const { optimizer, options } = run
  return optimizer === 'adam' ? new optim.Adam(net.parameters(), options) : new optim.SGD(net.parameters(), options)
}

const norm = (x: Tensor): number => Math.sqrt(Array.from(x.toTypedArray()).reduce((sum, v) => sum + v * v, 0))

const relative = (found: number, expected: number): number => Math.abs(found / expected - 1)

/** Largest relative distance from expected values by name. */
function farthest(found: readonly (readonly [string, number])[], expected: Readonly<Record<string, number>>): number {
  return Math.max(...found.map(([name, value]) => relative(value, expected[name] ?? Number.NaN)))
}

for (const run of frozenRuns) {
  test(`${run.name}: ten steps as PyTorch's`, () => {
    manualSeed(1)
    const net = new nets[run.net](3, 10)
    const optimizer = optimizerOf(run, net)
    const criterion = new nn.CrossEntropyLoss()
    const { inputs, labels } = batch()
    const losses: number[] = []
    for (let step = 0; step < 10; step++) {
      const outputs = net(inputs)
      const loss = criterion(outputs, labels)
      if (step === 0) {
        const logits = outputs.toTypedArray()
        const far = run.logits.flat().map((value, i) => Math.abs(value - (logits[i] ?? Number.NaN)))
        assert.ok(Math.max(...far) < 1e-6, `logits differ by ${Math.max(...far)}`)
      }
      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()
      if (step === 0) {
        const norms = [...net.namedParameters()].map(([name, { grad }]) => [name, grad ? norm(grad) : 0] as const)
        assert.ok(farthest(norms, run.gradNorms) < 1e-4, `gradients differ by ${farthest(norms, run.gradNorms)}`)
      }
      losses.push(loss.item())
    }
    const spread = Math.max(...losses.map((loss, i) => relative(loss, run.losses[i] ?? Number.NaN)))
    assert.ok(spread < 1e-6, `losses differ by ${spread}`)
    const after = [...net.namedParameters()].map(([name, parameter]) => [name, norm(parameter)] as const)
    // Adam steps by lr even where a gradient is nothing but rounding, so single weights may part a little.
    assert.ok(farthest(after, run.normsAfter) < 2e-4, `weights differ by ${farthest(after, run.normsAfter)}`)
  })
}

test('the article reads the loss and the right answers before backward(): the same numbers', () => {
  const run = frozenRuns.find(({ name }) => name === 'lenet adam')
  assert.ok(run)
  manualSeed(1)
  const net = new LeNet(3, 10)
  const optimizer = optimizerOf(run, net)
  const criterion = new nn.CrossEntropyLoss()
  const { inputs, labels } = batch()
  let runningLoss = tensor(0)
  let [sum, right] = [0, 0]
  for (let step = 0; step < 10; step++) {
    const outputs = net(inputs)
    const loss = criterion(outputs, labels)
    const [, predicted] = max(outputs.data, 1)
    right += predicted.eq(labels).sum().item()
    runningLoss = runningLoss.add(loss)
    const before = loss.item()
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    assert.equal(loss.item(), before)
    assert.ok(relative(before, run.losses[step] ?? Number.NaN) < 1e-6)
    sum = Math.fround(sum + before)
  }
  assert.equal(runningLoss.item(), sum)
  assert.ok(right > 0 && right < 320)
})
