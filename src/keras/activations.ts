/** Activations by Keras' names. Not here: what they compute (nn's F). */
import { UsageError } from '../base/index.js'
import { F } from '../nn/index.js'
import type { Tensor } from '../tensor/index.js'
import { sameName, type CamelCase } from './naming.js'

/** `features` is the dimension of channels or features inside. */
type Activation = (x: Tensor, features: number) => Tensor

const table = {
  linear: (x) => x,
  relu: F.relu,
  relu6: F.relu6,
  leaky_relu: (x) => F.leakyRelu(x, 0.2),
  elu: (x) => F.elu(x),
  selu: F.selu,
  silu: F.silu,
  gelu: (x) => F.gelu(x),
  softplus: (x) => F.softplus(x),
  softsign: F.softsign,
  mish: F.mish,
  sigmoid: F.sigmoid,
  hard_sigmoid: F.hardSigmoid,
  hard_silu: F.hardSwish,
  tanh: F.tanh,
  hard_tanh: (x) => F.hardtanh(x),
  softmax: F.softmax,
  log_softmax: F.logSoftmax,
  exponential: (x) => x.exp(),
} as const satisfies Readonly<Record<string, Activation>>

/** Under Keras' name. */
export type ActivationName = keyof typeof table

/** Other names that Keras takes. */
const otherNames = { swish: 'silu', hardswish: 'hard_silu' } as const

/** Under Keras' name, or that in camelCase. */
export type ActivationText = ActivationName | CamelCase<ActivationName> | 'swish' | 'hardSwish' | 'hard_swish'

/** The name as Keras writes it; null means none. Throws UsageError for one that is not there. */
export function activationName(what: string, name: string | null | undefined): ActivationName {
  const wanted = sameName(name ?? 'linear')
  const found = (Object.keys(table) as ActivationName[]).find((known) => sameName(known) === wanted)
  if (found) return found
  if (wanted in otherNames) return otherNames[wanted as keyof typeof otherNames]
  throw new UsageError(`${what}: there is no activation '${name}'; there are ${Object.keys(table).join(', ')}`)
}

/** What values were before the softmax or sigmoid that made them. */
const logits = new WeakMap<Tensor, Tensor>()

/** The values before the softmax or sigmoid, if one made just these; null else. Source: Keras' `_keras_logits`. */
export const logitsOf = (output: Tensor): Tensor | null => logits.get(output) ?? null

export function activate(name: ActivationName, x: Tensor, features: number): Tensor {
  const y = table[name](x, features)
  if (name === 'softmax' || name === 'sigmoid') logits.set(y, x)
  return y
}
