/** Losses under Keras' names. Not here: their mathematics (nn's F, tensor). */
import { LenetError, showShape, UsageError } from '../base/index.js'
import { F } from '../nn/index.js'
import type { Tensor } from '../tensor/index.js'
import type { Config } from './layer.js'
import { sameName } from './naming.js'

/** What a model gave for a batch. */
export interface Prediction {
  /** [N, …] in our order, after the last activation. */
  readonly output: Tensor
  /** [N, C] before the last softmax, where the model ends in one: losses are more exact on them. */
  readonly logits: Tensor | null
}

/** What labels must be: 'classes' are whole numbers, one a picture, [N] or [N, 1]. */
export type LabelKind = 'classes' | 'values'

/** Keeps logarithms finite. */
const epsilon = 1e-7

export abstract class Loss {
  /** As Keras writes it: 'sparse_categorical_crossentropy'. */
  abstract readonly name: string
  abstract readonly className: string
  abstract readonly labels: LabelKind
  /** The mean over the batch. Labels are [N] (classes) or as the output. */
  abstract compute(labels: Tensor, prediction: Prediction): Tensor

  protected ownConfig(): Config {
    return {}
  }

  /** As Keras' `serialize_keras_object(loss)`. */
  serialize(): Config {
    const config = { name: this.name, reduction: 'sum_over_batch_size', ...this.ownConfig() }
    return { module: 'keras.losses', class_name: this.className, config, registered_name: null }
  }
}

export interface CrossentropyOptions {
  /** The model gives logits, not probabilities; default false. */
  readonly fromLogits?: boolean
}

/** Logits, or logarithms of probabilities, which differ by a constant. */
function asLogits({ output, logits }: Prediction, fromLogits: boolean): Tensor {
  return logits ?? (fromLogits ? output : output.clamp(epsilon, 1 - epsilon).log())
}

/** Labels are class numbers. Source: keras.losses.SparseCategoricalCrossentropy. */
class SparseCategoricalCrossentropy extends Loss {
  readonly name = 'sparse_categorical_crossentropy'
  readonly className = 'SparseCategoricalCrossentropy'
  readonly labels = 'classes'
  readonly fromLogits: boolean

  constructor({ fromLogits = false }: CrossentropyOptions = {}) {
    super()
    this.fromLogits = fromLogits
  }

  compute(labels: Tensor, prediction: Prediction): Tensor {
    return F.crossEntropy(asLogits(prediction, this.fromLogits), labels)
  }

  protected override ownConfig(): Config {
    return { from_logits: this.fromLogits, ignore_class: null }
  }
}

/** Labels are probabilities of classes [N, C], mostly one-hot. Source: keras.losses.CategoricalCrossentropy. */
class CategoricalCrossentropy extends Loss {
  readonly name = 'categorical_crossentropy'
  readonly className = 'CategoricalCrossentropy'
  readonly labels = 'values'
  readonly fromLogits: boolean

  constructor({ fromLogits = false }: CrossentropyOptions = {}) {
    super()
    this.fromLogits = fromLogits
  }

  compute(labels: Tensor, prediction: Prediction): Tensor {
    const logs =
      prediction.logits !== null || this.fromLogits ? asLogits(prediction, true).logSoftmax(1) : this.#logs(prediction)
    return labels.mul(logs).sum(1).neg().mean()
  }

  /** Of probabilities that were made to add up to 1. */
  #logs({ output }: Prediction): Tensor {
    return output
      .div(output.sum(1, true))
      .clamp(epsilon, 1 - epsilon)
      .log()
  }

  protected override ownConfig(): Config {
    return { from_logits: this.fromLogits, label_smoothing: 0, axis: -1 }
  }
}

/** The mean of squared differences. Source: keras.losses.MeanSquaredError. */
class MeanSquaredError extends Loss {
  readonly name = 'mean_squared_error'
  readonly className = 'MeanSquaredError'
  readonly labels = 'values'

  compute(labels: Tensor, { output }: Prediction): Tensor {
    return output.sub(labels).square().mean()
  }
}

export const losses = {
  sparseCategoricalCrossentropy: (options: CrossentropyOptions = {}) => new SparseCategoricalCrossentropy(options),
  categoricalCrossentropy: (options: CrossentropyOptions = {}) => new CategoricalCrossentropy(options),
  meanSquaredError: () => new MeanSquaredError(),
} as const

const names: Readonly<Record<string, () => Loss>> = { ...losses, mse: losses.meanSquaredError }

/** By name, by Keras' configuration, or itself. Throws UsageError for one that is not there. */
export function lossOf(loss: Loss | string | Config): Loss {
  if (loss instanceof Loss) return loss
  const name = typeof loss === 'string' ? loss : String(loss['class_name'] ?? '')
  const found = Object.keys(names).find((known) => sameName(known) === sameName(name))
  const config = typeof loss === 'string' ? {} : loss['config']
  const fromLogits =
    typeof config === 'object' && config !== null && 'from_logits' in config && config.from_logits === true
  if (found === 'sparseCategoricalCrossentropy' || found === 'categoricalCrossentropy')
    return losses[found]({ fromLogits })
  const make = found === undefined ? undefined : names[found]
  if (!make) throw new UsageError(`compile: there is no loss '${name}'; there are ${Object.keys(names).join(', ')}`)
  return make()
}

/** Checks labels against outputs; both without the batch. Throws LenetError telling both. */
export function checkLabels(loss: Loss, labels: readonly number[], outputs: readonly number[]): void {
  const shown = `labels of the shape ${showShape(labels)} and outputs of the shape ${showShape(outputs)} a picture`
  if (loss.labels === 'classes') {
    if (labels.length === 0 && outputs.length === 1) return
    throw new LenetError(
      `${loss.name}: expects one class number a picture and outputs of one dimension, got ${shown}; one-hot labels go with categoricalCrossentropy`,
    )
  }
  if (labels.length === outputs.length && labels.every((size, i) => size === outputs[i])) return
  throw new LenetError(
    `${loss.name}: expects labels of the outputs' shape, got ${shown}; class numbers go with sparseCategoricalCrossentropy`,
  )
}
