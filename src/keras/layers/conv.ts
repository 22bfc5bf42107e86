/** Conv2D. Not here: the convolution itself (nn's F). */
import { F, nn } from '../../nn/index.js'
import { ops, Tensor, zeros } from '../../tensor/index.js'
import { activate, activationName, type ActivationName } from '../activations.js'
import { initialise, initializerConfig, type Initializer } from '../initializers.js'
import { expectOptions, expectWhole, isPicture, Layer, type Config, type LayerOptions, type Spec } from '../layer.js'
import { kernelOrder, Weight } from '../weight.js'
import { geometry, paddingOf, pairOf, type Geometry, type Padding, type Pair, type Size2 } from './window.js'

export interface Conv2DOptions extends LayerOptions {
  readonly filters: number
  /** A number, or [height, width]. */
  readonly kernelSize: Size2
  /** Default 1. */
  readonly strides?: Size2
  /** 'valid' (default), or 'same': as many zeros around the picture that the result is ⌈size / stride⌉. */
  readonly padding?: string
  /** Default none. */
  readonly activation?: string | null
  /** Default true. */
  readonly useBias?: boolean
  /** Default 'glorotUniform'. */
  readonly kernelInitializer?: Initializer
  /** Default 'zeros'. */
  readonly biasInitializer?: Initializer
}

const known = [
  'filters',
  'kernelSize',
  'strides',
  'padding',
  'activation',
  'useBias',
  'kernelInitializer',
  'biasInitializer',
]

/** [N, H, W, C] → [N, OH, OW, filters]. Source: keras.layers.Conv2D (without dilation and groups). */
export class Conv2D extends Layer {
  readonly filters: number
  readonly kernelSize: Pair
  readonly strides: Pair
  readonly padding: Padding
  readonly activation: ActivationName
  readonly #initializers: readonly [kernel: Initializer, bias: Initializer]
  readonly #useBias: boolean
  #kernel: nn.Parameter | null = null
  #bias: nn.Parameter | null = null
  #geometry: Geometry | null = null

  constructor(options: Conv2DOptions) {
    super(options)
    expectOptions('conv2d', options, known)
    expectWhole('conv2d', 'filters', options.filters)
    this.filters = options.filters
    this.kernelSize = pairOf('conv2d', 'kernelSize', options.kernelSize)
    this.strides = pairOf('conv2d', 'strides', options.strides ?? 1)
    this.padding = paddingOf('conv2d', options.padding ?? 'valid')
    this.activation = activationName('conv2d', options.activation)
    this.#useBias = options.useBias ?? true
    this.#initializers = [options.kernelInitializer ?? 'GlorotUniform', options.biasInitializer ?? 'Zeros']
  }

  protected setUp(input: Spec) {
    const { filters, kernelSize } = this
    if (!isPicture(input)) throw this.misfit(`ndim=4, found ndim=${input.sizes.length + 1}`, input)
    const channels = input.sizes[2] ?? 0
    this.#geometry = geometry(`layer '${this.name}'`, input.sizes, kernelSize, this.strides, this.padding)
    this.#kernel = new nn.Parameter(zeros([filters, channels, ...kernelSize]))
    initialise('conv2d', this.#kernel, this.#initializers[0])
    const shape = [...kernelSize, channels, filters]
    const weights = [new Weight({ name: 'kernel', shape, tensor: this.#kernel, order: kernelOrder(shape) })]
    if (this.#useBias) {
      this.#bias = new nn.Parameter(zeros([filters]))
      initialise('conv2d', this.#bias, this.#initializers[1])
      weights.push(new Weight({ name: 'bias', shape: [filters], tensor: this.#bias }))
    }
    return { output: { sizes: [...this.#geometry.out, filters], flatOf: null }, weights }
  }

  call(x: Tensor): Tensor {
    if (!this.#kernel || !this.#geometry) throw this.notBuilt()
    const { before, after } = this.#geometry
    const stride = this.strides
    // Zeros on one side more: as zeros of the kernel on the other side, so that the picture stays where it lies.
    const extra = [after[0] - before[0], after[1] - before[1]] as const
    const isEven = extra[0] === 0 && extra[1] === 0
    const kernel = isEven ? this.#kernel : new Tensor(ops.pad(this.#kernel.node, [0, 0, ...extra], [0, 0, 0, 0]))
    return activate(this.activation, F.conv2d(x, kernel, this.#bias, { stride, padding: after }), 1)
  }

  protected ownConfig(): Config {
    return {
      filters: this.filters,
      kernel_size: this.kernelSize,
      strides: this.strides,
      padding: this.padding,
      data_format: 'channels_last',
      dilation_rate: [1, 1],
      groups: 1,
      activation: this.activation,
      use_bias: this.#useBias,
      kernel_initializer: initializerConfig(this.#initializers[0]),
      bias_initializer: initializerConfig(this.#initializers[1]),
      kernel_regularizer: null,
      bias_regularizer: null,
      activity_regularizer: null,
      kernel_constraint: null,
      bias_constraint: null,
    }
  }
}
