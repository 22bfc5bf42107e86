/** Activations as layers of their own. Not here: what they compute (nn's F), their names (activations.ts). */
import { UsageError } from '../../base/index.js'
import { F } from '../../nn/index.js'
import { where, type Tensor } from '../../tensor/index.js'
import { activate, activationName, type ActivationName, type ActivationText } from '../activations.js'
import { expectOptions, featuresOf, Layer, type Config, type LayerOptions, type Spec } from '../layer.js'

/** Element by element, or over features: sizes stay. */
abstract class ActivationLayer extends Layer {
  protected setUp(input: Spec) {
    return { output: input }
  }

  protected override get savesBuild(): boolean {
    return false
  }
}

export interface ActivationOptions extends LayerOptions {
  readonly activation: ActivationText
}

/** An activation by its name. Source: keras.layers.Activation. */
export class Activation extends ActivationLayer {
  readonly activation: ActivationName

  constructor(options: ActivationOptions) {
    super(options)
    expectOptions('activation', options, ['activation'])
    this.activation = activationName('activation', options.activation)
  }

  call(x: Tensor): Tensor {
    return this.output ? activate(this.activation, x, featuresOf(this.output)) : x
  }

  protected ownConfig(): Config {
    return { activation: this.activation }
  }
}

/** Throws UsageError where it is no number of 0 or more. */
function expectPositive(what: string, name: string, value: number): void {
  if (typeof value === 'number' && value >= 0 && Number.isFinite(value)) return
  throw new UsageError(`${what}: ${name} must be a number of 0 or more. Received: ${name}=${String(value)}`)
}

export interface ReLUOptions extends LayerOptions {
  /** Results are at most this: 6, for instance. Default null: no end. */
  readonly maxValue?: number | null
  /** What stays of what is below the threshold; default 0. */
  readonly negativeSlope?: number
  /** Default 0. */
  readonly threshold?: number
}

/** min(x, maxValue) from the threshold on, negativeSlope · (x − threshold) below. Source: keras.layers.ReLU. */
export class ReLU extends ActivationLayer {
  readonly maxValue: number | null
  readonly negativeSlope: number
  readonly threshold: number

  constructor(options: ReLUOptions = {}) {
    super(options)
    expectOptions('reLU', options, ['maxValue', 'negativeSlope', 'threshold'])
    const { maxValue = null, negativeSlope = 0, threshold = 0 } = options
    if (maxValue !== null) expectPositive('reLU', 'max_value', maxValue)
    expectPositive('reLU', 'negative_slope', negativeSlope)
    expectPositive('reLU', 'threshold', threshold)
    this.maxValue = maxValue
    this.negativeSlope = negativeSlope
    this.threshold = threshold
  }

  call(x: Tensor): Tensor {
    const { maxValue, negativeSlope, threshold } = this
    if (threshold === 0 && maxValue === null) return negativeSlope === 0 ? F.relu(x) : F.leakyRelu(x, negativeSlope)
    if (threshold === 0 && negativeSlope === 0 && maxValue !== null) return F.hardtanh(x, 0, maxValue)
    const top = maxValue === null ? x : x.clamp(-Infinity, maxValue)
    const below = negativeSlope === 0 ? 0 : x.sub(threshold).mul(negativeSlope)
    return where(x.gt(threshold), top, below)
  }

  protected ownConfig(): Config {
    return { max_value: this.maxValue, negative_slope: this.negativeSlope, threshold: this.threshold }
  }
}

export interface LeakyReLUOptions extends LayerOptions {
  /** Default 0.3: not the 0.2 of the activation 'leaky_relu'. */
  readonly negativeSlope?: number
}

/** x above 0, negativeSlope · x else. Source: keras.layers.LeakyReLU. */
export class LeakyReLU extends ActivationLayer {
  readonly negativeSlope: number

  constructor(options: LeakyReLUOptions = {}) {
    super(options)
    expectOptions('leakyReLU', options, ['negativeSlope'])
    const { negativeSlope = 0.3 } = options
    this.negativeSlope = negativeSlope
    expectPositive('leakyReLU', 'negative_slope', this.negativeSlope)
  }

  call(x: Tensor): Tensor {
    return F.leakyRelu(x, this.negativeSlope)
  }

  protected ownConfig(): Config {
    return { negative_slope: this.negativeSlope }
  }
}

export interface ELUOptions extends LayerOptions {
  /** Default 1. */
  readonly alpha?: number
}

/** x above 0, alpha · (e^x − 1) else. Source: keras.layers.ELU. */
export class ELU extends ActivationLayer {
  readonly alpha: number

  constructor(options: ELUOptions = {}) {
    super(options)
    expectOptions('eLU', options, ['alpha'])
    this.alpha = options.alpha ?? 1
    if (!Number.isFinite(this.alpha)) throw new UsageError(`eLU: alpha must be a number, got ${this.alpha}`)
  }

  call(x: Tensor): Tensor {
    return F.elu(x, this.alpha)
  }

  protected ownConfig(): Config {
    return { alpha: this.alpha }
  }
}

export interface SoftmaxOptions extends LayerOptions {
  /** The last one is all there is: -1. */
  readonly axis?: number
}

/** Over channels or features. Source: keras.layers.Softmax. */
export class Softmax extends ActivationLayer {
  readonly #axis: number

  constructor(options: SoftmaxOptions = {}) {
    super(options)
    expectOptions('softmax', options, ['axis'])
    this.#axis = options.axis ?? -1
  }

  protected override setUp(input: Spec) {
    if (this.#axis !== -1 && this.#axis !== input.sizes.length)
      throw new UsageError(`layer '${this.name}': softmax works on the last axis (-1), got ${this.#axis}`)
    return super.setUp(input)
  }

  call(x: Tensor): Tensor {
    return this.output ? activate('softmax', x, featuresOf(this.output)) : x
  }

  protected ownConfig(): Config {
    return { axis: this.#axis }
  }
}
