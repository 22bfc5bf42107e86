/**
 * ONNX's messages as plain data: model, graph, nodes, attributes, tensors (their bytes still as in the file). They nest
 * as deep as this file reads them and no deeper.
 * Not here: what operators mean (read.ts), tensors' values (tensors.ts); functions, subgraphs, sparse tensors and
 * sequences: left out or refused by those who meet them.
 * Source: onnx/onnx.proto (field numbers).
 */
import { protoFields, ProtoScope, type ProtoField } from './proto.js'

const mostNodes = 20_000
const mostListed = 100_000

export interface OnnxTensor {
  readonly name: string
  readonly dims: number[]
  /** TensorProto.DataType. */
  readonly type: number
  /** raw_data. */
  raw: Uint8Array | undefined
  /** float_data and double_data, packed as in the file. */
  readonly floats: Uint8Array[]
  readonly doubles: Uint8Array[]
  /** int32_data, int64_data: still varints. */
  readonly ints: ProtoField[]
  /** external_data: location, offset, length …; undefined where the data is in the file. */
  readonly external: Map<string, string> | undefined
}

export interface OnnxAttribute {
  readonly name: string
  readonly f: number | undefined
  readonly i: number | undefined
  readonly s: string | undefined
  readonly t: OnnxTensor | undefined
  readonly ints: number[]
  readonly floats: number[]
  /** It holds a graph or is a reference to a function's attribute. */
  readonly odd: boolean
}

export interface OnnxNode {
  readonly name: string
  readonly op: string
  readonly domain: string
  readonly inputs: string[]
  readonly outputs: string[]
  readonly attributes: Map<string, OnnxAttribute>
}

/** An input or output. A size is a number, a name, or '' where nothing is said. */
export interface OnnxValueInfo {
  readonly name: string
  readonly type: number | undefined
  readonly shape: (number | string)[] | undefined
}

export interface OnnxModel {
  readonly irVersion: number
  readonly producer: string
  /** Opset version by domain; ONNX's own is ''. */
  readonly opsets: Map<string, number>
  readonly nodes: OnnxNode[]
  readonly initializers: OnnxTensor[]
  readonly inputs: OnnxValueInfo[]
  readonly outputs: OnnxValueInfo[]
  readonly metadata: Map<string, string>
}

function sized<T>(list: T[], item: T, most: number, scope: ProtoScope, what: string): void {
  if (list.push(item) > most) scope.fail(`refused: more than ${most} ${what}`)
}

/** A StringStringEntryProto or an OperatorSetIdProto's text fields: number → text. */
function pair(bytes: Uint8Array, scope: ProtoScope): [string, string] {
  let [key, value] = ['', '']
  for (const field of protoFields(bytes, scope)) {
    if (field.number === 1) key = field.text()
    else if (field.number === 2) value = field.text()
  }
  return [key, value]
}

/** Fields of text that a message has once. */
function textField(bytes: Uint8Array, number: number, scope: ProtoScope): string {
  let text = ''
  for (const field of protoFields(bytes, scope)) if (field.number === number) text = field.text()
  return text
}

function readTensor(bytes: Uint8Array, outer: ProtoScope): OnnxTensor {
  const name = textField(bytes, 8, outer)
  const scope = outer.part(name === '' ? 'a tensor' : `tensor ${name}`)
  const dims: number[] = []
  const external = new Map<string, string>()
  const [floats, doubles]: [Uint8Array[], Uint8Array[]] = [[], []]
  const ints: ProtoField[] = []
  let [type, location] = [0, 0]
  let raw: Uint8Array | undefined
  for (const field of protoFields(bytes, scope)) {
    if (field.number === 1) for (const size of field.longs(32)) sized(dims, Number(size), 32, scope, 'dimensions')
    else if (field.number === 2) type = field.int()
    else if (field.number === 3) scope.fail('refused: a tensor in segments')
    else if (field.number === 4) floats.push(field.packed(4))
    else if (field.number === 10) doubles.push(field.packed(8))
    else if (field.number === 5 || field.number === 7) ints.push(field)
    else if (field.number === 9) raw = field.bytes()
    else if (field.number === 13) external.set(...pair(field.bytes(), scope))
    else if (field.number === 14) location = field.int()
  }
  const bad = dims.find((size) => !Number.isSafeInteger(size) || size < 0)
  if (bad !== undefined) scope.fail(`damaged: one of its sizes is ${bad}`)
  if (location !== 0 && location !== 1) scope.fail(`damaged: data_location ${location}`)
  if (location === 0 && external.size > 0) scope.fail('damaged: it names external data, but says its data is inside')
  return { name, dims, type, raw, floats, doubles, ints, external: location === 1 ? external : undefined }
}

function readAttribute(bytes: Uint8Array, outer: ProtoScope): OnnxAttribute {
  const name = textField(bytes, 1, outer)
  const scope = outer.part(`attribute ${name}`)
  const [ints, floats]: [number[], number[]] = [[], []]
  const found: { f?: number; i?: number; s?: string; t?: OnnxTensor } = {}
  let odd = false
  for (const field of protoFields(bytes, scope)) {
    if (field.number === 2) found.f = field.float()
    else if (field.number === 3) found.i = clamped(field.long())
    else if (field.number === 4) found.s = field.text()
    else if (field.number === 5) found.t = readTensor(field.bytes(), scope)
    else if (field.number === 7) for (const value of floatsOf(field)) sized(floats, value, mostListed, scope, 'floats')
    else if (field.number === 8)
      for (const value of field.longs(mostListed)) sized(ints, clamped(value), mostListed, scope, 'numbers')
    else if ([6, 9, 10, 11, 21].includes(field.number)) odd = true
  }
  return { name, f: found.f, i: found.i, s: found.s, t: found.t, ints, floats, odd }
}

