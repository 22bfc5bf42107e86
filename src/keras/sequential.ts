/**
 * Sequential: layers one after the other, with Keras' compile, fit, evaluate and predict.
 * Not here: layers (layers/), epochs and batches (run.ts), files (save.node.ts).
 */
import { LenetError, UsageError, sizeOf, type Shape } from '../base/index.js'
import { fromArray, type Tensor, type TensorData } from '../tensor/index.js'
import { History } from './callbacks/callback.js'
import { CallbackList } from './callbacks/list.js'
import { ProgbarLogger } from './callbacks/progbarLogger.js'
import { withoutInitializers } from './initializers.js'
import {
  checkOptions,
  dataOf,
  split,
  type EvaluateOptions,
  type FitOptions,
  type Inputs,
  type PredictOptions,
} from './given.js'
import {
  compileConfigOf,
  configOf,
  readCompileConfig,
  readConfig,
  type Compilation,
  type CompileOptions,
} from './config.js'
import { asTensor, isPicture, Layer, setWeights, showBatch, type Config, type Spec } from './layer.js'
import { InputLayer } from './layers/core.js'
import { layerFromConfig } from './layers/fromConfig.js'
import { lossOf, type Prediction } from './losses.js'
import { metricOf, type Metric } from './metrics.js'
import { nextName } from './naming.js'
import type { Optimizer } from './optimizer.js'
import { optimizerOf } from './optimizers.js'
import { inFlatOrder } from './order.js'
import { output } from './output.js'
import type { Verbose } from './progbar.js'
import { Rows } from './rows.js'
import { predict, test, train, type RunOptions } from './run.js'
import { Steps } from './steps.js'
import { summaryText, type SummaryOptions } from './summary.js'
import { flatOrder, type Weight } from './weight.js'

export type { CompileOptions } from './config.js'
export type { EvaluateOptions, FitOptions, Inputs, PredictOptions } from './given.js'

interface Ready extends Compilation {
  readonly metrics: readonly Metric[]
  readonly steps: Steps
}

const verboseOf = (verbose: Verbose | 'auto' = 'auto'): Verbose => (verbose === 'auto' ? 1 : verbose)

export interface SequentialOptions {
  /** Default 'sequential', numbered. */
  readonly name?: string
}

/** Source: keras.Sequential. */
export class Sequential {
  readonly name: string
  /** Set by callbacks: training stops after the batch or epoch in progress. */
  stopTraining = false
  /** What the last `fit` told. */
  history: History | null = null
  /** Where `fit` begins; BackupAndRestore sets it. */
  startEpoch = 0
  readonly #layers: Layer[] = []
  #output: Spec | null = null
  #compiled: Compilation | null = null
  #ready: Ready | null = null
  #predicting: Steps | null = null

  constructor(layers: Iterable<Layer> = [], { name = nextName('Sequential') }: SequentialOptions = {}) {
    this.name = name
    for (const layer of layers) this.add(layer)
  }

