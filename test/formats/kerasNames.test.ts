/**
 * Files of Keras whose names, types or settings contradict each other, so that weights could land in the wrong place, and
 * such as make a reader work without end (fixtures/make_keras_names.py); TF.js manifests in any order.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { inflateSync } from 'node:zlib'
import { readKeras, readKerasWeights, readTfjs, ZipArchive } from '../../src/formats/index.js'
import { pick } from './helpers.js'
import { assertRefusedLater } from './refusal.js'

const url = new URL('../../../test/formats/fixtures/keras_names.json', import.meta.url)
const fixture: { files: Record<string, string>; first: Record<string, number> } = JSON.parse(readFileSync(url, 'utf8'))
const files = new Map(
  Object.entries(fixture.files).map(([name, text]) => [name, new Uint8Array(inflateSync(Buffer.from(text, 'base64')))]),
)
await readKeras(pick(files, 'namedType.h5'), 'namedType.h5') // the library is there

const cases: readonly (readonly [string, string, RegExp])[] = [
  ['two groups swapped', 'swapGroups.h5', /the weights of layer 3 are those of fc3; .* has fc2 there/],
  ['layers listed in another order', 'swapNames.h5', /the weights of layer 3 are those of fc3; .* has fc2 there/],
  ['another name', 'renamed.h5', /the weights of layer 3 are those of other; .* has fc2 there/],
  ['beta before gamma', 'betaFirst.h5', /layer bn: its weight 1 is beta in the file; .* wants gamma there/],
  ['gamma for beta', 'gammaTwice.h5', /bn: refused: its weight_names has chain\/bn\/gamma twice/],
  ['gamma where the config has none', 'noScale.h5', /layer bn: its weight 1 is gamma .* wants beta there/],
  ['floats of 16 bits that are no halves', 'bfloatBits.h5', /fc2\/kernel: holds floats of an unusual kind/],
  ['floats of 32 bits of another kind', 'otherBits.h5', /fc2\/kernel: holds floats of an unusual kind/],
  ['whole numbers of 12 bits', 'narrow.h5', /fc2\/kernel: holds whole numbers that do not fill their bytes/],
  ['one layer 20,000 times', 'repeated.h5', /model_weights: refused: its layer_names has fc2 twice/],
  ['one number in 6,250,000 places', 'linked.h5', /refused: more than \d+ things are read of so small a file/],
  ['two groups swapped', 'swapGroups.keras', /dense_1\/vars: says that it is the layer fc3; .* has fc2 there/],
  ['a weight of no layer', 'topVars.keras', /vars: has weights; the model has none but its layers'/],
  ['a weight too many', 'moreVars.keras', /layer fc2: the file has 3 weights; .* wants 2 \(kernel, bias\)/],
  ['a layer too many', 'moreLayers.keras', /layers\/dense_7: has weights, but the model has no such layer/],
  ['a layer too few', 'lostLayer.keras', /dense_1\/vars: is missing: the weights of the model's layer fc2/],
  ['a relu of its own', 'foreignRelu.keras', /the activation of the module "evil" is not Keras's/],
  ['a function that is a class', 'classGelu.keras', /the activation "gelu" is not known as a class/],
  ['another batch normalisation', 'renorm.keras', /\(BatchNormalization bn\)\.renorm: refused/],
  ['quantised weights', 'quantised.keras', /quantised weights \(QuantizedDTypePolicy\) are not known/],
  ['a config of 5,000,000 objects', 'manyValues.keras', /config\.json: refused: JSON of more than 400000 values/],
]
for (const [what, name, reason] of cases) {
  test(`${name}: ${what} is refused`, async () => {
    await assertRefusedLater(() => readKeras(pick(files, `bad ${name}`), name), name, reason)
    assert.ok(await readKeras(pick(files, 'namedType.h5'), 'namedType.h5'), 'the process is usable afterwards')
  })
}

for (const [name, first] of Object.entries(fixture.first)) {
  test(`${name}: unusual but legal`, async () => {
    const { weights } = await readKeras(pick(files, name), name)
    assert.equal(weights.get('fc2')?.get('kernel')?.data[0], Math.fround(first))
  })
}

test('weights alone may come under other names, but not under names exchanged', async () => {
  const { model, weights } = await readKeras(pick(files, 'namedType.h5'), 'namedType.h5')
  const inner = pick(files, 'bad swapGroups.keras')
  const bytes = new ZipArchive(inner, 'x').read('model.weights.h5')
  await assertRefusedLater(() => readKerasWeights(bytes, 'w.h5', model), 'w.h5', /says that it is the layer fc3/)
  const layers = model.layers.map((layer) => ({
    ...layer,
    name: `${layer.name}_other`,
    inbound: layer.inbound.map((from) => `${from}_other`),
  }))
  const read = await readKerasWeights(bytes, 'w.h5', { ...model, layers })
  assert.deepEqual(read.weights.get('fc2_other')?.get('kernel'), weights.get('fc3')?.get('kernel'))
})

const encoder = new TextEncoder()
const layer = (class_name: string, config: object): object => ({ class_name, config })

/** A model of a batch normalisation, and its weights 0, 1 … in the order of `names`. */
function tfjs(names: readonly string[], inputs = 2): Uint8Array {
  const layers = [
    layer('InputLayer', { name: 'in', batch_input_shape: [null, inputs] }),
    layer('BatchNormalization', { name: 'bn' }),
  ]
  const weights = names.map((name) => ({ name, shape: [2], dtype: 'float32' }))
  const modelTopology = layer('Sequential', { name: 'm', layers })
  return encoder.encode(JSON.stringify({ modelTopology, weightsManifest: [{ paths: ['a.bin'], weights }] }))
}

const shard = new Uint8Array(Float32Array.of(0, 0, 1, 1, 2, 2, 3, 3).buffer)

test('TF.js: weights go by their names, in whatever order', async () => {
  const names = ['bn/beta', 'm/bn/moving_variance', 'bn/gamma', 'bn/moving_mean']
  const { weights } = await readTfjs(tfjs(names), () => shard, 'model.json')
  const found = [...(weights.get('bn') ?? [])].map(([name, { data }]) => [name, data[0]])
  assert.deepEqual(Object.fromEntries(found), { gamma: 2, beta: 0, moving_mean: 3, moving_variance: 1 })
})

const tfjsCases: readonly (readonly [string, readonly string[], RegExp])[] = [
  ['another layer', ['x/gamma', 'x/beta', 'x/moving_mean', 'x/moving_variance'], /layer bn are missing; .* those of x/],
  ['a weight twice', ['bn/gamma', 'bn/gamma', 'bn/moving_mean', 'bn/moving_variance'], /"bn\/gamma" is there twice/],
  [
    'a kernel',
    ['bn/kernel', 'bn/beta', 'bn/moving_mean', 'bn/moving_variance'],
    /its weight 1 is kernel .* wants gamma/,
  ],
]
for (const [what, names, reason] of tfjsCases) {
  test(`TF.js: weights of ${what} are refused`, () =>
    assertRefusedLater(() => readTfjs(tfjs(names), () => shard, 'model.json'), 'model.json', reason))
}
