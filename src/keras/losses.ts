/** Losses under Keras' names. Not here: their mathematics (nn's F, tensor). */
import {
  expectOptions,
  LenetError,
  markCopy,
  refuseForeign,
  showShape,
  sizeOf,
  UsageError,
  type Shape,
} from '../base/index.js'
import { F } from '../nn/index.js'
import type { Tensor } from '../tensor/index.js'
import { classDim } from './dims.js'
import type { Config } from './layer.js'
import { sameName, type SnakeCase } from './naming.js'

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

const reductions = ['sum_over_batch_size', 'mean', 'sum', 'mean_with_sample_weight'] as const

/**
 * How the values of a batch become one number: their mean ('sum_over_batch_size', also called 'mean'), their sum, or with
 * sample weights the sum of value times weight over the sum of weights. 'none' is no loss to train on.
 */
export type Reduction = (typeof reductions)[number]

export interface LossOptions {
  /** Default: the class's name in snake case. */
  readonly name?: string
  /** Default 'sum_over_batch_size'. */
  readonly reduction?: Reduction
}

const lossOptions = ['name', 'reduction'] as const

export abstract class Loss {
  static {
    markCopy(Loss, 'Keras object')
  }

  /** As Keras writes it: 'sparse_categorical_crossentropy'. */
  readonly name: string
  readonly reduction: Reduction
  abstract readonly className: string
  abstract readonly labels: LabelKind

  /** @param known options of the class itself */
  constructor(name: string, options: LossOptions, known: readonly string[] = []) {
    expectOptions(name, options, [...known, ...lossOptions])
    const { reduction = 'sum_over_batch_size' } = options
    if (!reductions.includes(reduction))
      throw new UsageError(`${name}: reduction must be one of ${reductions.join(', ')}, got ${String(reduction)}`)
    this.name = options.name ?? name
    this.reduction = reduction
  }

  /**
   * The losses of a batch: [N], or a value for each place, [N, …] without the classes. Labels are [N] (classes) or as the
   * output.
   */
  abstract values(labels: Tensor, prediction: Prediction): Tensor

  /** Their mean. */
  protected mean(labels: Tensor, prediction: Prediction): Tensor {
    return this.values(labels, prediction).mean()
  }

  /** Which values count: 1 or 0 for each; null: all. */
  protected mask(_labels: Tensor): Tensor | null {
    return null
  }

  /** One number of a batch, by the reduction; with weights [N] each picture's values count so much. */
  compute(labels: Tensor, prediction: Prediction, weights: Tensor | null = null): Tensor {
    const mask = this.mask(labels)
    if (!weights && !mask && this.reduction !== 'sum') return this.mean(labels, prediction)
    const values = this.values(labels, prediction)
    return this.#reduced(values, weights && weights.view(-1, ...values.shape.slice(1).map(() => 1)), mask)
  }

  /** Source: keras.src.losses.loss.reduce_weighted_values. */
  #reduced(values: Tensor, weights: Tensor | null, mask: Tensor | null): Tensor {
    const factor = weights && mask ? weights.mul(mask) : (weights ?? mask)
    const counted = factor ? values.mul(factor) : values
    if (this.reduction === 'sum') return counted.sum()
    if (this.reduction === 'mean_with_sample_weight' && factor)
      return counted.sum().div(
        factor
          .sum()
          .mul(sizeOf(values.shape.slice(1)))
          .add(epsilon),
      )
    return mask ? counted.sum().div(mask.sum().add(epsilon)) : counted.mean()
  }

  protected ownConfig(): Config {
    return {}
  }

  /** As Keras' `serialize_keras_object(loss)`. */
  serialize(): Config {
    const config = { name: this.name, reduction: this.reduction, ...this.ownConfig() }
    return { module: 'keras.losses', class_name: this.className, config, registered_name: null }
  }
}

export interface CrossentropyOptions extends LossOptions {
  /** The model gives logits, not probabilities; default false. */
  readonly fromLogits?: boolean
}

export interface SparseOptions extends CrossentropyOptions {
  /** Pictures with this label count nothing; it need be none of the classes. Default null: all count. */
  readonly ignoreClass?: number | null
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
  readonly className = 'SparseCategoricalCrossentropy'
  readonly labels = 'classes'
  readonly fromLogits: boolean
  readonly ignoreClass: number | null

