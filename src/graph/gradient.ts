/**
 * Reverse-mode differentiation: gradients are more graph, made before anything is computed.
 * Not here: the rule of each operation (gradientRules.ts), accumulation into parameters (tensor).
 */
import { LenetError, sameShape, showShape, sizeOf } from '../base/index.js'
import { add, batch, constant, expandLike, unbatch } from './compose.js'
import { withoutGrad } from './gradMode.js'
import { gradientRules } from './gradientRules.js'
import type { Makers } from './gradientRules.js'
import type { Node } from './node.js'
import type { OpName } from './ops.js'

/** All nodes that a gradient of `loss` flows through, each before its inputs: ids grow from inputs to results. */
function gradientPath(loss: Node): Node[] {
  const seen = new Set<Node>([loss])
  for (const node of seen) for (const input of node.inputs) if (input.requiresGrad) seen.add(input)
  return [...seen].sort((a, b) => b.id - a.id)
}

/** The gradient to start with, in the shape and layout of the loss. */
function seedFor(loss: Node, seed: Node | undefined): Node {
  if (!seed) {
    if (sizeOf(loss.shape) !== 1)
      throw new LenetError(
        `backward: expects a loss of one value, got ${showShape(loss.shape)}; sum or average it, or give its gradient`,
      )
    return expandLike(constant(1), loss)
  }
  if (!sameShape(seed.shape, loss.shape))
    throw new LenetError(
      `backward: expects a gradient of shape ${showShape(loss.shape)}, as the loss, got ${showShape(seed.shape)}`,
    )
  return loss.layout === 'lanes' ? batch(seed) : unbatch(seed)
}

function makersOf<K extends OpName>(node: Node<K>, g: Node): Makers {
  return gradientRules[node.op](node, g)
}

/**
 * The gradients of `loss` with respect to each node of `wrt`, in that node's shape and layout; null where loss does
 * not depend on it through nodes that require grad. `seed`: the gradient of loss itself; default 1, for a loss of one
 * value. Contributions are added in the order of the walk. The results do not require grad.
 */
export function gradients(loss: Node, wrt: readonly Node[], seed?: Node): (Node | null)[] {
  return withoutGrad(() => {
    const found = new Map<Node, Node>()
    if (loss.requiresGrad) found.set(loss, seedFor(loss, seed))
    for (const node of loss.requiresGrad ? gradientPath(loss) : []) {
      const g = found.get(node)
      if (g) contribute(node, g, found)
    }
    return wrt.map((node) => found.get(node) ?? null)
  })
}

function contribute(node: Node, g: Node, found: Map<Node, Node>): void {
  const makers = makersOf(node, g)
  node.inputs.forEach((input, i) => {
    const maker = makers[i]
    if (!input.requiresGrad || !maker) return
    const part = maker()
    const known = found.get(input)
    found.set(input, known ? add(known, part) : part)
  })
}
