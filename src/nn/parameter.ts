/** The tensors that modules own. Not here: finding them in a module (module.ts). */
import { markCopy } from '../base/index.js'
import { full, ops, residentLeaf, Tensor, zeros } from '../tensor/index.js'
import type { Shape } from '../base/index.js'

/** A leaf that is trained: a module finds it among its attributes. Source: torch.nn.Parameter. */
export class Parameter extends Tensor {
  static {
    markCopy(Parameter, 'parameter')
  }
  /** Takes a copy of the values of `data`, computed or not; `requiresGrad` false makes it frozen. */
  constructor(data: Tensor, requiresGrad = true) {
    super(ops.hostLeaf(data.toTypedArray(), data.shape, data.dtype))
    if (requiresGrad) this.requiresGrad_()
  }

  override toString(): string {
    return `Parameter containing:\n${super.toString()}`
  }
}

/** Saved with the module but not trained: running statistics. Source: torch.nn.Buffer. */
export class Buffer extends Tensor {
  static {
    markCopy(Buffer, 'buffer')
  }
  /**
   * Takes a copy of the values.
   * @param isWritten into the device's memory: writes that go with a step need a place that stays. Default true
   */
  constructor(data: Tensor, isWritten = true) {
    const { shape, dtype } = data
    const values = data.toTypedArray()
    super(isWritten ? residentLeaf(shape, dtype, values) : ops.hostLeaf(values, shape, dtype))
  }
}

/** A parameter of zeros, to be initialised. */
export function emptyParameter(shape: Shape): Parameter {
  return new Parameter(zeros(shape))
}

/** A whole number that JavaScript counts: no step computes with it. */
export const countBuffer = (): Buffer => new Buffer(zeros([], { dtype: 'i32' }), false)

export function filledBuffer(shape: Shape, value: number): Buffer {
  return new Buffer(full(shape, value))
}
