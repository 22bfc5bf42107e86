/**
 * Gradients of every operation against central differences of the reference in float64, and how they are put together.
 * Not here: relu beside max-pool (poolGradient.test.ts), what PyTorch says about them (oracle.test.ts).
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LenetError } from '../../src/base/index.js'
import * as g from '../../src/graph/index.js'
import type { Node, OpName } from '../../src/graph/index.js'
import { checkGradients, distinct, f32, i32, random } from './helpers.js'

type Case = readonly [output: (...leaves: Node[]) => Node, ...leaves: Node[]]

const plain = (): Node => random([3, 4], 1)
const positive = (): Node => random([3, 4], 2, 0.3, 2)
const unary = (op: (x: Node) => Node, x = plain): Case[] => [
  [op, x()],
  [(leaf) => op(g.batch(leaf)), x()],
]

/** Plain, beside a batch from either side, and broadcast in each way that there is. */
const binary = (op: (a: Node, b: Node) => Node): Case[] => [
  [op, distinct([3, 4], 3), positive()],
  [op, distinct([2, 3, 4], 4), random([3, 1], 5, 0.4, 2)],
  [op, distinct([4], 6), random([], 7, 0.4, 2)],
  [(a, b) => op(g.batch(a), b), distinct([3, 4], 8), random([4], 9, 0.4, 2)],
  [(a, b) => op(g.batch(a), b), distinct([3, 4], 8), random([1, 4], 9, 0.4, 2)],
  [(a, b) => op(a, g.batch(b)), distinct([3, 1], 8), random([3, 4], 9, 0.4, 2)],
  [(a, b) => op(g.batch(a), g.batch(b)), distinct([3, 1, 2], 8), random([3, 4, 1], 9, 0.4, 2)],
  [(a, b) => op(g.batch(a), b), distinct([1, 4], 8), random([1, 4], 9, 0.4, 2)],
  [(a, b) => op(g.batch(a), g.batch(b)), distinct([1, 4], 8), random([3, 4], 9, 0.4, 2)],
]

const pools: Case[] = [
  [(x) => g.maxPool2d(x, 2), distinct([2, 2, 5, 4], 10)],
  [(x) => g.maxPool2d(x, 3, { stride: [2, 1], padding: 1 }), distinct([1, 2, 5, 6], 11)],
  [(x) => g.maxPool2d(x, 2), distinct([1, 4, 4], 12)],
]

const convolution = (stride: number, padding: number, bias: boolean): Case => [
  (x, w, b) => g.conv2d(x, w!, b, { stride, padding: [padding, 0] }),
  random([2, 2, 5, 6], 13),
  random([3, 2, 3, 2], 14),
  ...(bias ? [random([3], 15)] : []),
]

const reduction = (op: (x: Node, dims?: number | readonly number[], keepdim?: boolean) => Node): Case[] =>
  [undefined, 0, 1, [0, 2], [1, 2], [0, 1, 2]].flatMap((dims): Case[] => [
    [(x) => op(x, dims), distinct([2, 3, 4], 16)],
    [(x) => op(g.batch(x), dims, true), distinct([2, 3, 4], 17)],
  ])

const statistics = (op: (x: Node) => Node): Case[] =>
  [
    [3, 2, 2, 3],
    [4, 3],
    [2, 3, 4],
  ].map((shape): Case => [(x) => g.square(op(g.batch(x))), random(shape, 38)])

const none = 'no gradient flows through it'
const once = 'a gradient itself: it is not differentiated again'
const labels = i32([3], [2, 0, 1])

