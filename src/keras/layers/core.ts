/** Dense, Dropout, InputLayer and Rescaling. Not here: what they compute (nn's F, tensor). */
import { UsageError, type Shape } from '../../base/index.js'
import { F, nn } from '../../nn/index.js'
import { type Tensor, zeros } from '../../tensor/index.js'
import { activate, activationName, type ActivationName, type ActivationText } from '../activations.js'
import { initialise, initializerConfig, type Initializer } from '../initializers.js'
import {
  expectOptions,
  expectWhole,
  featuresOf,
  isPicture,
  Layer,
  type CallContext,
  type Config,
  type LayerOptions,
  type Spec,
} from '../layer.js'
import type { KerasTensor } from '../kerasTensor.js'
import { l2Of, regularizerConfig, type Regularizer } from '../regularizers.js'
import { denseOrder, flatOrder, Weight } from '../weight.js'

export interface DenseOptions extends LayerOptions {
  readonly units: number
  /** Default none. */
  readonly activation?: ActivationText | null
  /** Default true. */
  readonly useBias?: boolean
  /** Default 'glorotUniform'. */
  readonly kernelInitializer?: Initializer
  /** Default 'zeros'. */
  readonly biasInitializer?: Initializer
  /** Default none. */
  readonly kernelRegularizer?: Regularizer
}

/** activation(x kernel + bias): […, in] → […, units]. Source: keras.layers.Dense. */
export class Dense extends Layer {
  readonly units: number
  readonly activation: ActivationName
  readonly #useBias: boolean
  readonly #l2: number
  readonly #initializers: readonly [kernel: Initializer, bias: Initializer]
  #kernel: nn.Parameter | null = null
  #bias: nn.Parameter | null = null

  constructor(options: DenseOptions) {
    super(options)
    expectOptions('dense', options, [
      'units',
      'activation',
      'useBias',
      'kernelInitializer',
      'biasInitializer',
      'kernelRegularizer',
    ])
    expectWhole('dense', 'units', options.units)
    this.units = options.units
    this.#l2 = l2Of('dense', options.kernelRegularizer)
    this.activation = activationName('dense', options.activation)
    this.#useBias = options.useBias ?? true
    this.#initializers = [options.kernelInitializer ?? 'GlorotUniform', options.biasInitializer ?? 'Zeros']
  }

