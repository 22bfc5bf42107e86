/** Hostile and damaged Keras and TF.js files: each is refused in one line that names file, part and reason, by few steps. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { LenetError } from '../../src/base/errors.js'
import { netFromKeras, readKeras, readTfjs } from '../../src/formats/index.js'
import { pick } from './helpers.js'
import { kerasFixtures, kerasLogits, logitDifference } from './kerasFixtures.js'
import { deflatedZeros, rawZip } from './rawZip.js'
import { assertRefusedLater } from './refusal.js'

const files = kerasFixtures()
await readKeras(pick(files, 'keras3.h5'), 'keras3.h5') // the library is there

/** {@link assertRefusedLater}, and a good file is read afterwards. */
async function refused(load: () => Promise<unknown>, name: string, reason: RegExp): Promise<void> {
  await assertRefusedLater(load, name, reason)
  const net = netFromKeras(await readKeras(pick(files, 'keras3.h5'), 'keras3.h5'))
  assert.ok(logitDifference(net, kerasLogits().get('keras3') ?? []) < 1e-6, 'the process is usable afterwards')
}

const kernel = 'model_weights/fc1/chain/fc1/kernel'
const cases: readonly (readonly [string, string, RegExp])[] = [
  ['4 TB that nobody stored', 'bomb.h5', new RegExp(`${kernel}: refused: it announces 4398046511104 bytes`)],
  ['64 MB of packed zeros', 'gzipZeros.h5', new RegExp(`${kernel}: refused: it announces 67108864 bytes`)],
  ['a million chunks', 'crumbs.h5', /refused: it comes in more than 100000 pieces/],
  ['a link to another file', 'externalLink.h5', /refused: a link to the file \/etc\/passwd/],
  ['a link within the file', 'softLink.h5', /refused: a link to \/model_weights/],
  ['a group in another file', 'groupLink.h5', /model_weights\/fc1: refused: a link to the file other\.h5/],
  ['values in another file', 'externalStorage.h5', /refused: its values lie in another file/],
  ['a virtual dataset', 'virtual.h5', /refused: its values lie in other places/],
  ['texts for weights', 'texts.h5', /kernel: should hold numbers/],
  ['a missing weight', 'missing.h5', /kernel: is missing/],
  ['LZF', 'lzf.h5', /packed by LZF, which is not known here/],
  ['half a file', 'truncated.h5', /truncated/],
  ['64 bytes', 'signature.h5', /truncated/],
  ['a config of other units', 'units.h5', /layer fc1: the weight kernel in the file is \[30, 6\]; .* wants \[30, 7\]/],
  ['a config of 2^30 units', 'huge.h5', /\[30, 6\]; .* wants \[30, 1073741824\]/],
  ['Lambda', 'lambda.h5', /pool1.*the layer class "Lambda" is not known/],
  ['a name that is a path', 'renamed.h5', /refused: a layer is called "\.\.\/bn"/],
  ['an activation of its own', 'customActivation.h5', /the activation of the module "evil" is not Keras's/],
  ['900 lists in lists', 'nested.h5', /nested deeper/],
  ['a config of other units', 'units.keras', /model\.weights\.h5.*\[30, 6\].*\[30, 7\]/],
  ['Lambda', 'lambda.keras', /config\.json.*the layer class "Lambda" is not known/],
  ['a registered class', 'registered.keras', /the class "Dense" of "evil" is not Keras's/],
  ['a class of another module', 'foreign.keras', /the class "Dense" of "os" is not Keras's/],
  ['a model that is a function', 'modelClass.keras', /the class "eval" of "builtins"/],
  ['two layers of one name', 'twice.keras', /two layers are called "fc2"/],
  ['channels first', 'channelsFirst.keras', /data_format: should be one of channels_last/],
  ['layers in another order', 'swapped.keras', /layer conv1: a window of 3 × 3 does not fit/],
  ['a cycle', 'cycle.keras', /reads "head", which does not come before it/],
]

for (const [what, name, reason] of cases) {
  test(`${name}: ${what} is refused`, async () => {
    await refused(() => readKeras(pick(files, `bad ${name}`), name), name, reason)
  })
}

test('a text that says it is 1.5 GB long is refused before anything is asked for', async () => {
  const bytes = pick(files, 'keras3.h5').slice()
  const view = new DataView(bytes.buffer)
  // the value of an attribute of text: length, address of the heap, number; the first one in the root group
  const at = bytes.findIndex((_, i) => i % 8 === 0 && i > 512 && isText(view, i))
  assert.ok(at > 0)
  view.setUint32(at, 0x5d000000, true)
  await refused(() => readKeras(bytes, 'long.h5'), 'long.h5', /attribute \w+: refused: it announces 1560281088 bytes/)
})

function isText(view: DataView, at: number): boolean {
  if (at + 16 > view.byteLength) return false
  const [length, address, high] = [view.getUint32(at, true), view.getUint32(at + 4, true), view.getUint32(at + 8, true)]
  const heap = high === 0 && address + 4 <= view.byteLength && address > 0 ? view.getUint32(address, true) : 0
  return heap === 0x4c4f4347 && length > 500
}

const encoder = new TextEncoder()
const zipCases: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ['no members', rawZip([]), /neither a \.keras file/],
  ['no weights', rawZip([{ name: 'config.json', data: encoder.encode('{}') }]), /model\.weights\.h5 is missing/],
  [
    'a path outside',
    rawZip([{ name: '../config.json', data: encoder.encode('{}') }]),
    /a member is called "\.\.\/config\.json"/,
  ],
  ['a config of 512 MiB', zipWith('config.json', { packed: deflatedZeros(512), size: 2 ** 29 }), /refused|unpacks/],
  ['a config that lies', zipWith('config.json', { packed: deflatedZeros(8), size: 100 }), /unpacks to more/],
  ['weights of 512 MiB', zipWith('model.weights.h5', { packed: deflatedZeros(512), size: 2 ** 29 }), /refused|unpacks/],
  [
    'a config that is a list',
    zipWith('config.json', { data: encoder.encode('[]') }),
    /config\.json: should be an object/,
  ],
  [
    'a config of NaN',
    zipWith('config.json', { data: encoder.encode('{"class_name": NaN}') }),
    /config\.json: no valid JSON/,
  ],
  ['weights that are none', rawKeras(encoder.encode('no HDF5')), /model\.weights\.h5: no HDF5 file/],
]

interface Part {
  packed?: Uint8Array
  size?: number
  data?: Uint8Array
}

/** A .keras whose config is a small model, with one member replaced. */
function zipWith(name: string, { packed, size, data = new Uint8Array() }: Part): Uint8Array {
  const own =
    packed === undefined ? { name, data } : { name, data, packed, method: 8, deflate: true, crc: 0, size: size ?? 0 }
  const others = ['config.json', 'model.weights.h5'].filter((other) => other !== name)
  return rawZip([
    own,
    ...others.map((other) => ({ name: other, data: other === 'config.json' ? smallConfig() : data })),
  ])
}

function rawKeras(weights: Uint8Array): Uint8Array {
  return rawZip([
    { name: 'config.json', data: smallConfig() },
    { name: 'model.weights.h5', data: weights },
  ])
}

function smallConfig(): Uint8Array {
  const input = { class_name: 'InputLayer', config: { name: 'in', batch_shape: [null, 2] } }
  const dense = { class_name: 'Dense', config: { name: 'fc', units: 2 } }
  return encoder.encode(JSON.stringify({ class_name: 'Sequential', config: { name: 'm', layers: [input, dense] } }))
}

for (const [what, bytes, reason] of zipCases) {
  test(`a .keras file with ${what} is refused`, async () => {
    await refused(() => readKeras(bytes, 'x.keras'), 'x.keras', reason)
  })
}

test('neither a zip nor HDF5', async () => {
  await refused(() => readKeras(encoder.encode('hello'), 'x.h5'), 'x.h5', /neither a \.keras file/)
  await refused(() => readKeras(new Uint8Array(), 'x.h5'), 'x.h5', /neither a \.keras file/)
})

test('damaged bytes never give anything but a LenetError or a model', async () => {
  let seed = 1
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff
    return seed % below
  }
  const good = ['keras3.h5', 'latest.h5', 'gzip.h5'].map((name) => pick(files, name))
  for (let round = 0; round < 150; round++) {
    const bytes = (good[round % good.length] ?? new Uint8Array()).slice()
    for (let flip = 0; flip < 3; flip++)
      bytes[random(flip === 0 ? 3000 : bytes.length)] = [0, 255, random(256)][random(3)] ?? 0
    const read = await readKeras(bytes, 'x.h5').catch((error: unknown) => error)
    if (read instanceof Error) assert.ok(read instanceof LenetError && !read.message.includes('\n'), read.stack)
  }
})

const manifest = (paths: unknown, weight: object): Uint8Array =>
  encoder.encode(
    JSON.stringify({
      modelTopology: JSON.parse(new TextDecoder().decode(smallConfig())) as unknown,
      weightsManifest: [{ paths, weights: [{ name: 'fc/kernel', shape: [2, 2], dtype: 'float32', ...weight }] }],
    }),
  )
const tfjsCases: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ['a path', manifest(['../secret.bin'], {}), /refused: the weights' file is called/],
  ['an absolute path', manifest(['/etc/passwd'], {}), /refused: the weights' file is called/],
  ['an address', manifest(['http:evil'], {}), /refused: the weights' file is called/],
  ['weights of 4 TB', manifest(['a.bin'], { shape: [2 ** 20, 2 ** 20] }), /need 4398046511104 bytes; .* hold 16/],
  ['a short file', manifest(['a.bin'], { shape: [2, 3] }), /need 24 bytes; .* hold 16/],
  ['too long a file', manifest(['a.bin'], { shape: [2] }), /need 8 bytes; .* hold more/],
  [
    'quantised weights',
    manifest(['a.bin'], { quantization: { min: 0, scale: 1, dtype: 'int4' } }),
    /quantised as int4; uint8, uint16 and float16 are known/,
  ],
  [
    'a scale that is no number',
    manifest(['a.bin'], { quantization: { min: 0, scale: '1', dtype: 'uint8' } }),
    /scale: should be a number/,
  ],
  ['one file named twice', manifest(['a.bin', 'a.bin'], {}), /the file a\.bin is named twice/],
  ['int32 weights', manifest(['a.bin'], { dtype: 'int32' }), /weights of int32; float32 is known/],
  ['a graph model', encoder.encode('{"format": "graph-model"}'), /graph-model; only layers models are known/],
]
for (const [what, bytes, reason] of tfjsCases) {
  test(`TF.js: ${what} is refused`, async () => {
    const asked: string[] = []
    const load = (name: string): Uint8Array => {
      asked.push(name)
      return new Uint8Array(16)
    }
    await refused(() => readTfjs(bytes, load, 'model.json'), 'model.json', reason)
    assert.ok(asked.every((name) => name === 'a.bin'))
  })
}

test('the HDF5 library is loaded only when an HDF5 file is touched', () => {
  const room = JSON.stringify(new URL('../../src/formats/index.js', import.meta.url).href)
  const script = `let calls = 0
    const real = WebAssembly.instantiate
    WebAssembly.instantiate = (...given) => (calls++, real(...given))
    const { readKeras, writeKerasH5 } = await import(${room})
    await readKeras(Uint8Array.of(80, 75, 3, 4), 'x.keras').catch(() => undefined)
    const before = calls
    await readKeras(Uint8Array.of(137, 72, 68, 70, 13, 10, 26, 10), 'x.h5').catch(() => undefined)
    console.log(before, calls)`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  assert.equal(stdout, '0 1\n', stderr)
})
