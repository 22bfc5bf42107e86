/**
 * Training that changes programs, in Keras's idiom, for check_optimizer_keras.py. `write FOLDER`: for each optimizer five
 * steps of LeNet, the files ours_NAME.keras, ours_NAME.h5 and, for Keras 2, ours_NAME_keras2.h5, and the losses of five
 * steps more in ours.json. `read FOLDER FILE…`: goes on from each file and writes the losses of five steps to read.json.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeKerasH5 } from '../../../src/formats/index.js'
import { loadModel, losses, optimizers, tensor, type Optimizer, type Model } from '../../../src/keras/index.node.js'
import { kerasFileOf } from '../../../src/keras/modelFile.js'
import { lenetKeras } from '../../../src/models/index.js'
import { manualSeed } from '../../../src/tensor/index.js'
import { peerPictures } from './peerNets.js'

const [mode, folder, ...files] = process.argv.slice(2)
if (folder === undefined) throw new Error('usage: node trainOnwardKeras.js write|read FOLDER FILE…')

const x = peerPictures(8).permute(0, 2, 3, 1)
const y = tensor(Int32Array.from({ length: 8 }, (_, i) => i))

/** As check_optimizer_keras.py builds them. */
const makers: Readonly<Record<string, () => Optimizer>> = {
  adam: () => optimizers.adam({ learningRate: 1e-3 }),
  sgd: () => optimizers.sgd({ learningRate: 0.05, momentum: 0.9 }),
  rmsprop: () => optimizers.rmsprop({ learningRate: 3e-4, momentum: 0.5 }),
}

async function fiveSteps(model: Model): Promise<readonly number[]> {
  const { history } = await model.fit(x, y, { epochs: 5, batchSize: 8, shuffle: false, verbose: 0 })
  return history['loss'] ?? []
}

const found: Record<string, readonly number[]> = {}
if (mode === 'write') {
  for (const [name, make] of Object.entries(makers)) {
    manualSeed(3)
    const model = lenetKeras(3)
    model.compile({ optimizer: make(), loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }) })
    await fiveSteps(model)
    await model.save(join(folder, `ours_${name}.keras`))
    await model.save(join(folder, `ours_${name}.h5`))
    const keras2 = await writeKerasH5(kerasFileOf(model), { optimizerFor: 'keras2' })
    writeFileSync(join(folder, `ours_${name}_keras2.h5`), keras2)
    found[name] = await fiveSteps(model)
  }
}
for (const file of files) found[file] = await fiveSteps(await loadModel(join(folder, file)))
writeFileSync(join(folder, mode === 'write' ? 'ours.json' : 'read.json'), JSON.stringify(found))
