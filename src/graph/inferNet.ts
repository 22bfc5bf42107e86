/** Types of contractions, pools and losses. Pictures are a batch [N, C, H, W]; weights are plain. */
import { LenetError, sameShape, showShape } from '../base/index.js'
import type { Shape } from '../base/index.js'
import { dim, expectDType, expectInput, expectLayout, expectRank, inputOf } from './inferShared.js'
import type { Inputs, InferTable } from './inferShared.js'
import type { Node, NodeType } from './node.js'
import type { GroupSlide, OpAttrs, OpName, Slide, Window } from './ops.js'

type Pair = readonly [number, number]

const batched = (shape: Shape): NodeType => ({ shape, dtype: 'f32', layout: 'batch' })
const plain = (shape: Shape): NodeType => ({ shape, dtype: 'f32', layout: 'plain' })

function matrices(_attrs: unknown, inputs: Inputs): NodeType {
  const [a, b] = [inputOf('matmul', inputs, 0), inputOf('matmul', inputs, 1)]
  expectInput('matmul', 'the left side', a, '[B, m, k]', 'plain')
  expectInput('matmul', 'the right side', b, '[B, k, n]', 'plain')
  if (dim(a, 0) !== dim(b, 0) || dim(a, 2) !== dim(b, 1))
    throw new LenetError(`matmul: ${showShape(a.shape)} and ${showShape(b.shape)} do not fit`)
  return plain([dim(a, 0), dim(a, 1), dim(b, 2)])
}

function expectBias(op: OpName, bias: Node | undefined, size: number): void {
  if (!bias) return
  expectInput(op, 'bias', bias, '[O]', 'plain')
  if (dim(bias, 0) !== size)
    throw new LenetError(`${op}: expects a bias of shape [${size}], got ${showShape(bias.shape)}`)
}

function linear(_attrs: unknown, inputs: Inputs): NodeType {
  const [x, weight] = [inputOf('linear', inputs, 0), inputOf('linear', inputs, 1)]
  expectInput('linear', 'input', x, '[N, I]', 'batch')
  expectInput('linear', 'weight', weight, '[O, I]', 'plain')
  if (dim(x, 1) !== dim(weight, 1))
    throw new LenetError(
      `linear: weight ${showShape(weight.shape)} expects ${dim(weight, 1)} input features, got input ${showShape(x.shape)}`,
    )
  expectBias('linear', inputs[2], dim(weight, 0))
  return batched([dim(x, 0), dim(weight, 0)])
}

function linearGradInput(_attrs: unknown, inputs: Inputs): NodeType {
  const op = 'linearGradInput'
  const [g, weight] = [inputOf(op, inputs, 0), inputOf(op, inputs, 1)]
  expectInput(op, 'gradient', g, '[N, O]', 'batch')
  expectInput(op, 'weight', weight, '[O, I]', 'plain')
  if (dim(g, 1) !== dim(weight, 0)) throw mismatch(op, g, weight)
  return batched([dim(g, 0), dim(weight, 1)])
}

function linearGradWeight(_attrs: unknown, inputs: Inputs): NodeType {
  const op = 'linearGradWeight'
  const [g, x] = [inputOf(op, inputs, 0), inputOf(op, inputs, 1)]
  expectInput(op, 'gradient', g, '[N, O]', 'batch')
  expectInput(op, 'input', x, '[N, I]', 'batch')
  if (dim(g, 0) !== dim(x, 0)) throw mismatch(op, g, x)
  return plain([dim(g, 1), dim(x, 1)])
}

function mismatch(op: OpName, a: Node, b: Node): LenetError {
  return new LenetError(`${op}: ${showShape(a.shape)} and ${showShape(b.shape)} do not fit`)
}

function checkPair(op: OpName, name: string, pair: Pair, least: number): void {
  if (!pair.every((v) => Number.isInteger(v) && v >= least))
    throw new LenetError(`${op}: ${name} must be whole numbers of ${least} or more, got ${showShape(pair)}`)
}

