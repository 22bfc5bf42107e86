/** What people give to fit and predict: bytes stay bytes, views are no copies, and what does not fit is told. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { layers, losses, Sequential, tensor, utils, type Tensor } from '../../src/keras/index.node.js'
import { Places, Rows } from '../../src/keras/rows.js'
import { manualSeed, rand } from '../../src/tensor/index.js'
import { Numbers } from '../oracle/kerasCases.js'

const bytes = tensor(
  Uint8Array.from(new Numbers(1).uniform(20 * 5 * 4 * 3), (u) => u * 256),
  { shape: [20, 5, 4, 3] },
)

/** Rows as they are computed in batches, against the same rows of the whole. */
function assertRows(x: Tensor, index: readonly number[]): void {
  const found = new Rows(x).at(new Places(Int32Array.from(index)))
  const whole = Array.from(x.toTypedArray())
  const size = whole.length / x.size(0)
  const rows = index.flatMap((n) => whole.slice(n * size, (n + 1) * size))
  const shown = x.dim() === 4 ? found.permute(0, 2, 3, 1) : found
  assert.deepEqual(shown.shape, [index.length, ...x.shape.slice(1)])
  assert.deepEqual(Array.from(shown.toTypedArray()), rows)
}

describe('rows of a batch', () => {
  const scale = tensor([0.5, 2, 4])
  const floats = bytes.float()
  const cases: Readonly<Record<string, Tensor>> = {
    floats,
    'divided bytes': bytes.div(255),
    'a chain with constants of channels': bytes.div(255).sub(0.5).mul(scale).exp(),
    'a constant of pixels': bytes.float().mul(rand([5, 4, 3])),
    'another order of dimensions': bytes.float().permute(0, 2, 1, 3).div(2),
    'a part': bytes.div(255).slice(5, 15),
    'a part of a part': bytes.div(255).slice(5, 15).slice(2, 9).mul(2),
    'two tables': floats.add(floats.mul(2)),
    flattened: bytes.div(255).view(20, 60),
    'not row by row': floats.sub(floats.mean()),
  }
  for (const [name, x] of Object.entries(cases)) test(name, () => assertRows(x, [3, 0, 6, 6]))
})

test('bytes given to predict are not made floats as a whole', async () => {
  const model = new Sequential([layers.flatten({ inputShape: [5, 4, 3] })])
  const lazy = bytes.div(255)
  const found = await model.predict(lazy, { verbose: 0 })
  assert.equal(lazy.node.storage, null)
  assert.deepEqual(
    Array.from(found.toTypedArray()),
    Array.from(bytes.toTypedArray(), (v) => Math.fround(v / 255)),
  )
})

test('take computes a few rows', () => {
  const [images, labels] = utils.take([bytes.div(255), tensor(Uint8Array.from({ length: 20 }, (_, i) => i))], 2, 4)
  assert.deepEqual(images.shape, [2, 5, 4, 3])
  assert.deepEqual(labels.toArray(), [2, 3])
  assert.equal(images.toTypedArray()[0], Math.fround((bytes.toTypedArray()[120] ?? 0) / 255))
})

