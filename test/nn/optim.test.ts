/** Optimizers: what they update, options, state. Their numbers on whole nets: test/models/training.test.ts. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { nn, optim } from '../../src/nn/index.js'
import { load, save } from '../../src/nn/save.node.js'
import { manualSeed, rand, tensor, type Tensor } from '../../src/tensor/index.js'

const folder = mkdtempSync(join(tmpdir(), 'lenet-optim-'))
after(() => rmSync(folder, { recursive: true }))

const leaf = (...values: number[]): Tensor => tensor(values, { requiresGrad: true })

function near(found: Tensor, expected: readonly number[], tolerance = 1e-6): void {
  const values = found.toTypedArray()
  expected.forEach((value, i) => {
    const far = Math.abs((values[i] ?? Number.NaN) - value)
    assert.ok(far <= tolerance * Math.max(1, Math.abs(value)), `${values.join()} is not ${expected.join()}`)
  })
}

/** Gradients of the sum of c · w for c = 1, -2, 0.5, …: the same in the reference below. */
const factors = [1, -2, 0.5, 3, -0.25]

/** Adam by its formulas in float64 (Kingma & Ba 2015), for one number. */
function adamReference(
  options: { lr: number; weightDecay: number; amsgrad: boolean; decoupled: boolean },
  start: number,
): number {
  let [w, m, v, largest] = [start, 0, 0, 0]
  factors.forEach((factor, i) => {
    if (options.decoupled) w *= 1 - options.lr * options.weightDecay
    const g = factor + (options.decoupled ? 0 : options.weightDecay * w)
    m = 0.9 * m + 0.1 * g
    v = 0.999 * v + 0.001 * g * g
    largest = Math.max(largest, v)
    const root = Math.sqrt((options.amsgrad ? largest : v) / (1 - 0.999 ** (i + 1)))
    w -= (options.lr * (m / (1 - 0.9 ** (i + 1)))) / (root + 1e-8)
  })
  return w
}

for (const amsgrad of [false, true])
  for (const decoupled of [false, true])
    test(`${decoupled ? 'AdamW' : 'Adam'}, amsgrad ${amsgrad}, against its formulas`, () => {
      const w = leaf(1, -3)
      const options = { lr: 0.1, weightDecay: 0.2, amsgrad }
      const optimizer = decoupled ? new optim.AdamW([w], options) : new optim.Adam([w], options)
      for (const factor of factors) {
        optimizer.zeroGrad()
        w.mul(factor).sum().backward()
        optimizer.step()
      }
      near(
        w,
        [1, -3].map((start) => adamReference({ ...options, decoupled }, start)),
      )
    })

test('the learning rate can be changed between steps', () => {
  const w = leaf(0)
  const optimizer = new optim.SGD([w], { lr: 1 })
  for (const lr of [1, 0.5, 0.25]) {
    for (const group of optimizer.paramGroups) group.lr = lr
    optimizer.zeroGrad()
    w.sum().backward()
    optimizer.step()
  }
  near(w, [-1.75])
})

test('groups have options of their own; layers can be added later', () => {
  const [a, b, c] = [leaf(0), leaf(0), leaf(0)]
  const optimizer = new optim.SGD([{ params: [a] }, { params: [b], lr: 0.5 }], { lr: 1 })
  optimizer.addParamGroup({ params: [c], lr: 0.25 })
  a.add(b).add(c).sum().backward()
  optimizer.step()
  assert.deepEqual(
    [a, b, c].map((x) => x.item()),
    [-1, -0.5, -0.25],
  )
  assert.throws(() => optimizer.addParamGroup({ params: [a] }), /given twice/)
})

test('frozen parameters and those without gradient stay, and their step counts too', () => {
  const [a, b] = [leaf(1), leaf(1)]
  const optimizer = new optim.Adam([a, b], { lr: 0.1 })
  const step = (loss: Tensor): void => {
    optimizer.zeroGrad()
    loss.sum().backward()
    optimizer.step()
  }
  step(a.mul(2))
  near(a, [0.9])
  assert.equal(b.item(), 1)
  step(a.add(b))
  step(a.add(b))
  b.requiresGrad = false
  step(a.mul(3))
  near(b, [0.8])
  const { state } = optimizer.stateDict()
  assert.deepEqual([state.get(0)?.['step']?.item(), state.get(1)?.['step']?.item()], [4, 2])
})