/** [OH, OW] of a window slid over size [H, W]: ⌊(size + 2·padding − kernel) / stride⌋ + 1. */
function slideSize(op: OpName, size: Pair, kernel: Pair, { stride, padding }: Slide): [number, number] {
  checkPair(op, 'kernel sizes', kernel, 1)
  checkPair(op, 'strides', stride, 1)
  checkPair(op, 'paddings', padding, 0)
  const out = (i: 0 | 1): number => Math.floor((size[i] + 2 * padding[i] - kernel[i]) / stride[i]) + 1
  if (out(0) < 1 || out(1) < 1)
    throw new LenetError(
      `${op}: a window of ${showShape(kernel)} does not fit into pictures of ${showShape(size)} with padding ${showShape(padding)}`,
    )
  return [out(0), out(1)]
}

const sizeOfPicture = (x: Node): Pair => [dim(x, 2), dim(x, 3)]

function conv2d(slide: Slide, inputs: Inputs): NodeType {
  const [x, weight] = [inputOf('conv2d', inputs, 0), inputOf('conv2d', inputs, 1)]
  expectInput('conv2d', 'input', x, '[N, C, H, W]', 'batch')
  expectInput('conv2d', 'weight', weight, '[O, C, kH, kW]', 'plain')
  const channels = dim(weight, 1)
  if (dim(x, 1) !== channels)
    throw new LenetError(
      `conv2d: weight ${showShape(weight.shape)} expects ${channels} input channel${channels === 1 ? '' : 's'}, got input ${showShape(x.shape)}`,
    )
  expectBias('conv2d', inputs[2], dim(weight, 0))
  const size = slideSize('conv2d', sizeOfPicture(x), sizeOfPicture(weight), slide)
  return batched([dim(x, 0), dim(weight, 0), ...size])
}

function conv2dGradInput(attrs: OpAttrs['conv2dGradInput'], inputs: Inputs): NodeType {
  const op = 'conv2dGradInput'
  const [g, weight] = [inputOf(op, inputs, 0), inputOf(op, inputs, 1)]
  expectInput(op, 'gradient', g, '[N, O, OH, OW]', 'batch')
  expectInput(op, 'weight', weight, '[O, C, kH, kW]', 'plain')
  const size = slideSize(op, attrs.inputSize, sizeOfPicture(weight), attrs)
  if (!sameShape(g.shape.slice(1), [dim(weight, 0), ...size])) throw mismatch(op, g, weight)
  return batched([dim(g, 0), dim(weight, 1), ...attrs.inputSize])
}

function conv2dGradWeight(attrs: OpAttrs['conv2dGradWeight'], inputs: Inputs): NodeType {
  const op = 'conv2dGradWeight'
  const [g, x] = [inputOf(op, inputs, 0), inputOf(op, inputs, 1)]
  expectInput(op, 'gradient', g, '[N, O, OH, OW]', 'batch')
  expectInput(op, 'input', x, '[N, C, H, W]', 'batch')
  const size = slideSize(op, sizeOfPicture(x), attrs.kernelSize, attrs)
  if (dim(g, 0) !== dim(x, 0) || !sameShape(sizeOfPicture(g), size)) throw mismatch(op, g, x)
  return plain([dim(g, 1), dim(x, 1), ...attrs.kernelSize])
}

/** A kernel with its holes: (kernel − 1) · dilation + 1. */
const reach = (kernel: Pair, dilation: Pair): Pair => [
  (kernel[0] - 1) * dilation[0] + 1,
  (kernel[1] - 1) * dilation[1] + 1,
]

function groupSlideSize(op: OpName, size: Pair, kernel: Pair, slide: GroupSlide): [number, number] {
  checkPair(op, 'dilations', slide.dilation, 1)
  checkPair(op, 'kernel sizes', kernel, 1)
  return slideSize(op, size, reach(kernel, slide.dilation), slide)
}

