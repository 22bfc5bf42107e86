/** Modules made of modules. */
import type { Tensor } from '../../tensor/index.js'
import { Module, type Layer } from '../module.js'

/** One layer after the other; they are named '0', '1', … Source: torch.nn.Sequential. */
export class Sequential extends Module {
  readonly #layers: readonly Layer[]

  constructor(...layers: readonly Layer[]) {
    super()
    this.#layers = layers
    Object.assign(this, layers)
  }

  forward(x: Tensor): Tensor {
    return this.#layers.reduce((value, layer) => layer(value), x)
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
