/**
 * What the readers of single operators work with: a node's inputs as values, its attributes, and the net that grows.
 * Not here: what any operator does (constants.ts, layers.ts, shapes.ts, elementwise.ts).
 */
import { LenetError } from '../../base/index.js'
import type { NetNode, NetOp, NetTensor } from '../net.js'
import { asFloat32, type PthArray, type PthTensor } from '../pthTypes.js'
import { shownName } from '../shownName.js'
import type { OnnxAttribute, OnnxNode, OnnxTensor } from './model.js'
import { nodeLabel } from './order.js'
import type { TensorReader } from './tensors.js'

/** A size of a shape: a number, or the number of pictures. */
export type Size = number | 'batch'

/** A value that the net computes. */
export interface NetValue {
  readonly kind: 'net'
  /** The net's node or input. */
  readonly name: string
  /** Without batch; of a picture CHW. */
  readonly shape: readonly number[]
  /** The file holds this picture as [N, H, W, C]. */
  readonly hwc: boolean
  /** Exactly one node reads it. */
  readonly sole: boolean
}

/** A value known without running the net. */
export interface ConstValue {
  readonly kind: 'const'
  readonly name: string
  readonly tensor: PthTensor
}

/** Whole numbers among which is the batch: a list, or one. */
export interface SizesValue {
  readonly kind: 'sizes'
  readonly sizes: readonly Size[]
  readonly scalar: boolean
}

export type Value = NetValue | ConstValue | SizesValue

/** The graph while it is read. */
export interface GraphState {
  readonly file: string
  readonly opset: number
  /** The file was written by this project: nodes keep their names. */
  readonly ours: boolean
  /** The batch size that the file fixes, if it does. */
  readonly batch: number | undefined
  readonly tensors: TensorReader
  /** Values that were met so far; those of initializers come when they are asked for. */
  readonly values: Map<string, Value>
  readonly initializers: ReadonlyMap<string, OnnxTensor>
  /** Nodes that read a value. */
  readonly readers: ReadonlyMap<string, readonly OnnxNode[]>
  readonly outputs: ReadonlySet<string>
  readonly nodes: NetNode[]
  /** Names of inputs and nodes, and how many asked for each. */
  readonly names: Map<string, number>
}

/** A picture's shape as the file has it, without batch. */
export function fileShape({ shape, hwc }: NetValue): readonly number[] {
  return hwc ? [shape[1] ?? 0, shape[2] ?? 0, shape[0] ?? 0] : shape
}

/** Stands for any size beyond. */
const farthest = Number.MAX_SAFE_INTEGER

export function numbersOf(data: PthArray): number[] {
  const numbers: number[] = []
  for (const value of data) numbers.push(Number(value))
  return numbers
}

export const elements = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1)

export interface Emission {
  readonly inputs: readonly NetValue[]
  readonly shape: readonly number[]
  readonly hwc?: boolean
  readonly weights?: ReadonlyMap<string, NetTensor>
  /** The initializer that says the module's name: conv1.weight. */
  readonly weightName?: string
  /** Which of the node's outputs it is; 0 by default. */
  readonly output?: number
}

/** One node and what it reads. */
export class NodeContext {
  readonly node: OnnxNode
  readonly state: GraphState

  constructor(node: OnnxNode, state: GraphState) {
    this.node = node
    this.state = state
  }

  get where(): string {
    return `${this.state.file}, ${nodeLabel(this.node)}`
  }

  fail(reason: string): never {
    throw new LenetError(`${this.where}: ${reason}`)
  }

  /** undefined where the input is left out. */
  input(i: number): Value | undefined {
    const name = this.node.inputs[i] ?? ''
    if (name === '') return undefined
    const { values, initializers, tensors } = this.state
    const known = values.get(name)
    if (known !== undefined) return known
    const initializer = initializers.get(name)
    if (initializer === undefined) return this.fail(`its input ${shownName(name)} is an output that is not known here`)
    const value: ConstValue = { kind: 'const', name, tensor: tensors.read(initializer) }
    values.set(name, value)
    return value
  }

