/** Losses, metrics, callbacks and data where Keras says something of its own; all figures are of Keras 3.15.1. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import {
  Callback,
  callbacks,
  Input,
  layers,
  losses,
  metrics,
  optimizers,
  sequential,
  tensor,
  utils,
  type CompileOptions,
  type Loss,
  type Sequential,
  type Tensor,
} from '../../src/keras/index.node.js'
import { formatted } from '../../src/keras/pythonText.js'

const values = (list: readonly number[], ...shape: number[]): Tensor => tensor(Float32Array.from(list), { shape })
const ones = (...shape: number[]): Tensor =>
  values(
    Array.from({ length: shape.reduce((a, b) => a * b) }, () => 1),
    ...shape,
  )

const close = (found: readonly number[], wanted: readonly number[], tolerance = 1e-5): void => {
  assert.equal(found.length, wanted.length)
  found.forEach((value, i) => assert.ok(Math.abs(value - (wanted[i] ?? NaN)) <= tolerance, `${found} for ${wanted}`))
}

/** A model that gives what it is given. */
function same(sizes: readonly number[], compile: CompileOptions): Sequential {
  const model = sequential([Input(sizes), layers.rescaling(1)])
  model.compile({ optimizer: 'sgd', ...compile })
  return model
}

describe('losses of every shape', () => {
  const wave = (shape: readonly number[]): Tensor => {
    const all = Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i) * 0.4 + 0.5)
    return values(all, ...shape)
  }

  test('classes lie in the last dimension', async () => {
    const labels = values([1, 0, 0, 0, 0, 1], 1, 2, 3)
    const logits = values([3, 0.5, 0.2, 0.1, -1, 2.5], 1, 2, 3)
    const loss = losses.categoricalCrossentropy({ fromLogits: true })
    // logsumexp − the label's logit, by hand
    const each = [Math.log(Math.exp(3) + Math.exp(0.5) + Math.exp(0.2)) - 3]
    each.push(Math.log(Math.exp(0.1) + Math.exp(-1) + Math.exp(2.5)) - 2.5)
    const wanted = ((each[0] ?? NaN) + (each[1] ?? NaN)) / 2
    close(await same([2, 3], { loss, metrics: ['accuracy'] }).evaluate(logits, labels, { verbose: 0 }), [wanted, 1])
  })

  test('accuracies and errors of pictures are means', async () => {
    const [x, y] = [wave([2, 2, 2, 3]), wave([2, 2, 2, 3]).gt(0.6).float()]
    const found = await same([2, 2, 3], { loss: 'mse', metrics: ['mse', 'mae', 'binary_accuracy'] }).evaluate(x, y, {
      verbose: 0,
    })
    const pairs = Array.from(x.toTypedArray(), (value, i) => [value, y.toTypedArray()[i] ?? NaN] as const)
    const mean = (of: (value: number, label: number) => number): number =>
      pairs.reduce((sum, [value, label]) => sum + of(value, label), 0) / pairs.length
    const square = mean((value, label) => (value - label) ** 2)
    const wanted = [
      square,
      square,
      mean((value, label) => Math.abs(value - label)),
      mean((value, label) => Number(Number(value > 0.5) === label)),
    ]
    close(found, wanted)
  })

  test('reductions', async () => {
    const [x, y] = [values([0.98, 0.5, 0.1, 0.2], 4, 1), values([1, 1, 0, 0], 4, 1)]
    const sampleWeight = values([1, 2, 3, 4], 4)
    const figures = {
      sum: 0.6904,
      mean: 0.1726,
      sum_over_batch_size: 0.1726,
      mean_with_sample_weight: 0.06904,
    } as const
    for (const [reduction, wanted] of Object.entries(figures)) {
      const loss = losses.meanSquaredError({ reduction: reduction as 'sum' })
      close(await same([1], { loss }).evaluate(x, y, { verbose: 0, sampleWeight }), [wanted])
    }
    close(await same([1], { loss: 'mse', lossWeights: [2] }).evaluate(x, y, { verbose: 0, sampleWeight }), [0.3452])
    assert.throws(() => losses.meanSquaredError({ reduction: 'none' as 'sum' }), /reduction must be one of/)
  })

  test('a class to ignore, which need be none of the model', async () => {
    const logits = values([8, 1, 1, 0, 3, 1, 2, 3, 5], 3, 3)
    const evaluate = (loss: Loss, labels: readonly number[], sampleWeight?: Tensor): Promise<number[]> =>
      same([3], { loss }).evaluate(logits, tensor(Int32Array.from(labels), { shape: [3] }), {
        verbose: 0,
        ...(sampleWeight && { sampleWeight }),
      })
    const ignore = (ignoreClass: number, reduction?: 'sum' | 'mean_with_sample_weight'): Loss =>
      losses.sparseCategoricalCrossentropy({ fromLogits: true, ignoreClass, ...(reduction && { reduction }) })
    const weights = values([1, 2, 3], 3)
    close(await evaluate(ignore(0), [0, 0, 2]), [0.169846])
    close(await evaluate(ignore(0), [0, 1, 2], weights), [0.424615])
    close(await evaluate(ignore(0), [0, 0, 0]), [0])
    close(await evaluate(ignore(0, 'sum'), [0, 1, 2], weights), [0.84923])
    close(await evaluate(ignore(0, 'mean_with_sample_weight'), [0, 1, 2], weights), [0.169846])
    close(await evaluate(ignore(-1), [-1, 1, 2]), [0.169846])
    await assert.rejects(evaluate(ignore(-1), [-2, 1, 2]), /label -2 of picture 0 is not one of the 3 classes/)
  })
})

