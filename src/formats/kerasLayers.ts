/**
 * The Keras layers that are known: one row per class, with the fields of its config that decide what it computes, under
 * Keras's own names and with Keras 3's defaults. Everything that is read from a file goes through this table, so a class
 * that is not in it (Lambda, custom ones) is refused by name. Keys that say how a layer was initialised are not kept.
 * Not here: the model around the layers (kerasConfig.ts), what layers compute (kerasNodes.ts).
 * Source: keras.layers of Keras 3.15, `get_config` of each class; tf_keras 2.21 where its names differ.
 */
import { isList, isObject, type Json, type JsonObject, type JsonPlace } from './kerasJson.js'
import type { Pair } from './net.js'
import { shownName } from './shownName.js'

type Field<T> = (place: JsonPlace) => T

/** `field`, or `fallback` where the file says nothing. */
function or<T>(field: Field<T>, fallback: T): Field<T> {
  return (place) => (place.there ? field(place) : fallback)
}

const size: Field<number> = (place) => place.size()
const number: Field<number> = (place) => place.number()
const flag: Field<boolean> = (place) => place.boolean()

/** Two sizes, or one for both. */
const pair: Field<Pair> = (place) => {
  if (!isList(place.value)) return [place.size(), place.size()]
  const [height, width, ...more] = place.items()
  if (height === undefined || width === undefined || more.length > 0) return place.wanted('a size or two sizes')
  return [height.size(), width.size()]
}

function choice<T extends string>(...names: readonly T[]): Field<T> {
  return (place) => names.find((name) => name === place.value) ?? place.wanted(`one of ${names.join(', ')}`)
}

/** channels_first would need other layouts everywhere; only Keras's default is known. */
const channelsLast = or(choice('channels_last'), 'channels_last')
const padding = or(choice('valid', 'same'), 'valid')

const kerasActivations = [
  'linear',
  'relu',
  'relu6',
  'leaky_relu',
  'elu',
  'gelu',
  'silu',
  'hard_silu',
  'hard_tanh',
  'sigmoid',
  'tanh',
  'softmax',
  'log_softmax',
  'selu',
  'softplus',
  'softsign',
  'mish',
  'hard_sigmoid',
  'exponential',
] as const
export type KerasActivation = (typeof kerasActivations)[number]

/** The same under the names of Keras 2 and TF.js. */
const otherNames: Readonly<Record<string, KerasActivation>> = {
  swish: 'silu',
  hard_swish: 'hard_silu',
  logSoftmax: 'log_softmax',
}

/** A function may be of Keras's own; a class has settings, and is a layer for itself. */
const ownModule = /^(builtins$|(keras|tf_keras|tensorflow)(\.|$))/

function functionName(place: JsonPlace): string {
  const [className, module] = [place.at('class_name').text(), place.at('module')]
  if (module.there && !ownModule.test(module.text())) {
    place.fail(`refused: the activation of the module ${JSON.stringify(shownName(module.text()))} is not Keras's`)
  }
  if (className === 'function') return place.at('config').text()
  return place.fail(`refused: the activation ${JSON.stringify(shownName(className))} is not known as a class`)
}

/** By name, or as Keras 3 writes a function: `{ class_name: 'function', config: 'relu' }`. */
const activation: Field<KerasActivation> = (place) => {
  if (!place.there) return 'linear'
  const text = isObject(place.value) ? functionName(place) : place.text()
  const found = kerasActivations.find((name) => name === (Object.hasOwn(otherNames, text) ? otherNames[text] : text))
  return found ?? place.fail(`refused: the activation ${JSON.stringify(shownName(text))} is not known`)
}

/** Last axis only: -1, or its number where the layer was built (`[3]`). */
const lastAxis: Field<number> = (place) => {
  const list = isList(place.value) ? place.items() : [place]
  const axis = list[0]?.number()
  if (list.length !== 1 || (axis !== -1 && axis !== 3 && axis !== 1)) return place.fail('only the last axis is known')
  return axis
}

