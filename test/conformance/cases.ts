/**
 * Graphs that go through every fusion and remainder of the compiler: odd sizes, strides, padding, short batches.
 * Not a test: agreement.test.ts and digest.ts run them. Single operations are in test/oracle/ops.json.
 */
import { Generator, sizeOf, type Shape } from '../../src/base/index.js'
import * as g from '../../src/graph/index.js'
import type { Node } from '../../src/graph/index.js'

export interface Built {
  readonly output: Node
  /** Leaves that want a gradient. */
  readonly leaves: readonly Node[]
}

export interface Case {
  readonly name: string
  readonly build: () => Built
}

let seed = 0
const numbers = (shape: Shape, low = -1, high = 1): Float32Array =>
  new Generator(++seed).uniform(new Float32Array(sizeOf(shape)), low, high)
const leaf = (shape: Shape, low = -1, high = 1): Node => g.hostLeaf(numbers(shape, low, high), shape, 'f32', true)
const given = (shape: Shape): Node => g.hostLeaf(numbers(shape), shape, 'f32')
const integers = (shape: Shape, below: number): Node =>
  g.hostLeaf(Int32Array.from(numbers(shape, 0, below), Math.floor), shape, 'i32')

interface ConvShape {
  readonly N: number
  readonly C: number
  readonly H: number
  readonly W: number
  readonly O: number
  readonly K: number | readonly [number, number]
  readonly stride?: g.Size2
  readonly padding?: g.Size2
}

type Behind = (x: Node) => Node

/** A conv on an input that wants a gradient, and what comes behind it. */
function conv(name: string, s: ConvShape, behind: Behind): Case {
  const build = (): Built => {
    const x = leaf([s.N, s.C, s.H, s.W])
    const [kH, kW] = typeof s.K === 'number' ? [s.K, s.K] : s.K
    const [weight, bias] = [leaf([s.O, s.C, kH, kW]), leaf([s.O])]
    const y = g.conv2d(x, weight, bias, { stride: s.stride ?? 1, padding: s.padding ?? 0 })
    return { output: behind(y), leaves: [x, weight, bias] }
  }
  const { N, C, H, W, O, K, stride = 1, padding = 0 } = s
  return {
    name: `conv ${N}×${C}×${H}×${W} → ${O}, ${typeof K === 'number' ? `${K}×${K}` : K.join('×')}, stride ${stride.toString()}, padding ${padding.toString()}: ${name}`,
    build,
  }
}

const pool: Behind = (y) => g.maxPool2d(g.relu(y), 2)
const relu: Behind = (y) => g.relu(y)

