/**
 * Losses with PyTorch's formulas, options and gradients, made of other operations. Labels are classes 0 … C − 1 (i32).
 * Not here: the plain crossEntropy, which has kernels of its own (composeNet.ts).
 */
import { LenetError, sameShape, showShape } from '../base/index.js'
import {
  abs,
  add,
  batch,
  cast,
  constant,
  detach,
  div,
  eq,
  exp,
  log,
  log1p,
  lt,
  maximum,
  mul,
  ne,
  neg,
  square,
  sub,
  toFloat,
  where,
} from './composeElementwise.js'
import { reshape } from './composeMovement.js'
import { crossEntropy, type Reduction } from './composeNet.js'
import { logSoftmax, mean, sum } from './composeReduction.js'
import { checkedLabels } from './labels.js'
import { hostLeaf } from './node.js'
import type { Node } from './node.js'

/** Default: the mean. */
const reduced = (losses: Node, reduction: Reduction = 'mean'): Node =>
  reduction === 'none' ? losses : reduction === 'sum' ? sum(losses) : mean(losses)

// ── classes ──

export interface ClassOptions {
  /** A factor a class [C]; default ones. The mean is then weighted too. */
  readonly weight?: Node | undefined
  /** Pictures with this label count nothing. Default: none, so that a label out of range is an error. */
  readonly ignoreIndex?: number | undefined
  readonly reduction?: Reduction | undefined
}

export interface CrossEntropyOptions extends ClassOptions {
  /** How much of a label's 1 is shared out to all classes, of [0, 1]; default 0 (Szegedy et al. 2016). */
  readonly labelSmoothing?: number | undefined
}

interface Labels {
  /** [N] i32; class 0 where ignored. */
  readonly classes: Node
  /** What a picture counts, [N]; null: 1 each. */
  readonly shares: Node | null
}

/** 1 at the label and 0 elsewhere: (labels [N], C) → [N, C]. */
export function oneHot(labels: Node, classes: number): Node {
  const places = hostLeaf(
    Int32Array.from({ length: classes }, (_, i) => i),
    [classes],
    'i32',
  )
  return eq(reshape(labels, [-1, 1]), places)
}

function checkShapes(what: string, logits: Node, labels: Node, { weight }: ClassOptions): number {
  const [N, C] = logits.shape
  if (logits.shape.length !== 2 || C === undefined)
    throw new LenetError(`${what}: expects input [N, C], got ${showShape(logits.shape)}`)
  if (labels.dtype === 'f32' || !sameShape(labels.shape, [N ?? 1]))
    throw new LenetError(
      `${what}: expects labels [${N}] of whole numbers (i32), got ${labels.dtype} ${showShape(labels.shape)}`,
    )
  if (weight && !sameShape(weight.shape, [C]))
    throw new LenetError(`${what}: expects a weight for each of the ${C} classes, got ${showShape(weight.shape)}`)
  return C
}

function labelsOf(what: string, logits: Node, labels: Node, options: ClassOptions): Labels {
  const { weight, ignoreIndex } = options
  const count = checkShapes(what, logits, labels, options)
  const given = checkedLabels(labels, count, ignoreIndex === undefined ? [] : [ignoreIndex])
  if (ignoreIndex === undefined) {
    const shares = weight ? sum(mul(oneHot(given, count), toFloat(weight)), 1) : null
    return { classes: given, shares }
  }
  const real = ne(given, cast(constant(ignoreIndex), 'i32'))
  const classes = cast(where(real, toFloat(given), constant(0)), 'i32')
  return { classes, shares: weight ? mul(real, sum(mul(oneHot(classes, count), toFloat(weight)), 1)) : real }
}

/** Losses [N] that `shares` are in already; the mean is that of the shares. */
function reducedShares(losses: Node, shares: Node | null, reduction: Reduction = 'mean'): Node {
  if (reduction !== 'mean' || !shares) return reduced(losses, reduction)
  return div(sum(losses), sum(shares))
}

