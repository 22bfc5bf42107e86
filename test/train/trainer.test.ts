/** The training loop on a few pictures in memory: true means, going on to the same bits, NaN, a stop. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Generator, LenetError } from '../../src/base/index.js'
import { DataLoader, ImageDataset } from '../../src/data/index.js'
import { readPth, writePthObject } from '../../src/formats/index.js'
import { F, nn, optim } from '../../src/nn/index.js'
import { fromPth, toPth } from '../../src/nn/pth.js'
import { manualSeed, type Tensor } from '../../src/tensor/index.js'
import {
  CheckpointReader,
  checkpointOf,
  evaluateNet,
  Trainer,
  type EpochEvent,
  type LogEvent,
  type RunSettings,
  type TrainEvent,
  type TrainerOptions,
} from '../../src/train/index.js'

const side = 8
const classes = ['dark', 'middling', 'light']

/** Noise [n, 3, 8, 8], brighter from class to class. */
function pictures(count: number, seed = 7): ImageDataset {
  const random = new Generator(seed)
  const labels = Uint8Array.from({ length: count }, () => random.randomU32() % classes.length)
  const size = 3 * side * side
  const pixels = Uint8Array.from(
    { length: count * size },
    (_, i) => 60 * (labels[Math.floor(i / size)] ?? 0) + (random.randomU32() % 100),
  )
  return new ImageDataset({ pixels, labels, count, channels: 3, height: side, width: side, classes })
}

class Plain extends nn.Module {
  conv = new nn.Conv2d(3, 4, 3)
  fc = new nn.Linear(36, classes.length)
  override forward(x: Tensor): Tensor {
    return this.fc(F.maxPool2d(F.relu(this.conv(x)), 2).flatten(1))
  }
}

/** All that has a state besides parameters: running means, random masks. */
class Stateful extends nn.Module {
  conv = new nn.Conv2d(3, 4, 3)
  norm = new nn.BatchNorm2d(4)
  drop = new nn.Dropout(0.3)
  fc = new nn.Linear(36, classes.length)
  override forward(x: Tensor): Tensor {
    return this.fc(this.drop(F.maxPool2d(F.relu(this.norm(this.conv(x))), 2).flatten(1)))
  }
}

/** A part whose values are computed anew for gradients, and running statistics that are the mean of all batches. */
class Checkpointed extends nn.Module {
  body = new nn.Sequential(
    new nn.Conv2d(3, 4, 3),
    new nn.BatchNorm2d(4, { momentum: null }),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Dropout(0.3),
    { checkpoint: true },
  )
  fc = new nn.Linear(36, classes.length)
  override forward(x: Tensor): Tensor {
    return this.fc(this.body(x).flatten(1))
  }
}

type SmallNet = Plain | Stateful | Checkpointed
type Kind = new () => SmallNet

const settings: RunSettings = {
  idiom: 'torch',
  model: 'small',
  optimizer: 'adam',
  data: 'noise',
  batchSize: 16,
  lr: 0.01,
  seed: 3,
  limitTrain: 0,
}

interface Run {
  readonly net: SmallNet
  readonly optimizer: optim.Adam
  readonly trainer: Trainer
  readonly events: TrainEvent[]
}

/** A run of two epochs of four batches, from seed 3 or from the bytes of a checkpoint. */
function start(kind: Kind, changes: Partial<TrainerOptions> = {}, saved?: Uint8Array): Run {
  manualSeed(saved ? 99 : 3)
  const net = new kind()
  const optimizer = new optim.Adam(net.parameters(), { lr: settings.lr })
  const events: TrainEvent[] = []
  const options: TrainerOptions = {
    net,
    optimizer,
    set: pictures(50),
    batchSize: settings.batchSize,
    epochs: 2,
    onEvent: (event) => events.push(event),
    ...changes,
  }
  if (!saved) return { net, optimizer, events, trainer: new Trainer(options) }
  const reader = new CheckpointReader(fromPth(readPth(saved, 'test').whole, 'test'), 'test')
  assert.deepEqual(reader.settings(), settings)
  net.loadStateDict(reader.part('model') as Parameters<typeof net.loadStateDict>[0])
  optimizer.loadStateDict(reader.part('optimizer'))
  return { net, optimizer, events, trainer: new Trainer(options, reader.progress()) }
}