  /** An input that the net computes. */
  net(i = 0): NetValue {
    const value = this.input(i)
    if (value?.kind === 'net') return value
    return this.fail(
      `its input ${i} is ${value === undefined ? 'missing' : 'a constant'}; a value of the net is expected`,
    )
  }

  /** A picture [C, H, W] that the file holds as [N, C, H, W]. */
  picture(): NetValue & { readonly shape: readonly [number, number, number] } {
    const value = this.net()
    const [channels, height, width, ...rest] = value.shape
    if (channels === undefined || height === undefined || width === undefined || rest.length > 0 || value.hwc) {
      return this.fail(`its input is [N, ${fileShape(value).join(', ')}]; pictures [N, C, H, W] are expected`)
    }
    return { ...value, shape: [channels, height, width] }
  }

  constant(i: number): ConstValue | undefined {
    const value = this.input(i)
    if (value === undefined || value.kind === 'const') return value
    return this.fail(`its input ${i} is computed; weights in the file are expected`)
  }

  /** A constant of floats, as float32. */
  weights(i: number, what: string): NetTensor & { readonly name: string } {
    const found = this.constant(i) ?? this.fail(`its ${what} is missing`)
    const { dtype, shape } = found.tensor
    if (!dtype.startsWith('f') && dtype !== 'bf16') {
      this.fail(`its ${what} (${shownName(found.name)}) is ${dtype}; floats are expected`)
    }
    return { name: found.name, shape, data: asFloat32(found.tensor) }
  }

  /** A list of whole numbers, or one, among which may be the batch. */
  sizes(i: number, what: string): Size[] {
    const value = this.input(i)
    if (value?.kind === 'sizes') return [...value.sizes]
    if (value?.kind !== 'const')
      return this.fail(`its ${what} is ${value === undefined ? 'missing' : 'computed'}; it must be in the file`)
    const { dtype, shape, data } = value.tensor
    if (dtype !== 'i64' && dtype !== 'i32') this.fail(`its ${what} is ${dtype}; whole numbers are expected`)
    if (shape.length > 1 || data.length > 1000)
      this.fail(`its ${what} is [${shape.join(', ')}]; a short list is expected`)
    return numbersOf(data).map((size) => Math.max(Math.min(size, farthest), -farthest))
  }

  /** As `sizes`, without the batch. */
  numbers(i: number, what: string): number[] {
    return this.sizes(i, what).map((size) => (size === 'batch' ? this.fail(`its ${what} depends on the batch`) : size))
  }

  /** A float constant of one item. */
  scalar(i: number, what: string): number {
    const { data } = this.weights(i, what)
    return data.length === 1 ? (data[0] ?? 0) : this.fail(`its ${what} has ${data.length} numbers; one is expected`)
  }

  /** A constant of one item, whole or not, as the shortest number that it can mean. */
  limit(i: number, what: string): number {
    const tensor = this.constant(i)?.tensor ?? this.fail(`its ${what} is missing`)
    const [value, ...more] = asFloat32(tensor)
    if (value === undefined || more.length > 0 || Number.isNaN(value)) this.fail(`its ${what} is no number`)
    return Number.isFinite(value) ? shortest(value) : value
  }

  attribute(name: string): OnnxAttribute | undefined {
    return this.node.attributes.get(name)
  }

  int(name: string, missing: number): number {
    return this.attribute(name)?.i ?? missing
  }

  float(name: string, missing: number): number {
    const value = this.attribute(name)?.f ?? missing
    return Number.isFinite(value) ? shortest(value) : this.fail(`its ${name} is ${value}`)
  }

  text(name: string, missing: string): string {
    return this.attribute(name)?.s ?? missing
  }

  ints(name: string): readonly number[] | undefined {
    return this.attribute(name)?.ints
  }

