/** A small model trained and told of as `case_run` of the oracle's scripts does, held against what Keras did. Not a test. */
import assert from 'node:assert/strict'
import { clearSession, Functional, Sequential, summaryText, type Model } from '../../src/keras/index.js'
import { tensor, type Tensor } from '../../src/tensor/index.js'
import { Numbers, setKernels, type KerasCase, type Nested } from '../oracle/kerasCases.js'

/** The model of Keras' configuration, with the weights that Keras began with, compiled. */
export function kerasModelOf(known: KerasCase): Model {
  const { config } = known
  const model = 'input_layers' in config ? Functional.fromConfig(config) : Sequential.fromConfig(config)
  setKernels(model, 5)
  model.compileFromConfig(known.compile)
  return model
}

/** The data of `case_run`. */
export function kerasDataOf(model: Model, { labels }: KerasCase): readonly [x: Tensor, y: Tensor] {
  const sizes = model.inputShape ?? []
  const numbers = new Numbers(9)
  const count = sizes.reduce((product, n) => product * n, 24)
  const x = tensor(numbers.uniform(count), { shape: [24, ...sizes] })
  const classes = Int32Array.from({ length: 24 }, (_, i) => (i * 7) % 5)
  if (labels === 'flat') {
    const [size = 1] = model.outputShape ?? []
    return [x, tensor(numbers.uniform(24 * size), { shape: [24, size] })]
  }
  if (labels === 'classes') return [x, tensor(classes)]
  return [x, tensor(Array.from(classes, (label) => Array.from({ length: 5 }, (_, i) => Number(i === label))))]
}

function near(found: ArrayLike<number>, expected: readonly number[], what: string, tolerance = 2e-5): void {
  assert.equal(found.length, expected.length, what)
  const apart = expected.map((value, i) => Math.abs((found[i] ?? NaN) - value) / Math.max(1, Math.abs(value)))
  const worst = Math.max(...apart)
  assert.ok(worst <= tolerance, `${what}: ${worst} apart`)
}

const flatNumbers = (values: Nested): number[] =>
  values.flatMap((value) => (typeof value === 'number' ? [value] : flatNumbers(value)))

/** Trains the model with Keras' weights; everything that Keras tells must be the same. */
export async function assertTrainsAsKeras(known: KerasCase): Promise<void> {
  clearSession()
  const model = kerasModelOf(known)
  const [x, y] = kerasDataOf(model, known)
  const options = { batchSize: 8, epochs: 3, shuffle: false, validationSplit: 0.25, verbose: 0 } as const
  const { class_weight, sample_weight } = known.fit ?? {}
  const weights = {
    ...(class_weight && { classWeight: class_weight }),
    ...(sample_weight && { sampleWeight: Float32Array.from(sample_weight) }),
  }
  const fitted = await model.fit(x, y, { ...options, ...weights })
  assert.deepEqual(Object.keys(fitted.history), known.keys)
  for (const key of known.keys) near(fitted.history[key] ?? [], known.history[key] ?? [], key)
  assertWeights(model, known)
  near(await model.evaluate(x, y, { batchSize: 10, verbose: 0 }), [known.evaluated].flat(), 'evaluate')
  const predicted = await model.predict(x.slice(0, 3), { verbose: 0 })
  near(predicted.toTypedArray(), flatNumbers(known.predicted), 'predict', 1e-4)
  assert.equal(summaryText(model, 80), known.summary.replace(/\n*$/, '\n'))
  const wide = summaryText(model, 140, { lineLength: 100, showTrainable: true })
  assert.equal(wide, known.wide.replace(/\n*$/, '\n'))
  assertVariables(model, known)
}

function assertWeights(model: Model, known: KerasCase): void {
  assert.deepEqual(
    model.weights.map(({ path, shape }) => [path, [...shape]]),
    known.weights.map(({ path, shape }) => [path, shape]),
  )
  model.weights.forEach((weight, i) => {
    near(weight.get().toTypedArray(), known.weights[i]?.values ?? [], weight.path, 1e-4)
  })
}

function assertVariables(model: Model, known: KerasCase): void {
  const variables = model.optimizer?.variables() ?? []
  assert.deepEqual(
    variables.map(({ path, shape }) => [path, [...shape]]),
    known.variables.map(({ path, shape }) => [path, shape]),
  )
  variables.forEach(({ data, path }, i) => {
    const sum = data.reduce((total, value) => total + Math.abs(value), 0)
    near([sum], [known.variables[i]?.sum ?? NaN], path, 1e-4)
  })
}

/** Without what only says how things were begun, or is Keras' own seed. */
function essential(config: unknown): unknown {
  return JSON.parse(
    JSON.stringify(config, (key, value: unknown) => (key === 'seed' || key.endsWith('_initializer') ? null : value)),
  )
}

/** Configurations of the model and its compilation go through ours unchanged. */
export function assertSameConfig(known: KerasCase): void {
  const model = kerasModelOf(known)
  assert.deepEqual(essential(model.getConfig()), essential(known.config))
  const { optimizer, loss, metrics } = known.compile
  const found = model.getCompileConfig() ?? {}
  for (const [name, part] of Object.entries({ optimizer, loss }))
    if (typeof part === 'object') assert.deepEqual(essential(found[name]), essential(part))
  assert.equal(Array.isArray(found['metrics']), true)
  assert.equal((found['metrics'] as unknown[]).length, Array.isArray(metrics) ? metrics.length : 0)
}