describe('what does not fit', () => {
  const compiled = (): Sequential => {
    const model = new Sequential([layers.flatten({ inputShape: [5, 4, 3] }), layers.dense(3)])
    model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
    return model
  }
  const labels = Array.from({ length: 20 }, (_, i) => i % 3)
  const quiet = { verbose: 0 } as const
  const cases: Readonly<Record<string, readonly [() => unknown, RegExp]>> = {
    'no compile': [
      () => new Sequential([layers.dense(1)]).fit([[1]], [1]),
      /You must call `compile\(\)` before calling `fit\(\)`/,
    ],
    'no layers': [() => new Sequential().predict([[1]]), /has no layers/],
    'other sizes': [
      () => compiled().fit(rand([20, 4, 4, 3]), labels, quiet),
      /expected shape=\(None, 5, 4, 3\), found shape=\(None, 4, 4, 3\)/,
    ],
    'fewer labels': [
      () => compiled().fit(bytes, [1, 2], quiet),
      /Data cardinality is ambiguous.*'x' sizes: 20, 'y' sizes: 2/,
    ],
    'a label too large': [
      () =>
        compiled().fit(
          bytes,
          labels.map((v) => v + 1),
          quiet,
        ),
      /label 3 of picture 2 is not one of the 3 classes 0 to 2/,
    ],
    'one-hot labels': [
      () => compiled().fit(bytes, utils.toCategorical(labels), quiet),
      /one-hot labels go with categoricalCrossentropy/,
    ],
    'an option in another spelling': [
      () => compiled().fit(bytes, labels, { batch_size: 8 } as object),
      /fit: there is no option batch_size; there are batchSize/,
    ],
    'a batch of nothing': [
      () => compiled().evaluate(bytes, labels, { batchSize: 0 }),
      /batchSize must be a whole number of 1 or more, got 0/,
    ],
    'an unknown loss': [
      () => compiled().compile({ loss: 'hinge' as 'mse' }),
      /there is no loss 'hinge'; there are sparseCategoricalCrossentropy/,
    ],
    'an unknown optimizer': [
      () => compiled().compile({ optimizer: 'lion' as 'adam', loss: 'mse' }),
      /there is no optimizer 'lion'/,
    ],
    'an unknown padding': [
      () => layers.conv2d(1, 3, { padding: 'full' as 'same' }),
      /must be one of \{'same', 'valid'\}\. Received: full/,
    ],
    'an unknown option': [
      () => layers.dense({ units: 3, filters: 3 } as { units: number }),
      /dense: there is no option filters/,
    ],
    'weights of classes and of pictures': [
      () => compiled().fit(bytes, labels, { ...quiet, classWeight: { 1: 2 }, sampleWeight: labels }),
      /cannot use `classWeight` and `sampleWeight` at the same time/,
    ],
    'weights of fewer pictures': [
      () => compiled().fit(bytes, labels, { ...quiet, sampleWeight: [1, 2] }),
      /sampleWeight: expects one number a picture, \[20\], got the shape \[2\]/,
    ],
    'a weight below 0': [
      () => compiled().fit(bytes, labels, { ...quiet, classWeight: { 1: -2 } }),
      /classWeight must give a number of 0 or more by class number, got 1: -2/,
    ],
    'more than all smoothed': [
      () => losses.categoricalCrossentropy({ labelSmoothing: 2 }),
      /labelSmoothing must be from 0 to 1, got 2/,
    ],
    'another regularizer': [
      () => layers.dense(2, { kernelRegularizer: 'l1' }),
      /dense: regularizer "l1" is not known; there is L2/,
    ],
    'filters that do not fall into groups': [
      () => layers.conv2d(5, 3, { groups: 2 }),
      /number of filters must be evenly divisible by the number of groups\. Received: groups=2, filters=5/,
    ],
    'channels that do not fall into groups': [
      () => new Sequential([layers.conv2d(4, 3, { groups: 2, inputShape: [4, 4, 3] })]),
      /number of input channels must be evenly divisible by the number of groups.*3 channels/,
    ],
    'strides beside dilation': [
      () => layers.conv2d(4, 3, { strides: 2, dilationRate: 2 }),
      /`strides > 1` not supported in conjunction with `dilation_rate > 1`/,
    ],
    'edges that are none': [() => layers.zeroPadding2d([1, -1]), /zeroPadding2d: `padding` should be either/],
    'nothing left of a picture': [
      () => new Sequential([layers.cropping2d(2, { inputShape: [4, 6, 3] })]),
      /Values in `cropping` argument should be smaller/,
    ],
    'a reshape to other numbers': [
      () => new Sequential([layers.reshape([5, -1], { inputShape: [4, 4, 3] })]),
      /total size of the tensor must be unchanged.*\(None, 4, 4, 3\)/,
    ],
    'a permutation that is none': [() => layers.permute([1, 3]), /must be consecutive and start from 1/],
    'an axis in the middle': [
      () => new Sequential([layers.layerNormalization({ axis: 1, inputShape: [4, 4, 3] })]),
      /works on the last axis \(-1\) or on all behind the batch, got 1/,
    ],
    'a negative slope below 0': [() => layers.leakyReLU(-1), /negative_slope must be a number of 0 or more/],
    'too small for a window': [
      () => new Sequential([layers.conv2d(2, 5, { inputShape: [4, 4, 3] })]),
      /layer 'conv2d[_\d]*': Computed output size would be zero or negative/,
    ],
    'pictures that are none': [
      () => new Sequential([layers.dense(2, { inputShape: [4] }), layers.conv2d(2, 2)]),
      /Input 0 of layer 'conv2d[_\d]*' is incompatible with the layer: expected ndim=4, found ndim=2/,
    ],
  }
  for (const [name, [body, message]] of Object.entries(cases))
    test(name, () => assert.rejects(async () => void (await body()), message))
})