const convs: readonly Case[] = [
  conv('relu, pool', { N: 8, C: 3, H: 12, W: 12, O: 6, K: 5 }, pool),
  conv('relu, pool, odd sizes', { N: 3, C: 1, H: 9, W: 11, O: 5, K: 3 }, pool),
  conv('relu, pool', { N: 17, C: 6, H: 8, W: 8, O: 3, K: 5 }, pool),
  conv('relu, pool, many channels', { N: 4, C: 20, H: 7, W: 6, O: 4, K: 3 }, pool),
  conv('pool alone', { N: 5, C: 2, H: 6, W: 6, O: 2, K: 3 }, (y) => g.maxPool2d(y, 2)),
  conv('relu, pool', { N: 2, C: 3, H: 8, W: 8, O: 4, K: 3, padding: 1 }, pool),
  conv('relu, pool', { N: 2, C: 5, H: 11, W: 9, O: 7, K: 3, stride: 2, padding: 1 }, pool),
  conv('relu', { N: 1, C: 5, H: 7, W: 5, O: 3, K: 3 }, relu),
  conv('relu', { N: 9, C: 16, H: 4, W: 4, O: 8, K: 1 }, relu),
  conv('relu', { N: 4, C: 3, H: 9, W: 9, O: 4, K: 3, stride: 2 }, relu),
  conv('tanh', { N: 6, C: 2, H: 5, W: 6, O: 3, K: 2 }, (y) => g.tanh(y)),
  conv('relu, overlapping pool', { N: 3, C: 2, H: 8, W: 8, O: 3, K: 2 }, (y) =>
    g.maxPool2d(g.relu(y), 3, { stride: 2 }),
  ),
  conv('relu, pool of 3', { N: 3, C: 2, H: 8, W: 8, O: 3, K: 3 }, (y) => g.maxPool2d(g.relu(y), 3)),
  conv('average pool', { N: 3, C: 4, H: 6, W: 6, O: 5, K: 3 }, (y) => g.avgPool2d(y, 2)),
  conv('relu, other shape, scaled', { N: 5, C: 2, H: 6, W: 6, O: 3, K: 3 }, (y) =>
    g.mul(g.reshape(g.relu(y), [5, -1]), 0.5),
  ),
  conv('a sum by channel, other shape, scaled', { N: 5, C: 2, H: 6, W: 6, O: 3, K: 3 }, (y) =>
    g.exp(g.reshape(g.add(y, given([3, 1, 1])), [5, 8, 6])),
  ),
  conv('relu, padded above only', { N: 4, C: 1, H: 5, W: 4, O: 2, K: 3, padding: [1, 0] }, relu),
  conv('relu, pool, padded at the sides only', { N: 9, C: 5, H: 5, W: 6, O: 3, K: 3, padding: [0, 1] }, pool),
  conv('relu, pool', { N: 1, C: 16, H: 8, W: 8, O: 5, K: 5 }, pool),
  conv('relu, pool, stride by direction', { N: 8, C: 3, H: 9, W: 10, O: 16, K: 3, stride: [1, 2] }, pool),
  conv('relu, pool with padding', { N: 3, C: 2, H: 7, W: 7, O: 3, K: 3 }, (y) =>
    g.maxPool2d(g.relu(y), 3, { stride: 2, padding: 1 }),
  ),
  conv('gelu', { N: 5, C: 3, H: 6, W: 5, O: 4, K: 3 }, (y) => g.gelu(y)),
  conv('used twice', { N: 3, C: 2, H: 6, W: 6, O: 2, K: 3 }, (y) => g.add(g.relu(y), g.mul(y, y))),
]

const plain: Behind = (y) => y

/** Behind none of these is anything zero. */
const denseConvs: readonly Case[] = [
  conv('dense', { N: 5, C: 3, H: 9, W: 8, O: 5, K: 3, padding: 1 }, plain),
  conv('dense', { N: 33, C: 16, H: 8, W: 9, O: 18, K: 3, padding: 1 }, plain),
  conv('dense', { N: 17, C: 16, H: 4, W: 4, O: 16, K: 3, padding: 1 }, plain),
  conv('dense, sums of both', { N: 5, C: 17, H: 6, W: 6, O: 16, K: 3, padding: 2 }, (y) => g.tanh(y)),
  conv('dense', { N: 5, C: 4, H: 9, W: 8, O: 6, K: 3, stride: 2, padding: 1 }, plain),
  conv('dense', { N: 33, C: 5, H: 7, W: 11, O: 20, K: 3, stride: 3 }, plain),
  conv('dense', { N: 1, C: 6, H: 5, W: 7, O: 10, K: 1 }, plain),
  conv('dense', { N: 17, C: 6, H: 9, W: 9, O: 8, K: 1 }, plain),
  conv('dense', { N: 5, C: 7, H: 9, W: 6, O: 9, K: 1, stride: 2 }, plain),
  conv('dense, nothing but padding at the edge', { N: 2, C: 2, H: 5, W: 4, O: 3, K: 1, stride: 2, padding: 2 }, plain),
  conv('dense', { N: 9, C: 2, H: 6, W: 7, O: 3, K: 2, stride: [1, 2], padding: [1, 0] }, plain),
  conv('dense', { N: 5, C: 2, H: 12, W: 11, O: 3, K: 5, stride: 2, padding: 2 }, plain),
  conv('dense', { N: 3, C: 3, H: 15, W: 13, O: 4, K: 7, stride: 2, padding: 3 }, plain),
  conv('dense', { N: 2, C: 1, H: 12, W: 30, O: 2, K: [2, 26], padding: [0, 3] }, plain),
  conv('dense', { N: 18, C: 3, H: 8, W: 9, O: 13, K: [3, 1], padding: [1, 0] }, plain),
  conv('dense', { N: 4, C: 20, H: 7, W: 8, O: 3, K: [1, 5], padding: [0, 4], stride: [2, 1] }, plain),
  conv('dense, many channels that lie powers of two apart', { N: 9, C: 40, H: 16, W: 16, O: 24, K: 1 }, plain),
  conv('dense, wide', { N: 2, C: 16, H: 5, W: 37, O: 80, K: 3, padding: 1 }, plain),
  conv('dense, then a pool behind a norm', { N: 9, C: 3, H: 6, W: 6, O: 16, K: 3, padding: 1 }, (y) =>
    g.maxPool2d(g.relu(g.batchNormTrain(y, { weight: leaf([16]), bias: leaf([16]), eps: 1e-5 }).output), 2),
  ),
  conv('its gradient added to another', { N: 5, C: 3, H: 6, W: 6, O: 3, K: 3, padding: 1 }, (y) =>
    g.relu(g.add(g.mul(y, y), given(y.shape))),
  ),
]

