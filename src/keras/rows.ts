/**
 * Rows of what people train on: batches are gathered by index from tables that lie in the device's memory once, and what
 * was computed from them element by element (`images.div(255)`) is computed batch by batch, behind the gathering: bytes
 * stay bytes. Pictures come out as [N, C, H, W], whatever order the tables have.
 * Not here: which indices (run.ts), labels (labels.ts).
 */
import { LenetError, type HostArray, type Shape, isArrayOf } from '../base/index.js'
import { ops, read, residentBytes, residentLeaf, Tensor, type Node } from '../tensor/index.js'

/** Indices of a batch, shifted where only a part of a table is used. One leaf for all tables. */
export class Places {
  readonly #index: Int32Array<ArrayBuffer>
  readonly #leaves = new Map<number, Node>()

  constructor(index: Int32Array<ArrayBuffer>) {
    this.#index = index
  }

  from(start: number): Node {
    const known = this.#leaves.get(start)
    if (known) return known
    const index = start === 0 ? this.#index : this.#index.map((i) => i + start)
    const leaf = ops.batch(ops.hostLeaf(index, [index.length], 'i32'))
    this.#leaves.set(start, leaf)
    return leaf
  }
}

/** The rows of a batch as a node. */
type Gather = (places: Places) => Node

const tables = new WeakMap<object, Map<string, Node>>()

/** Values in another order of dimensions, for a table: rows stay rows. */
function permuted(data: HostArray, shape: Shape, dims: readonly number[], into: HostArray): HostArray {
  const steps = shape.map((_, i) => shape.slice(i + 1).reduce((product, size) => product * size, 1))
  const sizes = dims.map((dim) => shape[dim] ?? 1)
  const jumps = dims.map((dim) => steps[dim] ?? 1)
  const row = rowOrder(sizes.slice(1), jumps.slice(1))
  const [count = 0] = sizes
  for (let n = 0, at = 0; n < count; n++) {
    const start = n * row.length
    for (let i = 0; i < row.length; i++) into[at++] = data[start + (row[i] ?? 0)] ?? 0
  }
  return into
}

/** Where each value of a permuted row lies in the row. */
function rowOrder(sizes: readonly number[], jumps: readonly number[]): Int32Array {
  let order = Int32Array.of(0)
  sizes.forEach((size, d) => {
    const longer = new Int32Array(order.length * size)
    for (let i = 0; i < longer.length; i++)
      longer[i] = (order[Math.floor(i / size)] ?? 0) + (i % size) * (jumps[d] ?? 0)
    order = longer
  })
  return order
}

const isPlain = (dims: readonly number[]): boolean => dims.every((dim, i) => dim === i)

/** A table of the node's values: itself where it lies in the device's memory already. */
function tableOf(node: Node, dims: readonly number[]): Node {
  if (isPlain(dims) && node.op === 'leaf' && node.storage?.kind === 'device') return node
  const key = dims.join()
  const data = read(node)
  const known = tables.get(node.storage ?? node) ?? new Map<string, Node>()
  tables.set(node.storage ?? node, known)
  const table = known.get(key) ?? makeTable(data, node, dims)
  known.set(key, table)
  return table
}

function makeTable(data: HostArray, { shape, dtype }: Node, dims: readonly number[]): Node {
  const into = isArrayOf('Uint8Array', data) ? residentBytes(data.length) : data.slice()
  if (isPlain(dims)) into.set(data)
  else permuted(data, shape, dims, into)
  return residentLeaf(
    dims.map((dim) => shape[dim] ?? 1),
    dtype,
    into,
  )
}

/** An operand that is the same for all rows, in the order of the permuted rows. */
function constantRows(node: Node, rank: number, dims: readonly number[]): Node {
  const values = read(node)
  if (values.length === 1 && node.dtype === 'f32') return ops.constant(values[0] ?? 0)
  const shape = [...Array<number>(rank - node.shape.length).fill(1), ...node.shape]
  const moved = permuted(values, shape, dims, values.slice())
  const sizes = dims.slice(1).map((dim) => shape[dim] ?? 1)
  return ops.hostLeaf(moved, sizes, node.dtype)
}

/** A slice of rows only: its first row; else undefined. */
function rowsFrom(node: Node): number | undefined {
  const [source] = node.inputs
  if (!ops.isOp(node, 'slice') || !source) return undefined
  const { starts, ends } = node.attrs
  const isWhole = source.shape.every((size, i) => i === 0 || (starts[i] === 0 && ends[i] === size))
  return isWhole ? (starts[0] ?? 0) : undefined
}

/** Rows of permute(node, dims), with `start` added to the indices. */
function gatherOf(node: Node, dims: readonly number[], start: number): Gather {
  const [source] = node.inputs
  if (!node.storage && source) {
    const first = rowsFrom(node)
    if (first !== undefined) return gatherOf(source, dims, start + first)
    if (ops.isOp(node, 'permute') && node.attrs.dims[0] === 0) {
      const inner = node.attrs.dims
      return gatherOf(
        source,
        dims.map((dim) => inner[dim] ?? 0),
        start,
      )
    }
    // an expansion may be what makes the rows
    if (ops.isElementwise(node) && node.op !== 'expand') return elementsOf(node, dims, start)
    if (node.op === 'reshape' && isPlain(dims) && source.shape[0] === node.shape[0])
      return reshapeOf(node, source, start)
  }
  const table = tableOf(node, dims)
  return (places) => ops.gatherRows(table, places.from(start))
}

function elementsOf(node: Node, dims: readonly number[], start: number): Gather {
  const rank = node.shape.length
  const inputs = node.inputs.map((input): Gather => {
    if (input.shape.length === rank && input.shape[0] === node.shape[0]) {
      // Sizes of 1 are broadcast inside too: the order of dimensions is the same.
      return gatherOf(input, dims, start)
    }
    const same = constantRows(input, rank, dims)
    return () => same
  })
  return (places) =>
    ops.make(
      node.op,
      node.attrs,
      inputs.map((gather) => gather(places)),
    )
}

function reshapeOf(node: Node, source: Node, start: number): Gather {
  const plain = source.shape.map((_, i) => i)
  const gather = gatherOf(source, plain, start)
  return (places) => {
    const rows = gather(places)
    return ops.reshape(rows, [rows.shape[0] ?? 0, ...node.shape.slice(1)])
  }
}

export class Rows {
  readonly length: number
  /** Sizes of a row as people see them: [height, width, channels]. */
  readonly sizes: Shape
  readonly #start: number
  readonly #node: Node
  readonly #gather: Gather

  /** Rows `start` … `end` - 1 of `x`. */
  constructor(x: Tensor, start = 0, end = x.dim() > 0 ? x.size(0) : 0) {
    const [, ...sizes] = x.shape
    if (x.dim() === 0)
      throw new LenetError('fit, evaluate and predict take a tensor with one row a picture, got a single number')
    this.length = end - start
    this.sizes = sizes
    this.#start = start
    this.#node = ops.unbatch(x.node)
    const dims = sizes.length === 3 ? [0, 3, 1, 2] : x.shape.map((_, i) => i)
    this.#gather = gatherOf(this.#node, dims, start)
  }

  /** The first or last part. */
  part(from: number, to: number): Rows {
    return new Rows(new Tensor(this.#node), this.#start + from, this.#start + to)
  }

  /** [N, …]; pictures as [N, C, H, W]. */
  at(places: Places): Tensor {
    return new Tensor(this.#gather(places))
  }
}
