/**
 * Reverse-mode differentiation: gradients are more graph, made before anything is computed.
 * Not here: the rule of each operation (gradientRules.ts), accumulation into parameters (tensor).
 */
import { LenetError, sameShape, showShape, sizeOf } from '../base/index.js'
import { add, batch, constant, expandLike, unbatch } from './compose.js'
import { Recomputed } from './checkpoint.js'
import { withoutGrad } from './gradMode.js'
import { gradientRules } from './gradientRules.js'
import type { Makers } from './gradientRules.js'
import { newWalk, type Node } from './node.js'
import type { OpName } from './ops.js'

/** All nodes that a gradient of `loss` flows through, each before its inputs: ids grow from inputs to results. */
function gradientPath(loss: Node): Node[] {
  const walk = newWalk()
  const path = [loss]
  loss.walk = walk
  for (let i = 0; i < path.length; i++) {
    for (const input of path[i]?.inputs ?? []) {
      if (!input.requiresGrad || input.walk === walk) continue
      input.walk = walk
      path.push(input)
    }
  }
  path.sort((a, b) => b.id - a.id)
  path.forEach((node, i) => (node.place = i))
  return path
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
  return loss.layout === 'batch' ? batch(seed) : unbatch(seed)
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
    const path = loss.requiresGrad ? gradientPath(loss) : []
    const found: (Node | undefined)[] = Array.from({ length: path.length })
    if (path.length > 0) found[0] = seedFor(loss, seed)
    const anew = new Recomputed()
    for (let i = 0; i < path.length; i++) {
      const [node, g] = [path[i], found[i]]
      if (node && g) contribute(node, g, found, anew)
    }
    return wrt.map((node) => (path[node.place] === node ? (found[node.place] ?? null) : null))
  })
}

/** `found`: gradients by the node's place in the path. What rules read of a checkpoint's inside is computed anew. */
function contribute(node: Node, g: Node, found: (Node | undefined)[], anew: Recomputed): void {
  const { inputs } = node
  try {
    const makers = makersOf(anew.readable(node), g)
    for (let i = 0; i < inputs.length; i++) {
      const [input, maker] = [inputs[i], makers[i]]
      if (!input?.requiresGrad || !maker) continue
      const part = maker()
      const known = found[input.place]
      found[input.place] = known ? add(known, part) : part
    }
  } finally {
    node.inputs = inputs
  }
}
