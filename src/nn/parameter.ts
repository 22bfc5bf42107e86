/** The tensors that modules own. Not here: finding them in a module (module.ts). */
import { markCopy } from '../base/index.js'
import { full, ops, residentLeaf, Tensor, zeros } from '../tensor/index.js'
import type { DType, Shape } from '../base/index.js'

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
  /** Takes a copy of the values, into the device's memory: writes that go with a step need a place that stays. */
  constructor(data: Tensor) {
    super(residentLeaf(data.shape, data.dtype, data.toTypedArray()))
  }
}

/** A parameter of zeros, to be initialised. */
export function emptyParameter(shape: Shape): Parameter {
  return new Parameter(zeros(shape))
}

export function filledBuffer(shape: Shape, value: number, dtype: DType = 'f32'): Buffer {
  return new Buffer(full(shape, value, { dtype }))
}
