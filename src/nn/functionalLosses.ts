/** F's losses. Source: torch.nn.functional. Not here: what they compute (graph). */
import { expectNumbers, expectOptions, expectWord, LenetError, UsageError } from '../base/index.js'
import { ops, Tensor, type Reduction } from '../tensor/index.js'
import { expectWhole } from './layers/check.js'

/** Default reduction: 'mean', as PyTorch. */
export interface LossOptions {
  readonly reduction?: Reduction
}

export interface ClassLossOptions extends LossOptions {
  /** A factor a class [C]; default ones. The mean is then weighted too. */
  readonly weight?: Tensor | null
  /** Pictures with this label count nothing. PyTorch's default is -100; here none: a label out of range is an error. */
  readonly ignoreIndex?: number
}

export interface CrossEntropyOptions extends ClassLossOptions {
  /** How much of a label's 1 is shared out to all classes, of [0, 1]; default 0. */
  readonly labelSmoothing?: number
}

/** The options, where all are known. Throws UsageError. */
function checked<O extends LossOptions>(what: string, options: O, known: readonly string[] = []): O {
  expectOptions(what, options, [...known, 'reduction'])
  expectWord(what, 'reduction', options.reduction ?? 'mean', ['mean', 'sum', 'none'])
  return options
}

/** Throws UsageError for what is no tensor, such as labels in a list. */
function expectTensors(what: string, values: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(values))
    if (!(value instanceof Tensor))
      throw new UsageError(
        `${what}: ${name} must be a tensor, such as tensor([0, 1], { dtype: 'i32' }), got ${Array.isArray(value) ? 'a list' : String(value)}`,
      )
}

/** The options on nodes. */
const onNodes = ({ weight, ...options }: CrossEntropyOptions): ops.CrossEntropyOptions => ({
  ...options,
  weight: weight?.node,
})

/**
 * -log softmax(logits)[label]: logits [N, C], labels [N] (i32 classes 0 … C - 1) → a number, or [N] with
 * `{ reduction: 'none' }`. Probabilities [N, C] (f32) may stand in the labels' place.
 */
export function crossEntropy(logits: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  expectTensors('crossEntropy', { logits, target })
  const known = checked('crossEntropy', options, ['weight', 'ignoreIndex', 'labelSmoothing'])
  return new Tensor(ops.crossEntropyLoss(logits.node, target.node, onNodes(known)))
}

/** -logProbabilities[label]: logProbabilities [N, C], labels [N] → a number, or [N]. */
export function nllLoss(logProbabilities: Tensor, labels: Tensor, options: ClassLossOptions = {}): Tensor {
  expectTensors('nllLoss', { logProbabilities, labels })
  const known = checked('nllLoss', options, ['weight', 'ignoreIndex'])
  return new Tensor(ops.nllLoss(logProbabilities.node, labels.node, onNodes(known)))
}

/** (x - target)² of two tensors of one shape. */
export function mseLoss(x: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  expectTensors('mseLoss', { x, target })
  const { reduction } = checked('mseLoss', options)
  return new Tensor(ops.mseLoss(x.node, target.node, reduction))
}

/** |x - target| of two tensors of one shape. */
export function l1Loss(x: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  expectTensors('l1Loss', { x, target })
  const { reduction } = checked('l1Loss', options)
  return new Tensor(ops.l1Loss(x.node, target.node, reduction))
}

export interface SmoothL1Options extends LossOptions {
  /** Where the square ends; default 1. */
  readonly beta?: number
}

/** ½d²/beta where d = |x - target| is below beta, else d - ½beta. */
export function smoothL1Loss(x: Tensor, target: Tensor, options: SmoothL1Options = {}): Tensor {
  expectTensors('smoothL1Loss', { x, target })
  const { beta = 1, reduction } = checked('smoothL1Loss', options, ['beta'])
  expectNumbers('smoothL1Loss', { beta })
  return new Tensor(ops.smoothL1Loss(x.node, target.node, beta, reduction))
}

export interface HuberOptions extends LossOptions {
  /** Where the square ends; default 1. */
  readonly delta?: number
}

/** ½d² where d = |x - target| is below delta, else delta · (d - ½delta). */
export function huberLoss(x: Tensor, target: Tensor, options: HuberOptions = {}): Tensor {
  expectTensors('huberLoss', { x, target })
  const { delta = 1, reduction } = checked('huberLoss', options, ['delta'])
  expectNumbers('huberLoss', { delta })
  return new Tensor(ops.huberLoss(x.node, target.node, delta, reduction))
}

export interface BinaryLossOptions extends LossOptions {
  /** A factor for each loss, broadcast to x. */
  readonly weight?: Tensor | null
}

export interface BinaryLogitsLossOptions extends BinaryLossOptions {
  /** A factor for the target's share of the loss, broadcast to x: [C] for classes. */
  readonly posWeight?: Tensor | null
}

/** -t log p - (1 - t) log(1 - p): probabilities p and targets t of 0 … 1, of one shape. */
export function binaryCrossEntropy(x: Tensor, target: Tensor, options: BinaryLossOptions = {}): Tensor {
  expectTensors('binaryCrossEntropy', { x, target })
  const { weight, reduction } = checked('binaryCrossEntropy', options, ['weight'])
  return new Tensor(ops.binaryCrossEntropy(x.node, target.node, { weight: weight?.node, reduction }))
}

/** `binaryCrossEntropy` of sigmoid(x), without overflow. */
export function binaryCrossEntropyWithLogits(x: Tensor, target: Tensor, options: BinaryLogitsLossOptions = {}): Tensor {
  expectTensors('binaryCrossEntropyWithLogits', { x, target })
  const { weight, posWeight, reduction } = checked('binaryCrossEntropyWithLogits', options, ['weight', 'posWeight'])
  const nodes = { weight: weight?.node, posWeight: posWeight?.node, reduction }
  return new Tensor(ops.bceWithLogits(x.node, target.node, nodes))
}

/**
 * 1 at the label and 0 elsewhere (f32): labels […] of whole numbers (i32, u8) → […, numClasses]. Other labels are an error
 * where they are computed. Source: torch.nn.functional.one_hot, which gives int64.
 * @param numClasses default: the largest label + 1, for which the labels are computed at once
 */
export function oneHot(labels: Tensor, numClasses = -1): Tensor {
  if (labels.dtype === 'f32') throw new LenetError('oneHot: labels are whole numbers (i32 or u8), got f32')
  const largest = (): number => Array.from(labels.toTypedArray()).reduce((most, label) => Math.max(most, label), -1)
  const classes = numClasses === -1 ? largest() + 1 : numClasses
  expectWhole('oneHot', { numClasses: classes })
  const flat = labels.view(-1).node
  return new Tensor(ops.oneHot(ops.checkedLabels(flat, classes), classes)).view(...labels.shape, classes)
}