/** Two layers on pictures of `N`, with an elementwise function between. */
const layers = (name: string, N: number, sizes: readonly [number, number, number], between: Behind): Case => ({
  name: `linear ${N}×${sizes.join(' → ')}: ${name}`,
  build: () => {
    const [I, M, O] = sizes
    const [x, w1, b1, w2] = [leaf([N, I]), leaf([M, I]), leaf([M]), leaf([O, M])]
    return { output: g.linear(between(g.linear(x, w1, b1)), w2), leaves: [x, w1, b1, w2] }
  },
})

const linears: readonly Case[] = [
  layers('relu', 8, [10, 7, 3], relu),
  layers('sigmoid', 3, [5, 3, 2], (y) => g.sigmoid(y)),
  layers('exp of a scaled sum', 18, [6, 5, 9], (y) => g.exp(g.mul(y, 0.25))),
  layers('own square', 33, [4, 6, 1], (y) => g.mul(y, y)),
  layers('relu', 17, [11, 9, 5], relu),
  layers('other shape, tanh', 3, [4, 12, 3], (y) => g.reshape(g.tanh(g.reshape(g.exp(y), [3, 3, 4])), [3, 12])),
  layers('softmax', 5, [8, 12, 4], (y) => g.softmax(y, 1)),
]

const single = (name: string, shape: Shape, f: (x: Node) => Node): Case => ({
  name,
  build: () => {
    const x = leaf(shape)
    return { output: f(x), leaves: [x] }
  },
})

const lanes = (f: (x: Node) => Node) => (x: Node) => f(g.batch(x))

const reductions: readonly Case[] = [
  ...[[0], [1], [2, 3], [1, 2, 3], [0, 2, 3], [0, 1, 2, 3], [1, 3]].map((dims) =>
    single(
      `sum over ${dims.join()} of a batch`,
      [9, 3, 4, 5],
      lanes((x) => g.sum(g.mul(x, x), dims)),
    ),
  ),
  ...[[0], [1], [0, 2], [0, 1, 2]].map((dims) =>
    single(`mean over ${dims.join()}`, [7, 3, 5], (x) => g.mean(g.exp(x), dims)),
  ),
  single(
    'amax over 1 of a batch',
    [6, 11],
    lanes((x) => g.amax(x, [1])),
  ),
  single(
    'argmax over 1 of a batch',
    [6, 11],
    lanes((x) => g.argmax(x, 1)),
  ),
  single(
    'logSoftmax',
    [5, 10],
    lanes((x) => g.logSoftmax(x, 1)),
  ),
]

