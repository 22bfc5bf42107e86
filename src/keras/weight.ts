/**
 * A layer's weight: a tensor of ours that is seen in Keras' own shape and order by everything outside.
 * Not here: what a layer computes with it.
 */
import { LenetError, sameShape, showShape, sizeOf, type Shape } from '../base/index.js'
import { noteTrained, type nn } from '../nn/index.js'
import { flushWrites, fromArray, type Tensor } from '../tensor/index.js'

/** Where Keras' element i lies in our tensor; null: the same order. */
export type Order = Int32Array | null

export interface WeightOptions {
  /** Keras' name: 'kernel'. */
  readonly name: string
  /** Keras' shape: a kernel is [height, width, in, out] or [in, out]. */
  readonly shape: Shape
  readonly tensor: nn.Parameter | nn.Buffer
  /** Default null. */
  readonly order?: Order
  /** Default true. */
  readonly trainable?: boolean
  /** What the sum of its squares counts in the loss; default 0. */
  readonly l2?: number
}

export class Weight {
  readonly name: string
  /** `sequential/conv2d/kernel`, and the layer's name; set by the layer. */
  path = ''
  layer = ''
  readonly shape: Shape
  readonly tensor: nn.Parameter | nn.Buffer
  readonly order: Order
  /** Whether the layer trains it when the layer itself is trained. */
  readonly trainable: boolean
  readonly l2: number

  constructor({ name, shape, tensor, order = null, trainable = true, l2 = 0 }: WeightOptions) {
    this.name = name
    this.shape = shape
    this.tensor = tensor
    noteTrained(tensor)
    this.order = order
    this.trainable = trainable
    this.l2 = l2
  }

  get size(): number {
    return sizeOf(this.shape)
  }

  /** Our values in Keras' order: a copy. Also for what an optimizer keeps beside the weight. */
  toKeras(inner: ArrayLike<number>): Float32Array<ArrayBuffer> {
    const { order } = this
    const values = new Float32Array(this.size)
    for (let i = 0; i < values.length; i++) values[i] = inner[order ? (order[i] ?? 0) : i] ?? 0
    return values
  }

  /** Keras' values in our order: a copy. */
  fromKeras(values: ArrayLike<number>): Float32Array<ArrayBuffer> {
    const { order } = this
    const inner = new Float32Array(this.size)
    for (let i = 0; i < inner.length; i++) inner[order ? (order[i] ?? 0) : i] = values[i] ?? 0
    return inner
  }

  /** A copy in Keras' shape. */
  get(): Tensor {
    flushWrites()
    return fromArray(this.toKeras(this.tensor.toTypedArray()), this.shape, 'f32')
  }

  /** Checks the shape of what is to be set. */
  check(values: Tensor): void {
    if (sameShape(values.shape, this.shape)) return
    throw new LenetError(
      `the weight ${this.path} has the shape ${showShape(this.shape)}, got values of the shape ${showShape(values.shape)}`,
    )
  }

  set(values: ArrayLike<number>): void {
    flushWrites()
    this.tensor.copy_(this.fromKeras(values))
  }
}

/** Keras' [height, width, in, out] in our [out, in, height, width]. */
export function kernelOrder([height = 1, width = 1, inputs = 1, outputs = 1]: Shape): Int32Array {
  const order = new Int32Array(height * width * inputs * outputs)
  let i = 0
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < inputs; c++)
        for (let o = 0; o < outputs; o++) order[i++] = ((o * inputs + c) * height + y) * width + x
  return order
}

/** Keras' [height, width, channels, multiplier] in our [channels · multiplier, 1, height, width]. */
export function depthwiseOrder([height = 1, width = 1, channels = 1, multiplier = 1]: Shape): Int32Array {
  return kernelOrder([height, width, 1, channels * multiplier])
}

/** Where feature i of a picture flattened as [H, W, C] lies when it is flattened as [C, H, W]. */
export function flatOrder([height = 1, width = 1, channels = 1]: Shape): Int32Array {
  return Int32Array.from({ length: height * width * channels }, (_, i) => {
    const pixel = Math.floor(i / channels)
    return (i % channels) * height * width + pixel
  })
}

/** Keras' [in, out] in our [out, in]; `features` is the order of the inputs. */
export function denseOrder(inputs: number, outputs: number, features: Order): Int32Array {
  const order = new Int32Array(inputs * outputs)
  for (let i = 0; i < inputs; i++)
    for (let o = 0; o < outputs; o++) order[i * outputs + o] = o * inputs + (features ? (features[i] ?? 0) : i)
  return order
}