/** Total over the operations: each has cases, or a reason why it has none. */
const cases: { readonly [K in OpName]: Case[] | string } = {
  leaf: 'what gradients are taken of',
  const: none,
  neg: unary(g.neg),
  exp: unary(g.exp),
  log: unary(g.log, positive),
  sqrt: unary(g.sqrt, positive),
  abs: unary(g.abs, () => distinct([3, 4], 18)),
  relu: unary(g.relu, () => distinct([3, 4], 19)),
  tanh: unary(g.tanh),
  sigmoid: unary(g.sigmoid),
  erf: unary(g.erf),
  expm1: unary(g.expm1),
  log1p: unary(g.log1p, positive),
  cast: none,
  add: binary(g.add),
  sub: binary(g.sub),
  mul: [...binary(g.mul), [(x) => g.mul(x, x), plain()]],
  div: binary(g.div),
  maximum: binary(g.maximum),
  eq: none,
  lt: none,
  le: none,
  where: [
    ...binary((a, b) => g.where(g.lt(b, a), g.mul(a, 2), b)),
    [(a) => g.where(i32([4], [1, 0, 0, 2]), a, 3), plain()],
  ],
  normalize: [
    [
      (x, mean, scale, bias) => g.make('normalize', {}, [g.batch(x), mean!, scale!, bias!]),
      ...[
        [3, 2, 2, 3],
        [2, 1, 1],
        [2, 1, 1],
        [2, 1, 1],
      ].map((shape, i) => random(shape, 34 + i)),
    ],
    [
      (x, mean, scale) => g.make('normalize', {}, [g.batch(x), mean!, scale!]),
      ...[[5, 3], [3], [3]].map((shape, i) => random(shape, 34 + i)),
    ],
    [
      (x, mean, scale, bias) => g.make('normalize', {}, [g.batch(x), g.batch(mean!), g.batch(scale!), bias!]),
      ...[
        [3, 2, 2, 3],
        [3, 2, 1, 1],
        [3, 2, 1, 1],
        [2, 1, 1],
      ].map((shape, i) => random(shape, 38 + i)),
    ],
  ],
  channelMean: [true, false].flatMap((apart) => statistics((x) => g.make('channelMean', { apart }, [x]))),
  channelVariance: [true, false].flatMap((apart) =>
    statistics((x) => g.make('channelVariance', { apart }, [x, g.make('channelMean', { apart }, [x])])),
  ),
  normalizeGradBias: once,
  normalizeGradScale: once,
  sum: reduction(g.sum),
  amax: reduction(g.amax),
  argmax: none,
  checkLabels: none,
  reshape: unary((x) => g.square(g.reshape(x, [-1, 2]))),
  permute: [
    ...unary((x) => g.square(g.permute(x, [1, 0]))),
    ...unary((x) => g.square(g.permute(g.reshape(x, [3, 2, 2]), [0, 2, 1]))),
  ],
  expand: [
    [(x) => g.square(g.expand(x, [2, 3, 4])), random([3, 1], 20)],
    [(x) => g.square(g.expand(g.batch(x), [3, 4])), random([3, 1], 20)],
    [(x) => g.square(g.expandLike(x, g.batch(plain()))), random([4], 20)],
  ],
  slice: [...unary((x) => g.slice(x, [1, 0], [3, 2])), ...unary((x) => g.slice(x, [0, 1], [3, 3]))],
  pad: [
    ...unary((x) => g.square(g.pad(x, [1, 0], [0, 2]))),
    ...unary((x) => g.square(g.pad(x, [0, 3], [0, 1], 0.5))),
    ...unary((x) => g.square(g.pad(g.reshape(x, [3, 2, 2]), [0, 0, 3], [0, 1, 1], 0.5))),
  ],
  concat: [
    [(a, b) => g.square(g.concat([a, b!, a])), random([2, 3], 21), random([1, 3], 22)],
    [(a, b) => g.square(g.concat([g.batch(a), b!], 1)), random([2, 3], 21), random([2, 2], 22)],
    [(a, b) => g.square(g.concat([g.batch(a), b!, g.batch(a)], 2)), random([2, 3, 2], 21), random([2, 3, 1], 22)],
    [(a, b) => g.square(g.concat([g.batch(a), b!], 0)), random([2, 3], 21), random([1, 3], 22)],
  ],
  batch: unary((x) => g.batch(g.square(x))),
  unbatch: unary((x) => g.unbatch(g.square(g.batch(x)))),
  gatherRows: 'its table gets none; refused below',
  matmul: [
    [g.matmul, random([3, 4], 23), random([4, 2], 24)],
    [g.matmul, random([2, 1, 3, 4], 23), random([5, 4, 2], 24)],
    [g.matmul, random([4], 23), random([4], 24)],
    [(a, b) => g.matmul(g.batch(a), b!), random([3, 4], 23), random([4, 2], 24)],
  ],
  linear: [
    [g.linear, random([3, 4], 25), random([2, 4], 26), random([2], 27)],
    [g.linear, random([2, 3, 4], 25), random([2, 4], 26)],
    [g.linear, random([4], 25), random([2, 4], 26), random([2], 27)],
  ],
  linearGradInput: once,
  linearGradWeight: once,
  conv2d: [convolution(1, 0, true), convolution(2, 1, true), convolution(1, 2, false)],
  conv2dGradInput: once,
  conv2dGradWeight: once,
  groupConv2d: [
    [
      (x, w, b) => g.conv2d(x, w!, b, { groups: 2, dilation: [1, 2], padding: 1 }),
      random([2, 4, 5, 6], 60),
      random([6, 2, 3, 2], 61),
      random([6], 62),
    ],
    [
      (x, w) => g.conv2d(x, w!, undefined, { groups: 3, stride: 2 }),
      random([2, 3, 6, 5], 63),
      random([3, 1, 3, 2], 64),
    ],
    [
      (x, w) => g.conv2d(x, w!, undefined, { dilation: 2, padding: [3, 0] }),
      random([1, 2, 4, 6], 65),
      random([2, 2, 1, 3], 66),
    ],
    [
      (x, w, b) => g.conv2d(x, w!, b, { groups: 3, stride: 2, padding: 1 }),
      random([2, 3, 5, 6], 67),
      random([3, 1, 3, 3], 68),
      random([3], 69),
    ],
    [
      (x, w) => g.conv2d(x, w!, undefined, { groups: 2, padding: 2 }),
      random([1, 2, 4, 5], 70),
      random([2, 1, 5, 5], 71),
    ],
  ],
  groupConv2dGradInput: once,
  groupConv2dGradWeight: once,
  maxPool2d: pools,
  maxPoolIndex: none,
  maxPool2dGrad: once,
  avgPool2d: [
    [(x) => g.avgPool2d(x, 2), random([2, 2, 5, 4], 28)],
    [(x) => g.avgPool2d(x, [3, 2], { stride: 1, padding: 1 }), random([1, 2, 5, 4], 28)],
    [(x) => g.avgPool2d(x, 3, { padding: 1, countIncludePad: false }), random([1, 2, 5, 4], 28)],
  ],
  avgPool2dGrad: once,
  crossEntropy: (['none', 'sum', 'mean'] as const).map((reduction) => [
    (x) => g.crossEntropy(x, labels, reduction),
    random([3, 5], 29, -3, 3),
  ]),
  crossEntropyGrad: once,
  random: none,
  assign: none,
}

