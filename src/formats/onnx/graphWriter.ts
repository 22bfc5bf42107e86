/**
 * Collects nodes and initializers of a graph and makes the ModelProto of them. Same net, same bytes.
 * Not here: which nodes an operation becomes (write.ts).
 * Source: onnx/onnx.proto (field numbers).
 */
import { LenetError } from '../../base/index.js'
import { ProtoWriter } from './proto.js'

/** opset 17 of 2022 has LayerNormalization; ir_version 8 goes with it. */
const opset = 17
const irVersion = 8
/** Names of values, nodes and initializers that the net itself does not have. */
export const ownPrefix = 'lenet::'

export type Attributes = Readonly<Record<string, number | string | readonly number[] | { readonly float: number }>>

const attributeTypes = { float: 1, int: 2, text: 3, ints: 7 } as const

function attribute(name: string, value: Attributes[string]): ProtoWriter {
  const writer = new ProtoWriter().text(1, name)
  if (typeof value === 'number') return writer.int(3, value).int(20, attributeTypes.int)
  if (typeof value === 'string') return writer.text(4, value).int(20, attributeTypes.text)
  if ('float' in value) return writer.float(2, value.float).int(20, attributeTypes.float)
  for (const item of value) writer.int(8, item)
  return writer.int(20, attributeTypes.ints)
}

/** An input or output [N, …shape] of float32. */
function valueInfo(name: string, shape: readonly number[]): ProtoWriter {
  const dims = new ProtoWriter().message(1, new ProtoWriter().text(2, 'N'))
  for (const size of shape) dims.message(1, new ProtoWriter().int(1, size))
  const tensor = new ProtoWriter().int(1, 1).message(2, dims)
  return new ProtoWriter().text(1, name).message(2, new ProtoWriter().message(1, tensor))
}

interface NamedShape {
  readonly name: string
  readonly shape: readonly number[]
}

export class GraphWriter {
  readonly #nodes: ProtoWriter[] = []
  readonly #initializers = new Map<string, ProtoWriter>()
  #count = 0

  /** Adds a node; `output` is the name of its value, `name` its own. */
  node(op: string, inputs: readonly string[], output: string, attributes: Attributes = {}, name = output): string {
    const writer = new ProtoWriter()
    for (const input of inputs) writer.text(1, input)
    writer.text(2, output).text(3, name).text(4, op)
    for (const [key, value] of Object.entries(attributes)) writer.message(5, attribute(key, value))
    this.#nodes.push(writer)
    return output
  }

  /** A node whose value the net does not have; gives the value's name. */
  inner(op: string, inputs: readonly string[], attributes: Attributes = {}, name?: string): string {
    const output = `${ownPrefix}value${this.#count++}`
    return this.node(op, inputs, output, attributes, name ?? output)
  }

  /** A float32 initializer; gives its name. */
  floats(name: string, shape: readonly number[], data: Float32Array): string {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    return this.#initializer(name, 1, shape, bytes)
  }

  /** A float32 initializer of one number. */
  scalar(value: number): string {
    return this.floats(`${ownPrefix}${value}`, [], Float32Array.of(value))
  }

  /** An int64 initializer: a list of sizes. */
  sizes(sizes: readonly number[]): string {
    const data = BigInt64Array.from(sizes, BigInt)
    return this.#initializer(`${ownPrefix}[${sizes.join(',')}]`, 7, [sizes.length], new Uint8Array(data.buffer))
  }

  #initializer(name: string, type: number, shape: readonly number[], bytes: Uint8Array): string {
    const writer = new ProtoWriter()
    for (const size of shape) writer.int(1, size)
    this.#initializers.set(name, writer.int(2, type).text(8, name).blob(9, bytes))
    return name
  }

  /** The file. `metadata` are texts by name. */
  model(
    inputs: readonly NamedShape[],
    outputs: readonly NamedShape[],
    metadata: readonly (readonly [string, string])[],
  ): Uint8Array {
    const graph = new ProtoWriter()
    for (const node of this.#nodes) graph.message(1, node)
    graph.text(2, 'lenet')
    for (const initializer of this.#initializers.values()) graph.message(5, initializer)
    for (const { name, shape } of inputs) graph.message(11, valueInfo(name, shape))
    for (const { name, shape } of outputs) graph.message(12, valueInfo(name, shape))
    const model = new ProtoWriter().int(1, irVersion).text(2, 'lenet').message(7, graph)
    model.message(8, new ProtoWriter().text(1, '').int(2, opset))
    for (const [key, value] of metadata) model.message(14, new ProtoWriter().text(1, key).text(2, value))
    const bytes = model.bytes()
    if (bytes.length < 2 ** 31) return bytes
    throw new LenetError(`an ONNX file of ${bytes.length} bytes cannot be written; below 2 GiB it can`)
  }
}
