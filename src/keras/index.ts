/** The room `keras`: Keras 3's idiom over nn, tensor and data. Files and data sets are behind index.node.ts. */
export { Callback, History, LambdaCallback, type CallbackParams } from './callbacks/callback.js'
export { input as Input } from './layers/index.js'
export * as layers from './layers/index.js'
export { Layer, type CallContext, type Config, type LayerOptions, type Spec } from './layer.js'
export {
  Loss,
  losses,
  type CrossentropyOptions,
  type LossName,
  type LossOptions,
  type Reduction,
  type SmoothOptions,
  type SparseOptions,
} from './losses.js'
export type { AUCOptions, CountOptions, F1Options } from './counts.js'
export type { Metric, MetricOptions } from './metric.js'
export { metrics, type BinaryAccuracyOptions, type MetricInput, type MetricName, type TopKOptions } from './metrics.js'
export { clearSession } from './naming.js'
export { Optimizer, type OptimizerVariable } from './optimizer.js'
export {
  optimizers,
  type AdagradOptions,
  type AdamOptions,
  type OptimizerName,
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
