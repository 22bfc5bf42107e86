/**
 * `lenet train` and `lenet start`: the article's tasks one after the other, each timed: data, samples, net, parameters,
 * training, saving and loading, evaluation. Not here: the training loop (train), flags (program.ts).
 */
import { join, resolve } from 'node:path'
import type { ImageDataset } from '../data/index.js'
import type { MakeNet } from '../files/index.js'
import { saveModel } from '../files/model.node.js'
import { namedNets } from '../models/index.js'
import { loadWeights, save } from '../nn/save.node.js'
import { manualSeed } from '../tensor/index.js'
import {
  checkpointOf,
  evaluateNet,
  logEvery,
  Trainer,
  type EpochEvent,
  type EpochFigures,
  type LogEvent,
  type Means,
  type Net,
  type RunSettings,
} from '../train/index.js'
import { loadSet } from './dataSets.js'
import { useDevice, type DeviceWatch } from './deviceFlags.js'
import { makerOf, saveName } from './models.js'
import { count, createOutput, type Output } from './output.js'
import { tellReplaced } from './replaced.js'
import { showSamples } from './samples.js'
import { runUntilStopped, stopSignal, type StopSignal } from './signals.js'
import { drawCurves, openCheckpoint, tellDone, type Checkpoint } from './trainShared.js'
import {
  checkFlags,
  checkpointIn,
  optimizers,
  resumeCommand,
  settingsOf,
  type AnyOptimizer,
  type TrainOptions,
} from './trainFlags.js'

export async function trainCommand(options: TrainOptions): Promise<void> {
  checkFlags(options)
  if (options.idiom === 'keras') return (await import('./trainKeras.js')).trainKeras(options)
  const make = await makerOf(options.model)
  const stop = stopSignal()
  const output = createOutput(options.json === true)
  const job = new TrainJob(options, make, output, stop)
  await runUntilStopped(job, stop)
}

class TrainJob {
  readonly #options: TrainOptions
  readonly #make: MakeNet
  readonly #output: Output
  readonly folder: string
  readonly #settings: RunSettings
  readonly #device: DeviceWatch
  readonly #stop: StopSignal
  readonly #start = performance.now()
  /** Of all epochs, those before a resume too. */
  readonly #epochs: EpochFigures[] = []
  #test: Promise<ImageDataset> | undefined
  #from: Checkpoint | undefined
  /** What a stop leaves, outside the training itself. */
  #left = 'stopped before the training: nothing is changed'

  constructor(options: TrainOptions, make: MakeNet, output: Output, stop: StopSignal) {
    const { model } = options
    this.#options = options
    this.#make = make
    this.#output = output
    this.#device = useDevice(options, output)
    this.folder = resolve(options.out ?? options.resume ?? join('runs', saveName(model).replace('.pth', '')))
    this.#settings = settingsOf(options)
    this.#stop = stop
  }

