/**
 * Checkpoints: parts of a net whose values are computed anew for the backward pass. The same bits as without, in less memory.
 * Gradients of graphs with checkpoints against the reference: conformance.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { arrange, wasmTarget } from '../../src/compiler/index.js'
import { clearSession, layers, Sequential, type Layer as KerasLayer } from '../../src/keras/index.js'
import { F, nn, optim, type Layer } from '../../src/nn/index.js'
import { compileStep, cpuBackend, manualSeed, rand, tensor, type Tensor } from '../../src/tensor/index.js'

class Residual extends nn.Module {
  readonly body: nn.Sequential

  constructor(channels: number, checkpoint: boolean) {
    super()
    const half = (): Layer[] => [
      new nn.Conv2d(channels, channels, 3, { padding: 1, bias: false }),
      new nn.BatchNorm2d(channels),
      new nn.ReLU(),
    ]
    this.body = new nn.Sequential(...half(), new nn.Dropout(0.2), ...half(), { checkpoint })
  }

  forward(x: Tensor): Tensor {
    return this.body(x).add(x)
  }
}

/** Max-pools, norms of all kinds, dropout, groups and strides, in parts of their own. */
const varied = (checkpoint: boolean): nn.Sequential =>
  new nn.Sequential(
    new nn.Sequential(new nn.Conv2d(3, 8, 3, { padding: 1 }), new nn.ReLU(), new nn.MaxPool2d(2), { checkpoint }),
    new Residual(8, checkpoint),
    new nn.Sequential(
      new nn.Conv2d(8, 8, 3, { stride: 2, padding: 1, groups: 8 }),
      new nn.GroupNorm(2, 8),
      new nn.SiLU(),
      new nn.Conv2d(8, 12, 1),
      new nn.Sequential(new nn.BatchNorm2d(12), new nn.Dropout2d(0.3), new nn.LayerNorm([12, 4, 4]), { checkpoint }),
      new nn.GELU(),
      { checkpoint },
    ),
    new nn.Flatten(),
    new nn.Linear(192, 10),
  )

interface Learnt {
  readonly losses: readonly number[]
  readonly state: Readonly<Record<string, readonly number[]>>
}

/** How a step is done: at once; compiled; with the loss read before `backward()`, so in two runs. */
const ways = ['plain', 'compiled', 'looking'] as const

function train(way: (typeof ways)[number], checkpoint: boolean): Learnt {
  manualSeed(3)
  const net = varied(checkpoint)
  const [x, y] = [rand([13, 3, 16, 16]), tensor(Int32Array.from({ length: 13 }, (_, i) => i % 10))]
  const optimizer = new optim.Adam(net.parameters(), { lr: 0.01 })
  const step = (inputs: Tensor, labels: Tensor): [Tensor] => {
    const loss = F.crossEntropy(net(inputs), labels)
    optimizer.zeroGrad()
    if (way === 'looking') loss.item()
    loss.backward()
    optimizer.step()
    return [loss]
  }
  const run = way === 'compiled' ? compileStep(step) : step
  const losses = Array.from({ length: 7 }, () => run(x, y)[0].item())
  return { losses, state: Object.fromEntries([...net.stateDict()].map(([name, t]) => [name, [...t.toTypedArray()]])) }
}

describe('checkpointed parts learn the same bits', () => {
  const wanted = train('plain', false)
  for (const way of ways)
    test(way, () => {
      const found = train(way, true)
      assert.deepEqual(found, wanted)
      assert.deepEqual(found.state['1.body.1.num_batches_tracked'], [7])
    })
})

/** Blocks of two layers, for pictures of 32 × 32. */
const chain = (checkpoint: boolean): nn.Sequential =>
  new nn.Sequential(
    new nn.Conv2d(3, 16, 3, { padding: 1 }),
    ...Array.from({ length: 12 }, () => new Residual(16, checkpoint)),
    new nn.AdaptiveAvgPool2d(1),
    new nn.Flatten(),
    new nn.Linear(16, 10),
  )

