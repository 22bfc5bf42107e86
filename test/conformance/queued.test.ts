/**
 * A backend that gives values by promises alone (test/device/queuedBackend.ts): every case has the bits of this machine's
 * interpreter, and LeNet learns through it what it learns everywhere. Both backends are in one process.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { LenetError, type HostArray } from '../../src/base/index.js'
import { layers, Sequential } from '../../src/keras/index.node.js'
import { LeNet, LeNet1 } from '../../src/models/index.js'
import { compileInference, nn, optim, type Layer } from '../../src/nn/index.js'
import {
  compileStep,
  fromArray,
  manualSeed,
  setDevice,
  tensor,
  useBackend,
  type Tensor,
} from '../../src/tensor/index.js'
import { read, readLater } from '../../src/tensor/runtime.js'
import { evaluateNet, Trainer } from '../../src/train/index.js'
import { QueuedBackend } from '../device/queuedBackend.js'
import { cases, nodesOf } from './cases.js'
import { frozenShort } from './frozenBits.js'
import { pictures } from './longTraining.js'

setDevice('interp')
const queued = new QueuedBackend()

/** What the function begins, on the other backend. */
function there<T>(body: () => T): T {
  useBackend(queued)
  try {
    return body()
  } finally {
    useBackend(null)
  }
}

/** Which NaN a device gives is not part of the promise. */
const bits = (values: HostArray): HostArray => values.map((v) => (Number.isNaN(v) ? NaN : v)) as HostArray

describe('every case has the bits of the other backend', () => {
  for (const { name, build } of cases)
    test(name, async () => {
      const here = nodesOf(build()).map((node) => bits(read(node)))
      const nodes = there(() => nodesOf(build()))
      const found = await Promise.all(there(() => nodes.map(readLater)))
      assert.deepEqual(found.map(bits), here)
    })
})

async function digestOf(net: nn.Module): Promise<string> {
  const hash = createHash('sha256')
  for (const [name, values] of net.stateDict()) hash.update(name).update(await values.toTypedArrayAsync())
  return hash.digest('hex').slice(0, 32)
}

describe('a training learns the frozen weights', () => {
  for (const [name, make] of [
    ['lenet', (): nn.Module & Layer => new LeNet(3, 10)],
    ['lenet1', (): nn.Module & Layer => new LeNet1(3, 10)],
  ] as const)
    test(name, async () => {
      useBackend(queued)
      try {
        manualSeed(1)
        const net = make() as nn.Module & ((x: Tensor) => Tensor)
        const optimizer = new optim.Adam(net.parameters(), { lr: 1e-3 })
        const set = pictures(9)
        await new Trainer({ net, optimizer, set, batchSize: 8, epochs: 1, onEvent: () => {} }).run()
        assert.equal(await digestOf(net), frozenShort[name])
        assert.equal((await evaluateNet(net, set)).count, 9)
      } finally {
        useBackend(null)
      }
    })
})

/** Losses of a small net; the same numbers wherever it is trained. */
async function lossesOf(isCompiled: boolean): Promise<number[]> {
  manualSeed(2)
  const net = new nn.Sequential(new nn.Linear(6, 5), new nn.BatchNorm1d(5), new nn.ReLU(), new nn.Linear(5, 3))
  const optimizer = new optim.Adam(net.parameters(), { lr: 0.05 })
  const criterion = new nn.CrossEntropyLoss()
  const learn = (x: Tensor, y: Tensor): [Tensor] => {
    const loss = criterion(net(x), y)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return [loss]
  }
  const step = isCompiled ? compileStep(learn) : learn
  let running = tensor(0)
  const losses: number[] = []
  for (let i = 0; i < 12; i++) {
    const x = fromArray(
      Float32Array.from({ length: 24 }, (_, k) => Math.sin(k * (i + 1))),
      [4, 6],
      'f32',
    )
    const [loss] = step(x, tensor([0, 1, 2, 1], { dtype: 'i32' }))
    running = running.add(loss)
    losses.push(await loss.itemAsync())
  }
  return [...losses, await running.itemAsync()]
}

