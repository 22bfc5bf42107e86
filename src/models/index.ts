/** The room `models`: the article's nets. */
export { LeNet } from './lenet.js'
export { LeNet1 } from './lenet1.js'
export { lenet as lenetKeras } from './lenetKeras.js'
export { lenet1 as lenet1Keras } from './lenet1Keras.js'
