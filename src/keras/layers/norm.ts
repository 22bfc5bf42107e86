/** BatchNormalization with Keras' statistics, and LayerNormalization. Not here: the arithmetic (graph). */
import {
  expectOptions,
  isPicture,
  Layer,
  type CallContext,
  type Config,
  type LayerOptions,
  type Spec,
} from '../layer.js'
import { UsageError } from '../../base/index.js'
import { F, nn } from '../../nn/index.js'
import { flushWrites, full, ops, Tensor, writeLater } from '../../tensor/index.js'
import { initializerConfig } from '../initializers.js'
import { flatOrder, Weight } from '../weight.js'

export interface BatchNormalizationOptions extends LayerOptions {
  /** How much of the moving statistics stays with each batch; default 0.99. */
  readonly momentum?: number
  /** Added to the variance; default 1e-3. */
  readonly epsilon?: number
  /** A trained summand; default true. */
  readonly center?: boolean
  /** A trained factor; default true. */
  readonly scale?: boolean
  /** The last one is all there is: -1. */
  readonly axis?: number
}

/**
 * Normalises each channel, by the batch in training and by moving statistics else; the moving variance follows the
 * variance divided by the count, as in Keras 3 (PyTorch's by the count - 1). Source: keras.layers.BatchNormalization.
 */
export class BatchNormalization extends Layer {
  readonly momentum: number
  readonly epsilon: number
  readonly #center: boolean
  readonly #scale: boolean
  #gamma: nn.Parameter | null = null
  #beta: nn.Parameter | null = null
  #mean: nn.Buffer | null = null
  #variance: nn.Buffer | null = null

  constructor(options: BatchNormalizationOptions = {}) {
    super(options)
    expectOptions('batchNormalization', options, ['momentum', 'epsilon', 'center', 'scale', 'axis'])
    const { momentum = 0.99, epsilon = 1e-3, center = true, scale = true } = options
    if (!(momentum >= 0 && momentum <= 1) || !(epsilon >= 0))
      throw new UsageError(
        `batchNormalization: momentum must be from 0 to 1 and epsilon 0 or more, got ${momentum} and ${epsilon}`,
      )
    this.momentum = momentum
    this.epsilon = epsilon
    this.#center = center
    this.#scale = scale
    this.#axis = options.axis ?? -1
  }

  readonly #axis: number

