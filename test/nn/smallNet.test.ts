/**
 * A small net of newer kinds (depthwise and dilated convolutions, a residual, norms, GELU) learns as in PyTorch: six losses
 * of test/oracle/nets.json. One plan serves every size of batch.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nn, optim } from '../../src/nn/index.js'
import { allPlans, compileStep, manualSeed, rand, tensor, type Tensor } from '../../src/tensor/index.js'
import { readOracle } from '../oracle/cases.js'

class Block extends nn.Module {
  readonly depthwise: nn.Conv2d
  readonly norm: nn.BatchNorm2d
  readonly act = new nn.Hardswish()
  readonly pointwise: nn.Conv2d
  readonly residual: boolean

  constructor(channels: number, stride = 1) {
    super()
    this.depthwise = new nn.Conv2d(channels, channels, 3, { stride, padding: 1, groups: channels, bias: false })
    this.norm = new nn.BatchNorm2d(channels)
    this.pointwise = new nn.Conv2d(channels, channels, 1)
    this.residual = stride === 1
  }

  forward(x: Tensor): Tensor {
    const y = this.pointwise(this.act(this.norm(this.depthwise(x))))
    return this.residual ? y.add(x) : y
  }
}

const makeNet = (): nn.Sequential =>
  new nn.Sequential(
    new nn.Conv2d(3, 8, 3, { padding: 'same' }),
    new nn.SiLU(),
    new Block(8),
    new Block(8, 2),
    new nn.Conv2d(8, 8, 3, { dilation: 2, padding: 2 }),
    new nn.GroupNorm(2, 8),
    new nn.GELU(),
    new nn.AdaptiveAvgPool2d(1),
    new nn.Flatten(),
    new nn.LayerNorm(8),
    new nn.Linear(8, 10),
  )

const labelsOf = (count: number): Tensor =>
  tensor(
    Array.from({ length: count }, (_, i) => i % 10),
    { dtype: 'i32' },
  )

/** A training step of a new net, seed 1. */
function training(): (x: Tensor, labels: Tensor) => Tensor {
  manualSeed(1)
  const net = makeNet()
  const weight = tensor(Array.from({ length: 10 }, (_, i) => (i + 1) / 5))
  const criterion = new nn.CrossEntropyLoss({ weight, labelSmoothing: 0.1 })
  const optimizer = new optim.RMSprop(net.parameters(), { lr: 1e-3, momentum: 0.9, centered: true })
  return (x, labels) => {
    const loss = criterion(net(x), labels)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss
  }
}

const { losses } = readOracle('nets.json') as { losses: number[] }

test('six steps, as they are and compiled, have the losses of PyTorch', () => {
  const plain = training()
  const x = rand([32, 3, 16, 16])
  const found = losses.map(() => plain(x, labelsOf(32)).item())
  found.forEach((loss, i) => assert.ok(Math.abs(loss / losses[i]! - 1) < 1e-5, `${found} is not ${losses}`))
  const step = training()
  const compiled = compileStep((pictures: Tensor, labels: Tensor) => [step(pictures, labels)])
  assert.deepEqual(
    losses.map(() => compiled(x, labelsOf(32))[0]?.item()),
    found,
  )
})

test('a batch of another size needs no other plan', () => {
  const step = training()
  step(rand([5, 3, 16, 16]), labelsOf(5)).item()
  const before = allPlans().length
  for (const count of [1, 9, 33]) assert.ok(step(rand([count, 3, 16, 16]), labelsOf(count)).item() < 4)
  assert.equal(allPlans().length, before)
})
