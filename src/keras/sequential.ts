/** Sequential: layers one after the other. Not here: training (model.ts), layers (layers/). */
import { expectOptions, refuseForeign, sameShape, UsageError, type Shape } from '../base/index.js'
import { checkpointed, type Tensor } from '../tensor/index.js'
import { configOf, readConfig } from './config.js'
import { withoutInitializers } from './initializers.js'
import { KerasTensor } from './kerasTensor.js'
import { Layer, showBatch, type CallContext, type Config, type Spec } from './layer.js'
import { InputLayer } from './layers/core.js'
import { layerFromConfig, noteModel } from './layers/fromConfig.js'
import { Model } from './model.js'
import { Network } from './network.js'

export interface SequentialOptions {
  /** Default 'sequential', numbered. */
  readonly name?: string
  /**
   * What the layers compute on the way is not kept for the backward pass, which computes it anew: less memory, more time,
   * the same numbers. For parts of a model: `model.add(keras.sequential([…], { checkpoint: true }))`. It is no part of the
   * configuration, so files do not have it. Default false. Source: keras.remat.
   */
  readonly checkpoint?: boolean
}

/** Source: keras.Sequential. */
export class Sequential extends Model {
  readonly #layers: Layer[] = []
  #specs: readonly Spec[] = []
  #owner = ''
  #network: Network | null = null
  readonly #isCheckpoint: boolean

  /** @param layers the first may be an `Input` */
  constructor(layers: Iterable<Layer | KerasTensor> = [], options: SequentialOptions = {}) {
    const { name, checkpoint = false } = options
    super(name === undefined ? {} : { name })
    expectOptions('sequential', options, ['name', 'checkpoint'])
    this.#isCheckpoint = checkpoint
    for (const layer of layers) this.add(layer)
  }

  /** Appends a layer; the first may say what it expects (`inputShape`, or an `Input`). */
  add(given: Layer | KerasTensor): this {
    refuseForeign('model.add: what it is given', given)
    const layer = given instanceof KerasTensor ? given.layer : given
    if (!(layer instanceof Layer)) throw new UsageError(`model.add: expects a layer, got ${typeof layer}`)
    if (given instanceof KerasTensor && !(layer instanceof InputLayer))
      throw new UsageError(`model.add: expects a layer or an Input, got what layer '${layer.name}' gave`)
    if (layer instanceof InputLayer && this.#layers.length > 0) throw this.#secondInput()
    if (this.#layers.some(({ name }) => name === layer.name))
      throw new UsageError(
        `All layers added to a Sequential model should have unique names. Name '${layer.name}' is already there`,
      )
    if (this.#layers.length === 0 && layer.inputShape && !(layer instanceof InputLayer))
      this.#append(new InputLayer({ shape: layer.inputShape }))
    this.#append(layer)
    return this
  }

  #append(layer: Layer): void {
    const isInput = layer instanceof InputLayer
    const before: Spec | null = isInput ? { sizes: layer.inputShape ?? [], flatOf: null } : this.output
    this.#layers.push(layer)
    if (before) this.#grow(layer, before)
    this.changed()
  }

  #grow(layer: Layer, before: Spec): void {
    const owner = this.#owner === '' ? this.name : `${this.#owner}/${this.name}`
    this.output = layer.buildFor([before], owner)
    if (layer instanceof InputLayer) this.input = before
    this.#specs = [...this.#specs, this.output]
    const steps = this.layers.map((each, i) => ({ layer: each, reads: [i] }))
    this.#network = new Network(steps, this.#specs, steps.length)
  }

  #secondInput(): UsageError {
    const known = this.inputShape
    return new UsageError(
      known
        ? `Sequential model '${this.name}' has already been configured to use input shape ${showBatch(known)}. You cannot add a different Input layer to it.`
        : `Sequential model '${this.name}' has layers already: an Input comes before them`,
    )
  }

  build(sizes: Shape): void {
    if (this.output && !sameShape(this.inputShape ?? [], sizes)) throw this.#secondInput()
    if (this.output) return
    const layers = this.#layers.splice(0)
    this.#append(new InputLayer({ shape: sizes }))
    for (const layer of layers) this.#append(layer)
  }

  protected override buildInside(sizes: Shape, owner: string): void {
    if (this.built) return
    this.#owner = owner
    this.build(sizes)
  }

  protected get network(): Network | null {
    return this.#network
  }

  override call(x: Tensor, context: CallContext): Tensor {
    const run = (): Tensor => super.call(x, context)
    return this.#isCheckpoint ? checkpointed(run) : run()
  }

  /** All layers but the input. */
  get layers(): readonly Layer[] {
    return this.#layers.filter((layer) => !(layer instanceof InputLayer))
  }

  /** All layers, the input first. */
  get allLayers(): readonly Layer[] {
    return this.#layers
  }

  override get inputShape(): Shape | null {
    return this.#layers[0]?.input?.sizes ?? null
  }

  override getConfig(): Config {
    return configOf(this)
  }

  /** Of `getConfig()`, Keras' too. Weights are made anew, or left zeros where they are loaded anyway. */
  static fromConfig(config: unknown, { initialize = true }: { readonly initialize?: boolean } = {}): Sequential {
    const { name, layers, sizes } = readConfig(config)
    const make = (): Sequential => {
      const model = new Sequential(layers.map(layerFromConfig), name === undefined ? {} : { name })
      if (!model.built && sizes) model.build(sizes)
      return model
    }
    return initialize ? make() : withoutInitializers(make)
  }
}

noteModel('Sequential', (config) => Sequential.fromConfig(config, {}))