/**
 * −Σ_c t_c log softmax(logits)_c: (logits [N, C], labels [N] or probabilities t [N, C]) → [N], or its mean or sum.
 * Source: torch.nn.functional.cross_entropy; `ignoreIndex` is not −100 where none is given.
 */
export function crossEntropyLoss(logits: Node, target: Node, options: CrossEntropyOptions = {}): Node {
  const { labelSmoothing = 0, reduction = 'mean' } = options
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1))
    throw new LenetError(`crossEntropy: labelSmoothing must be from 0 to 1, got ${labelSmoothing}`)
  if (target.dtype === 'f32' && logits.shape.length === target.shape.length)
    return softCrossEntropy(logits, target, options)
  const plain = options.weight === undefined && options.ignoreIndex === undefined && labelSmoothing === 0
  if (plain) return crossEntropy(logits, target, reduction)
  const x = batch(toFloat(logits))
  const { classes, shares } = labelsOf('crossEntropy', x, target, options)
  const hard = crossEntropy(x, classes, 'none')
  const own = shares ? where(shares, mul(hard, shares), constant(0)) : hard
  if (labelSmoothing === 0) return reducedShares(own, shares, reduction)
  const losses = add(mul(own, constant(1 - labelSmoothing)), smoothPart(x, options, target))
  return reducedShares(losses, shares, reduction)
}

/** −ε/C Σ_c w_c log softmax(logits)_c, 0 for pictures that are ignored. */
function smoothPart(x: Node, { weight, ignoreIndex, labelSmoothing = 0 }: CrossEntropyOptions, labels: Node): Node {
  const logs = logSoftmax(x, 1)
  const total = sum(weight ? mul(logs, toFloat(weight)) : logs, 1)
  const part = mul(total, constant(-labelSmoothing / (x.shape[1] ?? 1)))
  if (ignoreIndex === undefined) return part
  return where(ne(batch(cast(labels, 'i32')), cast(constant(ignoreIndex), 'i32')), part, constant(0))
}

function softCrossEntropy(logits: Node, target: Node, options: CrossEntropyOptions): Node {
  const { weight, labelSmoothing = 0, reduction } = options
  if (!sameShape(logits.shape, target.shape))
    throw new LenetError(
      `crossEntropy: expects probabilities ${showShape(logits.shape)} as the logits, got ${showShape(target.shape)}`,
    )
  if (options.ignoreIndex !== undefined)
    throw new LenetError('crossEntropy: ignoreIndex has no meaning for probabilities; give labels, or leave it out')
  const x = batch(toFloat(logits))
  const factors = weight && reshape(toFloat(weight), [-1, ...x.shape.slice(2).map(() => 1)])
  const share = labelSmoothing / (x.shape[1] ?? 1)
  const t = batch(target)
  const smooth = labelSmoothing === 0 ? t : add(mul(t, constant(1 - labelSmoothing)), constant(share))
  const logs = mul(logSoftmax(x, 1), smooth)
  return reduced(neg(sum(factors ? mul(logs, factors) : logs, 1)), reduction)
}

/** −w_y · logProbabilities[y]: (logProbabilities [N, C], labels [N]) → [N], or its (weighted) mean or sum. */
export function nllLoss(logProbabilities: Node, labels: Node, options: ClassOptions = {}): Node {
  const x = batch(toFloat(logProbabilities))
  const { classes, shares } = labelsOf('nllLoss', x, labels, options)
  const picked = neg(sum(where(oneHot(classes, x.shape[1] ?? 1), x, constant(0)), 1))
  return reducedShares(shares ? where(shares, mul(picked, shares), constant(0)) : picked, shares, options.reduction)
}

// ── numbers ──

/** Both as numbers of one shape: that one would be broadcast to the other is nearly always a mistake. */
function alike(what: string, input: Node, target: Node): [Node, Node] {
  if (!sameShape(input.shape, target.shape))
    throw new LenetError(
      `${what}: expects a target of shape ${showShape(input.shape)}, as the input, got ${showShape(target.shape)}`,
    )
  return [toFloat(input), toFloat(target)]
}

