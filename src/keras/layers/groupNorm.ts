/** GroupNormalization. Not here: the arithmetic (graph), the other normalisations (norm.ts). */
import { UsageError } from '../../base/index.js'
import { F, nn } from '../../nn/index.js'
import { full, type Tensor } from '../../tensor/index.js'
import { initializerConfig } from '../initializers.js'
import { expectOptions, isPicture, Layer, type Config, type LayerOptions, type Spec } from '../layer.js'
import { Weight } from '../weight.js'

export interface GroupNormalizationOptions extends LayerOptions {
  /** Runs of channels that are normalised together; default 32. -1: each channel by itself (instance normalisation). */
  readonly groups?: number
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
 * Normalises each picture over runs of its channels, in training and evaluation alike (Wu & He 2018). For pictures and
 * lists of features. Source: keras.layers.GroupNormalization.
 */
export class GroupNormalization extends Layer {
  readonly groups: number
  readonly epsilon: number
  readonly #axis: number
  readonly #center: boolean
  readonly #scale: boolean
  #runs = 1
  #gamma: nn.Parameter | null = null
  #beta: nn.Parameter | null = null

  constructor(options: GroupNormalizationOptions = {}) {
    super(options)
    expectOptions('groupNormalization', options, ['groups', 'axis', 'epsilon', 'center', 'scale'])
    const { groups = 32, axis = -1, epsilon = 1e-3, center = true, scale = true } = options
    if (!Number.isInteger(groups) || (groups < 1 && groups !== -1))
      throw new UsageError(`groupNormalization: groups must be a whole number of 1 or more, or -1, got ${groups}`)
    if (!(epsilon >= 0)) throw new UsageError(`groupNormalization: epsilon must be 0 or more, got ${epsilon}`)
    this.groups = groups
    this.epsilon = epsilon
    this.#axis = axis
    this.#center = center
    this.#scale = scale
  }

  /** Runs of features are those of Keras' order. */
  override accepted(inputs: readonly Spec[]): readonly Spec[] {
    return inputs.map(({ sizes }) => ({ sizes, flatOf: null }))
  }

  protected setUp(input: Spec) {
    const rank = input.sizes.length + 1
    if (!isPicture(input) && rank !== 2) throw this.misfit(`ndim=2 or ndim=4, found ndim=${rank}`, input)
    if (this.#axis !== -1 && this.#axis !== rank - 1)
      throw new UsageError(`layer '${this.name}': groupNormalization works on the last axis (-1), got ${this.#axis}`)
    const channels = input.sizes.at(-1) ?? 1
    this.#runs = this.groups === -1 ? channels : this.groups
    if (channels % this.#runs !== 0)
      throw new UsageError(
        `layer '${this.name}': ${channels} channels do not fall into ${this.#runs} equal groups; give groups`,
      )
    this.#gamma = this.#scale ? new nn.Parameter(full([channels], 1)) : null
    this.#beta = this.#center ? new nn.Parameter(full([channels], 0)) : null
    const weights = [
      ...(this.#gamma ? [new Weight({ name: 'gamma', shape: [channels], tensor: this.#gamma })] : []),
      ...(this.#beta ? [new Weight({ name: 'beta', shape: [channels], tensor: this.#beta })] : []),
    ]
    return { output: input, weights }
  }

  call(x: Tensor): Tensor {
    if (!this.built) throw this.notBuilt()
    return F.groupNorm(x, this.#runs, this.#gamma, this.#beta, this.epsilon)
  }

  protected ownConfig(): Config {
    return {
      groups: this.groups,
      axis: -1,
      epsilon: this.epsilon,
      center: this.#center,
      scale: this.#scale,
      beta_initializer: initializerConfig('Zeros'),
      gamma_initializer: initializerConfig('Ones'),
      beta_regularizer: null,
      gamma_regularizer: null,
      beta_constraint: null,
      gamma_constraint: null,
    }
  }
}