  async run(): Promise<void> {
    const output = this.#output
    this.#from = openCheckpoint(this.#options.resume, this.#settings)
    const train = await output.task('get the data', () => this.#loadSet(true))
    this.checkStop()
    if (!this.#from) tellReplaced(output, this.folder, this.#path, this.#settings)
    if (this.#options.samples)
      await output.task('show sample pictures', () => showSamples(output, train, join(this.folder, 'samples.png')))
    const net = await output.task('create the model', () => this.#create(train))
    await output.task('show the parameters', () => this.#showParameters(net))
    const trainer = await output.task('train the model', () => this.#train(net, train))
    const saved = await output.task('save and load the model', () => this.#saveAndLoad(net, train))
    await output.task('evaluate the model', () => this.#evaluate(saved, train, trainer))
  }

  get #path(): string {
    return join(this.folder, saveName(this.#options.model))
  }

  /** Throws Stopped once a signal came: what it interrupted has nothing to save. */
  checkStop(): void {
    this.#stop.check(this.#left)
  }

  /** Both sets are verified before the training; the test pictures are read when they are needed first. */
  #loadSet(train: boolean): Promise<ImageDataset> {
    const { limitTrain, limitTest } = this.#options
    return loadSet(this.#output, this.#options, train, train ? limitTrain : limitTest, this.#stop.signal)
  }

  #testSet(): Promise<ImageDataset> {
    return (this.#test ??= this.#loadSet(false))
  }

  #new(set: ImageDataset): Net {
    return this.#make(set.images.channels, set.classes.length)
  }

  #create(set: ImageDataset): Net {
    manualSeed(this.#options.seed)
    const net = this.#new(set)
    this.#output.text(String(net))
    return net
  }

  #showParameters(net: Net): void {
    const parameters = net.parameters()
    this.#output.text(String(parameters.length))
    for (const { shape } of parameters) this.#output.text(`torch.Size([${shape.join(', ')}])`)
  }

  async #train(net: Net, set: ImageDataset): Promise<Trainer> {
    const { epochs, batchSize, validate } = this.#options
    const kind = optimizers[this.#options.optimizer as keyof typeof optimizers]
    const optimizer = new kind(net.parameters(), { lr: this.#settings.lr })
    const from = this.#resume(net, optimizer)
    const steps = Math.ceil(set.length / batchSize)
    const bar = epochBar(this.#output, steps, epochs)
    // The article's log is left as it is, and tells nothing of short epochs and of validation.
    const tellsEpochs = steps < logEvery || validate === true
    const trainer: Trainer = new Trainer(
      {
        net,
        // a user's net may decide anew at each step
        recordSteps: Object.hasOwn(namedNets, this.#options.model),
        optimizer,
        set,
        batchSize,
        epochs,
        signal: this.#stop.signal,
        validation: validate ? await this.#testSet() : undefined,
        onEvent: (event) => {
          bar.clear()
          if (event.event === 'epoch') this.#epochs.push(event)
          if (event.event === 'log') this.#output.text(logText(event))
          else if (tellsEpochs) this.#output.text(epochText(event, epochs))
          this.#output.event(event)
        },
        onStep: (epoch, batch, means) => {
          this.#device.afterStep()
          if (!this.#output.json) bar.update(epoch, batch, means)
        },
        onEpochEnd: () => this.#checkpoint(net, optimizer, trainer),
      },
      from,
    )
    const done = await trainer.run()
    bar.clear()
    if (!done) this.#stopped(net, optimizer, trainer)
    return trainer
  }

  #stopped(net: Net, optimizer: AnyOptimizer, trainer: Trainer): void {
    const path = this.#checkpoint(net, optimizer, trainer)
    const command = resumeCommand(process.argv.slice(2), this.folder)
    this.#stop.check(`stopped; the weights so far are in ${path}; go on with: ${command}`)
  }

  #checkpoint(net: Net, optimizer: AnyOptimizer, trainer: Trainer): string {
    const path = checkpointIn(this.folder)
    save(checkpointOf(net.stateDict(), optimizer.stateDict(), trainer.progress(), this.#settings, this.#epochs), path)
    return path
  }

  #resume(net: Net, optimizer: AnyOptimizer): ReturnType<Checkpoint['reader']['progress']> | undefined {
    if (!this.#from) return undefined
    const { reader, path } = this.#from
    net.loadStateDict(reader.part('model') as Parameters<Net['loadStateDict']>[0])
    optimizer.loadStateDict(reader.part('optimizer'))
    this.#epochs.push(...reader.history())
    this.#output.info(`resuming from ${path}`)
    return reader.progress()
  }

  /** A bare state dict, with the names of the classes beside it. */
  async #saveAndLoad(net: Net, set: ImageDataset): Promise<{ net: Net; path: string }> {
    const path = this.#path
    await saveModel(net, path, { classes: set.classes })
    const again = this.#new(set)
    again.loadStateDict(loadWeights(path))
    this.#left = `stopped before the evaluation's end: the model is ${path}`
    this.#output.text(path)
    return { net: again, path }
  }

  async #evaluate(saved: { net: Net; path: string }, train: ImageDataset, trainer: Trainer): Promise<void> {
    const onBatch = (): void => this.checkStop()
    const { epochs, model } = this.#options
    const title = `${saveName(model).replace('.pth', '')}, ${count(epochs, 'epoch')}`
    await drawCurves(this.#output, this.folder, title, this.#epochs)
    const { accuracy: trainAccuracy } = await evaluateNet(saved.net, train, onBatch)
    const { accuracy: testAccuracy } = await evaluateNet(saved.net, await this.#testSet(), onBatch)
    const seconds = (performance.now() - this.#start) / 1000
    const { medianStepMs } = trainer
    tellDone(this.#output, this.#device, { trainAccuracy, testAccuracy, seconds, medianStepMs, model: saved.path })
  }
}

/** A progress line for each epoch: its rate and time left are that epoch's. */
function epochBar(output: Output, total: number, epochs: number) {
  let line: ReturnType<Output['progress']> | undefined
  let shown = 0
  return {
    clear: () => line?.clear(),
    update: (epoch: number, batch: number, means: () => Means) => {
      // The clock runs from the first step; means are read only when they are shown, for that costs a run of the device.
      if (epoch !== shown) line = output.progress({ total, label: `epoch ${epoch}/${epochs}` })
      shown = epoch
      if (line?.isDue) line.update(batch, { ...means() })
    },
  }
}

const logText = ({ epoch, batch, loss, accuracy }: LogEvent): string =>
  `[${epoch}, ${String(batch).padStart(5)}] loss: ${loss.toFixed(3)}, accuracy: ${(100 * accuracy).toFixed(1)}`

/** `epoch 3/30: loss: 0.512, accuracy: 81.3, validation loss: 0.634, validation accuracy: 77.9 [0.42 seconds]` */
function epochText({ epoch, loss, accuracy, valLoss, valAccuracy, seconds }: EpochEvent, epochs: number): string {
  const figures = (what: string, mean: number, share: number): string =>
    `${what}loss: ${mean.toFixed(3)}, ${what}accuracy: ${(100 * share).toFixed(1)}`
  const validated =
    valLoss === undefined || valAccuracy === undefined ? '' : `, ${figures('validation ', valLoss, valAccuracy)}`
  return `epoch ${epoch}/${epochs}: ${figures('', loss, accuracy)}${validated} [${seconds.toFixed(2)} seconds]`
}