const movements: readonly Case[] = [
  single(
    'permute a batch',
    [3, 4, 5],
    lanes((x) => g.permute(g.mul(x, 2), [2, 0, 1])),
  ),
  single('slice, pad, concat', [6, 4], (x) =>
    g.pad(g.concat([g.slice(x, [0, 1], [6, 3]), g.slice(x, [2, 0], [4, 2])]), [1, 0], [0, 2]),
  ),
  ...[1, 2, 3].map((along) =>
    single(`pictures side by side along ${along}, cut and padded`, [5, 3, 4, 6], (x) => {
      const y = g.batch(g.mul(x, x))
      const part = g.slice(y, [0, 1, 0, 2], [5, 3, 4, 6])
      const both = g.concat([part, g.neg(part), part], along)
      return g.pad(g.relu(both), [0, 1, 0, 2], [0, 0, 3, 1], 0.5)
    }),
  ),
  single('channels last and back', [9, 3, 2, 5], (x) =>
    g.permute(g.exp(g.permute(g.batch(x), [0, 2, 3, 1])), [0, 3, 1, 2]),
  ),
  single('padding of plain values', [3, 4], (x) => g.pad(g.exp(x), [1, 0], [0, 2], -2)),
  single('expand and broadcast', [4, 1, 3], (x) => g.mul(g.expand(x, [4, 5, 3]), g.exp(x))),
  single(
    'reshape a batch to rows',
    [6, 4],
    lanes((x) => g.reshape(g.mul(x, x), [3, 8])),
  ),
  single(
    'where on a comparison',
    [5, 7],
    lanes((x) => g.where(g.lt(x, 0.2), g.mul(x, 3), g.neg(x))),
  ),
  single('matmul of three dims', [2, 3, 4], (x) => g.matmul(x, g.permute(g.exp(x), [0, 2, 1]))),
  single('matmul of a vector', [5], (x) => g.matmul(g.batch(x), g.exp(g.reshape(x, [5, 1])))),
  single('batches of two sizes', [3, 4], (x) =>
    g.linear(g.reshape(g.linear(x, given([6, 4])), [9, 2]), given([3, 2]), given([3])),
  ),
  single(
    'a batch in other shapes and orders',
    [8, 2, 3],
    lanes((x) => g.concat([g.permute(g.relu(x), [1, 0, 2]), g.reshape(x, [2, 8, 3])], 2)),
  ),
  single('maximum, abs, sqrt, log', [37], (x) => g.log(g.add(g.sqrt(g.abs(x)), g.maximum(x, 0.3)))),
]

type Norm = (x: Node) => { readonly y: Node; readonly leaves: readonly Node[] }

/** Batch normalisation of training or of evaluation, with new parameters. */
const norm =
  (train: boolean): Norm =>
  (x) => {
    const C = x.shape[1] ?? 1
    const [weight, bias] = [leaf([C], 0.5, 1.5), leaf([C])]
    const parameters = { weight, bias, eps: 1e-5 }
    const known = (): Node => g.batchNormEval(x, given([C]), g.add(g.abs(given([C])), 0.5), parameters)
    return { y: train ? g.batchNormTrain(x, parameters).output : known(), leaves: [weight, bias] }
  }

function normalised(shape: Shape, train: boolean): Built {
  const x = leaf(shape)
  const { y, leaves } = norm(train)(g.batch(x))
  return { output: y, leaves: [x, ...leaves] }
}

/** A conv [O, C/groups, 3, 3] or linear layer, normalised, through relu; pictures besides where they are alike. */
function layerNormed(shape: Shape, O: number, train: boolean, groups = 1): Built {
  const [, C = 1, ...size] = shape
  const [x, weight] = [leaf(shape), leaf([O, C / groups, ...size.map(() => 3)])]
  const made = size.length > 0 ? g.conv2d(x, weight, undefined, { padding: 1, groups }) : g.linear(x, weight)
  const { y, leaves } = norm(train)(made)
  return { output: g.relu(O === C ? g.add(y, x) : y), leaves: [x, weight, ...leaves] }
}

