/**
 * What a Keras file holds, as plain data, in Keras's own layouts and names. The same for .keras, .h5 and the TF.js layers
 * model; .weights.h5 holds weights alone.
 * Not here: reading and writing (keras.ts and the files it names), the way to other formats (kerasToNet.ts, netToKeras.ts).
 */
import type { JsonObject } from './kerasJson.js'
import type { KerasLayer } from './kerasLayers.js'
import type { NetTensor } from './net.js'

/** A model. Its layers stand in Keras's own order (kerasOrder.ts), in which each reads only earlier ones. */
export interface KerasModel {
  readonly className: 'Sequential' | 'Functional'
  readonly name: string
  readonly layers: readonly KerasLayer[]
  /** Names of its InputLayers, in the order in which it takes them. */
  readonly inputs: readonly string[]
  /** Names of the layers whose values the model gives; one in a Sequential, the last. */
  readonly outputs: readonly string[]
}

/**
 * Weights by layer, then by variable, in the order of Keras's `layer.weights`: Conv2D kernel [kh, kw, in / groups, out] and
 * bias; DepthwiseConv2D kernel [kh, kw, in, multiplier] and bias; Dense kernel [in, out] and bias; BatchNormalization
 * gamma, beta, moving_mean, moving_variance; LayerNormalization and GroupNormalization gamma, beta. Layers without weights are missing.
 */
export type KerasWeights = ReadonlyMap<string, ReadonlyMap<string, NetTensor>>

/** How the model was compiled, as Keras writes it (`compile_config`): optimizer, loss, metrics … */
export type KerasCompile = JsonObject

/**
 * An optimizer in mid-training. `slots`: by Keras's slot name (adam, adamw momentum, velocity, velocity_hat; sgd
 * momentum; rmsprop velocity, momentum, average_gradient; adagrad accumulator), then by layer and variable.
 */
export interface KerasOptimizer {
  readonly className: 'SGD' | 'Adam' | 'AdamW' | 'RMSprop' | 'Adagrad'
  /** Keras's own config: learning_rate, beta_1 … */
  readonly config: JsonObject
  readonly iterations: number
  readonly learningRate: number
  readonly slots: ReadonlyMap<string, KerasWeights>
}

export interface KerasFile {
  readonly model: KerasModel
  readonly weights: KerasWeights
  readonly compile?: KerasCompile
  readonly optimizer?: KerasOptimizer
  /** A text of ours (JSON: classes, preprocessing) that Keras passes over. */
  readonly notes?: string
  /** What was odd but harmless, one sentence each. Ignored when writing. */
  readonly warnings?: readonly string[]
}

/** Weights in a file without a model: by the file's own name of the layer or group, variables in the file's order. */
export type LooseWeights = readonly LooseLayer[]

export interface LooseLayer {
  readonly name: string
  readonly variables: readonly NetTensor[]
  /** What the file calls the variables (`chain/conv1/kernel`), where it does. */
  readonly paths?: readonly string[]
}
