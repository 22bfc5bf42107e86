/** Models saved and loaded: the same outputs, the same next epoch; checkpoints and backups. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { saveModel } from '../../src/files/model.node.js'
import { writeZip, ZipArchive } from '../../src/formats/index.js'
import * as keras from '../../src/keras/index.node.js'
import {
  callbacks,
  Input,
  layers,
  loadModel,
  losses,
  optimizers,
  Sequential,
  summaryText,
  tensor,
  utils,
  type Model,
  type Optimizer,
  type OptimizerName,
} from '../../src/keras/index.node.js'
import { Numbers } from '../oracle/kerasCases.js'

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'lenet-keras-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const x = tensor(new Numbers(3).uniform(40 * 6 * 6 * 2), { shape: [40, 6, 6, 2] })
const y = tensor(Int32Array.from({ length: 40 }, (_, i) => i % 3))
const quiet = { verbose: 0, shuffle: false, batchSize: 8 } as const

function model(optimizer: Optimizer | OptimizerName = 'adam'): Sequential {
  const made = new Sequential([
    layers.rescaling(2, { inputShape: [6, 6, 2], offset: -1 }),
    layers.randomFlip('horizontal'),
    layers.conv2d(4, 3, { padding: 'same', strides: 2, activation: 'relu' }),
    layers.batchNormalization(),
    layers.averagePooling2d(2, { padding: 'same' }),
    layers.flatten(),
    layers.dropout(0.25),
    layers.dense(5, { activation: 'tanh' }),
    layers.dense(3, { activation: 'softmax' }),
  ])
  made.compile({ optimizer, loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
  return made
}

const predicted = async (made: Model): Promise<number[]> =>
  Array.from((await made.predict(x, { verbose: 0 })).toTypedArray())

describe('a saved model is the same model', () => {
  const kinds = {
    adam: () => optimizers.adam(),
    amsgrad: () => optimizers.adam({ amsgrad: true }),
    adamW: () => optimizers.adamW(),
    sgd: () => optimizers.sgd({ momentum: 0.9, nesterov: true }),
    rmsprop: () => optimizers.rmsprop({ momentum: 0.5, centered: true }),
    adagrad: () => optimizers.adagrad(),
  }
  for (const [kind, make] of Object.entries(kinds))
    for (const ending of ['keras', 'h5'])
      test(`${kind}, .${ending}`, async (t) => {
        const path = join(folderFor(t), `net.${ending}`)
        utils.setRandomSeed(1)
        const first = model(make())
        await first.fit(x, y, { ...quiet, epochs: 2 })
        await first.save(path)
        const second = await loadModel(path)
        assert.deepEqual(await predicted(second), await predicted(first))
        assert.equal(second.optimizer?.iterations, 10)
        assert.deepEqual(
          second.layers.map(({ name }) => name),
          first.layers.map(({ name }) => name),
        )
        utils.setRandomSeed(2)
        const once = await first.fit(x, y, quiet)
        utils.setRandomSeed(2)
        const again = await second.fit(x, y, quiet)
        const apart = Math.abs((once.history['loss']?.[0] ?? NaN) - (again.history['loss']?.[0] ?? NaN))
        assert.ok(apart < 1e-6, `${apart} apart`)
      })

  test('weights alone', async (t) => {
    const path = join(folderFor(t), 'net.weights.h5')
    const [first, second] = [model(), model()]
    await first.fit(x, y, quiet)
    await first.saveWeights(path)
    await second.loadWeights(path)
    assert.deepEqual(await predicted(second), await predicted(first))
    const other = new Sequential([layers.dense(2, { inputShape: [4] })])
    await assert.rejects(other.loadWeights(path), /net\.weights\.h5/)
  })

  test('an ending that is not known, a file that is none', async (t) => {
    const folder = folderFor(t)
    await assert.rejects(model().save(join(folder, 'net.pth')), /Invalid filepath extension for saving/)
    await assert.rejects(model().saveWeights(join(folder, 'net.h5')), /must end in `\.weights\.h5`/)
    writeFileSync(join(folder, 'net.keras'), 'no model')
    await assert.rejects(loadModel(join(folder, 'net.keras')), /net\.keras: neither a \.keras file/)
    await assert.rejects(new Sequential([layers.dense(2)]).save(join(folder, 'net.keras')), /is not built/)
  })
})

test('ModelCheckpoint saves the best, under names of epochs', async (t) => {
  const folder = folderFor(t)
  const saver = new callbacks.ModelCheckpoint(join(folder, 'net-{epoch:02d}-{loss:.2f}.keras'), {
    monitor: 'loss',
    saveBestOnly: true,
  })
  const made = model()
  const { history } = await made.fit(x, y, { ...quiet, epochs: 3, callbacks: [saver] })
  let best = Infinity
  const names = (history['loss'] ?? []).flatMap((loss, i) => {
    if (loss >= best) return []
    best = loss
    return [`net-0${i + 1}-${loss.toFixed(2)}.keras`]
  })
  assert.deepEqual(readdirSync(folder).toSorted(), names)
  assert.throws(() => new callbacks.ModelCheckpoint('net.pth'), /must end in \.keras or \.h5/)
})

test('BackupAndRestore goes on where training was broken off', async (t) => {
  const folder = join(folderFor(t), 'backup')
  const [broken, whole] = [model(), model()]
  broken.setWeights(whole.getWeights())
  utils.setRandomSeed(3)
  const expected = await whole.fit(x, y, { ...quiet, epochs: 3 })
  const stop = new AbortController()
  const stopper = new callbacks.LambdaCallback({
    onTrainBatchEnd: () => void (broken.optimizer?.iterations === 7 && stop.abort()),
  })
  const backup = (): InstanceType<typeof callbacks.BackupAndRestore> => new callbacks.BackupAndRestore(folder)
  utils.setRandomSeed(3)
  await broken.fit(x, y, { ...quiet, epochs: 3, signal: stop.signal, callbacks: [backup(), stopper] })
  assert.equal(existsSync(join(folder, 'latest.weights.h5')), true)
  const later = model()
  const resumed = await later.fit(x, y, { ...quiet, epochs: 3, callbacks: [backup()] })
  assert.deepEqual(resumed.epoch, [1, 2])
  assert.equal(expected.epoch.length, 3)
  assert.equal(existsSync(folder), false)
})

/** Every layer that files know, in a graph. */
function graph(): Model {
  const input = Input({ shape: [6, 6, 2] })
  let y = layers.conv2d(4, 3, { groups: 2, dilationRate: 2, padding: 'same', activation: 'mish' }).apply(input)
  y = layers.layerNormalization().apply(
    layers
      .zeroPadding2d([
        [1, 0],
        [0, 1],
      ])
      .apply(y),
  )
  y = layers.reLU({ maxValue: 2, negativeSlope: 0.1, threshold: 0.1 }).apply(y)
  y = layers
    .cropping2d([
      [1, 0],
      [0, 1],
    ])
    .apply(y)
  const z = layers.depthwiseConv2d(3, { depthMultiplier: 2, padding: 'same', activation: 'softsign' }).apply(input)
  const merged = [
    layers.add(),
    layers.subtract(),
    layers.multiply(),
    layers.average(),
    layers.maximum(),
    layers.minimum(),
  ]
  y = layers.concatenate({ axis: 1 }).apply(merged.map((layer) => layer.apply([y, z])))
  y = layers.dense(2).apply(layers.permute([2, 1, 3]).apply(y))
  y = layers.reshape([6, -1]).apply(layers.leakyReLU().apply(layers.eLU().apply(y)))
  y = layers.flatten().apply(layers.softmax().apply(y))
  const made = keras.model({ inputs: input, outputs: layers.dense(3).apply(y), name: 'graph' })
  made.compile({ optimizer: 'adam', loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }) })
  return made
}

