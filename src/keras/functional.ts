/**
 * Functional: a model of layers that were applied to one another, from an Input to an output. Not here: training (model.ts),
 * its configuration (functionalConfig.ts).
 */
import { expectOptions, LenetError, refuseForeign, UsageError, type Shape } from '../base/index.js'
import { functionalConfig, readFunctional } from './functionalConfig.js'
import { withoutInitializers } from './initializers.js'
import { KerasTensor, type Use } from './kerasTensor.js'
import type { Config, Layer } from './layer.js'
import { InputLayer } from './layers/core.js'
import { noteModel } from './layers/fromConfig.js'
import { Model } from './model.js'
import { Network } from './network.js'
import { orderOf, type UseOrder } from './useOrder.js'

type Ends = KerasTensor | readonly KerasTensor[]

export interface ModelOptions {
  /** What `Input` gave. */
  readonly inputs: Ends
  /** What the last layer's `apply` gave. */
  readonly outputs: Ends
  /** Default 'functional', numbered. */
  readonly name?: string
}

function single(what: string, ends: Ends): KerasTensor {
  refuseForeign(`model: ${what}`, ends)
  const [only, ...more] = ends instanceof KerasTensor ? [ends] : ends
  refuseForeign(`model: ${what}`, only)
  if (!(only instanceof KerasTensor))
    throw new UsageError(`model: ${what} must be what Input() or a layer's apply gave`)
  if (more.length > 0)
    throw new LenetError(`model: it has ${more.length + 1} ${what}; models of one input and one output are known`)
  return only
}

/** Source: keras.Model(inputs, outputs). */
export class Functional extends Model {
  readonly #order: UseOrder
  readonly #network: Network
  readonly #inputs: KerasTensor
  readonly #outputs: KerasTensor

  constructor(options: ModelOptions) {
    const { inputs, outputs, name } = options
    super(name === undefined ? {} : { name })
    expectOptions('model', options, ['inputs', 'outputs', 'name'])
    this.#inputs = single('inputs', inputs)
    this.#outputs = single('outputs', outputs)
    if (!(this.#inputs.layer instanceof InputLayer))
      throw new LenetError(
        `model: inputs must be what Input() gave, and not what layer '${this.#inputs.layer.name}' gave`,
      )
    this.#order = orderOf(this.#outputs)
    this.#network = networkOf(this.#order.uses, this.#inputs, this.#outputs)
    this.input = this.#inputs.spec
    this.output = this.#outputs.spec
  }

  protected get network(): Network {
    return this.#network
  }

  get layers(): readonly Layer[] {
    return this.#order.layers
  }

  get allLayers(): readonly Layer[] {
    return this.#order.layers
  }

  /** It is built from the beginning. */
  build(_sizes: Shape): void {}

  /** Uses of a layer in this model. */
  usesOf(layer: Layer): readonly Use[] {
    return this.#order.uses.filter((use) => use.layer === layer).toSorted((a, b) => a.index - b.index)
  }

  /** The layer that gives the output. */
  get outputLayer(): Layer {
    return this.#outputs.layer
  }

  override get inputShape(): Shape {
    return this.#inputs.spec.sizes
  }

  /** What is told of how layers are connected; null where they stand in a row. Source: keras' `print_summary`. */
  override get connections(): ReadonlyMap<Layer, string> | null {
    const { uses, depths, layers } = this.#order
    const isRow = new Set(depths).size === uses.length && layers.length === uses.length
    if (isRow && uses.every(({ inputs }) => inputs.length <= 1)) return null
    const name = ({ layer, use }: KerasTensor): string => `${layer.name}[${use.index}][0]`
    const texts = layers.map((layer): [Layer, string] => {
      const read = this.usesOf(layer).flatMap(({ inputs }) => inputs)
      return [layer, read.map(name).join(', ') || '-']
    })
    return new Map(texts)
  }

  override getConfig(): Config {
    const { name, trainable } = this
    return functionalConfig({ name, trainable, order: this.#order, input: this.#inputs, output: this.#outputs })
  }

  protected override buildShape(): unknown {
    return null
  }

  override serialize(): Config {
    return { ...super.serialize(), module: 'keras.src.models.functional', registered_name: 'Functional' }
  }

  /** Of `getConfig()`, Keras' too. Weights are made anew, or left zeros where they are loaded anyway. */
  static fromConfig(config: unknown, { initialize = true }: { readonly initialize?: boolean } = {}): Functional {
    const make = (): Functional => new Functional(readFunctional(config))
    return initialize ? make() : withoutInitializers(make)
  }
}

function networkOf(uses: readonly Use[], input: KerasTensor, output: KerasTensor): Network {
  const inner = uses.filter(({ layer }) => !(layer instanceof InputLayer))
  const values = [input, ...inner.map((use) => use.output)]
  const strange = uses.find(({ layer }) => layer instanceof InputLayer && layer !== input.layer)
  if (strange || !uses.includes(input.use))
    throw new LenetError(
      `model: Graph disconnected: its output depends on the input '${strange?.layer.name ?? 'none'}', and its inputs are '${input.layer.name}'`,
    )
  const steps = inner.map(({ layer, inputs }) => ({ layer, reads: inputs.map((value) => values.indexOf(value)) }))
  const specs = values.map(({ spec }) => spec)
  return new Network(steps, specs, values.indexOf(output))
}

noteModel('Functional', (config) => Functional.fromConfig(config, {}))
noteModel('Model', (config) => Functional.fromConfig(config, {}))
