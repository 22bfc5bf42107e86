/** The article's nets in Keras' idiom: summaries, configurations, and the losses of 100 steps on CIFAR-10. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  clearSession,
  layers,
  losses,
  optimizers,
  Sequential,
  summaryText,
  type Optimizer,
  type OptimizerName,
} from '../../src/keras/index.js'
import { callbacks, datasets } from '../../src/keras/index.node.js'
import { lenet } from '../../src/models/lenetKeras.js'
import { lenet1 } from '../../src/models/lenet1Keras.js'
import { whyNoCifar10 } from '../cli/run.js'
import { kerasOracle, setKernels } from '../oracle/kerasCases.js'

const nets = { lenet, lenet1 } as const
const names = ['lenet', 'lenet1'] as const
const { nets: oracle } = kerasOracle()

for (const name of names)
  test(`${name}: summary and configuration as Keras'`, () => {
    clearSession()
    const model = nets[name](3, 10)
    for (const columns of ['80', '84'] as const)
      assert.equal(summaryText(model, Number(columns)), oracle[name].summary[columns].replace(/\n*$/, '\n'))
    assert.deepEqual(JSON.parse(JSON.stringify(model.getConfig())), oracle[name].config)
    model.compile({
      optimizer: 'adam',
      loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }),
      metrics: ['accuracy'],
    })
    assert.deepEqual(JSON.parse(JSON.stringify(model.getCompileConfig())), oracle[name].compile)
  })

test('a model that is not built yet: layers without weights wait for nothing, or for their input, as in Keras', () => {
  const model = new Sequential([
    layers.conv2d(8, 3),
    layers.activation('relu'),
    layers.maxPooling2d(2),
    layers.flatten(),
    layers.dropout(0.5),
    layers.zeroPadding2d(1),
  ])
  const cells = summaryText(model, 80)
    .split('\n')
    .filter((line) => line.startsWith('│'))
    .map((line) => line.split('│').map((cell) => cell.trim()))
  // keras.Sequential([...]).summary() of 3.15.1
  assert.deepEqual(
    cells.map(([, , shape, params]) => `${shape} ${params}`),
    ['? 0 (unbuilt)', '? 0', '? 0', '? 0 (unbuilt)', '? 0', '? 0 (unbuilt)'],
  )
})

/** Losses of 100 batches in the data's own order, and the model. */
async function stepLosses(name: keyof typeof nets, optimizer: Optimizer | OptimizerName, weights = 1) {
  clearSession()
  const [[images, labels]] = await datasets.cifar10.loadData()
  const [x, y] = [images.div(255).slice(0, 3200), labels.slice(0, 3200)]
  const model = nets[name](3, 10)
  setKernels(model, weights)
  const loss = losses.sparseCategoricalCrossentropy({ fromLogits: true })
  model.compile({ optimizer, loss, metrics: ['accuracy'] })
  const found: number[] = []
  let before = 0
  const onTrainBatchEnd = (batch: number, logs: Readonly<Record<string, number>>): void => {
    const sum = (logs['loss'] ?? NaN) * (batch + 1) // logs are means since the epoch began
    found.push(sum - before)
    before = sum
  }
  await model.fit(x, y, { shuffle: false, verbose: 0, callbacks: [new callbacks.LambdaCallback({ onTrainBatchEnd })] })
  assert.equal(found.length, 100)
  return { found, model, x, y }
}

/** The largest difference of the first `count`. */
const apart = (found: readonly number[], expected: readonly number[], count: number): number =>
  Math.max(...found.slice(0, count).map((loss, i) => Math.abs(loss - (expected[i] ?? NaN))))

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b) / values.length

/**
 * Two float32 runs of one net part when two values in a max-pool are equal but for the last digit: Keras from itself too
 * (make/keras_runs.py). So: all 100 at a small learning rate, and at Keras' own the first ones and the mean.
 */
describe('losses on CIFAR-10 follow Keras', { skip: await whyNoCifar10() }, () => {
  for (const name of names) {
    test(`${name}, 100 steps as compile('sgd') makes them`, async () => {
      const { found } = await stepLosses(name, 'sgd', 3)
      const all = apart(found, oracle[name].by_sgd, 100)
      assert.ok(all <= 1e-3, `${all} apart`)
    })

    test(`${name}, 100 steps of 1e-4`, async () => {
      const { found } = await stepLosses(name, optimizers.adam({ learningRate: 1e-4 }))
      const { slow } = oracle[name]
      const [first, all] = [apart(found, slow, 50), apart(found, slow, 100)]
      assert.ok(first <= 1e-3, `the first 50: ${first} apart`)
      assert.ok(all <= { lenet: 1e-3, lenet1: 4e-3 }[name], `all: ${all} apart`)
      assert.ok(Math.abs(mean(found) - mean(slow)) <= 2e-4, 'the mean')
    })

    test(`${name}, 100 steps as compile('adam') makes them`, async () => {
      const { found, model, x, y } = await stepLosses(name, 'adam')
      const known = oracle[name]
      const first = apart(found, known.losses, 10)
      assert.ok(first <= 1e-5, `the first 10: ${first} apart`)
      assert.ok(Math.abs(mean(found) - mean(known.losses)) <= 0.02, `the mean: ${mean(found)}, ${mean(known.losses)}`)
      const [loss = NaN] = await model.evaluate(x.slice(0, 320), y.slice(0, 320), { verbose: 0 })
      assert.ok(Math.abs(loss - (known.evaluated[0] ?? NaN)) <= 0.1, `${loss}, ${known.evaluated[0]}`)
      assert.equal(summaryText(model, 80), known.summary.trained.replace(/\n*$/, '\n'))
    })
  }
})
