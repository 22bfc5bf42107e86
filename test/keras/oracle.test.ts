/** Small models of every layer, loss and optimizer against real Keras: history, weights, state, predictions, texts. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { clearSession, summaryText } from '../../src/keras/index.js'
import { Sequential } from '../../src/keras/index.js'
import { tensor, type Tensor } from '../../src/tensor/index.js'
import { kerasOracle, Numbers, setKernels, type KerasCase } from '../oracle/kerasCases.js'

/** Makes the model of Keras' configuration, with the weights that Keras had. */
function modelOf({ config, compile }: KerasCase): Sequential {
  const model = Sequential.fromConfig(config)
  setKernels(model, 5)
  model.compileFromConfig(compile)
  return model
}

/** The data of `case_run`. */
function dataOf(model: Sequential, name: string): readonly [x: Tensor, y: Tensor] {
  const sizes = model.inputShape ?? []
  const numbers = new Numbers(9)
  const count = sizes.reduce((product, n) => product * n, 24)
  const x = tensor(numbers.uniform(count), { shape: [24, ...sizes] })
  const classes = Int32Array.from({ length: 24 }, (_, i) => (i * 7) % 5)
  if (name === 'pictures out') {
    const [size = 1] = model.outputShape ?? []
    return [x, tensor(numbers.uniform(24 * size), { shape: [24, size] })]
  }
  const oneHot = !['same padding', 'even windows', 'probabilities'].includes(name)
  if (!oneHot) return [x, tensor(classes)]
  return [x, tensor(Array.from(classes, (label) => Array.from({ length: 5 }, (_, i) => Number(i === label))))]
}

function near(found: ArrayLike<number>, expected: readonly number[], what: string, tolerance = 2e-5): number {
  assert.equal(found.length, expected.length, what)
  const apart = expected.map((value, i) => Math.abs((found[i] ?? NaN) - value) / Math.max(1, Math.abs(value)))
  const worst = Math.max(...apart)
  assert.ok(worst <= tolerance, `${what}: ${worst} apart`)
  return worst
}

const { cases } = kerasOracle()

describe('models as Keras trains them', () => {
  for (const known of cases)
    test(known.name, async () => {
      clearSession()
      const model = modelOf(known)
      const [x, y] = dataOf(model, known.name)
      const fitted = await model.fit(x, y, {
        batchSize: 8,
        epochs: 3,
        shuffle: false,
        validationSplit: 0.25,
        verbose: 0,
      })
      assert.deepEqual(Object.keys(fitted.history), known.keys)
      for (const key of known.keys) near(fitted.history[key] ?? [], known.history[key] ?? [], key)
      assert.deepEqual(
        model.weights.map(({ path, shape }) => [path, [...shape]]),
        known.weights.map(({ path, shape }) => [path, shape]),
      )
      model.weights.forEach((weight, i) => {
        near(weight.get().toTypedArray(), known.weights[i]?.values ?? [], weight.path, 1e-4)
      })
      near(await model.evaluate(x, y, { batchSize: 10, verbose: 0 }), [known.evaluated].flat(), 'evaluate')
      const predicted = await model.predict(x.slice(0, 3), { verbose: 0 })
      near(predicted.toTypedArray(), known.predicted.flat(), 'predict', 1e-4)
      assert.equal(summaryText(model, 80), known.summary.replace(/\n*$/, '\n'))
      assert.equal(summaryText(model, 140, { lineLength: 100, showTrainable: true }), known.wide.replace(/\n*$/, '\n'))
      const variables = model.optimizer?.variables() ?? []
      assert.deepEqual(
        variables.map(({ path, shape }) => [path, [...shape]]),
        known.variables.map(({ path, shape }) => [path, shape]),
      )
      variables.forEach(({ data, path }, i) => {
        const sum = data.reduce((total, value) => total + Math.abs(value), 0)
        near([sum], [known.variables[i]?.sum ?? NaN], path, 1e-4)
      })
    })
})

/** Without what only says how things were begun, or is Keras' own seed. */
function essential(config: unknown): unknown {
  return JSON.parse(
    JSON.stringify(config, (key, value: unknown) => (key === 'seed' || key.endsWith('_initializer') ? null : value)),
  )
}

describe('configurations as Keras writes them', () => {
  for (const known of cases)
    test(known.name, () => {
      const model = Sequential.fromConfig(known.config)
      assert.deepEqual(essential(model.getConfig()), essential(known.config))
      model.compileFromConfig(known.compile)
      const { optimizer, metrics } = known.compile
      const found = model.getCompileConfig() ?? {}
      if (typeof optimizer === 'object') assert.deepEqual(essential(found['optimizer']), essential(optimizer))
      assert.equal(Array.isArray(found['metrics']), true)
      assert.equal((found['metrics'] as unknown[]).length, Array.isArray(metrics) ? metrics.length : 0)
    })
})
