/**
 * Memory that is short: nets made and dropped in loops that never yield, values that left and come back, plans that were
 * forgotten, batches that are cut, and what is told where nothing helps. In 64 MiB, which a process has once.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LenetError } from '../../src/base/index.js'
import { compileInference, F, nn, optim } from '../../src/nn/index.js'
import {
  allPlans,
  compileStep,
  cpuBackend,
  fromArray,
  manualSeed,
  memoryUsage,
  noGrad,
  setDevice,
  type Tensor,
} from '../../src/tensor/index.js'
import { dropPlan } from '../../src/tensor/plans.js'

/** All that can leaves the memory. */
function emptyOut(): void {
  for (let more = true; more;) more = cpuBackend().tenants.relieve()
}

const mib = 2 ** 20
const limit = 64
setDevice('wasm', { threads: 1, memoryLimit: limit })

const waves = (shape: readonly number[], step = 0.1): Tensor => {
  const length = shape.reduce((a, b) => a * b, 1)
  return fromArray(
    Float32Array.from({ length }, (_, i) => Math.sin(i * step)),
    shape,
    'f32',
  )
}

/** Two MiB of parameters. */
function makeNet(seed: number, width = 512): nn.Sequential {
  manualSeed(seed)
  return new nn.Sequential(new nn.Linear(1024, width), new nn.ReLU(), new nn.Linear(width, 3))
}

test('a limit that cannot be is refused', () => {
  for (const memoryLimit of [0, 63, 4096, NaN])
    assert.throws(() => setDevice('wasm', { memoryLimit }), /^UsageError: memoryLimit: expected MiB from 64 to 4095/)
})

test('nets that are trained and dropped in a loop that never yields stay within the limit; one of them goes on', () => {
  const x = waves([4, 1024])
  const first = makeNet(0)
  const before = noGrad(() => first(x)).toTypedArray()
  for (let i = 1; i <= 60; i++) {
    const net = makeNet(i, 500 + i)
    const optimizer = new optim.Adam(net.parameters(), { lr: 0.01 })
    for (let step = 0; step < 2; step++) {
      const loss = net(x).square().mean()
      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()
    }
  }
  const { used, limit: most } = memoryUsage()
  assert.equal(most, limit * mib)
  assert.ok(used <= most)
  assert.deepEqual(noGrad(() => first(x)).toTypedArray(), before)
})

test('leaves that fill the memory outside of any run: each keeps its values', () => {
  const nets = Array.from({ length: 30 }, (_, i) => {
    const weight = new Float32Array(2 ** 20).fill(i + 1)
    return fromArray(weight, [2 ** 20], 'f32', true)
  })
  const twice = (x: Tensor): number => noGrad(() => x.add(x).mean()).item()
  for (const round of [0, 1])
    nets.forEach((leaf, i) => {
      assert.equal(twice(leaf), 2 * (i + 1) + round)
      if (round === 0) leaf.copy_(new Float32Array(2 ** 20).fill(i + 1.5))
    })
  assert.ok(memoryUsage().used <= limit * mib)
})

test('the same with await, where nothing collects either', async () => {
  for (let i = 1; i <= 40; i++) {
    await Promise.resolve()
    const net = makeNet(i)
    assert.equal(noGrad(() => net(waves([1, 1024]))).toTypedArray().length, 3)
  }
  assert.ok(memoryUsage().used <= limit * mib)
})

test('optimizers keep their states when these must leave between any two steps', () => {
  const train = (disturb: boolean): ArrayLike<number> => {
    const net = makeNet(7, 40)
    const optimizer = new optim.Adam(net.parameters(), { lr: 0.01 })
    for (let step = 0; step < 4; step++) {
      const loss = net(waves([8, 1024], 0.01 * (step + 1)))
        .square()
        .mean()
      optimizer.zeroGrad()
      if (disturb) emptyOut()
      loss.backward()
      if (disturb) emptyOut()
      optimizer.step()
      if (disturb) emptyOut()
    }
    return [...net.parameters()].flatMap((parameter) => [...parameter.toTypedArray()])
  }
  assert.deepEqual(train(true), train(false))
})

