/** Activations by Keras' names. Not here: what they compute (tensor). */
import { UsageError } from '../base/index.js'
import type { Tensor } from '../tensor/index.js'
import { sameName } from './naming.js'

/** `features` is the dimension of channels or features inside. */
type Activation = (x: Tensor, features: number) => Tensor

const table = {
  linear: (x) => x,
  relu: (x) => x.relu(),
  sigmoid: (x) => x.sigmoid(),
  tanh: (x) => x.tanh(),
  softmax: (x, features) => x.softmax(features),
  log_softmax: (x, features) => x.logSoftmax(features),
  exponential: (x) => x.exp(),
  silu: (x) => x.mul(x.sigmoid()),
} as const satisfies Readonly<Record<string, Activation>>

/** Under Keras' name. */
export type ActivationName = keyof typeof table

/** The name as Keras writes it; null means none. Throws UsageError for one that is not there. */
export function activationName(what: string, name: string | null | undefined): ActivationName {
  const wanted = sameName(name ?? 'linear')
  const found = (Object.keys(table) as ActivationName[]).find((known) => sameName(known) === wanted)
  if (found) return found
  throw new UsageError(`${what}: there is no activation '${name}'; there are ${Object.keys(table).join(', ')}`)
}

export const activate = (name: ActivationName, x: Tensor, features: number): Tensor => table[name](x, features)
