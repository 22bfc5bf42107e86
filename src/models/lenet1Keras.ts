/** LeNet1 as the article writes it in Keras' idiom: the same net as lenet1.ts, with its own layer list. */
import { layers, Sequential } from '../keras/index.js'

/** [N, 32, 32, inDim] → logits [N, nClass]; 122,570 parameters with 3 channels. */
export function lenet1(inDim = 1, nClass = 10): Sequential {
  const model = new Sequential()
  model.add(layers.conv2d(32, [3, 3], { activation: 'relu', inputShape: [32, 32, inDim] }))
  model.add(layers.maxPooling2d([2, 2])) // [N, 15, 15, 32]
  model.add(layers.conv2d(64, [3, 3], { activation: 'relu' }))
  model.add(layers.maxPooling2d([2, 2])) // [N, 6, 6, 64]
  model.add(layers.conv2d(64, [3, 3], { activation: 'relu' })) // [N, 4, 4, 64]
  model.add(layers.flatten()) // [N, 1024]
  model.add(layers.dense(64, { activation: 'relu' }))
  model.add(layers.dense(nClass))
  return model
}
