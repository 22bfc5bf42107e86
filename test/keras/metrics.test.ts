/** Metrics that no frozen run of Keras has: top-k of one-hot labels. Not here: those of keras.json (oracle.test.ts). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { layers, losses, metrics, Sequential } from '../../src/keras/index.js'
import { tensor } from '../../src/tensor/index.js'

const scores = [
  [0.1, 0.5, 0.2, 0.2],
  [0.7, 0.1, 0.15, 0.05],
  [0.3, 0.2, 0.4, 0.1],
]
const labels = [2, 3, 0]
/** The label's rank, counted by hand: 0.2 shares the second place (Keras counts what is greater), last, second. */
const within2 = 2 / 3

function evaluated(metric: ReturnType<(typeof metrics)['topKCategoricalAccuracy']>, oneHot: boolean) {
  const model = new Sequential([layers.activation('linear', { inputShape: [4] })])
  const loss = oneHot ? losses.categoricalCrossentropy() : losses.sparseCategoricalCrossentropy()
  model.compile({ loss, metrics: [metric] })
  const rows = labels.map((label) => [0, 1, 2, 3].map((i) => (i === label ? 1 : 0)))
  const given = oneHot ? tensor(rows) : tensor(labels.map((label) => [label]))
  return model.evaluate(tensor(scores), given, { verbose: 0 })
}

test('the label is among the k largest outputs, of class numbers and of one-hot labels', async () => {
  const [, sparse = NaN] = await evaluated(metrics.sparseTopKCategoricalAccuracy({ k: 2 }), false)
  const [, oneHot = NaN] = await evaluated(metrics.topKCategoricalAccuracy({ k: 2 }), true)
  assert.ok(Math.abs(sparse - within2) < 1e-6, `${sparse}`)
  assert.ok(Math.abs(oneHot - within2) < 1e-6, `${oneHot}`)
  assert.equal(metrics.topKCategoricalAccuracy().name, 'top_k_categorical_accuracy')
  assert.throws(() => metrics.topKCategoricalAccuracy({ k: 0 }), /TopKCategoricalAccuracy: k must be 1 or more, got 0/)
})

test('binary accuracy of logits: those above 0 are taken for 1; it is found again by its configuration', async () => {
  const model = new Sequential([layers.activation('linear', { inputShape: [1] })])
  const metric = metrics.binaryAccuracy({ threshold: 0, name: 'accuracy' })
  model.compile({ loss: losses.binaryCrossentropy({ fromLogits: true }), metrics: [metric] })
  const config = model.getCompileConfig()
  assert.ok(config)
  model.compileFromConfig(JSON.parse(JSON.stringify(config)) as typeof config)
  assert.deepEqual(model.getCompileConfig(), config)
  const [, accuracy] = await model.evaluate(tensor([[0.3], [-0.3], [2], [-2]]), tensor([[1], [0], [0], [0]]), {
    verbose: 0,
  })
  assert.equal(accuracy, 0.75) // 0.5 with the usual threshold
})

test('it is found again by its configuration', () => {
  const model = new Sequential([layers.dense(4, { inputShape: [2] })])
  model.compile({ loss: 'categoricalCrossentropy', metrics: [metrics.topKCategoricalAccuracy({ k: 3, name: 'top3' })] })
  const config = model.getCompileConfig()
  assert.ok(config)
  model.compileFromConfig(JSON.parse(JSON.stringify(config)) as typeof config)
  assert.deepEqual(model.getCompileConfig(), config)
})
