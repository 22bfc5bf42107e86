/**
 * Small random graphs over every operation that users can write, from a list of numbers: each choice takes the next.
 * Not a test: random.test.ts says what must hold for them.
 */
import { Generator, sizeOf, type Shape } from '../../src/base/index.js'
import * as g from '../../src/graph/index.js'
import type { Node } from '../../src/graph/index.js'
import type { Built } from './cases.js'

/** Choices from a list; after its end every choice is the first. */
class Choices {
  readonly #numbers: readonly number[]
  #next = 0
  constructor(numbers: readonly number[]) {
    this.#numbers = numbers
  }
  below(count: number): number {
    return (this.#numbers[this.#next++] ?? 0) % count
  }
  of<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T
  }
  get done(): boolean {
    return this.#next >= this.#numbers.length
  }
}

/** Values that a polynomial or a comparison may get wrong; rare, since they swallow all else. */
const special = [0, -0, 1, -1, 0.5, 1e-40, -1e-40, 1e-30, 88, -88, 3e38]

class RandomGraph {
  readonly #choose: Choices
  readonly #random = new Generator(7)
  /** Values so far, f32 only. */
  readonly #pool: Node[] = []
  readonly #leaves: Node[] = []
  readonly #batch: number

  constructor(numbers: readonly number[]) {
    this.#choose = new Choices(numbers)
    this.#batch = this.#choose.of([1, 3, 4, 5, 8, 9, 17])
    const { of } = { of: <T>(items: readonly T[]): T => this.#choose.of(items) }
    this.#pool.push(this.#leaf(of([[5], [3, 4], [2, 3, 5], [1], []])))
    this.#pool.push(g.batch(this.#leaf([this.#batch, ...of([[3], [6], [2, 5], [1, 4, 4], [3, 5, 6], [5, 7, 6], [7, 4, 5]])])))
  }

  build(): Built {
    for (let i = 0; i < 14 && !this.#choose.done; i++) {
      const made = this.#choose.of(makers)(this)
      if (made && sizeOf(made.shape) <= 4000) this.#pool.push(made)
    }
    return { output: this.#sumOf(this.#pool.slice(-1 - this.#choose.below(3))), leaves: this.#leaves }
  }

  /** One value of several: their sums, added. A single one stays as it is. */
  #sumOf(values: readonly Node[]): Node {
    const [only] = values
    if (only && values.length === 1) return only
    return values.map((x) => g.sum(x)).reduce((a, b) => g.add(a, b))
  }

  below(count: number): number {
    return this.#choose.below(count)
  }

  of<T>(items: readonly T[]): T {
    return this.#choose.of(items)
  }

  numbers(shape: Shape, low = -2, high = 2): Float32Array {
    const values = this.#random.uniform(new Float32Array(sizeOf(shape)), low, high)
    if (values.length > 0 && this.#choose.below(12) === 0) values[0] = this.#choose.of(special)
    return values
  }

  #leaf(shape: Shape): Node {
    const node = g.hostLeaf(this.numbers(shape), shape, 'f32', this.#choose.below(4) !== 0)
    if (node.requiresGrad) this.#leaves.push(node)
    return node
  }

  weight(shape: Shape): Node {
    return this.#leaf(shape)
  }

  integers(count: number, below: number): Node {
    const values = Int32Array.from(this.numbers([count], 0, below), (v) => Math.abs(Math.trunc(v)) % below)
    return g.hostLeaf(values, [count], 'i32')
  }

  any(fits: (x: Node) => boolean = () => true): Node | undefined {
    const found = this.#pool.filter(fits)
    return found.length > 0 ? found[found.length - 1 - this.#choose.below(found.length)] : undefined
  }

  /** Some dims of x, ascending, one or more. */
  dims(x: Node): number[] {
    const mask = 1 + this.#choose.below(2 ** x.shape.length - 1)
    return x.shape.map((_, i) => i).filter((i) => (mask >> i) & 1)
  }
}

type Maker = (r: RandomGraph) => Node | undefined

const on =
  (f: (x: Node, r: RandomGraph) => Node | undefined, fits?: (x: Node) => boolean): Maker =>
  (r) => {
    const x = r.any(fits)
    return x && f(x, r)
  }
const hasDims = (x: Node): boolean => x.shape.length > 0
const isRank = (rank: number) => (x: Node): boolean => x.shape.length === rank

const unary = (x: Node, r: RandomGraph): Node =>
  r.of<(x: Node) => Node>([
    g.neg,
    (y) => g.exp(g.tanh(y)),
    (y) => g.log(g.add(g.abs(y), 0.25)),
    (y) => g.sqrt(g.abs(y)),
    g.abs,
    g.relu,
    g.tanh,
    g.sigmoid,
    (y) => g.mul(y, y),
    (y) => g.pow(y, 3),
    (y) => g.cast(g.cast(g.tanh(y), 'i32'), 'f32'),
    (y) => g.cast(g.cast(g.mul(g.tanh(y), 100), 'u8'), 'f32'),
    g.exp,
    g.log,
  ])(x)

const canBroadcast = (a: Shape, b: Shape): boolean =>
  a.every((size, i) => {
    const other = b[b.length - a.length + i]
    return other === undefined || size === other || size === 1 || other === 1
  })

function binary(x: Node, r: RandomGraph): Node | undefined {
  const y = r.of<Node | number>([r.any((other) => canBroadcast(x.shape, other.shape)) ?? x, 0.75, x, r.any(isRank(0)) ?? 2])
  const f = r.of<(a: g.Operand, b: g.Operand) => Node>([g.add, g.sub, g.mul, g.maximum, g.minimum, g.eq, g.lt, g.le, g.div])
  return r.below(2) ? f(x, y) : f(y, x)
}

function chosen(x: Node, r: RandomGraph): Node | undefined {
  const fits = (other: Node): boolean => canBroadcast(x.shape, other.shape)
  const [a, b] = [r.any(fits) ?? x, r.any(fits) ?? x]
  if (!canBroadcast(a.shape, b.shape)) return undefined
  return g.where(r.below(2) ? g.lt(x, 0.1) : x, a, b)
}

function reduced(x: Node, r: RandomGraph): Node {
  const dims = r.dims(x)
  const keep = r.below(2) === 1
  return r.of([
    () => g.sum(x, dims, keep),
    () => g.mean(x, dims, keep),
    () => g.amax(x, dims, keep),
    () => g.cast(g.argmax(x, dims[0] as number, keep), 'f32'),
    () => g.max(x, dims[0] as number, keep).values,
    () => g.softmax(x, dims[0] as number),
    () => g.logSoftmax(x, dims[0] as number),
    () => g.sum(g.mul(x, x), dims, keep),
  ])()
}

function moved(x: Node, r: RandomGraph): Node {
  const rank = x.shape.length
  const rotated = x.shape.map((_, i) => (i + 1 + r.below(rank)) % rank)
  const unique = new Set(rotated).size === rank ? rotated : x.shape.map((_, i) => rank - 1 - i)
  return r.of([
    () => g.reshape(x, [-1]),
    () => g.reshape(x, [x.shape[0] ?? 1, -1]),
    () => g.reshape(x, [1, ...x.shape]),
    () => g.reshape(x, [...x.shape, 1]),
    () => g.permute(x, unique),
    () => g.slice(x, x.shape.map((n) => r.below(n)), x.shape),
    () => g.pad(x, x.shape.map(() => r.below(3)), x.shape.map(() => r.below(2))),
    () => g.concat([x, r.below(2) ? x : g.neg(x), x], r.below(rank)),
    () => g.expand(x, [1 + r.below(3), ...x.shape]),
    () => g.batch(x),
    () => g.unbatch(x),
  ])()
}

function pictures(x: Node, r: RandomGraph): Node | undefined {
  const [N = 1, C = 1, H = 1, W = 1] = x.shape
  if (N * C * H * W > 3000) return undefined
  const kernel = [1 + r.below(Math.min(H, 5)), 1 + r.below(Math.min(W, 5))] as const
  const stride = [1 + r.below(2), 1 + r.below(3)] as const
  const padding = [r.below(2), r.below(3)] as const
  const conv = (): Node => {
    const O = 1 + r.below(7)
    const weight = r.weight([O, C, ...kernel])
    return g.conv2d(x, weight, r.below(3) ? r.weight([O]) : undefined, { stride, padding })
  }
  const window = [Math.min(1 + r.below(3), H), Math.min(1 + r.below(3), W)] as const
  const half = [Math.min(padding[0], window[0] >> 1), Math.min(padding[1], window[1] >> 1)] as const
  return r.of([
    conv,
    () => g.relu(conv()),
    () => g.relu(conv()),
    () => {
      const y = g.relu(conv())
      return (y.shape[2] ?? 0) > 1 && (y.shape[3] ?? 0) > 1 ? g.maxPool2d(y, 2) : y
    },
    () => g.maxPool2d(x, window, { stride, padding: half }),
    () => g.avgPool2d(x, window, { stride, padding: half, countIncludePad: r.below(2) === 1 }),
    () => (N * H * W > 1 ? g.batchNormTrain(x, { weight: r.weight([C]), bias: r.weight([C]) }).output : x),
  ])()
}

function rows(x: Node, r: RandomGraph): Node | undefined {
  const [N = 1, I = 1] = x.shape
  const O = 1 + r.below(9)
  return r.of([
    () => g.linear(x, r.weight([O, I]), r.below(2) ? r.weight([O]) : undefined),
    () => g.relu(g.linear(x, r.weight([O, I]), r.weight([O]))),
    () => g.matmul(x, r.weight([I, O])),
    () => g.matmul(r.weight([O, N]), x),
    () => g.crossEntropy(x, r.integers(N, I), r.of(['none', 'mean', 'sum'] as const)),
    () => g.dropout(x, 0.3, g.hostLeaf(Int32Array.of(r.below(99), 3), [2], 'i32')),
    () => g.gatherRows(g.detach(x), r.integers(1 + r.below(7), N)),
  ])()
}

const makers: readonly Maker[] = [
  on(unary),
  on(binary),
  on(unary),
  on(binary),
  on(chosen),
  on(reduced, hasDims),
  on(moved, hasDims),
  on(pictures, isRank(4)),
  on(rows, isRank(2)),
  on(pictures, isRank(4)),
]

export const randomGraph = (numbers: readonly number[]): Built => new RandomGraph(numbers).build()
