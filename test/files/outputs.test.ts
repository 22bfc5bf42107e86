/**
 * What a net's outputs and pictures are: one output, labels, classes, as Keras compiled them; pictures that nets scale
 * themselves, behind other layers. Files and values by real Keras (fixtures/make_keras_outputs.py), through every format.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { inflateSync } from 'node:zlib'
import { encodePng } from '../../src/data/index.node.js'
import { ownScaling } from '../../src/files/index.js'
import type { NetFile, NetNode } from '../../src/formats/index.js'
import { classifier, LeNet, loadModel, nn, saveModel, torch, type ModelFile, type Tensor } from '../../src/index.js'
import * as keras from '../../src/keras/index.node.js'

interface Fixture {
  readonly file: string
  /** Keras's for two pictures. */
  readonly outputs: readonly (readonly number[])[]
  /** Bytes went in, not x / 255. */
  readonly bytes: boolean
}

const url = new URL('../../../test/formats/fixtures/keras_outputs.json', import.meta.url)
const fixtures: Readonly<Record<string, Fixture>> = JSON.parse(readFileSync(url, 'utf8'))

const at = mkdtempSync(join(tmpdir(), 'lenet-outputs-'))
after(() => rmSync(at, { recursive: true, force: true }))
const file = (name: string): string => join(at, name)
for (const [name, { file: packed }] of Object.entries(fixtures))
  writeFileSync(file(name), inflateSync(Buffer.from(packed, 'base64')))

const size = 8 * 8 * 3
const pictures = await Promise.all(
  [0, 1].map((which) =>
    encodePng(
      Uint8Array.from({ length: size }, (_, i) => (37 * (which * size + i)) % 251),
      8,
      8,
    ),
  ),
)

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))
const softmax = (row: readonly number[]): number[] => {
  const all = row.map(Math.exp)
  return all.map((value) => value / all.reduce((a, b) => a + b, 0))
}
/** How Keras's outputs become probabilities, by the fixture's name. */
function probabilities(name: string, row: readonly number[]): number[] {
  const base = name.split('.')[0] ?? ''
  const one = (p: number): number[] => [1 - p, p]
  if (['sigmoid', 'share', 'mean_of_sigmoids'].includes(base)) return one(Math.min(1, Math.max(0, row[0] ?? 0)))
  if (['logit', 'plain_logit'].includes(base)) return one(sigmoid(row[0] ?? 0))
  if (base === 'labels') return row.map(sigmoid)
  if (['classes', 'twice', 'to_minus_one', 'of_fractions', 'of_channels'].includes(base)) return softmax(row)
  return [...row]
}

async function assertPredicts(model: ModelFile, name: string, what: string): Promise<void> {
  const told = await classifier(model, { top: 10 })(pictures)
  for (const [i, row] of (fixtures[name]?.outputs ?? []).entries()) {
    const wanted = probabilities(name, row)
    const top = told[i] ?? []
    assert.equal(top.length, wanted.length, what)
    const sorted = top.map(({ probability }) => probability)
    assert.deepEqual(
      sorted,
      sorted.toSorted((a, b) => b - a),
      what,
    )
    for (const { index, probability } of top)
      assert.ok(
        Math.abs(probability - (wanted[index] ?? NaN)) < 1e-6,
        `${what}, ${index}: ${probability}, ${wanted[index]}`,
      )
  }
}

describe("nets by Keras, their outputs and their pictures' numbers", () => {
  for (const name of Object.keys(fixtures))
    test(name, async () => {
      const model = await loadModel(file(name))
      assert.equal(model.preprocessing.scale, fixtures[name]?.bytes === true ? 1 : 1 / 255)
      await assertPredicts(model, name, name)
      for (const next of ['x.keras', 'x.h5', 'x.onnx', 'x-tfjs']) {
        await saveModel(model, file(next))
        await assertPredicts(await loadModel(file(next)), name, `${name} to ${next}`)
      }
      for (const next of ['x.pth', 'x.safetensors', 'x.weights.h5']) {
        await saveModel(model, file(next))
        await assertPredicts(await loadModel(file(next), { model: file(name) }), name, `${name} to ${next}`)
      }
    })

  test('the idiom keeps both too', async () => {
    for (const name of ['logit.keras', 'labels.h5', 'sigmoids.keras', 'behind_several.keras', 'twice.keras']) {
      const model = await keras.loadModel(file(name))
      for (const next of ['y.keras', 'y.h5', 'y.onnx', 'y-tfjs']) {
        await saveModel(model, file(next))
        await assertPredicts(await loadModel(file(next)), name, `${name} to ${next}`)
      }
    }
  })
})

