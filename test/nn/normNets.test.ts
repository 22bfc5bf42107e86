/**
 * A net of 40 BatchNorms, of pictures and of features, trains as in PyTorch (test/oracle/norms.json, made by
 * test/oracle/make/norms.py): losses of 20 steps, running statistics, an evaluation; compiled too, bit for bit.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { F, nn, optim } from '../../src/nn/index.js'
import { compileStep, manualSeed, noGrad, rand, tensor, type Tensor } from '../../src/tensor/index.js'
import { readOracle } from '../oracle/cases.js'

const known = readOracle('norms.json') as {
  /** Of 20 steps, then of an evaluation. */
  readonly losses: readonly number[]
  /** Of each norm: mean, variance. */
  readonly running: readonly (readonly [number[], number[]])[]
}

class Block extends nn.Module {
  conv1 = new nn.Conv2d(8, 8, 3, { padding: 1, bias: false })
  norm1 = new nn.BatchNorm2d(8)
  conv2 = new nn.Conv2d(8, 8, 3, { padding: 1, bias: false })
  norm2 = new nn.BatchNorm2d(8)

  forward(x: Tensor): Tensor {
    const inner = F.silu(this.norm1(this.conv1(x)))
    return F.silu(this.norm2(this.conv2(inner)).add(x))
  }
}

function fortyNorms(): nn.Sequential {
  return new nn.Sequential(
    new nn.Conv2d(3, 8, 3, { padding: 1, bias: false }),
    new nn.BatchNorm2d(8),
    new nn.SiLU(),
    ...Array.from({ length: 19 }, () => new Block()),
    new nn.AdaptiveAvgPool2d(1),
    new nn.Flatten(),
    new nn.BatchNorm1d(8, { momentum: 0.3, eps: 1e-3 }),
    new nn.Linear(8, 10),
  )
}

interface Learnt {
  readonly losses: readonly number[]
  readonly running: readonly (readonly number[])[]
}

function train(compiled: boolean): Learnt {
  manualSeed(1)
  const net = fortyNorms()
  const [x, y] = [rand([16, 3, 8, 8]), tensor(Int32Array.from({ length: 16 }, (_, i) => i % 10))]
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.01, momentum: 0.9 })
  const step = (inputs: Tensor, labels: Tensor): [Tensor] => {
    const loss = F.crossEntropy(net(inputs), labels)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return [loss]
  }
  const run = compiled ? compileStep(step) : step
  const losses = Array.from({ length: 20 }, () => run(x, y)[0].item())
  net.eval()
  losses.push(noGrad(() => F.crossEntropy(net(x), y).item()))
  const norms = [...net.modules()].filter((m) => m instanceof nn.BatchNorm1d || m instanceof nn.BatchNorm2d)
  return {
    losses,
    running: norms.flatMap((m) => [[...m.runningMean.toTypedArray()], [...m.runningVar.toTypedArray()]]),
  }
}

/** `room`: of the largest number. */
function near(found: readonly number[], wanted: readonly number[], room: number, what: string): void {
  assert.equal(found.length, wanted.length, what)
  const scale = Math.max(...wanted.map(Math.abs))
  found.forEach((value, i) =>
    assert.ok(Math.abs(value - wanted[i]!) <= room * scale, `${what} ${i}: ${value}, expected ${wanted[i]}`),
  )
}

test('forty BatchNorms: losses of 20 steps and running statistics as in PyTorch', () => {
  const { losses, running } = train(false)
  near(losses, known.losses, 1e-4, 'loss')
  assert.equal(known.running.length, 40)
  known.running.flat().forEach((wanted, i) => near(running[i]!, wanted, 1e-4, `statistic ${i}`))
  assert.deepEqual(train(true), { losses, running })
})
