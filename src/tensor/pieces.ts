/**
 * Large batches, computed some pictures at a time where nothing is learnt and no picture knows of the others: what a run takes
 * then depends on the net, not on the batch.
 * Not here: when a graph is computed (runtime.ts), how large a piece is (device).
 */
import { hostArray, sizeOf, type HostArray } from '../base/index.js'
import { isShortage, type Backend } from '../device/index.js'
import { createNode, hostLeaf, type HostStorage, type Node } from '../graph/index.js'
import type { Structure } from './structure.js'
import { bytesIn, isHost, leafOver, put, Stored, valuesOf } from './storage.js'

/** Whether the batch may be cut, so that the result is the same: there is more than one picture, and nothing is learnt. */
export const canCut = ({ batch }: Structure, targets: readonly Node[]): boolean =>
  batch > 1 && targets.every(({ requiresGrad }) => !requiresGrad)

/** So many numbers of a picture are little beside what they are made of. */
const littleNumbers = 2 ** 14

/** What sums over a batch are made of, where the backend wants that to be computed first; null where there is no such thing. */
export function endsBefore(structure: Structure, targets: readonly Node[]): Node[] | null {
  const { batch, order, backend } = structure
  if (!canCut(structure, targets) || backend.endsApart?.({ order, targets }, batch) !== true) return null
  const ends = endsOf(order, targets)
  return ends?.length && ends.every((end) => restOf(end) <= littleNumbers) ? ends : null
}

/**
 * Gives values to the nodes of a batch that what is to be computed ends in, piece by piece. False where there are none, or
 * pictures depend on one another.
 * @param piece pictures of a piece
 * @param compute computes nodes
 */
export function computeInPieces(
  { batch, order, backend }: Structure,
  targets: readonly Node[],
  piece: number,
  compute: (nodes: readonly Node[]) => void,
): boolean {
  const ends = endsOf(order, targets)
  const below = ends && batchNodes(ends)
  if (!below || below.size === 0) return false
  // what becomes a batch is there as a whole
  compute([...below].flatMap(({ op, inputs: [from] }) => (op === 'batch' && from && !from.storage ? [from] : [])))
  const results = ends.map((end) => hostArray(end.dtype, sizeOf(end.shape)))
  const slicer = new Slicer(below, backend)
  let size = piece
  for (let first = 0; first < batch;) {
    const count = Math.min(size, batch - first)
    try {
      const some = slicer.slice(ends, first, count)
      compute(some)
      some.forEach((end, i) => results[i]?.set(valuesOf(end), first * restOf(end)))
      first += count
    } catch (error) {
      if (!isShortage(error) || size === 1) throw error
      size = Math.ceil(size / 2)
    }
  }
  ends.forEach((end, i) => (end.storage = put(backend, results[i] as HostArray)))
  return true
}

const isOpen = (node: Node): boolean => node.storage === null && node.layout !== 'plain'

/** Nodes of a batch that are asked for, or that something plain is made of; null where there is anything but pictures. */
function endsOf(order: readonly Node[], targets: readonly Node[]): Node[] | null {
  const ends = new Set(targets.filter(isOpen))
  for (const node of order) {
    if (node.layout !== 'plain' || node.storage) continue
    for (const input of node.inputs) if (isOpen(input)) ends.add(input)
  }
  return [...ends].every(({ layout }) => layout === 'batch') ? [...ends] : null
}

/** The ends and all of the batch that they are made of, inputs first; null where pictures depend on one another. */
function batchNodes(ends: readonly Node[]): Set<Node> | null {
  const found = new Set(ends)
  for (const node of found) {
    if (node.storage) continue
    if (node.layout !== 'batch' || node.requiresGrad || node.op === 'random') return null
    for (const input of node.inputs) {
      if (input.layout !== 'plain') found.add(input)
      else if (node.op !== 'batch' && knowsBatch(input)) return null
    }
  }
  return found
}

/** Whether something plain is computed from pictures. */
function knowsBatch(node: Node): boolean {
  const seen = new Set([node])
  for (const one of seen) {
    if (one.layout !== 'plain') return true
    if (!one.storage) for (const input of one.inputs) seen.add(input)
  }
  return false
}

const restOf = ({ shape }: Node): number => sizeOf(shape.slice(1))

/** Makes the same graph for some of the pictures. */
class Slicer {
  readonly #nodes: ReadonlySet<Node>
  readonly #backend: Backend
  /** Values that are cut, row-major. */
  readonly #values = new Map<Node, HostArray>()
  #first = 0
  #count = 0
  #made = new Map<Node, Node>()

  constructor(nodes: ReadonlySet<Node>, backend: Backend) {
    this.#nodes = nodes
    this.#backend = backend
  }

  slice(ends: readonly Node[], first: number, count: number): Node[] {
    this.#first = first
    this.#count = count
    this.#made = new Map()
    // inputs have smaller numbers than what is made of them
    for (const node of [...this.#nodes].sort((a, b) => a.id - b.id)) this.#made.set(node, this.#part(node))
    return ends.map((end) => this.#made.get(end) as Node)
  }

  #part(node: Node): Node {
    if (node.storage) return this.#leaf(node)
    const [from] = node.inputs
    const inputs = node.op === 'batch' && from ? [this.#rows(from)] : node.inputs.map((x) => this.#made.get(x) ?? x)
    const made = createNode(node.op, node.attrs, inputs, { ...node, shape: this.#shape(node) }, false)
    made.isOutput = node.isOutput
    return made
  }

  #shape = ({ shape }: Node): number[] => [this.#count, ...shape.slice(1)]

  #cut(node: Node): HostArray {
    let values = this.#values.get(node)
    if (!values) this.#values.set(node, (values = valuesOf(node)))
    const rest = restOf(node)
    return values.subarray(this.#first * rest, (this.#first + this.#count) * rest)
  }

  /** Values of a batch. */
  #leaf(node: Node): Node {
    const data = this.#cut(node)
    const host: HostStorage = { kind: 'host', data }
    const isOnHost = node.storage !== null && isHost(node.storage)
    return leafOver({ ...node, shape: this.#shape(node) }, isOnHost ? host : put(this.#backend, data), false)
  }

  /** Some rows of a plain value. */
  #rows(node: Node): Node {
    const { storage } = node
    const type = { ...node, shape: this.#shape(node) }
    if (!(storage instanceof Stored) || !storage.buf.stays) return hostLeaf(this.#cut(node), type.shape, node.dtype)
    const row = bytesIn({ ...node, shape: node.shape.slice(1) })
    return leafOver(type, new Stored(storage.backend, storage.buf, storage.at + this.#first * row), false)
  }
}