describe('metrics', () => {
  const x = values([0.98, 0.5, 0.1, 0.2], 4, 1)
  const y = values([1, 1, 0, 0], 4, 1)
  const sampleWeight = values([1, 2, 3, 4], 4)

  test('by name, with the names that Keras tells', async () => {
    const model = same([1], {
      loss: 'mse',
      metrics: ['acc', 'accuracy', 'accuracy', 'mse', 'RootMeanSquaredError' as 'mse', 'precision', 'recall', 'auc'],
      weightedMetrics: ['accuracy', 'mse', 'accuracy'],
    })
    const { history } = await model.fit(x, y, { verbose: 0, sampleWeight, batchSize: 3, shuffle: false })
    const figures = Object.fromEntries(Object.entries(history).map(([name, [value]]) => [name, value ?? NaN]))
    const wanted = {
      RootMeanSquaredError: 0.2740438,
      acc: 0.75,
      accuracy: 0.75,
      accuracy_1: 0.75,
      auc: 1,
      mse: 0.0751,
      precision: 1,
      recall: 0.5,
      weighted_accuracy: 0.8,
      weighted_accuracy_1: 0.8,
      weighted_mse: 0.06904,
    }
    const { loss, ...others } = figures
    assert.deepEqual(Object.keys(others), Object.keys(wanted))
    close(Object.values(others), Object.values(wanted))
    close([loss ?? NaN], [0.1726])
  })

  test('options are taken, kept in the configuration, and unknown ones refused', async () => {
    const low = metrics.binaryAccuracy({ threshold: 0.3, name: 'low' })
    const model = same([1], { loss: 'mse', metrics: [low] })
    close(await model.evaluate(x, y, { verbose: 0 }), [0.0751, 1])
    const again = same([1], { loss: 'mse' })
    again.compileFromConfig(model.getCompileConfig() ?? {})
    assert.deepEqual(Object.keys((await again.fit(x, y, { verbose: 0 })).history), ['loss', 'low'])
    assert.throws(() => metrics.binaryAccuracy({ treshold: 0.3 } as object), /there is no option treshold/)
    assert.throws(() => metrics.meanSquaredError({ axis: 1 } as object), /there is no option axis/)
    assert.throws(() => metrics.sparseTopKCategoricalAccuracy({ K: 3 } as object), /there is no option K/)
  })

  test('a metric that is not known is told, and the model compiled without it', async () => {
    const told: string[] = []
    const model = same([1], { loss: 'mse' })
    const config = { ...model.getCompileConfig(), metrics: ['mse', { class_name: 'MeanIoU', config: {} }] }
    model.compileFromConfig(config, (text) => told.push(text))
    assert.match(told.join('\n'), /there is no metric 'MeanIoU'.*the model is compiled without it/)
    close(await model.evaluate(x, y, { verbose: 0 }), [0.0751, 0.0751])
  })

  test('F1 of several classes, AUC of both curves', async () => {
    const scores = [0.6, 0.3, 0.1, 0.2, 0.5, 0.3, 0.3, 0.4, 0.3, 0.1, 0.2, 0.7]
    const labels = [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1]
    const [given, wanted] = [values(scores, 4, 3), values(labels, 4, 3)]
    const f1 = (average: 'micro' | 'macro' | 'weighted') => metrics.f1Score({ average, name: average })
    const found = await same([3], {
      loss: 'mse',
      metrics: [
        f1('micro'),
        f1('macro'),
        f1('weighted'),
        metrics.auc({ curve: 'ROC' }),
        metrics.auc({ curve: 'PR', name: 'pr' }),
      ],
    }).evaluate(given, wanted, { verbose: 0, batchSize: 3 })
    close(found.slice(1), f1AndAreas)
    await assert.rejects(
      same([3], { loss: 'mse', metrics: ['f1_score'] }).evaluate(given, wanted, { verbose: 0 }),
      /F1Score: for 3 classes pass average/,
    )
  })
})

