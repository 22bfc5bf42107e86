/**
 * Trains nets on a device and prints one JSON line a net: the bits of what was learnt, and where the steps ran.
 * node longTraining.js '{"device":"wasm","threads":2,"batch":33,"steps":20,"nets":["lenet"]}'
 * Not a test: sameBits.test.ts runs it, since a process has one device.
 */
import { createHash } from 'node:crypto'
import { Generator } from '../../src/base/index.js'
import { DataLoader, ImageDataset, transforms, type Dataset } from '../../src/data/index.js'
import type { DeviceName } from '../../src/device/index.js'
import { LeNet, LeNet1 } from '../../src/models/index.js'
import { F, nn, optim, type Layer } from '../../src/nn/index.js'
import { placement } from '../../src/device/cpu/memory.js'
import { cpuBackend, cpuPlans, device, manualSeed, setDevice, tierInUse, type Tensor } from '../../src/tensor/index.js'
import { dense, residual } from '../nn/deepNets.js'
import { separable } from './separable.js'

export interface Training {
  readonly device: DeviceName
  readonly threads: number
  /** The set has one picture more: every other batch is of one picture. */
  readonly batch: number
  readonly steps: number
  readonly nets: readonly NetName[]
  /** Sleep between steps until native code has taken over, which must happen between the first step and the last. */
  readonly awaitSwap?: boolean
  /** Where the memory begins to give out addresses. */
  readonly first?: number
  /** Between steps all that can leaves the memory, and the arena is full of NaN before each run. */
  readonly disturb?: boolean
}

export interface Learnt {
  readonly net: string
  readonly digest: string
  readonly lastLoss: number
  /** Where the last step ran. */
  readonly tier: string
  /** The step (from 1) that ran on another tier than the first, if one did. */
  readonly swappedAt: number | null
  /** Pictures in a vector of the step that trains. */
  readonly lanes: number
  readonly threads: number
}

/** Whatever LeNet has not: normalisation over the batch, random masks, strides, padding, averages. */
class Mixed extends nn.Module {
  conv1 = new nn.Conv2d(3, 10, 3, { stride: 2, padding: 1 })
  norm1 = new nn.BatchNorm2d(10)
  conv2 = new nn.Conv2d(10, 20, 5, { padding: [2, 1] })
  norm2 = new nn.BatchNorm2d(20)
  conv3 = new nn.Conv2d(20, 7, 3, { stride: [2, 1], bias: false })
  drop = new nn.Dropout(0.3)
  fc = new nn.Linear(7 * 3 * 5, 10)

  forward(x: Tensor): Tensor {
    x = F.relu(this.norm1(this.conv1(x))) // [N, 10, 16, 16]
    x = F.avgPool2d(F.tanh(this.norm2(this.conv2(x))), 2) // [N, 20, 8, 7]
    x = F.relu(this.conv3(x)) // [N, 7, 3, 5]
    return this.fc(this.drop(x.flatten(1)))
  }
}

type Net = nn.Module & Layer
type Steps = Pick<optim.Adam, 'zeroGrad' | 'step'>
const adam = (net: Net): Steps => new optim.Adam(net.parameters(), { lr: 1e-3 })

/** Deep nets see pictures of half the size. */
const atHalf = (net: Net): Net => new nn.Sequential(new nn.AvgPool2d(2), net)

const nets = {
  lenet: { make: (): Net => new LeNet(3, 10), optimizer: adam },
  lenet1: { make: (): Net => new LeNet1(3, 10), optimizer: adam },
  mixed: {
    make: (): Net => new Mixed(),
    optimizer: (net: Net): Steps => new optim.AdamW(net.parameters(), { lr: 2e-3 }),
  },
  separable: { make: (): Net => separable(), optimizer: adam },
  resnet20: { make: (): Net => atHalf(residual(3)), optimizer: adam },
  dense: { make: (): Net => atHalf(dense(2, 3)), optimizer: adam },
}
export type NetName = keyof typeof nets

/** Pictures of smooth blobs, so that relu and pooling meet what they meet in photographs. */
export function pictures(count: number): Dataset {
  const generator = new Generator(11)
  const coarse = Uint8Array.from({ length: count * 3 * 64 }, () => generator.randomU32() & 255)
  const pixels = Uint8Array.from({ length: count * 3072 }, (_, i) => {
    const [x, y, plane] = [i & 31, (i >> 5) & 31, i >> 10]
    return Math.min(255, ((coarse[plane * 64 + (y >> 2) * 8 + (x >> 2)] ?? 0) * (32 + (x & 3) + (y & 3))) >> 5)
  })
  const labels = Uint8Array.from({ length: count }, () => generator.randomU32() % 10)
  const transform = transforms.compose([transforms.toTensor(), transforms.normalize([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])])
  const classes = Array.from('abcdefghij')
  return new ImageDataset({ pixels, labels, count, channels: 3, height: 32, width: 32, classes }, { transform })
}

function* endless(data: Dataset, batchSize: number): globalThis.Generator<readonly [Tensor, Tensor], never> {
  const loader = new DataLoader(data, { batchSize, shuffle: true })
  for (;;) for (const { inputs, labels } of loader) yield [inputs, labels]
}

const sleeping = new Int32Array(new SharedArrayBuffer(4))

/** Longer from step to step: all in all more than any compiler takes. */
function wait(step: number): void {
  Atomics.wait(sleeping, 0, 0, 20 * 1.5 ** step)
}

function digestOf(net: Net): string {
  const hash = createHash('sha256')
  for (const [name, values] of net.stateDict()) {
    const { buffer, byteOffset, byteLength } = values.toTypedArray()
    hash.update(name).update(new Uint8Array(buffer, byteOffset, byteLength))
  }
  return hash.digest('hex').slice(0, 32)
}

function train(name: NetName, { batch, steps, awaitSwap = false, disturb = false }: Training): Learnt {
  manualSeed(1)
  const net = nets[name].make()
  const optimizer = nets[name].optimizer(net)
  const criterion = new nn.CrossEntropyLoss()
  const batches = endless(pictures(batch + 1), batch)
  const tiers: string[] = []
  let lastLoss = NaN
  for (let step = 0; step < steps; step++) {
    const [inputs, labels] = batches.next().value
    for (let more = disturb; more;) more = cpuBackend().tenants.relieve()
    const loss = criterion(net(inputs), labels)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    tiers.push(tierInUse())
    lastLoss = loss.item()
    if (awaitSwap && tiers[0] === tiers.at(-1)) wait(step)
  }
  const plan = cpuPlans().reduce((a, b) => (b.plan.program.kernels.length > a.plan.program.kernels.length ? b : a))
  const swapped = tiers.findIndex((tier) => tier !== tiers[0])
  return {
    net: name,
    digest: digestOf(net),
    lastLoss,
    tier: tiers.at(-1) ?? '',
    swappedAt: swapped < 0 ? null : swapped + 1,
    lanes: plan.lanes,
    threads: device().threads,
  }
}

async function main(training: Training): Promise<void> {
  placement.first = training.first ?? placement.first
  setDevice(training.device, { threads: training.threads })
  if (training.disturb)
    cpuBackend().arena.watchers.push((at, bytes) =>
      device()
        .memory.i32(at, bytes >> 2)
        .fill(0x7fc00000),
    )
  await device().ready()
  for (const net of training.nets) console.log(JSON.stringify(train(net, training)))
}

const [task] = process.argv.slice(2)
if (task !== undefined) await main(JSON.parse(task) as Training)
