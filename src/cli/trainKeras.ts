/**
 * `lenet train --idiom keras`: the article's second half, task by task, by lenet/keras.
 * Not here: the first half (train.ts), the training itself (keras).
 */
import { join, resolve } from 'node:path'
import { isMap, LenetError } from '../base/index.js'
import type { ImageSet } from '../data/index.js'
import { formOfKeras, saveModel } from '../files/model.node.js'
import { loadModel, optimizers, utils, type Optimizer, type Model } from '../keras/index.node.js'
import { save } from '../nn/save.node.js'
import { fromArray, manualSeed, Tensor } from '../tensor/index.js'
import { checkpointOf, type EpochFigures, type Progress } from '../train/index.js'
import { loadImages, normalised } from './dataSets.js'
import { useDevice, type DeviceWatch } from './deviceFlags.js'
import { kerasData, kerasMakerOf, kerasName, lossFor, type KerasData, type MakeModel } from './kerasNets.js'
import { KerasWatch, StopCheck } from './kerasWatch.js'
import { count, createOutput, type Output } from './output.js'
import { tellReplaced } from './replaced.js'
import { showSamples } from './samples.js'
import { runUntilStopped, stopSignal, type StopSignal } from './signals.js'
import { drawCurves, openCheckpoint, tellDone, type Checkpoint } from './trainShared.js'
import { checkpointIn, resumeCommand, settingsOf, type TrainOptions } from './trainFlags.js'

/** Pictures at a time where nothing is learnt: it changes the speed only. */
const evaluationBatch = 256

const makers = { adam: optimizers.adam, adamw: optimizers.adamW, sgd: optimizers.sgd } as const

/** Flags are checked before. */
export async function trainKeras(options: TrainOptions): Promise<void> {
  const make = await kerasMakerOf(options.model)
  const stop = stopSignal()
  const job = new KerasJob(options, make, createOutput(options.json === true), stop)
  await runUntilStopped(job, stop)
}

interface Images {
  readonly train: ImageSet
  readonly test: ImageSet
}

/** As the net takes them. */
interface Sets {
  readonly train: KerasData
  readonly test: KerasData
  readonly classes: readonly string[]
}

class KerasJob {
  readonly #options: TrainOptions
  readonly #make: MakeModel
  readonly #output: Output
  readonly folder: string
  readonly #device: DeviceWatch
  readonly #stop: StopSignal
  readonly #start = performance.now()
  /** Of all epochs, those before a resume too. */
  readonly #epochs: EpochFigures[] = []
  /** What a stop leaves, outside the training itself. */
  #left = 'stopped before the training: nothing is changed'
  #from: Checkpoint | undefined

  constructor(options: TrainOptions, make: MakeModel, output: Output, stop: StopSignal) {
    this.#options = options
    this.#make = make
    this.#output = output
    this.#device = useDevice(options, output)
    this.folder = resolve(options.out ?? options.resume ?? join('runs', kerasName(options.model)))
    this.#stop = stop
  }

