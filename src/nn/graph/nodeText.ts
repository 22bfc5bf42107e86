/**
 * What a net's nodes are called in PyTorch's words, as modules print themselves: `Conv2d(3, 6, kernel_size=(5, 5),
 * stride=(1, 1))`, and `add`, `mul`, `cat` for what is no module there. One row for each operation.
 * Not here: the text of a whole net (graphModule.ts).
 */
import type { NetNode, NetPadding, NetShape, Pair } from '../../formats/index.js'
import { showBool, showFloat, showSize } from '../layers/text.js'
import type { OpName, OpOf } from './nodes.js'

/** `shape`: of the node's values, without the batch. */
type Row<K extends OpName> = (node: NetNode & OpOf<K>, shape: NetShape) => string

/** One number, a pair, or all four sides as F.pad takes them: left, right, top, bottom. */
function showPadding({ top, bottom, left, right }: NetPadding): string {
  if (top !== bottom || left !== right) return `(${left}, ${right}, ${top}, ${bottom})`
  return showSize([top, left])
}

const isNone = ({ top, bottom, left, right }: NetPadding): boolean => [top, bottom, left, right].every((n) => n === 0)

const sizes = (list: readonly number[]): string => `(${list.join(', ')}${list.length === 1 ? ',' : ''})`

const dims = (node: NetNode, name: string): readonly number[] => node.weights.get(name)?.shape ?? []

const call = (name: string, ...parts: readonly (string | false)[]): string =>
  `${name}(${parts.filter((part) => part !== false).join(', ')})`

function conv2d(node: NetNode & OpOf<'conv2d'>): string {
  const { outChannels, kernelSize, stride, padding, dilation, groups, bias } = node
  const inputs = (dims(node, 'weight')[1] ?? 1) * groups
  return call(
    'Conv2d',
    `${inputs}, ${outChannels}, kernel_size=${showSize(kernelSize)}, stride=${showSize(stride)}`,
    !isNone(padding) && `padding=${showPadding(padding)}`,
    dilation.some((n) => n !== 1) && `dilation=${showSize(dilation)}`,
    groups !== 1 && `groups=${groups}`,
    !bias && 'bias=False',
  )
}

const pool =
  (name: string) =>
  ({
    kernelSize,
    stride,
    padding,
  }: {
    readonly kernelSize: Pair
    readonly stride: Pair
    readonly padding: NetPadding
  }) =>
    call(
      name,
      `kernel_size=${showSize(kernelSize)}, stride=${showSize(stride)}`,
      !isNone(padding) && `padding=${showPadding(padding)}`,
    )

const plain =
  (text: string): (() => string) =>
  () =>
    text

const perChannel = (values: readonly number[]): string => (values.length === 1 ? String(values[0]) : sizes(values))

const rows: { readonly [K in OpName]: Row<K> } = {
  conv2d,
  linear: (node) =>
    call(
      'Linear',
      `in_features=${dims(node, 'weight')[1]}, out_features=${node.outFeatures}, bias=${showBool(node.bias)}`,
    ),
  maxPool2d: pool('MaxPool2d'),
  avgPool2d: pool('AvgPool2d'),
  globalAvgPool2d: ({ keepDims }) => (keepDims ? 'AdaptiveAvgPool2d(output_size=1)' : 'mean(dim=(2, 3))'),
  globalMaxPool2d: ({ keepDims }) => (keepDims ? 'AdaptiveMaxPool2d(output_size=1)' : 'amax(dim=(2, 3))'),
  flatten: ({ order }) => (order === 'chw' ? 'Flatten()' : 'Flatten() in the order HWC'),
  reshape: ({ shape, order }) => `reshape(${sizes(shape)})${order === 'chw' ? '' : ' in the order HWC'}`,
  batchNorm: (node, shape) =>
    call(
      shape.length === 3 ? 'BatchNorm2d' : 'BatchNorm1d',
      `${dims(node, 'running_mean')[0]}, eps=${showFloat(node.eps)}, momentum=${showFloat(node.momentum)}`,
      `affine=${showBool(node.weights.has('weight'))}`,
    ),
  layerNorm: ({ normalizedShape, eps }) => call('LayerNorm', `${sizes(normalizedShape)}, eps=${showFloat(eps)}`),
  groupNorm: (node, shape) =>
    call(
      'GroupNorm',
      `${node.groups}, ${shape[0]}, eps=${showFloat(node.eps)}`,
      `affine=${showBool(node.weights.has('weight'))}`,
    ),
  dropout: ({ p }) => `Dropout(p=${p})`,
  relu: plain('ReLU()'),
  silu: plain('SiLU()'),
  hardSwish: plain('Hardswish()'),
  sigmoid: plain('Sigmoid()'),
  tanh: plain('Tanh()'),
  leakyRelu: ({ negativeSlope }) => `LeakyReLU(negative_slope=${negativeSlope})`,
  elu: ({ alpha }) => `ELU(alpha=${showFloat(alpha)})`,
  gelu: ({ approximate }) => `GELU(approximate='${approximate}')`,
  clamp: ({ min, max }) => (min === 0 && max === 6 ? 'ReLU6()' : `clamp(min=${min ?? 'None'}, max=${max ?? 'None'})`),
  softmax: plain('Softmax(dim=1)'),
  logSoftmax: plain('LogSoftmax(dim=1)'),
  add: plain('add'),
  mul: plain('mul'),
  concat: ({ dim }) => `cat(dim=${dim + 1})`,
  slice: ({ dim, start, end }) => `slice(dim=${dim + 1}, ${start}:${end})`,
  pad: ({ padding, value }) => `pad(${showPadding(padding)}, value=${value})`,
  rescaling: ({ scale, offset }) => `x * ${perChannel(scale)} + ${perChannel(offset)}`,
  augmentation: ({ layer }) => `${layer} (nothing outside Keras's training)`,
}

export const nodeText = (node: NetNode, shape: NetShape): string =>
  (rows[node.op] as (node: NetNode, shape: NetShape) => string)(node, shape)