const norms: readonly Case[] = [true, false].flatMap((train) => {
  const mode = train ? 'train' : 'eval'
  const alone = [
    [7, 3, 4, 5],
    [8, 2, 3, 3],
    [33, 5],
    [9, 4, 7],
    [1, 3, 2, 3],
    [17, 2, 1, 1],
  ].map((shape) => ({
    name: `batchNorm of ${shape.join('×')}, ${mode}`,
    build: () => normalised(shape, train),
  }))
  const behind = (
    [
      [9, 3, 6, 5, 3],
      [5, 16, 4, 6, 16],
      [17, 16, 5, 5, 7],
      [18, 6, 4],
    ] as const
  ).map(([N, C, ...rest]) => ({
    name: `batchNorm behind ${[N, C, ...rest].join('×')}, ${mode}`,
    build: () => layerNormed([N, C, ...rest.slice(0, -1)], rest.at(-1) ?? 1, train),
  }))
  const depthwise = { name: `batchNorm behind depthwise, ${mode}`, build: () => layerNormed([9, 4, 5, 6], 8, train, 4) }
  return [...alone, ...behind, depthwise]
})

function loss(reduction: 'none' | 'mean' | 'sum', N: number): Built {
  const x = leaf([N, 10], -4, 4)
  return { output: g.crossEntropy(x, integers([N], 10), reduction), leaves: [x] }
}

/** Bytes of pictures of `size` gathered, normalised by channel or all alike, and a conv on them. */
function gathered(N: number, size: readonly [number, number, number], perChannel = true): Built {
  const bytes = Uint8Array.from(numbers([20, ...size], 0, 256), Math.floor)
  const rows = g.gatherRows(g.hostLeaf(bytes, [20, ...size], 'u8'), integers([N], 20))
  const scaled = g.div(g.cast(rows, 'f32'), 255)
  const factor = (): g.Operand => (perChannel ? given([size[0], 1, 1]) : 0.5)
  const x = g.div(g.sub(scaled, factor()), factor())
  const weight = leaf([4, size[0], 3, 3])
  return { output: pool(g.conv2d(x, weight)), leaves: [weight] }
}

/** Bytes moved about: none is cast on the way but by `pad`. */
function movedBytes(): Built {
  const bytes = (shape: Shape): Node => g.hostLeaf(Uint8Array.from(numbers(shape, 0, 256), Math.floor), shape, 'u8')
  const x = bytes([5, 3, 7])
  const turned = g.permute(g.slice(x, [1, 0, 2], [4, 3, 7]), [0, 2, 1]) // [3, 5, 3]
  const joined = g.concat([turned, bytes([3, 1, 3]), g.narrow(turned, 1, 1, 4)], 1) // [3, 9, 3]
  const lanes = g.unbatch(g.narrow(g.batch(x), 2, 1, 4)) // [5, 3, 3]
  return { output: g.concat([g.pad(joined, [1, 0, 0], [0, 2, 1], 7), g.pad(lanes, [0, 8, 0], [0, 0, 1])]), leaves: [] }
}

function dropped(): Built {
  const x = leaf([6, 4, 3])
  return { output: g.dropout(g.batch(x), 0.4, g.hostLeaf(Int32Array.of(5, 9), [2], 'i32')), leaves: [x] }
}

const curves = { gelu: g.gelu, elu: g.elu, silu: g.silu, mish: g.mish, hardSwish: g.hardSwish, softplus: g.softplus }
const activations: readonly Case[] = [
  ...Object.entries(curves).map(([name, f]) => layers(name, 5, [6, 7, 4], (y) => f(y))),
  layers('gelu by tanh', 9, [6, 7, 4], (y) => g.gelu(y, 'tanh')),
  single('erf, expm1, log1p', [67], (x) => g.add(g.erf(g.mul(x, 3)), g.mul(g.expm1(x), g.log1p(g.mul(x, x))))),
  single(
    'leaky, beside what it comes from',
    [5, 6],
    lanes((x) => g.add(g.leakyRelu(g.exp(x)), x)),
  ),
  single('selu, softsign, hardTanh', [9, 4], (x) => g.mul(g.selu(x), g.add(g.softsign(x), g.hardTanh(x, -0.5, 0.5)))),
]

