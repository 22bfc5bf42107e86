/** The layers as functions with Keras' arguments in Keras' order, or one object of options. Not here: the layers. */
import type { Shape } from '../../base/index.js'
import type { KerasTensor } from '../kerasTensor.js'
import type { LayerOptions } from '../layer.js'
import {
  Activation,
  ELU,
  LeakyReLU,
  ReLU,
  Softmax,
  type ActivationOptions,
  type ELUOptions,
  type LeakyReLUOptions,
  type ReLUOptions,
  type SoftmaxOptions,
} from './activation.js'
import { Conv2D, DepthwiseConv2D, type Conv2DOptions, type DepthwiseConv2DOptions } from './conv.js'
import {
  Dense,
  Dropout,
  InputLayer,
  Rescaling,
  type DenseOptions,
  type DropoutOptions,
  type InputOptions,
  type RescalingOptions,
} from './core.js'
import { GroupNormalization, type GroupNormalizationOptions } from './groupNorm.js'
import { Add, Average, Concatenate, Maximum, Minimum, Multiply, Subtract, type ConcatenateOptions } from './merge.js'
import {
  BatchNormalization,
  LayerNormalization,
  type BatchNormalizationOptions,
  type LayerNormalizationOptions,
} from './norm.js'
import {
  AveragePooling2D,
  GlobalAveragePooling2D,
  GlobalMaxPooling2D,
  MaxPooling2D,
  type GlobalPoolingOptions,
  type PoolingOptions,
} from './pool.js'
import {
  RandomCrop,
  RandomFlip,
  RandomTranslation,
  type Factor,
  type FlipMode,
  type RandomCropOptions,
  type RandomFlipOptions,
  type RandomTranslationOptions,
} from './random.js'
import {
  Cropping2D,
  Flatten,
  Permute,
  Reshape,
  ZeroPadding2D,
  type Cropping2DOptions,
  type PermuteOptions,
  type ReshapeOptions,
  type Sides,
  type ZeroPadding2DOptions,
} from './reshape.js'
import type { ActivationText } from '../activations.js'
import type { Size2 } from './window.js'

const isOptions = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

type Rest<O, K extends keyof O> = Omit<O, K>

/** `conv2d(6, [5, 5], { activation: 'relu' })` or `conv2d({ filters: 6, kernelSize: 5 })`. See {@link Conv2DOptions}. */
export function conv2d(options: Conv2DOptions): Conv2D
export function conv2d(
  filters: number,
  kernelSize: Size2,
  options?: Rest<Conv2DOptions, 'filters' | 'kernelSize'>,
): Conv2D
export function conv2d(first: number | Conv2DOptions, kernelSize: Size2 = NaN, options: object = {}): Conv2D {
  return new Conv2D(isOptions(first) ? first : { filters: first, kernelSize, ...options })
}

/** `depthwiseConv2d(3, { depthMultiplier: 2 })` or `depthwiseConv2d({ kernelSize: 3 })`. See {@link DepthwiseConv2DOptions}. */
export function depthwiseConv2d(
  first: Size2 | DepthwiseConv2DOptions,
  options: Rest<DepthwiseConv2DOptions, 'kernelSize'> = {},
): DepthwiseConv2D {
  const isSize = typeof first === 'number' || 'length' in first
  return new DepthwiseConv2D(isSize ? { kernelSize: first, ...options } : first)
}

type PoolArguments = [options?: PoolingOptions] | [poolSize: Size2, options?: Rest<PoolingOptions, 'poolSize'>]

function poolOptions([first, options]: PoolArguments): PoolingOptions {
  if (first === undefined) return {}
  if (typeof first === 'number') return { poolSize: first, ...options }
  return 'length' in first ? { poolSize: first, ...options } : first
}

/** `maxPooling2d([2, 2])`, `maxPooling2d(2, { strides: 1 })` or `maxPooling2d({ poolSize: 2 })`; the size is 2 by default. */
export const maxPooling2d = (...args: PoolArguments): MaxPooling2D => new MaxPooling2D(poolOptions(args))
/** As `maxPooling2d`. */
export const averagePooling2d = (...args: PoolArguments): AveragePooling2D => new AveragePooling2D(poolOptions(args))
export const globalAveragePooling2d = (options: GlobalPoolingOptions = {}): GlobalAveragePooling2D =>
  new GlobalAveragePooling2D(options)
export const globalMaxPooling2d = (options: GlobalPoolingOptions = {}): GlobalMaxPooling2D =>
  new GlobalMaxPooling2D(options)
export const flatten = (options: LayerOptions = {}): Flatten => new Flatten(options)

/** `reshape([4, 4, 3])`. */
export function reshape(first: Shape | ReshapeOptions, options: Rest<ReshapeOptions, 'targetShape'> = {}): Reshape {
  return new Reshape('targetShape' in first ? first : { targetShape: first, ...options })
}

/** `permute([2, 1])`. */
export function permute(
  first: readonly number[] | PermuteOptions,
  options: Rest<PermuteOptions, 'dims'> = {},
): Permute {
  return new Permute('dims' in first ? first : { dims: first, ...options })
}

/** `zeroPadding2d(1)`, `zeroPadding2d([[1, 0], [2, 2]])`. */
export function zeroPadding2d(
  first: Sides | ZeroPadding2DOptions = {},
  options: Rest<ZeroPadding2DOptions, 'padding'> = {},
): ZeroPadding2D {
  const isSides = typeof first === 'number' || 'length' in first
  return new ZeroPadding2D(isSides ? { padding: first, ...options } : first)
}

