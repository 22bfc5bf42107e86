/** The room `models`: the article's nets. */
import type { Layer } from '../nn/index.js'
import { LeNet } from './lenet.js'
import { LeNet1 } from './lenet1.js'

export { LeNet, LeNet1 }
export { lenet as lenetKeras } from './lenetKeras.js'
export { lenet1 as lenet1Keras } from './lenet1Keras.js'

/** The nets that go by a name. */
export const namedNets: Readonly<Record<string, new (inDim: number, nClass: number) => Layer>> = {
  lenet: LeNet,
  lenet1: LeNet1,
}
