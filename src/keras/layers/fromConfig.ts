/** Layers of the configurations that Keras writes. Whatever we do not do as Keras does is refused, never left out. */
import { LenetError } from '../../base/index.js'
import type { Config, Layer } from '../layer.js'
import { Activation, ELU, LeakyReLU, ReLU, Softmax } from './activation.js'
import { Conv2D, DepthwiseConv2D } from './conv.js'
import { Dense, Dropout, InputLayer, Rescaling } from './core.js'
import { GroupNormalization } from './groupNorm.js'
import { Add, Average, Concatenate, Maximum, Minimum, Multiply, Subtract } from './merge.js'
import { BatchNormalization, LayerNormalization } from './norm.js'
import { AveragePooling2D, GlobalAveragePooling2D, GlobalMaxPooling2D, MaxPooling2D } from './pool.js'
import { RandomCrop, RandomFlip, RandomTranslation } from './random.js'
import { Cropping2D, Flatten, Permute, Reshape, ZeroPadding2D } from './reshape.js'

/** Options made of a configuration: the constructors check them. */
type Make = new (options: never) => Layer

const classes = {
  Conv2D,
  DepthwiseConv2D,
  Dense,
  Flatten,
  Reshape,
  Permute,
  ZeroPadding2D,
  Cropping2D,
  Dropout,
  Activation,
  ReLU,
  LeakyReLU,
  ELU,
  Softmax,
  InputLayer,
  Rescaling,
  BatchNormalization,
  LayerNormalization,
  GroupNormalization,
  MaxPooling2D,
  AveragePooling2D,
  GlobalAveragePooling2D,
  GlobalMaxPooling2D,
  RandomFlip,
  RandomTranslation,
  RandomCrop,
  Add,
  Subtract,
  Multiply,
  Average,
  Maximum,
  Minimum,
  Concatenate,
} as const satisfies Readonly<Record<string, Make>>

/** Settings that must have one of these values, as JSON. */
const fixed: Readonly<Record<string, readonly string[]>> = {
  data_format: ['"channels_last"', 'null'],
  sparse: ['false'],
  ragged: ['false'],
  optional: ['false'],
  bias_regularizer: ['null'],
  activity_regularizer: ['null'],
  beta_regularizer: ['null'],
  gamma_regularizer: ['null'],
  kernel_constraint: ['null'],
  depthwise_constraint: ['null'],
  bias_constraint: ['null'],
  beta_constraint: ['null'],
  gamma_constraint: ['null'],
  quantization_config: ['null'],
  lora_rank: ['null'],
  lora_alpha: ['null'],
  noise_shape: ['null'],
  synchronized: ['false'],
  renorm: ['false'],
  rms_scaling: ['false'],
  virtual_batch_size: ['null'],
  interpolation: ['"bilinear"'],
  fill_value: ['0', '0.0'],
}
/** Settings that change nothing: weights are loaded, seeds are ours. */
const ignored: ReadonlySet<string> = new Set([
  'dtype',
  'seed',
  'beta_initializer',
  'gamma_initializer',
  'moving_mean_initializer',
  'moving_variance_initializer',
  'renorm_clipping',
  'renorm_momentum',
  'value_range',
])

const camelCase = (name: string): string => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())

function checkFixed(what: string, key: string, value: unknown): void {
  if (fixed[key]?.includes(JSON.stringify(value)) === true) return
  throw new LenetError(
    `${what}: ${key} is ${JSON.stringify(value)}, which is not supported; it can be ${fixed[key]?.[0]}`,
  )
}

function checkType(what: string, dtype: unknown): void {
  const policy = typeof dtype === 'object' && dtype !== null && 'config' in dtype ? dtype.config : dtype
  const name = typeof policy === 'object' && policy !== null && 'name' in policy ? policy.name : policy
  if (name !== undefined && name !== null && name !== 'float32')
    throw new LenetError(`${what}: its type is ${JSON.stringify(name)}; layers compute in float32`)
}

/** [null, 32, 32, 3] → [32, 32, 3]. */
function sizesOf(what: string, shape: unknown): number[] {
  const sizes: unknown[] = Array.isArray(shape) ? shape.slice(1) : [null]
  if (sizes.every((size): size is number => typeof size === 'number')) return sizes
  throw new LenetError(`${what}: the input's shape ${JSON.stringify(shape)} has sizes that are not known`)
}

function optionsOf(className: string, config: Config): Record<string, unknown> {
  const name = typeof config['name'] === 'string' ? config['name'] : className
  const what = `layer '${name}' (${className})`
  const options: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(config)) {
    if (key === 'dtype') checkType(what, value)
    if (ignored.has(key)) continue
    if (key in fixed) checkFixed(what, key, value)
    else if (key === 'batch_shape' || key === 'batch_input_shape')
      options[className === 'InputLayer' ? 'shape' : 'inputShape'] = sizesOf(what, value)
    else if (key === 'activation' && typeof value !== 'string' && value !== null)
      throw new LenetError(`${what}: its activation is no name but ${JSON.stringify(value).slice(0, 80)}`)
    else options[camelCase(key)] = value
  }
  return options
}

/** Models inside models: they know layers, and not the other way round. */
const models = new Map<string, (config: unknown) => Layer>()

export function noteModel(className: string, make: (config: unknown) => Layer): void {
  models.set(className, make)
}

/** Of what `layer.serialize()` and Keras write. Throws LenetError for unknown classes and settings, by name. */
export function layerFromConfig(serialized: unknown): Layer {
  const { class_name, config } = asConfig(serialized, 'a layer')
  const className = String(class_name)
  const model = models.get(className)
  if (model) return model(config)
  if (!Object.hasOwn(classes, className))
    throw new LenetError(
      `the model has a layer of the class ${className}, which is not known; there are ${Object.keys(classes).join(', ')}`,
    )
  const Class: Make = classes[className as keyof typeof classes]
  return new Class(optionsOf(className, asConfig(config, `the ${className} layer`)) as never)
}

export function asConfig(value: unknown, what: string): Config {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  throw new LenetError(`${what} has no configuration: expected an object, got ${JSON.stringify(value)}`)
}
