/** The room `keras`: Keras 3's idiom over nn, tensor and data. Files and data sets are behind index.node.ts. */
export { Callback, History, LambdaCallback, type CallbackParams } from './callbacks/callback.js'
export { input as Input } from './layers/index.js'
export * as layers from './layers/index.js'
export { Layer, type CallContext, type Config, type LayerOptions, type Spec } from './layer.js'
export { Loss, losses, type CrossentropyOptions, type SmoothOptions } from './losses.js'
export { metrics, type Metric, type TopKOptions } from './metrics.js'
export { clearSession } from './naming.js'
export { Optimizer, type OptimizerVariable } from './optimizer.js'
export {
  optimizers,
  type AdagradOptions,
  type AdamOptions,
  type RMSpropOptions,
  type SGDOptions,
} from './optimizers.js'
export { Progbar } from './progbar.js'
export { Functional, type ModelOptions } from './functional.js'
export { KerasTensor } from './kerasTensor.js'
export {
  Model,
  type CompileOptions,
  type EvaluateOptions,
  type FitOptions,
  type Inputs,
  type PredictOptions,
} from './model.js'
export { Sequential, type SequentialOptions } from './sequential.js'
export { summaryText, type SummaryOptions } from './summary.js'
export { Weight } from './weight.js'
export type * from './types.js'