  /** Two positive numbers; `missing` twice where there are none. */
  pair(name: string, missing: number): [number, number] {
    const [first = missing, second = missing, ...rest] = this.ints(name) ?? []
    const right = [first, second].every((size) => Number.isSafeInteger(size) && size > 0 && size < 2 ** 31)
    return right && rest.length === 0
      ? [first, second]
      : this.fail(`its ${name} is [${this.ints(name)?.slice(0, 8).join(', ')}]`)
  }

  /** An axis counted from the front, 1 or more (0 is the batch); `rank` counts the batch. */
  axis(axis: number, rank: number): number {
    const found = axis < 0 ? axis + rank : axis
    if (found < 0 || found >= rank) this.fail(`axis ${axis} of a value of ${rank} dimensions`)
    return found > 0 ? found : this.fail('it works along the batch, which is not known here')
  }

  /** Gives the node's output a value. */
  give(value: Value, output = 0): void {
    this.state.values.set(this.node.outputs[output] ?? '', value)
  }

  /** The output is the input under another name or another view of it. */
  alias(value: NetValue, hwc = value.hwc): void {
    this.give({ ...value, hwc, sole: value.sole && this.#isSole() })
  }

  /** Adds a node to the net; its value is this node's output. */
  emit(op: NetOp, emission: Emission): NetValue {
    const { inputs, shape, hwc = false, weights = new Map(), weightName, output = 0 } = emission
    const name = this.#unique(
      this.state.ours ? shownName(this.node.name) : (moduleName(weightName, this.node) ?? op.op),
    )
    const bad = shape.find((size) => !Number.isSafeInteger(size) || size < 1)
    if (bad !== undefined || elements(shape) > 2 ** 40) this.fail(`its output would be [N, ${shape.join(', ')}]`)
    this.state.nodes.push({ ...op, name, inputs: inputs.map((input) => input.name), weights })
    const value: NetValue = { kind: 'net', name, shape, hwc, sole: this.#isSole(output) }
    this.give(value, output)
    return value
  }

  /** Puts another node in the place of the one that gives `value`. */
  replace(value: NetValue, change: (node: NetNode) => NetNode): void {
    const at = this.state.nodes.findLastIndex((node) => node.name === value.name)
    const node = this.state.nodes[at]
    if (node === undefined) return this.fail('it reads a value that is gone')
    this.state.nodes[at] = change(node)
    this.alias(value)
  }

  #isSole(i = 0): boolean {
    const output = this.node.outputs[i] ?? ''
    return this.state.readers.get(output)?.length === 1 && !this.state.outputs.has(output)
  }

  #unique(wanted: string): string {
    const base = wanted === '' ? this.node.op : wanted
    const { names } = this.state
    let count = names.get(base) ?? 0
    let name = count === 0 ? base : `${base}_${count}`
    for (; names.has(name) && count > 0; name = `${base}_${count}`) count++
    names.set(base, count + 1)
    if (name !== base) names.set(name, 1)
    return name
  }
}

/** 0.1 of float32 is 0.10000000149…; the shortest number that float32 does not tell from it is what was meant. */
function shortest(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === Math.fround(value)) return short
  }
  return value
}

/** `conv1.weight` → conv1; PyTorch's `/features/features.0/Conv` → features.0; else nothing. */
function moduleName(weightName: string | undefined, node: OnnxNode): string | undefined {
  if (weightName === undefined) return undefined
  const [, named] = /^([\w.]+)\.weight$/.exec(weightName) ?? []
  if (named !== undefined) return named
  const parts = node.name.startsWith('/') ? node.name.slice(1).split('/').slice(0, -1) : []
  const inner = parts.reduce(
    (path, part) => (part.startsWith(`${path}.`) ? part : path === '' ? part : `${path}.${part}`),
    '',
  )
  return /^[\w.]+$/.test(inner) ? inner : undefined
}
