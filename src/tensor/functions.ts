/** PyTorch's functions on tensors that are no methods, or methods too: `max(x, 1)`. Not here: layers (nn's F). */
import * as g from '../graph/index.js'
import { expectOperand } from './scalars.js'
import { Tensor, type MaxPair, type Operand } from './tensor.js'

/** The largest element, or along `dim` values and their indices: `const [, predicted] = max(outputs, 1)`. */
export function max(x: Tensor): Tensor
export function max(x: Tensor, dim: number, keepdim?: boolean): MaxPair
export function max(x: Tensor, dim?: number, keepdim = false): Tensor | MaxPair {
  return dim === undefined ? x.max() : x.max(dim, keepdim)
}

/** `a` where `condition` is not 0, else `b`. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  const node = (x: Operand): g.Operand => {
    expectOperand(x)
    return typeof x === 'number' ? x : x.node
  }
  return new Tensor(g.where(condition.node, node(a), node(b)))
}

/** One after the other along `dim`. */
export function cat(parts: readonly Tensor[], dim = 0): Tensor {
  return new Tensor(
    g.concat(
      parts.map((part) => part.node),
      dim,
    ),
  )
}

/** Tensors of one shape side by side along a new dimension `dim`. */
export function stack(parts: readonly Tensor[], dim = 0): Tensor {
  return cat(
    parts.map((part) => part.unsqueeze(dim)),
    dim,
  )
}

/** For the library's own use: what `forward` computes on the way is not kept for gradients, which compute it anew. */
export function checkpointed(forward: () => Tensor): Tensor {
  const from = g.newestNode()
  const output = forward()
  g.checkpoint(output.node, from)
  return output
}

/** For the library's own use: what a net gave, which can be read after the step. Other values' memory is used again in it. */
export function keepOutput(value: unknown): void {
  if (value instanceof Tensor) value.node.isOutput = true
  else if (Array.isArray(value)) value.forEach(keepOutput)
}
