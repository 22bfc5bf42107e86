/** A small net of depthwise-separable blocks learns as in PyTorch: 20 losses and gradients of test/oracle/depthwise.json. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { F, nn, optim } from '../../src/nn/index.js'
import { compileStep, manualSeed, rand, tensor, type Tensor } from '../../src/tensor/index.js'
import { readOracle } from '../oracle/cases.js'
import { separable } from '../conformance/separable.js'

const known = readOracle('depthwise.json') as { readonly losses: number[]; readonly norms: number[] }
const labels = tensor(
  Array.from({ length: 16 }, (_, i) => i % 10),
  { dtype: 'i32' },
)

function near(found: readonly number[], wanted: readonly number[]): void {
  assert.equal(found.length, wanted.length)
  const apart = Math.max(...found.map((number, i) => Math.abs(number / wanted[i]! - 1)))
  assert.ok(apart <= 1e-4, `${apart} apart: ${found.join(' ')}`)
}

test('20 steps have the losses of PyTorch, the first its gradients', () => {
  manualSeed(1)
  const net = separable()
  const x = rand([16, 3, 32, 32])
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.05, momentum: 0.9 })
  const step = compileStep((pictures: Tensor) => {
    const loss = F.crossEntropy(net(pictures), labels)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return [loss]
  })
  const losses = [step(x)[0].item()]
  const convs = [...net.children()].filter((layer) => layer instanceof nn.Conv2d)
  const deep = convs.filter(({ weight }) => weight.shape[1] === 1)
  near(
    deep.map(({ weight }) => Math.hypot(...(weight.grad?.toTypedArray() ?? []))),
    known.norms,
  )
  while (losses.length < 20) losses.push(step(x)[0].item())
  near(losses, known.losses)
})