  async run(): Promise<void> {
    const output = this.#output
    this.#from = openCheckpoint(this.#options.resume, settingsOf(this.#options))
    const images = await output.task('get the data', () => this.#load())
    const { model, sets } = await output.task('create the model', () => this.#create(images))
    await output.task('show the parameters', () => model.summary({ printFn: (text) => output.text(text.trimEnd()) }))
    const watch = await output.task('train the model', () => this.#train(model, sets))
    const saved = await output.task('save and load the model', () => this.#saveAndLoad(model, sets))
    await output.task('evaluate the model', () => this.#evaluate(saved, sets, watch))
  }

  get #path(): string {
    return join(this.folder, `${kerasName(this.#options.model)}.h5`)
  }

  /** Throws Stopped once a signal came: what it interrupted has nothing to save. */
  checkStop(): void {
    this.#stop.check(this.#left)
  }

  async #load(): Promise<Images> {
    const { limitTrain, limitTest } = this.#options
    const read = (train: boolean, limit?: number) =>
      loadImages(this.#output, this.#options, train, limit, this.#stop.signal)
    const [train, test] = [await read(true, limitTrain), await read(false, limitTest)]
    this.checkStop()
    if (!this.#from) tellReplaced(this.#output, this.folder, this.#path, settingsOf(this.#options))
    const shapes = [train, test].map(
      (set) => `(${set.count}, ${set.height}, ${set.width}, ${set.channels}) (${set.count}, 1)`,
    )
    this.#output.text(shapes.join(' '))
    if (this.#options.samples)
      await this.#output.task('show sample pictures', () =>
        showSamples(this.#output, normalised(train), join(this.folder, 'samples.png')),
      )
    return { train, test }
  }

  #create({ train, test }: Images): { readonly model: Model; readonly sets: Sets } {
    const { seed, optimizer, lr } = this.#options
    const { channels, height, width, classes } = train
    manualSeed(seed)
    const model = this.#make(channels, classes.length)
    if (!model.built) model.build([height, width, channels])
    const form = formOfKeras(model)
    const make = makers[optimizer as keyof typeof makers]
    model.compile({
      optimizer: make(lr === undefined ? {} : { learningRate: lr }),
      ...lossFor(model, form, classes.length),
    })
    const { scale } = form.preprocessing
    return { model, sets: { train: kerasData(train, scale), test: kerasData(test, scale), classes } }
  }

  async #train(model: Model, { train, test }: Sets): Promise<KerasWatch> {
    const { epochs, batchSize } = this.#options
    const from = this.#resume(model)
    const watch: KerasWatch = new KerasWatch({
      count: train.count,
      batchSize,
      from,
      onEvent: (event) => {
        if (event.event === 'epoch') this.#epochs.push(event)
        this.#output.event(event)
      },
      onBatch: () => this.#device.afterStep(),
      onEpochEnd: () => {
        this.#checkpoint(model, watch.progress)
      },
    })
    await model.fit(train.images, train.labels, {
      epochs,
      batchSize,
      validationData: [test.images, test.labels],
      validationBatchSize: evaluationBatch,
      initialEpoch: from?.epoch ?? 0,
      initialBatch: from?.batch ?? 0,
      callbacks: [watch],
      verbose: this.#output.json ? 0 : 1,
      signal: this.#stop.signal,
    })
    if (watch.progress.epoch < epochs) this.#stopped(model, watch.progress)
    return watch
  }

  #stopped(model: Model, progress: Progress): void {
    const path = this.#checkpoint(model, progress)
    const command = resumeCommand(process.argv.slice(2), this.folder)
    this.#stop.check(`stopped; the weights so far are in ${path}; go on with: ${command}`)
  }

  #checkpoint(model: Model, progress: Progress): string {
    const path = checkpointIn(this.folder)
    const weights = Object.fromEntries(model.weights.map((weight) => [weight.path, weight.get()]))
    const state = checkpointOf(
      weights,
      optimizerState(model.optimizer),
      progress,
      settingsOf(this.#options),
      this.#epochs,
    )
    save(state, path)
    return path
  }

  #resume(model: Model): Progress | undefined {
    if (!this.#from) return undefined
    const { reader, path } = this.#from
    const found = tensorsOf(reader.part('model'), path)
    model.setWeights(model.weights.map((weight) => tensorOf(found, weight.path, path)))
    model.buildOptimizer()
    if (model.optimizer) loadOptimizer(model.optimizer, reader.part('optimizer'), path)
    this.#epochs.push(...reader.history())
    this.#output.info(`resuming from ${path}`)
    return reader.progress()
  }

  /** What was loaded must be what was saved: its outputs for some pictures are compared. */
  async #saveAndLoad(model: Model, { test, classes }: Sets): Promise<{ model: Model; path: string }> {
    const path = this.#path
    await saveModel(model, path, { classes })
    this.#left = `stopped before the evaluation's end: the model is ${path}`
    const again = await loadModel(path)
    const [before, after] = [await firstOutputs(model, test), await firstOutputs(again, test)]
    if (before.some((value, i) => value !== after[i]))
      throw new LenetError(`${path}: the model that was loaded again gives other outputs than the one that was saved`)
    this.#output.text(path)
    return { model: again, path }
  }

  async #evaluate(saved: { model: Model; path: string }, sets: Sets, watch: KerasWatch): Promise<void> {
    const { epochs } = this.#options
    const verbose = this.#output.json ? 0 : 2
    const accuracyOn = async ({ images, labels }: KerasData): Promise<number> => {
      const callbacks = [new StopCheck(() => this.checkStop())]
      const [, accuracy = NaN] = await saved.model.evaluate(images, labels, {
        batchSize: evaluationBatch,
        verbose,
        callbacks,
      })
      return accuracy
    }
    const title = `${kerasName(this.#options.model)}, ${count(epochs, 'epoch')}`
    await drawCurves(this.#output, this.folder, title, this.#epochs)
    const [trainAccuracy, testAccuracy] = [await accuracyOn(sets.train), await accuracyOn(sets.test)]
    const { medianStepMs } = watch
    const seconds = (performance.now() - this.#start) / 1000
    tellDone(this.#output, this.#device, { trainAccuracy, testAccuracy, seconds, medianStepMs, model: saved.path })
  }
}

async function firstOutputs(model: Model, { images, count }: KerasData): Promise<number[]> {
  const [few] = utils.take([images], 0, Math.min(64, count))
  return Array.from((await model.predict(few, { verbose: 0 })).toTypedArray())
}

/** Lists by Keras' names, and the numbers. */
function optimizerState(optimizer: Optimizer | null): Record<string, unknown> {
  if (!optimizer) return {}
  const lists = Array.from(optimizer.slotValues(), ({ slot, weight, data }) => {
    return [`${weight.path}/${slot}`, fromArray(data, weight.shape, 'f32')] as const
  })
  const { iterations, learningRate } = optimizer
  return { iterations, learning_rate: learningRate, lists: Object.fromEntries(lists) }
}

function loadOptimizer(optimizer: Optimizer, state: unknown, path: string): void {
  const found = isMap(state) ? state : new Map<unknown, unknown>()
  const lists = tensorsOf(found.get('lists'), path)
  const [iterations, learningRate] = [Number(found.get('iterations')), Number(found.get('learning_rate'))]
  optimizer.setState({ iterations, learningRate }, (slot, weight) =>
    lists.get(`${weight.path}/${slot}`)?.toTypedArray(),
  )
}

function tensorsOf(value: unknown, path: string): Map<string, Tensor> {
  if (!isMap(value)) throw new LenetError(`${path} is not a checkpoint of a training in Keras' idiom`)
  const entries = [...(value as Map<unknown, unknown>)]
  return new Map(entries.flatMap(([name, x]) => (x instanceof Tensor ? [[String(name), x] as const] : [])))
}

function tensorOf(found: ReadonlyMap<string, Tensor>, name: string, path: string): Tensor {
  const tensor = found.get(name)
  if (tensor) return tensor
  throw new LenetError(`${path} has no weight ${name}: it is of another net`)
}
