/**
 * compileInference: a net as a function from numbers to numbers, for servers: one call of compiled code, without gradients.
 * Not here: the compiler's plan for few pictures (compiler/schedule/few.ts), decoding pictures (classifier).
 */
import { isArrayOf, LenetError, refuseForeign, showShape, sizeOf, UsageError, type Shape } from '../base/index.js'
import { compileStep, fromArray, noGrad, ops, ownTensor, Tensor } from '../tensor/index.js'
import type { Layer } from './module.js'

export interface InferenceOptions {
  /** Of one picture: [channels, height, width]. */
  readonly inputShape: Shape
  /** Bytes become (x / 255 − mean) / std: a number a channel, or one for all. Default 0.5, as the nets here are trained. */
  readonly mean?: readonly number[]
  /** Default 0.5. */
  readonly std?: readonly number[]
}

/** Numbers (normalised as for training), or bytes of 0 … 255: one picture or several, end to end. Or a tensor of them. */
export type InferenceInput = Float32Array | Uint8Array | Tensor

/** What the net gives for the pictures, row-major, in an array of its own. */
export interface Inference {
  /** @throws LenetError on a device that gives values only later */
  (pictures: InferenceInput): Float32Array
  /** The same on every device. The pictures' array may be used again at once. */
  async(pictures: InferenceInput): Promise<Float32Array>
}

/** [C, 1, 1], or a number for all channels. */
function perChannel(name: string, values: readonly number[], { inputShape }: InferenceOptions): Tensor {
  const [channels = 1, ...rest] = inputShape
  if (values.length !== 1 && values.length !== channels)
    throw new UsageError(`compileInference: ${name} has ${values.length} values for pictures ${showShape(inputShape)}`)
  return fromArray(Float32Array.from(values), [values.length, ...rest.map(() => 1)], 'f32')
}

function asTensor(given: InferenceInput, inputShape: Shape, size: number): Tensor {
  const tensor = ownTensor(given)
  if (tensor) return tensor
  const pictures = given as Exclude<InferenceInput, Tensor>
  const count = pictures.length / size
  if (!Number.isInteger(count) || count === 0)
    throw new UsageError(
      `compileInference: expects pictures of ${showShape(inputShape)}, ${size} values each, got ${pictures.length} values`,
    )
  return fromArray(pictures, [count, ...inputShape], isArrayOf('Uint8Array', pictures) ? 'u8' : 'f32')
}

/** The net's mode is as it was afterwards. */
function inEvalMode(net: Layer, x: Tensor): Tensor {
  net.eval()
  try {
    return noGrad(() => net(x))
  } finally {
    net.train()
  }
}

/**
 * Makes a net cheap to call for single pictures and batches: its layers' JavaScript runs a few times, later calls are one
 * call of compiled code. Compare torch.compile, torch.jit.trace. The net may be trained on: each call uses the parameters as
 * they are; it computes in eval mode without gradients (a net left in training mode is switched for each call, which takes
 * longer). The result has the bits of `noGrad(() => net(x))`.
 *
 * ```ts
 * net.eval()
 * const predict = compileInference(net, { inputShape: [3, 32, 32] })
 * const logits = predict(pixels) // Float32Array of [pictures, classes]
 * const same = await predict.async(pixels) // on every device
 * ```
 * @param net gives one tensor for one
 * @throws UsageError for options that do not fit; the function throws for arrays that are no whole number of pictures
 */
export function compileInference(net: Layer, options: InferenceOptions): Inference {
  const { inputShape, mean = [0.5], std = [0.5] } = options
  const size = sizeOf(inputShape)
  if (!Number.isInteger(size) || size < 1)
    throw new UsageError(`compileInference: inputShape ${showShape(inputShape)}: expects whole numbers of 1 and more`)
  const [shift, scale] = [perChannel('mean', mean, options), perChannel('std', std, options)]
  const numbers = (x: Tensor): Tensor =>
    x.dtype === 'u8' ? new Tensor(ops.cast(ops.batch(x.node), 'f32')).div(255).sub(shift).div(scale) : x
  const run = (x: Tensor): Tensor => {
    const out: unknown = net.training ? inEvalMode(net, numbers(x)) : noGrad(() => net(numbers(x)))
    if (out instanceof Tensor) return out
    refuseForeign('compileInference: what the net gives', out)
    throw new LenetError('compileInference: the net gives something else than one tensor')
  }
  const step = compileStep((x: Tensor) => [run(x)])
  const infer = (pictures: InferenceInput): Tensor => {
    const x = asTensor(pictures, inputShape, size)
    const out = net.training ? run(x) : step(x)[0]
    if (!out) throw new Error('a compiled step without result')
    return out
  }
  const now = (pictures: InferenceInput): Float32Array => infer(pictures).toTypedArray() as Float32Array
  const later = async (pictures: InferenceInput): Promise<Float32Array> =>
    (await infer(pictures).toTypedArrayAsync()) as Float32Array
  return Object.assign(now, { async: later })
}
