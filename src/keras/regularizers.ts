/** Penalties on large weights: L2 alone. Source: keras.regularizers.L2. Not here: adding it to losses (steps.ts). */
import { UsageError } from '../base/index.js'
import type { Tensor } from '../tensor/index.js'
import type { Config } from './layer.js'
import type { Weight } from './weight.js'

/** The factor, `{ l2: factor }`, 'l2' (0.01), or what Keras writes. Default none. */
export type Regularizer = number | string | { readonly l2: number } | Config | null

/** The factor of the squares' sum; 0: none. Throws UsageError for other penalties. */
export function l2Of(what: string, regularizer: Regularizer | undefined): number {
  const factor = factorOf(regularizer ?? 0)
  if (factor !== undefined && factor >= 0 && Number.isFinite(factor)) return factor
  throw new UsageError(
    `${what}: regularizer ${JSON.stringify(regularizer)} is not known; there is L2: a number of 0 or more, or { l2: number }`,
  )
}

function factorOf(regularizer: NonNullable<Regularizer>): number | undefined {
  if (typeof regularizer === 'number') return regularizer
  if (typeof regularizer === 'string') return regularizer.toLowerCase() === 'l2' ? 0.01 : undefined
  const { class_name, config, l2 }: Config = { ...regularizer }
  if (class_name === undefined) return typeof l2 === 'number' ? l2 : undefined
  const own: Config = typeof config === 'object' && config !== null ? { ...config } : {}
  return class_name === 'L2' && typeof own['l2'] === 'number' ? own['l2'] : undefined
}

export function regularizerConfig(l2: number): Config | null {
  if (l2 === 0) return null
  return { module: 'keras.regularizers', class_name: 'L2', config: { l2 }, registered_name: null }
}

/** What these weights add to the loss; null: nothing. */
export function penaltyOf(weights: readonly Weight[]): Tensor | null {
  const parts = weights.filter(({ l2 }) => l2 > 0).map(({ tensor, l2 }) => tensor.square().sum().mul(l2))
  return parts.length === 0 ? null : parts.reduce((a, b) => a.add(b))
}
