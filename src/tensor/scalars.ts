/**
 * Arithmetic on numbers that a loop carries along: `runningLoss = runningLoss.add(loss)` over 500 batches costs nothing and
 * holds no graph. Single numbers whose inputs are known are computed here, in float32, with the devices' bits.
 * Not here: any other arithmetic.
 */
import { UsageError } from '../base/index.js'
import { add, div, gradEnabled, hostLeaf, maximum, minimum, mul, sub, type Node } from '../graph/index.js'
import { carry, computeNode, isOwned } from './autograd.js'
import { clock } from './clock.js'
import { keptLeaf } from './leaves.js'
import { read } from './runtime.js'
import { isReadable } from './storage.js'
import type { Operand, Tensor } from './tensor.js'

type Fold = (a: number, b: number) => number

const round = Math.fround
const larger: Fold = (a, b) => (a < b || Number.isNaN(b) ? b : a)
/** float32 arithmetic: rounding a double's result once more gives the same bits for the first four. */
const scalarFolds = {
  add: (a: number, b: number) => round(a + b),
  sub: (a: number, b: number) => round(a - b),
  mul: (a: number, b: number) => round(a * b),
  div: (a: number, b: number) => round(a / b),
  maximum: larger,
  minimum: (a: number, b: number) => -larger(-a, -b),
} as const
const operations = { add, sub, mul, div, maximum, minimum } as const
const folds: { readonly [op: string]: Fold | undefined } = { ...scalarFolds, neg: (a) => -a }

const DEEPEST_FOLD = 16

const isScalar = (node: Node): boolean => node.shape.length === 0 && node.dtype === 'f32'

/** The node's number, where it is known or follows from known ones; undefined where kernels are needed. */
export function knownScalar(node: Node, depth = 0): number | undefined {
  if (!isScalar(node) || depth > DEEPEST_FOLD) return undefined
  if (node.storage) return isReadable(node) ? read(node)[0] : undefined
  const fold = folds[node.op]
  const [first, second] = node.inputs
  if (!fold || !first) return undefined
  const a = knownScalar(first, depth + 1)
  const b = second && a !== undefined ? knownScalar(second, depth + 1) : 0
  return a === undefined || b === undefined ? undefined : fold(a, b)
}

const isParameter = (node: Node): boolean => node.op === 'leaf' && node.requiresGrad && isOwned(node)

/** Made before the parameters changed last: no gradient can flow through it any more. */
const isPast = (x: Tensor): boolean => x.born <= clock.lastStep && !isParameter(x.node)

/**
 * A number of an earlier step or batch becomes a plain value and lets go of its graph. It keeps saying that it required
 * a gradient, so that a backward() through it is an error and not a wrong gradient.
 */
function settle(x: Tensor): void {
  const { node } = x
  if (node.op === 'leaf') return
  const old = node.requiresGrad ? isPast(x) : x.born < clock.now
  if (!old || !isScalar(node)) return
  const known = knownScalar(node)
  if (known === undefined) computeNode(node)
  x.node = known === undefined ? keptLeaf(node) : hostLeaf(Float32Array.of(known), [], 'f32', node.requiresGrad)
}

/**
 * The result of arithmetic on two single numbers that are known, as a leaf; undefined where a graph is needed.
 * Settles what is of an earlier step.
 */
function foldScalars(fold: Fold, a: Tensor, b: Operand): Node | undefined {
  settle(a)
  const isNumber = typeof b === 'number'
  if (!isNumber) settle(b)
  const wantsGrad = gradEnabled() && ((a.requiresGrad && !isPast(a)) || (!isNumber && b.requiresGrad && !isPast(b)))
  if (wantsGrad || !a.node.storage || !(isNumber || b.node.storage)) return undefined
  const x = knownScalar(a.node)
  const y = isNumber ? round(b) : knownScalar(b.node)
  if (x === undefined || y === undefined) return undefined
  const marked = a.requiresGrad || (!isNumber && b.requiresGrad)
  return hostLeaf(Float32Array.of(fold(x, y)), [], 'f32', marked)
}

/** Throws UsageError for what plain JavaScript may pass: null, texts, lists. */
export function expectOperand(x: unknown): void {
  if (typeof x === 'number' || (typeof x === 'object' && x !== null && 'node' in x)) return
  const shown = typeof x === 'string' ? `'${x}'` : Array.isArray(x) ? 'a list: tensor([…]) makes one of it' : String(x)
  throw new UsageError(`arithmetic takes a tensor or a number, got ${shown}`)
}

const isSingle = (x: Operand): boolean => typeof x === 'number' || x.node.shape.length === 0

/** So many additions in a row are put off at most where no batch tells that a loop is one. */
const MOST_CARRIED = 256

/**
 * Computes what a loop over batches carries along, so that it holds no graph of theirs: sums of an earlier batch that
 * nobody differentiates. Not what a net computes of one batch, however deep it is.
 */
function settleCarried({ node, born }: Tensor): void {
  if (node.storage || node.carried === 0 || node.layout !== 'plain') return
  const isEarlier = born < clock.now
  if (node.carried > MOST_CARRIED ? isEarlier || !node.requiresGrad : isEarlier && !node.requiresGrad) computeNode(node)
}

const carriedBy = (x: Operand): number => (typeof x === 'number' || x.node.storage ? 0 : x.node.carried)

/** The operation's result, put off. */
function pending(name: keyof typeof operations, a: Tensor, b: Operand): Node {
  settleCarried(a)
  if (typeof b !== 'number') settleCarried(b)
  const node = operations[name](a.node, typeof b === 'number' ? b : b.node)
  node.carried = 1 + Math.max(carriedBy(a), carriedBy(b))
  return node
}

/** The result of arithmetic; single numbers that are known take the short way, others can still be read after the step. */
export function arithmetic(name: keyof typeof operations, a: Tensor, b: Operand): Node {
  expectOperand(b)
  if (!isSingle(a) || !isSingle(b)) return pending(name, a, b)
  return foldScalars(scalarFolds[name], a, b) ?? carryScalar(pending(name, a, b))
}

/** Remembers a pending result, if it is a single number, so that the next step computes it. */
export function carryScalar(node: Node): Node {
  if (node.shape.length === 0 && !node.storage) carry(node)
  return node
}
