/** TF.js layers models: one that TF.js saved itself (fixtures/make_tfjs.mjs), and what we write. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { inflateSync } from 'node:zlib'
import { netFromKeras, readKeras, readTfjs, writeTfjs, type KerasFile } from '../../src/formats/index.js'
import { pick } from './helpers.js'
import { kerasFixtures, kerasLogits, logitDifference } from './kerasFixtures.js'

const files = kerasFixtures()
const encoder = new TextEncoder()

/** model.json, weights.bin and logits of tfjs.json. */
function fixture(): { modelJson: Uint8Array; weights: Uint8Array; logits: readonly number[] } {
  const url = new URL('../../../test/formats/fixtures/tfjs.json', import.meta.url)
  const read: unknown = JSON.parse(readFileSync(url, 'utf8'))
  assert.ok(typeof read === 'object' && read !== null && 'modelJson' in read && 'weights' in read && 'logits' in read)
  const weights = new Uint8Array(inflateSync(Buffer.from(String(read.weights), 'base64')))
  assert.ok(Array.isArray(read.logits))
  return { modelJson: encoder.encode(String(read.modelJson)), weights, logits: read.logits.map(Number) }
}

test('a model that TF.js saved gives its logits', async () => {
  const { modelJson, weights, logits } = fixture()
  const file = await readTfjs(modelJson, () => weights, 'model.json')
  assert.deepEqual([...file.weights.keys()], ['conv1', 'dw', 'bn', 'fc'])
  assert.ok(logitDifference(netFromKeras(file), logits) < 1e-6)
})

/** The weights of the fixture as --quantize_… writes them, by their bits; TF.js computes q · scale + min. */
test('quantised weights', async () => {
  const { modelJson, weights } = fixture()
  const plain = await readTfjs(modelJson, () => weights, 'model.json')
  const json = JSON.parse(new TextDecoder().decode(modelJson)) as {
    weightsManifest: { weights: { quantization?: object; shape: number[] }[] }[]
  }
  const floats = new Float32Array(weights.slice().buffer)
  const [scale, min] = [2 / 255, -1]
  const codings = {
    uint8: (x: number) => [Math.round(Math.min(Math.max((x - min) / scale, 0), 255))],
    uint16: (x: number) => {
      const q = Math.round(Math.min(Math.max((x - min) / (2 / 65535), 0), 65535))
      return [q & 255, q >> 8]
    },
  }
  for (const [dtype, code] of Object.entries(codings)) {
    const own = dtype === 'uint8' ? scale : 2 / 65535
    for (const group of json.weightsManifest)
      for (const weight of group.weights) weight.quantization = { dtype, scale: own, min, original_dtype: 'float32' }
    const packed = Uint8Array.from([...floats].flatMap(code))
    const read = await readTfjs(encoder.encode(JSON.stringify(json)), () => packed, 'model.json')
    for (const [layer, variables] of plain.weights)
      for (const [name, { data }] of variables)
        data.forEach((value, i) => {
          const found = read.weights.get(layer)?.get(name)?.data[i] ?? NaN
          assert.ok(Math.abs(found - Math.min(Math.max(value, -1), 1)) <= own / 2 + 1e-6, `${layer} ${name}`)
        })
  }
})

test('a model goes out and comes back', async () => {
  const file = await readKeras(pick(files, 'keras3.keras'), 'keras3')
  const { modelJson, shards } = writeTfjs(file)
  const again = await readTfjs(modelJson, (name) => pick(shards, name), 'model.json')
  assert.deepEqual(again.weights, file.weights)
  assert.ok(logitDifference(netFromKeras(again), kerasLogits().get('keras3') ?? []) < 1e-6)
})

test('random layers are left out; groups, which TF.js would ignore, are refused', async () => {
  const file = await readKeras(pick(files, 'graph3.keras'), 'graph3')
  assert.throws(() => writeTfjs(file), /layer grouped: TensorFlow\.js has no convolution in 2 groups/)
  const layers = file.model.layers.filter(({ name }) => name !== 'grouped')
  const cut = layers.findIndex(({ name }) => name === 'sum')
  const model = { ...file.model, layers: layers.slice(0, cut + 1), outputs: ['sum'] }
  const weights = new Map([...file.weights].filter(([name]) => name === 'dilated' || name === 'depthwise'))
  const part: KerasFile = { model, weights }
  const { modelJson, shards } = writeTfjs(part)
  assert.ok(!new TextDecoder().decode(modelJson).includes('Random'))
  const again = await readTfjs(modelJson, (name) => pick(shards, name), 'model.json')
  assert.deepEqual(again.weights, weights)
  const padded = again.model.layers.find(({ name }) => name === 'padded')
  assert.deepEqual(padded?.inbound, ['rescaled'])
})

test('shards are cut at 4 MB', async () => {
  const data = Float32Array.from({ length: 1500 * 1000 }, (_, i) => i)
  const input = { class_name: 'InputLayer', config: { name: 'in', batch_input_shape: [null, 1500] } }
  const dense = { class_name: 'Dense', config: { name: 'fc', units: 1000, use_bias: false } }
  const topology = { class_name: 'Sequential', config: { name: 'm', layers: [input, dense] } }
  const weights = [{ name: 'fc/kernel', shape: [1500, 1000], dtype: 'float32' }]
  const json = { modelTopology: topology, weightsManifest: [{ paths: ['a.bin'], weights }] }
  const file = await readTfjs(encoder.encode(JSON.stringify(json)), () => new Uint8Array(data.buffer), 'model.json')
  const { modelJson, shards } = writeTfjs(file)
  assert.deepEqual(
    [...shards].map(([name, bytes]) => [name, bytes.length]),
    [
      ['group1-shard1of2.bin', 4 * 2 ** 20],
      ['group1-shard2of2.bin', data.byteLength - 4 * 2 ** 20],
    ],
  )
  const again = await readTfjs(modelJson, (name) => pick(shards, name), 'model.json')
  assert.deepEqual(again.weights.get('fc')?.get('kernel')?.data, data)
})