test('a model that was compiled and not trained opens without a notice', async () => {
  assert.deepEqual((await loadModel(file('sigmoid.keras'))).notices, [])
})

test('classifier of a module: one output is a logit, and what several are can be said', async () => {
  torch.manualSeed(1)
  const picture = await encodePng(new Uint8Array(32 * 32 * 3).fill(90), 32, 32)
  const one = new LeNet(3, 1).eval()
  const x = torch.full([1, 3, 32, 32], (90 / 255 - 0.5) / 0.5)
  const [best, other] = await classifier(one, { classes: ['cat', 'dog'] })(picture)
  const p = sigmoid(one(x).item())
  assert.ok(Math.abs((best?.probability ?? 0) - Math.max(p, 1 - p)) < 1e-6)
  assert.deepEqual([best?.class, other?.class], p > 0.5 ? ['dog', 'cat'] : ['cat', 'dog'])
  const three = new LeNet(3, 3).eval()
  const logits = three(x).toTypedArray()
  for (const { index, probability } of await classifier(three, { activation: 'sigmoid' })(picture))
    assert.ok(Math.abs(probability - sigmoid(Number(logits[index]))) < 1e-6)
  assert.throws(
    () => classifier(three, { activation: 'relu' as 'none' }),
    /activation relu: there are softmax, sigmoid/,
  )
})

test('a net that gives [N] for N pictures is of one output', async () => {
  class Flat extends nn.Module {
    fc = new nn.Linear(12, 1)
    forward(x: Tensor) {
      return this.fc(x.flatten(1)).view(-1)
    }
  }
  const picture = await encodePng(new Uint8Array(12).fill(90), 2, 2)
  const told = await classifier(new Flat(), { size: 2 })(picture)
  assert.equal(told.length, 2)
})

describe('the pixels that a net wants', () => {
  const net = (...ops: readonly object[]): NetFile => {
    const nodes = ops.map((op, i): NetNode => ({
      ...(op as NetNode),
      name: `n${i}`,
      inputs: [i === 0 ? 'x' : `n${i - 1}`],
      weights: new Map(),
    }))
    return { inputs: [{ name: 'x', shape: [3, 8, 8] }], nodes, outputs: [`n${ops.length - 1}`] }
  }
  const scaled = (scale: number | number[], offset: number | number[] = 0) => ({
    op: 'rescaling',
    scale: [scale].flat(),
    offset: [offset].flat(),
  })
  const conv = { op: 'conv2d' }
  const cases: readonly (readonly [string, NetFile, number | undefined])[] = [
    ['nothing', net(conv), undefined],
    ['x / 255', net(scaled(1 / 255), conv), 1],
    ['x · 2 / 255 − 1 in two steps', net(scaled(1, -127.5), scaled(1 / 127.5), conv), 1],
    ["the mean of ImageNet's bytes", net(scaled(1, [-123.7, -116.8, -103.9]), conv), 1],
    ["ImageNet's mean and deviation", net(scaled([4.4, 4.5, 4.4], [-2.1, -2, -1.8]), conv), 1 / 255],
    ['2x − 1', net({ op: 'dropout', p: 0.5 }, scaled(2, -1), conv), 1 / 255],
    ['255x, less the mean of bytes', net(scaled(255), scaled(1, -120), conv), 1 / 255],
    ['x as it is', net(scaled(1), conv), undefined],
    ['a scale of features, behind weights', net(conv, scaled(1 / 255)), undefined],
    ['a scale of features, behind an activation', net({ op: 'tanh' }, scaled(0.01)), undefined],
  ]
  for (const [name, given, wanted] of cases) test(name, () => assert.equal(ownScaling(given)?.scale, wanted))
})