/** -1: as many as channels. */
const groups: Field<number> = (place) => (place.value === -1 ? -1 : place.size())

const axes: Field<readonly number[]> = (place) =>
  isList(place.value) ? place.items().map((axis) => axis.number()) : [place.number()]

const numbers: Field<readonly number[]> = (place) =>
  isList(place.value) ? place.items().map((item) => item.number()) : [place.number()]

type PadEdges = readonly [rows: readonly [number, number], columns: readonly [number, number]]

/** One number, [rows, columns], or [[top, bottom], [left, right]]. */
const padEdges: Field<PadEdges> = (place) => {
  const sides = isList(place.value) ? place.items() : [place, place]
  const [rows, columns] = sides.map((side): readonly [number, number] => {
    const [before, after] = isList(side.value) ? side.items() : [side, side]
    return before === undefined || after === undefined ? side.wanted('two sizes') : [before.size(0), after.size(0)]
  })
  return rows === undefined || columns === undefined || sides.length !== 2
    ? place.wanted('rows and columns')
    : [rows, columns]
}

/** Sizes without batch; one may be -1 in Reshape. */
const shape: Field<readonly number[]> = (place) => place.items().map((item) => (item.value === -1 ? -1 : item.size()))

/** Keras 3's `batch_shape`, Keras 2's `batch_input_shape`: [null, H, W, C] or [null, F]. */
const batchShape: Field<readonly (number | null)[]> = (place) =>
  place.items().map((item) => (item.there ? item.size() : null))

/** Any JSON, kept as it is: settings of random layers, which do nothing at inference. */
const anything: Field<Json> = (place) => place.value ?? null
const seed = or(anything, null)

/** L2 alone is kept: `{ class_name: 'L2', config: { l2 } }`, as both Kerases read it. */
const l2: Field<Json> = (place) => {
  const config = isObject(place.value) && place.value['class_name'] === 'L2' ? place.at('config') : undefined
  return config === undefined ? null : { class_name: 'L2', config: { l2: config.at('l2').number() } }
}

const conv = {
  kernel_size: pair,
  strides: or(pair, [1, 1]),
  padding,
  data_format: channelsLast,
  dilation_rate: or(pair, [1, 1]),
  activation,
  use_bias: or(flag, true),
}
const pool = { pool_size: or(pair, [2, 2]), strides: or<Pair | null>(pair, null), padding, data_format: channelsLast }
const factor = or<Json>(anything, 0)

