/** Filling new weights, by Keras' names. Not here: the numbers (nn.init), which are not Keras' own: see `setRandomSeed`. */
import { UsageError } from '../base/index.js'
import { nn } from '../nn/index.js'
import type { Tensor } from '../tensor/index.js'
import { sameName, type SnakeCase } from './naming.js'

type Fill = (x: Tensor) => unknown

const lecunUniform: Fill = (x) => {
  const bound = Math.sqrt(3 / nn.init.fans(x).fanIn)
  return nn.init.uniform_(x, -bound, bound)
}

interface Way {
  readonly fill: Fill
  readonly config: object
}

const table = {
  GlorotUniform: {
    fill: (x) => nn.init.xavierUniform_(x),
    config: { seed: null, input_axes: null, output_axes: null },
  },
  HeUniform: { fill: (x) => nn.init.kaimingUniform_(x), config: { seed: null, input_axes: null, output_axes: null } },
  LecunUniform: { fill: lecunUniform, config: { seed: null, input_axes: null, output_axes: null } },
  RandomUniform: { fill: (x) => nn.init.uniform_(x, -0.05, 0.05), config: { minval: -0.05, maxval: 0.05, seed: null } },
  RandomNormal: { fill: (x) => nn.init.normal_(x, 0, 0.05), config: { mean: 0, stddev: 0.05, seed: null } },
  Zeros: { fill: (x) => nn.init.zeros_(x), config: {} },
  Ones: { fill: (x) => nn.init.ones_(x), config: {} },
} as const satisfies Readonly<Record<string, Way>>

type Known = keyof typeof table

const wayOf = (name: string): [string, Way] | undefined =>
  Object.entries<Way>(table).find(([known]) => sameName(known) === sameName(name))

/** A name in any of Keras' spellings: 'glorotUniform', 'glorot_uniform', 'GlorotUniform'. */
export type InitializerName = Known | Uncapitalize<Known> | SnakeCase<Known>

/** A name, or what stands in a saved model. */
export type Initializer = InitializerName | { readonly class_name: string; readonly config?: object }

let isOff = false

/** New weights stay zeros while `body` runs: they are loaded anyway, and nothing is drawn. */
export function withoutInitializers<T>(body: () => T): T {
  const before = isOff
  isOff = true
  try {
    return body()
  } finally {
    isOff = before
  }
}

/** Fills the weight, or throws UsageError for a way that is not there. */
export function initialise(what: string, x: Tensor, initializer: Initializer): void {
  if (isOff) return
  const name = typeof initializer === 'string' ? initializer : initializer.class_name
  const [, way] = wayOf(name) ?? []
  if (!way)
    throw new UsageError(`${what}: there is no initializer '${name}'; there are ${Object.keys(table).join(', ')}`)
  way.fill(x)
}

/** As Keras writes it into a model's configuration. */
export function initializerConfig(initializer: Initializer): object {
  if (typeof initializer !== 'string') return initializer
  const [class_name = initializer, way] = wayOf(initializer) ?? []
  return { module: 'keras.initializers', class_name, config: way?.config ?? {}, registered_name: null }
}
