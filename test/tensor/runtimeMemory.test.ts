/** Where results lie and for how long: loops that feed results back, bytes, plans that failed. On the compiled device. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LenetError } from '../../src/base/index.js'
import { F, nn, optim } from '../../src/nn/index.js'
import { device, fromArray, manualSeed, setDevice, tensor, type Tensor } from '../../src/tensor/index.js'

setDevice('auto', { memoryLimit: 1024 })

const filled = (length: number, value: number): Tensor =>
  fromArray(new Float32Array(length).fill(value), [length], 'f32')

test('results fed back a thousand times in a loop that never yields take no memory', () => {
  let [before, h] = [filled(5000, 0), filled(5000, 8)]
  let used = 0
  for (let i = 0; i < 1000; i++) {
    // of the last two results, as a recurrence of second order
    const next = h.mul(0.5).add(before.mul(0.25)).add(1).realize()
    before = h
    h = next
    if (i === 10) used = device().memory.usedBytes
  }
  assert.equal(device().memory.usedBytes, used)
  assert.ok(h.toTypedArray().every((value) => Math.abs(value - 4) < 1e-5))
})

test('a large result that its own plan read again keeps its values', () => {
  const values = Float32Array.from({ length: 7 * 30 }, (_, i) => i)
  const first = fromArray(values, [7, 30], 'f32').add(0).realize()
  const second = first.add(0).realize()
  const third = second.add(0).realize()
  for (const x of [first, second, third]) assert.deepEqual([...x.toTypedArray()], [...values])
  assert.deepEqual(
    [...second.add(1).toTypedArray()],
    Array.from(values, (v) => v + 1),
  )
})

test('small results of bytes keep their values when their plan runs again', () => {
  const bytes = (numbers: number[]): Tensor => tensor(numbers).mul(2).to('u8').realize()
  const first = bytes([1, 2, 3, 4, 5])
  bytes([9, 9, 9, 9, 9])
  assert.deepEqual([...first.toTypedArray()], [2, 4, 6, 8, 10])
  assert.equal(first.dtype, 'u8')
  assert.ok(first.toTypedArray() instanceof Uint8Array)
})

test('a batch too large for the memory leaves a plan that computes smaller ones rightly', () => {
  const weight = fromArray(new Float32Array(40_000).fill(0.5), [40_000, 1], 'f32', true)
  const expand = (count: number): Tensor => {
    const x = fromArray(new Float32Array(count).fill(2), [count, 1], 'f32')
    return x.matmul(weight.transpose(0, 1)).mul(3)
  }
  const sum = (count: number): number => expand(count).sum(1).sum().item()
  assert.equal(sum(3), 3 * 3 * 40_000)
  assert.throws(() => sum(20_000), LenetError)
  assert.equal(sum(40), 40 * 3 * 40_000)
  assert.equal(filled(1000, 1).add(filled(1000, 2)).sum().item(), 3000)
})

test('a gradient that was read before the step, and is another shape of something, goes into it', () => {
  const [v, w] = [tensor([1, 2], { requiresGrad: true }), tensor([[1], [2], [3]], { requiresGrad: true })]
  const optimizer = new optim.SGD([{ params: [v] }, { params: [w] }], { lr: 0.5 })
  const loss = v
    .view(1, 2)
    .mul(tensor([[6, 8]]))
    .sum()
    .add(w.mul(2).sum())
  loss.backward()
  assert.deepEqual(v.grad?.toArray(), [6, 8])
  optimizer.step()
  assert.deepEqual(
    [v.toArray(), w.toArray()],
    [
      [-2, -2],
      [[0], [1], [2]],
    ],
  )
})

interface Trained {
  readonly net: nn.Linear
  readonly optimizer: optim.Adam
}

function start(seed: number): Trained {
  manualSeed(seed)
  const net = new nn.Linear(30, 9)
  return { net, optimizer: new optim.Adam(net.parameters(), { lr: 0.1 }) }
}

function lossOf({ net, optimizer }: Trained, step: number): Tensor {
  const inputs = fromArray(
    Float32Array.from({ length: 8 * 30 }, (_, i) => Math.sin(i * (step + 1))),
    [8, 30],
    'f32',
  )
  optimizer.zeroGrad()
  return F.relu(net(inputs)).square().mean()
}

test('two nets of one structure train beside each other, looked at after backward: the losses of each alone', () => {
  const steps = [0, 1, 2, 3]
  const alone = [1, 2].map((seed) => {
    const run = start(seed)
    return steps.map((step) => {
      const loss = lossOf(run, step)
      loss.backward()
      run.optimizer.step()
      return loss.item()
    })
  })
  const both = [start(1), start(2)]
  const found = steps.map((step) => {
    const losses = both.map((run) => lossOf(run, step))
    const seen = losses.map((loss) => {
      loss.backward()
      return loss.item()
    })
    for (const { optimizer } of both) optimizer.step()
    return seen
  })
  assert.deepEqual(
    [0, 1].map((i) => found.map((seen) => seen[i])),
    alone,
  )
})
