/** Conv2D and DepthwiseConv2D. Not here: the convolution itself (nn's F). */
import { UsageError, type Shape } from '../../base/index.js'
import { F, nn } from '../../nn/index.js'
import { ops, Tensor, zeros } from '../../tensor/index.js'
import { activate, activationName, type ActivationName, type ActivationText } from '../activations.js'
import { initialise, initializerConfig, type Initializer } from '../initializers.js'
import {
  expectOptions,
  expectWhole,
  isPicture,
  Layer,
  showBatch,
  type Config,
  type LayerOptions,
  type Spec,
} from '../layer.js'
import { l2Of, regularizerConfig, type Regularizer } from '../regularizers.js'
import { depthwiseOrder, kernelOrder, Weight, type Order } from '../weight.js'
import { dilated, geometry, paddingOf, pairOf, type Geometry, type Padding, type Pair, type Size2 } from './window.js'

interface ConvolutionOptions extends LayerOptions {
  /** A number, or [height, width]. */
  readonly kernelSize: Size2
  /** Default 1. */
  readonly strides?: Size2
  /** 'valid' (default), or 'same': as many zeros around the picture that the result is ⌈size / stride⌉. */
  readonly padding?: Padding
  /** Pixels from one of the kernel's taps to the next; default 1. */
  readonly dilationRate?: Size2
  /** Default none. */
  readonly activation?: ActivationText | null
  /** Default true. */
  readonly useBias?: boolean
  /** Default 'zeros'. */
  readonly biasInitializer?: Initializer
}

const known = ['kernelSize', 'strides', 'padding', 'dilationRate', 'activation', 'useBias', 'biasInitializer']

/** A convolution's kernel as Keras names it, and as F.conv2d takes it. */
interface Kernel {
  /** Keras' shape: [height, width, …]. */
  readonly shape: Shape
  /** [out, in / groups, height, width]. */
  readonly tensor: nn.Parameter
  readonly order: Order
  readonly outputs: number
  readonly groups: number
  /** Of its penalty. */
  readonly l2: number
}

/** What both convolutions are: a window with a kernel, a bias and an activation. */
abstract class Convolution extends Layer {
  readonly kernelSize: Pair
  readonly strides: Pair
  readonly padding: Padding
  readonly dilationRate: Pair
  readonly activation: ActivationName
  protected readonly useBias: boolean
  protected readonly biasInitializer: Initializer
  #kernel: Kernel | null = null
  #bias: nn.Parameter | null = null
  #geometry: Geometry | null = null

  constructor(what: string, options: ConvolutionOptions, own: readonly string[]) {
    super(options)
    expectOptions(what, options, [...own, ...known])
    this.kernelSize = pairOf(what, 'kernelSize', options.kernelSize)
    this.strides = pairOf(what, 'strides', options.strides ?? 1)
    this.padding = paddingOf(what, options.padding ?? 'valid')
    this.dilationRate = pairOf(what, 'dilationRate', options.dilationRate ?? 1)
    this.activation = activationName(what, options.activation)
    this.useBias = options.useBias ?? true
    this.biasInitializer = options.biasInitializer ?? 'Zeros'
  }

  /** Makes the kernel for pictures of so many channels. */
  protected abstract kernelFor(channels: number, input: Spec): Kernel

