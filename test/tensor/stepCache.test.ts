/** Steps that an optimizer knows: the bits of the same step built anew, however the loop around it is written. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DataLoader } from '../../src/data/index.js'
import { LeNet } from '../../src/models/index.js'
import { nn, optim } from '../../src/nn/index.js'
import { manualSeed, noGrad, ops, setDevice, tensor, zeros, type Tensor } from '../../src/tensor/index.js'
import { Mixed, pictures } from './mixedNet.js'

setDevice('wasm') // a faster tier on the way would need graphs at its own moments

type Net = nn.Module & ((x: Tensor) => Tensor)

interface Loop {
  readonly net: Net
  readonly optimizer: optim.Adam
  readonly other: optim.SGD
  readonly x: Tensor
  readonly y: Tensor
  readonly i: number
  /** Sums that the loop carries along. */
  readonly sums: { loss: Tensor; correct: Tensor }
  /** To be called after backward(): where a step is to be built anew, asks for a gradient, so that it must be there. */
  readonly after: () => void
}

const criterion = new nn.CrossEntropyLoss()
const correct = (outputs: Tensor, y: Tensor): Tensor => outputs.max(1).indices.eq(y).sum()

function step({ optimizer, after }: Loop, loss: Tensor): void {
  optimizer.zeroGrad()
  loss.backward()
  after()
  optimizer.step()
}

function plain(loop: Loop): Tensor[] {
  const loss = criterion(loop.net(loop.x), loop.y)
  step(loop, loss)
  return [loss]
}

/** What is left of a step, to be compared. */
const loops: Readonly<Record<string, (loop: Loop) => Tensor[]>> = {
  plain,
  'values read in mid-step, outputs after it': (loop) => {
    const outputs = loop.net(loop.x)
    const loss = criterion(outputs, loop.y)
    const right = correct(outputs, loop.y)
    right.item()
    loss.item()
    step(loop, loss)
    return [loss, right, outputs]
  },
  'gradients read after the step': (loop) => {
    const outputs = loop.net(loop.x)
    step(loop, criterion(outputs, loop.y))
    return [outputs, ...[...loop.net.parameters()].map(({ grad }) => grad ?? tensor(NaN))]
  },
  'sums carried along': (loop) => {
    const outputs = loop.net(loop.x)
    const loss = criterion(outputs, loop.y)
    loop.sums.loss = loop.sums.loss.add(loss)
    loop.sums.correct = loop.sums.correct.add(correct(outputs, loop.y))
    step(loop, loss)
    return loop.i % 5 === 4 ? [loop.sums.loss, loop.sums.correct] : []
  },
  'gradients of several batches': (loop) => {
    const loss = criterion(loop.net(loop.x), loop.y)
    loss.backward()
    loop.after()
    if (loop.i % 3 === 2) {
      loop.optimizer.step()
      loop.optimizer.zeroGrad()
    }
    return [loss]
  },
  'two losses': (loop) => {
    const outputs = loop.net(loop.x)
    const [loss, size] = [criterion(outputs, loop.y), outputs.square().mean()]
    loop.optimizer.zeroGrad()
    loss.backward()
    size.backward()
    loop.after()
    loop.optimizer.step()
    return [loss, size]
  },
  'graphs that differ only in where gradients flow': (loop) => {
    const outputs = loop.net(loop.x)
    const size = (loop.i % 2 ? outputs.detach() : outputs.clone()).square().mean()
    const loss = criterion(outputs, loop.y).add(size.mul(0.1))
    step(loop, loss)
    return [loss]
  },
  'frozen and thawed parameters': (loop) => {
    const [first] = loop.net.parameters()
    if (loop.i % 6 === 3) first?.requiresGrad_(false)
    if (loop.i % 6 === 5) first?.requiresGrad_(true)
    return plain(loop)
  },
  'two optimizers': (loop) => {
    const loss = criterion(loop.net(loop.x), loop.y)
    loop.optimizer.zeroGrad()
    loss.backward()
    loop.after()
    ;(loop.i % 4 === 3 ? loop.other : loop.optimizer).step()
    return [loss]
  },
  'evaluation in between': (loop) => {
    const left = plain(loop)
    if (loop.i % 4 !== 1) return left
    loop.net.eval()
    const outputs = noGrad(() => loop.net(loop.x))
    outputs.realize()
    loop.net.train()
    return [...left, outputs]
  },
  'options that change': (loop) => {
    const [group] = loop.optimizer.paramGroups
    if (group) group.lr = 0.01 / (1 + loop.i)
    if (group && loop.i === 14) group.weightDecay = 0.1
    return plain(loop)
  },
}

interface Outcome {
  readonly values: number[][]
  readonly state: number[][]
  /** Nodes made in each step. */
  readonly nodes: number[]
}

const lastId = (): number => ops.constant(0).id

function run(make: () => Net, side: number, body: (loop: Loop) => Tensor[], isAnew: boolean): Outcome {
  manualSeed(5)
  const net = make()
  const optimizer = new optim.Adam(net.parameters(), { lr: 0.01 })
  const other = new optim.SGD(net.parameters(), { lr: 0.01 })
  const [first] = net.parameters()
  const after = (): unknown => isAnew && first?.grad
  const sums = { loss: zeros([]), correct: zeros([]) }
  const [values, nodes]: [number[][], number[]] = [[], []]
  for (let i = 0; i < 28;)
    for (const [x, y] of new DataLoader(pictures(52, side), { batchSize: 8, shuffle: true })) {
      const before = lastId()
      const left = body({ net, optimizer, other, x, y, i, sums, after })
      nodes.push(lastId() - before)
      for (const value of left) values.push([...value.toTypedArray()])
      i++
    }
  const saved = [...optimizer.stateDict().state.values()].flatMap((entry) => Object.values(entry))
  const state = [...[...net.stateDict()].map(([, x]) => x), ...saved].map((x) => [...x.toTypedArray()])
  return { values, state, nodes }
}

for (const [name, body] of Object.entries(loops))
  test(`a net with batch norm and dropout: ${name}`, () => {
    const { nodes: all, ...expected } = run(() => new Mixed(), 16, body, true)
    const { nodes, ...found } = run(() => new Mixed(), 16, body, false)
    assert.deepEqual(found, expected)
    assert.equal(all.length, nodes.length)
  })

test('LeNet; a known step builds its forward pass only', () => {
  const { nodes: all, ...expected } = run(() => new LeNet(3, 4), 32, plain, true)
  const { nodes, ...found } = run(() => new LeNet(3, 4), 32, plain, false)
  assert.deepEqual(found, expected)
  assert.ok((nodes.at(-2) ?? NaN) < (all.at(-2) ?? NaN) / 2, `${nodes.at(-2)} of ${all.at(-2)} nodes`)
})