test('results in flight outlive that their memory is taken; what is gone says so', () => {
  const net = makeNet(3, 30)
  const [a, b] = [waves([2, 1024]), waves([2, 1024], 0.2)]
  const alone = [a, b].map((x) => [...noGrad(() => net(x)).toTypedArray()])
  const [y, z] = [noGrad(() => net(a)).realize(), noGrad(() => net(b)).realize()]
  emptyOut()
  assert.deepEqual([[...y.toTypedArray()], [...z.toTypedArray()]], alone)
  const hidden = noGrad(() => F.relu(net(a)))
  emptyOut()
  assert.deepEqual(
    [...hidden.toTypedArray()],
    alone[0]?.map((value) => Math.max(0, value)),
  )
})

test('a gradient is right where the activations that it needs were taken in between', () => {
  const gradients = (disturb: boolean): number[][] => {
    const net = makeNet(5, 20)
    const loss = net(waves([3, 1024]))
      .square()
      .mean()
    loss.item()
    if (disturb) emptyOut()
    loss.backward()
    return [...net.parameters()].map(({ grad }) => [...(grad?.toTypedArray() ?? [])])
  }
  assert.deepEqual(gradients(true), gradients(false))
})

test('a compiled step whose plan was forgotten is recorded anew, and learns the same', () => {
  const train = (forget: boolean): ArrayLike<number> => {
    const net = makeNet(9, 16)
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
    const step = compileStep((x: Tensor) => {
      const loss = net(x).square().mean()
      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()
      return [loss]
    })
    const losses: number[] = []
    for (let i = 0; i < 30; i++) {
      losses.push(step(waves([8, 1024], 0.01 * (i + 1)))[0].item())
      if (forget && i % 10 === 8) allPlans().forEach(dropPlan)
    }
    return losses
  }
  assert.deepEqual(train(true), train(false))
})

/** 512 KiB a picture after each convolution. */
function pictureNet(): nn.Sequential {
  manualSeed(2)
  const conv = (from: number, to: number): nn.Conv2d => new nn.Conv2d(from, to, 3, { padding: 1 })
  return new nn.Sequential(conv(1, 8), new nn.ReLU(), conv(8, 8), new nn.ReLU(), conv(8, 2))
}

test('inference of a batch that does not fit runs in pieces, with the same bits', () => {
  const net = pictureNet().eval()
  const pictures = waves([48, 1, 128, 128], 0.003)
  const all = noGrad(() => net(pictures)).toTypedArray()
  const sum = noGrad(() => net(pictures).square().sum()).item()
  const size = all.length / 48
  for (const i of [0, 17, 47]) {
    const alone = noGrad(() => net(pictures.slice(i, i + 1))).toTypedArray()
    assert.deepEqual(all.slice(i * size, (i + 1) * size), alone)
  }
  const exact = Array.from(all).reduce((total, value) => total + value * value, 0)
  assert.ok(Math.abs(sum - exact) <= 1e-4 * exact, `${sum}, about ${exact}`)
  const infer = compileInference(net, { inputShape: [1, 128, 128] })
  for (let i = 0; i < 6; i++) assert.deepEqual(infer(pictures), all)
})

test('a step that does not fit says what takes the room and what fits; that fits', () => {
  const net = pictureNet()
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
  const step = (batch: number): number => {
    const loss = net(waves([batch, 1, 128, 128], 0.003))
      .square()
      .mean()
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss.item()
  }
  let fits = 0
  assert.throws(
    () => step(200),
    (error) => {
      assert.ok(error instanceof LenetError)
      const found =
        /^no memory for a batch of 200: its values take \d+ MiB at a time, and of 64 MiB \d+ MiB can be had\. The largest are .*relu \[N, 8, 128, 128\] \(\d+ MiB\).*\. A batch of (\d+) fits$/.exec(
          error.message,
        )
      assert.ok(found, error.message)
      fits = Number(found[1])
      return true
    },
  )
  assert.ok(fits >= 8)
  assert.ok(Number.isFinite(step(fits)))
})