  protected setUp(input: Spec) {
    if (!isPicture(input)) throw this.misfit(`ndim=4, found ndim=${input.sizes.length + 1}`, input)
    const window = dilated(this.kernelSize, this.dilationRate)
    this.#geometry = geometry(`layer '${this.name}'`, input.sizes, window, this.strides, this.padding)
    this.#kernel = this.kernelFor(input.sizes[2] ?? 0, input)
    const { shape, tensor, order, outputs, l2 } = this.#kernel
    const weights = [new Weight({ name: 'kernel', shape, tensor, order, l2 })]
    if (this.useBias) {
      this.#bias = new nn.Parameter(zeros([outputs]))
      initialise(this.className, this.#bias, this.biasInitializer)
      weights.push(new Weight({ name: 'bias', shape: [outputs], tensor: this.#bias }))
    }
    return { output: { sizes: [...this.#geometry.out, outputs], flatOf: null }, weights }
  }

  call(x: Tensor): Tensor {
    if (!this.#kernel || !this.#geometry) throw this.notBuilt()
    const { tensor, groups } = this.#kernel
    const { before, after } = this.#geometry
    const settings = { stride: this.strides, dilation: this.dilationRate, groups }
    const extra = [after[0] - before[0], after[1] - before[1]] as const
    if (extra[0] === 0 && extra[1] === 0)
      return activate(this.activation, F.conv2d(x, tensor, this.#bias, { ...settings, padding: after }), 1)
    if (Math.max(...this.dilationRate) > 1) {
      const padded = new Tensor(ops.pad(x.node, [0, 0, ...before], [0, 0, ...after]))
      return activate(this.activation, F.conv2d(padded, tensor, this.#bias, settings), 1)
    }
    // Zeros on one side more: as zeros of the kernel on the other side, so that the picture stays where it lies.
    const kernel = new Tensor(ops.pad(tensor.node, [0, 0, ...extra], [0, 0, 0, 0]))
    return activate(this.activation, F.conv2d(x, kernel, this.#bias, { ...settings, padding: after }), 1)
  }

  /** What both have in their configurations, in Keras' order. */
  protected windowConfig(): Config {
    return {
      kernel_size: this.kernelSize,
      strides: this.strides,
      padding: this.padding,
      data_format: 'channels_last',
      dilation_rate: this.dilationRate,
    }
  }
}

export interface Conv2DOptions extends ConvolutionOptions {
  readonly filters: number
  /** Channels fall into so many groups, each filter sees one of them; default 1. */
  readonly groups?: number
  /** Default 'glorotUniform'. */
  readonly kernelInitializer?: Initializer
  /** Default none. */
  readonly kernelRegularizer?: Regularizer
}

/** [N, H, W, C] → [N, OH, OW, filters]. Source: keras.layers.Conv2D. */
export class Conv2D extends Convolution {
  readonly filters: number
  readonly groups: number
  readonly #initializer: Initializer
  readonly #l2: number

  constructor(options: Conv2DOptions) {
    super('conv2d', options, ['filters', 'groups', 'kernelInitializer', 'kernelRegularizer'])
    expectWhole('conv2d', 'filters', options.filters)
    this.filters = options.filters
    this.groups = options.groups ?? 1
    expectWhole('conv2d', 'groups', this.groups)
    this.#initializer = options.kernelInitializer ?? 'GlorotUniform'
    this.#l2 = l2Of('conv2d', options.kernelRegularizer)
    if (this.filters % this.groups !== 0)
      throw new UsageError(
        `conv2d: The number of filters must be evenly divisible by the number of groups. Received: groups=${this.groups}, filters=${this.filters}.`,
      )
    if (Math.max(...this.strides) > 1 && Math.max(...this.dilationRate) > 1)
      throw new UsageError(
        `conv2d: \`strides > 1\` not supported in conjunction with \`dilation_rate > 1\`. Received: strides=(${this.strides.join(', ')}) and dilation_rate=(${this.dilationRate.join(', ')})`,
      )
  }

  protected kernelFor(channels: number, input: Spec): Kernel {
    const { filters, groups } = this
    if (channels % groups !== 0)
      throw new UsageError(
        `layer '${this.name}': The number of input channels must be evenly divisible by the number of groups. Received groups=${groups}, but the input has ${channels} channels (full input shape is ${showBatch(input.sizes)}).`,
      )
    const tensor = new nn.Parameter(zeros([filters, channels / groups, ...this.kernelSize]))
    initialise('conv2d', tensor, this.#initializer)
    const shape = [...this.kernelSize, channels / groups, filters]
    return { shape, tensor, order: kernelOrder(shape), outputs: filters, groups, l2: this.#l2 }
  }

  protected ownConfig(): Config {
    return {
      filters: this.filters,
      ...this.windowConfig(),
      groups: this.groups,
      activation: this.activation,
      use_bias: this.useBias,
      kernel_initializer: initializerConfig(this.#initializer),
      bias_initializer: initializerConfig(this.biasInitializer),
      kernel_regularizer: regularizerConfig(this.#l2),
      bias_regularizer: null,
      activity_regularizer: null,
      kernel_constraint: null,
      bias_constraint: null,
    }
  }
}

export interface DepthwiseConv2DOptions extends ConvolutionOptions {
  /** Results of each channel; default 1. */
  readonly depthMultiplier?: number
  /** Default 'glorotUniform'. */
  readonly depthwiseInitializer?: Initializer
  /** Default none. */
  readonly depthwiseRegularizer?: Regularizer
}

/** Every channel by kernels of its own: [N, H, W, C] → [N, OH, OW, C · depthMultiplier]. Source: keras.layers.DepthwiseConv2D. */
export class DepthwiseConv2D extends Convolution {
  readonly depthMultiplier: number
  readonly #initializer: Initializer
  readonly #l2: number

  constructor(options: DepthwiseConv2DOptions) {
    super('depthwiseConv2d', options, ['depthMultiplier', 'depthwiseInitializer', 'depthwiseRegularizer'])
    this.depthMultiplier = options.depthMultiplier ?? 1
    expectWhole('depthwiseConv2d', 'depthMultiplier', this.depthMultiplier)
    this.#initializer = options.depthwiseInitializer ?? 'GlorotUniform'
    this.#l2 = l2Of('depthwiseConv2d', options.depthwiseRegularizer)
  }

  protected kernelFor(channels: number): Kernel {
    const { depthMultiplier, kernelSize } = this
    // Keras counts fans on [height, width, channels, multiplier]: on this shape the initializer finds the same.
    const drawn = zeros([depthMultiplier, channels, ...kernelSize])
    initialise('depthwiseConv2d', drawn, this.#initializer)
    const outputs = channels * depthMultiplier
    const tensor = new nn.Parameter(drawn.view(outputs, 1, ...kernelSize))
    const shape = [...kernelSize, channels, depthMultiplier]
    return { shape, tensor, order: depthwiseOrder(shape), outputs, groups: channels, l2: this.#l2 }
  }

  protected ownConfig(): Config {
    return {
      depth_multiplier: this.depthMultiplier,
      ...this.windowConfig(),
      activation: this.activation,
      use_bias: this.useBias,
      depthwise_initializer: initializerConfig(this.#initializer),
      bias_initializer: initializerConfig(this.biasInitializer),
      depthwise_regularizer: regularizerConfig(this.#l2),
      bias_regularizer: null,
      activity_regularizer: null,
      depthwise_constraint: null,
      bias_constraint: null,
    }
  }
}
