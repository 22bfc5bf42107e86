/**
 * Layer: what all layers share: name, shapes, weights in Keras' order, and their configuration as Keras writes it.
 * Not here: the layers (layers/), their order in a model (sequential.ts).
 */
import {
  expectOptions as expectKnown,
  LenetError,
  markCopy,
  refuseForeign,
  UsageError,
  type Shape,
} from '../base/index.js'
import { isLayerName } from '../formats/index.js'
import { fromArray, ownTensor, tensor, type Tensor, type TensorData } from '../tensor/index.js'
import { KerasTensor, type Use } from './kerasTensor.js'
import { nextName } from './naming.js'
import type { Weight } from './weight.js'

/**
 * What flows between layers. `sizes` are Keras', without the batch: [height, width, channels] for pictures, which lie as
 * [N, C, H, W] inside. `flatOf`: a picture of these sizes was flattened as it lies inside, channels first.
 */
export interface Spec {
  readonly sizes: Shape
  readonly flatOf: Shape | null
}

export const isPicture = ({ sizes }: Spec): boolean => sizes.length === 3

/** The dimension of channels or features inside. */
export const featuresOf = (spec: Spec): number => (isPicture(spec) ? 1 : spec.sizes.length)

/** `(None, 32, 32, 3)`. */
export const showBatch = (sizes: Shape): string =>
  `(None${sizes.map((size) => `, ${size}`).join('')}${sizes.length === 0 ? ',' : ''})`

/** How a layer is called. */
export interface CallContext {
  readonly training: boolean
  /** What `draw` of a layer gave for this batch; empty where nothing was drawn. */
  readonly drawn: (layer: Layer) => readonly Tensor[]
}

export interface LayerOptions {
  /** Default: the class's name in small letters, numbered. */
  readonly name?: string
  /** Sizes of one picture, for the first layer: [height, width, channels]. */
  readonly inputShape?: Shape
  /** False freezes the layer; default true. */
  readonly trainable?: boolean
}

export type Config = Readonly<Record<string, unknown>>

const layerOptions = ['name', 'inputShape', 'trainable']

/** Throws UsageError for an option that the layer does not have. */
export function expectOptions(what: string, options: object, known: readonly string[]): void {
  expectKnown(what, options, [...known, ...layerOptions])
}

/** A whole number of `least` or more. */
export function expectWhole(what: string, name: string, value: unknown, least = 1): void {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least) return
  throw new UsageError(`${what}: ${name} must be a whole number of ${least} or more, got ${String(value)}`)
}

const dtypePolicy = {
  module: 'keras',
  class_name: 'DTypePolicy',
  config: { name: 'float32' },
  registered_name: null,
} as const

export abstract class Layer {
  static {
    markCopy(Layer, 'Keras object')
  }

  readonly name: string
  input: Spec | null = null
  inputs: readonly Spec[] = []
  output: Spec | null = null
  readonly #told: Shape | null
  readonly #uses: Use[] = []
  #weights: readonly Weight[] = []
  #trainable: boolean

  constructor({ name, inputShape, trainable = true }: LayerOptions = {}) {
    this.name = name ?? nextName(this.className)
    if (!isLayerName(this.name))
      throw new UsageError(
        `${this.className}: no layer can be called ${JSON.stringify(this.name)}: names are parts of paths in Keras's files, of 1 to 200 characters without /`,
      )
    if (typeof trainable !== 'boolean')
      throw new UsageError(`${this.className}: trainable must be true or false, got ${String(trainable)}`)
    this.#told = inputShape ?? null
    this.#trainable = trainable
  }

  /** Keras' name of the class: 'Conv2D'. */
  get className(): string {
    return this.constructor.name
  }

  /** Sizes that the layer was told to expect; null: it takes what comes. */
  get inputShape(): Shape | null {
    return this.#told
  }

  get weights(): readonly Weight[] {
    return this.#weights
  }

  /** Makes the weights for inputs of these sizes, and tells those of the outputs. Throws LenetError where they do not fit. */
  protected abstract setUp(input: Spec): { readonly output: Spec; readonly weights?: readonly Weight[] }

  /** As `setUp`, for all inputs: one, but for layers that merge. */
  protected setUpAll(inputs: readonly Spec[]): ReturnType<Layer['setUp']> {
    const [input] = inputs
    if (input && inputs.length === 1) return this.setUp(input)
    throw new LenetError(
      `Layer '${this.name}' expects 1 input(s), but it received ${inputs.length} input tensors: ${inputs.map(({ sizes }) => showBatch(sizes)).join(', ')}`,
    )
  }

  /** Values of the layer: of [N, C, H, W] for pictures. */
  abstract call(x: Tensor, context: CallContext): Tensor

  /** As `call`, of all inputs. */
  callAll([x]: readonly Tensor[], context: CallContext): Tensor {
    if (!x) throw this.notBuilt()
    return this.call(x, context)
  }

  /** The inputs as the layer takes them: most take lists in the order in which pictures lie inside (`flatOf`). */
  accepted(inputs: readonly Spec[]): readonly Spec[] {
    return inputs
  }

  /** Random numbers for a batch of `count` in training, as tensors that `call` gets back; default none. */
  draw(_count: number): Tensor[] {
    return []
  }

  get built(): boolean {
    return this.output !== null
  }

  /** False: its weights are not trained, and batch normalisation keeps its statistics. Compile anew after a change. */
  get trainable(): boolean {
    return this.#trainable
  }

  set trainable(flag: boolean) {
    this.#trainable = flag
    for (const weight of this.weights) if (weight.trainable) weight.tensor.requiresGrad_(flag)
  }

