/**
 * Nets with norms train as in PyTorch (test/oracle/norms.json and norm_nets.json, made by make/norms.py and norm_nets.py): losses
 * of 20 steps, every gradient, running statistics, an evaluation; compiled too, bit for bit.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { F, nn, optim, type Layer } from '../../src/nn/index.js'
import { compileStep, manualSeed, noGrad, rand, tensor, type Tensor } from '../../src/tensor/index.js'
import { readOracle } from '../oracle/cases.js'
import { residual } from './deepNets.js'

/** Of each norm: mean, variance. */
type Running = readonly (readonly [number[], number[]])[]

const known = readOracle('norms.json') as {
  /** Of 20 steps, then of an evaluation. */
  readonly losses: readonly number[]
  readonly running: Running
}

interface KnownNet {
  readonly losses: readonly number[]
  /** How far float64 is from float32 in PyTorch, in the losses. */
  readonly spread: number
  /** Of each parameter: Σ g · sin(1), sin(2), …, and the norm. */
  readonly gradients: readonly (readonly [number, number])[]
  readonly running: Running
}
const nets = (readOracle('norm_nets.json') as { readonly nets: Readonly<Record<NetName, KnownNet>> }).nets

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

/** Over channels, pixel by pixel. */
class LastNorm extends nn.Module {
  readonly norm: nn.LayerNorm

  constructor(channels: number) {
    super()
    this.norm = new nn.LayerNorm(channels)
  }

  forward(x: Tensor): Tensor {
    return this.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
  }
}

function pictureNorms(): nn.Sequential {
  const conv = (i: number, o: number, kernel: number, padding = 0): Layer =>
    new nn.Conv2d(i, o, kernel, { padding, bias: false })
  return new nn.Sequential(
    conv(3, 8, 3, 1),
    new nn.GroupNorm(2, 8),
    new nn.SiLU(),
    conv(8, 8, 3, 1),
    new nn.InstanceNorm2d(8),
    new nn.SiLU(),
    conv(8, 6, 3),
    new nn.InstanceNorm2d(6, { affine: true, eps: 1e-3 }),
    new nn.SiLU(),
    conv(6, 8, 3),
    new nn.LayerNorm([8, 4, 4]),
    new nn.SiLU(),
    conv(8, 9, 1),
    new LastNorm(9),
    new nn.SiLU(),
    conv(9, 8, 2),
    new nn.BatchNorm2d(8, { momentum: null }),
    new nn.SiLU(),
    conv(8, 8, 1),
    new nn.GroupNorm(8, 8, { affine: false }),
    new nn.Flatten(),
    new nn.LayerNorm(72, { elementwiseAffine: false }),
    new nn.Linear(72, 10),
  )
}

type Optimized = Pick<optim.Adam, 'zeroGrad' | 'step'>
type NetName = 'pictures' | 'forty' | 'resnet20'

interface Learnt {
  readonly losses: readonly number[]
  readonly gradients: readonly (readonly [number, number])[]
  readonly running: readonly (readonly number[])[]
}

const projected = ({ grad }: Tensor): [number, number] => {
  const values = grad?.toTypedArray() ?? []
  let sum = 0
  values.forEach((value, i) => (sum += value * Math.sin(i + 1)))
  return [sum, Math.hypot(...values)]
}

/** 20 steps and an evaluation on `count` pictures of seed 1. */
function train(
  make: () => nn.Sequential,
  count: number,
  optimizerOf: (net: nn.Sequential) => Optimized,
  compiled: boolean,
): Learnt {
  manualSeed(1)
  const net = make()
  const [x, y] = [rand([count, 3, 8, 8]), tensor(Int32Array.from({ length: count }, (_, i) => i % 10))]
  const optimizer = optimizerOf(net)
  const step = (inputs: Tensor, labels: Tensor): [Tensor] => {
    const loss = F.crossEntropy(net(inputs), labels)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return [loss]
  }
  const run = compiled ? compileStep(step) : step
  const losses = [run(x, y)[0].item()]
  const gradients = [...net.parameters()].map(projected)
  while (losses.length < 20) losses.push(run(x, y)[0].item())
  net.eval()
  losses.push(noGrad(() => F.crossEntropy(net(x), y).item()))
  const norms = [...net.modules()].filter((m) => m instanceof nn.BatchNorm1d || m instanceof nn.BatchNorm2d)
  return {
    losses,
    gradients,
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
  const sgd = (net: nn.Sequential): Optimized => new optim.SGD(net.parameters(), { lr: 0.01, momentum: 0.9 })
  const found = train(fortyNorms, 16, sgd, false)
  near(found.losses, known.losses, 1e-4, 'loss')
  assert.equal(known.running.length, 40)
  known.running.flat().forEach((wanted, i) => near(found.running[i]!, wanted, 1e-4, `statistic ${i}`))
  assert.deepEqual(train(fortyNorms, 16, sgd, true), found)
})

const makers: Readonly<Record<NetName, readonly [() => nn.Sequential, count: number, lr: number]>> = {
  pictures: [pictureNorms, 12, 0.003],
  forty: [fortyNorms, 16, 0.001],
  resnet20: [() => residual(3), 16, 0.001],
}

describe('20 steps of Adam as in PyTorch', () => {
  for (const [name, [make, count, lr]] of Object.entries(makers))
    test(name, () => {
      const wanted = nets[name as NetName]
      const adam = (net: nn.Sequential): Optimized => new optim.Adam(net.parameters(), { lr })
      const found = train(make, count, adam, false)
      near(found.losses.slice(0, 20), wanted.losses, 1e-4, 'loss')
      wanted.gradients.forEach(([sum, norm], i) => {
        const [ourSum, ourNorm] = found.gradients[i]!
        const apart = Math.max(Math.abs(ourSum - sum), Math.abs(ourNorm - norm))
        assert.ok(apart <= 1e-4 * norm + 1e-6, `gradient ${i}: ${ourSum} ${ourNorm}, expected ${sum} ${norm}`)
      })
      assert.equal(found.gradients.length, wanted.gradients.length)
      wanted.running.flat().forEach((values, i) => near(found.running[i]!, values, 1e-4, `statistic ${i}`))
      assert.deepEqual(train(make, count, adam, true), found)
    })
})