/** By Keras 3.15.1 of the figures above: F1 micro, macro, weighted; AUC of ROC and of PR. */
const f1AndAreas = [0.75, 0.77777773, 0.75, 0.921875, 0.8991434]

describe('training', () => {
  test('momentum has the rate of each step in it', async () => {
    for (const [nesterov, wanted] of [
      [false, -2],
      [true, -2.9],
    ] as const) {
      const model = sequential([layers.dense(1, { useBias: false, inputShape: [1], kernelInitializer: 'zeros' })])
      model.compile({ optimizer: optimizers.sgd({ learningRate: 1, momentum: 0.9, nesterov }), loss: 'mae' })
      await model.fit([[1]], [[-100]], { verbose: 0 })
      if (model.optimizer) model.optimizer.learningRate = 0.1
      await model.fit([[1]], [[-100]], { verbose: 0 })
      close(Array.from(model.getWeights()[0]?.toTypedArray() ?? []), [wanted])
    }
  })

  test('nothing to train, and layers frozen or freed between two fits', async () => {
    const frozen = sequential([layers.dense(2, { inputShape: [3], trainable: false })])
    frozen.compile({ optimizer: 'sgd', loss: 'mse' })
    const before = frozen.getWeights().map((weight) => Array.from(weight.toTypedArray()))
    assert.deepEqual(Object.keys((await frozen.fit(ones(4, 3), ones(4, 2), { verbose: 0 })).history), ['loss'])
    assert.deepEqual(
      frozen.getWeights().map((weight) => Array.from(weight.toTypedArray())),
      before,
    )
    const model = sequential([layers.dense(4, { inputShape: [3] }), layers.dense(2)])
    model.compile({ optimizer: optimizers.sgd({ momentum: 0.9 }), loss: 'mse' })
    await model.fit(ones(4, 3), ones(4, 2), { verbose: 0 })
    const [first] = model.layers
    if (first) first.trainable = false
    await model.fit(ones(4, 3), ones(4, 2), { verbose: 0 })
    const late = sequential([layers.dense(4, { inputShape: [3], trainable: false }), layers.dense(2)])
    late.compile({ optimizer: 'sgd', loss: 'mse' })
    await late.fit(ones(4, 3), ones(4, 2), { verbose: 0 })
    const [freed] = late.layers
    if (freed) freed.trainable = true
    await assert.rejects(
      late.fit(ones(4, 3), ones(4, 2), { verbose: 0 }),
      /call compile\(\) again with a new optimizer/,
    )
  })

  test('a batch of one row', async () => {
    const wave = (...shape: number[]): Tensor =>
      values(
        Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i)),
        ...shape,
      )
    const model = sequential([layers.dense(4, { inputShape: [3] }), layers.batchNormalization(), layers.dense(2)])
    model.compile({ optimizer: 'sgd', loss: 'mse' })
    const { history } = await model.fit(wave(33, 3), wave(33, 2), { verbose: 0 })
    assert.ok(Number.isFinite(history['loss']?.[0]))
    assert.ok(model.getWeights().every((weight) => weight.toTypedArray().every(Number.isFinite)))
  })

  test('callbacks of predict and evaluate hear outputs, and stop', async () => {
    const model = same([1], { loss: 'mse' })
    const heard: (readonly number[])[] = []
    let batches = 0
    class Stop extends Callback {
      override onPredictBatchEnd(batch: number, { outputs }: { readonly outputs?: Tensor }): void {
        heard.push(Array.from(outputs?.toTypedArray() ?? []))
        if (batch === 1) this.model.stopPredicting = true
      }

      override onTestBatchEnd(): void {
        batches++
        this.model.stopEvaluating = true
      }
    }
    const rows = values([1, 2, 3, 4, 5, 6, 7, 8], 8, 1)
    const found = await model.predict(rows, { verbose: 0, batchSize: 2, callbacks: [new Stop()] })
    assert.deepEqual(Array.from(found.toTypedArray()), [1, 2, 3, 4])
    assert.deepEqual(heard, [
      [1, 2],
      [3, 4],
    ])
    await model.evaluate(rows, rows, { verbose: 0, batchSize: 2, callbacks: [new Stop()] })
    assert.equal(batches, 1)
    assert.deepEqual((await model.predict(rows, { verbose: 0 })).shape, [8, 1])
  })

  test('options that there are not', () => {
    const wrong: Readonly<Record<string, () => unknown>> = {
      restore_best_weights: () => new callbacks.EarlyStopping({ restore_best_weights: true } as object),
      save_best_only: () => new callbacks.ModelCheckpoint('a.keras', { save_best_only: true } as object),
      sep: () => new callbacks.CSVLogger('a.csv', { sep: ';' } as object),
      histogramFreq: () => new callbacks.TensorBoard({ histogramFreq: 1 } as object),
      raise: () => new callbacks.TerminateOnNaN({ raise: true } as object),
      verbos: () => new callbacks.LearningRateScheduler((_, rate) => rate, { verbos: 1 } as object),
      onEpochStart: () => new callbacks.LambdaCallback({ onEpochStart: () => undefined } as object),
      nam: () => sequential([layers.dense(1)], { nam: 'mine' } as object),
      from_logits: () => losses.sparseCategoricalCrossentropy({ from_logits: true } as object),
      loss_weights: () => same([1], { loss: 'mse', loss_weights: 1 } as CompileOptions),
    }
    for (const [name, make] of Object.entries(wrong)) assert.throws(make, new RegExp(`there is no option ${name};`))
  })
})

