/** An error in a net's forward pass that says in which layer. Not here: what is wrong, which the operation says. */
import { LenetError } from '../base/index.js'

/**
 * Thrown through the modules that were being called, innermost first; each adds the name under which it holds the one
 * below: `features.0 (Conv2d(3, 6, …)): conv2d: weight … expects 3 input channels, got input [8, 1, 32, 32]`.
 */
export class LayerError extends LenetError {
  override name = 'LenetError'
  /** The module that the error passed last. Private, so that the net is not printed with an error that nobody catches. */
  #at: object
  #path = ''
  readonly #layer: string
  readonly #reason: string

  constructor(cause: LenetError, layer: string, at: object) {
    super(`${layer}: ${cause.message}`, { cause })
    this.#layer = layer
    this.#reason = cause.message
    this.#at = at
  }

  /** It passes `parent`, which holds the modules below under these names. */
  passes(parent: object, children: Iterable<[string, object]>): void {
    const name = [...children].find(([, child]) => child === this.#at)?.[0]
    this.#at = parent
    if (name === undefined) return
    this.#path = this.#path === '' ? name : `${name}.${this.#path}`
    this.message = `${this.#path} (${this.#layer}): ${this.#reason}`
  }
}
