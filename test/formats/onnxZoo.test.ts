/**
 * Files of PyTorch's two exporters for nets of this project's kind (python/check_onnx_zoo.py --freeze made them) give
 * PyTorch's logits: as nets as data, and through every other format that has a place for what they do.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import {
  kerasFromNet,
  netFromKeras,
  readKeras,
  readOnnx,
  readTfjs,
  writeKeras,
  writeKerasH5,
  writeOnnx,
  writeTfjs,
  type NetFile,
} from '../../src/formats/index.js'
import { GraphModule, netOfModule, nn } from '../../src/nn/index.js'
import { runNet } from './runNet.js'

interface Zoo {
  readonly pictures: readonly number[]
  readonly cases: Readonly<Record<string, { readonly file: string; readonly logits: readonly (readonly number[])[] }>>
}

const path = new URL('../../../test/formats/fixtures/onnx_zoo.json', import.meta.url)
const zoo: Zoo = JSON.parse(readFileSync(path, 'utf8'))
const pictures = [0, 1].map((i) => Float32Array.from(zoo.pictures.slice(i * 192, (i + 1) * 192)))

function assertLogits(net: NetFile, logits: readonly (readonly number[])[]): void {
  pictures.forEach((picture, i) => {
    const found = runNet(net, picture)
    assert.equal(found.length, logits[i]?.length)
    found.forEach((value, at) => assert.ok(Math.abs(value - (logits[i]?.[at] ?? 9)) < 1e-5, `${value}, ${logits[i]}`))
  })
}

/** What Keras has no layer for. */
const notInKeras: Readonly<Record<string, RegExp>> = {
  constants_script_13: /a clamp from -1 to anything/,
  depthwise_dynamo: /a clamp from -2 to 1.5/,
  depthwise_script: /a clamp from -2 to 1.5/,
  pools_dynamo: /pooling with this padding/,
  pools_script_17: /pooling with this padding/,
  shapes_script_17: /a reshape that reads or fills pictures channel by channel/,
  slices_dynamo: /a part of the channels \(slice\)/,
  slices_script_13: /a part of the channels \(slice\)/,
  tokens_script_13: /a reshape that reads or fills pictures channel by channel/,
}

for (const [name, { file, logits }] of Object.entries(zoo.cases)) {
  const read = (): NetFile => readOnnx(new Uint8Array(Buffer.from(file, 'base64')), `${name}.onnx`)

  test(`${name}: the logits are PyTorch's, also when written and read again`, () => {
    const net = read()
    assertLogits(net, logits)
    const again = readOnnx(writeOnnx(net), 'again.onnx')
    assertLogits(again, logits)
    assert.deepEqual(writeOnnx(again), writeOnnx(net))
  })

  test(`${name}: the module made of it, traced, is the same net`, () => {
    assertLogits(netOfModule(new nn.Sequential(new GraphModule(read())), [3, 8, 8]), logits)
  })

  test(`${name}: through Keras and TF.js, or refused by name`, async () => {
    const net = read()
    const refusal = notInKeras[name]
    if (refusal !== undefined) return assert.throws(() => kerasFromNet(net, 'the net'), refusal)
    const keras = kerasFromNet(net, 'the net')
    assertLogits(netFromKeras(await readKeras(await writeKeras(keras), 'a.keras')), logits)
    if (name === 'norms_script_13') await assert.rejects(writeKerasH5(keras), /LayerNormalization of several axes/)
    else assertLogits(netFromKeras(await readKeras(await writeKerasH5(keras), 'a.h5')), logits)
    const { modelJson, shards } = writeTfjs(keras)
    const files = await readTfjs(modelJson, (shard) => shards.get(shard) ?? assert.fail(shard), 'model.json')
    assertLogits(netFromKeras(files), logits)
  })
}
