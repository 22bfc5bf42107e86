/** Few pictures have a plan of their own: it is used for them alone, and follows every change of the parameters. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Generator } from '../../src/base/index.js'
import { LeNet } from '../../src/models/index.js'
import { F, nn, optim } from '../../src/nn/index.js'
import { cpuPlans, manualSeed, noGrad, setDevice, tensor, type Tensor } from '../../src/tensor/index.js'

setDevice('wasm')

const generator = new Generator(3)
const numbers = (count: number): Float32Array => generator.uniform(new Float32Array(count), -1, 1)
const pixels = numbers(16 * 3 * 32 * 32)
const pictures = (count: number): Tensor => tensor(pixels.slice(0, count * 3 * 32 * 32), { shape: [count, 3, 32, 32] })

const predict = (net: LeNet, count: number): number[] => Array.from(noGrad(() => net(pictures(count))).toTypedArray())
const runsOf = (size: 'few' | 'many'): number =>
  cpuPlans().reduce((sum, plan) => sum + (plan.size === size ? plan.runs : 0), 0)

/** One picture alone and among others; the latter never goes by what was prepared for few. */
function agrees(net: LeNet): void {
  assert.deepEqual(predict(net, 1), predict(net, 16).slice(0, 10))
}

test('one picture and many have plans of their own, in any order, with the same bits', () => {
  manualSeed(1)
  const net = new LeNet(3)
  const counts = [16, 1, 3, 16, 2, 1]
  const found = counts.map((count) => predict(net, count))
  for (const values of found) assert.deepEqual(values, found[0]?.slice(0, values.length))
  assert.equal(runsOf('few'), 4)
  assert.equal(runsOf('many'), 2)
})

test('weights laid for few pictures are laid anew when they change', () => {
  manualSeed(2)
  const net = new LeNet(3)
  const other = new LeNet(3)
  agrees(net)
  const optimizer = new optim.Adam(net.parameters())
  const before = predict(net, 1)
  for (let step = 0; step < 3; step++) {
    optimizer.zeroGrad()
    F.crossEntropy(net(pictures(16)), tensor(Int32Array.from({ length: 16 }, (_, i) => i % 10))).backward()
    optimizer.step()
    agrees(net)
  }
  assert.notDeepEqual(predict(net, 1), before)
  net.loadStateDict(other.stateDict())
  assert.deepEqual(predict(net, 1), predict(other, 1))
  agrees(net)
  noGrad(() => net.fc3.bias?.copy_(numbers(10)))
  agrees(net)
  agrees(other)
  agrees(net)
})

test('gradients of one picture go the ordinary way', () => {
  manualSeed(3)
  const net = new LeNet(3)
  const before = runsOf('few')
  const outputs = net(pictures(1))
  outputs.toTypedArray()
  F.crossEntropy(outputs, tensor(Int32Array.of(4))).backward()
  assert.ok(net.conv1.weight.grad?.toTypedArray().some((value) => value !== 0))
  assert.equal(runsOf('few'), before)
})

test('results of few pictures can be computed with', () => {
  class Net extends nn.Module {
    readonly layers = new nn.Sequential(new nn.Conv2d(3, 5, 3, { padding: 1 }), new nn.BatchNorm2d(5), new nn.ReLU())
    forward(x: Tensor): Tensor {
      return this.layers(x)
    }
  }
  const net = new Net()
  net.eval()
  const one = noGrad(() => net(pictures(1)))
  const all = noGrad(() => net(pictures(16)))
  assert.deepEqual(one.toTypedArray(), all.toTypedArray().slice(0, one.numel()))
  assert.ok(one.max().item() > 0 && one.sub(one.clone()).abs().sum().item() === 0)
})

/** A picture of it is large, and worth sharing. */
class Large extends nn.Module {
  readonly layers = new nn.Sequential(
    new nn.Conv2d(3, 16, 3, { padding: 1 }),
    new nn.BatchNorm2d(16),
    new nn.ReLU(),
    new nn.Conv2d(16, 8, 3, { padding: 1, stride: 2 }),
    new nn.MaxPool2d(3, { stride: 2, padding: 1 }),
    new nn.ReLU(),
  )
  readonly end = new nn.Linear(8, 3)
  forward(x: Tensor): Tensor {
    return this.end(this.layers(x).mean([2, 3]))
  }
}

const side = 200
const large = (count: number): Tensor =>
  tensor(generator.uniform(new Float32Array(count * 3 * side * side), -1, 1), { shape: [count, 3, side, side] })

test('large pictures go a few at a time, whatever the batch, in the memory of these', () => {
  manualSeed(4)
  const net = new Large()
  net.eval()
  const x = large(9)
  const all = noGrad(() => net(x))
  const alone = Array.from({ length: 9 }, (_, i) => noGrad(() => net(x.slice(i, i + 1))).toTypedArray())
  assert.deepEqual(
    Array.from(all.toTypedArray()),
    alone.flatMap((logits) => Array.from(logits)),
  )
  const plan = cpuPlans().find((found) => Number.isFinite(found.plan.atOnce.pictures))
  assert.ok(plan && plan.plan.atOnce.pictures < 9)
  assert.ok(plan.bytesFor(64) < 2 * plan.bytesFor(plan.plan.atOnce.pictures))
})

test('sums over a batch of large pictures: what they are made of goes a few at a time', () => {
  manualSeed(5)
  const net = new Large()
  net.eval()
  const x = large(9)
  const sum = noGrad(() => net(x).sum()).item()
  const logits = noGrad(() => net(x)).realize()
  assert.equal(noGrad(() => logits.sum()).item(), sum)
})
