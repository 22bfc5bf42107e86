/** The stages of a net in a row, for its picture: what a layer makes, and how. Not here: the drawing (report). */
import { LenetError } from '../base/index.js'
import { netShapes, type NetFile, type NetNode } from '../formats/index.js'
import type { Layer, Model } from '../keras/index.js'
import type { NetStage } from '../report/index.js'

const times = ([a, b]: readonly [number, number]): string => `${a}×${b}`

type Windowed = Extract<NetNode, { readonly kernelSize: readonly [number, number] }>

function windowText(what: string, { kernelSize, stride }: Windowed, usual: readonly number[]): string[] {
  const strided =
    String(stride) === String(usual) ? [] : [`stride ${stride[0] === stride[1] ? stride[0] : times(stride)}`]
  return [`${times(kernelSize)} ${what}`, ...strided]
}

const small: Readonly<Record<string, string>> = {
  relu: 'ReLU',
  leakyRelu: 'leaky ReLU',
  elu: 'ELU',
  gelu: 'GELU',
  silu: 'SiLU',
  hardSwish: 'hard swish',
  sigmoid: 'sigmoid',
  tanh: 'tanh',
  softmax: 'softmax',
  logSoftmax: 'log-softmax',
  batchNorm: 'batch norm',
  layerNorm: 'layer norm',
  groupNorm: 'group norm',
  dropout: 'dropout',
  pad: 'padding',
  rescaling: 'rescaling',
  augmentation: 'augmentation',
}

/** The lines of a node that makes a stage of its own; undefined for what is done in passing. */
function byOf(node: NetNode, channels: number): string[] | undefined {
  switch (node.op) {
    case 'conv2d': {
      const depthwise = node.groups > 1 && node.groups === channels
      const grouped = node.groups > 1 && !depthwise ? [`${node.groups} groups`] : []
      return [...windowText(depthwise ? 'depthwise conv.' : 'convolution', node, [1, 1]), ...grouped]
    }
    case 'maxPool2d':
      return windowText('max pooling', node, node.kernelSize)
    case 'avgPool2d':
      return windowText('average pooling', node, node.kernelSize)
    case 'globalAvgPool2d':
      return ['global average pooling']
    case 'linear':
      return ['full connection']
    default:
      return undefined
  }
}

/** Parameters, without running statistics: as PyTorch counts. */
const weightsIn = ({ weights }: NetNode): number =>
  [...weights].reduce((sum, [key, { data }]) => sum + (key.startsWith('running_') ? 0 : data.length), 0)

/** Names that a trace makes up say less than the operation. */
const nameOf = (node: NetNode): string => (node.weights.size > 0 || !/pool/i.test(node.op) ? node.name : 'pooling')

/** @throws LenetError where values flow otherwise than in a row, or sizes are not known */
export function stagesOfNet(net: NetFile, where: string): NetStage[] {
  const shapes = netShapes(net, where)
  const sizesOf = (name: string): number[] =>
    (shapes.get(name) ?? []).map((size) => {
      if (size !== null) return size
      throw new LenetError(`${where}: it takes pictures of any size, so there are no sizes to draw`)
    })
  const [input] = net.inputs
  const stages: NetStage[] = [{ name: 'input', shape: sizesOf(input?.name ?? ''), by: [], parameters: 0 }]
  let before = input?.name
  for (const node of net.nodes) {
    if (node.inputs.length !== 1 || node.inputs[0] !== before)
      throw new LenetError(`${where}: only nets of layers in a row can be drawn; ${node.name} has another place`)
    before = node.name
    addNode(stages, node, sizesOf(node.name))
  }
  return stages
}

/** A stage of its own, or a line at the one before. */
function addNode(stages: NetStage[], node: NetNode, shape: readonly number[]): void {
  const last = stages.at(-1)
  if (!last) return
  const by = byOf(node, last.shape[0] ?? 1)
  const parameters = weightsIn(node)
  if (by) {
    const window = 'kernelSize' in node ? { window: node.kernelSize } : {}
    stages.push({ name: nameOf(node), shape, by, parameters, ...window })
    return
  }
  const told = small[node.op]
  const flat = node.op === 'flatten' || node.op === 'reshape'
  if (!flat || shape.length === 3) {
    const lines = [...last.by, ...(told === undefined || last.by.includes(told) ? [] : [told])]
    stages[stages.length - 1] = { ...last, shape, by: lines, parameters: last.parameters + parameters }
  }
}

const sized = (layer: Layer): readonly number[] => {
  const { sizes = [] } = layer.output ?? {}
  return sizes.length === 3 ? [sizes[2] ?? 0, sizes[0] ?? 0, sizes[1] ?? 0] : sizes
}

const kerasKinds: Readonly<Record<string, string>> = {
  Conv2D: 'convolution',
  DepthwiseConv2D: 'depthwise conv.',
  MaxPooling2D: 'max pooling',
  AveragePooling2D: 'average pooling',
  GlobalAveragePooling2D: 'global average pooling',
  Dense: 'full connection',
}

const pairOf = (value: unknown): readonly [number, number] | undefined =>
  Array.isArray(value) && typeof value[0] === 'number' && typeof value[1] === 'number'
    ? [value[0], value[1]]
    : undefined

const readable = (className: string): string => className.replaceAll(/([a-z])([A-Z])/g, '$1 $2').toLowerCase()

const activationText = (name: unknown): string[] =>
  typeof name === 'string' && name !== 'linear' ? [small[name] ?? name] : []

/** Of a built model in Keras' idiom, whose layers stand in a row. */
export function stagesOfKeras(model: Model): NetStage[] {
  const stages: NetStage[] = []
  for (const layer of model.allLayers) addLayer(stages, layer)
  return stages
}

function addLayer(stages: NetStage[], layer: Layer): void {
  const { name, className } = layer
  const [shape, config, last] = [sized(layer), layer.getConfig(), stages.at(-1)]
  if (!last) {
    stages.push({ name: 'input', shape, by: [], parameters: 0 })
    return
  }
  const activation = activationText(config['activation'])
  const kind = kerasKinds[className]
  if (kind === undefined) {
    const told = className === 'Activation' ? activation : className === 'Flatten' ? [] : [readable(className)]
    const flat = shape.length !== last.shape.length
    stages[stages.length - 1] = {
      ...last,
      ...(flat ? {} : { shape }),
      by: [...last.by, ...told],
      parameters: last.parameters + layer.countParams(),
    }
    return
  }
  const window = pairOf(config['kernel_size'] ?? config['pool_size'])
  const by = [window ? `${times(window)} ${kind}` : kind, ...activation]
  stages.push({ name, shape, by, parameters: layer.countParams(), ...(window && { window }) })
}
