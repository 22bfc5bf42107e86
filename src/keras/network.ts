/**
 * Network: layers in the order in which they are computed, and what each reads. What all models run.
 * Not here: where the order comes from (sequential.ts, functional.ts).
 */
import { LenetError } from '../base/index.js'
import type { Tensor } from '../tensor/index.js'
import type { CallContext, Layer, Spec } from './layer.js'
import { inFlatOrder } from './order.js'

/** A use of a layer: value 0 is the network's input, value i + 1 that of step i. */
export interface NetworkStep {
  readonly layer: Layer
  /** Places of the values that it reads, all earlier ones. */
  readonly reads: readonly number[]
}

interface PlacedStep extends NetworkStep {
  /** Of what it reads, those that the layer takes in Keras' order: they are turned. */
  readonly turned: readonly (Spec | null)[]
}

export class Network {
  readonly #steps: readonly PlacedStep[]
  readonly #output: number

  /** @param specs what the values are, the input's first @param output place of the value that the network gives */
  constructor(steps: readonly NetworkStep[], specs: readonly Spec[], output: number) {
    this.#output = output
    this.#steps = steps.map((step) => {
      const given = step.reads.map((place) => specs[place] ?? { sizes: [], flatOf: null })
      const accepted = step.layer.accepted(given)
      return { ...step, turned: given.map((spec, i) => (spec.flatOf && !accepted[i]?.flatOf ? spec : null)) }
    })
  }

  call(x: Tensor, context: CallContext): Tensor {
    const values: Tensor[] = [x]
    for (const { layer, reads, turned } of this.#steps) {
      const inputs = reads.map((place, k) => {
        const value = values[place] ?? x
        const spec = turned[k]
        return spec ? inFlatOrder(value, spec) : value
      })
      values.push(named(layer, () => layer.callAll(inputs, context)))
    }
    return values[this.#output] ?? x
  }
}

/** What goes wrong inside names the layer. */
function named<T>(layer: Layer, body: () => T): T {
  try {
    return body()
  } catch (error) {
    if (!(error instanceof LenetError)) throw error
    throw new LenetError(`layer '${layer.name}' (${layer.className}): ${error.message}`, { cause: error })
  }
}