describe('steps', () => {
  for (const isCompiled of [false, true])
    test(isCompiled ? 'that are repeated by compileStep' : 'that the optimizer remembers', async () => {
      const here = await lossesOf(isCompiled)
      useBackend(queued)
      const before = queued.runs
      try {
        assert.deepEqual(await lossesOf(isCompiled), here)
      } finally {
        useBackend(null)
      }
      assert.ok(queued.runs - before >= 12)
    })
})

/** What `fit`, `evaluate` and `predict` tell; the same numbers wherever it is computed. */
async function fitted(): Promise<unknown> {
  manualSeed(5)
  const model = new Sequential([
    layers.conv2d(4, 3, { activation: 'relu', inputShape: [6, 6, 1] }),
    layers.flatten(),
    layers.dense(3, { activation: 'softmax' }),
  ])
  model.compile({ optimizer: 'adam', loss: 'sparse_categorical_crossentropy', metrics: ['accuracy'] })
  const x = fromArray(
    Float32Array.from({ length: 20 * 36 }, (_, i) => Math.sin(i * i)),
    [20, 6, 6, 1],
    'f32',
  )
  const y = tensor(Array.from({ length: 20 }, (_, i) => i % 3))
  const { history } = await model.fit(x, y, { batchSize: 8, epochs: 2, verbose: 0, classWeight: { 0: 2 } })
  const told = await model.evaluate(x, y, { batchSize: 8, verbose: 0 })
  return [history, told, (await model.predict(x, { batchSize: 8, verbose: 0 })).toArray()]
}

test("Keras' idiom", async () => {
  const here = await fitted()
  useBackend(queued)
  try {
    assert.deepEqual(await fitted(), here)
  } finally {
    useBackend(null)
  }
})

test('inference gives its numbers by a promise', async () => {
  const make = (): nn.Sequential => (manualSeed(3), new nn.Sequential(new nn.Linear(4, 3)).eval() as nn.Sequential)
  const options = { inputShape: [4] }
  const x = Float32Array.of(1, -2, 0.5, 3)
  const here = compileInference(make(), options)
  const other = there(() => compileInference(make(), options))
  for (let i = 0; i < 7; i++) {
    assert.deepEqual(await there(() => other.async(x)), here(x))
    assert.deepEqual(await here.async(x), here(x))
  }
  assert.throws(() => there(() => other(x)), {
    message: "device 'queued' gives values only later: write await tensor.toTypedArrayAsync()",
  })
})

test('a read that cannot be at once names the method that can', () => {
  const x = there(() => tensor([1, 2]).add(1).realize())
  assert.throws(() => x.toTypedArray(), LenetError)
  assert.equal(String(x), "tensor(..., device='queued', size=[2])")
  assert.throws(() => there(() => x.sum().item()), {
    name: 'LenetError',
    message: "device 'queued' gives values only later: write await tensor.itemAsync()",
  })
})

test('a label that is no class rejects what was to be read, and the parameters stay', async () => {
  useBackend(queued)
  try {
    manualSeed(4)
    const net = new nn.Linear(2, 3)
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
    const before = await net.weight.toTypedArrayAsync()
    const labels = tensor([0, 5], { dtype: 'i32' }).add(0).to('i32').realize()
    const loss = new nn.CrossEntropyLoss()(
      net(
        tensor([
          [1, 2],
          [3, 4],
        ]),
      ),
      labels,
    )
    loss.backward()
    optimizer.step()
    await assert.rejects(loss.itemAsync(), /Target 5 is out of bounds/)
    assert.deepEqual(await net.weight.toTypedArrayAsync(), before)
  } finally {
    useBackend(null)
  }
})

test('values of two backends do not meet; plain numbers go anywhere', async () => {
  const a = tensor([1, 2]).add(1).realize()
  const b = there(() => tensor([10, 20]).add(1).realize())
  assert.throws(() => a.add(b).toTypedArray(), {
    name: 'LenetError',
    message:
      /^all values of a computation must lie on one device: add \[2\] lies on 'queued', others on 'interp'; make a tensor of its numbers/,
  })
  const moved = tensor(await b.toTypedArrayAsync())
  assert.deepEqual(a.add(moved).toArray(), [13, 24])
  assert.deepEqual(await b.add(tensor(a.toTypedArray())).toTypedArrayAsync(), Float32Array.of(13, 24))
})
