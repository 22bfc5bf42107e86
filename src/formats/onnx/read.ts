/**
 * Reads ONNX models made of the operations of `NetFile`: what PyTorch's two exporters, Keras's and our own writer make of
 * such nets. Every operator and attribute is known by name or refused by name; nothing of the file is run.
 * Not here: bytes (proto.ts, model.ts), single operators (layers.ts, shapes.ts, elementwise.ts, constants.ts).
 */
import { LenetError } from '../../base/index.js'
import type { NetFile, NetInput } from '../net.js'
import { netShapes } from '../netShapes.js'
import { asFloat32 } from '../pthTypes.js'
import { shownName } from '../shownName.js'
import { constantOps, runOnConstants } from './constants.js'
import { elements, NodeContext, type GraphState } from './context.js'
import { activations, binary, clip, extreme, sum } from './elementwise.js'
import { Fuser } from './fuse.js'
import { NormFuser, type Constants } from './fuseNorm.js'
import * as layers from './layers.js'
import { readModel, type OnnxModel, type OnnxNode, type OnnxTensor, type OnnxValueInfo } from './model.js'
import { notesOf } from './notes.js'
import { nodeLabel, orderedNodes, producersOf } from './order.js'
import * as shapes from './shapes.js'
import { onnxTypes, TensorReader, type ExternalFiles } from './tensors.js'

const window = 'auto_pad ceil_mode dilations kernel_shape pads strides'

/** Operators on what the net computes: what reads them, and the attributes that they may have. */
const operators: Readonly<Record<string, readonly [read: (context: NodeContext) => void, attributes: string]>> = {
  Conv: [layers.conv, 'auto_pad dilations group kernel_shape pads strides'],
  Gemm: [layers.gemm, 'alpha beta transA transB'],
  MatMul: [layers.matMul, ''],
  MaxPool: [layers.maxPool, `${window} storage_order`],
  AveragePool: [layers.averagePool, `${window} count_include_pad`],
  GlobalAveragePool: [layers.globalAveragePool, ''],
  GlobalMaxPool: [layers.globalMaxPool, ''],
  ReduceMean: [layers.reduceMean, 'axes keepdims noop_with_empty_axes'],
  ReduceMax: [layers.reduceMax, 'axes keepdims noop_with_empty_axes'],
  BatchNormalization: [layers.batchNormalization, 'epsilon momentum training_mode spatial'],
  LayerNormalization: [layers.layerNormalization, 'axis epsilon stash_type'],
  InstanceNormalization: [layers.instanceNormalization, 'epsilon'],
  Flatten: [shapes.flatten, 'axis'],
  Reshape: [shapes.reshape, 'allowzero'],
  Squeeze: [shapes.squeeze, 'axes'],
  Unsqueeze: [shapes.unsqueeze, 'axes'],
  Transpose: [shapes.transpose, 'perm'],
  Slice: [shapes.slice, 'starts ends axes'],
  Split: [shapes.split, 'axis split num_outputs'],
  Gather: [shapes.gather, 'axis'],
  Concat: [shapes.concat, 'axis'],
  Pad: [shapes.pad, 'mode pads value'],
  Identity: [shapes.identity, ''],
  Cast: [shapes.cast, 'to saturate round_mode'],
  Dropout: [shapes.dropout, 'ratio seed'],
  Add: [binary, ''],
  Sub: [binary, ''],
  Mul: [binary, ''],
  Div: [binary, ''],
  Sum: [sum, ''],
  Clip: [clip, 'min max'],
  Max: [extreme, ''],
  Min: [extreme, ''],
  ...Object.fromEntries(
    Object.entries(activations).map(([op, read]) => [op, [read, 'alpha approximate axis'] as const]),
  ),
}
/** Known only as parts of activations (fuse.ts), or on constants. */
const partsOnly = new Set(['Erf', 'Pow', 'Sqrt', 'HardSigmoid', ...constantOps])
const oldestOpset = 7
const newestOpset = 28
const floatTypes = new Set(['float', 'float16', 'double', 'bfloat16'])
const numberTypes = new Set([...floatTypes, 'int32', 'int64'])

/**
 * Reads an ONNX file as a net. `name` is the file's name, for errors. Tensors kept in other files are asked for through
 * `files`, by plain names; without it they are refused. The batch may have any size, and nothing else may vary.
 * Throws LenetError with file, node and reason.
 */