function checkGroups(groups: number, channels: number, outputs: number): void {
  if (Number.isInteger(groups) && groups >= 1 && channels % groups === 0 && outputs % groups === 0) return
  throw new LenetError(
    `conv2d: ${channels} input channels and ${outputs} output channels do not fall into ${groups} equal groups`,
  )
}

function groupConv2d(slide: GroupSlide, inputs: Inputs): NodeType {
  const [x, weight] = [inputOf('groupConv2d', inputs, 0), inputOf('groupConv2d', inputs, 1)]
  expectInput('conv2d', 'input', x, '[N, C, H, W]', 'batch')
  expectInput('conv2d', 'weight', weight, '[O, C, kH, kW]', 'plain')
  const { groups } = slide
  checkGroups(groups, dim(x, 1), dim(weight, 0))
  if (dim(x, 1) !== dim(weight, 1) * groups)
    throw new LenetError(
      `conv2d: weight ${showShape(weight.shape)} in ${groups} groups expects ${dim(weight, 1) * groups} input channels, got input ${showShape(x.shape)}`,
    )
  expectBias('conv2d', inputs[2], dim(weight, 0))
  const size = groupSlideSize('conv2d', sizeOfPicture(x), sizeOfPicture(weight), slide)
  return batched([dim(x, 0), dim(weight, 0), ...size])
}

function groupConv2dGradInput(attrs: OpAttrs['groupConv2dGradInput'], inputs: Inputs): NodeType {
  const op = 'groupConv2dGradInput'
  const [g, weight] = [inputOf(op, inputs, 0), inputOf(op, inputs, 1)]
  expectInput(op, 'gradient', g, '[N, O, OH, OW]', 'batch')
  expectInput(op, 'weight', weight, '[O, C, kH, kW]', 'plain')
  const size = groupSlideSize(op, attrs.inputSize, sizeOfPicture(weight), attrs)
  if (!sameShape(g.shape.slice(1), [dim(weight, 0), ...size])) throw mismatch(op, g, weight)
  return batched([dim(g, 0), dim(weight, 1) * attrs.groups, ...attrs.inputSize])
}

function groupConv2dGradWeight(attrs: OpAttrs['groupConv2dGradWeight'], inputs: Inputs): NodeType {
  const op = 'groupConv2dGradWeight'
  const [g, x] = [inputOf(op, inputs, 0), inputOf(op, inputs, 1)]
  expectInput(op, 'gradient', g, '[N, O, OH, OW]', 'batch')
  expectInput(op, 'input', x, '[N, C, H, W]', 'batch')
  checkGroups(attrs.groups, dim(x, 1), dim(g, 1))
  const size = groupSlideSize(op, sizeOfPicture(x), attrs.kernelSize, attrs)
  if (dim(g, 0) !== dim(x, 0) || !sameShape(sizeOfPicture(g), size)) throw mismatch(op, g, x)
  return batched([dim(g, 0), dim(g, 1), dim(x, 1) / attrs.groups, ...attrs.kernelSize])
}

function pooled(op: OpName, window: Window, inputs: Inputs): Shape {
  const x = inputOf(op, inputs, 0)
  expectInput(op, 'input', x, '[N, C, H, W]', 'batch')
  const { kernelSize, padding } = window
  const size = slideSize(op, sizeOfPicture(x), kernelSize, window)
  if (padding[0] * 2 > kernelSize[0] || padding[1] * 2 > kernelSize[1])
    throw new LenetError(
      `${op}: padding ${showShape(padding)} must be at most half the kernel size ${showShape(kernelSize)}`,
    )
  return [dim(x, 0), dim(x, 1), ...size]
}

type PoolGrad = Window & { readonly inputSize: Pair }

