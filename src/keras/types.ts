/**
 * Names for the types of all that the factories give (`layers.dense(10)` is a `Dense`) and take, so that a program that
 * exports such a thing gets declarations. Types only: things are made by the factories.
 */
export type { ActivationName, ActivationText } from './activations.js'
export type { KerasEpochEvent, EpochEvents } from './callbacks/epochEvents.js'
export type { LambdaHooks, Told } from './callbacks/callback.js'
export type {
  EarlyStopping,
  EarlyStoppingOptions,
  MonitorCallback,
  MonitorName,
  MonitorOptions,
  ReduceLROnPlateau,
  ReduceLROnPlateauOptions,
} from './callbacks/monitor.js'
export type { LearningRateScheduler, Schedule, TerminateOnNaN } from './callbacks/plain.js'
export type { Initializer, InitializerName } from './initializers.js'
export type { Use } from './kerasTensor.js'
export type {
  Activation,
  ActivationOptions,
  ELU,
  ELUOptions,
  LeakyReLU,
  LeakyReLUOptions,
  ReLU,
  ReLUOptions,
  Softmax,
  SoftmaxOptions,
} from './layers/activation.js'
export type { Conv2D, Conv2DOptions, DepthwiseConv2D, DepthwiseConv2DOptions } from './layers/conv.js'
export type {
  Dense,
  DenseOptions,
  Dropout,
  DropoutOptions,
  InputLayer,
  InputOptions,
  Rescaling,
  RescalingOptions,
} from './layers/core.js'
export type { GroupNormalization, GroupNormalizationOptions } from './layers/groupNorm.js'
export type {
  Add,
  Average,
  Concatenate,
  ConcatenateOptions,
  Maximum,
  Minimum,
  Multiply,
  Subtract,
} from './layers/merge.js'
export type {
  BatchNormalization,
  BatchNormalizationOptions,
  LayerNormalization,
  LayerNormalizationOptions,
} from './layers/norm.js'
export type {
  AveragePooling2D,
  GlobalAveragePooling2D,
  GlobalMaxPooling2D,
  GlobalPoolingOptions,
  MaxPooling2D,
  PoolingOptions,
} from './layers/pool.js'
export type {
  Factor,
  FlipMode,
  RandomCrop,
  RandomCropOptions,
  RandomFlip,
  RandomFlipOptions,
  RandomOptions,
  RandomTranslation,
  RandomTranslationOptions,
} from './layers/random.js'
export type {
  Cropping2D,
  Cropping2DOptions,
  Flatten,
  Permute,
  PermuteOptions,
  Reshape,
  ReshapeOptions,
  Sides,
  ZeroPadding2D,
  ZeroPadding2DOptions,
} from './layers/reshape.js'
export type { Size2 } from './layers/window.js'
export type {
  BinaryCrossentropy,
  CategoricalCrossentropy,
  MeanAbsoluteError,
  MeanSquaredError,
  Prediction,
  SparseCategoricalCrossentropy,
} from './losses.js'
export type { Slot, SlotValue, Steps } from './optimizer.js'
export type { Adagrad, Adam, AdamW, RMSprop, SGD } from './optimizers.js'
export type { Logs, ProgbarOptions } from './progbar.js'
export type { Regularizer } from './regularizers.js'
export type { WeightOptions } from './weight.js'
