/**
 * How deep a net may be: chains of two thousand layers, one layer called two hundred times, residual nets of 56 and 110
 * layers, dense ones, in both idioms; several results of one deep net before any of them is read; micro-batches.
 * What such nets learn is compared with PyTorch in deepNets.test.ts and normNets.test.ts.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  clearSession,
  Functional,
  Input,
  layers,
  Sequential,
  type KerasTensor,
  type Layer as KerasLayer,
} from '../../src/keras/index.js'
import { F, nn, optim, type Layer } from '../../src/nn/index.js'
import { compileStep, manualSeed, noGrad, rand, tensor, type Tensor } from '../../src/tensor/index.js'
import { dense, groupNorms, residual } from './deepNets.js'

const labelsOf = (count: number): Tensor => tensor(Int32Array.from({ length: count }, (_, i) => i % 10))

/** Losses of so many steps. */
function train(net: nn.Module & Layer, x: Tensor, steps: number, lr: number, compiled = false): number[] {
  const optimizer = new optim.SGD(net.parameters(), { lr })
  const step = (inputs: Tensor, labels: Tensor): [Tensor] => {
    const loss = F.crossEntropy(net(inputs), labels)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return [loss]
  }
  const run = compiled ? compileStep(step) : step
  return Array.from({ length: steps }, () => run(x, labelsOf(x.size(0)))[0].item())
}

const falls = (losses: readonly number[]): void =>
  assert.ok(losses.every(Number.isFinite) && losses.at(-1)! < losses[0]!, losses.join(' '))

describe('chains', () => {
  test('two thousand layers build, differentiate and train', () => {
    manualSeed(1)
    const lines = Array.from({ length: 1000 }, () => new nn.Linear(4, 4))
    for (const { weight } of lines) weight.copy_(Float32Array.from({ length: 16 }, (_, i) => Number(i % 5 === 0)))
    for (const { bias } of lines) bias?.copy_(new Float32Array(4))
    const net = new nn.Sequential(...lines.flatMap((line) => [line, new nn.ReLU()]), new nn.Linear(4, 10))
    falls(train(net, rand([8, 4]), 2, 1e-4))
  })

  test('one layer called two hundred times gets the sum of all gradients', () => {
    const line = new nn.Linear(2, 2)
    line.weight.copy_([1, 0, 0, 1])
    line.bias?.copy_([0.5, 0])
    let x: Tensor = tensor([[1, 2]])
    for (let i = 0; i < 200; i++) x = line(x)
    x.sum().backward()
    assert.deepEqual(x.toArray(), [[101, 2]])
    assert.deepEqual(line.bias?.grad?.toArray(), [200, 200])
    // the input of call i is (1 + i / 2, 2)
    assert.deepEqual(line.weight.grad?.toArray(), [
      [200 + (199 * 200) / 4, 400],
      [200 + (199 * 200) / 4, 400],
    ])
  })
})

describe('shapes of deep nets train', () => {
  for (const depth of [56, 110])
    test(`a residual net of ${depth} layers`, () => {
      manualSeed(1)
      const net = residual((depth - 2) / 6)
      assert.equal(
        [...net.modules()].filter((m) => m instanceof nn.Conv2d && m.weight.shape[2] === 3).length,
        depth - 1,
      )
      falls(train(net, rand([4, 3, 8, 8]), 3, 1e-3))
    })

  test('forty layers that each see all before them', () => {
    manualSeed(1)
    falls(train(dense(4, 10), rand([4, 3, 8, 8]), 3, 1e-2))
  })

  test('compiled, with the same losses', () => {
    const losses = [false, true].map((compiled) => {
      manualSeed(1)
      return train(dense(3, 4), rand([4, 3, 8, 8]), 7, 1e-2, compiled)
    })
    assert.deepEqual(losses[1], losses[0])
  })

  test("in Keras's idiom: sixty layers in a row, and sixty with shortcuts", async () => {
    clearSession()
    const normed = (): KerasLayer[] => [
      layers.conv2d(4, 3, { padding: 'same', useBias: false }),
      layers.batchNormalization(),
      layers.activation('relu'),
    ]
    const row = new Sequential([layers.inputLayer({ shape: [6, 6, 4] }), ...Array.from({ length: 20 }, normed).flat()])
    row.add(layers.globalAveragePooling2d())
    row.add(layers.dense(10))
    const start = Input([6, 6, 4])
    let y: KerasTensor = start
    for (let i = 0; i < 20; i++) {
      let inner = y
      for (const layer of normed()) inner = layer.apply(inner)
      y = layers.add().apply([inner, y])
    }
    const end = layers.dense(10).apply(layers.globalAveragePooling2d().apply(y))
    const shortcuts = new Functional({ inputs: start, outputs: end })
    for (const net of [row, shortcuts]) {
      net.compile({ optimizer: 'sgd', loss: 'mse' })
      const { history } = await net.fit(rand([8, 6, 6, 4]), rand([8, 10]), { epochs: 3, batchSize: 8, verbose: 0 })
      falls(history['loss'] ?? [])
    }
  })
})

/** A deep net whose pictures do not depend on one another. */
function deep(): nn.Sequential {
  manualSeed(4)
  return groupNorms(40)
}

test('several results of one deep net, read later and in any order, are those of each alone', () => {
  const net = deep()
  const inputs = Array.from({ length: 4 }, () => rand([6, 3, 8, 8]))
  const alone = inputs.map((x) => [...net(x).toTypedArray()])
  const results = inputs.map((x) => net(x))
  for (const i of [2, 0, 3, 1]) assert.deepEqual([...results[i]!.toTypedArray()], alone[i])
  const quiet = noGrad(() => inputs.map((x) => net(x)))
  for (const i of [1, 3, 0, 2]) assert.deepEqual([...quiet[i]!.toTypedArray()], alone[i])
})

test('gradients of micro-batches add up to those of the batch', () => {
  const net = deep()
  const x = rand([12, 3, 8, 8])
  const gradients = (parts: number, backwardAtOnce: boolean): number[] => {
    net.zeroGrad()
    const size = 12 / parts
    const losses = Array.from({ length: parts }, (_, i) =>
      F.crossEntropy(net(x.slice(i * size, (i + 1) * size)), labelsOf(12).slice(i * size, (i + 1) * size)).div(parts),
    )
    if (backwardAtOnce) losses.reduce((a, b) => a.add(b)).backward()
    else losses.forEach((loss) => loss.backward())
    return [...net.parameters()].map(({ grad }) => Math.hypot(...(grad?.toTypedArray() ?? [])))
  }
  const whole = gradients(1, true)
  assert.ok(whole.every((norm) => norm > 0))
  for (const found of [gradients(3, false), gradients(3, true), gradients(4, false)])
    found.forEach((norm, i) =>
      assert.ok(Math.abs(norm / whole[i]! - 1) < 1e-4, `parameter ${i}: ${norm} of ${whole[i]}`),
    )
})
