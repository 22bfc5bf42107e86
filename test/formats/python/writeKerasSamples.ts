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
} from '../../../src/formats/index.js'
import { kerasFixtures } from '../kerasFixtures.js'
import { pick } from '../helpers.js'

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
writeFileSync(join(folder, 'logits.json'), logits)