function poolGrad(op: OpName, attrs: PoolGrad, g: Node): NodeType {
  expectInput(op, 'gradient', g, '[N, C, OH, OW]', 'batch')
  const size = slideSize(op, attrs.inputSize, attrs.kernelSize, attrs)
  if (!sameShape(sizeOfPicture(g), size))
    throw new LenetError(`${op}: expects a gradient of pictures ${showShape(size)}, got ${showShape(g.shape)}`)
  return batched([dim(g, 0), dim(g, 1), ...attrs.inputSize])
}

function maxPool2dGrad(attrs: PoolGrad, inputs: Inputs): NodeType {
  const [index, g] = [inputOf('maxPool2dGrad', inputs, 0), inputOf('maxPool2dGrad', inputs, 1)]
  expectDType('maxPool2dGrad', 'index', index, 'i32')
  if (!sameShape(index.shape, g.shape)) throw mismatch('maxPool2dGrad', index, g)
  return poolGrad('maxPool2dGrad', attrs, g)
}

function expectLoss(op: OpName, inputs: Inputs): Node {
  const [logits, labels] = [inputOf(op, inputs, 0), inputOf(op, inputs, 1)]
  expectInput(op, 'logits', logits, '[N, C]', 'batch')
  expectRank(op, 'labels', labels, 1, '[N]')
  expectDType(op, 'labels', labels, 'i32')
  if (dim(logits, 0) !== dim(labels, 0))
    throw new LenetError(
      `${op}: logits ${showShape(logits.shape)} expect ${dim(logits, 0)} labels, got labels ${showShape(labels.shape)}`,
    )
  expectLayout(op, labels, 'batch')
  return logits
}

function crossEntropyGrad(_attrs: unknown, inputs: Inputs): NodeType {
  const logits = expectLoss('crossEntropyGrad', inputs)
  const g = inputOf('crossEntropyGrad', inputs, 2)
  expectInput('crossEntropyGrad', 'gradient', g, '[N]', 'batch')
  if (dim(g, 0) !== dim(logits, 0)) throw mismatch('crossEntropyGrad', logits, g)
  return batched(logits.shape)
}

function checkLabels(inputs: Inputs): NodeType {
  const labels = inputOf('checkLabels', inputs, 0)
  expectRank('checkLabels', 'labels', labels, 1, '[N]')
  expectDType('checkLabels', 'labels', labels, 'i32')
  expectLayout('checkLabels', labels, 'batch')
  return { shape: labels.shape, dtype: 'i32', layout: 'batch' }
}

export const inferNet = {
  matmul: matrices,
  linear,
  linearGradInput,
  linearGradWeight,
  conv2d,
  conv2dGradInput,
  conv2dGradWeight,
  groupConv2d,
  groupConv2dGradInput,
  groupConv2dGradWeight,
  maxPool2d: (window, inputs) => batched(pooled('maxPool2d', window, inputs)),
  maxPoolIndex: (window, inputs) => ({ ...batched(pooled('maxPoolIndex', window, inputs)), dtype: 'i32' }),
  maxPool2dGrad,
  avgPool2d: (window, inputs) => batched(pooled('avgPool2d', window, inputs)),
  avgPool2dGrad: (attrs, inputs) => poolGrad('avgPool2dGrad', attrs, inputOf('avgPool2dGrad', inputs, 0)),
  checkLabels: (_attrs, inputs) => checkLabels(inputs),
  crossEntropy: (_attrs, inputs) => batched([dim(expectLoss('crossEntropy', inputs), 0)]),
  crossEntropyGrad,
} as const satisfies InferTable<
  | 'matmul'
  | 'linear'
  | 'linearGradInput'
  | 'linearGradWeight'
  | 'conv2d'
  | 'conv2dGradInput'
  | 'conv2dGradWeight'
  | 'groupConv2d'
  | 'groupConv2dGradInput'
  | 'groupConv2dGradWeight'
  | 'maxPool2d'
  | 'maxPoolIndex'
  | 'maxPool2dGrad'
  | 'avgPool2d'
  | 'avgPool2dGrad'
  | 'checkLabels'
  | 'crossEntropy'
  | 'crossEntropyGrad'
>