/** What is composed of them. */
const composed: Record<string, Case[]> = {
  minimum: binary(g.minimum),
  mean: reduction(g.mean),
  max: [0, 1, -1].map((dim) => [(x) => g.max(x, dim).values, distinct([2, 3, 4], 30)]),
  'max of a batch': [0, 1, 2].map((dim) => [(x) => g.max(g.batch(x), dim, true).values, distinct([2, 3, 4], 30)]),
  softmax: [0, 1].flatMap((dim) => unary((x) => g.softmax(x, dim))),
  logSoftmax: [0, 1].flatMap((dim) => unary((x) => g.logSoftmax(x, dim))),
  pow: [2, 3, 0.5, 1.5, -1, -2.5, 2.25, 9].flatMap((exponent) => unary((x) => g.pow(x, exponent), positive)),
  'batchNorm, training': [
    [
      (x, weight, bias) => g.batchNormTrain(x, { weight, bias }).output,
      random([3, 2, 2, 2], 31),
      random([2], 32),
      random([2], 33),
    ],
    [(x) => g.batchNormTrain(x, { eps: 0.01 }).output, random([5, 3], 31)],
  ],
  'batchNorm, evaluation': [
    [
      (x, weight, bias) => g.batchNormEval(x, f32([2], [0.1, 0.2], false), f32([2], [0.5, 2], false), { weight, bias }),
      random([3, 2, 2, 2], 31),
      random([2], 32),
      random([2], 33),
    ],
  ],
  ...Object.fromEntries(
    Object.entries({
      leakyRelu: g.leakyRelu,
      elu: (x: Node) => g.elu(x, 0.7),
      selu: g.selu,
      silu: g.silu,
      gelu: g.gelu,
      'gelu by tanh': (x: Node) => g.gelu(x, 'tanh'),
      softplus: (x: Node) => g.softplus(x, 2, 0.53),
      mish: g.mish,
      softsign: g.softsign,
      hardTanh: (x: Node) => g.hardTanh(x, -0.32, 0.41),
      hardSigmoid: (x: Node) => g.hardSigmoid(g.mul(x, 8)),
      hardSwish: (x: Node) => g.hardSwish(g.mul(x, 8)),
    }).map(([name, f]) => [
      name,
      unary(
        (x) => f(x),
        () => distinct([3, 4], 40),
      ),
    ]),
  ),
  losses: [
    [
      (x) => g.crossEntropyLoss(x, labels, { labelSmoothing: 0.2, weight: f32([5], [1, 2, 0.5, 1, 3], false) }),
      random([3, 5], 41, -3, 3),
    ],
    [(x) => g.crossEntropyLoss(x, i32([3], [4, -1, 0]), { ignoreIndex: -1 }), random([3, 5], 41, -3, 3)],
    [(x, t) => g.crossEntropyLoss(x, t!, { reduction: 'sum' }), random([3, 5], 41, -3, 3), random([3, 5], 42, 0, 1)],
    [(x) => g.nllLoss(g.logSoftmax(x, 1), labels), random([3, 5], 43)],
    [(x, t) => g.mseLoss(x, t!), random([3, 5], 44), random([3, 5], 45)],
    [(x, t) => g.l1Loss(x, t!, 'sum'), random([3, 5], 44), random([3, 5], 45)],
    [(x, t) => g.smoothL1Loss(x, t!, 0.4), random([3, 5], 44), random([3, 5], 45)],
    [(x, t) => g.huberLoss(x, t!, 0.4, 'none'), random([3, 5], 44), random([3, 5], 45)],
    [
      (x, t, posWeight) => g.bceWithLogits(g.batch(x), t!, { posWeight }),
      random([3, 5], 46, -3, 3),
      random([3, 5], 47, 0, 1),
      random([5], 48, 1, 2),
    ],
  ],
  layerNorm: [
    [
      (x, weight, bias) => g.layerNorm(x, [2, 4], { weight, bias }),
      random([3, 2, 4], 49),
      random([2, 4], 50),
      random([2, 4], 51),
    ],
    [(x) => g.layerNorm(x, [6]), random([6], 49)],
  ],
  groupNorm: [
    [
      (x, weight, bias) => g.groupNorm(x, 2, { weight, bias }),
      random([3, 4, 2, 1], 52),
      random([4], 53),
      random([4], 54),
    ],
  ],
  adaptiveAvgPool2d: [1, 2, 3].map((size) => [(x) => g.adaptiveAvgPool2d(x, size), random([2, 3, 4, 6], 55)]),
  'a residual block': [
    [
      (x, w) => g.relu(g.add(x, g.conv2d(g.silu(x), w!, undefined, { padding: 1 }))),
      distinct([2, 2, 3, 4], 56),
      random([2, 2, 3, 3], 57),
    ],
  ],
  dropout: unary((x) => g.dropout(x, 0.4, i32([2], [11, 12]))),
  'conv, relu, pool': [
    [
      (x, w, b) => g.maxPool2d(g.relu(g.conv2d(x, w!, b)), 2),
      random([2, 2, 7, 6], 34),
      random([3, 2, 2, 3], 35),
      random([3], 36),
    ],
    [
      (x, w, b) => g.maxPool2d(g.relu(g.conv2d(x, w!, b)), 3, { stride: 2, padding: 1 }),
      random([2, 2, 7, 6], 37),
      random([3, 2, 2, 3], 38),
      random([3], 39),
    ],
  ],
}