function floatsOf(field: ProtoField): Float32Array {
  return new Float32Array(field.packed(4).slice().buffer)
}

/** Numbers beyond 2^53 mean "without end" where operators use them (Slice). */
function clamped(value: bigint): number {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : Math.sign(number) * Number.MAX_SAFE_INTEGER
}

function readNode(bytes: Uint8Array, outer: ProtoScope): OnnxNode {
  const op = textField(bytes, 4, outer)
  const name = textField(bytes, 3, outer)
  const scope = outer.part(name === '' ? `a node ${op}` : `node ${name}`)
  const [inputs, outputs]: [string[], string[]] = [[], []]
  const attributes = new Map<string, OnnxAttribute>()
  let domain = ''
  for (const field of protoFields(bytes, scope)) {
    if (field.number === 1) inputs.push(field.text())
    else if (field.number === 2) outputs.push(field.text())
    else if (field.number === 7) domain = field.text()
    else if (field.number === 5) {
      const attribute = readAttribute(field.bytes(), scope)
      if (attributes.has(attribute.name)) scope.fail(`refused: it has the attribute ${attribute.name} twice`)
      attributes.set(attribute.name, attribute)
    }
  }
  return { name, op, domain: domain === 'ai.onnx' ? '' : domain, inputs, outputs, attributes }
}

function readDim(bytes: Uint8Array, scope: ProtoScope): number | string {
  let size: number | string = ''
  for (const field of protoFields(bytes, scope)) {
    if (field.number === 1) size = field.int()
    else if (field.number === 2) size = field.text()
  }
  return size
}

function readShape(bytes: Uint8Array, scope: ProtoScope): (number | string)[] {
  const dims: (number | string)[] = []
  for (const field of protoFields(bytes, scope)) {
    if (field.number === 1) sized(dims, readDim(field.bytes(), scope), 32, scope, 'dimensions')
  }
  return dims
}

function readValueInfo(bytes: Uint8Array, outer: ProtoScope): OnnxValueInfo {
  const name = textField(bytes, 1, outer)
  const scope = outer.part(`value ${name}`)
  let type: number | undefined
  let shape: (number | string)[] | undefined
  for (const field of protoFields(bytes, scope)) {
    if (field.number !== 2) continue
    for (const kind of protoFields(field.bytes(), scope)) {
      if (kind.number !== 1) continue // not a tensor: type stays undefined
      for (const part of protoFields(kind.bytes(), scope)) {
        if (part.number === 1) type = part.int()
        else if (part.number === 2) shape = readShape(part.bytes(), scope)
      }
    }
  }
  return { name, type, shape }
}

type Graph = Pick<OnnxModel, 'nodes' | 'initializers' | 'inputs' | 'outputs'>

function readGraph(bytes: Uint8Array, scope: ProtoScope): Graph {
  const graph: Graph = { nodes: [], initializers: [], inputs: [], outputs: [] }
  for (const field of protoFields(bytes, scope)) {
    if (field.number === 1) sized(graph.nodes, readNode(field.bytes(), scope), mostNodes, scope, 'nodes')
    else if (field.number === 5)
      sized(graph.initializers, readTensor(field.bytes(), scope), mostNodes, scope, 'initializers')
    else if (field.number === 11) sized(graph.inputs, readValueInfo(field.bytes(), scope), mostNodes, scope, 'inputs')
    else if (field.number === 12) sized(graph.outputs, readValueInfo(field.bytes(), scope), mostNodes, scope, 'outputs')
    else if (field.number === 15) scope.fail('refused: sparse initializers')
  }
  return graph
}

function readOpset(bytes: Uint8Array, scope: ProtoScope): [string, number] {
  let [domain, version] = ['', 0]
  for (const field of protoFields(bytes, scope)) {
    if (field.number === 1) domain = field.text()
    else if (field.number === 2) version = field.int()
  }
  return [domain === 'ai.onnx' ? '' : domain, version]
}

/** A ModelProto. `name` is the file's, for errors. Throws LenetError where the bytes are none. */
export function readModel(bytes: Uint8Array, name: string): OnnxModel {
  const scope = new ProtoScope(name)
  let [irVersion, producer] = [0, '']
  let graph: Graph | undefined
  const [opsets, metadata] = [new Map<string, number>(), new Map<string, string>()]
  for (const field of protoFields(bytes, scope)) {
    if (field.number === 1) irVersion = field.int()
    else if (field.number === 2) producer = field.text()
    else if (field.number === 7) {
      if (graph !== undefined) scope.fail('refused: it holds two graphs')
      graph = readGraph(field.bytes(), scope)
    } else if (field.number === 8) opsets.set(...readOpset(field.bytes(), scope))
    else if (field.number === 14) metadata.set(...pair(field.bytes(), scope))
  }
  if (graph === undefined || irVersion < 1) return scope.fail('not an ONNX file: it has no graph and version')
  return { irVersion, producer, opsets, metadata, ...graph }
}
