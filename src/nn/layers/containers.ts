/** Modules made of modules. */
import { refuseForeign, UsageError } from '../../base/index.js'
import type { Tensor } from '../../tensor/index.js'
import { Module, type Layer } from '../module.js'

type Named = Readonly<Record<string, Layer>>

const isLayer = (value: Layer | Named): value is Layer => value instanceof Module

function notALayer(name: string, value: unknown): UsageError {
  refuseForeign(`Sequential: layer ${name}`, value)
  return new UsageError(`Sequential: layer ${name} is not a module`)
}

/**
 * One layer after the other, named '0', '1', …: `new Sequential(a, b)`; or under names of your own, as PyTorch's
 * OrderedDict: `new Sequential({ conv1: a, relu1: b })`. Source: torch.nn.Sequential.
 */
export class Sequential extends Module {
  readonly #layers: Layer[]

  constructor(...layers: readonly Layer[] | readonly [Named]) {
    super()
    const [first] = layers
    const named: Named = first && !isLayer(first) ? first : Object.fromEntries(Object.entries(layers))
    this.#layers = Object.values(named)
    for (const [name, layer] of Object.entries(named)) if (!isLayer(layer)) throw notALayer(name, layer)
    for (const name of Object.keys(named))
      if (name in this) throw new UsageError(`Sequential: a layer cannot be named ${name}, which modules have already`)
    Object.assign(this, named)
  }

  forward(x: Tensor): Tensor {
    return this.#layers.reduce((value, layer) => layer(value), x)
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
