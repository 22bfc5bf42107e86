/**
 * Random graphs of the operations that users meet, in any order, shape and layout: the same seed, the same graph.
 * Not a test: random.test.ts compares their values and gradients with the reference.
 */
import { Generator, sizeOf, type Shape } from '../../src/base/index.js'
import * as g from '../../src/graph/index.js'
import type { Node } from '../../src/graph/index.js'

/** What a step draws from, and the leaves it made. */
class Draw {
  readonly #generator: Generator
  readonly leaves: Node[] = []

  constructor(seed: number) {
    this.#generator = new Generator(seed)
  }

  /** A whole number of low … high. */
  int(low: number, high: number): number {
    return low + (this.#generator.randomU32() % (high - low + 1))
  }

  chance(percent: number): boolean {
    return this.int(1, 100) <= percent
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.int(0, items.length - 1)]
    if (item === undefined) throw new Error('nothing to pick from')
    return item
  }

  given(shape: Shape): Node {
    return g.hostLeaf(this.#generator.uniform(new Float32Array(sizeOf(shape)), -2, 2), shape, 'f32')
  }

  /** A leaf that wants a gradient. */
  leaf(shape: Shape): Node {
    const leaf = g.hostLeaf(this.#generator.uniform(new Float32Array(sizeOf(shape)), -2, 2), shape, 'f32', true)
    this.leaves.push(leaf)
    return leaf
  }
}

/** One step: a new node from `x` (and others), or `x` where the step does not fit its shape. */
type Step = (x: Node, d: Draw, all: readonly Node[]) => Node

const dimOf = (x: Node, d: Draw): number => d.int(0, x.shape.length - 1)
const atRank =
  (least: number, step: Step): Step =>
  (x, d, all) =>
    x.shape.length >= least ? step(x, d, all) : x

/** Pictures [N, C, H, W] of anything with a batch. */
const pictures = (x: Node): Node => (x.shape.length === 4 ? x : g.reshape(x, [x.shape[0] ?? 1, 1, 1, -1]))

const conv = atRank(2, (x, d) => {
  const z = pictures(x)
  const padding = [d.int(0, 2), d.int(0, 2)] as const
  const kernel = padding.map((p, i) => d.int(1, Math.min(4, (z.shape[i + 2] ?? 1) + 2 * p)))
  const O = d.int(1, 5)
  const weight = d.leaf([O, z.shape[1] ?? 1, ...kernel])
  const y = g.conv2d(z, weight, d.chance(60) ? d.leaf([O]) : undefined, {
    stride: [d.int(1, 3), d.int(1, 3)],
    padding,
  })
  const active = d.chance(50) ? g.relu(y) : y
  return d.chance(40) && y.shape.slice(2).every((size) => size > 1) ? g.maxPool2d(active, 2) : active
})

/** In groups, most often as many as channels; taps side by side or apart; borders of up to three pixels. */
const grouped = atRank(2, (x, d) => {
  const z = pictures(x)
  const [, C = 1, ...size] = z.shape
  const groups = d.chance(70) ? C : d.pick([1, 2, 3].filter((count) => C % count === 0))
  const [padding, dilation] = [[d.int(0, 3), d.int(0, 3)] as const, [d.int(1, 2), d.int(1, 2)] as const]
  const most = padding.map((p, i) => Math.ceil(((size[i] ?? 1) + 2 * p) / (dilation[i] ?? 1)))
  const kernel = most.map((count) => d.int(1, Math.min(5, count)))
  const O = groups * d.pick([1, 1, 1, 2])
  const y = g.conv2d(z, d.leaf([O, C / groups, ...kernel]), d.chance(50) ? d.leaf([O]) : undefined, {
    stride: [d.int(1, 3), d.int(1, 3)],
    padding,
    dilation,
    groups,
  })
  return d.chance(50) ? g.relu(y) : y
})

const pool: Step = (x, d) => {
  if (x.shape.length !== 4) return x
  const kernel = [d.int(1, Math.min(3, x.shape[2] ?? 1)), d.int(1, Math.min(3, x.shape[3] ?? 1))] as const
  const padding = [d.int(0, kernel[0] >> 1), d.int(0, kernel[1] >> 1)] as const
  const options = { stride: [d.int(1, 3), d.int(1, 3)] as const, padding }
  return d.chance(50)
    ? g.maxPool2d(x, kernel, options)
    : g.avgPool2d(x, kernel, { ...options, countIncludePad: d.chance(50) })
}

const reshape: Step = (x, d) => {
  const count = sizeOf(x.shape)
  const shapes: Shape[] = [[count], [count, 1], [1, count], [x.shape[0] ?? 1, -1], [-1, x.shape.at(-1) ?? 1]]
  for (const k of [2, 3, 4, 5]) if (count % k === 0) shapes.push([k, count / k], [1, count / k, k])
  return g.reshape(x, d.pick(shapes))
}

const permute = atRank(1, (x, d) => {
  const dims = x.shape.map((_, i) => i)
  for (let i = dims.length - 1; i > 0; i--) {
    const j = d.int(0, i)
    ;[dims[i], dims[j]] = [dims[j] ?? 0, dims[i] ?? 0]
  }
  return g.permute(x, dims)
})

const slice: Step = (x, d) => {
  const starts = x.shape.map((size) => d.int(0, size - 1))
  return g.slice(
    x,
    starts,
    x.shape.map((size, i) => d.int((starts[i] ?? 0) + 1, size)),
  )
}

const concat = atRank(1, (x, d) => {
  const along = dimOf(x, d)
  const other = d.leaf(x.shape.map((size, i) => (i === along ? d.int(1, 3) : size)))
  return g.concat(d.chance(50) ? [x, other] : [other, x, x], along)
})

const fits = (a: Node, b: Node): boolean => {
  const pairs = a.shape.toReversed().map((size, i) => [size, b.shape.toReversed()[i] ?? 1] as const)
  return pairs.every(([p, q]) => p === q || p === 1 || q === 1)
}

/** With another node, or with a new leaf that is broadcast. */
const binary: Step = (x, d, all) => {
  const op = d.pick([g.add, g.sub, g.mul, g.maximum] as const)
  const other = d.pick(all)
  if (d.chance(50) && fits(x, other)) return op(x, other)
  return op(x, d.leaf(x.shape.slice(d.int(0, x.shape.length)).map((size) => (d.chance(30) ? 1 : size))))
}

const reduce: Step = (x, d) => {
  const dims = x.shape.map((_, i) => i).filter(() => d.chance(50))
  return d.pick([g.sum, g.mean] as const)(x, dims, d.chance(50))
}

const largest = atRank(1, (x, d) => {
  const [dim, keepdim] = [dimOf(x, d), d.chance(50)]
  const kind = d.int(0, 2)
  if (kind === 0) return g.amax(x, dim, keepdim)
  return kind === 1 ? g.max(x, dim, keepdim).values : g.cast(g.argmax(x, dim, keepdim), 'f32')
})

const choose: Step = (x, d) => {
  const condition = d.pick([g.lt, g.le, g.gt, g.ge] as const)(x, d.pick([0, 0.1, -0.3]))
  return g.where(condition, g.mul(x, 2), d.pick([0, x, g.neg(x)] as const))
}

const linear = atRank(1, (x, d) => {
  const O = d.int(1, 9)
  const y = g.linear(x, d.leaf([O, x.shape.at(-1) ?? 1]), d.chance(50) ? d.leaf([O]) : undefined)
  return d.chance(40) ? g.relu(y) : y
})

const norm = atRank(2, (x, d) => {
  const C = x.shape[1] ?? 1
  if (sizeOf(x.shape) === C) return x
  const parameters = { weight: d.chance(70) ? d.leaf([C]) : undefined, bias: d.leaf([C]), eps: 0.1 }
  if (d.chance(30)) return g.batchNormEval(x, d.leaf([C]), g.abs(d.leaf([C])), parameters)
  const { output } = g.batchNormTrain(x, parameters)
  return d.chance(40) ? g.relu(g.add(output, x)) : output
})

/** Each picture by itself. */
const pictureNorm = atRank(2, (x, d) => {
  const [, C = 1, ...rest] = x.shape
  const eps = 0.1
  if (d.chance(50)) {
    const groups = d.pick([1, 2, 3, C].filter((count) => C % count === 0))
    return g.groupNorm(x, groups, { weight: d.chance(70) ? d.leaf([C]) : undefined, bias: d.leaf([C]), eps })
  }
  const shape = d.pick([x.shape.slice(-1), [C, ...rest]])
  return g.layerNorm(x, shape, { weight: d.chance(70) ? d.leaf(shape) : undefined, bias: d.leaf(shape), eps })
})

/** relu(norm(conv(x)) + x), as in residual nets: x itself, or what a convolution of 1 × 1 makes of it where sizes change. */
const residual = atRank(2, (x, d, all) => {
  const z = pictures(x)
  const C = z.shape[1] ?? 1
  const [O, stride] = d.chance(60) ? [C, 1] : [d.int(1, 5), d.int(1, 2)]
  const inner = g.conv2d(z, d.leaf([O, C, 3, 3]), undefined, { padding: 1, stride })
  const skip = O === C && stride === 1 ? z : g.conv2d(z, d.leaf([O, C, 1, 1]), undefined, { stride })
  return g.relu(g.add(norm(inner, d, all), skip))
})

/** x beside what a convolution makes of it, as in DenseNet. */
const dense = atRank(2, (x, d) => {
  const z = pictures(x)
  const C = z.shape[1] ?? 1
  const grown = g.conv2d(g.relu(z), d.leaf([d.int(1, 3), C, 3, 3]), undefined, { padding: 1 })
  return g.concat([z, grown], 1)
})

const loss: Step = (x, d) => {
  const [N = 1, C = 1] = x.shape
  if (x.shape.length !== 2) return x
  const labels = Int32Array.from({ length: N }, () => d.int(0, C - 1))
  return g.crossEntropy(x, g.hostLeaf(labels, [N], 'i32'), d.pick(['none', 'mean', 'sum'] as const))
}

const steps: readonly Step[] = [
  conv,
  grouped,
  pool,
  reshape,
  permute,
  slice,
  concat,
  binary,
  reduce,
  largest,
  choose,
  linear,
  norm,
  pictureNorm,
  residual,
  dense,
  loss,
  (x, d) => d.pick([g.neg, g.relu, g.tanh, g.sigmoid, g.abs] as const)(x),
  (x) => g.exp(g.mul(x, 0.1)),
  (x) => g.mul(g.add(g.constant(2), g.constant(0.5)), x),
  (x) => g.cast(g.cast(x, 'i32'), 'f32'),
  (x, d) =>
    g.pad(
      x,
      x.shape.map(() => d.int(0, 1)),
      x.shape.map(() => d.int(0, 2)),
    ),
  atRank(1, (x) => g.batch(x)),
  (x) => g.unbatch(x),
  atRank(1, (x, d) => d.pick([g.softmax, g.logSoftmax] as const)(x, dimOf(x, d))),
  atRank(1, (x, d) => g.matmul(x, d.leaf([x.shape.at(-1) ?? 1, d.int(1, 5)]))),
]

const most = 3000

/** The last node of a random graph, a node before it, and the gradients of Σ last · (random numbers) for all leaves. */
export function randomGraph(seed: number): Node[] {
  const d = new Draw(seed)
  const first = d.leaf([d.pick([1, 3, 4, 8, 9, 17]), ...Array.from({ length: d.int(0, 3) }, () => d.int(1, 6))])
  const all = [d.chance(70) ? g.batch(first) : first]
  for (let i = d.int(2, 8); i > 0; i--) {
    const x = d.pick(all.slice(-3))
    const from = g.newestNode()
    const y = d.pick(steps)(x, d, all)
    if (d.chance(15)) g.checkpoint(y, from)
    if (y.shape.length <= 4 && sizeOf(y.shape) <= most) all.push(y)
  }
  const last = d.pick(all.slice(-1))
  const gradients = last.requiresGrad ? g.gradients(last, d.leaves, d.given(last.shape)) : []
  return [last, d.pick(all), ...gradients.filter((node) => node !== null)]
}