test('a frozen layer in a net: its weights stay, the rest learns', () => {
  manualSeed(2)
  const net = new nn.Sequential(new nn.Linear(3, 4), new nn.Tanh(), new nn.Linear(4, 2))
  const [first] = net
  first?.requiresGrad_(false)
  const before = [...net.parameters()].map((x) => x.toArray())
  const optimizer = new optim.Adam(net.parameters())
  net(rand([5, 3]))
    .square()
    .sum()
    .backward()
  optimizer.step()
  const same = [...net.parameters()].map((x, i) => JSON.stringify(x.toArray()) === JSON.stringify(before[i]))
  assert.deepEqual(same, [true, true, false, false])
})

test('shared parameters are trained once, with both gradients', () => {
  const shared = new nn.Linear(2, 2, { bias: false })
  const net = new nn.Sequential(shared, shared)
  const params = [...net.parameters()]
  assert.equal(params.length, 1)
  const before = Array.from(shared.weight.toTypedArray())
  const optimizer = new optim.SGD(params, { lr: 1 })
  net(tensor([[1, 1]]))
    .sum()
    .backward()
  const grad = Array.from(shared.weight.grad?.toTypedArray() ?? [])
  optimizer.step()
  near(
    shared.weight,
    before.map((value, i) => value - (grad[i] ?? 0)),
  )
  assert.deepEqual([...net.stateDict().keys()], ['0.weight', '1.weight'])
})

test('two optimizers may take turns on the same parameters', () => {
  const w = leaf(10, 20)
  const optimizers = [new optim.SGD([w], { lr: 1, momentum: 0.5 }), new optim.SGD([w], { lr: 0.1 })]
  for (let i = 0; i < 2; i++) {
    for (const optimizer of optimizers) {
      optimizer.zeroGrad()
      w.sum().backward()
      optimizer.step()
    }
  }
  near(w, [10 - 1 - 0.1 - 1.5 - 0.1, 20 - 2.7])
})

test('very small moments become 0', () => {
  const w = leaf(1)
  const optimizer = new optim.SGD([w], { lr: 1, momentum: 0.5 })
  w.mul(3e-38).sum().backward()
  optimizer.step()
  for (let i = 0; i < 3; i++) {
    optimizer.zeroGrad()
    w.mul(0).sum().backward()
    optimizer.step()
  }
  assert.equal(optimizer.stateDict().state.get(0)?.['momentum_buffer']?.item(), 0)
})

test('training goes on from a saved state with the same numbers', () => {
  const run = (steps: number, w: Tensor, optimizer: optim.Adam): void => {
    for (let i = 0; i < steps; i++) {
      optimizer.zeroGrad()
      w.square()
        .mul(tensor([1, 2, 3]))
        .sum()
        .backward()
      optimizer.step()
    }
  }
  const [a, b] = [leaf(1, 2, 3), leaf(0, 0, 0)]
  const first = new optim.Adam([a], { lr: 0.1, amsgrad: true })
  run(3, a, first)
  const path = join(folder, 'optimizer.pth')
  save(first.stateDict(), path)
  b.copy_(a)
  const second = new optim.Adam([b])
  second.loadStateDict(load(path))
  assert.equal(second.paramGroups[0]?.lr, 0.1)
  run(3, a, first)
  run(3, b, second)
  assert.deepEqual(b.toArray(), a.toArray())
})

test('the state has the structure of PyTorch', () => {
  const w = leaf(1, 2)
  const optimizer = new optim.Adam([w])
  w.sum().backward()
  optimizer.step()
  const { state, param_groups: groups } = optimizer.stateDict()
  assert.deepEqual(Object.keys(state.get(0) ?? {}), ['step', 'exp_avg', 'exp_avg_sq'])
  assert.deepEqual(groups[0]?.['params'], [0])
  assert.equal(groups[0]?.['weight_decay'], 0)
  assert.throws(
    () => new optim.Adam([leaf(1), leaf(2)]).loadStateDict(optimizer.stateDict()),
    /group 0: expected 2 parameters, found 1/,
  )
  assert.throws(() => optimizer.loadStateDict({}), /expected an optimizer's state dict/)
})

test('wrong options are told', () => {
  assert.throws(() => new optim.Adam([]), /got no parameters to train/)
  assert.throws(() => new optim.Adam([leaf(1)], { lr: -1 }), /Adam: lr must be 0 or more, got -1/)
  assert.throws(() => new optim.Adam([leaf(1)], { betas: [0.9, 1] }), /betas\[1\] must be in \[0, 1\), got 1/)
  const typo: object = { weight_decay: 0.1 }
  assert.throws(() => new optim.SGD([leaf(1)], typo), /SGD: there is no option weight_decay/)
  assert.throws(() => new optim.SGD([leaf(1)], { nesterov: true }), /nesterov needs a momentum above 0/)
  const w = leaf(1)
  assert.throws(() => new optim.SGD([w, w]), /given twice/)
})
