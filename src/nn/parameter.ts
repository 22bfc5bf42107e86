/** The tensors that modules own. Not here: finding them in a module (module.ts). */
import { fromArray, own, residentLeaf, Tensor } from '../tensor/index.js'
import { hostArray, sizeOf, type DType, type Shape } from '../base/index.js'

/** A leaf that is trained: a module finds it among its attributes. Source: torch.nn.Parameter. */
export class Parameter extends Tensor {
  /** Takes over the values of `data`, a leaf; `requiresGrad` false makes it frozen. */
  constructor(data: Tensor, requiresGrad = true) {
    super(data.detach().node)
    if (data.requiresGrad !== requiresGrad) this.requiresGrad_(requiresGrad)
    else if (requiresGrad) own(this)
  }

  override toString(): string {
    return `Parameter containing:\n${super.toString()}`
  }
}

/** Saved with the module but not trained: running statistics. Source: torch.nn.Buffer. */
export class Buffer extends Tensor {
  constructor(data: Tensor) {
    super(data.detach().node)
  }
}

/** A parameter of zeros, to be initialised. */
export function emptyParameter(shape: Shape): Parameter {
  return new Parameter(fromArray(new Float32Array(sizeOf(shape)), shape, 'f32'))
}

/** In the device's memory from the start: writes that go with a step need a place that stays. */
export function filledBuffer(shape: Shape, value: number, dtype: DType = 'f32'): Buffer {
  return new Buffer(new Tensor(residentLeaf(shape, dtype, hostArray(dtype, sizeOf(shape)).fill(value))))
}
