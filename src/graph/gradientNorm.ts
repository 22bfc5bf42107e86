/**
 * The gradients of a normalisation of channels. y = (x − mean) · scale + bias needs two sums a channel, Σ g and
 * Σ g · (x − mean), which one pass over g and x gives; what follows from them is [C] numbers, and dx is one pass again.
 * Not here: the other rules (gradientRules.ts).
 */
import { sizeOf } from '../base/index.js'
import * as c from './compose.js'
import { make } from './infer.js'
import type { Node } from './node.js'

/** As those of gradientRules.ts. */
type Makers = readonly ((() => Node) | null)[]

/** Values of a channel of x [N, C, …]; an input of the plan, since the batch size counts. */
const share = (x: Node, of: number): Node => c.scalar((of * (x.shape[1] ?? 1)) / sizeOf(x.shape))

export function normalizeGradients({ inputs }: Node<'normalize'>, g: Node): Makers {
  const [x, mean, scale] = inputs as [Node, Node, Node]
  let made: Node | undefined
  const sum = (): Node => (made ??= make('normalizeGradBias', {}, [g, x, mean]))
  return [
    () => c.mul(g, scale),
    () => c.neg(c.mul(scale, sum())),
    () => make('normalizeGradScale', {}, [g, x, mean]),
    sum,
  ]
}

export const channelMeanGradient = ({ inputs }: Node<'channelMean'>, g: Node): Makers => {
  const [x] = inputs as [Node]
  return [() => c.expandLike(c.mul(g, share(x, 1)), x)]
}

/** None for the mean: there the variance is least. */
export const channelVarianceGradient = ({ inputs }: Node<'channelVariance'>, g: Node): Makers => {
  const [x, mean] = inputs as [Node, Node]
  return [() => c.mul(c.mul(g, share(x, 2)), c.sub(x, mean)), null]
}
