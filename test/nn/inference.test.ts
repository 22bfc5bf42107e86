/** A net as a function of arrays: the bits of the net itself, whatever changes between calls. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Generator, UsageError } from '../../src/base/index.js'
import { LeNet } from '../../src/models/index.js'
import { compileInference, F, nn, optim } from '../../src/nn/index.js'
import { manualSeed, noGrad, ops, setDevice, Tensor, tensor } from '../../src/tensor/index.js'

setDevice('wasm')

const generator = new Generator(5)
const inputShape = [3, 32, 32]
const size = 3 * 32 * 32
const pixels = (count: number): Float32Array => generator.uniform(new Float32Array(count * size), -1, 1)
const bytes = (count: number): Uint8Array =>
  Uint8Array.from({ length: count * size }, () => generator.randomU32() & 255)
const shaped = (data: Float32Array | Uint8Array): Tensor =>
  tensor(data, { shape: [data.length / size, ...inputShape], dtype: data instanceof Uint8Array ? 'u8' : 'f32' })
const plainly = (net: nn.Module & ((x: Tensor) => Tensor), x: Tensor): Float32Array =>
  Float32Array.from(noGrad(() => net(x)).toTypedArray())

test('numbers of one picture and of several, before and after the net was recorded', () => {
  manualSeed(1)
  const net = new LeNet(3)
  net.eval()
  const predict = compileInference(net, { inputShape })
  for (let call = 0; call < 12; call++)
    for (const count of [1, 5, 2]) {
      const data = pixels(count)
      assert.deepEqual(predict(data), plainly(net, shaped(data)))
    }
  const data = pixels(2)
  assert.deepEqual(predict(shaped(data)), predict(data))
})

test('bytes are normalised as for training', () => {
  manualSeed(2)
  const net = new LeNet(3)
  net.eval()
  const byChannel = compileInference(net, { inputShape, mean: [0.4, 0.5, 0.6], std: [0.2, 0.3, 0.25] })
  const usual = compileInference(net, { inputShape })
  const channel = (values: number[]): Tensor => tensor(values).reshape(3, 1, 1)
  for (let call = 0; call < 8; call++) {
    const data = bytes(1 + (call % 2))
    const x = new Tensor(ops.cast(shaped(data).node, 'f32')).div(255)
    const scaled = x.sub(channel([0.4, 0.5, 0.6])).div(channel([0.2, 0.3, 0.25]))
    assert.deepEqual(byChannel(data), plainly(net, scaled))
    assert.deepEqual(usual(data), plainly(net, x.sub(0.5).div(0.5)))
  }
})

test('training goes on between calls', () => {
  manualSeed(3)
  const net = new LeNet(3)
  const predict = compileInference(net, { inputShape })
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
  const one = pixels(1)
  let before: Float32Array = Float32Array.of()
  for (let step = 0; step < 6; step++) {
    optimizer.zeroGrad()
    F.crossEntropy(net(shaped(pixels(8))), tensor(Int32Array.from({ length: 8 }, (_, i) => i))).backward()
    optimizer.step()
    for (const mode of ['train', 'eval'] as const) {
      net[mode]()
      for (let call = 0; call < 6; call++) assert.deepEqual(predict(one), plainly(net, shaped(one)))
    }
    assert.notDeepEqual(predict(one), before)
    before = predict(one)
  }
})

test('a net in training mode computes in eval mode, and stays in its own', () => {
  const net = new nn.Sequential(new nn.Flatten(), new nn.Dropout(0.9), new nn.Linear(size, 4))
  const predict = compileInference(net, { inputShape })
  const data = pixels(1)
  const found = predict(data)
  assert.equal(net.training, true)
  net.eval()
  assert.deepEqual(found, plainly(net, shaped(data)))
})

test('what does not fit is told', () => {
  const net = new LeNet(3)
  const predict = compileInference(net, { inputShape })
  assert.throws(() => predict(new Float32Array(100)), /pictures of \[3, 32, 32\], 3072 values each, got 100 values/)
  assert.throws(() => predict(new Float32Array(0)), UsageError)
  assert.throws(() => compileInference(net, { inputShape, mean: [1, 2] }), /mean has 2 values/)
  assert.throws(() => compileInference(net, { inputShape: [3, 0, 2] }), UsageError)
})
