/**
 * The structure of what is to be computed, by which its plan is found: one walk over the graph, from the targets to nodes that
 * have values. Not here: plans (plans.ts).
 */
import { awaitsGradient } from '../compiler/index.js'
import type { Backend } from '../device/index.js'
import { newWalk, type Node } from '../graph/index.js'
import { backend } from './current.js'
import { backendWith, isHost, isLost, put, Stale } from './storage.js'

/** A graph as numbers: for each node (inputs first) what it is and which nodes it reads, then the targets. */
export interface Structure {
  readonly order: readonly Node[]
  /** Good until the next walk. */
  readonly key: Int32Array
  readonly hash: number
  /** The size of the batches met, 1 where there is none; one plan has one. */
  readonly batch: number
  /** Batches of another size were met too. */
  readonly mixed: boolean
  /** Where its values lie, or would. */
  readonly backend: Backend
}

const codeOf = (node: Node): number => {
  const { signature } = node.kind
  if (node.storage) return -(4 * signature + (isHost(node.storage) ? 1 : 0))
  const memory = 2 * Number(node.isPassing) + Number(node.isAnew)
  return 16 * signature + 4 * memory + 2 * Number(node.isOutput) + Number(node.op === 'maxPool2d' && node.requiresGrad)
}

/**
 * Whether a value that a later run of its plan overwrote can be computed anew: all that it comes from is still there.
 * So it is with a batch whose gradients wait while another batch runs.
 */
function canRecompute(lost: Node): boolean {
  const seen = new Set([lost])
  for (const node of seen) {
    if (node.storage instanceof Stale) return false
    if (node.storage && !isLost(node)) continue
    if (node.inputs.length === 0 && node.op !== 'const') return false
    for (const input of node.inputs) seen.add(input)
  }
  return true
}

/** Takes the storage from a node whose values are gone, if they can be computed anew. */
export function forgetLost(node: Node): void {
  if (isLost(node) && canRecompute(node)) node.storage = null
}

/** One walk over a graph. There is one at a time, so all share the memory of the key. */
class Walk {
  static #key = new Int32Array(4096)
  readonly #number = newWalk()
  readonly order: Node[] = []
  /** Through values too, as far as gradients flow. */
  readonly #deep: boolean
  #length = 0
  #hash = 0
  #batch = -1
  #mixed = false
  #backend: Backend | null = null

  constructor(deep: boolean) {
    this.#deep = deep
  }

  structure(): Structure {
    const batch = this.#batch < 0 ? 1 : this.#batch
    const key = Walk.#key.subarray(0, this.#length)
    return { order: this.order, key, hash: this.#hash, batch, mixed: this.#mixed, backend: this.#backend ?? backend() }
  }

  target(node: Node): void {
    if (node.walk !== this.#number) this.#visit(node)
    this.#put(awaitsGradient(node) ? -2 : -1)
    this.#put(node.place)
  }

  /** Inputs first. Nodes under way are kept here: a deep net's graph is deeper than JavaScript's stack. */
  #visit(target: Node): void {
    const open: Node[] = []
    const next: number[] = []
    const enter = (node: Node): void => {
      this.#enter(node)
      open.push(node)
      next.push(0)
    }
    enter(target)
    for (let top = 0; top >= 0; top = open.length - 1) {
      const node = open[top] as Node
      const below = this.#below(node, next[top]!++)
      if (below === undefined) {
        this.#leave(node)
        open.pop()
        next.pop()
      } else if (below && below.walk !== this.#number) enter(below)
    }
  }

  #enter(node: Node): void {
    node.walk = this.#number
    if (node.op === 'leaf' && node.requiresGrad && node.storage && isHost(node.storage))
      node.storage = put(this.#backend ?? backend(), node.storage.data)
    if (node.storage) forgetLost(node)
    this.#backend = backendWith(this.#backend, node)
  }

  #inputsOf(node: Node): readonly Node[] {
    return node.storage && !(this.#deep && node.requiresGrad) ? noInputs : node.inputs
  }

  /** The i-th node to meet before this one: an input, or what a max-pool remembers; undefined behind the last. */
  #below(node: Node, i: number): Node | null | undefined {
    const inputs = this.#inputsOf(node)
    if (i < inputs.length) return inputs[i]
    return i === inputs.length && this.#deep ? remembered(node) : undefined
  }

  #leave(node: Node): void {
    if (this.#deep) this.#deepen(node)
    if (node.layout !== 'plain') this.#meet(node.shape[0] ?? 1)
    this.#put(codeOf(node))
    const inputs = this.#inputsOf(node)
    for (let i = 0; i < inputs.length; i++) this.#put((inputs[i] as Node).place)
    node.place = this.order.push(node) - 1
  }

  /** On what the gradient depends besides: whether there is one, and what a max-pool remembers. */
  #deepen(node: Node): void {
    this.#put(node.requiresGrad ? 1 : 0)
    this.#put(remembered(node)?.place ?? -1)
  }

  #meet(batch: number): void {
    if (this.#batch < 0) this.#batch = batch
    else if (this.#batch !== batch) this.#mixed = true
  }

  #put(word: number): void {
    if (this.#length === Walk.#key.length) {
      const longer = new Int32Array(2 * this.#length)
      longer.set(Walk.#key)
      Walk.#key = longer
    }
    Walk.#key[this.#length++] = word
    this.#hash = (Math.imul(this.#hash, 31) + word) | 0
  }
}

const noInputs: readonly Node[] = []

const remembered = ({ op, companion }: Node): Node | null => (op === 'maxPool2d' ? companion : null)

/**
 * Walks from the targets to nodes that have values, `deep` also to everything that gradients of the targets depend on.
 * Parameters are moved to the device for good.
 */
export function structureOf(targets: readonly Node[], deep = false): Structure {
  const walk = new Walk(deep)
  for (const target of targets) walk.target(target)
  return walk.structure()
}

export const sameKey = (a: Int32Array, b: Int32Array): boolean => {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
