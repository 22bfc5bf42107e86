/** keras.json, typed: what make/keras_runs.py froze of real Keras. Not a test; nothing here computes. */
import { readOracle } from './cases.js'

type Logs = Readonly<Record<string, number>>

export type Nested = readonly (number | Nested)[]

interface KerasNet {
  readonly losses: readonly number[]
  /** With a learning rate of 1e-4. */
  readonly slow: readonly number[]
  /** As `compile('sgd')` makes them, from weights no. 3. */
  readonly by_sgd: readonly number[]
  readonly evaluated: readonly number[]
  readonly summary: Readonly<Record<'80' | '84' | 'trained', string>>
  readonly config: unknown
  readonly compile: unknown
}

export interface KerasCase {
  readonly name: string
  readonly labels: 'classes' | 'onehot' | 'flat'
  readonly fit?: {
    readonly class_weight?: Readonly<Record<string, number>>
    readonly sample_weight?: readonly number[]
  }
  readonly summary: string
  readonly wide: string
  readonly config: Readonly<Record<string, unknown>>
  readonly compile: Readonly<Record<string, unknown>>
  readonly keys: readonly string[]
  readonly history: Readonly<Record<string, readonly number[]>>
  readonly weights: readonly {
    readonly path: string
    readonly shape: readonly number[]
    readonly values: readonly number[]
  }[]
  readonly variables: readonly { readonly path: string; readonly shape: readonly number[]; readonly sum: number }[]
  readonly evaluated: number | readonly number[]
  readonly predicted: Nested
}

export interface ProgressRun {
  readonly target: number
  readonly verbose: 1 | 2
  readonly times: readonly (readonly [seconds: number, step: number])[]
  readonly end: number
  readonly text: string
}

export interface ToldCallback {
  readonly options: Readonly<Record<string, number | string | boolean>>
  readonly epochs: number
  readonly rate: number
  readonly logs: readonly Logs[]
  readonly weight: number
  readonly text: string
}

export interface KerasOracle {
  readonly nets: Readonly<Record<'lenet' | 'lenet1', KerasNet>>
  readonly cases: readonly KerasCase[]
  readonly progress: { readonly values: Logs; readonly runs: readonly ProgressRun[] }
  readonly callbacks: {
    readonly values: readonly number[]
    readonly EarlyStopping: readonly ToldCallback[]
    readonly ReduceLROnPlateau: readonly ToldCallback[]
    readonly LearningRateScheduler: ToldCallback
    readonly CSVLogger: { readonly with: string; readonly without: string }
    readonly ModelCheckpoint: { readonly files: readonly string[]; readonly text: string }
  }
}

let known: KerasOracle | null = null

export function kerasOracle(): KerasOracle {
  return (known ??= readOracle('keras.json') as KerasOracle)
}

/** keras_layers.json: what make/keras_layers.py froze. */
export const kerasLayerCases = (): readonly KerasCase[] =>
  (readOracle('keras_layers.json') as { readonly cases: readonly KerasCase[] }).cases

/** keras_norms.json: what make/keras_norms.py froze. */
export const kerasNormCases = (): readonly KerasCase[] =>
  (readOracle('keras_norms.json') as { readonly cases: readonly KerasCase[] }).cases

interface Sure {
  readonly bias: number
  readonly loss: number
  readonly after: number
}

/** keras_deep.json: what make/keras_deep.py froze. */
export const kerasDeep = (): {
  readonly cases: readonly KerasCase[]
  /** One unit with this bias and target 1: its loss, and the bias after a step of SGD with rate 1. */
  readonly sure: Readonly<Record<string, readonly Sure[]>>
} => readOracle('keras_deep.json') as ReturnType<typeof kerasDeep>

/** The generator of keras_common.py: fractions of 1 with 24 bits. */
export class Numbers {
  #x: number
  constructor(seed: number) {
    this.#x = seed
  }
  uniform(count: number): Float32Array<ArrayBuffer> {
    return Float32Array.from({ length: count }, () => {
      this.#x = (Math.imul(this.#x, 1664525) + 1013904223) >>> 0
      return (this.#x >>> 8) / 2 ** 24
    })
  }
}

interface Weighted {
  readonly weights: readonly {
    readonly name: string
    readonly shape: readonly number[]
    get(): { toTypedArray(): ArrayLike<number> }
    set(values: ArrayLike<number>): void
  }[]
}

/** `weights_for` of keras_common.py. */
export function setKernels(model: Weighted, seed: number): void {
  const numbers = new Numbers(seed)
  for (const weight of model.weights) {
    if (weight.name !== 'kernel') continue
    const { shape } = weight
    const size = shape.reduce((product, n) => product * n, 1)
    const [inputs = 1, outputs = 1] = shape.slice(-2)
    const field = size / (inputs * outputs)
    const limit = Math.fround(Math.sqrt(6 / (field * (inputs + outputs))))
    weight.set(numbers.uniform(size).map((u) => Math.fround(2 * u - 1) * limit))
  }
}
