/**
 * The frozen oracles beside this file, typed. What each holds is told by the script of make/ that made it.
 * Not a test, and nothing here computes: a runner compares our ops and trainings with what these hold.
 */
import { readFileSync } from 'node:fs'

/** Small values that PyTorch gave; `data` is row-major. Labels and indices are int32, conditions uint8 (0 or 1). */
export type OracleTensor =
  | { readonly shape: readonly number[]; readonly dtype: 'float32'; readonly data: Float32Array }
  | { readonly shape: readonly number[]; readonly dtype: 'int32'; readonly data: Int32Array }
  | { readonly shape: readonly number[]; readonly dtype: 'bool'; readonly data: Uint8Array }

/** Which of these an op has is listed at `OpName`. `dim` is a list for sum, mean and amax, else one number. */
interface OpAttrs {
  readonly stride?: readonly [number, number]
  readonly padding?: readonly [number, number] | 'same'
  readonly dilation?: readonly [number, number]
  readonly kernelSize?: readonly [number, number]
  readonly countIncludePad?: boolean
  readonly ceilMode?: boolean
  readonly dim?: number | readonly number[]
  readonly keepdim?: boolean
  readonly exponent?: number
  readonly shape?: readonly number[]
  readonly dims?: readonly number[]
  readonly startDim?: number
  readonly endDim?: number
  readonly training?: boolean
  readonly momentum?: number
  readonly eps?: number
  readonly reduction?: 'mean' | 'sum' | 'none'
  readonly slope?: number
  readonly alpha?: number
  readonly approximate?: 'tanh'
  readonly beta?: number
  readonly threshold?: number
  readonly low?: number
  readonly high?: number
  readonly starts?: readonly number[]
  readonly ends?: readonly number[]
  readonly before?: readonly number[]
  readonly after?: readonly number[]
  readonly value?: number
  readonly ignoreIndex?: number
  readonly labelSmoothing?: number
  readonly delta?: number
  readonly groups?: number
  readonly size?: readonly [number, number]
}

/**
 * conv2d(x, w, b?) {stride, padding, dilation, groups}; maxPool2d, avgPool2d(x) {kernelSize, stride, padding, countIncludePad, ceilMode};
 * linear(x, w, b?); matmul(a, b); add, sub, mul, div, maximum, minimum(a, b); pow(x) {exponent};
 * exp, log, sqrt, abs, neg, relu, tanh, sigmoid(x); softmax, logSoftmax(x) {dim};
 * sum, mean, amax(x) {dim: list, keepdim} or {}; argmax(x) {dim, keepdim} or {}; max(x) {dim, keepdim}, extra indices;
 * reshape(x) {shape}; permute(x) {dims}; flatten(x) {startDim, endDim}; where(condition, a, b);
 * batchNorm(x, weight, bias, runningMean, runningVar) {training, momentum, eps}, extra runningMean, runningVar (after);
 * crossEntropy(logits, labels) {reduction};
 * leakyRelu(x) {slope}; elu(x) {alpha}; gelu(x) {approximate}; softplus(x) {beta, threshold}; hardTanh(x) {low, high};
 * cat(x…) {dim}; slice(x) {starts, ends}; pad(x) {before, after, value};
 * crossEntropyLoss(logits, labels or probabilities, weight?) {reduction, ignoreIndex, labelSmoothing};
 * nllLoss(x, labels, weight?) {reduction, ignoreIndex}; mseLoss, l1Loss, smoothL1Loss {beta}, huberLoss {delta}(x, t) {reduction};
 * bceWithLogits(x, t, posWeight?, weight?), binaryCrossEntropy(p, t) {reduction};
 * layerNorm(x, weight?, bias?) {shape, eps}; groupNorm(x, weight, bias) {groups, eps}; adaptiveAvgPool2d(x) {size}.
 */
export const opNames = [
  ...(['conv2d', 'maxPool2d', 'avgPool2d', 'linear', 'matmul', 'batchNorm', 'crossEntropy', 'where'] as const),
  ...(['add', 'sub', 'mul', 'div', 'maximum', 'minimum', 'pow'] as const),
  ...(['exp', 'log', 'sqrt', 'abs', 'neg', 'relu', 'tanh', 'sigmoid', 'softmax', 'logSoftmax'] as const),
  ...(['sum', 'mean', 'amax', 'argmax', 'max', 'reshape', 'permute', 'flatten'] as const),
  ...(['erf', 'expm1', 'log1p', 'leakyRelu', 'elu', 'selu', 'silu', 'gelu', 'softplus', 'mish', 'softsign'] as const),
  ...(['hardTanh', 'relu6', 'hardSigmoid', 'hardSwish', 'cat', 'slice', 'pad'] as const),
  ...(['crossEntropyLoss', 'nllLoss', 'mseLoss', 'l1Loss', 'smoothL1Loss', 'huberLoss', 'bceWithLogits'] as const),
  ...(['binaryCrossEntropy', 'layerNorm', 'groupNorm', 'adaptiveAvgPool2d'] as const),
]
export type OpName = (typeof opNames)[number]