function block(N: number, act: Behind): Built {
  const [x, w1, w2, bias] = [leaf([N, 3, 6, 5]), leaf([3, 3, 3, 3]), leaf([3, 3, 3, 3]), leaf([3])]
  const inner = act(g.conv2d(x, w1, bias, { padding: 1 }))
  return { output: act(g.add(g.conv2d(inner, w2, bias, { padding: 1 }), x)), leaves: [x, w1, w2, bias] }
}

function smoothed(N: number, ignoreIndex: number | undefined): Built {
  const [x, labels] = [leaf([N, 10], -4, 4), integers([N], 10)]
  const weight = g.exp(given([10]))
  return { output: g.crossEntropyLoss(x, labels, { labelSmoothing: 0.1, weight, ignoreIndex }), leaves: [x] }
}

function twoClasses(N: number): Built {
  const [x, posWeight] = [leaf([N, 6], -4, 4), g.exp(given([6]))]
  return { output: g.bceWithLogits(g.batch(x), g.sigmoid(given([N, 6])), { posWeight }), leaves: [x] }
}

function normalisedApart(groups: number): Built {
  const [x, weight, bias] = [leaf([5, 6, 3, 2]), leaf([6]), leaf([6])]
  const rows = g.groupNorm(x, groups, { weight, bias })
  return { output: g.layerNorm(rows, [6, 3, 2]), leaves: [x, weight, bias] }
}

type Slide = Omit<g.ConvOptions, 'padding'> & { readonly padding?: g.Size2 | 'same' }

/** x [N, C, H, W], O output channels, kernel kH × kW. */
function grouped(sizes: readonly number[], slide: Slide, behind: Behind): Case {
  const [N = 1, C = 1, H = 1, W = 1, O = 1, kH = 1, kW = 1] = sizes
  const build = (): Built => {
    const [x, weight, bias] = [leaf([N, C, H, W]), leaf([O, C / (slide.groups ?? 1), kH, kW]), leaf([O])]
    return { output: behind(g.conv2d(x, weight, bias, slide)), leaves: [x, weight, bias] }
  }
  return { name: `conv in groups ${sizes.join('×')} ${JSON.stringify(slide)}`, build }
}

const groupedConvs: readonly Case[] = [
  grouped([5, 4, 7, 6, 4, 3, 3], { groups: 4, padding: 1 }, relu),
  grouped([9, 3, 8, 9, 6, 3, 3], { groups: 3, stride: 2, padding: 1 }, pool),
  grouped([17, 6, 6, 5, 9, 2, 3], { groups: 3 }, relu),
  grouped([4, 20, 5, 5, 10, 3, 3], { groups: 2, padding: 'same' }, (y) => g.silu(y)),
  grouped([3, 3, 9, 11, 5, 3, 3], { dilation: 2 }, pool),
  grouped([8, 2, 9, 10, 3, 3, 2], { dilation: [1, 3], stride: [2, 1], padding: [2, 3] }, relu),
  grouped([1, 8, 12, 12, 8, 5, 5], { groups: 8, dilation: 2, padding: 'same' }, (y) => g.add(g.relu(y), y)),
  grouped([2, 4, 5, 5, 4, 1, 1], { groups: 4, stride: 2, padding: 2 }, relu),
  grouped([3, 2, 6, 7, 3, 2, 4], { padding: 'same' }, pool),
]

/** N pictures of C channels, each channel its own kernel. */
const depthwise = (sizes: readonly number[], slide: Slide, behind: Behind = relu): Case => {
  const [N = 1, C = 1, H = 1, W = 1, kH = 1, kW = 1] = sizes
  return grouped([N, C, H, W, C, kH, kW], { ...slide, groups: C }, behind)
}