  constructor(options: SparseOptions = {}) {
    super('sparse_categorical_crossentropy', options, ['fromLogits', 'ignoreClass'])
    const { fromLogits = false, ignoreClass = null } = options
    if (ignoreClass !== null && !Number.isInteger(ignoreClass))
      throw new UsageError(
        `sparseCategoricalCrossentropy: ignoreClass must be a whole number or null, got ${String(ignoreClass)}`,
      )
    this.fromLogits = fromLogits
    this.ignoreClass = ignoreClass
  }

  protected override mask(labels: Tensor): Tensor | null {
    return this.ignoreClass === null ? null : labels.ne(this.ignoreClass).float()
  }

  /** The label to ignore may be no class: class 0 stands for it, and counts nothing. */
  values(labels: Tensor, prediction: Prediction): Tensor {
    const { ignoreClass } = this
    const known = ignoreClass === null ? labels : labels.mul(labels.ne(ignoreClass)).to('i32')
    return F.crossEntropy(asLogits(prediction, this.fromLogits), known, { reduction: 'none' })
  }

  protected override mean(labels: Tensor, prediction: Prediction): Tensor {
    return F.crossEntropy(asLogits(prediction, this.fromLogits), labels)
  }

  protected override ownConfig(): Config {
    return { from_logits: this.fromLogits, ignore_class: this.ignoreClass }
  }
}

/** Labels are probabilities of classes [N, …, C], mostly one-hot. Source: keras.losses.CategoricalCrossentropy. */
export class CategoricalCrossentropy extends Loss {
  readonly className = 'CategoricalCrossentropy'
  readonly labels = 'values'
  readonly fromLogits: boolean
  readonly labelSmoothing: number

  constructor(options: SmoothOptions = {}) {
    super('categorical_crossentropy', options, ['fromLogits', 'labelSmoothing'])
    const { fromLogits = false, labelSmoothing = 0 } = options
    expectShare('categoricalCrossentropy', labelSmoothing)
    this.fromLogits = fromLogits
    this.labelSmoothing = labelSmoothing
  }

  values(labels: Tensor, prediction: Prediction): Tensor {
    const dim = classDim(prediction.output)
    const isLogits = prediction.logits !== null || this.fromLogits
    const logs = isLogits ? asLogits(prediction, true).logSoftmax(dim) : this.#logs(prediction, dim)
    return this.#smooth(labels, dim).mul(logs).sum(dim).neg()
  }

  #smooth(labels: Tensor, dim: number): Tensor {
    const { labelSmoothing } = this
    return labelSmoothing === 0 ? labels : labels.mul(1 - labelSmoothing).add(labelSmoothing / labels.size(dim))
  }

  /** Of probabilities that were made to add up to 1. */
  #logs({ output }: Prediction, dim: number): Tensor {
    return output
      .div(output.sum(dim, true))
      .clamp(epsilon, 1 - epsilon)
      .log()
  }

  protected override ownConfig(): Config {
    return { from_logits: this.fromLogits, label_smoothing: this.labelSmoothing, axis: -1 }
  }
}

/** Labels are 0 or 1, or between, as many as outputs: each for itself. Source: keras.losses.BinaryCrossentropy. */
export class BinaryCrossentropy extends Loss {
  readonly className = 'BinaryCrossentropy'
  readonly labels = 'values'
  readonly fromLogits: boolean
  readonly labelSmoothing: number

  constructor(options: SmoothOptions = {}) {
    super('binary_crossentropy', options, ['fromLogits', 'labelSmoothing'])
    const { fromLogits = false, labelSmoothing = 0 } = options
    expectShare('binaryCrossentropy', labelSmoothing)
    this.fromLogits = fromLogits
    this.labelSmoothing = labelSmoothing
  }

  values(labels: Tensor, { output, logits }: Prediction): Tensor {
    const { labelSmoothing } = this
    const smooth = labelSmoothing === 0 ? labels : labels.mul(1 - labelSmoothing).add(0.5 * labelSmoothing)
    const dim = classDim(output)
    if (logits || this.fromLogits)
      return F.binaryCrossEntropyWithLogits(logits ?? output, smooth, { reduction: 'none' }).mean(dim)
    const sure = output.clamp(epsilon, 1 - epsilon)
    const [yes, no] = [smooth.mul(sure.log()), smooth.neg().add(1).mul(sure.neg().add(1).log())]
    return yes.add(no).neg().mean(dim)
  }

