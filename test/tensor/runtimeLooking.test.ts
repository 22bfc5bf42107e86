/**
 * Looking changes nothing: trainings with batchNorm, dropout and gradients over batches of several sizes, each run twice,
 * once with values read at random places. All numbers agree bit for bit.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Generator } from '../../src/base/index.js'
import { F, nn, optim } from '../../src/nn/index.js'
import { fromArray, manualSeed, noGrad, zeros, type Tensor } from '../../src/tensor/index.js'

class Net extends nn.Module {
  conv = new nn.Conv2d(2, 4, 3, { padding: 1 })
  norm = new nn.BatchNorm2d(4)
  dropout = new nn.Dropout(0.3)
  fc1 = new nn.Linear(4 * 4 * 4, 5)
  fc2 = new nn.Linear(5, 5)
  forward(x: Tensor): Tensor {
    const pooled = F.maxPool2d(F.relu(this.norm(this.conv(x))), 2)
    return this.fc2(F.relu(this.fc1(this.dropout(pooled.flatten(1)))))
  }
}

const optimizers = [
  (net: Net) => new optim.Adam(net.parameters(), { lr: 0.01 }),
  (net: Net) => new optim.SGD(net.parameters(), { lr: 0.05, momentum: 0.9 }),
  (net: Net) => new optim.Adam(net.parameters(), { lr: 0.01, amsgrad: true, weightDecay: 0.01 }),
]

/** Calls `look` in so many of 100 cases; never where nobody looks. */
type Look = (percent: number, look: () => unknown) => void

const criterion = new nn.CrossEntropyLoss()

function batchOf(count: number, shift: number): { inputs: Tensor; labels: Tensor } {
  const pixels = Float32Array.from({ length: count * 2 * 64 }, (_, i) => Math.sin(i * 1.7 + shift))
  const classes = Int32Array.from({ length: count }, (_, i) => i % 5)
  return { inputs: fromArray(pixels, [count, 2, 8, 8], 'f32'), labels: fromArray(classes, [count], 'i32') }
}

function lossOf(net: Net, count: number, shift: number, look: Look): Tensor {
  const { inputs, labels } = batchOf(count, shift)
  const outputs = net(inputs)
  look(30, () => outputs.toTypedArray())
  const loss = criterion(outputs, labels)
  look(30, () => loss.item())
  look(30, () => outputs.max(1).indices.eq(labels).sum().item())
  loss.backward()
  look(20, () => loss.item())
  look(20, () => net.fc1.weight.grad?.toTypedArray())
  look(20, () => outputs.sum().item())
  return loss
}

function validate(net: Net, shift: number): number {
  const { inputs, labels } = batchOf(9, shift)
  net.eval()
  const loss = noGrad(() => criterion(net(inputs), labels).item())
  net.train()
  return loss
}

/** All numbers of a training of 6 steps of 1 to 3 batches: losses, their sum, weights, running statistics. */
function train(seed: number, look: Look): number[] {
  manualSeed(3)
  const plan = new Generator(seed)
  const net = new Net()
  const optimizer = optimizers[seed % 3]!(net)
  const numbers: number[] = []
  let running = zeros([])
  for (let step = 0; step < 6; step++) {
    optimizer.zeroGrad()
    const losses = Array.from({ length: 1 + (plan.randomU32() % 3) }, (_, i) =>
      lossOf(net, [8, 8, 3, 17][plan.randomU32() % 4]!, step + i, look),
    )
    for (const loss of losses) running = running.add(loss)
    look(20, () => [...net.parameters()].map((p) => p.grad?.realize()))
    look(20, () => running.item())
    optimizer.step()
    look(30, () => [...net.parameters()].map((p) => p.toTypedArray()))
    if (plan.randomU32() % 3 === 0) numbers.push(validate(net, step))
    numbers.push(...losses.map((loss) => loss.item()))
  }
  const last = [running, ...net.parameters(), net.norm.runningMean, net.norm.runningVar]
  return [...numbers, ...last.flatMap((x) => (x ? Array.from(x.toTypedArray()) : []))]
}

for (const [i, kind] of ['SGD', 'Adam with amsgrad', 'Adam'].entries())
  test(`${kind}: reading values at random places changes no bit`, () => {
    for (let seed = i + 1; seed <= 18; seed += 3) {
      const plain = train(seed, () => {})
      const places = new Generator(1000 + seed)
      const looking = train(seed, (percent, look) => places.randomU32() % 100 < percent && look())
      assert.deepEqual(looking, plain, `seed ${seed}`)
      assert.ok(plain.every(Number.isFinite))
    }
  })
