/** Losses under Keras' names. Not here: their mathematics (nn's F, tensor). */
import { LenetError, markCopy, refuseForeign, showShape, UsageError } from '../base/index.js'
import { F } from '../nn/index.js'
import type { Tensor } from '../tensor/index.js'
import type { Config } from './layer.js'
import { sameName } from './naming.js'

/** What a model gave for a batch. */
export interface Prediction {
  /** [N, …] in our order, after the last activation. */
  readonly output: Tensor
  /**
   * [N, …] before the last softmax or sigmoid, where the model ends in one: all cross-entropies take these for their logits,
   * whichever of the two it was, as Keras does.
   */
  readonly logits: Tensor | null
}

/** What labels must be: 'classes' are whole numbers, one a picture, [N] or [N, 1]. */
export type LabelKind = 'classes' | 'values'

/** Keeps logarithms finite. */
const epsilon = 1e-7

export abstract class Loss {
  static {
    markCopy(Loss, 'Keras object')
  }

  /** As Keras writes it: 'sparse_categorical_crossentropy'. */
  abstract readonly name: string
  abstract readonly className: string
  abstract readonly labels: LabelKind
  /** The loss of each picture: [N]. Labels are [N] (classes) or as the output. */
  protected abstract each(labels: Tensor, prediction: Prediction): Tensor

  /** Their mean. */
  protected mean(labels: Tensor, prediction: Prediction): Tensor {
    return this.each(labels, prediction).mean()
  }

  /** The mean over the batch; with weights [N] the mean of loss times weight, over the count of pictures as in Keras. */
  compute(labels: Tensor, prediction: Prediction, weights: Tensor | null = null): Tensor {
    return weights ? this.each(labels, prediction).mul(weights).mean() : this.mean(labels, prediction)
  }

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

export interface SmoothOptions extends CrossentropyOptions {
  /** How much of a label's 1 is shared out to all classes, of [0, 1]; default 0. */
  readonly labelSmoothing?: number
}

function expectShare(what: string, labelSmoothing: number): void {
  if (labelSmoothing >= 0 && labelSmoothing <= 1) return
  throw new UsageError(`${what}: labelSmoothing must be from 0 to 1, got ${labelSmoothing}`)
}

/** Logits, or logarithms of probabilities, which differ by a constant. */
function asLogits({ output, logits }: Prediction, fromLogits: boolean): Tensor {
  return logits ?? (fromLogits ? output : output.clamp(epsilon, 1 - epsilon).log())
}

/** Labels are class numbers. Source: keras.losses.SparseCategoricalCrossentropy. */
export class SparseCategoricalCrossentropy extends Loss {
  readonly name = 'sparse_categorical_crossentropy'
  readonly className = 'SparseCategoricalCrossentropy'
  readonly labels = 'classes'
  readonly fromLogits: boolean

  constructor({ fromLogits = false }: CrossentropyOptions = {}) {
    super()
    this.fromLogits = fromLogits
  }

  protected each(labels: Tensor, prediction: Prediction): Tensor {
    return F.crossEntropy(asLogits(prediction, this.fromLogits), labels, { reduction: 'none' })
  }

  protected override mean(labels: Tensor, prediction: Prediction): Tensor {
    return F.crossEntropy(asLogits(prediction, this.fromLogits), labels)
  }

  protected override ownConfig(): Config {
    return { from_logits: this.fromLogits, ignore_class: null }
  }
}

/** Labels are probabilities of classes [N, C], mostly one-hot. Source: keras.losses.CategoricalCrossentropy. */
export class CategoricalCrossentropy extends Loss {
  readonly name = 'categorical_crossentropy'
  readonly className = 'CategoricalCrossentropy'
  readonly labels = 'values'
  readonly fromLogits: boolean
  readonly labelSmoothing: number

  constructor({ fromLogits = false, labelSmoothing = 0 }: SmoothOptions = {}) {
    super()
    expectShare('categoricalCrossentropy', labelSmoothing)
    this.fromLogits = fromLogits
    this.labelSmoothing = labelSmoothing
  }

  protected each(labels: Tensor, prediction: Prediction): Tensor {
    const logs =
      prediction.logits !== null || this.fromLogits ? asLogits(prediction, true).logSoftmax(1) : this.#logs(prediction)
    return this.#smooth(labels).mul(logs).sum(1).neg()
  }

  #smooth(labels: Tensor): Tensor {
    const { labelSmoothing } = this
    return labelSmoothing === 0 ? labels : labels.mul(1 - labelSmoothing).add(labelSmoothing / labels.size(1))
  }