  /**
   * Makes the weights, the first time; afterwards the inputs must be the same. Throws LenetError where they do not fit.
   * @param owner name of the Sequential, in front of the weights' paths; '' where there is none
   */
  buildFor(given: readonly Spec[], owner: string): Spec {
    const inputs = this.accepted(given)
    if (this.output) return this.#again(inputs, this.output)
    const { output, weights = [] } = this.setUpAll(inputs)
    this.input = inputs[0] ?? null
    this.inputs = inputs
    this.output = output
    this.#weights = weights
    for (const weight of weights) {
      weight.layer = this.name
      weight.path = [owner, this.name, weight.name].filter((part) => part !== '').join('/')
    }
    if (!this.#trainable) this.trainable = false
    return output
  }

  #again(inputs: readonly Spec[], output: Spec): Spec {
    if (JSON.stringify(inputs) === JSON.stringify(this.inputs)) return output
    const shown = (specs: readonly Spec[]): string => specs.map(({ sizes }) => showBatch(sizes)).join(', ')
    throw new LenetError(
      `layer '${this.name}' was built for ${shown(this.inputs)} and is applied to ${shown(inputs)}: a layer that is used more than once must see the same sizes`,
    )
  }

  /** Whether it may stand in a model twice. */
  get mayRepeat(): boolean {
    return true
  }

  /** Whether Keras gives it one list instead of one value. */
  get takesList(): boolean {
    return false
  }

  /** What it has been applied to so far. */
  get uses(): readonly Use[] {
    return this.#uses
  }

  /** The layer's value for that of another layer, or of several for layers that merge: Keras' `layer(x)`. */
  apply(x: KerasTensor | readonly KerasTensor[]): KerasTensor {
    const inputs: readonly KerasTensor[] = Symbol.iterator in x ? x : [x]
    for (const input of inputs) {
      refuseForeign(`layer '${this.name}': what it is applied to`, input)
      if (!(input instanceof KerasTensor))
        throw new UsageError(`layer '${this.name}': apply takes what Input() or another layer's apply gave`)
    }
    if (this.#uses.length > 0 && !this.mayRepeat)
      throw new UsageError(`layer '${this.name}' (${this.className}) draws random numbers and can be applied only once`)
    const spec = this.buildFor(
      inputs.map((input) => input.spec),
      '',
    )
    return this.noteUse(spec, inputs)
  }

  protected noteUse(spec: Spec, inputs: readonly KerasTensor[]): KerasTensor {
    const output = new KerasTensor(spec, { layer: this, inputs, index: this.#uses.length })
    this.#uses.push(output.use)
    return output
  }

  get trainableWeights(): readonly Weight[] {
    return this.#trainable ? this.weights.filter((weight) => weight.trainable) : []
  }

  countParams(): number {
    return this.weights.reduce((sum, { size }) => sum + size, 0)
  }

  /** Copies of the weights in Keras' shapes. */
  getWeights(): Tensor[] {
    return this.weights.map((weight) => weight.get())
  }

  /** Sets the weights, in the order and shapes of `getWeights`. Nothing is changed unless everything fits. */
  setWeights(values: readonly (Tensor | TensorData)[]): void {
    setWeights(`layer '${this.name}'`, this.weights, values)
  }

  /** What the class adds to the configuration, under Keras' names. */
  protected abstract ownConfig(): Config

  /** As Keras' `get_config()`. */
  getConfig(): Config {
    return { name: this.name, trainable: this.#trainable, dtype: dtypePolicy, ...this.ownConfig() }
  }

  /** Whether Keras writes the sizes that the layer was built for. */
  protected get savesBuild(): boolean {
    return true
  }

  /** As Keras' `serialize_keras_object(layer)`. */
  serialize(): Config {
    const own = { module: 'keras.layers', class_name: this.className, config: this.getConfig(), registered_name: null }
    if (!this.input || !this.savesBuild) return own
    return { ...own, build_config: { input_shape: this.buildShape() } }
  }

  /** The sizes that the layer was built for, as Keras writes them. */
  protected buildShape(): unknown {
    return this.input && [null, ...this.input.sizes]
  }

  /** What Keras writes beside a use of the layer. */
  get useConfig(): Config {
    return {}
  }

  protected notBuilt(): LenetError {
    return new LenetError(`layer '${this.name}' is not built yet: build the model, or give it an inputShape`)
  }

  /** An input that does not fit, told as Keras does. */
  protected misfit(expected: string, { sizes }: Spec): LenetError {
    return new LenetError(
      `Input 0 of layer '${this.name}' is incompatible with the layer: expected ${expected}. Full shape received: ${showBatch(sizes)}`,
    )
  }
}

/** A tensor of what people give: a tensor, or numbers. */
export const asTensor = (values: Tensor | TensorData): Tensor => ownTensor(values) ?? tensor(values as TensorData)

/** Flat numbers take the weight's shape. */
function shaped(values: Tensor | TensorData, weight: Weight): Tensor {
  const given = asTensor(values)
  if (!ArrayBuffer.isView(values) || given.numel() !== weight.size) return given
  return fromArray(given.toTypedArray(), weight.shape, 'f32')
}

export function setWeights(what: string, weights: readonly Weight[], values: readonly (Tensor | TensorData)[]): void {
  if (values.length !== weights.length)
    throw new LenetError(`${what} has ${weights.length} weights, got ${values.length}: give what getWeights() returned`)
  const pairs = weights.map((weight, i) => ({ weight, value: shaped(values[i] ?? 0, weight) }))
  for (const { weight, value } of pairs) weight.check(value)
  for (const { weight, value } of pairs) weight.set(value.toTypedArray())
}
