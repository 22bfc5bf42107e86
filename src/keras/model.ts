/**
 * Model: what Sequential and functional models share: Keras' compile, fit, evaluate, predict, summary, files. A model is a
 * layer too: it can stand in another model.
 * Not here: which layers read which (sequential.ts, functional.ts), epochs and batches (run.ts), files (save.node.ts).
 */
import { expectOptions, LenetError, UsageError, sizeOf, type HostArray, type Shape } from '../base/index.js'
import { fromArray, type Tensor, type TensorData } from '../tensor/index.js'
import { logitsOf } from './activations.js'
import { History } from './callbacks/callback.js'
import { CallbackList } from './callbacks/list.js'
import { ProgbarLogger } from './callbacks/progbarLogger.js'
import {
  byClass,
  checkOptions,
  dataOf,
  split,
  withWeights,
  type EvaluateOptions,
  type FitOptions,
  type Inputs,
  type PredictOptions,
} from './given.js'
import {
  compileConfigOf,
  compileOptions,
  lossWeightOf,
  readCompileConfig,
  type Compilation,
  type CompileOptions,
} from './config.js'
import { asTensor, isPicture, Layer, setWeights, showBatch, type CallContext, type Config, type Spec } from './layer.js'
import { lossOf, type Loss, type Prediction } from './losses.js'
import type { Metric } from './metric.js'
import { metricOf, namedApart, type MetricInput } from './metrics.js'
import type { Network } from './network.js'
import type { Optimizer } from './optimizer.js'
import { optimizerOf } from './optimizers.js'
import { inFlatOrder } from './order.js'
import { output } from './output.js'
import type { Verbose } from './progbar.js'
import { penaltyOf } from './regularizers.js'
import { Rows } from './rows.js'
import { predict, test, train, type Data, type RunOptions } from './run.js'
import { Steps, type Trained } from './steps.js'
import { summaryText, type SummaryOptions } from './summary.js'
import { flatOrder, type Weight } from './weight.js'

export type { CompileOptions } from './config.js'
export type { EvaluateOptions, FitOptions, Inputs, PredictOptions } from './given.js'

interface Ready extends Compilation {
  readonly metrics: readonly Metric[]
  readonly steps: Steps
}

const verboseOf = (verbose: Verbose | 'auto' = 'auto'): Verbose => (verbose === 'auto' ? 1 : verbose)

/** Source: keras.Model. */
export abstract class Model extends Layer {
  /** Set by callbacks: training stops after the batch or epoch in progress. */
  stopTraining = false
  /** Set by callbacks: `evaluate`, or the validation in `fit`, stops after the batch in progress. */
  stopEvaluating = false
  /** Set by callbacks: `predict` stops after the batch in progress; rows that were not reached are not in its result. */
  stopPredicting = false
  /** What the last `fit` told. */
  history: History | null = null
  /** Where `fit` begins; BackupAndRestore sets it. */
  startEpoch = 0
  #compiled: Compilation | null = null
  #ready: Ready | null = null
  #predicting: Steps | null = null

  /** What it computes; null before it is built. */
  protected abstract get network(): Network | null

  /** All layers, those that say what is expected too. */
  abstract get allLayers(): readonly Layer[]

  /** As Keras' `model.layers`. */
  abstract get layers(): readonly Layer[]

  /** Builds it for inputs of these sizes (without the batch), where no layer said them. */
  abstract build(sizes: Shape): void

  /** After a change of its layers: nothing compiled fits any more. */
  protected changed(): void {
    this.#ready = null
    this.#predicting = null
  }

  /** A layer by name or place. Throws LenetError where there is none. */
  getLayer(which: string | number): Layer {
    const found = typeof which === 'number' ? this.layers.at(which) : this.layers.find(({ name }) => name === which)
    if (found) return found
    throw new LenetError(`the model has no layer '${which}'; it has ${this.layers.map(({ name }) => name).join(', ')}`)
  }

  /** Layers that are no models, those of models inside too. */
  get leaves(): readonly Layer[] {
    return [...new Set(this.layers.flatMap((layer) => (layer instanceof Model ? layer.leaves : [layer])))]
  }

  get compiled(): boolean {
    return this.#compiled !== null
  }

  /** Sizes without the batch; null before the model is built. */
  get outputShape(): Shape | null {
    return this.output?.sizes ?? null
  }

  override get weights(): readonly Weight[] {
    return [...new Set(this.layers.flatMap(({ weights }) => weights))]
  }