function planOf(net: nn.Sequential, look = false): { bytes: number; convs: number } {
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
  const [x, y] = [rand([32, 3, 32, 32]), tensor(Int32Array.from({ length: 32 }, (_, i) => i % 10))]
  const plan = cpuBackend().planOnly(wasmTarget, () => {
    const loss = F.crossEntropy(net(x), y)
    if (look) loss.item()
    loss.backward()
    optimizer.step()
  })
  assert.ok(plan)
  const { arenaBytes, keptBytes } = arrange(plan.allocs, 32)
  const isConv = (name: string): boolean => name === 'winograd' || name === 'conv2d'
  return { bytes: arenaBytes + keptBytes, convs: plan.program.kernels.filter(({ name }) => isConv(name)).length }
}

describe('a deep net of checkpointed parts', () => {
  test('takes less than half of the memory, and computes its convolutions twice', () => {
    const [kept, anew] = [planOf(chain(false)), planOf(chain(true))]
    assert.ok(anew.bytes < 0.5 * kept.bytes, `${anew.bytes} of ${kept.bytes} bytes`)
    assert.equal(anew.convs - kept.convs, 24)
  })

  test('keeps little where the loss is read before its gradients', () => {
    const [kept, anew] = [planOf(chain(false), true), planOf(chain(true), true)]
    assert.ok(anew.bytes < 0.5 * kept.bytes, `${anew.bytes} of ${kept.bytes} bytes`)
  })
})

test('a net whose values take MiB a picture learns the same bits, with NaN in what plans share before each run', () => {
  const fill = (at: number, bytes: number): unknown =>
    cpuBackend()
      .device.memory.i32(at, bytes >> 2)
      .fill(0x7fc00000)
  const learn = (checkpoint: boolean): unknown => {
    manualSeed(5)
    const net = chain(checkpoint)
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
    const [x, y] = [rand([9, 3, 32, 32]), tensor(Int32Array.from({ length: 9 }, (_, i) => i))]
    const losses = [1, 2].map(() => {
      const loss = F.crossEntropy(net(x), y)
      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()
      return loss.item()
    })
    return [losses, [...net.parameters()].map((each) => [...each.toTypedArray()])]
  }
  const { watchers } = cpuBackend().arena
  watchers.push(fill)
  try {
    assert.deepEqual(learn(true), learn(false))
  } finally {
    watchers.splice(watchers.indexOf(fill), 1)
  }
})

test('names in files are those without', () => {
  const names = (checkpoint: boolean): string[] => [...varied(checkpoint).stateDict().keys()]
  assert.deepEqual(names(true), names(false))
  assert.equal(String(varied(true)), String(varied(false)))
})

test('layers under names of their own, and mistakes', () => {
  const net = new nn.Sequential({ a: new nn.Linear(2, 3), b: new nn.ReLU() }, { checkpoint: true })
  assert.deepEqual([...net.stateDict().keys()], ['a.weight', 'a.bias'])
  assert.throws(
    () => new nn.Sequential(new nn.ReLU(), { checkpoints: true } as object),
    /Sequential: there is no option checkpoints; there are checkpoint/,
  )
  assert.throws(() => new nn.Sequential({ checkpoint: true } as object), /Sequential: layer checkpoint is not a module/)
})

async function fit(checkpoint: boolean): Promise<unknown> {
  clearSession()
  manualSeed(2)
  const block = (): KerasLayer =>
    new Sequential(
      [
        layers.conv2d(4, 3, { padding: 'same' }),
        layers.batchNormalization(),
        layers.activation('relu'),
        layers.dropout(0.2),
        layers.maxPooling2d(2),
      ],
      { checkpoint },
    )
  const model = new Sequential([layers.inputLayer({ shape: [8, 8, 3] }), block(), block(), layers.flatten()])
  model.add(layers.dense(5, { activation: 'softmax' }))
  model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })
  const [x, y] = [rand([20, 8, 8, 3]), tensor(Int32Array.from({ length: 20 }, (_, i) => i % 5))]
  const { history } = await model.fit(x, y, { batchSize: 8, epochs: 3, verbose: 0 })
  return { history, weights: model.getWeights().map((weight) => [...weight.toTypedArray()]) }
}

test("in Keras's idiom: the same history and weights", async () => {
  assert.deepEqual(await fit(true), await fit(false))
})