export interface OpCase {
  readonly name: string
  readonly op: OpName
  readonly attrs: OpAttrs
  readonly inputs: readonly OracleTensor[]
  readonly output: OracleTensor
  /** What the op gives beside its output; empty for most. */
  readonly extra: Readonly<Record<string, OracleTensor>>
  /** The gradient that reaches the output; undefined where no gradient is asked for. */
  readonly outputGrad: OracleTensor | undefined
  /** One for each input: the gradient of sum(output * outputGrad), undefined where there is none. */
  readonly grads: readonly (OracleTensor | undefined)[]
}

export interface TrainingRun {
  readonly name: string
  readonly net: 'lenet' | 'lenet1'
  readonly optimizer: 'adam' | 'sgd'
  /** Options in the names of our optimizers: lr, betas, eps, weightDecay, amsgrad; momentum, dampening, nesterov. */
  readonly options: Readonly<Record<string, number | boolean | readonly number[]>>
  /** The loss of each of ten steps, before its update. */
  readonly losses: readonly number[]
  /** The same in float64: what rounding alone changes. */
  readonly losses64: readonly number[]
  /** Of each parameter by name: norm of its gradient at the first step, its norm after the tenth. */
  readonly gradNorms: Readonly<Record<string, number>>
  readonly normsAfter: Readonly<Record<string, number>>
  /** Before the first step, [32, 10]. */
  readonly logits: readonly (readonly number[])[]
}

export interface InitOracle {
  readonly nets: readonly {
    readonly net: 'lenet' | 'lenet1'
    readonly seed: number
    /** SHA-256 of all parameters in order, float32 little endian. */
    readonly weightsSha256: string
    readonly parameters: Readonly<Record<string, { readonly shape: readonly number[]; readonly first: Float32Array }>>
    /** Of epochs 1 to 3: the first 64 picture indices, SHA-256 of all 50,000 as uint32 little endian. */
    readonly epochs: readonly { readonly first: readonly number[]; readonly sha256: string }[]
  }[]
}

interface PackedTensor {
  shape: number[]
  dtype: 'float32' | 'int32' | 'bool'
  data: string
}
type PackedCase = Omit<OpCase, 'inputs' | 'output' | 'extra' | 'outputGrad' | 'grads'> & {
  inputs: PackedTensor[]
  output: PackedTensor
  extra?: Record<string, PackedTensor>
  outputGrad: PackedTensor | null
  grads: (PackedTensor | null)[]
}
type PackedInit = {
  nets: (Omit<InitOracle['nets'][number], 'parameters'> & {
    parameters: Record<string, { shape: number[]; first: string }>
  })[]
}

/** Reads a JSON file of test/oracle; the caller says what it holds. */
export function readOracle(name: string): unknown {
  // Compiled to dist/test/oracle, while the frozen files stay in test/oracle.
  return JSON.parse(readFileSync(new URL(`../../../test/oracle/${name}`, import.meta.url), 'utf8'))
}

function bytesOf(base64: string): ArrayBuffer {
  return Uint8Array.from(Buffer.from(base64, 'base64')).buffer
}

/** Little-endian float32 values from base64. */
export const floatsOf = (base64: string): Float32Array => new Float32Array(bytesOf(base64))

function unpack({ shape, dtype, data }: PackedTensor): OracleTensor {
  if (dtype === 'float32') return { shape, dtype, data: floatsOf(data) }
  if (dtype === 'int32') return { shape, dtype, data: new Int32Array(bytesOf(data)) }
  return { shape, dtype, data: new Uint8Array(bytesOf(data)) }
}

const mapValues = <A, B>(record: Readonly<Record<string, A>>, f: (value: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, f(value)]))

/** Every case of ops.json. PyTorch computed them in float64 and rounded once. */
export function opCases(): OpCase[] {
  const { cases } = readOracle('ops.json') as { cases: PackedCase[] }
  return cases.map((entry) => ({
    ...entry,
    inputs: entry.inputs.map(unpack),
    output: unpack(entry.output),
    extra: mapValues(entry.extra ?? {}, unpack),
    outputGrad: entry.outputGrad ? unpack(entry.outputGrad) : undefined,
    grads: entry.grads.map((grad) => (grad ? unpack(grad) : undefined)),
  }))
}

/** Ten steps on the frozen batch of `frozenBatch()`, seed 1, for several optimizers. */
export function trainingRuns(): { pixelsSha256: string; runs: TrainingRun[] } {
  return readOracle('frozen.json') as { pixelsSha256: string; runs: TrainingRun[] }
}

/** PyTorch's initial weights and orders of batches for seeds 1, 2, 3. */
export function initOracle(): InitOracle {
  const { nets } = readOracle('init.json') as PackedInit
  const first = (p: { shape: number[]; first: string }) => ({ shape: p.shape, first: floatsOf(p.first) })
  return { nets: nets.map((net) => ({ ...net, parameters: mapValues(net.parameters, first) })) }
}

/** The loss of each of the first 500 batches on CIFAR-10, seed 1, batch 32, Adam 1e-3, two threads. */
export function lossOracle(): Record<'lenet' | 'lenet1', number[]> {
  return (readOracle('losses.json') as { losses: Record<'lenet' | 'lenet1', number[]> }).losses
}