  override get trainableWeights(): readonly Weight[] {
    return this.trainable ? [...new Set(this.layers.flatMap(({ trainableWeights }) => trainableWeights))] : []
  }

  override get trainable(): boolean {
    return super.trainable
  }

  /** False freezes all its layers. */
  override set trainable(flag: boolean) {
    super.trainable = flag
    for (const layer of this.layers) layer.trainable = flag
  }

  /** Nothing is changed unless everything fits. */
  override setWeights(values: readonly (Tensor | TensorData)[]): void {
    setWeights(`the model '${this.name}'`, this.weights, values)
  }

  /** A model inside a model is built for what it reads there. */
  override buildFor(given: readonly Spec[], owner: string): Spec {
    const [spec] = this.accepted(given)
    if (!spec || given.length !== 1)
      throw new LenetError(`the model '${this.name}' takes one input, got ${given.length}`)
    this.buildInside(spec.sizes, owner)
    return this.#builtFor(spec.sizes)
  }

  /** As `build`, with the name of the model around it in front of the weights' paths. */
  protected buildInside(sizes: Shape, _owner: string): void {
    if (!this.built) this.build(sizes)
  }

  override accepted(inputs: readonly Spec[]): readonly Spec[] {
    return inputs.map(({ sizes }) => ({ sizes, flatOf: null }))
  }

  protected setUp(input: Spec) {
    return { output: this.buildFor([input], '') }
  }

  override get mayRepeat(): boolean {
    return this.leaves.every((layer) => layer.mayRepeat)
  }

  call(x: Tensor, context: CallContext): Tensor {
    return this.#network().call(x, context)
  }

