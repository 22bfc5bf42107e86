/**
 * The article's second half: LeNet on CIFAR-10 in Keras' idiom, from the pictures to the curves. After `npm ci`:
 * node dist/examples/keras.js [epochs]
 */
import { mkdirSync, realpathSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { taskTime, utils as pictures } from 'lenet'
import * as keras from 'lenet/keras'
import { datasets, layers, models, type History, type Model, type Sequential, type Tensor } from 'lenet/keras'
import { askedEpochs } from './epochs.js'

export function lenet(inDim = 1, nClass = 10): Sequential {
  const model = new models.Sequential()
  model.add(layers.conv2d(6, [5, 5], { activation: 'relu', inputShape: [32, 32, inDim] }))
  model.add(layers.maxPooling2d([2, 2]))
  model.add(layers.conv2d(16, [5, 5], { activation: 'relu' }))
  model.add(layers.maxPooling2d([2, 2]))
  model.add(layers.flatten())
  model.add(layers.dense(120, { activation: 'relu' }))
  model.add(layers.dense(84, { activation: 'relu' }))
  model.add(layers.dense(nClass))
  return model
}

export function lenet1(inDim = 1, nClass = 10): Sequential {
  const model = new models.Sequential()
  model.add(layers.conv2d(32, [3, 3], { activation: 'relu', inputShape: [32, 32, inDim] }))
  model.add(layers.maxPooling2d([2, 2]))
  model.add(layers.conv2d(64, [3, 3], { activation: 'relu' }))
  model.add(layers.maxPooling2d([2, 2]))
  model.add(layers.conv2d(64, [3, 3], { activation: 'relu' }))
  model.add(layers.flatten())
  model.add(layers.dense(64, { activation: 'relu' }))
  model.add(layers.dense(nClass))
  return model
}

interface Data {
  readonly trainImages: Tensor
  readonly trainLabels: Tensor
  readonly testImages: Tensor
  readonly testLabels: Tensor
}

export async function extractData(): Promise<Data> {
  const task = taskTime('get the data', true)
  const [[trainBytes, trainLabels], [testBytes, testLabels]] = await datasets.cifar10.loadData()

  // Normalize pixel values to be between 0 and 1
  const [trainImages, testImages] = [trainBytes.div(255), testBytes.div(255)]

  console.log(trainImages.shape, trainLabels.shape, testImages.shape, testLabels.shape)
  console.log(trainImages.constructor.name, trainLabels.shape.constructor.name)
  task.finish()

  using _ = taskTime('show sample pictures', true)
  const classNames = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck']
  const [images, labels] = keras.utils.take([trainImages, trainLabels], 0, 5)
  await pictures.saveImage(images.permute(0, 3, 1, 2), 'samples.png') // [N, H, W, C] → [N, C, H, W]
  console.log(Array.from(labels.toTypedArray(), (label) => classNames[label]).join(' '))
  return { trainImages, trainLabels, testImages, testLabels }
}

/** Whoever wants curves gets the history: 'accuracy' and 'val_accuracy' by epoch. */
export type Plot = (history: History['history']) => void

/** The curves as text; a report draws them better. */
const printCurves: Plot = ({ accuracy = [], val_accuracy = [] }) => {
  for (const [epoch, value] of accuracy.entries()) {
    const told = [value, val_accuracy[epoch] ?? NaN].map((share) => `${(100 * share).toFixed(1)} %`)
    console.log(`epoch ${epoch + 1}: accuracy ${told[0]}, val_accuracy ${told[1]}`)
  }
}

export async function trainAndEvaluate(
  model: Model,
  { trainImages, trainLabels, testImages, testLabels }: Data,
  { saveModel = false, epochs = 10, plot = printCurves }: { saveModel?: boolean; epochs?: number; plot?: Plot } = {},
): Promise<void> {
  taskTime('show the parameters', true, () => {
    model.summary()
  })

  const training = taskTime('train the model', true)
  model.compile({
    optimizer: 'adam',
    loss: keras.losses.sparseCategoricalCrossentropy({ fromLogits: true }),
    metrics: ['accuracy'],
  })
  const history = await model.fit(trainImages, trainLabels, {
    epochs,
    batchSize: 32,
    validationData: [testImages, testLabels],
  })
  training.finish()

  if (saveModel) {
    using _ = taskTime('save and load the model', true)
    const folder = join(homedir(), '.keras/model')
    mkdirSync(folder, { recursive: true })
    const path = join(folder, 'tf_lenet.h5')
    await model.save(path)
    model = await keras.models.loadModel(path)
  }

  using _ = taskTime('evaluate the model', true)
  plot(history.history)
  const [, trainAccuracy = NaN] = await model.evaluate(trainImages, trainLabels, { verbose: 2 })
  const [, testAccuracy = NaN] = await model.evaluate(testImages, testLabels, { verbose: 2 })
  const percent = (share: number): string => `${(100 * share).toFixed(1)}%`
  console.log(`Train Accuracy: ${percent(trainAccuracy)}, Test Accuracy: ${percent(testAccuracy)}`)
}

// The real path: a folder on the way may be a link (/tmp on a Mac).
if (realpathSync(process.argv[1] ?? '.') === fileURLToPath(import.meta.url)) {
  keras.utils.setRandomSeed(1)
  const data = await extractData()
  const model = taskTime('create the model', true, () => lenet(3, 10))
  await trainAndEvaluate(model, data, { saveModel: true, epochs: askedEpochs() })
}