export function readOnnx(bytes: Uint8Array, name: string, files?: ExternalFiles): NetFile {
  const model = readModel(bytes, name)
  const opset = model.opsets.get('') ?? 0
  if (opset < oldestOpset || opset > newestOpset) {
    throw new LenetError(`${name}: its opset is ${opset}; ${oldestOpset} to ${newestOpset} are known`)
  }
  for (const node of model.nodes) checkNode(node, name)
  const tensors = new TensorReader(name, bytes.length, files, externalBytes(model))
  const initializers = initializersOf(model, name)
  const nodes = neededNodes(model, initializers, tensors, name)
  const state = stateOf(model, name, nodes, initializers, tensors)
  const inputs = netInputs(model, state)
  for (const node of nodes) runNode(node, state)
  return netOf(model, state, inputs)
}

/** At most so many bytes are kept beside the model. */
function externalBytes({ initializers }: OnnxModel): number {
  const beside = initializers.filter(({ external }) => external !== undefined)
  return beside.reduce((sum, { dims }) => sum + 8 * elements(dims), 0)
}

function checkNode(node: OnnxNode, name: string): void {
  const where = `${name}, ${nodeLabel(node)}`
  const { op, domain } = node
  if (domain !== '') throw new LenetError(`${where}: operators of the domain ${shownName(domain)} are not known here`)
  if (!Object.hasOwn(operators, op) && !partsOnly.has(op)) {
    throw new LenetError(`${where}: the operator ${shownName(op)} is not known here`)
  }
  for (const { name: key, odd } of node.attributes.values()) {
    if (odd) throw new LenetError(`${where}: refused: its attribute ${shownName(key)} is a graph or a reference`)
  }
}

function initializersOf(model: OnnxModel, name: string): Map<string, OnnxTensor> {
  const initializers = new Map<string, OnnxTensor>()
  for (const tensor of model.initializers) {
    if (initializers.has(tensor.name)) {
      throw new LenetError(`${name}, tensor ${shownName(tensor.name)}: refused: two initializers have this name`)
    }
    initializers.set(tensor.name, tensor)
  }
  return initializers
}

/** Small constants: initializers and Constant nodes. */
function constantFinder(
  model: OnnxModel,
  initializers: ReadonlyMap<string, OnnxTensor>,
  tensors: TensorReader,
): Constants {
  const byName = new Map(initializers)
  for (const { op, outputs, attributes } of model.nodes) {
    const value = op === 'Constant' ? attributes.get('value')?.t : undefined
    if (value !== undefined) byName.set(outputs[0] ?? '', value)
  }
  const small = (name: string, most: number): Float32Array | undefined => {
    const tensor = byName.get(name)
    const count = tensor?.dims.reduce((product, size) => product * size, 1) ?? 0
    if (tensor === undefined || count < 1 || count > most || tensor.external !== undefined) return undefined
    return numberTypes.has(onnxTypes[tensor.type] ?? '') ? asFloat32(tensors.read(tensor)) : undefined
  }
  return { scalar: (name) => small(name, 1)?.[0], list: (name) => ((found) => found && [...found])(small(name, 8)) }
}

/** The nodes that the outputs need, in order, with spelled-out activations as one node. */
function neededNodes(
  model: OnnxModel,
  initializers: ReadonlyMap<string, OnnxTensor>,
  tensors: TensorReader,
  name: string,
): OnnxNode[] {
  const given = new Set([...initializers.keys(), ...model.inputs.map((input) => input.name)])
  const outputs = model.outputs.map((output) => output.name)
  const producers = producersOf(model.nodes, given, name)
  orderedNodes(model.nodes, [...producers.keys()], producers, given, name) // no cycle, also not in what nobody needs
  const constants = constantFinder(model, initializers, tensors)
  const [activation, norm] = [new Fuser(producers, constants.scalar), new NormFuser(producers, constants)]
  const fused = model.nodes.map((node) => norm.fused(activation.fused(node)))
  return orderedNodes(fused, outputs, producersOf(fused, given, name), given, name)
}

