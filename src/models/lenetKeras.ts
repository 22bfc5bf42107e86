/** LeNet as the article writes it in Keras' idiom: the same net as lenet.ts, with its own layer list. */
import { layers, Sequential } from '../keras/index.js'

/** [N, 32, 32, inDim] → logits [N, nClass]; 62,006 parameters with 3 channels. */
export function lenet(inDim = 1, nClass = 10): Sequential {
  const model = new Sequential()
  model.add(layers.conv2d(6, [5, 5], { activation: 'relu', inputShape: [32, 32, inDim] }))
  model.add(layers.maxPooling2d([2, 2])) // [N, 14, 14, 6]
  model.add(layers.conv2d(16, [5, 5], { activation: 'relu' }))
  model.add(layers.maxPooling2d([2, 2])) // [N, 5, 5, 16]
  model.add(layers.flatten()) // [N, 400]
  model.add(layers.dense(120, { activation: 'relu' }))
  model.add(layers.dense(84, { activation: 'relu' }))
  model.add(layers.dense(nClass))
  return model
}
