/**
 * Checkpoints (Chen et al. 2016): values of a part of a net that are not kept for its gradients, which compute them anew
 * from what went in. A value computed anew is another node, so nothing takes the one for the other; what belongs to no batch
 * (statistics of channels, scales) is small and kept.
 * Not here: gradients themselves (gradient.ts), when what is computed anew has its turn (compiler/schedule).
 */
import { sameShape } from '../base/index.js'
import { kindOf } from './kind.js'
import { newWalk, nodeOf, type Node } from './node.js'

/**
 * Marks all of a batch that lies between `output` and the nodes up to number `from` as not to be kept. Nothing where no gradient
 * will be asked for.
 */
export function checkpoint(output: Node, from: number): void {
  if (!output.requiresGrad) return
  if (output.companion && output.id > from) output.companion.isPassing = true
  const walk = newWalk()
  const open = [output]
  for (let node = open.pop(); node; node = open.pop())
    for (const input of node.inputs) {
      if (input.id <= from || input.walk === walk) continue
      input.walk = walk
      open.push(input)
      if (input.layout !== 'batch' || input.op === 'leaf') continue
      input.isPassing = true
      if (input.companion) input.companion.isPassing = true
    }
}

/** The node that a checkpoint reads under another name; other nodes are themselves. */
export function unaliased(node: Node): Node {
  const [source] = node.inputs
  return node.op === 'reshape' && source && sameShape(node.shape, source.shape) ? source : node
}

/** Whether a gradient that reads the value must compute it anew. */
const isGone = ({ isPassing, storage }: Node): boolean => isPassing && storage === null

/** What the gradients of one loss compute anew: each value once. */
export class Recomputed {
  readonly #made = new Map<Node, Node>()
  readonly #aliases = new Map<Node, Node>()

  /**
   * The node as its gradient's rule may read it: the one that computes it anew, or itself, with inputs that are there. Whoever
   * asks gives it its own inputs back.
   */
  readable(node: Node): Node {
    if (isGone(node)) return this.#of(node)
    if (!node.inputs.some(isGone)) return node
    if (node.companion) return this.#anew(node) // which has its own, of the same input
    node.inputs = node.inputs.map((input) => this.#of(input))
    return node
  }

  #of(node: Node): Node {
    return isGone(node) ? this.#anew(node) : node
  }

  #anew(node: Node): Node {
    if (!this.#made.has(node)) for (const gone of this.#below(node)) this.#make(gone)
    return this.#made.get(node) ?? node
  }

  /** The node and what it is made of, as far as that must be made anew and was not, inputs first. */
  #below(node: Node): Node[] {
    const found = new Set([node])
    for (const one of found)
      for (const input of one.inputs) if (isGone(input) && !this.#made.has(input)) found.add(input)
    // ids grow from inputs to results
    return [...found].sort((a, b) => a.id - b.id)
  }

  #make(node: Node): void {
    if (this.#made.has(node)) return
    const inputs = node.inputs.map((input) => this.#input(input))
    const made = this.#like(node, inputs)
    if (node.op !== 'maxPool2d' || !node.companion) return
    made.companion = this.#like(node.companion, inputs)
    made.companion.companion = made
  }

  #like(node: Node, inputs: readonly Node[]): Node {
    const made = nodeOf(node.op, node.attrs, inputs, node.kind, false)
    made.isAnew = true
    this.#made.set(node, made)
    return made
  }

  /** What goes in is read under another name, so that what was derived from it (padded copies) is not kept for this too. */
  #input(input: Node): Node {
    if (isGone(input)) return this.#of(input)
    if (input.layout !== 'batch') return input
    const known = this.#aliases.get(input)
    if (known) return known
    const alias = nodeOf('reshape', {}, [input], kindOf('reshape', {}, 1, input), false)
    this.#aliases.set(input, alias)
    return alias
  }
}