  /** Appends a layer; the first may say what it expects (`inputShape`, or an `Input`). */
  add(layer: Layer): this {
    if (!(layer instanceof Layer)) throw new UsageError(`model.add: expects a layer, got ${typeof layer}`)
    if (this.#layers.some(({ name }) => name === layer.name))
      throw new UsageError(
        `All layers added to a Sequential model should have unique names. Name '${layer.name}' is already there`,
      )
    if (this.#layers.length === 0 && layer.inputShape && !(layer instanceof InputLayer))
      this.#append(new InputLayer({ shape: layer.inputShape }))
    this.#append(layer)
    return this
  }

  #append(layer: Layer): void {
    const before: Spec | null =
      layer instanceof InputLayer ? { sizes: layer.inputShape ?? [], flatOf: null } : this.#output
    if (before && (this.#output || layer instanceof InputLayer)) this.#output = layer.build(before, this.name)
    this.#layers.push(layer)
    this.#ready = null
    this.#predicting = null
  }

  /** Makes the weights for inputs of these sizes (without the batch), where no layer said them. */
  build(sizes: Shape): void {
    if (this.#output) return
    const layers = this.#layers.splice(0)
    this.#append(new InputLayer({ shape: sizes }))
    for (const layer of layers) this.#append(layer)
  }

  /** All layers but the input. */
  get layers(): readonly Layer[] {
    return this.#layers.filter((layer) => !(layer instanceof InputLayer))
  }

  /** All layers, the input first. */
  get allLayers(): readonly Layer[] {
    return this.#layers
  }

  /** A layer by name or place. Throws LenetError where there is none. */
  getLayer(which: string | number): Layer {
    const found = typeof which === 'number' ? this.layers.at(which) : this.layers.find(({ name }) => name === which)
    if (found) return found
    throw new LenetError(`the model has no layer '${which}'; it has ${this.layers.map(({ name }) => name).join(', ')}`)
  }

  get built(): boolean {
    return this.#output !== null
  }

  get compiled(): boolean {
    return this.#compiled !== null
  }

  /** Sizes without the batch; null before the model is built. */
  get inputShape(): Shape | null {
    return this.#layers[0]?.input?.sizes ?? null
  }

  get outputShape(): Shape | null {
    return this.#output?.sizes ?? null
  }

  get weights(): readonly Weight[] {
    return this.#layers.flatMap(({ weights }) => weights)
  }

  get trainableWeights(): readonly Weight[] {
    return this.#layers.flatMap(({ trainableWeights }) => trainableWeights)
  }

  /** The optimizer of `compile`; null before. */
  get optimizer(): Optimizer | null {
    return this.#compiled?.optimizer ?? null
  }

  countParams(): number {
    return this.weights.reduce((sum, { size }) => sum + size, 0)
  }

  /** Copies in Keras' shapes and order. */
  getWeights(): Tensor[] {
    return this.weights.map((weight) => weight.get())
  }

  /** Nothing is changed unless everything fits. */
  setWeights(values: readonly (Tensor | TensorData)[]): void {
    setWeights(`the model '${this.name}'`, this.weights, values)
  }

  /** For the library's own use: [N, …] in our order → outputs in our order. */
  forward(x: Tensor, training: boolean, drawn: (layer: Layer) => readonly Tensor[]): Prediction {
    const layers = this.layers
    let [value, logits]: [Tensor, Tensor | null] = [x, null]
    layers.forEach((layer, i) => {
      const context = { training, drawn: drawn(layer) }
      try {
        logits = i === layers.length - 1 ? layer.beforeSoftmax(value, context) : null
        value = logits ? layer.afterSoftmax(logits) : layer.call(value, context)
      } catch (error) {
        if (!(error instanceof LenetError)) throw error
        throw new LenetError(`layer '${layer.name}' (${layer.className}): ${error.message}`, { cause: error })
      }
    })
    const out = this.#output ?? { sizes: [], flatOf: null }
    return { output: inFlatOrder(value, out), logits: logits && inFlatOrder(logits, out) }
  }

  /** How to train. Source: keras.Model.compile. */
  compile(options: CompileOptions): void {
    const { stepsPerExecution = 1 } = options
    const known = ['optimizer', 'loss', 'metrics', 'stepsPerExecution']
    for (const name of Object.keys(options))
      if (!known.includes(name))
        throw new UsageError(`compile: there is no option ${name}; there are ${known.join(', ')}`)
    if (!Number.isInteger(stepsPerExecution) || stepsPerExecution < 1)
      throw new UsageError(`compile: stepsPerExecution must be a whole number of 1 or more, got ${stepsPerExecution}`)
    this.#compiled = { options, optimizer: optimizerOf(options.optimizer ?? 'rmsprop'), loss: lossOf(options.loss) }
    this.#ready = null
  }

  /** Names of the metrics, by which more is better (true), less (false), or nobody knows (undefined). */
  direction(name: string): 'up' | 'down' | null {
    return this.#ready?.metrics.find((metric) => metric.name === name)?.direction ?? null
  }

  /** What is compiled, for inputs of these sizes. */
  #readyFor(what: string, sizes: Shape): Ready {
    const { optimizer, loss, options } = this.#mustBeCompiled(what)
    const out = this.#builtFor(sizes)
    if (this.#ready) return this.#ready
    const metrics = (options.metrics ?? []).map((metric) => metricOf(metric, loss, out.sizes))
    const steps = new Steps(this, { optimizer, loss, metrics })
    this.#ready = { options, optimizer, loss, metrics, steps }
    return this.#ready
  }

  #mustBeCompiled(what: string): Compilation {
    if (this.#compiled) return this.#compiled
    throw new UsageError(`You must call \`compile()\` before calling \`${what}()\`.`)
  }

  /** The output, built where it was not; throws LenetError where the inputs do not fit. */
  #builtFor(sizes: Shape): Spec {
    if (this.#layers.length === 0) throw new UsageError(`the model '${this.name}' has no layers; add() some`)
    if (!this.#output) this.build(sizes)
    const expected = this.inputShape ?? []
    if (expected.length !== sizes.length || expected.some((size, i) => size !== sizes[i]))
      throw new LenetError(
        `Input 0 of the model '${this.name}' is incompatible with it: expected shape=${showBatch(expected)}, found shape=${showBatch(sizes)}`,
      )
    return this.#output ?? { sizes: [], flatOf: null }
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
    const given = asTensor(x)
    const ready = this.#readyFor('fit', given.shape.slice(1))
    const outputs = this.outputShape ?? []
    const all = dataOf(ready.loss, outputs, given, y)
    const { validationData, validationSplit } = options
    if (validationData) this.#builtFor(asTensor(validationData[0]).shape.slice(1))
    const held = validationData && dataOf(ready.loss, outputs, ...validationData)
    const { data, validation } = held ? { data: all, validation: held } : split(all, validationSplit)
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
      validation,
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
      onUpdate: () => optimizer.iterations++,
    })
    return history
  }

  /** [loss, metrics…], means over all pictures. Source: keras.Model.evaluate. */
  async evaluate(x: Inputs, y: Inputs, options: EvaluateOptions = {}): Promise<number[]> {
    checkOptions('evaluate', options)
    const given = asTensor(x)
    const ready = this.#readyFor('evaluate', given.shape.slice(1))
    const data = dataOf(ready.loss, this.outputShape ?? [], given, y)
    return (await test(this.#runOptions(ready.steps, ready.metrics, data.inputs.length, options), data)).values()
  }

  /** Outputs for all pictures, in Keras' order of dimensions. Source: keras.Model.predict. */
  async predict(x: Inputs, options: PredictOptions = {}): Promise<Tensor> {
    checkOptions('predict', options)
    const given = asTensor(x)
    const out = this.#builtFor(given.shape.slice(1))
    const inputs = new Rows(given)
    const steps = this.#ready?.steps ?? (this.#predicting ??= new Steps(this, null))
    const size = sizeOf(out.sizes)
    const all = new Float32Array(inputs.length * size)
    const take = (found: Tensor, first: number): void => all.set(found.toTypedArray(), first * size)
    await predict(this.#runOptions(steps, [], inputs.length, options), inputs, take)
    return inKerasOrder(all, inputs.length, out)
  }

  /** Prints the table of layers. @param options lineLength, showTrainable, printFn (default: standard output) */
  summary(options: SummaryOptions & { readonly printFn?: (text: string) => void } = {}): void {
    const text = summaryText(this, output.columns, options)
    if (options.printFn) options.printFn(text)
    else output.write(text)
  }

  /** As Keras' `get_config()`. */
  getConfig(): Config {
    return configOf(this)
  }

  /** Of `getConfig()`, Keras' too. Weights are made anew, or left zeros where they are loaded anyway. */
  static fromConfig(config: unknown, { initialize = true }: { readonly initialize?: boolean } = {}): Sequential {
    const { name, layers, sizes } = readConfig(config)
    const make = (): Sequential => {
      const model = new Sequential(layers.map(layerFromConfig), name === undefined ? {} : { name })
      if (!model.built && sizes) model.build(sizes)
      return model
    }
    return initialize ? make() : withoutInitializers(make)
  }

  /** As Keras' `get_compile_config()`; null before `compile`. */
  getCompileConfig(): Config | null {
    return this.#compiled && compileConfigOf(this.#compiled)
  }

  /** Compiles as `getCompileConfig()` tells, Keras' too. */
  compileFromConfig(config: Config): void {
    this.compile(readCompileConfig(config))
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
