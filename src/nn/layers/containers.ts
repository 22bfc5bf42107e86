/** Modules made of modules. */
import { refuseForeign, UsageError } from '../../base/index.js'
import { checkpointed, type Tensor } from '../../tensor/index.js'
import { Module, type Layer } from '../module.js'
import { expectOptions } from './check.js'

type Named = Readonly<Record<string, Layer>>

export interface SequentialOptions {
  /**
   * What the layers compute on the way is not kept for the backward pass, which computes it anew: a deep net made of such
   * parts takes the memory of what goes into each, for about a third more time. Gradients, running statistics and masks of
   * dropout are the same to the bit. Default false. Source: torch.utils.checkpoint.
   */
  readonly checkpoint?: boolean
}

type Given = Layer | Named | SequentialOptions

const isLayer = (value: Given | undefined): value is Layer => value instanceof Module

/** Layers, or a record of them, and options behind. */
function parted(given: readonly Given[]): [Named, SequentialOptions] {
  const last = given.at(-1)
  const options = given.length > 1 && typeof last === 'object' && last !== null ? last : null
  const layers = options ? given.slice(0, -1) : given
  const [first] = layers
  const named = layers.length === 1 && first && !isLayer(first) ? first : Object.fromEntries(Object.entries(layers))
  return [named as Named, options ?? {}]
}

function notALayer(name: string, value: unknown): UsageError {
  refuseForeign(`Sequential: layer ${name}`, value)
  return new UsageError(`Sequential: layer ${name} is not a module`)
}

/**
 * One layer after the other, named '0', '1', …: `new Sequential(a, b)`; or under names of your own, as PyTorch's
 * OrderedDict: `new Sequential({ conv1: a, relu1: b })`. Options come last: `new Sequential(a, b, { checkpoint: true })`.
 * Source: torch.nn.Sequential.
 */
export class Sequential extends Module {
  readonly #layers: Layer[]
  readonly #isCheckpoint: boolean

  /** @throws UsageError for what is no layer, names that modules have already, and unknown options */
  constructor(
    ...given:
      | readonly Layer[]
      | readonly [...layers: readonly Layer[], options: SequentialOptions]
      | readonly [layers: Named]
      | readonly [layers: Named, options: SequentialOptions]
  ) {
    super()
    const [named, options] = parted(given)
    expectOptions('Sequential', options, ['checkpoint'])
    this.#isCheckpoint = options.checkpoint ?? false
    this.#layers = Object.values(named)
    for (const [name, layer] of Object.entries(named)) if (!isLayer(layer)) throw notALayer(name, layer)
    for (const name of Object.keys(named))
      if (name in this) throw new UsageError(`Sequential: a layer cannot be named ${name}, which modules have already`)
    Object.assign(this, named)
  }

  forward(x: Tensor): Tensor {
    const run = (): Tensor => this.#layers.reduce((value, layer) => layer(value), x)
    return this.#isCheckpoint ? checkpointed(run) : run()
  }

  /** Layer `index`; negative counts from the end. */
  at(index: number): Layer | undefined {
    return this.#layers.at(index)
  }

  /** Puts a layer behind the others, under its number. */
  append(layer: Layer): this {
    if (this.#layers.length > 0 && !('0' in this))
      throw new UsageError('Sequential.append: the layers have names of their own; give all when it is made')
    Object.assign(this, { [this.#layers.length]: layer })
    this.#layers.push(layer)
    return this
  }

  [Symbol.iterator](): Iterator<Layer> {
    return this.#layers[Symbol.iterator]()
  }
}

/** A list of modules whose parameters are found; it is not called. Source: torch.nn.ModuleList. */
export class ModuleList extends Module {
  readonly #modules: readonly Module[]

  constructor(modules: Iterable<Module>) {
    super()
    this.#modules = [...modules]
    Object.assign(this, this.#modules)
  }

  forward(): never {
    throw new TypeError('a ModuleList is not called; call its modules')
  }

  [Symbol.iterator](): Iterator<Module> {
    return this.#modules[Symbol.iterator]()
  }
}
