/** How each case of ops.json is written with our operations. Not here: what is compared, and on what it runs. */
import * as g from '../../src/graph/index.js'
import type { Node } from '../../src/graph/index.js'
import type { OpCase, OpName, OracleTensor } from './cases.js'

/** The output and what else the case tells about. */
interface Outcome {
  readonly output: Node
  readonly extra?: Record<string, Node>
}
export type Run = (inputs: readonly Node[], attrs: OpCase['attrs']) => Outcome

const one =
  (f: (x: Node, attrs: OpCase['attrs']) => Node): Run =>
  ([x], attrs) => ({ output: f(x!, attrs) })
const two =
  (f: (a: Node, b: Node) => Node): Run =>
  ([a, b]) => ({ output: f(a!, b!) })
export const dimOf = (attrs: OpCase['attrs']): number => attrs.dim as number

/** As PyTorch's F.batch_norm, running statistics included (new = old · (1 − momentum) + batch · momentum). */
const batchNorm: Run = ([x, weight, bias, mean, variance], { training, momentum, eps }) => {
  const parameters = { weight, bias, eps: eps! }
  if (!training) {
    const output = g.batchNormEval(x!, g.detach(mean!), g.detach(variance!), parameters)
    return { output, extra: { runningMean: mean!, runningVar: variance! } }
  }
  const result = g.batchNormTrain(x!, parameters)
  const moved = (old: Node, by: Node): Node => g.add(g.mul(old, 1 - momentum!), g.mul(by, momentum!))
  const extra = { runningMean: moved(mean!, result.mean), runningVar: moved(variance!, result.unbiasedVariance) }
  return { output: result.output, extra }
}

/** The attributes that a case has: an option that is undefined is another thing than none. */
const classOptions = (weight: Node | undefined, { reduction, ignoreIndex, labelSmoothing }: OpCase['attrs']) => ({
  reduction: reduction!,
  ...(weight && { weight: g.detach(weight) }),
  ...(ignoreIndex !== undefined && { ignoreIndex }),
  ...(labelSmoothing !== undefined && { labelSmoothing }),
})

const pairOf = (padding: OpCase['attrs']['padding']): readonly [number, number] =>
  padding === undefined || padding === 'same' ? [0, 0] : padding

export const runs: { readonly [K in OpName]: Run } = {
  conv2d: ([x, w, b], { stride, padding, dilation = 1, groups = 1 }) => ({
    output: g.conv2d(x!, w!, b, { stride: stride!, padding: padding!, dilation, groups }),
  }),
  maxPool2d: one((x, { kernelSize, stride, padding, ceilMode = false }) =>
    g.maxPool2d(x, kernelSize!, { stride: stride!, padding: pairOf(padding), ceilMode }),
  ),
  avgPool2d: one((x, { kernelSize, stride, padding, countIncludePad = true, ceilMode = false }) =>
    g.avgPool2d(x, kernelSize!, { stride: stride!, padding: pairOf(padding), countIncludePad, ceilMode }),
  ),
  linear: ([x, w, b]) => ({ output: g.linear(x!, w!, b) }),
  matmul: two(g.matmul),
  batchNorm,
  crossEntropy: ([x, labels], { reduction }) => ({ output: g.crossEntropy(x!, labels!, reduction) }),
  where: ([condition, a, b]) => ({ output: g.where(condition!, a!, b!) }),
  add: two(g.add),
  sub: two(g.sub),
  mul: two(g.mul),
  div: two(g.div),
  maximum: two(g.maximum),
  minimum: two(g.minimum),
  pow: one((x, { exponent }) => g.pow(x, exponent!)),
  exp: one(g.exp),
  log: one(g.log),
  sqrt: one(g.sqrt),
  abs: one(g.abs),
  neg: one(g.neg),
  relu: one(g.relu),
  tanh: one(g.tanh),
  sigmoid: one(g.sigmoid),
  softmax: one((x, attrs) => g.softmax(x, dimOf(attrs))),
  logSoftmax: one((x, attrs) => g.logSoftmax(x, dimOf(attrs))),
  sum: one((x, { dim, keepdim }) => g.sum(x, dim, keepdim)),
  mean: one((x, { dim, keepdim }) => g.mean(x, dim, keepdim)),
  amax: one((x, { dim, keepdim }) => g.amax(x, dim, keepdim)),
  argmax: one((x, { dim, keepdim }) => g.argmax(x, dim as number | undefined, keepdim)),
  max: one((x, { dim, keepdim }) => g.max(x, dim as number, keepdim).values),
  reshape: one((x, { shape }) => g.reshape(x, shape!)),
  permute: one((x, { dims }) => g.permute(x, dims!)),
  flatten: one((x, { startDim, endDim }) => g.flatten(x, startDim, endDim)),
  erf: one(g.erf),
  expm1: one(g.expm1),
  log1p: one(g.log1p),
  leakyRelu: one((x, { slope }) => g.leakyRelu(x, slope)),
  elu: one((x, { alpha }) => g.elu(x, alpha)),
  selu: one(g.selu),
  silu: one(g.silu),
  gelu: one((x, { approximate }) => g.gelu(x, approximate)),
  softplus: one((x, { beta, threshold }) => g.softplus(x, beta, threshold)),
  mish: one(g.mish),
  softsign: one(g.softsign),
  hardTanh: one((x, { low, high }) => g.hardTanh(x, low, high)),
  relu6: one(g.relu6),
  hardSigmoid: one(g.hardSigmoid),
  hardSwish: one(g.hardSwish),
  crossEntropyLoss: ([x, t, w], attrs) => ({ output: g.crossEntropyLoss(x!, t!, classOptions(w, attrs)) }),
  nllLoss: ([x, t, w], attrs) => ({ output: g.nllLoss(x!, t!, classOptions(w, attrs)) }),
  mseLoss: ([x, t], { reduction }) => ({ output: g.mseLoss(x!, t!, reduction) }),
  l1Loss: ([x, t], { reduction }) => ({ output: g.l1Loss(x!, t!, reduction) }),
  smoothL1Loss: ([x, t], { beta, reduction }) => ({ output: g.smoothL1Loss(x!, t!, beta, reduction) }),
  huberLoss: ([x, t], { delta, reduction }) => ({ output: g.huberLoss(x!, t!, delta, reduction) }),
  bceWithLogits: ([x, t, posWeight, weight], { reduction }) => ({
    output: g.bceWithLogits(x!, t!, { posWeight, weight, reduction }),
  }),
  binaryCrossEntropy: ([x, t], { reduction }) => ({ output: g.binaryCrossEntropy(x!, t!, { reduction }) }),
  layerNorm: ([x, weight, bias], { shape, eps }) => ({ output: g.layerNorm(x!, shape!, { weight, bias, eps }) }),
  groupNorm: ([x, weight, bias], { groups, eps }) => ({ output: g.groupNorm(x!, groups!, { weight, bias, eps }) }),
  adaptiveAvgPool2d: one((x, { size }) => g.adaptiveAvgPool2d(x, size!)),
  cat: (parts, attrs) => ({ output: g.concat(parts, dimOf(attrs)) }),
  slice: one((x, { starts, ends }) => g.slice(x, starts!, ends!)),
  pad: one((x, { before, after, value }) => g.pad(x, before!, after!, value)),
}

const dtypes = { float32: 'f32', int32: 'i32', bool: 'u8' } as const

export const leafOf = ({ data, shape, dtype }: OracleTensor): Node =>
  g.hostLeaf(data, shape, dtypes[dtype], dtype === 'float32')