function stateOf(
  model: OnnxModel,
  file: string,
  nodes: readonly OnnxNode[],
  initializers: ReadonlyMap<string, OnnxTensor>,
  tensors: TensorReader,
): GraphState {
  const readers = new Map<string, OnnxNode[]>()
  for (const node of nodes) {
    for (const input of node.inputs) {
      const known = readers.get(input)
      if (known === undefined) readers.set(input, [node])
      else known.push(node)
    }
  }
  const first = model.inputs.find((input) => !initializers.has(input.name))?.shape?.[0]
  return {
    file,
    opset: model.opsets.get('') ?? 0,
    ours: model.producer === 'lenet',
    batch: typeof first === 'number' ? first : undefined,
    tensors,
    values: new Map(),
    initializers,
    readers,
    outputs: new Set(model.outputs.map((output) => output.name)),
    nodes: [],
    names: new Map(),
  }
}

/** The graph's own inputs; pictures that are turned to channels first at once count as channels last. */
function netInputs(model: OnnxModel, state: GraphState): NetInput[] {
  return model.inputs.flatMap((input) => {
    const preset = state.initializers.get(input.name)
    if (preset !== undefined) checkPreset(input, preset, state.file)
    if (preset !== undefined) return []
    const sizes = inputSizes(input, state.file)
    const hwc = sizes.length === 3 && shapes.becomesChannelsFirst(state, input.name)
    const [height = 0, width = 0, channels = 0] = sizes
    const shape = hwc ? [channels, height, width] : sizes
    state.names.set(input.name, 1)
    state.values.set(input.name, { kind: 'net', name: input.name, shape, hwc, sole: false })
    return [{ name: input.name, shape }]
  })
}

/** An input that an initializer fills is a weight; what is said of both must agree. */
function checkPreset({ name, type, shape }: OnnxValueInfo, preset: OnnxTensor, file: string): void {
  const fits = (shape ?? preset.dims).map((size, i) => (typeof size === 'number' ? size : preset.dims[i]))
  if (String(fits) === String(preset.dims) && (type === undefined || type === preset.type)) return
  const sides = `${onnxTypes[type ?? 0] ?? type} [${fits.join(', ')}], its initializer ${onnxTypes[preset.type] ?? preset.type} [${preset.dims.join(', ')}]`
  throw new LenetError(`${file}, input ${shownName(name)}: it is ${sides}`)
}

/** Sizes without batch. */
function inputSizes({ name, type, shape }: OnnxValueInfo, file: string): number[] {
  const where = `${file}, input ${shownName(name)}`
  const typeName = onnxTypes[type ?? 0] ?? String(type)
  if (!floatTypes.has(typeName)) throw new LenetError(`${where}: its type is ${typeName}; floats are expected`)
  const [, ...sizes] = shape ?? []
  if (shape === undefined || sizes.length < 1 || sizes.length > 8) {
    throw new LenetError(`${where}: its shape has ${shape?.length ?? 'no'} dimensions; [N, …] is expected`)
  }
  return sizes.map((size, i) => {
    if (typeof size === 'number' && size > 0 && size < 2 ** 31) return size
    const shown = typeof size === 'string' && size !== '' ? shownName(size) : String(size)
    throw new LenetError(`${where}: size ${i + 1} of its shape is '${shown}'; only the batch may have any size`)
  })
}

function runNode(node: OnnxNode, state: GraphState): void {
  const context = new NodeContext(node, state)
  if (constantOps.has(node.op) && runOnConstants(context)) return
  const [read, known] = operators[node.op] ?? context.fail('this operator of computed values is not known here')
  const names = known.split(' ')
  for (const name of node.attributes.keys()) {
    if (!names.includes(name)) context.fail(`its attribute ${shownName(name)} is not known here`)
  }
  read(context)
}

function netOf(model: OnnxModel, state: GraphState, inputs: NetInput[]): NetFile {
  const outputs = model.outputs.map(({ name }) => {
    const where = `${state.file}, output ${shownName(name)}`
    const value = state.values.get(name)
    if (value?.kind !== 'net') throw new LenetError(`${where}: it does not depend on the net's input`)
    if (value.hwc) throw new LenetError(`${where}: a picture with channels last is not known here as an output`)
    return value.name
  })
  if (inputs.length === 0 || outputs.length === 0)
    throw new LenetError(`${state.file}: the net has no input or no output`)
  const net: NetFile = { inputs, nodes: state.nodes, outputs, ...notesOf(model.metadata, state.file) }
  netShapes(net, state.file)
  return net
}
