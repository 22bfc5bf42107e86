/** Every operation against PyTorch: values and gradients, on plain inputs and on batches. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as g from '../../src/graph/index.js'
import type { Node } from '../../src/graph/index.js'
import { opCases } from '../oracle/cases.js'
import type { OpCase, OpName, OracleTensor } from '../oracle/cases.js'
import { assertClose } from './helpers.js'

/** The output and what else the case tells about. */
interface Outcome {
  readonly output: Node
  readonly extra?: Record<string, Node>
}
type Run = (inputs: readonly Node[], attrs: OpCase['attrs']) => Outcome

const one =
  (f: (x: Node, attrs: OpCase['attrs']) => Node): Run =>
  ([x], attrs) => ({ output: f(x!, attrs) })
const two =
  (f: (a: Node, b: Node) => Node): Run =>
  ([a, b]) => ({ output: f(a!, b!) })
const dimOf = (attrs: OpCase['attrs']): number => attrs.dim as number

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

const runs: { readonly [K in OpName]: Run } = {
  conv2d: ([x, w, b], { stride, padding }) => ({ output: g.conv2d(x!, w!, b, { stride: stride!, padding: padding! }) }),
  maxPool2d: one((x, { kernelSize, stride, padding }) =>
    g.maxPool2d(x, kernelSize!, { stride: stride!, padding: padding! }),
  ),
  avgPool2d: one((x, { kernelSize, stride, padding, countIncludePad }) =>
    g.avgPool2d(x, kernelSize!, { stride: stride!, padding: padding!, countIncludePad: countIncludePad! }),
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
}

const dtypes = { float32: 'f32', int32: 'i32', bool: 'u8' } as const

const leafOf = ({ data, shape, dtype }: OracleTensor): Node =>
  g.hostLeaf(data, shape, dtypes[dtype], dtype === 'float32')

/** PyTorch's float64 results were rounded to float32 once; ours are compared in float64. */
const tolerance = 3e-7
/** With every node rounded to float32. */
const float32Tolerance = 1e-5

function compare(node: Node, expected: OracleTensor, what: string): void {
  assert.deepEqual([...node.shape], expected.shape, `${what}: shape`)
  assertClose(g.evaluate64(node), expected.data, tolerance, what)
  assertClose(g.evaluate(node), expected.data, float32Tolerance, `${what} in float32`)
}

function compareGradients(output: Node, leaves: readonly Node[], entry: OpCase): void {
  if (!entry.outputGrad) return
  const found = g.gradients(output, leaves, leafOf(entry.outputGrad))
  entry.grads.forEach((expected, i) => {
    const gradient = found[i]
    if (!expected) return
    assert.ok(gradient, `input ${i} has a gradient`)
    assert.equal(gradient.layout, leaves[i]?.layout)
    compare(gradient, expected, `gradient of input ${i}`)
  })
}

function check(entry: OpCase, prepare: (x: Node, i: number) => Node): void {
  const leaves = entry.inputs.map(leafOf)
  const { output, extra = {} } = runs[entry.op](leaves.map(prepare), entry.attrs)
  compare(output, entry.output, 'output')
  for (const name in entry.extra) if (extra[name]) compare(extra[name], entry.extra[name]!, name)
  compareGradients(output, leaves, entry)
}

describe('operations agree with PyTorch', () => {
  for (const entry of opCases()) {
    test(entry.name, () => check(entry, (x) => x))
    if (entry.inputs.some(({ shape }) => shape.length > 0))
      test(`${entry.name}, first input as a batch`, () =>
        check(entry, (x, i) => (i === 0 && x.shape.length > 0 ? g.batch(x) : x)))
  }
})

describe('torch.max gives places too', () => {
  for (const entry of opCases().filter(({ op }) => op === 'max'))
    test(entry.name, () => {
      const { indices } = g.max(leafOf(entry.inputs[0]!), dimOf(entry.attrs), entry.attrs.keepdim)
      compare(indices, entry.extra['indices']!, 'indices')
    })
})
