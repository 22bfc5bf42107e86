/** State dicts and .pth files: out of a net, into another, and what is refused. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { LeNet } from '../../src/models/index.js'
import { nn, optim, type Loaded } from '../../src/nn/index.js'
import { load, loadWeights, save } from '../../src/nn/save.node.js'
import { equal, manualSeed, ones, rand, Tensor, tensor, zeros } from '../../src/tensor/index.js'

const folder = mkdtempSync(join(tmpdir(), 'lenet-state-'))
after(() => rmSync(folder, { recursive: true }))

test('names and shapes of LeNet', () => {
  const shapes = [...new LeNet(3).stateDict()].map(([name, { shape }]) => `${name} ${shape.join('×')}`)
  assert.deepEqual(shapes, [
    'conv1.weight 6×3×5×5',
    'conv1.bias 6',
    'conv2.weight 16×6×5×5',
    'conv2.bias 16',
    'fc1.weight 120×400',
    'fc1.bias 120',
    'fc2.weight 84×120',
    'fc2.bias 84',
    'fc3.weight 10×84',
    'fc3.bias 10',
  ])
})

test('buffers are saved under PyTorch names', () => {
  assert.deepEqual(
    [...new nn.BatchNorm2d(4).stateDict().keys()],
    ['weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked'],
  )
})

test('a saved net gives the same outputs when loaded into a new one', () => {
  manualSeed(1)
  const net = new LeNet(3)
  const path = join(folder, 'new', 'lenet.pth')
  save(net.stateDict(), path)
  const other = new LeNet(3)
  const x = rand([2, 3, 32, 32])
  assert.equal(equal(net(x), other(x)), false)
  const result = other.loadStateDict(load(path))
  assert.deepEqual(result, { missingKeys: [], unexpectedKeys: [] })
  assert.equal(equal(net(x), other(x)), true)
})

test('the same net gives the same bytes', () => {
  const net = new nn.Linear(3, 2)
  save(net.stateDict(), join(folder, 'a.pth'))
  save(net.stateDict(), join(folder, 'b.pth'))
  assert.deepEqual(readFileSync(join(folder, 'a.pth')), readFileSync(join(folder, 'b.pth')))
})

test('missing and unexpected keys, and wrong shapes, are named; nothing is loaded then', () => {
  const net = new LeNet(3)
  const before = net.conv1.weight.toArray()
  const state = new LeNet(3).stateDict()
  state.delete('fc3.bias')
  state.set('fc4.bias', zeros([1]))
  assert.throws(
    () => net.loadStateDict(state),
    /LeNet\.loadStateDict: the keys do not fit: missing fc3\.bias; unexpected fc4\.bias;/,
  )
  assert.deepEqual(net.loadStateDict(state, { strict: false }), {
    missingKeys: ['fc3.bias'],
    unexpectedKeys: ['fc4.bias'],
  })
  assert.notDeepEqual(net.conv1.weight.toArray(), before)
  const now = net.conv1.weight.toArray()
  assert.throws(
    () => net.loadStateDict(new LeNet(1).stateDict()),
    /LeNet\.loadStateDict: conv1\.weight: expected shape \[6, 3, 5, 5\], found \[6, 1, 5, 5\]/,
  )
  assert.deepEqual(net.conv1.weight.toArray(), now)
})

test('what is no state dict is told', () => {
  const net = new nn.Linear(1, 1)
  assert.throws(() => net.loadStateDict(undefined), /expects a state dict .* got undefined/)
  assert.throws(() => net.loadStateDict(tensor([1])), /got a tensor/)
  assert.throws(
    () => net.loadStateDict({ epoch: 3, model: new Map() }),
    /other values: epoch, model; if it is a checkpoint/,
  )
})

test('loading while training goes on: an optimizer keeps working on the loaded values', () => {
  const net = new nn.Linear(2, 1, { bias: false })
  const optimizer = new optim.SGD(net.parameters(), { lr: 1 })
  const step = (): void => {
    optimizer.zeroGrad()
    net(tensor([[1, 2]]))
      .sum()
      .backward()
    optimizer.step()
  }
  step()
  net.loadStateDict({ weight: tensor([[10, 20]]) })
  step()
  assert.deepEqual(net.weight.toArray(), [[9, 18]])
})

test('checkpoints: nested values come back, whole numbers as i32', () => {
  const path = join(folder, 'checkpoint.pth')
  const values = { epoch: 3, best: 0.5, name: 'x', done: true, none: null, list: [1, tensor([1.5])] }
  save({ ...values, labels: tensor([1, 2], { dtype: 'i32' }) }, path)
  const found = load(path)
  assert.ok(found instanceof Map)
  const get = (key: string): Loaded | undefined => found.get(key)
  assert.deepEqual(['epoch', 'best', 'name', 'done', 'none'].map(get), [3, 0.5, 'x', true, null])
  const labels = get('labels')
  assert.ok(labels instanceof Tensor && labels.dtype === 'i32')
  assert.deepEqual(labels.toArray(), [1, 2])
})

test("the state dict of a checkpoint is found, and a wrapper's prefix taken off", () => {
  const net = new nn.Linear(2, 1)
  const path = join(folder, 'wrapped.pth')
  const wrapped = new Map([...net.stateDict()].map(([name, x]) => [`module.${name}`, x]))
  save({ epoch: 1, model: wrapped }, path)
  const other = new nn.Linear(2, 1)
  other.loadStateDict(loadWeights(path, other.stateDict().keys()))
  assert.deepEqual(other.weight.toArray(), net.weight.toArray())
})

test('missing and damaged files, and what cannot be saved, are told', () => {
  assert.throws(() => load(join(folder, 'nowhere.pth')), /cannot read .*nowhere\.pth: there is no such file/)
  const path = join(folder, 'damaged.pth')
  writeFileSync(path, 'not a file of PyTorch')
  assert.throws(() => load(path), { name: 'LenetError' })
  assert.throws(
    () => save({ net: new LeNet() }, path),
    /cannot be saved: it is a function or module; for a net give net\.stateDict\(\)/,
  )
  assert.equal(readFileSync(path, 'utf8'), 'not a file of PyTorch')
})

test('two attributes of one name in files are refused', () => {
  class Two extends nn.Module {
    convA = new nn.Linear(2, 2)
    conv_a = new nn.Linear(2, 2)
    forward(x: Tensor): Tensor {
      return this.convA(this.conv_a(x))
    }
  }
  assert.throws(() => new Two().stateDict(), { message: /^stateDict: two attributes would be conv_a\.weight / })
})

test('clones of parameters and copies of a state stay when the optimizer steps', () => {
  const net = new nn.Linear(2, 1)
  const before = net.weight.toArray()
  const best = new Map([...net.stateDict()].map(([name, x]) => [name, x.clone()]))
  const optimizer = new optim.SGD(net.parameters(), { lr: 1 })
  net(ones([1, 2]))
    .sum()
    .backward()
  optimizer.step()
  assert.notDeepEqual(net.weight.toArray(), before)
  assert.deepEqual(best.get('weight')?.toArray(), before)
  net.loadStateDict(best)
  assert.deepEqual(net.weight.toArray(), before)
})

test('a state that is loaded, and a parameter that is frozen, between backward() and step()', () => {
  const net = new nn.Linear(2, 1, { bias: false })
  const optimizer = new optim.SGD(net.parameters(), { lr: 1 })
  net(ones([1, 2]))
    .sum()
    .backward()
  net.loadStateDict(new Map([['weight', tensor([[5, 7]])]]))
  optimizer.step()
  assert.deepEqual(net.weight.toArray(), [[4, 6]])
  net(ones([1, 2]))
    .sum()
    .backward()
  net.weight.requiresGrad = false
  optimizer.step()
  assert.deepEqual(net.weight.toArray(), [[4, 6]])
})
