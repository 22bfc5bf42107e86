/** Gradients as PyTorch gives them: where they go, when they add up, what is refused. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { optim } from '../../src/nn/index.js'
import { noGrad, tensor, zeros, type Node, type Tensor } from '../../src/tensor/index.js'

/** All nodes that a tensor is made of and holds. */
function graphOf({ node }: Tensor): Set<Node> {
  const found = new Set([node])
  for (const { inputs } of found) for (const input of inputs) found.add(input)
  return found
}

const leaf = (...values: number[]): Tensor => tensor(values, { requiresGrad: true })

test('backward() leaves gradients on leaves that want them', () => {
  const [x, w, frozen] = [tensor([1, 2, 3]), leaf(4, 5, 6), tensor([1, 1, 1])]
  x.mul(w).add(frozen).sum().backward()
  assert.deepEqual(w.grad?.toArray(), [1, 2, 3])
  assert.equal(x.grad, null)
  assert.equal(frozen.grad, null)
})

test('gradients add up over backward() calls, read between or not', () => {
  const w = leaf(2, 3)
  w.square().sum().backward()
  w.sum().backward()
  assert.deepEqual(w.grad?.toArray(), [5, 7])
  w.mul(10).sum().backward()
  assert.deepEqual(w.grad?.toArray(), [15, 17])
})

test('gradients add up over optimizer steps until zeroGrad()', () => {
  const w = leaf(1, 2)
  const optimizer = new optim.SGD([w], { lr: 1 })
  const losses = [0, 1, 2].map(() => {
    const loss = w.mul(tensor([1, 10])).sum()
    loss.backward()
    optimizer.step()
    return loss.item()
  })
  assert.deepEqual(w.grad?.toArray(), [3, 30])
  assert.deepEqual(w.toArray(), [1 - 6, 2 - 60])
  assert.deepEqual(losses, [21, -80, -282])
  optimizer.zeroGrad()
  assert.equal(w.grad, null)
})

test('micro-batches: reading each loss between backward() calls changes nothing', () => {
  const grads = [true, false].map((reads) => {
    const w = tensor([[1, 2]], { requiresGrad: true })
    for (let i = 1; i <= 4; i++) {
      const loss = tensor([[i], [i * i]])
        .matmul(w)
        .tanh()
        .sum()
      loss.backward()
      if (reads) assert.ok(Number.isFinite(loss.item()))
    }
    return w.grad?.toArray()
  })
  assert.deepEqual(grads[0], grads[1])
})

test('several losses and shared parameters', () => {
  const w = leaf(3)
  const [a, b] = [w.mul(2).sum(), w.mul(w).sum()]
  a.backward()
  b.backward()
  assert.deepEqual(w.grad?.toArray(), [8])
  assert.deepEqual([a.item(), b.item()], [6, 9])
})

test('a gradient for a result of several values', () => {
  const w = leaf(1, 2)
  w.mul(3).backward(tensor([1, 10]))
  assert.deepEqual(w.grad?.toArray(), [3, 30])
  assert.throws(() => w.mul(3).backward(), /expects a loss of one value, got \[2\]/)
})

test('a second backward() and a loss without gradient are refused', () => {
  const w = leaf(1)
  const loss = w.mul(2).sum()
  loss.backward()
  assert.throws(() => loss.backward(), /differentiated already/)
  assert.throws(() => tensor([1]).sum().backward(), /does not depend on anything that requires a gradient/)
})

test('what was built on parameters before a step cannot be differentiated after it', () => {
  const w = leaf(1)
  const old = w.mul(5).sum()
  const optimizer = new optim.SGD([w], { lr: 0.5 })
  w.sum().backward()
  optimizer.step()
  assert.throws(() => old.add(w.sum()).backward(), /optimizer\.step\(\)/)
  assert.throws(() => old.backward(), /before the last optimizer\.step\(\)/)
})

test('detach() and data cut the gradient', () => {
  const w = leaf(2)
  const y = w.mul(3)
  y.mul(y.detach()).sum().backward()
  assert.deepEqual(w.grad?.toArray(), [18])
  assert.equal(y.data.requiresGrad, false)
})

test('noGrad: as a function, as a guard, never across await', () => {
  const w = leaf(1)
  assert.equal(noGrad(() => w.mul(2)).requiresGrad, false)
  {
    using _ = noGrad()
    assert.equal(w.mul(2).requiresGrad, false)
  }
  assert.equal(w.mul(2).requiresGrad, true)
  assert.throws(() => {
    noGrad(() => {
      throw new Error('inside')
    })
  }, /inside/)
  assert.equal(w.mul(2).requiresGrad, true)
  assert.throws(() => noGrad(async () => 1), /not async/)
})

test('requiresGrad can be set on leaves only', () => {
  const x = tensor([1, 2])
  x.requiresGrad = true
  const y = x.mul(2)
  y.sum().backward()
  assert.deepEqual(x.grad?.toArray(), [2, 2])
  assert.throws(() => y.requiresGrad_(false), /leaves only/)
  assert.throws(() => tensor(Int32Array.of(1)).requiresGrad_(), /only f32 tensors/)
})

test('a running loss is the sum of the losses and holds no graph', () => {
  const w = leaf(1)
  const optimizer = new optim.SGD([w], { lr: 0.001 })
  let running = zeros([])
  let sum = 0
  for (let i = 0; i < 600; i++) {
    const loss = w.mul(i).sum()
    running = running.add(loss)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    sum = Math.fround(sum + loss.item())
  }
  assert.ok(graphOf(running).size < 12)
  assert.equal(running.item(), sum)
  assert.throws(() => running.backward(), /before the last optimizer\.step\(\)/)
})

test('a running loss added after the step, and counts that nobody reads in between', () => {
  const w = leaf(1)
  const optimizer = new optim.SGD([w], { lr: 0.5 })
  let [running, count] = [tensor(0), tensor(0)]
  const losses: number[] = []
  for (let i = 1; i <= 5; i++) {
    const outputs = w.mul(i)
    const loss = outputs.sum()
    count = count.add(outputs.data.gt(0).sum())
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    running = running.add(loss)
    losses.push(loss.item())
  }
  assert.deepEqual(losses, [1, 1, -1.5, -8, -20])
  assert.equal(running.item(), -27.5)
  assert.equal(count.item(), 2)
})

test('a sum over an endless loop is computed from time to time', () => {
  let total = tensor(0)
  const x = tensor([1, 2, 3])
  for (let i = 0; i < 1000; i++) total = total.add(x.mul(i % 2).sum())
  assert.equal(total.item(), 3000)
  let wide = zeros([3])
  for (let i = 0; i < 1000; i++) wide = wide.add(x)
  assert.deepEqual(wide.toArray(), [1000, 2000, 3000])
})

test('single numbers: arithmetic on known ones has float32 bits', () => {
  const [a, b] = [tensor(0.1), tensor(3)]
  assert.equal(a.add(0.2).item(), Math.fround(Math.fround(0.1) + Math.fround(0.2)))
  assert.equal(a.div(b).item(), Math.fround(Math.fround(0.1) / 3))
  assert.equal(a.mul(b).sub(1).neg().item(), -Math.fround(Math.fround(Math.fround(0.1) * 3) - 1))
  assert.equal(a.add(b).node.op, 'leaf')
})
