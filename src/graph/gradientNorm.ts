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

/** 1 / the count of values that a statistic of x is made of, times `factor`: an input of the plan where the batch counts. */
function share({ attrs, shape, inputs }: Node<'channelMean' | 'channelVariance'>, factor: number): Node {
  const part = (factor * sizeOf(shape)) / sizeOf(inputs[0]?.shape ?? [])
  return attrs.apart ? c.constant(part) : c.scalar(part)
}

export function normalizeGradients({ inputs }: Node<'normalize'>, g: Node): Makers {
  const [x, mean, scale] = inputs as [Node, Node, Node]
  const apart = mean.layout === 'batch'
  let made: Node | undefined
  const sum = (): Node => (made ??= make('normalizeGradBias', { apart }, [g, x, mean]))
  return [
    () => c.mul(g, scale),
    () => c.neg(c.mul(scale, sum())),
    () => make('normalizeGradScale', { apart }, [g, x, mean]),
    () => (apart ? c.sum(sum(), 0) : sum()),
  ]
}

export const channelMeanGradient = (node: Node<'channelMean'>, g: Node): Makers => {
  const [x] = node.inputs as [Node]
  return [() => c.expandLike(c.mul(g, share(node, 1)), x)]
}

/** None for the mean: there the variance is least. */
export const channelVarianceGradient = (node: Node<'channelVariance'>, g: Node): Makers => {
  const [x, mean] = node.inputs as [Node, Node]
  return [() => c.mul(c.mul(g, share(node, 2)), c.sub(x, mean)), null]
}
