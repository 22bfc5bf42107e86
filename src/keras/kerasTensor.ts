/**
 * KerasTensor: a value that a functional model will have, and where it comes from. Not here: models (functional.ts), values.
 * Source: keras.KerasTensor, keras.src.ops.node.
 */
import { markCopy } from '../base/index.js'
import type { Layer, Spec } from './layer.js'

/** One use of a layer. */
export interface Use {
  readonly layer: Layer
  readonly inputs: readonly KerasTensor[]
  /** Which of the layer's uses it is, from 0. */
  readonly index: number
  readonly output: KerasTensor
}

/** What `Input` and `layer.apply` give. */
export class KerasTensor {
  static {
    markCopy(KerasTensor, 'Keras object')
  }

  readonly spec: Spec
  readonly use: Use

  constructor(spec: Spec, use: Omit<Use, 'output'>) {
    this.spec = spec
    this.use = { ...use, output: this }
  }

  /** [null, height, width, channels]: the batch is open. */
  get shape(): readonly (number | null)[] {
    return [null, ...this.spec.sizes]
  }

  /** The layer that gives it. */
  get layer(): Layer {
    return this.use.layer
  }

  toString(): string {
    const shape = ['None', ...this.spec.sizes].join(', ')
    return `<KerasTensor shape=(${shape}), dtype=float32, sparse=False, name=${this.layer.name}>`
  }
}