  protected setUp(input: Spec) {
    const { units } = this
    const inputs = input.sizes.at(-1)
    if (inputs === undefined) throw this.misfit('min_ndim=2, found ndim=1', input)
    this.#kernel = new nn.Parameter(zeros([units, inputs]))
    initialise('dense', this.#kernel, this.#initializers[0])
    const order = denseOrder(inputs, units, input.flatOf && flatOrder(input.flatOf))
    const weights = [new Weight({ name: 'kernel', shape: [inputs, units], tensor: this.#kernel, order, l2: this.#l2 })]
    if (this.#useBias) {
      this.#bias = new nn.Parameter(zeros([units]))
      initialise('dense', this.#bias, this.#initializers[1])
      weights.push(new Weight({ name: 'bias', shape: [units], tensor: this.#bias }))
    }
    return { output: { sizes: [...input.sizes.slice(0, -1), units], flatOf: null }, weights }
  }

  call(x: Tensor): Tensor {
    return this.output ? activate(this.activation, this.#linear(x), featuresOf(this.output)) : this.#linear(x)
  }

  #linear(x: Tensor): Tensor {
    if (!this.#kernel || !this.output) throw this.notBuilt()
    // On pictures it works on channels, which are dimension 1 inside: a convolution of one pixel.
    return isPicture(this.output)
      ? F.conv2d(x, this.#kernel.view(this.units, -1, 1, 1), this.#bias)
      : F.linear(x, this.#kernel, this.#bias)
  }

  protected ownConfig(): Config {
    return {
      units: this.units,
      activation: this.activation,
      use_bias: this.#useBias,
      kernel_initializer: initializerConfig(this.#initializers[0]),
      bias_initializer: initializerConfig(this.#initializers[1]),
      kernel_regularizer: regularizerConfig(this.#l2),
      bias_regularizer: null,
      kernel_constraint: null,
      bias_constraint: null,
      quantization_config: null,
    }
  }
}

export interface DropoutOptions extends LayerOptions {
  /** How many values become 0 in training: a fraction of 1. */
  readonly rate: number
  /** Taken for Keras' sake: all masks follow from `utils.setRandomSeed`. */
  readonly seed?: number | null
}

/** In training each value is 0 with probability `rate`, else divided by 1 - rate. Source: keras.layers.Dropout. */
export class Dropout extends Layer {
  readonly rate: number

  constructor(options: DropoutOptions) {
    super(options)
    expectOptions('dropout', options, ['rate', 'seed'])
    const { rate } = options
    if (!(rate >= 0 && rate <= 1))
      throw new UsageError(
        `dropout: Invalid value received for argument \`rate\`. Expected a value from 0 to 1. Received: rate=${rate}`,
      )
    this.rate = rate
  }

  protected setUp(input: Spec) {
    return { output: input }
  }

  call(x: Tensor, { training }: CallContext): Tensor {
    return F.dropout(x, this.rate, training)
  }

  protected override get savesBuild(): boolean {
    return false
  }

  override get useConfig(): Config {
    return { training: false }
  }

  protected ownConfig(): Config {
    return { rate: this.rate, seed: null, noise_shape: null }
  }
}

export interface InputOptions {
  /** Sizes without the batch: [height, width, channels]. */
  readonly shape: Shape
  readonly name?: string
}

/** Says what the model expects. `model.layers` leaves it out. Source: keras.Input, keras.layers.InputLayer. */
export class InputLayer extends Layer {
  #value: KerasTensor | null = null

  constructor(options: InputOptions) {
    super({ inputShape: options.shape, ...(options.name !== undefined && { name: options.name }) })
    expectOptions('inputLayer', options, ['shape'])
    for (const size of options.shape) expectWhole('input', 'each size of the shape', size)
  }

  /** What functional models begin with. */
  get value(): KerasTensor {
    const spec = { sizes: this.inputShape ?? [], flatOf: null }
    return (this.#value ??= this.noteUse(this.buildFor([spec], ''), []))
  }

  protected setUp(input: Spec) {
    return { output: input }
  }

  call(x: Tensor): Tensor {
    return x
  }

  protected override get savesBuild(): boolean {
    return false
  }

  protected ownConfig(): Config {
    return {}
  }

  override getConfig(): Config {
    const batch_shape = [null, ...(this.inputShape ?? [])]
    return { batch_shape, dtype: 'float32', sparse: false, ragged: false, name: this.name, optional: false }
  }
}

export interface RescalingOptions extends LayerOptions {
  readonly scale: number
  /** Default 0. */
  readonly offset?: number
}

/** x · scale + offset. Source: keras.layers.Rescaling. */
export class Rescaling extends Layer {
  readonly scale: number
  readonly offset: number

  constructor(options: RescalingOptions) {
    super(options)
    expectOptions('rescaling', options, ['scale', 'offset'])
    const { scale, offset = 0 } = options
    if (!Number.isFinite(scale) || !Number.isFinite(offset))
      throw new UsageError(`rescaling: scale and offset must be numbers, got ${scale} and ${offset}`)
    this.scale = scale
    this.offset = offset
  }

  protected setUp(input: Spec) {
    return { output: input }
  }

  call(x: Tensor): Tensor {
    const scaled = x.mul(this.scale)
    return this.offset === 0 ? scaled : scaled.add(this.offset)
  }

  protected ownConfig(): Config {
    return { scale: this.scale, offset: this.offset }
  }
}