  /** Of probabilities that were made to add up to 1. */
  #logs({ output }: Prediction): Tensor {
    return output
      .div(output.sum(1, true))
      .clamp(epsilon, 1 - epsilon)
      .log()
  }

  protected override ownConfig(): Config {
    return { from_logits: this.fromLogits, label_smoothing: this.labelSmoothing, axis: -1 }
  }
}

/** The mean over all but the batch: [N, …] → [N]. */
const byPicture = (values: Tensor): Tensor => values.flatten(1).mean(1)

/** Labels are 0 or 1, or between, as many as outputs: each for itself. Source: keras.losses.BinaryCrossentropy. */
export class BinaryCrossentropy extends Loss {
  readonly name = 'binary_crossentropy'
  readonly className = 'BinaryCrossentropy'
  readonly labels = 'values'
  readonly fromLogits: boolean
  readonly labelSmoothing: number

  constructor({ fromLogits = false, labelSmoothing = 0 }: SmoothOptions = {}) {
    super()
    expectShare('binaryCrossentropy', labelSmoothing)
    this.fromLogits = fromLogits
    this.labelSmoothing = labelSmoothing
  }

  protected each(labels: Tensor, { output, logits }: Prediction): Tensor {
    const { labelSmoothing } = this
    const smooth = labelSmoothing === 0 ? labels : labels.mul(1 - labelSmoothing).add(0.5 * labelSmoothing)
    if (logits || this.fromLogits)
      return byPicture(F.binaryCrossEntropyWithLogits(logits ?? output, smooth, { reduction: 'none' }))
    const sure = output.clamp(epsilon, 1 - epsilon)
    const [yes, no] = [smooth.mul(sure.log()), smooth.neg().add(1).mul(sure.neg().add(1).log())]
    return byPicture(yes.add(no).neg())
  }

  protected override ownConfig(): Config {
    return { from_logits: this.fromLogits, label_smoothing: this.labelSmoothing, axis: -1 }
  }
}

/** The mean of squared differences. Source: keras.losses.MeanSquaredError. */
export class MeanSquaredError extends Loss {
  readonly name = 'mean_squared_error'
  readonly className = 'MeanSquaredError'
  readonly labels = 'values'

  protected each(labels: Tensor, { output }: Prediction): Tensor {
    return byPicture(output.sub(labels).square())
  }

  protected override mean(labels: Tensor, { output }: Prediction): Tensor {
    return output.sub(labels).square().mean()
  }
}

/** The mean of differences without their signs. Source: keras.losses.MeanAbsoluteError. */
export class MeanAbsoluteError extends Loss {
  readonly name = 'mean_absolute_error'
  readonly className = 'MeanAbsoluteError'
  readonly labels = 'values'

  protected each(labels: Tensor, { output }: Prediction): Tensor {
    return byPicture(output.sub(labels).abs())
  }
}

export const losses = {
  sparseCategoricalCrossentropy: (options: CrossentropyOptions = {}) => new SparseCategoricalCrossentropy(options),
  categoricalCrossentropy: (options: SmoothOptions = {}) => new CategoricalCrossentropy(options),
  binaryCrossentropy: (options: SmoothOptions = {}) => new BinaryCrossentropy(options),
  meanSquaredError: () => new MeanSquaredError(),
  meanAbsoluteError: () => new MeanAbsoluteError(),
} as const

const names: Readonly<Record<string, (options: SmoothOptions) => Loss>> = {
  ...losses,
  mse: losses.meanSquaredError,
  mae: losses.meanAbsoluteError,
}

/** Options of Keras' configuration. */
function optionsOf(config: unknown): SmoothOptions {
  if (typeof config !== 'object' || config === null) return {}
  const { from_logits, label_smoothing }: Config = { ...config }
  return {
    fromLogits: from_logits === true,
    ...(typeof label_smoothing === 'number' && { labelSmoothing: label_smoothing }),
  }
}

/** By name, by Keras' configuration, or itself. Throws UsageError for one that is not there. */
export function lossOf(loss: Loss | string | Config): Loss {
  if (loss instanceof Loss) return loss
  refuseForeign('compile: the loss', loss)
  const name = typeof loss === 'string' ? loss : String(loss['class_name'] ?? '')
  const found = Object.keys(names).find((known) => sameName(known) === sameName(name))
  const make = found === undefined ? undefined : names[found]
  if (!make) throw new UsageError(`compile: there is no loss '${name}'; there are ${Object.keys(names).join(', ')}`)
  return make(typeof loss === 'string' ? {} : optionsOf(loss['config']))
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