/** `cropping2d(1)`, `cropping2d([[1, 0], [2, 2]])`. */
export function cropping2d(
  first: Sides | Cropping2DOptions = {},
  options: Rest<Cropping2DOptions, 'cropping'> = {},
): Cropping2D {
  const isSides = typeof first === 'number' || 'length' in first
  return new Cropping2D(isSides ? { cropping: first, ...options } : first)
}

/** `dense(120, { activation: 'relu' })` or `dense({ units: 120 })`. */
export function dense(options: DenseOptions): Dense
export function dense(units: number, options?: Rest<DenseOptions, 'units'>): Dense
export function dense(first: number | DenseOptions, options: object = {}): Dense {
  return new Dense(isOptions(first) ? first : { units: first, ...options })
}

/** `dropout(0.5)`. */
export function dropout(first: number | DropoutOptions, options: Rest<DropoutOptions, 'rate'> = {}): Dropout {
  return new Dropout(isOptions(first) ? first : { rate: first, ...options })
}

export const batchNormalization = (options: BatchNormalizationOptions = {}): BatchNormalization =>
  new BatchNormalization(options)

export const layerNormalization = (options: LayerNormalizationOptions = {}): LayerNormalization =>
  new LayerNormalization(options)

/** `groupNormalization({ groups: 8 })`, or `groupNormalization(8)`. */
export function groupNormalization(
  first: number | GroupNormalizationOptions = {},
  options: Rest<GroupNormalizationOptions, 'groups'> = {},
): GroupNormalization {
  return new GroupNormalization(typeof first === 'number' ? { groups: first, ...options } : first)
}

/** `reLU({ maxValue: 6 })`, or `reLU(6)`. */
export function reLU(first: number | ReLUOptions = {}, options: Rest<ReLUOptions, 'maxValue'> = {}): ReLU {
  return new ReLU(typeof first === 'number' ? { maxValue: first, ...options } : first)
}

/** `leakyReLU(0.1)`; 0.3 by default. */
export function leakyReLU(
  first: number | LeakyReLUOptions = {},
  options: Rest<LeakyReLUOptions, 'negativeSlope'> = {},
): LeakyReLU {
  return new LeakyReLU(typeof first === 'number' ? { negativeSlope: first, ...options } : first)
}

/** `eLU(0.5)`; 1 by default. */
export function eLU(first: number | ELUOptions = {}, options: Rest<ELUOptions, 'alpha'> = {}): ELU {
  return new ELU(typeof first === 'number' ? { alpha: first, ...options } : first)
}

export const softmax = (options: SoftmaxOptions = {}): Softmax => new Softmax(options)

/** `activation('relu')`. */
export function activation(first: ActivationText | ActivationOptions, options: LayerOptions = {}): Activation {
  return new Activation(isOptions(first) ? first : { activation: first, ...options })
}

export const inputLayer = (options: InputOptions): InputLayer => new InputLayer(options)

/** `Input([32, 32, 3])` or `Input({ shape: [32, 32, 3] })`: for `layer.apply`, or as a Sequential's first. Source: keras.Input. */
export const input = (first: Shape | InputOptions): KerasTensor =>
  new InputLayer('shape' in first ? first : { shape: first }).value

/** `rescaling(1 / 255)`. */
export function rescaling(first: number | RescalingOptions, options: Rest<RescalingOptions, 'scale'> = {}): Rescaling {
  return new Rescaling(isOptions(first) ? first : { scale: first, ...options })
}

/** `randomFlip('horizontal')`. */
export function randomFlip(
  first?: FlipMode | RandomFlipOptions,
  options: Rest<RandomFlipOptions, 'mode'> = {},
): RandomFlip {
  if (first === undefined) return new RandomFlip(options)
  return new RandomFlip(isOptions(first) ? first : { mode: first, ...options })
}

/** `randomTranslation(0.1, 0.1)`. */
export function randomTranslation(
  first: Factor | RandomTranslationOptions,
  widthFactor: Factor = NaN,
  options: Rest<RandomTranslationOptions, 'heightFactor' | 'widthFactor'> = {},
): RandomTranslation {
  const isFactor = typeof first === 'number' || 'length' in first
  return new RandomTranslation(isFactor ? { heightFactor: first, widthFactor, ...options } : first)
}

/** `randomCrop(28, 28)`. */
export function randomCrop(
  first: number | RandomCropOptions,
  width = NaN,
  options: Rest<RandomCropOptions, 'height' | 'width'> = {},
): RandomCrop {
  return new RandomCrop(isOptions(first) ? first : { height: first, width, ...options })
}

/** `add().apply([a, b])`: sizes of 1 are repeated. */
export const add = (options: LayerOptions = {}): Add => new Add(options)
export const subtract = (options: LayerOptions = {}): Subtract => new Subtract(options)
export const multiply = (options: LayerOptions = {}): Multiply => new Multiply(options)
export const average = (options: LayerOptions = {}): Average => new Average(options)
export const maximum = (options: LayerOptions = {}): Maximum => new Maximum(options)
export const minimum = (options: LayerOptions = {}): Minimum => new Minimum(options)

/** `concatenate({ axis: -1 }).apply([a, b])`. */
export const concatenate = (options: ConcatenateOptions = {}): Concatenate => new Concatenate(options)