  #network(): Network {
    if (!this.network) throw this.notBuilt()
    return this.network
  }

  /** For the library's own use: [N, …] in our order → outputs in our order, lists in Keras'. */
  forward(x: Tensor, training: boolean, drawn: (layer: Layer) => readonly Tensor[]): Prediction {
    const value = this.call(x, { training, drawn })
    const logits = logitsOf(value)
    const out = this.output ?? { sizes: [], flatOf: null }
    return { output: inFlatOrder(value, out), logits: logits && inFlatOrder(logits, out) }
  }

  /** The optimizer of `compile`; null before. */
  get optimizer(): Optimizer | null {
    return this.#compiled?.optimizer ?? null
  }

  /** How to train. Source: keras.Model.compile. */
  compile(options: CompileOptions): void {
    const { stepsPerExecution = 1 } = options
    expectOptions('compile', options, compileOptions)
    if (!Number.isInteger(stepsPerExecution) || stepsPerExecution < 1)
      throw new UsageError(`compile: stepsPerExecution must be a whole number of 1 or more, got ${stepsPerExecution}`)
    const optimizer = optimizerOf(options.optimizer ?? 'rmsprop')
    this.#compiled = { options, optimizer, loss: lossOf(options.loss), lossWeight: lossWeightOf(options) }
    this.#ready = null
  }

  /** Names of the metrics, by which more is better (true), less (false), or nobody knows (undefined). */
  direction(name: string): 'up' | 'down' | null {
    return this.#ready?.metrics.find((metric) => metric.name === name)?.direction ?? null
  }

  /** What is compiled, for inputs of these sizes. */
  #readyFor(what: string, sizes: Shape): Ready {
    const compilation = this.#mustBeCompiled(what)
    const out = this.#builtFor(sizes)
    if (this.#ready) return this.#ready
    const { loss, options } = compilation
    const listOf = (metrics: readonly MetricInput[] = []): Metric[] =>
      metrics.map((metric) => metricOf(metric, loss, out.sizes))
    const metrics = namedApart(listOf(options.metrics), listOf(options.weightedMetrics))
    const steps = new Steps(this.#trained, { ...compilation, metrics })
    this.#ready = { ...compilation, metrics, steps }
    return this.#ready
  }

  get #trained(): Trained {
    return {
      layers: this.leaves,
      penalty: () => penaltyOf(this.trainableWeights),
      forward: (x, training, drawn) => this.forward(x, training, drawn),
    }
  }

  /** As Keras: a last dimension of 1 is added or taken away where the model was built for that. */
  #fitted(x: Inputs): Tensor {
    const given = asTensor(x)
    const [expected, rank] = [this.inputShape, given.dim() - 1]
    if (expected?.length === rank + 1 && expected.at(-1) === 1) return given.unsqueeze(-1)
    return expected?.length === rank - 1 && given.size(-1) === 1 ? given.squeeze(-1) : given
  }

  #heldOut(loss: Loss, [x, ...others]: NonNullable<FitOptions['validationData']>): Promise<Data> {
    const given = this.#fitted(x)
    return dataOf(loss, this.#builtFor(given.shape.slice(1)).sizes, [given, ...others])
  }

  #mustBeCompiled(what: string): Compilation {
    if (this.#compiled) return this.#compiled
    throw new UsageError(`You must call \`compile()\` before calling \`${what}()\`.`)
  }

  /** The output, built where it was not; throws LenetError where the inputs do not fit. */
  #builtFor(sizes: Shape): Spec {
    if (this.allLayers.length === 0) throw new UsageError(`the model '${this.name}' has no layers; add() some`)
    if (!this.output) this.build(sizes)
    const expected = this.inputShape ?? []
    if (expected.length !== sizes.length || expected.some((size, i) => size !== sizes[i]))
      throw new LenetError(
        `Input 0 of the model '${this.name}' is incompatible with it: expected shape=${showBatch(expected)}, found shape=${showBatch(sizes)}`,
      )
    return this.output ?? { sizes: [], flatOf: null }
  }

  /** Makes the optimizer's state: `loadModel` and BackupAndRestore load into it. Nothing happens before `compile`. */
  buildOptimizer(): void {
    if (this.built) this.#compiled?.optimizer.build(this.trainableWeights)
  }

  #runOptions(steps: Steps, metrics: readonly Metric[], length: number, options: EvaluateOptions): RunOptions {
    const batchSize = options.batchSize ?? 32
    const progress = new ProgbarLogger(verboseOf(options.verbose))
    const params = { verbose: verboseOf(options.verbose), epochs: 1, steps: Math.ceil(length / batchSize) }
    const callbacks = new CallbackList([...(options.callbacks ?? []), progress], this, params)
    return {
      steps,
      metrics,
      callbacks,
      progress,
      batchSize,
      perTelling: this.#compiled?.options.stepsPerExecution ?? 1,
    }
  }

  /**
   * Trains on pictures and labels. Bytes stay bytes: what was computed from them element by element (`images.div(255)`) is
   * computed batch by batch. Source: keras.Model.fit.
   * @returns what was told after each epoch, also as `model.history`
   * @throws LenetError for data that does not fit, and when the loss is not a number any more
   */
  async fit(x: Inputs, y: Inputs, options: FitOptions = {}): Promise<History> {
    checkOptions('fit', options)
    const given = this.#fitted(x)
    const ready = this.#readyFor('fit', given.shape.slice(1))
    const outputs = this.outputShape ?? []
    const all = await dataOf(ready.loss, outputs, [given, y, options.sampleWeight])
    const { validationData, validationSplit } = options
    const held = validationData && (await this.#heldOut(ready.loss, validationData))
    const { data: plain, validation } = held ? { data: all, validation: held } : split(all, validationSplit)
    const data = withWeights(await byClass(plain, options.classWeight), ready.metrics)
    const history = new History()
    const verbose = verboseOf(options.verbose)
    const progress = new ProgbarLogger(verbose)
    const { epochs = 1, shuffle = true, signal, initialEpoch = 0, initialBatch = 0 } = options
    const batchSize = options.batchSize ?? 32
    const params = { verbose, epochs, steps: Math.ceil(data.inputs.length / batchSize) }
    const callbacks = new CallbackList([...(options.callbacks ?? []), history, progress], this, params)
    ready.optimizer.build(this.trainableWeights)
    this.stopTraining = false
    this.startEpoch = initialEpoch
    this.history = history
    const { steps, metrics, optimizer } = ready
    const perTelling = ready.options.stepsPerExecution ?? 1
    const run = {
      steps,
      metrics,
      callbacks,
      progress,
      batchSize,
      perTelling,
      data,
      validation: validation && withWeights(validation, metrics),
      validationBatchSize: options.validationBatchSize ?? batchSize,
      shuffle,
      epochs,
      initialBatch,
      signal,
    }
    await train({
      ...run,
      firstEpoch: () => this.startEpoch,
      isStopped: () => this.stopTraining,
      beginTest: () => this.#beginTest(),
      onUpdate: () => optimizer.iterations++,
    })
    return history
  }

  /** [loss, metrics…], means over all pictures. Source: keras.Model.evaluate. */
  async evaluate(x: Inputs, y: Inputs, options: EvaluateOptions = {}): Promise<number[]> {
    checkOptions('evaluate', options)
    const given = this.#fitted(x)
    const ready = this.#readyFor('evaluate', given.shape.slice(1))
    const own = await dataOf(ready.loss, this.outputShape ?? [], [given, y, options.sampleWeight])
    const data = withWeights(own, ready.metrics)
    const run = this.#runOptions(ready.steps, ready.metrics, data.inputs.length, options)
    return (await test(run, data, () => this.#beginTest())).values()
  }

  #beginTest(): () => boolean {
    this.stopEvaluating = false
    return () => this.stopEvaluating
  }

  /** Outputs for all pictures, in Keras' order of dimensions. Source: keras.Model.predict. */
  async predict(x: Inputs, options: PredictOptions = {}): Promise<Tensor> {
    checkOptions('predict', options)
    const given = this.#fitted(x)
    const out = this.#builtFor(given.shape.slice(1))
    const inputs = new Rows(given)
    const steps = this.#ready?.steps ?? (this.#predicting ??= new Steps(this.#trained, null))
    const size = sizeOf(out.sizes)
    const all = new Float32Array(inputs.length * size)
    let rows = 0
    const take = (found: HostArray, first: number): (() => Tensor) => {
      const values = Float32Array.from(found)
      all.set(values, first * size)
      const count = values.length / size
      rows = first + count
      return () => inKerasOrder(values, count, out)
    }
    this.stopPredicting = false
    const run = this.#runOptions(steps, [], inputs.length, options)
    await predict(run, inputs, take, () => this.stopPredicting)
    return inKerasOrder(rows === inputs.length ? all : all.slice(0, rows * size), rows, out)
  }

  /** Prints the table of layers. @param options lineLength, showTrainable, printFn (default: standard output) */
  summary(options: SummaryOptions & { readonly printFn?: (text: string) => void } = {}): void {
    const text = summaryText(this, output.columns, options)
    if (options.printFn) options.printFn(text)
    else output.write(text)
  }

  /** As Keras' `serialize_keras_object(model)`. */
  override serialize(): Config {
    const compile = this.getCompileConfig()
    const head = { module: 'keras', class_name: this.className, config: this.getConfig(), registered_name: null }
    return { ...head, build_config: { input_shape: this.buildShape() }, compile_config: compile ?? {} }
  }

  protected override buildShape(): unknown {
    return this.inputShape && [null, ...this.inputShape]
  }

  override get useConfig(): Config {
    return { mask: null }
  }

  protected ownConfig(): Config {
    return {}
  }

  /** What each layer reads, where layers do not stand in a row: a column of `summary`. */
  get connections(): ReadonlyMap<Layer, string> | null {
    return null
  }

  /** As Keras' `get_compile_config()`; null before `compile`. */
  getCompileConfig(): Config | null {
    return this.#compiled && compileConfigOf(this.#compiled)
  }

  /**
   * Compiles as `getCompileConfig()` tells, Keras' too.
   * @param warn told of metrics that are not known here; default console.warn
   */
  compileFromConfig(config: Config, warn: (text: string) => void = (text) => console.warn(text)): void {
    this.compile(readCompileConfig(config, warn))
  }

  /**
   * Writes the model with its optimizer's state: `.keras`, or `.h5` that Keras 2 and 3 read. For Node.
   * Source: keras.Model.save.
   */
  async save(path: string): Promise<void> {
    const { saveModel } = await import('./save.node.js')
    await saveModel(this, path)
  }

  /** Writes the weights alone (`.weights.h5`), with the optimizer's state where it is compiled. For Node. */
  async saveWeights(path: string): Promise<void> {
    const { saveWeights: write } = await import('./save.node.js')
    await write(this, path)
  }

  /** Reads weights that fit, out of `.weights.h5`, `.h5` or `.keras`. For Node. */
  async loadWeights(path: string): Promise<void> {
    const { loadWeights } = await import('./save.node.js')
    await loadWeights(this, path)
  }
}

/** [N, C, H, W] → [N, H, W, C]. */
function inKerasOrder(values: Float32Array<ArrayBuffer>, count: number, out: Spec): Tensor {
  const { sizes } = out
  if (!isPicture(out)) return fromArray(values, [count, ...sizes], 'f32')
  const order = flatOrder(sizes)
  const sorted = values.map((_, i) => values[i - (i % order.length) + (order[i % order.length] ?? 0)] ?? 0)
  return fromArray(sorted, [count, ...sizes], 'f32')
}
