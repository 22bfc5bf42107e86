/** Functional models written by hand: the same as Keras' own, shared layers, models inside models, and what is refused. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  clearSession,
  Functional,
  Input,
  KerasTensor,
  layers,
  model,
  Sequential,
  summaryText,
  tensor,
  type Layer,
} from '../../src/keras/index.node.js'
import { manualSeed, rand } from '../../src/tensor/index.js'
import { kerasLayerCases } from '../oracle/kerasCases.js'

/** `residual` of keras_layers.py. */
function residual(): Functional {
  clearSession()
  const x = Input({ shape: [6, 5, 3] })
  let y = layers.conv2d(4, 3, { padding: 'same', useBias: false, name: 'first' }).apply(x)
  y = layers.batchNormalization().apply(y)
  y = layers.activation('relu').apply(y)
  const skip = layers.conv2d(4, 1).apply(x)
  y = layers.dropout(0).apply(y)
  y = layers.add().apply([y, skip])
  y = layers.maxPooling2d(2).apply(y)
  const z = layers.depthwiseConv2d(3, { padding: 'same', activation: 'silu' }).apply(y)
  y = layers.concatenate().apply([y, z, layers.conv2d(2, 1, { activation: 'gelu' }).apply(y)])
  y = layers.globalAveragePooling2d().apply(y)
  return model({ inputs: x, outputs: layers.dense(5).apply(y), name: 'net' })
}

test('a model written as in Keras has its configuration, order and summary', () => {
  const known = kerasLayerCases().find(({ name }) => name === 'residual')
  const made = residual()
  assert.deepEqual(JSON.parse(JSON.stringify(made.getConfig())), known?.config)
  const table = (text: string): string => text.slice(0, text.indexOf(' Total params'))
  assert.equal(table(summaryText(made, 80)), table(known?.summary ?? ''))
  assert.equal(made.className, 'Functional')
  assert.equal(made.layers[0]?.className, 'InputLayer')
  assert.deepEqual([made.inputShape, made.outputShape], [[6, 5, 3], [5]])
})

test('without names of its own it is called functional, as Keras does', () => {
  clearSession()
  const x = Input([4])
  const y = layers.dense(2).apply(x)
  assert.deepEqual(
    [new Functional({ inputs: [x], outputs: [y] }).name, model({ inputs: x, outputs: y }).name],
    ['functional', 'functional_1'],
  )
  assert.equal(String(y), '<KerasTensor shape=(None, 2), dtype=float32, sparse=False, name=dense>')
  assert.deepEqual(y.shape, [null, 2])
})

test('an Input opens a Sequential too', () => {
  const made = new Sequential([Input({ shape: [4, 4, 1] }), layers.flatten(), layers.dense(2)])
  assert.deepEqual(made.outputShape, [2])
})

test('models share layers: what one learns the other knows', async () => {
  manualSeed(1)
  const x = Input([5, 5, 2])
  const features = layers.conv2d(3, 3, { activation: 'relu' }).apply(x)
  const inside = model({ inputs: x, outputs: features })
  const whole = model({ inputs: x, outputs: layers.dense(2).apply(layers.flatten().apply(features)) })
  const pictures = rand([8, 5, 5, 2])
  const before = Array.from((await inside.predict(pictures, { verbose: 0 })).toTypedArray())
  whole.compile({ optimizer: 'sgd', loss: 'mse' })
  await whole.fit(pictures, rand([8, 2]), { verbose: 0 })
  const after = Array.from((await inside.predict(pictures, { verbose: 0 })).toTypedArray())
  assert.equal(before.length, 8 * 27)
  assert.notDeepEqual(after, before)
})

test('a model inside a model that is not built gets its path', () => {
  clearSession()
  const outer = new Sequential([new Sequential([layers.dense(3)]), layers.dense(2)])
  outer.build([4])
  assert.deepEqual(
    outer.weights.map(({ path }) => path),
    [
      'sequential_1/sequential/dense/kernel',
      'sequential_1/sequential/dense/bias',
      'sequential_1/dense_1/kernel',
      'sequential_1/dense_1/bias',
    ],
  )
})

describe('frozen layers', () => {
  test('a model inside is frozen as a whole', () => {
    const inner = new Sequential([layers.dense(3, { inputShape: [4] }), layers.batchNormalization()])
    const outer = new Sequential([inner, layers.dense(2)])
    assert.equal(outer.trainableWeights.length, 6)
    inner.trainable = false
    assert.deepEqual([outer.trainableWeights.length, outer.weights.length], [2, 8])
    assert.equal(
      inner.layers.every((layer: Layer) => !layer.trainable),
      true,
    )
  })
})

describe('what is refused', () => {
  const x = Input([4, 4, 2])
  const flat = layers.flatten().apply(x)
  const cases: Readonly<Record<string, readonly [() => unknown, RegExp]>> = {
    'several outputs': [
      () => model({ inputs: x, outputs: [flat, layers.dense(2).apply(flat)] }),
      /it has 2 outputs; models of one input and one output are known/,
    ],
    'several inputs': [() => model({ inputs: [x, Input([2])], outputs: flat }), /it has 2 inputs; models of one input/],
    'an input that is none': [() => model({ inputs: flat, outputs: flat }), /inputs must be what Input\(\) gave/],
    'another input': [
      () => model({ inputs: Input([2]), outputs: flat }),
      /Graph disconnected: its output depends on the input 'input_layer/,
    ],
    'a tensor': [() => layers.flatten().apply(tensor([[1]]) as never), /apply takes what Input\(\) or another layer/],
    'two values for one': [
      () => layers.conv2d(1, 1).apply([x, x]),
      /expects 1 input\(s\), but it received 2 input tensors: \(None, 4, 4, 2\), \(None, 4, 4, 2\)/,
    ],
    'one value to merge': [() => layers.add().apply(x), /should be called on a list of at least 2 inputs/],
    'shapes that do not merge': [
      () => layers.add().apply([x, Input([4, 3, 2])]),
      /incompatible shapes. Received shapes \(None, 4, 4, 2\), \(None, 4, 3, 2\)/,
    ],
    'shapes that do not join': [
      () => layers.concatenate({ axis: 1 }).apply([x, Input([4, 3, 2])]),
      /requires inputs with matching shapes except for the concatenation axis \(1\)/,
    ],
    'one layer, two sizes': [
      () => {
        const conv = layers.conv2d(2, 1)
        conv.apply(x)
        conv.apply(Input([3, 3, 2]))
      },
      /was built for \(None, 4, 4, 2\) and is applied to \(None, 3, 3, 2\)/,
    ],
    'one name, two layers': [
      () =>
        model({ inputs: x, outputs: layers.dense(1, { name: 'a' }).apply(layers.dense(1, { name: 'a' }).apply(flat)) }),
      /The name "a" is used more than once/,
    ],
    'a random layer twice': [
      () => {
        const flip = layers.randomFlip()
        flip.apply(flip.apply(x))
      },
      /draws random numbers and can be applied only once/,
    ],
    "a layer's value in a row": [() => new Sequential([flat]), /expects a layer or an Input, got what layer/],
  }
  for (const [name, [body, message]] of Object.entries(cases)) test(name, () => assert.throws(body, message))
  test('a KerasTensor is no tensor', () => assert.equal(x instanceof KerasTensor, true))
})
