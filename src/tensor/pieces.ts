/**
 * Large batches, computed some pictures at a time where nothing is learnt and no picture knows of the others: what a run takes
 * then depends on the net, not on the batch.
 * Not here: when a graph is computed (runtime.ts), what a run takes (bound.ts), plans that go by pictures themselves
 * (compiler/schedule/atOnce.ts).
 */
import { hostArray, sizeOf, type HostArray } from '../base/index.js'
import { endsInPlain, hasLargePictures } from '../compiler/index.js'
import { createNode, hostLeaf, type HostStorage, type Node } from '../graph/index.js'
import { fewPictures, type BoundPlan } from './plans.js'
import type { Structure } from './structure.js'
import { isShortage } from './shortage.js'
import { isHost, Resident, Saved, storageOf, valuesOf } from './storage.js'
import { device } from './current.js'

/** What a run may take before its batch is cut, of the memory that there is. */
const share = 1 / 8

/** Whether a run of the plan would take so much that its batch should be cut. */
export function isLarge({ batch }: Structure, targets: readonly Node[], plan: BoundPlan): boolean {
  if (batch < 2 || targets.some(({ requiresGrad }) => requiresGrad)) return false
  return plan.bytesFor(batch) > device().memory.limitBytes * share
}

/** So many numbers of a picture are little beside what they are made of. */
const littleNumbers = 2 ** 14

/**
 * What sums over a large batch are made of, where that should be computed first, a few pictures at a time, since a plan with
 * the sums has to see all pictures; null where there is no such thing.
 */
export function endsApart({ batch, order }: Structure, targets: readonly Node[]): Node[] | null {
  if (batch <= fewPictures() || targets.some(({ requiresGrad }) => requiresGrad) || !hasLargePictures(order))
    return null
  if (!order.some(endsInPlain)) return null
  const ends = endsOf(order, targets)
  return ends?.length && ends.every((end) => restOf(end) <= littleNumbers) ? ends : null
}

/**
 * Gives values to the nodes of a batch that what is to be computed ends in, piece by piece. False where there are none, or
 * pictures depend on one another.
 * @param compute computes nodes
 */
export function computeInPieces(
  { batch, order }: Structure,
  targets: readonly Node[],
  plan: BoundPlan,
  compute: (nodes: readonly Node[]) => void,
): boolean {
  const ends = endsOf(order, targets)
  const below = ends && batchNodes(ends)
  if (!below || below.size === 0) return false
  // what becomes a batch is there as a whole
  compute([...below].flatMap(({ op, inputs: [from] }) => (op === 'batch' && from && !from.storage ? [from] : [])))
  const results = ends.map((end) => hostArray(end.dtype, sizeOf(end.shape)))
  const slicer = new Slicer(below)
  let size = pieceOf(plan, batch)
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
  ends.forEach((end, i) => (end.storage = new Saved(results[i] as HostArray, 1)))
  return true
}

/** Pictures of a piece: as many as take no more than they should, in pieces of about one size. */
function pieceOf(plan: BoundPlan, batch: number): number {
  const most = device().memory.limitBytes * share
  let size = batch
  while (size > 1 && plan.bytesFor(size) > most) size = Math.ceil(size / 2)
  const whole = Math.ceil(batch / Math.ceil(batch / size) / 16) * 16
  return Math.min(batch, size < 16 ? size : whole)
}

const isOpen = (node: Node): boolean => node.storage === null && node.layout !== 'plain'

/** Nodes of a batch that are asked for, or that something plain is made of; null where there is anything but pictures. */
function endsOf(order: readonly Node[], targets: readonly Node[]): Node[] | null {
  const ends = new Set(targets.filter(isOpen))
  for (const node of order) {
    if (node.layout !== 'plain' || node.storage) continue
    for (const input of node.inputs) if (isOpen(input)) ends.add(input)
  }
  return [...ends].every(({ layout }) => layout === 'lanes') ? [...ends] : null
}

/** The ends and all of the batch that they are made of, inputs first; null where pictures depend on one another. */
function batchNodes(ends: readonly Node[]): Set<Node> | null {
  const found = new Set(ends)
  for (const node of found) {
    if (node.storage) continue
    if (node.layout !== 'lanes' || node.requiresGrad || node.op === 'random') return null
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
  /** Values that are cut, row-major. */
  readonly #values = new Map<Node, HostArray>()
  #first = 0
  #count = 0
  #made = new Map<Node, Node>()

  constructor(nodes: ReadonlySet<Node>) {
    this.#nodes = nodes
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
    const leaf = createNode('leaf', {}, [], { ...node, shape: this.#shape(node) }, false)
    const data = this.#cut(node)
    const host: HostStorage = { kind: 'host', data }
    leaf.storage = node.storage && isHost(node.storage) ? host : new Saved(data, 1)
    return leaf
  }

  /** Some rows of a plain value. */
  #rows(node: Node): Node {
    const storage = storageOf(node)
    if (!(storage instanceof Resident)) return hostLeaf(this.#cut(node), this.#shape(node), node.dtype)
    const leaf = createNode('leaf', {}, [], { ...node, shape: this.#shape(node) }, false)
    const bytes = restOf(node) * (node.dtype === 'u8' ? 1 : 4)
    leaf.storage = new Resident(storage.region, storage.offset + this.#first * bytes)
    return leaf
  }
}
