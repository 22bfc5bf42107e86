/** The optimizers, as `optim`'s names. */
export { Adam, AdamW, type AdamOptions } from './adam.js'
export { Optimizer, type GroupInput, type OptimizerState, type ParamGroup, type ParamsInput } from './optimizer.js'
export { SGD, type SGDOptions } from './sgd.js'
