/**
 * Deep nets train as in PyTorch (test/oracle/deep.json), in one run of the device a step, however often somebody looks;
 * and graphs of thousands of operations in a row are computed.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { F, nn, optim } from '../../src/nn/index.js'
import { allPlans, compileStep, noGrad, tensor, type Tensor } from '../../src/tensor/index.js'
import { readOracle } from '../oracle/cases.js'
import { batchNorms, deepNets, drawn, type DeepNet } from './deepNets.js'

interface Known {
  readonly numbers: readonly number[]
  /** How far float64 is from float32 in PyTorch. */
  readonly spread: number
}
const { nets: known } = readOracle('deep.json') as { readonly nets: Readonly<Record<string, Known>> }

function near(found: readonly number[], { numbers, spread }: Known): void {
  assert.equal(found.length, numbers.length)
  const apart = Math.max(...found.map((number, i) => Math.abs(number / numbers[i]! - 1)))
  assert.ok(apart <= 4 * spread + 1e-6, `${apart} apart: ${found.join(' ')}`)
}

/** Losses of five steps and of an evaluation. */
function train(name: DeepNet, compiled: boolean, look: (net: nn.Sequential) => void = () => {}): number[] {
  const [make, optimizerOf] = deepNets[name]
  const { net, x, y } = drawn(make)
  const optimizer = optimizerOf(net.parameters())
  const step = (inputs: Tensor, labels: Tensor): [Tensor] => {
    const loss = F.crossEntropy(net(inputs), labels)
    optimizer.zeroGrad()
    loss.backward()
    look(net)
    optimizer.step()
    return [loss]
  }
  const run = compiled ? compileStep(step) : step
  const losses = Array.from({ length: 5 }, () => run(x, y)[0].item())
  net.eval()
  return [...losses, noGrad(() => F.crossEntropy(net(x), y).item())]
}

for (const name of Object.keys(deepNets) as DeepNet[])
  test(`${name}: five steps and an evaluation as in PyTorch, and the same compiled`, () => {
    const before = allPlans().length
    const losses = train(name, false)
    near(losses, known[name]!)
    assert.equal(allPlans().length - before, 2, 'a step and an evaluation are one plan each')
    assert.deepEqual(train(name, true), losses)
  })

test('gradients that are computed one by one before the step change no bit of it', () => {
  const losses = train('resnet20', false)
  const realize = (net: nn.Sequential): void => [...net.parameters()].forEach(({ grad }) => grad?.realize())
  assert.deepEqual(train('resnet20', false, realize), losses)
})

test('40 layers of convolution, BatchNorm and ReLU: loss and gradients as in PyTorch; training moves on', () => {
  const { net, x, y } = drawn(() => batchNorms(40))
  const optimizer = new optim.Adam(net.parameters(), { lr: 1e-4 })
  const loss = F.crossEntropy(net(x), y)
  loss.backward()
  const convs = [...net.children()].filter((layer) => layer instanceof nn.Conv2d)
  const norms = convs.map(({ weight }) => Math.hypot(...(weight.grad?.toTypedArray() ?? [])))
  near([loss.item(), ...norms], known['40 batch norms']!)
  optimizer.step()
  assert.notEqual(F.crossEntropy(net(x), y).item(), loss.item())
})

test('two hundred layers, trained and asked about one picture and many', () => {
  const lines = Array.from({ length: 200 }, () => new nn.Linear(4, 4))
  for (const { weight } of lines) weight.copy_(Float32Array.from({ length: 16 }, (_, i) => Number(i % 5 === 0)))
  for (const { bias } of lines) bias?.copy_(new Float32Array(4))
  const net = new nn.Sequential(...lines)
  const x = tensor([[1, 2, 3, 4]])
  const outputs = net(x)
  outputs.sum().backward()
  assert.deepEqual(outputs.toArray(), [[1, 2, 3, 4]])
  assert.deepEqual(lines[0]?.bias?.grad?.toArray(), [1, 1, 1, 1])
  assert.deepEqual(
    noGrad(() => net(x).toArray()),
    [[1, 2, 3, 4]],
  )
})

test('two thousand operations in a row, of one value, of a batch and of shapes', () => {
  const w = tensor([0.5, 1], { requiresGrad: true })
  let x: Tensor = w
  for (let i = 0; i < 2000; i++) x = i % 2 === 0 ? x.mul(2) : x.div(2)
  x.sum().backward()
  assert.deepEqual(
    [x.toArray(), w.grad?.toArray()],
    [
      [0.5, 1],
      [1, 1],
    ],
  )

  const line = new nn.Linear(2, 2)
  const outputs = line(tensor([[1, 2]]))
  let y: Tensor = outputs
  for (let i = 0; i < 2000; i++) y = i % 2 === 0 ? y.mul(2) : y.div(2)
  y.sum().backward()
  assert.deepEqual(y.toArray(), outputs.toArray())
  assert.deepEqual(line.bias?.grad?.toArray(), [1, 1])

  let z = tensor([[1, 2, 3]])
  for (let i = 0; i < 500; i++) z = z.transpose(0, 1)
  assert.deepEqual(z.toArray(), [[1, 2, 3]])
})
