/** Callbacks that are told the values that Keras' were told do what those did. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { callbacks, layers, Sequential, tensor, type Callback } from '../../src/keras/index.node.js'
import { output } from '../../src/keras/output.js'
import { kerasOracle, type ToldCallback } from '../oracle/kerasCases.js'

const oracle = kerasOracle().callbacks
type Logs = Record<string, number>

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'lenet-keras-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function tinyModel(): Sequential {
  const model = new Sequential([layers.dense(1, { inputShape: [2] })])
  model.compile({ optimizer: 'sgd', loss: 'mse' })
  model.buildOptimizer()
  return model
}

/** `drive` of keras_runs.py: kernels are the epoch's number. */
async function drive(t: TestContext, callback: Callback, logsOf = (v: number): Logs => ({ loss: v / 2, val_loss: v })) {
  const model = tinyModel()
  let text = ''
  t.mock.method(output, 'write', (part: string) => void (text += part))
  callback.setModel(model)
  const logs: Logs[] = []
  await callback.onTrainBegin({})
  for (const [epoch, value] of oracle.values.entries()) {
    await callback.onEpochBegin(epoch, {})
    model.setWeights([new Float32Array(2).fill(epoch), new Float32Array(1)])
    const told = logsOf(value)
    await callback.onEpochEnd(epoch, told)
    logs.push(told)
    if (model.stopTraining) break
  }
  await callback.onTrainEnd({})
  const weight = model.getWeights()[0]?.toTypedArray()[0]
  return { epochs: logs.length, rate: model.optimizer?.learningRate ?? NaN, logs, weight, text }
}

function assertSame(found: Awaited<ReturnType<typeof drive>>, known: ToldCallback): void {
  assert.equal(found.epochs, known.epochs)
  assert.ok(Math.abs(found.rate / known.rate - 1) < 1e-7)
  assert.equal(found.weight, known.weight)
  assert.equal(found.text, known.text)
  known.logs.forEach((logs, i) => {
    assert.deepEqual(Object.keys(found.logs[i] ?? {}), Object.keys(logs))
    for (const [name, value] of Object.entries(logs))
      assert.ok(Math.abs((found.logs[i]?.[name] ?? NaN) - value) < 1e-9, `${name} of epoch ${i}`)
  })
}

describe('EarlyStopping', () => {
  for (const known of oracle.EarlyStopping)
    test(JSON.stringify(known.options), async (t) =>
      assertSame(await drive(t, new callbacks.EarlyStopping(known.options)), known),
    )
})

describe('ReduceLROnPlateau', () => {
  for (const known of oracle.ReduceLROnPlateau)
    test(JSON.stringify(known.options), async (t) =>
      assertSame(await drive(t, new callbacks.ReduceLROnPlateau(known.options)), known),
    )
})

test('LearningRateScheduler', async (t) => {
  const schedule = (epoch: number, rate: number): number => (epoch > 2 ? rate * 0.9 : rate)
  assertSame(
    await drive(t, new callbacks.LearningRateScheduler(schedule, { verbose: 1 })),
    oracle.LearningRateScheduler,
  )
})

test('CSVLogger', async (t) => {
  const path = join(folderFor(t), 'log.csv')
  await drive(t, new callbacks.CSVLogger(path))
  assert.equal(readFileSync(path, 'utf8'), oracle.CSVLogger.with)
  await drive(t, new callbacks.CSVLogger(path, { append: true }))
  assert.equal(readFileSync(path, 'utf8'), oracle.CSVLogger.with + oracle.CSVLogger.with.replace(/^.*\r\n/, ''))
  t.mock.restoreAll()
  await drive(t, new callbacks.CSVLogger(path, { separator: ';' }), (v) => ({ loss: v, accuracy: 1e-5 * v }))
  assert.equal(readFileSync(path, 'utf8'), oracle.CSVLogger.without)
})

test('TerminateOnNaN ends training quietly; without it the error says where', async (t) => {
  const model = new Sequential([layers.dense(1, { inputShape: [2] })])
  model.compile({ optimizer: 'sgd', loss: 'mse' })
  const [x, y] = [
    tensor([
      [1, 2],
      [NaN, 0],
      [1, 1],
    ]),
    tensor([[1], [2], [3]]),
  ]
  const options = { batchSize: 1, shuffle: false, verbose: 0 } as const
  t.mock.method(output, 'write', () => {})
  const history = await model.fit(x, y, { ...options, callbacks: [new callbacks.TerminateOnNaN()] })
  assert.equal(Number.isNaN(history.history['loss']?.[0]), true)
  model.setWeights([new Float32Array(2), new Float32Array(1)])
  await assert.rejects(model.fit(x, y, options), /the loss is NaN at epoch 1, batch 2: training has diverged/)
})

/** Records of an event file: their checksums are checked. */
function records(bytes: Buffer): Buffer[] {
  const found: Buffer[] = []
  for (let at = 0; at < bytes.length;) {
    const length = Number(bytes.readBigUInt64LE(at))
    found.push(bytes.subarray(at + 12, at + 12 + length))
    at += length + 16
  }
  return found
}

test('TensorBoard writes scalars of each epoch', async (t) => {
  const folder = folderFor(t)
  await drive(t, new callbacks.TensorBoard({ logDir: folder }))
  assert.deepEqual(readdirSync(folder).toSorted(), ['train', 'validation'])
  const [file = ''] = readdirSync(join(folder, 'train'))
  assert.match(file, /^events\.out\.tfevents\.\d{10}\./)
  const [version, first, ...rest] = records(readFileSync(join(folder, 'train', file)))
  assert.equal(version?.includes('brain.Event:2'), true)
  assert.equal(first?.includes('epoch_loss'), true)
  assert.equal(first?.readFloatLE(first.length - 4), 0.5)
  assert.equal(rest.length, 2 * oracle.values.length - 1)
})

test('EpochEvents tells epochs in camelCase', async (t) => {
  const told: object[] = []
  await drive(t, new callbacks.EpochEvents((event) => told.push({ ...event, seconds: 0 })))
  const [value = NaN] = oracle.values
  const first = { event: 'epoch', epoch: 1, loss: value / 2, accuracy: NaN, valLoss: value, seconds: 0 }
  assert.deepEqual(told[0], first)
  assert.equal(told.length, oracle.values.length)
})
