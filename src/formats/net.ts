/**
 * A net as files tell it: the one description that every format maps to and from. Plain data, in PyTorch's terms:
 * pictures are CHW (no batch in any shape), weights lie as in a state dict, parameters are `<node>.<weight>`.
 * Formats that think in HWC (Keras, TF.js) convert pictures' weights, and say at flatten and reshape in which order they
 * read a picture; `flattenInOrder` (netOrder.ts) changes that order together with the weights behind it.
 * Not here: files (keras*.ts, onnx/ …), shapes (netShapes.ts), running a net (room nn).
 */

/** Numbers of a file, float32, in C order: product(shape) of them. */
export interface NetTensor {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

export type Pair = readonly [height: number, width: number]

/** Rows and columns added around a picture. */
export interface NetPadding {
  readonly top: number
  readonly bottom: number
  readonly left: number
  readonly right: number
}

/** How a picture [C, H, W] is read as a list: channels outermost (PyTorch, ONNX) or innermost (Keras, TF.js). */
export type PictureOrder = 'chw' | 'hwc'

export const netActivations = [
  'relu',
  'leakyRelu',
  'elu',
  'gelu',
  'silu',
  'hardSwish',
  'sigmoid',
  'tanh',
  'clamp',
  'softmax',
  'logSoftmax',
] as const
export type NetActivation = (typeof netActivations)[number]

/**
 * What a node does, with everything that its output depends on besides inputs and weights. Weights by node:
 *
 * | op | weights (shape) |
 * |---|---|
 * | conv2d | weight [outChannels, C / groups, kH, kW], bias [outChannels] where `bias` |
 * | linear | weight [outFeatures, inFeatures], bias [outFeatures] where `bias` |
 * | batchNorm | running_mean, running_var [C]; weight and bias [C], each only where the net has it |
 * | layerNorm | weight and bias [normalizedShape], each only where the net has it |
 * | groupNorm | weight and bias [C], each only where the net has it |
 *
 * All other nodes have none.
 */
export type NetOp =
  | {
      readonly op: 'conv2d'
      readonly outChannels: number
      readonly kernelSize: Pair
      readonly stride: Pair
      /** Zeros around the picture. 'same' of Keras and ONNX is resolved to numbers by the input's size. */
      readonly padding: NetPadding
      readonly dilation: Pair
      readonly groups: number
      readonly bias: boolean
    }
  /** y = x Wᵀ + b over the last dimension. */
  | { readonly op: 'linear'; readonly outFeatures: number; readonly bias: boolean }
  /** Padding never wins. Windows that reach over the edge (ceil mode) are told as padding. */
  | { readonly op: 'maxPool2d'; readonly kernelSize: Pair; readonly stride: Pair; readonly padding: NetPadding }
  | {
      readonly op: 'avgPool2d'
      readonly kernelSize: Pair
      readonly stride: Pair
      readonly padding: NetPadding
      /** Whether padding counts in the divisor (PyTorch's default true; Keras and ONNX false). */
      readonly countIncludePad: boolean
    }
  /** [C, H, W] → [C], or [C, 1, 1] where keepDims. */
  | { readonly op: 'globalAvgPool2d' | 'globalMaxPool2d'; readonly keepDims: boolean }
  /** To one dimension. `order` matters for pictures only: how the list's first index runs. */
  | { readonly op: 'flatten'; readonly order: PictureOrder }
  /**
   * To `shape` (without batch; of a picture CHW). With order 'hwc' a picture is read as HWC, and a result of three
   * dimensions is filled as HWC.
   */
  | { readonly op: 'reshape'; readonly shape: readonly number[]; readonly order: PictureOrder }
  /** Over channels (dim 1 with batch). momentum as PyTorch means it: running = (1 − momentum) running + momentum new. */
  | { readonly op: 'batchNorm'; readonly eps: number; readonly momentum: number }
  /** Over the last dimensions, which must be `normalizedShape` (of a picture CHW). */
  | { readonly op: 'layerNorm'; readonly normalizedShape: readonly number[]; readonly eps: number }
  /** Each picture over runs of its channels (dim 1 with batch). */
  | { readonly op: 'groupNorm'; readonly groups: number; readonly eps: number }
  /** Nothing at inference. */
  | { readonly op: 'dropout'; readonly p: number }
  | {
      readonly op: 'relu' | 'silu' | 'hardSwish' | 'sigmoid' | 'tanh'
    }
  | { readonly op: 'leakyRelu'; readonly negativeSlope: number }
  | { readonly op: 'elu'; readonly alpha: number }
  | { readonly op: 'gelu'; readonly approximate: 'none' | 'tanh' }
  /** Not below `min`, not above `max`; null: no limit on that side. relu6 is 0 to 6. */
  | { readonly op: 'clamp'; readonly min: number | null; readonly max: number | null }
  /** Over channels, or features: dim 1 with batch. */
  | { readonly op: 'softmax' | 'logSoftmax' }
  /** Two or more inputs; shapes broadcast as NumPy's, on CHW without batch. */
  | { readonly op: 'add' | 'mul' }
  /** Along dimension `dim` of CHW without batch: 0 is the channels, or the features of a list. */
  | { readonly op: 'concat'; readonly dim: number }
  /** Values start … end − 1 along dimension `dim` of CHW without batch; the dimension stays. */
  | { readonly op: 'slice'; readonly dim: number; readonly start: number; readonly end: number }
  /** A constant around a picture; sizes below 0 cut off (torch.nn.functional.pad, Keras's Cropping2D). */
  | { readonly op: 'pad'; readonly padding: NetPadding; readonly value: number }
  /** y = x · scale + offset, each one number, or one a channel (of a list: one a feature). */
  | { readonly op: 'rescaling'; readonly scale: readonly number[]; readonly offset: readonly number[] }
  /** Keras's random layers (class RandomFlip …, with its own settings): nothing at inference. */
  | { readonly op: 'augmentation'; readonly layer: string; readonly settings: Readonly<Record<string, unknown>> }

/** An operation in the net: its own name (unique; also the name of its value), what it reads, and its weights. */
export type NetNode = NetOp & {
  readonly name: string
  /** Names of net inputs or earlier nodes. One, but for add, mul and concat. */
  readonly inputs: readonly string[]
  /** By PyTorch's name within a module ('weight', 'running_mean'); empty where it has none. */
  readonly weights: ReadonlyMap<string, NetTensor>
}

/** `shape` without batch: [C, H, W] or [F]; null where any size is right. */
export interface NetInput {
  readonly name: string
  readonly shape: readonly (number | null)[]
}

/** What is done to bytes 0…255 before the net sees them: (byte · scale − mean[c]) / std[c]. */
export interface NetPreprocessing {
  readonly scale: number
  readonly mean: readonly number[]
  readonly std: readonly number[]
}

/**
 * An optimizer in mid-training, in PyTorch's terms. `state`: by parameter ('conv1.weight'), then by PyTorch's name of the
 * slot, in the parameter's own layout: adam, adamw exp_avg, exp_avg_sq, max_exp_avg_sq; sgd momentum_buffer; rmsprop
 * square_avg, momentum_buffer, grad_avg; adagrad sum.
 */
export interface NetOptimizer {
  readonly name: 'sgd' | 'adam' | 'adamw' | 'rmsprop' | 'adagrad'
  /** Steps done. */
  readonly step: number
  readonly settings: NetOptimizerSettings
  /** The parameters that it trains, where these are not all of the net's (the others are frozen). */
  readonly parameters?: readonly string[]
  readonly state: ReadonlyMap<string, ReadonlyMap<string, NetTensor>>
}

/** Those that the optimizer has; what is missing has its framework's default. `alpha` is RMSprop's rho. */
export interface NetOptimizerSettings {
  readonly lr?: number
  readonly beta1?: number
  readonly beta2?: number
  readonly eps?: number
  readonly weightDecay?: number
  readonly momentum?: number
  readonly nesterov?: boolean
  readonly amsgrad?: boolean
  readonly alpha?: number
  readonly centered?: boolean
}

/** The net. Nodes are in an order in which each reads only earlier values; a Sequential is a chain. */
export interface NetFile {
  readonly inputs: readonly NetInput[]
  readonly nodes: readonly NetNode[]
  /** Names of nodes (or inputs) whose values the net gives. */
  readonly outputs: readonly string[]
  readonly classes?: readonly string[]
  readonly preprocessing?: NetPreprocessing
  /** What makes probabilities of the outputs where the nodes do not tell (netEnd.ts): labels' logits, or they are it already. */
  readonly activation?: 'sigmoid' | 'none'
  /**
   * Names of parameters in the order of the module that they come from (`module.parameters()`), by which PyTorch numbers
   * them in an optimizer; missing where it is that of the nodes.
   */
  readonly parameterOrder?: readonly string[]
  readonly optimizer?: NetOptimizer
}

export const noPadding: NetPadding = { top: 0, bottom: 0, left: 0, right: 0 }

/** Every parameter and buffer by its state-dict name ('conv1.weight'), in the order of the nodes. */
export function netTensors(net: NetFile): Map<string, NetTensor> {
  const all = new Map<string, NetTensor>()
  for (const node of net.nodes) for (const [key, tensor] of node.weights) all.set(`${node.name}.${key}`, tensor)
  return all
}

/** The padding of 'same' on one axis (TensorFlow's rule): [before, after], the odd one after. */
export function samePadding(size: number, kernel: number, stride: number, dilation: number): [number, number] {
  const reach = (kernel - 1) * dilation + 1
  const total = Math.max((Math.ceil(size / stride) - 1) * stride + reach - size, 0)
  return [Math.floor(total / 2), Math.ceil(total / 2)]
}
