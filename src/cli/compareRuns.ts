/** One training of `lenet compare`, in either idiom. Not here: which ones (compare.ts), what is said of them (report). */
import type { ImageSet } from '../data/index.js'
import { Callback, losses, Optimizer, optimizers, type Model } from '../keras/index.js'
import { namedNets } from '../models/index.js'
import { optim } from '../nn/index.js'
import type { ComparedRun } from '../report/index.js'
import { defaultGenerator, fromArray, manualSeed, type Tensor } from '../tensor/index.js'
import { evaluateNet, Trainer, type EpochEvent, type Net } from '../train/index.js'
import { normalised } from './dataSets.js'
import { kerasData, kerasNets } from './kerasNets.js'
import { KerasWatch, StopCheck } from './kerasWatch.js'

export type RunSpec = Pick<ComparedRun, 'net' | 'idiom' | 'optimizer' | 'like'>

export const batchSize = 32

export interface RunContext {
  readonly train: ImageSet
  readonly test: ImageSet
  readonly epochs: number
  readonly seed: number
  readonly signal: AbortSignal
  readonly onStep: (epoch: number, batch: number) => void
  readonly onEpoch: (event: EpochEvent) => void
  /** While it is evaluated: may throw. */
  readonly check: () => void
}

/** The run with its figures; null where a signal stopped it. */
export async function compareRun(spec: RunSpec, context: RunContext): Promise<ComparedRun | null> {
  const epochs: EpochEvent[] = []
  let firstLoss = NaN
  const onFirst = (loss: number): void => {
    firstLoss = loss
  }
  const onEpoch = (event: EpochEvent): void => {
    epochs.push(event)
    context.onEpoch(event)
  }
  const run = spec.idiom === 'torch' ? torchRun : kerasRun
  const found = await run(spec, { ...context, onEpoch }, onFirst)
  const seconds = epochs.reduce((sum, event) => sum + event.seconds, 0)
  const curve = epochs.map(({ epoch, loss, accuracy, valLoss = NaN, valAccuracy = NaN }) => {
    return { epoch, loss, accuracy, valLoss, valAccuracy }
  })
  const counts = { trainCount: context.train.count, testCount: context.test.count }
  const testAccuracy = epochs.at(-1)?.valAccuracy ?? NaN
  return found && { ...spec, ...found, ...counts, epochs: curve, firstLoss, seconds, testAccuracy }
}

/** Batches at the beginning in which rounding has not grown yet. */
const firstBatches = 10

type OnFirst = (loss: number) => void

type Found = Pick<ComparedRun, 'parameters' | 'trainAccuracy' | 'medianStepMs' | 'device'>

function torchNet({ net }: RunSpec, { train, seed }: RunContext): Net {
  const make = namedNets[net]
  if (!make) throw new Error(`no net ${net}`)
  manualSeed(seed)
  return new make(train.channels, train.classes.length)
}

async function torchRun(spec: RunSpec, context: RunContext, onFirst: OnFirst): Promise<Found | null> {
  const { epochs, signal, onStep, onEpoch, check } = context
  const [net, set] = [torchNet(spec, context), normalised(context.train)]
  const parameters = net.parameters()
  const optimizer =
    spec.optimizer === 'sgd'
      ? new optim.SGD(parameters, { lr: 0.001, momentum: 0.9 })
      : new optim.Adam(parameters, { lr: 0.001 })
  const trainer = new Trainer({
    net,
    recordSteps: true,
    optimizer,
    set,
    batchSize,
    epochs,
    validation: normalised(context.test),
    onEvent: (event) => {
      if (event.event === 'epoch') onEpoch(event)
    },
    onStep: (epoch, batch, means) => {
      if (epoch === 1 && batch === firstBatches) onFirst(means().loss)
      onStep(epoch, batch)
    },
    signal,
  })
  if (!(await trainer.run())) return null
  const { accuracy: trainAccuracy } = await evaluateNet(net, set, check)
  const count = parameters.reduce((sum, parameter) => sum + parameter.numel(), 0)
  return { parameters: count, trainAccuracy, medianStepMs: trainer.medianStepMs, device: trainer.tier }
}

/** Both idioms keep weights in PyTorch's order inside: only what is seen outside is in Keras' order. */
export function giveWeights(model: Model, net: Net): void {
  const values = net.parameters().map((parameter) => parameter.toTypedArray())
  model.setWeights(model.weights.map((weight, i) => fromArray(weight.toKeras(values[i] ?? []), weight.shape, 'f32')))
}

/** Draws what PyTorch's loader draws before each order: the seed of its workers. */
class TorchOrder extends Callback {
  override onEpochBegin(): void {
    defaultGenerator.random64()
  }
}

/** PyTorch's Adam under Keras' fit: its ε is added after the bias is corrected, Keras' before. */
class TorchAdam extends Optimizer {
  readonly name = 'adam'
  readonly className = 'Adam'
  protected readonly slots = []

  constructor() {
    super(0.001)
  }

  protected make(weights: readonly Tensor[]): optim.Adam {
    return new optim.Adam(weights, { lr: this.learningRate })
  }

  protected ownConfig(): Record<string, never> {
    return {}
  }
}

async function kerasRun(spec: RunSpec, context: RunContext, onFirst: OnFirst): Promise<Found | null> {
  const { like } = spec
  const { epochs, signal, onStep, check } = context
  const model = kerasModel(spec, context)
  const torchLike = like.includes('pictures')
  const [train, test] = [context.train, context.test].map((set) => {
    const { images, labels } = kerasData(set)
    return [torchLike ? images.sub(0.5).div(0.5) : images, labels] as const
  })
  if (!train || !test) return null
  const watch: KerasWatch = new KerasWatch({
    count: context.train.count,
    batchSize,
    onEvent: (event) => {
      if (event.event === 'epoch') context.onEpoch(event)
    },
    onBatch: (epoch, batch, means) => {
      if (epoch === 1 && batch === firstBatches) onFirst(means.loss)
      onStep(epoch, batch)
    },
  })
  const callbacks = like.includes('order') ? [watch, new TorchOrder()] : [watch]
  await model.fit(...train, {
    epochs,
    batchSize,
    validationData: test,
    validationBatchSize: 256,
    callbacks,
    verbose: 0,
    signal,
  })
  if (watch.progress.epoch < epochs) return null
  const [, trainAccuracy = NaN] = await model.evaluate(...train, {
    batchSize: 256,
    verbose: 0,
    callbacks: [new StopCheck(check)],
  })
  return { parameters: model.countParams(), trainAccuracy, medianStepMs: watch.medianStepMs, device: watch.tier }
}

function kerasModel(spec: RunSpec, { train, seed, ...context }: RunContext): Model {
  const make = kerasNets[spec.net]
  if (!make) throw new Error(`no net ${spec.net}`)
  manualSeed(seed)
  const model = make(train.channels, train.classes.length)
  // the generator then stands where PyTorch's stands
  if (spec.like.includes('weights')) giveWeights(model, torchNet(spec, { train, seed, ...context }))
  model.compile({
    optimizer: spec.like.includes('epsilon') ? new TorchAdam() : optimizers.adam(),
    loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }),
    metrics: ['accuracy'],
  })
  return model
}