/** The fields of each class's config. A layer's name, dtype and `trainable` are not part of it. */
const kerasFields = {
  InputLayer: { batch_shape: batchShape },
  Rescaling: { scale: or(numbers, [1]), offset: or(numbers, [0]) },
  Conv2D: { filters: size, groups: or(size, 1), ...conv, kernel_regularizer: l2 },
  DepthwiseConv2D: { depth_multiplier: or(size, 1), ...conv, depthwise_regularizer: l2 },
  Dense: { units: size, activation, use_bias: or(flag, true), kernel_regularizer: l2 },
  MaxPooling2D: pool,
  AveragePooling2D: pool,
  GlobalAveragePooling2D: { data_format: channelsLast, keepdims: or(flag, false) },
  GlobalMaxPooling2D: { data_format: channelsLast, keepdims: or(flag, false) },
  Flatten: { data_format: channelsLast },
  Reshape: { target_shape: shape },
  BatchNormalization: {
    axis: or(lastAxis, -1),
    momentum: or(number, 0.99),
    epsilon: or(number, 1e-3),
    center: or(flag, true),
    scale: or(flag, true),
  },
  LayerNormalization: {
    axis: or<readonly number[]>(axes, [-1]),
    epsilon: or(number, 1e-3),
    center: or(flag, true),
    scale: or(flag, true),
  },
  GroupNormalization: {
    groups: or(groups, 32),
    axis: or(lastAxis, -1),
    epsilon: or(number, 1e-3),
    center: or(flag, true),
    scale: or(flag, true),
  },
  Dropout: { rate: number, seed },
  Activation: { activation },
  ReLU: { max_value: or<number | null>(number, null), negative_slope: or(number, 0), threshold: or(number, 0) },
  LeakyReLU: { negative_slope: or(number, 0.3) },
  ELU: { alpha: or(number, 1) },
  Softmax: { axis: or(lastAxis, -1) },
  ZeroPadding2D: {
    padding: or<PadEdges>(padEdges, [
      [1, 1],
      [1, 1],
    ]),
    data_format: channelsLast,
  },
  Cropping2D: {
    cropping: or<PadEdges>(padEdges, [
      [0, 0],
      [0, 0],
    ]),
    data_format: channelsLast,
  },
  Permute: { dims: axes },
  Add: {},
  Subtract: {},
  Multiply: {},
  Average: {},
  Maximum: {},
  Minimum: {},
  Concatenate: { axis: or(number, -1) },
  RandomFlip: {
    mode: or(choice('horizontal', 'vertical', 'horizontal_and_vertical'), 'horizontal_and_vertical'),
    seed,
  },
  RandomTranslation: {
    height_factor: factor,
    width_factor: factor,
    fill_mode: or(choice('reflect', 'constant', 'wrap', 'nearest'), 'reflect'),
    interpolation: or(choice('bilinear', 'nearest'), 'bilinear'),
    fill_value: or(number, 0),
    seed,
  },
  RandomCrop: { height: size, width: size, seed },
  RandomRotation: { factor, fill_mode: or(choice('reflect', 'constant', 'wrap', 'nearest'), 'reflect'), seed },
  RandomZoom: { height_factor: factor, width_factor: or<Json>(anything, null), seed },
  RandomContrast: { factor, seed },
  RandomBrightness: { factor, seed },
} as const

export type KerasClass = keyof typeof kerasFields
type FieldTypes<F> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never }
export type KerasConfig<C extends KerasClass> = FieldTypes<(typeof kerasFields)[C]>

/** One layer of a model: its class's checked config, and the names of the layers it reads. */
export type KerasLayer = {
  [C in KerasClass]: {
    readonly className: C
    readonly name: string
    readonly config: KerasConfig<C>
    readonly trainable: boolean
    /** Names of earlier layers; in a Sequential the one before, and none for the first. */
    readonly inbound: readonly string[]
  }
}[KerasClass]

export function isKerasClass(name: string): name is KerasClass {
  return Object.hasOwn(kerasFields, name)
}

/** Keras 2's names for fields that Keras 3 calls otherwise. */
const olderNames: Readonly<Record<string, readonly [older: string, newer: string]>> = {
  InputLayer: ['batch_input_shape', 'batch_shape'],
  LeakyReLU: ['alpha', 'negative_slope'],
}

/**
 * A layer out of its class and config, checked; missing fields take Keras's defaults. `config` stands where it came from,
 * for errors: `new JsonPlace({ filters: 6, kernel_size: 5 }, 'conv1')`.
 */
export function kerasLayer(
  className: string,
  name: string,
  config: JsonPlace,
  inbound: readonly string[],
  trainable = true,
): KerasLayer {
  if (!isKerasClass(className))
    config.fail(`refused: the layer class ${JSON.stringify(className.slice(0, 80))} is not known`)
  return { className, name, config: readConfig(className, config), inbound, trainable } as KerasLayer
}

function readConfig(className: KerasClass, config: JsonPlace): JsonObject {
  const [older, newer] = olderNames[className] ?? []
  const given = config.object()
  const fields: Readonly<Record<string, Field<unknown>>> = kerasFields[className]
  const entries = Object.entries(fields).map(([key, field]): [string, Json] => {
    const place = config.at(key === newer && older !== undefined && !Object.hasOwn(given, key) ? older : key)
    return [key, field(place) as Json]
  })
  return Object.fromEntries(entries)
}