const bytesOf = ({ net, optimizer, trainer }: Run): Uint8Array =>
  writePthObject(toPth(checkpointOf(net.stateDict(), optimizer.stateDict(), trainer.progress(), settings, [])))

/** Runs until so many steps are done in all; the bytes of the checkpoint there. */
async function stoppedAfter(steps: number, kind: Kind): Promise<Uint8Array> {
  const stop = new AbortController()
  let done = 0
  const onStep = (): void => {
    if (++done === steps) stop.abort()
  }
  const run = start(kind, { signal: stop.signal, onStep })
  assert.equal(await run.trainer.run(), false)
  assert.equal(done, steps)
  return bytesOf(run)
}

const told = (events: readonly TrainEvent[]): object[] =>
  events.map((event) => ({ ...event, ...('seconds' in event ? { seconds: 0 } : {}) }))

describe('events', () => {
  test('an epoch tells the true means over its pictures', async () => {
    const run = start(Plain)
    assert.equal(await run.trainer.run(), true)
    const expected = plainLoop()
    assert.equal(run.events.length, 2)
    for (const [i, event] of (run.events as EpochEvent[]).entries()) {
      assert.deepEqual([event.event, event.epoch, 'valLoss' in event], ['epoch', i + 1, false])
      assert.ok(Math.abs(event.loss - (expected[i]?.loss ?? NaN)) < 1e-6, `${event.loss}, ${expected[i]?.loss}`)
      assert.equal(event.accuracy, expected[i]?.accuracy)
      assert.ok(event.seconds > 0)
    }
    assert.ok(run.trainer.medianStepMs > 0)
  })

  test('500 batches make a log event, with the means over them alone', async () => {
    const losses: number[] = []
    const { trainer, events } = start(Plain, {
      set: pictures(1100),
      batchSize: 1,
      epochs: 1,
      onStep: (_epoch, batch, means) => {
        // The sum since the last event, less what was there before, is this batch's loss.
        const inWindow = (batch - 1) % 500
        const before = losses.slice(losses.length - inWindow).reduce((a, b) => a + b, 0)
        losses.push(means().loss * (inWindow + 1) - (inWindow ? before : 0))
      },
    })
    await trainer.run()
    const logs = events.filter((event): event is LogEvent => event.event === 'log')
    assert.deepEqual(
      logs.map(({ epoch, batch }) => [epoch, batch]),
      [
        [1, 500],
        [1, 1000],
      ],
    )
    const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b) / values.length
    for (const [i, { loss, accuracy }] of logs.entries()) {
      assert.ok(Math.abs(loss - mean(losses.slice(500 * i, 500 * (i + 1)))) < 1e-6)
      assert.ok(Number.isInteger(Math.round(accuracy * 5e5) / 1000) && accuracy > 0.34 && accuracy <= 1)
    }
    const epoch = events.at(-1) as EpochEvent
    assert.ok(Math.abs(epoch.loss - mean(losses)) < 1e-6)
  })

  test('validation is told with the epoch and changes nothing of the training', async () => {
    const validation = pictures(40, 8)
    const plain = start(Stateful)
    await plain.trainer.run()
    const expected = bytesOf(plain)
    const validated = start(Stateful, { validation })
    await validated.trainer.run()
    assert.deepEqual(bytesOf(validated), expected)
    const last = validated.events.at(-1) as EpochEvent
    const { loss, accuracy, count } = await evaluateNet(asNet(validated.net), validation)
    assert.deepEqual([last.valLoss, last.valAccuracy, count], [loss, accuracy, 40])
    assert.equal(validated.net.training, true)
  })
})

const asNet = (net: SmallNet): TrainerOptions['net'] => net

