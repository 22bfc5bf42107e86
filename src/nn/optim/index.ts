/** The optimizers, as `optim`'s names. */
export { Adagrad, type AdagradOptions } from './adagrad.js'
export { Adam, AdamW, type AdamOptions } from './adam.js'
export {
  Optimizer,
  type Formula,
  type GroupInput,
  type OptimizerState,
  type ParamGroup,
  type ParamsInput,
} from './optimizer.js'
export { RMSprop, type RMSpropOptions } from './rmsprop.js'
export * as lrScheduler from './schedulers.js'
export { SGD, type SGDOptions } from './sgd.js'
