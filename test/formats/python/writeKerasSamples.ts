/**
 * Writes Keras files as we make them into a folder, for check_keras.py: the frozen models read and written again (by way of
 * the hub, too), with the pictures and logits that they must give.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  flattenInOrder,
  kerasFromNet,
  netFromKeras,
  readKeras,
  writeKeras,
  writeKerasH5,
  writeKerasWeights,
  writeTfjs,
  type KerasFile,
  type NetFile,
} from '../../../src/formats/index.js'
import { noPadding, type NetTensor } from '../../../src/formats/net.js'
import { kerasFixtures } from '../kerasFixtures.js'
import { pick } from '../helpers.js'
import { runNet } from '../runNet.js'

const [, , folder = '.'] = process.argv
const files = kerasFixtures()
const logits = readFileSync(new URL('../../../../test/formats/fixtures/keras_logits.json', import.meta.url), 'utf8')

async function writeAll(name: string, file: KerasFile): Promise<void> {
  const put = (end: string, bytes: Uint8Array): void => writeFileSync(join(folder, `${name}${end}`), bytes)
  put('.keras', await writeKeras(file))
  put('.h5', await writeKerasH5(file))
  put('.weights.h5', await writeKerasWeights(file.model, file.weights))
  if (name.startsWith('graph')) return // TF.js has no convolution in groups
  const tfjs = writeTfjs(file)
  mkdirSync(join(folder, `${name}-tfjs`), { recursive: true })
  writeFileSync(join(folder, `${name}-tfjs`, 'model.json'), tfjs.modelJson)
  for (const [shard, bytes] of tfjs.shards) writeFileSync(join(folder, `${name}-tfjs`, shard), bytes)
}

for (const name of ['keras3', 'keras2', 'graph3', 'graph2', 'sgd', 'rmsprop', 'adagrad', 'adamw']) {
  const file = await readKeras(pick(files, `${name}.keras`), name)
  await writeAll(name, file)
  await writeAll(`${name}-hub`, kerasFromNet(flattenInOrder(netFromKeras(file), 'chw')))
}

/** [3, 6, 5] → [4], by layers that none of the frozen models has. */
function framed(): NetFile {
  const data = (...shape: number[]): NetTensor => {
    const count = shape.reduce((product, size) => product * size, 1)
    return { shape, data: Float32Array.from({ length: count }, (_, i) => Math.sin(i + shape.length)) }
  }
  const [none, one] = [new Map<string, never>(), [1, 1] as const]
  const conv = { kernelSize: [2, 2], stride: one, padding: noPadding, dilation: one, groups: 1 } as const
  const weights = new Map([
    ['weight', data(4, 3, 2, 2)],
    ['bias', data(4)],
  ])
  const cut = { top: -1, bottom: 1, left: 0, right: -1 }
  const nodes: NetFile['nodes'] = [
    { name: 'conv', op: 'conv2d', outChannels: 4, ...conv, bias: true, inputs: ['x'], weights },
    { name: 'conv.activation', op: 'clamp', min: 0, max: 6, inputs: ['conv'], weights: none },
    { name: 'cut', op: 'pad', padding: cut, value: 0, inputs: ['conv.activation'], weights: none },
    { name: 'rows', op: 'slice', dim: 1, start: 1, end: 4, inputs: ['cut'], weights: none },
    { name: 'low', op: 'clamp', min: 0, max: 0.75, inputs: ['rows'], weights: none },
    { name: 'most', op: 'globalMaxPool2d', keepDims: false, inputs: ['low'], weights: none },
  ]
  return { inputs: [{ name: 'x', shape: [3, 6, 5] }], nodes, outputs: ['most'] }
}

/** The outputs for the pictures of check_keras.py, which lie as HWC. */
function outputsOf(net: NetFile): number[] {
  const pixels = Array.from({ length: 180 }, (_, i) => ((37 * i) % 101) / 101)
  const chw = (n: number): number[] =>
    Array.from({ length: 90 }, (_, i) => pixels[n * 90 + (i % 30) * 3 + Math.floor(i / 30)] ?? 0)
  return [0, 1].flatMap((n) => [...runNet(net, chw(n))])
}

for (const name of ['framed', 'framed-hub']) await writeAll(name, kerasFromNet(framed()))
writeFileSync(join(folder, 'logits.json'), JSON.stringify({ ...JSON.parse(logits), framed: outputsOf(framed()) }))