describe('a functional model is the same model', () => {
  for (const ending of ['keras', 'h5'])
    test(`.${ending}`, async (t) => {
      const path = join(folderFor(t), `net.${ending}`)
      const first = graph()
      await first.fit(x, y, quiet)
      await first.save(path)
      const second = await loadModel(path)
      assert.equal(second.className, 'Functional')
      assert.deepEqual(await predicted(second), await predicted(first))
      assert.equal(summaryText(second, 80), summaryText(first, 80))
      const [once, again] = [await first.fit(x, y, quiet), await second.fit(x, y, quiet)]
      assert.ok(Math.abs((once.history['loss']?.[0] ?? NaN) - (again.history['loss']?.[0] ?? NaN)) < 1e-6)
    })

  test('.weights.h5', async (t) => {
    const path = join(folderFor(t), 'net.weights.h5')
    const [first, second] = [graph(), graph()]
    await first.saveWeights(path)
    await second.loadWeights(path)
    assert.deepEqual(await predicted(second), await predicted(first))
  })

  test('what only Keras has goes to no other format', async (t) => {
    const path = join(folderFor(t), 'net.onnx')
    await assert.rejects(saveModel(graph(), path), /only Keras's own files can hold/)
  })
})

test('an activation that means another function in Keras 2 goes into no .h5', async (t) => {
  const made = new Sequential([layers.dense(2, { inputShape: [3], activation: 'hard_sigmoid' })])
  const folder = folderFor(t)
  await made.save(join(folder, 'net.keras'))
  await assert.rejects(
    made.save(join(folder, 'net.h5')),
    /hard_sigmoid is one function in Keras 2 and another in Keras 3/,
  )
})

test('Keras takes no whole number for a momentum or a learning rate', async (t) => {
  const path = join(folderFor(t), 'net.keras')
  await model(optimizers.sgd({ learningRate: 1 })).save(path)
  const config = new TextDecoder().decode(new ZipArchive(readFileSync(path), 'net.keras').read('config.json', 1e6))
  assert.match(config, /"learning_rate":1\.0,.*"momentum":0\.0[,}]/)
})

test('names of layers that no file can hold are refused where the layer is made', () => {
  for (const name of ['a/b', '.', '..', '', 'x'.repeat(201), 'a\nb'])
    assert.throws(() => keras.layers.dense(2, { name }), {
      name: 'UsageError',
      message: /^Dense: no layer can be called /,
    })
  assert.equal(keras.layers.dense(2, { name: 'größe 1.5' }).name, 'größe 1.5')
})

test('hard_sigmoid of a file that Keras 2 wrote is refused: it is another function there', async (t) => {
  const path = join(folderFor(t), 'net.keras')
  const net = new Sequential([layers.dense(2, { inputShape: [3], activation: 'hard_sigmoid' })])
  await net.save(path)
  assert.deepEqual((await loadModel(path)).outputShape, [2])
  const zip = new ZipArchive(readFileSync(path), 'net.keras')
  const members = [...zip.members.keys()].map((name): [string, Uint8Array] => {
    const bytes = zip.read(name, 1e6)
    const isMetadata = name === 'metadata.json'
    return [name, isMetadata ? new TextEncoder().encode('{"keras_version": "2.21.0"}') : bytes]
  })
  writeFileSync(path, writeZip(members))
  await assert.rejects(loadModel(path), /layer dense.*: hard_sigmoid is one function in Keras 2 and another in Keras 3/)
})