  protected override ownConfig(): Config {
    return { from_logits: this.fromLogits, label_smoothing: this.labelSmoothing, axis: -1 }
  }
}

/** The mean of squared differences. Source: keras.losses.MeanSquaredError. */
export class MeanSquaredError extends Loss {
  readonly className = 'MeanSquaredError'
  readonly labels = 'values'

  constructor(options: LossOptions = {}) {
    super('mean_squared_error', options)
  }

  values(labels: Tensor, { output }: Prediction): Tensor {
    return output.sub(labels).square().mean(classDim(output))
  }

  protected override mean(labels: Tensor, { output }: Prediction): Tensor {
    return output.sub(labels).square().mean()
  }
}

/** The mean of differences without their signs. Source: keras.losses.MeanAbsoluteError. */
export class MeanAbsoluteError extends Loss {
  readonly className = 'MeanAbsoluteError'
  readonly labels = 'values'

  constructor(options: LossOptions = {}) {
    super('mean_absolute_error', options)
  }

  values(labels: Tensor, { output }: Prediction): Tensor {
    return output.sub(labels).abs().mean(classDim(output))
  }
}

export const losses = {
  sparseCategoricalCrossentropy: (options: SparseOptions = {}) => new SparseCategoricalCrossentropy(options),
  categoricalCrossentropy: (options: SmoothOptions = {}) => new CategoricalCrossentropy(options),
  binaryCrossentropy: (options: SmoothOptions = {}) => new BinaryCrossentropy(options),
  meanSquaredError: (options: LossOptions = {}) => new MeanSquaredError(options),
  meanAbsoluteError: (options: LossOptions = {}) => new MeanAbsoluteError(options),
} as const

const named = { ...losses, mse: losses.meanSquaredError, mae: losses.meanAbsoluteError } as const

/** 'sparseCategoricalCrossentropy' or, as Keras writes it, 'sparse_categorical_crossentropy'; 'mse' and 'mae'. */
export type LossName = keyof typeof named | SnakeCase<keyof typeof named>

/** Keras' names of options. */
const optionNames: Readonly<Record<string, keyof SparseOptions | keyof SmoothOptions>> = {
  name: 'name',
  reduction: 'reduction',
  from_logits: 'fromLogits',
  label_smoothing: 'labelSmoothing',
  ignore_class: 'ignoreClass',
}

/** Options of Keras' configuration; throws UsageError for those that would change the loss and are not known. */
function optionsOf(what: string, config: unknown): object {
  const options: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(config ?? {})) {
    const name = optionNames[key]
    if (name !== undefined) options[name] = value
    else if (key === 'fn' || key === 'dtype' || (key === 'axis' && value === -1)) continue
    else throw new UsageError(`compile: the loss ${what} has ${key}: ${JSON.stringify(value)}, which is not known here`)
  }
  if (options['reduction'] === 'auto') delete options['reduction'] // of Keras 2: the mean
  return options
}

/** By name, by Keras' configuration, or itself. Throws UsageError for one that is not there. */
export function lossOf(loss: Loss | string | Config): Loss {
  if (loss instanceof Loss) return loss
  refuseForeign('compile: the loss', loss)
  const name = typeof loss === 'string' ? loss : String(loss['class_name'] ?? '')
  const make = lossNamed(name)
  if (!make) throw new UsageError(`compile: there is no loss '${name}'; there are ${Object.keys(named).join(', ')}`)
  return make(typeof loss === 'string' ? {} : optionsOf(name, loss['config']))
}

/** What makes the loss of that name in any spelling; undefined where there is none. */
export function lossNamed(name: string): ((options: object) => Loss) | undefined {
  return Object.entries<(options: object) => Loss>(named).find(([known]) => sameName(known) === sameName(name))?.[1]
}

/** Checks labels against outputs; both without the batch. Throws LenetError telling both. */
export function checkLabels(loss: Loss, labels: Shape, outputs: Shape): void {
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
