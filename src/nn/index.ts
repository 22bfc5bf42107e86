/** The room `nn`: modules, layers as functions (F), optimizers (optim). Files are behind save.node.ts. */
export * as nn from './nn.js'
export * as F from './functional.js'
export * as optim from './optim/index.js'
export { compileInference, type Inference, type InferenceInput, type InferenceOptions } from './inference.js'
export type { Layer } from './module.js'
export type { LoadOptions, LoadResult, StateDict } from './stateDict.js'
export type { Loaded } from './pth.js'