/** (x − t)². */
export function mseLoss(input: Node, target: Node, reduction?: Reduction): Node {
  const [x, t] = alike('mseLoss', input, target)
  return reduced(square(sub(x, t)), reduction)
}

/** |x − t|. */
export function l1Loss(input: Node, target: Node, reduction?: Reduction): Node {
  const [x, t] = alike('l1Loss', input, target)
  return reduced(abs(sub(x, t)), reduction)
}

/** ½d²/β where d = |x − t| is below β, else d − ½β; β 0 is |x − t|. Default β 1. */
export function smoothL1Loss(input: Node, target: Node, beta = 1, reduction?: Reduction): Node {
  if (!(beta >= 0)) throw new LenetError(`smoothL1Loss: beta must be 0 or more, got ${beta}`)
  if (beta === 0) return l1Loss(input, target, reduction)
  const [x, t] = alike('smoothL1Loss', input, target)
  return reduced(smooth(abs(sub(x, t)), beta, 1 / beta), reduction)
}

/** ½d² where d = |x − t| is below δ, else δ (d − ½δ). Default δ 1. */
export function huberLoss(input: Node, target: Node, delta = 1, reduction?: Reduction): Node {
  if (!(delta > 0)) throw new LenetError(`huberLoss: delta must be above 0, got ${delta}`)
  const [x, t] = alike('huberLoss', input, target)
  return reduced(smooth(abs(sub(x, t)), delta, 1), reduction)
}

/** factor · (½d² below the edge, edge (d − ½ edge) from there on). */
function smooth(d: Node, edge: number, factor: number): Node {
  const line = mul(sub(d, constant(edge / 2)), constant(edge * factor))
  return where(lt(d, constant(edge)), mul(mul(d, d), constant(factor / 2)), line)
}

export interface BinaryOptions {
  /** A factor for each loss, broadcast to the input. */
  readonly weight?: Node | undefined
  readonly reduction?: Reduction | undefined
}

export interface BinaryLogitsOptions extends BinaryOptions {
  /** A factor for the target's share of the loss, broadcast to the input: [C] for classes. */
  readonly posWeight?: Node | undefined
}

const weighted = (losses: Node, { weight, reduction }: BinaryOptions): Node =>
  reduced(weight ? mul(losses, toFloat(weight)) : losses, reduction)

/** −p t log σ(x) − (1 − t) log(1 − σ(x)) with targets t of 0 … 1 in the shape of x, computed without overflow. */
export function bceWithLogits(input: Node, target: Node, options: BinaryLogitsOptions = {}): Node {
  const [x, t] = alike('bceWithLogits', input, target)
  // −log σ(x)
  const lost = add(log1p(exp(neg(abs(x)))), maximum(neg(x), constant(0)))
  const { posWeight } = options
  const factor = posWeight ? add(constant(1), mul(sub(toFloat(posWeight), constant(1)), t)) : null
  const losses = add(mul(sub(constant(1), t), x), factor ? mul(lost, factor) : lost)
  return weighted(losses, options)
}

/**
 * −t log p − (1 − t) log(1 − p) with probabilities p and targets t of 0 … 1; logarithms are not below −100, and the
 * gradient (p − t) / (p (1 − p)) has a denominator of 10⁻¹² or more. No gradient flows to the target.
 */
export function binaryCrossEntropy(input: Node, target: Node, options: BinaryOptions = {}): Node {
  const [x, to] = alike('binaryCrossEntropy', input, target)
  const [p, t] = [detach(x), detach(to)]
  const rest = sub(constant(1), p)
  const limited = (probability: Node): Node => maximum(log(probability), constant(-100))
  const losses = neg(add(mul(t, limited(p)), mul(sub(constant(1), t), limited(rest))))
  const slope = div(sub(p, t), maximum(mul(rest, p), constant(1e-12)))
  // x − p is 0, so only the gradient counts
  return weighted(x.requiresGrad ? add(losses, mul(slope, sub(x, p))) : losses, options)
}