/** The same two epochs as plain lines, the means from each batch's losses and logits. */
function plainLoop(): { loss: number; accuracy: number }[] {
  manualSeed(3)
  const net = new Plain()
  const optimizer = new optim.Adam(net.parameters(), { lr: settings.lr })
  const criterion = new nn.CrossEntropyLoss()
  const set = pictures(50)
  return [1, 2].map(() => {
    let [loss, right, batches] = [0, 0, 0]
    for (const [inputs, labels] of new DataLoader(set, { batchSize: 16, shuffle: true })) {
      const outputs = net(inputs)
      const now = criterion(outputs, labels)
      const found = outputs.toTypedArray()
      right += Array.from(labels.toTypedArray()).filter((label, i) => {
        const row = Array.from(found.subarray(3 * i, 3 * i + 3))
        return row.indexOf(Math.max(...row)) === label
      }).length
      optimizer.zeroGrad()
      now.backward()
      optimizer.step()
      loss += now.item()
      batches++
    }
    return { loss: loss / batches, accuracy: right / 50 }
  })
}

describe('going on', () => {
  for (const kind of [Plain, Stateful, Checkpointed])
    for (const [where, steps] of [
      ["in the first epoch's middle", 2],
      ['between the epochs', 4],
      ["in the second epoch's middle", 7],
    ] as const)
      test(`${kind.name}, ${where}: the same bits as without a stop`, async () => {
        const whole = start(kind)
        await whole.trainer.run()
        const expected = bytesOf(whole)
        const saved = await stoppedAfter(steps, kind)
        const rest = start(kind, {}, saved)
        assert.equal(await rest.trainer.run(), true)
        assert.deepEqual(bytesOf(rest), expected)
        assert.deepEqual(told(rest.events), told(whole.events).slice(steps < 4 ? 0 : 1))
      })

  test('a run that was done has nothing left to do, or more epochs', async () => {
    const whole = start(Stateful, { epochs: 3 })
    await whole.trainer.run()
    const expected = bytesOf(whole)
    const short = start(Stateful)
    await short.trainer.run()
    const saved = bytesOf(short)
    const done = start(Stateful, {}, saved)
    assert.equal(await done.trainer.run(), true)
    assert.deepEqual([done.events, bytesOf(done)], [[], saved])
    const longer = start(Stateful, { epochs: 3 }, saved)
    await longer.trainer.run()
    assert.deepEqual(bytesOf(longer), expected)
  })

  test('the figures of the epochs done are kept; older files have none', () => {
    const history = [
      { epoch: 1, loss: 1.5, accuracy: 0.5 },
      { epoch: 2, loss: 1.25, accuracy: 0.75, valLoss: 1.5, valAccuracy: 0.5 },
    ]
    const { trainer } = start(Plain)
    const whole = checkpointOf({}, {}, trainer.progress(), settings, history)
    const read = fromPth(readPth(writePthObject(toPth(whole)), 'test').whole, 'test')
    assert.deepEqual(new CheckpointReader(read, 'test').history(), history)
    assert.deepEqual(new CheckpointReader(new Map(), 'x.pth').history(), [])
    const odd = new Map([['history', new Map([['epoch', 1]])]])
    assert.throws(() => new CheckpointReader(odd, 'x.pth').history(), /x\.pth is not a checkpoint .* has no history/)
  })

  test('what is no checkpoint is refused', () => {
    const read = (value: unknown): unknown => new CheckpointReader(value, 'x.pth').progress()
    for (const value of [null, 3, new Map(), new Map([['random', new Map()]])])
      assert.throws(() => read(value), /x\.pth is not a checkpoint to resume from: it has no /)
    assert.throws(() => new CheckpointReader(new Map(), 'x.pth').settings(), LenetError)
  })
})

test('a loss that is no number ends the training, and says where', async () => {
  let saved = 0
  const { trainer, optimizer } = start(Plain, {
    onEpochEnd: () => {
      saved++
      for (const group of optimizer.paramGroups) group.lr = Number.NaN
    },
  })
  await assert.rejects(trainer.run(), (error) => {
    assert.ok(error instanceof LenetError)
    assert.match(error.message, /the loss is NaN at epoch 2, batch 2: training has diverged/)
    return true
  })
  assert.equal(saved, 1)
})

test('a signal given before the start stops before the first step', async () => {
  const run = start(Plain, { signal: AbortSignal.abort() })
  const before = bytesOf(run)
  assert.equal(await run.trainer.run(), false)
  assert.deepEqual(run.events, [])
  const rest = start(Plain, {}, before)
  await rest.trainer.run()
  const whole = start(Plain)
  await whole.trainer.run()
  assert.deepEqual(bytesOf(rest), bytesOf(whole))
})