/** Batches, odd sizes, every border: none, narrow, as wide as the kernel; strides that leave rows over. */
const depthwiseConvs: readonly Case[] = [
  depthwise([1, 5, 17, 19, 3, 3], { padding: 1 }),
  depthwise([33, 3, 9, 8, 3, 3], { padding: 1 }, (y) => g.silu(y)),
  depthwise([5, 4, 20, 21, 3, 3], { padding: 1, stride: 2 }),
  depthwise([33, 2, 10, 16, 3, 3], { padding: 1, stride: 2 }, (y) => g.add(g.relu(y), y)),
  depthwise([1, 3, 18, 27, 5, 5], { padding: 2 }),
  depthwise([5, 2, 19, 22, 5, 5], { padding: 2, stride: 2 }),
  depthwise([5, 3, 12, 13, 3, 3], {}),
  depthwise([5, 3, 12, 13, 3, 3], { padding: 3, stride: 2 }),
  depthwise([4, 2, 4, 25, 5, 5], { padding: [5, 0], stride: [2, 1] }),
  depthwise([3, 2, 11, 12, 3, 3], { padding: [0, 1], stride: 3 }),
  depthwise([2, 3, 7, 40, 1, 9], { padding: [0, 4] }),
  depthwise([3, 2, 3, 2, 5, 5], { padding: 2 }),
  depthwise([2, 2, 1, 1, 3, 3], { padding: 1, stride: 2 }),
  depthwise([3, 2, 9, 9, 2, 2], { stride: 4, padding: 2 }),
  depthwise([2, 2, 13, 26, 3, 3], { padding: 2, stride: 2, dilation: 2 }),
  depthwise([2, 2, 14, 15, 3, 3], { padding: 3, stride: 2, dilation: 3 }),
  depthwise([2, 2, 9, 17, 11, 7], { padding: [5, 3] }),
]

const nets: readonly Case[] = [
  { name: 'a residual block of relu', build: () => block(5, relu) },
  { name: 'a residual block of silu', build: () => block(9, (y) => g.silu(y)) },
  { name: 'crossEntropy smoothed and weighted', build: () => smoothed(9, undefined) },
  { name: 'crossEntropy smoothed, weighted, ignoring', build: () => smoothed(17, 3) },
  { name: 'bceWithLogits', build: () => twoClasses(5) },
  { name: 'groupNorm and layerNorm', build: () => normalisedApart(3) },
  ...[1, 2, 3].map((size) =>
    single(`pooled to ${size}`, [3, 2, 4, 6], (x) => g.adaptiveAvgPool2d(g.relu(g.batch(x)), size)),
  ),
]

const others: readonly Case[] = [
  ...(['none', 'mean', 'sum'] as const).map((r) => ({ name: `crossEntropy ${r}`, build: () => loss(r, 9) })),
  { name: 'gather 3×8×8, one mean', build: () => gathered(9, [3, 8, 8], false) },
  { name: 'gather 3×8×8', build: () => gathered(6, [3, 8, 8]) },
  { name: 'gather 1×5×7', build: () => gathered(11, [1, 5, 7]) },
  { name: 'dropout', build: dropped },
  { name: 'bytes in other places', build: movedBytes },
]

const all: readonly Case[] = [
  ...convs,
  ...linears,
  ...reductions,
  ...movements,
  ...others,
  ...activations,
  ...nets,
  ...groupedConvs,
  ...norms,
  ...denseConvs,
  ...depthwiseConvs,
]

/** Every case; the same numbers in every process. */
export const cases: readonly Case[] = all.map(({ name, build }, i) => ({
  name,
  build: () => {
    seed = 1000 * (i + 1)
    return build()
  },
}))

/** The output of a case, and the gradient of Σ output · (fixed numbers) for each leaf. */
export function nodesOf({ output, leaves }: Built): Node[] {
  if (output.dtype !== 'f32') return [output]
  return [output, ...g.gradients(output, leaves, given(output.shape)).filter((node) => node !== null)]
}