describe('shapes and texts', () => {
  test('a second input is refused', () => {
    const model = sequential([Input([3]), layers.dense(2)])
    assert.throws(() => model.build([4]), /already been configured to use input shape \(None, 3\)/)
    assert.throws(() => model.add(Input([5])), /already been configured to use input shape \(None, 3\)/)
    model.build([3])
    assert.throws(() => sequential([layers.dense(2), Input([3])]), /an Input comes before them/)
  })

  test('a last dimension of 1 is added or taken away', async () => {
    for (const [input, given] of [
      [
        [4, 4, 1],
        [2, 4, 4],
      ],
      [[3], [2, 3, 1]],
    ] as const) {
      const model = sequential([Input(input), layers.flatten(), layers.dense(2)])
      assert.deepEqual((await model.predict(ones(...given), { verbose: 0 })).shape, [2, 2])
    }
  })

  test('toCategorical', () => {
    const rows = (labels: number[] | number[][], classes?: number): unknown =>
      utils.toCategorical(labels, classes).toArray()
    assert.deepEqual(rows([0, -1, 1], 3), [
      [1, 0, 0],
      [0, 0, 1],
      [0, 1, 0],
    ])
    assert.deepEqual(rows([1.5, 0]), [
      [0, 1],
      [1, 0],
    ])
    assert.deepEqual(utils.toCategorical([[0, 1], [2, 1]]).shape, [2, 2, 3]) // prettier-ignore
    assert.deepEqual(utils.toCategorical([[0], [2]]).shape, [2, 3])
    assert.throws(() => rows([0, 3], 3), /label 3 at place 1 is not one of the 3 classes/)
  })

  test('options of a wrong kind', () => {
    const wrong: readonly (() => unknown)[] = [
      () => layers.layerNormalization({ axis: { axis: -1 } as unknown as number }),
      () => layers.cropping2d({ cropping: '1' as unknown as number }),
      () => layers.zeroPadding2d({ padding: '1' as unknown as number }),
      () => layers.dense(2, { trainable: 'x' as unknown as boolean }),
      () => layers.leakyReLU({ negativeSlope: null as unknown as number }),
      () => layers.randomFlip('horizontal', { seed: 'x' as unknown as number }),
    ]
    for (const make of wrong) assert.throws(make, { name: 'UsageError' })
  })

  test('a seed of a random layer is its own', async () => {
    const row = values([1, 2], 1, 1, 2, 1)
    const drawn = async (seed: number): Promise<string> => {
      const flip = layers.randomFlip('horizontal', { seed, inputShape: [1, 2, 1] })
      const model = sequential([flip])
      assert.equal(JSON.stringify(model.getConfig()).includes(`"seed":${seed}`), true)
      const texts = Array.from({ length: 12 }, () => flip.draw(1).map((map) => String(map.toTypedArray())))
      assert.deepEqual((await model.predict(row, { verbose: 0 })).shape, [1, 1, 2, 1])
      return String(texts)
    }
    assert.equal(await drawn(1), await drawn(1))
    assert.notEqual(await drawn(1), await drawn(2))
  })

  test('formats of numbers', () => {
    const cases: readonly (readonly [number, string, boolean, string | undefined])[] = [
      [1, '>4', true, '   1'],
      [1, '<4', true, '1   '],
      [7, '^5', true, '  7  '],
      [2, '02d', true, '02'],
      [-2, '04d', true, '-002'],
      [12345, ',', true, '12,345'],
      [1, '+d', true, '+1'],
      [0.92236, '.2e', false, '9.22e-01'],
      [0.92236, '.0%', false, '92%'],
      [0.92236, '5.2f', false, ' 0.92'],
      [0.92236, '*>7.2f', false, '***0.92'],
      [1, '', false, '1.0'],
      [0.00001234, 'g', false, '1.234e-05'],
      [1234567, '.3g', false, '1.23e+06'],
      [0.5, '.3', false, '0.5'],
      [0.5, 'd', false, undefined],
      [1, 'x', true, undefined],
    ]
    for (const [x, spec, isWhole, wanted] of cases) assert.equal(formatted(x, spec, isWhole), wanted, `${x} as ${spec}`)
  })

  test('checkpoints have names of their own in every epoch', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'lenet-names-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const model = sequential([layers.dense(1, { inputShape: [1], kernelInitializer: 'zeros' })])
    model.compile({ optimizer: 'sgd', loss: 'mse' })
    const saver = new callbacks.ModelCheckpoint(join(folder, '{epoch:>3} {loss:.1e}.keras'))
    await model.fit(ones(4, 1), ones(4, 1), { verbose: 0, epochs: 2, callbacks: [saver] })
    assert.deepEqual(readdirSync(folder).toSorted(), ['  1 1.0e+00.keras', '  2 9.2e-01.keras'])
    const other = new callbacks.ModelCheckpoint(join(folder, '{loss:b}.keras'))
    await assert.rejects(
      model.fit(ones(4, 1), ones(4, 1), { verbose: 0, callbacks: [other] }),
      /a format that is not known/,
    )
  })
})
