/**
 * The books that every scheduler keeps: which values there are and where, which kernels, who uses what.
 * Not here: what any operation asks for (compute.ts, fewTable.ts), what is fused (scheduler.ts, few.ts).
 */
import type { Node, NodeType } from '../../graph/index.js'
import { allocFor, type Alloc, type ScheduledKernel, type Value } from '../kernel.js'

export abstract class Ledger {
  readonly lanes: number
  readonly kernels: ScheduledKernel[] = []
  readonly values = new Map<Node, Value>()
  readonly allWords: Value[] = []
  readonly #users = new Map<Node, Node[]>()
  readonly #targets: ReadonlySet<Node>
  /** Auxiliary values (row pictures, lists, re-laid weights) by what they are made of. */
  readonly #shared = new Map<string, Value>()

  constructor(order: readonly Node[], targets: readonly Node[], lanes: number) {
    this.lanes = lanes
    this.#targets = new Set(targets)
    for (const node of order) if (!node.storage) for (const input of node.inputs) this.#addUser(input, node)
  }

  /** The node's value in memory; its kernels are scheduled if they were not. */
  abstract value(node: Node): Value

  abstract emit(kernel: ScheduledKernel): void

  input(node: Node, i: number): Value {
    return this.value(inputOf(node, i))
  }

  has(node: Node): boolean {
    return this.values.has(node) || node.storage !== null
  }

  #addUser(input: Node, user: Node): void {
    const known = this.#users.get(input)
    if (known) known.push(user)
    else this.#users.set(input, [user])
  }

  /** Who computes with a node, once for each time, in the order of the graph. */
  usersOf(node: Node): readonly Node[] {
    return this.#users.get(node) ?? none
  }

  usesOf(node: Node): number {
    return this.usersOf(node).length
  }

  isTarget(node: Node): boolean {
    return this.#targets.has(node)
  }

  /** The only use of a node that nobody else sees: it may be computed where it is used and never stored. */
  isPrivate(node: Node, uses = 1): boolean {
    return !this.has(node) && this.usesOf(node) <= uses && !this.isTarget(node)
  }

  newValue(type: NodeType, alloc: Alloc | null, place: Partial<Pick<Value, 'offset' | 'spread'>> = {}): Value {
    const value: Value = { ...type, alloc, offset: 0, ...place, word: this.allWords.length + 1 }
    this.allWords.push(value)
    return value
  }

  /** Memory for a value that no node of the graph has. */
  scratch(type: NodeType): Value {
    return this.newValue(type, allocFor(type, this.lanes))
  }

  /** A value made once for all who need the same. */
  shared(key: string, make: () => Value): Value {
    const known = this.#shared.get(key)
    if (known) return known
    const value = make()
    this.#shared.set(key, value)
    return value
  }
}

const none: readonly Node[] = []

export function inputOf(node: Node, i: number): Node {
  const input = node.inputs[i]
  if (!input) throw new Error(`${node.op} has no input ${i}`)
  return input
}
