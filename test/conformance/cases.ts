/**
 * Graphs that go through every fusion and remainder of the compiler: odd sizes, strides, padding, short batches.
 * Not a test: agreement.test.ts and digest.ts run them. Single operations are in test/oracle/ops.json.
 */
import type { Shape } from '../../src/base/index.js'
import * as g from '../../src/graph/index.js'
import type { Node } from '../../src/graph/index.js'
import { given, integers, leaf, numbers, seedNumbers, single, type Behind, type Built, type Case } from './caseParts.js'
import { convs, denseConvs, depthwiseConvs, groupedConvs, pool, relu } from './convCases.js'
import { normalisedApart, norms, pictureNorms } from './normCases.js'

export type { Built, Case } from './caseParts.js'

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

/** Layers whose values are computed anew for gradients, one part behind the other, with what stands beside them. */
function checkpointed(N: number): Built {
  const [x, w1, w2, b, factor] = [leaf([N, 3, 8, 6]), leaf([4, 3, 3, 3]), leaf([4, 4, 3, 3]), leaf([4]), leaf([4])]
  const part = (y: Node, body: Behind): Node => {
    const from = g.newestNode()
    const made = body(y)
    g.checkpoint(made, from)
    return made
  }
  const key = g.hostLeaf(Int32Array.of(3, 4), [2], 'i32')
  const first = part(g.batch(x), (y) => g.maxPool2d(g.relu(g.conv2d(y, w1, b, { padding: 1 })), 2))
  const second = part(first, (y) =>
    g.relu(
      g.add(g.batchNormTrain(g.dropout(g.conv2d(y, w2, b, { padding: 1 }), 0.3, key), { weight: factor }).output, y),
    ),
  )
  const third = part(second, (y) => g.tanh(g.groupNorm(g.exp(g.conv2d(y, w2)), 2, { weight: factor })))
  return { output: third, leaves: [x, w1, w2, b, factor] }
}

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
  ...pictureNorms,
  ...[1, 9].map((N) => ({ name: `values computed anew for gradients, ${N}`, build: () => checkpointed(N) })),
]

/** Every case; the same numbers in every process. */
export const cases: readonly Case[] = all.map(({ name, build }, i) => ({
  name,
  build: () => {
    seedNumbers(1000 * (i + 1))
    return build()
  },
}))

/** The output of a case, and the gradient of Σ output · (fixed numbers) for each leaf. */
export function nodesOf({ output, leaves }: Built): Node[] {
  if (output.dtype !== 'f32') return [output]
  return [output, ...g.gradients(output, leaves, given(output.shape)).filter((node) => node !== null)]
}
