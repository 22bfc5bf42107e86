/** The room `models`: the article's nets. */
export { LeNet } from './lenet.js'
export { LeNet1 } from './lenet1.js'
