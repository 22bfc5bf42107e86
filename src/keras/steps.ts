/**
 * One batch: forward, loss, metrics, and the update in training, each as a compiled step.
 * Not here: which batches (run.ts), layers and losses.
 */
import { compileStep, noGrad, type Tensor } from '../tensor/index.js'
import type { Layer } from './layer.js'
import type { Loss, Prediction } from './losses.js'
import { figureOf, type Metric } from './metric.js'
import type { Optimizer } from './optimizer.js'

/** Random numbers of a batch by layer, as a flat list and back. */
export class Drawn {
  readonly #layers: readonly Layer[]
  readonly #counts: readonly number[]
  readonly tensors: readonly Tensor[]

  constructor(layers: readonly Layer[], count: number) {
    const lists = layers.map((layer) => layer.draw(count))
    this.#layers = layers
    this.#counts = lists.map((list) => list.length)
    this.tensors = lists.flat()
  }

  /** The layer's own of a list like `tensors`. */
  of(layer: Layer, tensors: readonly Tensor[]): readonly Tensor[] {
    const index = this.#layers.indexOf(layer)
    const start = this.#counts.slice(0, index).reduce((sum, n) => sum + n, 0)
    return tensors.slice(start, start + (this.#counts[index] ?? 0))
  }
}

/** What of a model steps need. */
export interface Trained {
  readonly layers: readonly Layer[]
  /** What is added to the loss for large weights; null: nothing. */
  penalty(): Tensor | null
  forward(x: Tensor, training: boolean, drawn: (layer: Layer) => readonly Tensor[]): Prediction
}

export interface Compiled {
  readonly optimizer: Optimizer
  readonly loss: Loss
  /** What the loss is multiplied by. */
  readonly lossWeight: number
  readonly metrics: readonly Metric[]
}

/** What a step is given. */
export interface Batch {
  readonly inputs: Tensor
  readonly labels: Tensor
  /** [N]: how much each picture counts in the loss; null: all alike. */
  readonly weights: Tensor | null
}

/** [the mean loss] of a batch, and what the batch adds to each metric's sums. */
export type BatchValues = readonly (readonly number[])[]

type Step = (...args: Tensor[]) => Tensor[]

const detached = ({ output, logits }: Prediction): Prediction => ({
  output: output.detach(),
  logits: logits?.detach() ?? null,
})

/** A batch as a flat list, and back. */
const listOf = ({ inputs, labels, weights }: Batch): Tensor[] =>
  weights ? [inputs, labels, weights] : [inputs, labels]

/** One step for batches with weights and one for those without: their lists are not alike. */
type Steppers = Readonly<Record<'plain' | 'weighted', Step>>

function steppers(body: (batch: Batch, rest: readonly Tensor[]) => Tensor[]): Steppers {
  const plain = (...[inputs, labels, ...rest]: Tensor[]): Tensor[] =>
    inputs && labels ? body({ inputs, labels, weights: null }, rest) : []
  const weighted = (...[inputs, labels, weights, ...rest]: Tensor[]): Tensor[] =>
    inputs && labels && weights ? body({ inputs, labels, weights }, rest) : []
  return { plain: compileStep(plain), weighted: compileStep(weighted) }
}

const stepperOf = (all: Steppers, { weights }: Batch): Step => (weights ? all.weighted : all.plain)

const valuesOf = (results: readonly Tensor[]): Promise<BatchValues> =>
  Promise.all(
    results.map(async (result) =>
      result.numel() === 1 ? [await result.itemAsync()] : Array.from(await result.toTypedArrayAsync()),
    ),
  )

const sumOf = (metric: Metric, { labels, weights }: Batch, prediction: Prediction): Tensor =>
  metric.sum(labels, prediction, metric.isWeighted === true ? weights : null)

export class Steps {
  readonly #model: Trained
  readonly #learn: Steppers
  readonly #judge: Steppers
  readonly #predict: Step
  #drawn: Drawn | null = null

  constructor(model: Trained, compiled: Compiled | null) {
    this.#model = model
    this.#learn = steppers((batch, random) => (compiled ? this.#trainOn(compiled, batch, random) : []))
    this.#judge = steppers((batch) => (compiled ? this.#test(compiled, batch) : []))
    this.#predict = compileStep((...args: Tensor[]) => args.map((x) => model.forward(x, false, () => []).output))
  }

  train(batch: Batch, count: number): Promise<BatchValues> {
    this.#drawn = new Drawn(this.#model.layers, count)
    return valuesOf(stepperOf(this.#learn, batch)(...listOf(batch), ...this.#drawn.tensors))
  }

  test(batch: Batch): Promise<BatchValues> {
    return valuesOf(noGrad(() => stepperOf(this.#judge, batch)(...listOf(batch))))
  }

  /** The output in our order. */
  predict(inputs: Tensor): Tensor | undefined {
    return noGrad(() => this.#predict(inputs)[0])
  }

  #trainOn({ optimizer, loss, lossWeight, metrics }: Compiled, batch: Batch, random: readonly Tensor[]): Tensor[] {
    const { inputs, labels, weights } = batch
    const prediction = this.#model.forward(inputs, true, (layer) => this.#drawn?.of(layer, random) ?? [])
    const value = this.#penalised(loss.compute(labels, prediction, weights), lossWeight)
    const sums = metrics.map((metric) => sumOf(metric, batch, detached(prediction)))
    if (optimizer.isIdle) return [value, ...sums]
    optimizer.zeroGrad()
    value.backward()
    optimizer.step()
    return [value, ...sums]
  }

  #penalised(loss: Tensor, lossWeight: number): Tensor {
    const penalty = this.#model.penalty()
    const weighted = lossWeight === 1 ? loss : loss.mul(lossWeight)
    return penalty ? weighted.add(penalty) : weighted
  }

  #test({ loss, lossWeight, metrics }: Compiled, batch: Batch): Tensor[] {
    const { inputs, labels, weights } = batch
    const prediction = this.#model.forward(inputs, false, () => [])
    return [
      this.#penalised(loss.compute(labels, prediction, weights), lossWeight),
      ...metrics.map((metric) => sumOf(metric, batch, prediction)),
    ]
  }
}

/** The loss's and the metrics' sums since the epoch began, and their figures. */
export class Means {
  readonly #metrics: readonly Metric[]
  readonly #sums: number[][] = []
  #loss = 0
  #count = 0

  constructor(metrics: readonly Metric[]) {
    this.#metrics = metrics
  }

  /** A batch of `count` pictures. */
  add([[loss = NaN] = [], ...sums]: BatchValues, count: number): void {
    this.#count += count
    this.#loss += loss * count
    sums.forEach((added, i) => {
      const known = (this.#sums[i] ??= added.map(() => 0))
      added.forEach((value, k) => (known[k] = (known[k] ?? 0) + value))
    })
  }

  /** [loss, metrics…]. */
  values(): number[] {
    const figures = this.#metrics.map((metric, i) => figureOf(metric, this.#sums[i] ?? [], this.#count))
    return [this.#loss / this.#count, ...figures]
  }

  /** By name, in the order in which Keras tells them: by the alphabet. */
  logs(prefix = ''): Record<string, number> {
    const names = ['loss', ...this.#metrics.map(({ name }) => name)]
    const entries = this.values().map((value, i) => [names[i] ?? '', value] as const)
    const sorted = entries.toSorted(([a], [b]) => (a < b ? -1 : 1))
    return Object.fromEntries(sorted.map(([name, value]) => [prefix + name, value]))
  }
}