describe('random layers', () => {
  const x = rand([6, 8, 6, 2])
  const rowsOf = (a: Tensor, n: number): number[] => Array.from(a.slice(n, n + 1).toTypedArray())

  test('change nothing in predictions, and pictures in training', async () => {
    manualSeed(1)
    const flip = layers.randomFlip('horizontal')
    const model = new Sequential([layers.inputLayer({ shape: [8, 6, 2] }), flip])
    assert.deepEqual((await model.predict(x, { verbose: 0 })).toArray(), x.toArray())
    const inside = new Rows(x).at(new Places(Int32Array.from({ length: 6 }, (_, i) => i)))
    const out = flip.call(inside, { training: true, drawn: () => flip.draw(6) }).permute(0, 2, 3, 1)
    const turned = [0, 1, 2, 3, 4, 5].map((n) => {
      const [before, after] = [rowsOf(x, n), rowsOf(out, n)]
      const mirrored = before.map(
        (_, i) => before[Math.floor(i / 12) * 12 + (5 - (Math.floor(i / 2) % 6)) * 2 + (i % 2)],
      )
      const isSame = JSON.stringify(after) === JSON.stringify(before)
      assert.ok(isSame || JSON.stringify(after) === JSON.stringify(mirrored))
      return !isSame
    })
    assert.ok(turned.includes(true) && turned.includes(false))
  })

  test('translations by whole pixels move pictures', () => {
    const move = layers.randomTranslation([0.25, 0.25], [0, 0], { fillMode: 'constant' })
    const model = new Sequential([layers.inputLayer({ shape: [8, 6, 2] }), move])
    const inside = new Rows(x).at(new Places(Int32Array.of(0)))
    const out = move.call(inside, { training: true, drawn: () => move.draw(1) }).permute(0, 2, 3, 1)
    const expected = [...Array<number>(24).fill(0), ...rowsOf(x, 0).slice(0, -24)]
    assert.deepEqual(Array.from(out.toTypedArray()), expected)
    assert.deepEqual(model.outputShape, [8, 6, 2])
  })

  test('a crop is a part in training, and the same size else', async () => {
    const crop = layers.randomCrop(5, 4)
    const model = new Sequential([layers.inputLayer({ shape: [8, 6, 2] }), crop, layers.flatten(), layers.dense(2)])
    model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' })
    const { history } = await model.fit(x, [0, 1, 0, 1, 0, 1], { verbose: 0, epochs: 2, batchSize: 4 })
    assert.equal(history['loss']?.length, 2)
    assert.deepEqual((await model.predict(x, { verbose: 0 })).shape, [6, 2])
  })

  test('the same seed trains the same', async () => {
    const run = async (): Promise<unknown> => {
      utils.setRandomSeed(7)
      const model = new Sequential([
        layers.randomTranslation(0.2, 0.2, { inputShape: [8, 6, 2] }),
        layers.flatten(),
        layers.dropout(0.5),
        layers.dense(2),
      ])
      model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' })
      return (await model.fit(x, [0, 1, 0, 1, 0, 1], { verbose: 0, epochs: 3, batchSize: 2 })).history
    }
    assert.deepEqual(await run(), await run())
  })
})

test('frozen layers stay, and the summary says so', async () => {
  const model = new Sequential([
    layers.flatten({ inputShape: [5, 4, 3] }),
    layers.dense(4, { trainable: false }),
    layers.dense(3),
  ])
  model.compile({ optimizer: 'adam', loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }) })
  const before = model.getWeights().map((weight) => weight.toArray())
  await model.fit(
    bytes,
    Array.from({ length: 20 }, (_, i) => i % 3),
    { verbose: 0 },
  )
  const after = model.getWeights().map((weight) => weight.toArray())
  assert.deepEqual(after.slice(0, 2), before.slice(0, 2))
  assert.notDeepEqual(after.slice(2), before.slice(2))
  let text = ''
  model.summary({ lineLength: 80, printFn: (part) => (text += part) })
  assert.match(text, /Trainable params: 15 \(60\.00 B\)\n Non-trainable params: 244 \(976\.00 B\)/)
})

test('validationBatchSize changes how many pictures are evaluated at a time, not what is found', async () => {
  const [x, y] = [
    rand([20, 6]),
    tensor(
      Array.from({ length: 20 }, (_, i) => i % 3),
      { dtype: 'i32' },
    ),
  ]
  const found = []
  for (const validationBatchSize of [4, 20]) {
    manualSeed(1)
    const model = new Sequential([layers.dense(3, { inputShape: [6] })])
    model.compile({ loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }), metrics: ['accuracy'] })
    const { history } = await model.fit(x, y, {
      validationData: [x, y],
      validationBatchSize,
      shuffle: false,
      verbose: 0,
    })
    found.push([history['val_loss']?.[0] ?? NaN, history['val_accuracy']?.[0] ?? NaN] as const)
  }
  const [[loss, accuracy] = [NaN, NaN], [other, same] = [NaN, NaN]] = found
  assert.equal(accuracy, same)
  assert.ok(Math.abs(loss - other) < 1e-6)
})