  protected setUp(input: Spec) {
    const rank = input.sizes.length + 1
    if (!isPicture(input) && rank !== 2) throw this.misfit(`ndim=2 or ndim=4, found ndim=${rank}`, input)
    if (this.#axis !== -1 && this.#axis !== rank - 1)
      throw new UsageError(`layer '${this.name}': batchNormalization works on the last axis (-1), got ${this.#axis}`)
    const features = input.sizes.at(-1) ?? 1
    const order = input.flatOf && flatOrder(input.flatOf)
    const weight = (name: string, tensor: nn.Parameter | nn.Buffer): Weight =>
      new Weight({ name, shape: [features], tensor, order, trainable: tensor instanceof nn.Parameter })
    this.#gamma = this.#scale ? new nn.Parameter(full([features], 1)) : null
    this.#beta = this.#center ? new nn.Parameter(full([features], 0)) : null
    this.#mean = new nn.Buffer(full([features], 0))
    this.#variance = new nn.Buffer(full([features], 1))
    const weights = [
      ...(this.#gamma ? [weight('gamma', this.#gamma)] : []),
      ...(this.#beta ? [weight('beta', this.#beta)] : []),
      weight('moving_mean', this.#mean),
      weight('moving_variance', this.#variance),
    ]
    return { output: input, weights }
  }

  call(x: Tensor, { training }: CallContext): Tensor {
    const [mean, variance] = [this.#mean, this.#variance]
    if (!mean || !variance) throw this.notBuilt()
    const affine = { weight: this.#gamma?.node, bias: this.#beta?.node, eps: this.epsilon }
    // A second pass before the first one's statistics were written: they go first.
    flushWrites(mean.node)
    if (!training || !this.trainable) return new Tensor(ops.batchNormEval(x.node, mean.node, variance.node, affine))
    const batch = ops.batchNormTrain(x.node, { ...affine, takesSingles: true })
    this.#follow(mean, batch.mean)
    this.#follow(variance, batch.variance)
    return new Tensor(batch.output)
  }

  #follow(moving: nn.Buffer, now: Tensor['node']): void {
    const kept = ops.mul(moving.node, ops.constant(this.momentum))
    writeLater(moving, ops.add(kept, ops.mul(ops.detach(now), ops.constant(1 - this.momentum))))
  }

  override get useConfig(): Config {
    return { mask: null }
  }

  protected ownConfig(): Config {
    return {
      axis: -1,
      momentum: this.momentum,
      epsilon: this.epsilon,
      center: this.#center,
      scale: this.#scale,
      beta_initializer: initializerConfig('Zeros'),
      gamma_initializer: initializerConfig('Ones'),
      moving_mean_initializer: initializerConfig('Zeros'),
      moving_variance_initializer: initializerConfig('Ones'),
      beta_regularizer: null,
      gamma_regularizer: null,
      beta_constraint: null,
      gamma_constraint: null,
      synchronized: false,
      renorm: false,
      renorm_clipping: null,
      renorm_momentum: 0.99,
    }
  }
}

export interface LayerNormalizationOptions extends LayerOptions {
  /** The last one (-1, default), or all behind the batch. */
  readonly axis?: number | readonly number[]
  /** Added to the variance; default 1e-3. */
  readonly epsilon?: number
  /** A trained summand; default true. */
  readonly center?: boolean
  /** A trained factor; default true. */
  readonly scale?: boolean
}

/** Normalises each pixel over its channels, or each picture over all. Source: keras.layers.LayerNormalization. */
export class LayerNormalization extends Layer {
  readonly epsilon: number
  readonly #axis: readonly number[]
  readonly #center: boolean
  readonly #scale: boolean
  #gamma: nn.Parameter | null = null
  #beta: nn.Parameter | null = null

  constructor(options: LayerNormalizationOptions = {}) {
    super(options)
    expectOptions('layerNormalization', options, ['axis', 'epsilon', 'center', 'scale'])
    const { axis = -1, epsilon = 1e-3, center = true, scale = true } = options
    if (!(epsilon >= 0)) throw new UsageError(`layerNormalization: epsilon must be 0 or more, got ${epsilon}`)
    if (typeof axis !== 'number' && !Array.isArray(axis))
      throw new UsageError(
        `layerNormalization: axis must be a whole number or a list of them, got ${JSON.stringify(axis)}`,
      )
    this.#axis = typeof axis === 'number' ? [axis] : [...axis]
    this.epsilon = epsilon
    this.#center = center
    this.#scale = scale
  }

  /** Whether it works on all dimensions behind the batch. */
  #isWhole({ sizes }: Spec): boolean {
    const rank = sizes.length + 1
    const over = this.#axis.map((axis) => (axis < 0 ? axis + rank : axis)).toSorted((a, b) => a - b)
    if (String(over) === String(sizes.map((_, i) => i + 1))) return true
    if (over.length === 1 && over[0] === rank - 1) return false
    throw new UsageError(
      `layer '${this.name}': layerNormalization works on the last axis (-1) or on all behind the batch, got ${this.#axis.join(', ')} of ${rank}`,
    )
  }

  protected setUp(input: Spec) {
    const isWhole = this.#isWhole(input)
    const shape = isWhole ? input.sizes : input.sizes.slice(-1)
    // Pictures lie as [C, H, W] inside, and so do weights of their sizes.
    const [height = 1, width = 1, channels = 1] = shape
    const own = isWhole && isPicture(input) ? [channels, height, width] : shape
    const mixed = isWhole && isPicture(input) ? shape : input.flatOf
    const order = mixed && flatOrder(mixed)
    this.#gamma = this.#scale ? new nn.Parameter(full(own, 1)) : null
    this.#beta = this.#center ? new nn.Parameter(full(own, 0)) : null
    const weights = [
      ...(this.#gamma ? [new Weight({ name: 'gamma', shape, tensor: this.#gamma, order })] : []),
      ...(this.#beta ? [new Weight({ name: 'beta', shape, tensor: this.#beta, order })] : []),
    ]
    return { output: input, weights }
  }

  call(x: Tensor): Tensor {
    if (!this.input) throw this.notBuilt()
    const over = (y: Tensor, sizes: readonly number[]): Tensor =>
      F.layerNorm(y, sizes, this.#gamma, this.#beta, this.epsilon)
    if (this.#isWhole(this.input)) return over(x, x.shape.slice(1))
    const { sizes } = this.input
    const channels = sizes.slice(-1)
    return isPicture(this.input) ? over(x.permute(0, 2, 3, 1), channels).permute(0, 3, 1, 2) : over(x, channels)
  }

  protected ownConfig(): Config {
    return {
      axis: this.#axis,
      epsilon: this.epsilon,
      center: this.#center,
      scale: this.#scale,
      rms_scaling: false,
      beta_initializer: initializerConfig('Zeros'),
      gamma_initializer: initializerConfig('Ones'),
      beta_regularizer: null,
      gamma_regularizer: null,
      beta_constraint: null,
      gamma_constraint: null,
    }
  }
}