function checkAll(name: string, list: readonly Case[]): void {
  list.forEach(([output, ...leaves], i) => checkGradients(output(...leaves), leaves, `${name}, case ${i}`))
}

describe('gradients equal central differences', () => {
  for (const [name, list] of [...Object.entries(cases), ...Object.entries(composed)])
    if (typeof list !== 'string') test(name, () => checkAll(name, list))
})

describe('putting gradients together', () => {
  test('several ways to one leaf are added up', () => {
    const x = f32([2], [3, 4])
    const [dx] = g.gradients(g.sum(g.add(g.mul(x, x), g.add(x, x))), [x])
    assert.deepEqual([...g.evaluate(dx!)], [8, 10])
  })

  test('null for what the loss does not depend on, or what wants no gradient', () => {
    const [x, other, frozen] = [f32([2], [3, 4]), f32([2], [1, 1]), f32([2], [5, 6], false)]
    const loss = g.sum(g.add(g.mul(x, frozen), g.mul(g.detach(other), 2)))
    const [dx, dOther, dFrozen] = g.gradients(loss, [x, other, frozen])
    assert.deepEqual([...g.evaluate(dx!)], [5, 6])
    assert.equal(dOther, null)
    assert.equal(dFrozen, null)
    assert.deepEqual(g.gradients(g.sum(frozen), [x]), [null])
  })

  test('a result within the graph may be asked for too', () => {
    const x = f32([2], [3, 4])
    const y = g.mul(x, x)
    const [dy, dx] = g.gradients(g.sum(g.mul(y, y)), [y, x])
    assert.deepEqual([...g.evaluate(dy!)], [18, 32])
    assert.deepEqual([...g.evaluate(dx!)], [108, 256])
  })

  test('a loss of several values needs its own gradient, of its shape', () => {
    const x = f32([2, 2], [1, 2, 3, 4])
    const y = g.mul(x, x)
    assert.throws(() => g.gradients(y, [x]), {
      message: 'backward: expects a loss of one value, got [2, 2]; sum or average it, or give its gradient',
    })
    assert.throws(() => g.gradients(y, [x], f32([4], [1, 1, 1, 1])), {
      message: 'backward: expects a gradient of shape [2, 2], as the loss, got [4]',
    })
    const [dx] = g.gradients(y, [x], f32([2, 2], [1, 0, -1, 2]))
    assert.deepEqual([...g.evaluate(dx!)], [2, 0, -6, 16])
    const [batched] = g.gradients(g.batch(y), [x], f32([2, 2], [1, 0, -1, 2]))
    assert.deepEqual([...g.evaluate(batched!)], [2, 0, -6, 16])
    const [ofOne] = g.gradients(g.reshape(g.sum(y), [1, 1]), [x])
    assert.deepEqual([...g.evaluate(ofOne!)], [2, 4, 6, 8])
  })

  test('leave grad mode as it was, and require no grad themselves', () => {
    const x = f32([2], [3, 4])
    const [dx] = g.gradients(g.sum(g.tanh(x)), [x])
    assert.equal(g.gradEnabled(), true)
    assert.equal(dx!.requiresGrad, false)
  })

  test('a chain of 20,000 nodes does not exhaust the stack', () => {
    const x = f32([1], [1])
    let y: Node = x
    for (let i = 0; i < 20000; i++) y = g.add(y, x)
    const [dx] = g.gradients(g.sum(y), [x])
    assert.deepEqual([...g.evaluate(dx!)], [20001])
  })

  test('what is not built says so', () => {
    const table = random([4, 3], 1)
    const rows = g.gatherRows(table, i32([2], [1, 3]))
    assert.throws(() => g.gradients(g.sum(rows), [table]), LenetError)
    const [x, w] = [g.batch(random([2, 3], 2)), random([4, 3], 3)]
    const twice = g.make('linearGradWeight', {}, [g.linear(x, w), x])
    assert.throws(() => g.gradients(g.sum(twice), [w]), {
      message: 'linearGradWeight: its gradient is not built; a gradient cannot be differentiated again',
    })
  })
})
