/**
 * Trains and evaluates with labels that are no classes, on one device: node wrongLabels.js wasm|interp|native LOSSES. Prints
 * JSON lines: what was told, and what became of the net. Not a test: labels.test.ts runs it, since a process has one device.
 */
import { DataLoader, TensorDataset } from '../../src/data/index.js'
import type { DeviceName } from '../../src/device/index.js'
import { F, nn, optim } from '../../src/nn/index.js'
import { compileStep, manualSeed, noGrad, rand, setDevice, tensor, type Tensor } from '../../src/tensor/index.js'

const [device, most] = process.argv.slice(2)
setDevice(device as DeviceName)

type Loss = (outputs: Tensor, labels: Tensor) => Tensor
const losses: Readonly<Record<string, Loss>> = {
  plain: (x, y) => F.crossEntropy(x, y),
  sum: (x, y) => F.crossEntropy(x, y, { reduction: 'sum' }),
  smooth: (x, y) => F.crossEntropy(x, y, { labelSmoothing: 0.1 }),
  weighted: (x, y) => F.crossEntropy(x, y, { weight: tensor([1, 2, 3, 4]) }),
  nll: (x, y) => F.nllLoss(F.logSoftmax(x, 1), y),
  'one hot': (x, y) => F.oneHot(y, 4).mul(x).sum(),
}

/** The message; '' where nothing was wrong. */
function told(body: () => unknown): string {
  try {
    body()
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

/** What the net learns: all must stay where a label is wrong. How many batches it met is counted before. */
const bits = (net: nn.Module): string =>
  JSON.stringify(
    [...net.namedParameters(), ...net.namedBuffers()]
      .filter(([name]) => !name.endsWith('num_batches_tracked'))
      .map(([, x]) => Array.from(x.toTypedArray())),
  )

function tries(lossOf: Loss, dtype: 'i32' | 'u8', compiled: boolean) {
  manualSeed(1)
  const net = new nn.Sequential(new nn.Conv2d(1, 2, 3), new nn.BatchNorm2d(2), new nn.Flatten(), new nn.Linear(8, 4))
  const optimizer = new optim.Adam(net.parameters())
  const step = (x: Tensor, y: Tensor): [Tensor] => {
    const loss = lossOf(net(x), y)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return [loss]
  }
  const run = compiled ? compileStep(step) : step
  const set = (wrong: number): TensorDataset => {
    const labels = Array.from({ length: 12 }, (_, i) => (i === 7 ? wrong : i % 4))
    return new TensorDataset(rand([12, 1, 4, 4]), tensor(labels, { dtype }))
  }
  const good = (): void => {
    for (const [x, y] of new DataLoader(set(3), { batchSize: 2 })) run(x, y)[0].item()
  }
  good()
  const before = bits(net)
  const [x, y] = [...new DataLoader(set(4), { batchSize: 2 })][3] ?? []
  const messages = [told(() => run(x!, y!)[0].item())]
  const kept = bits(net) === before
  messages.push(told(() => run(x!, y!.to('i32').sub(5).to('i32'))[0].item())) // 2 and 4 become −3 and −1
  messages.push(told(() => noGrad(() => lossOf(net(x!), y!).item())))
  return { messages, kept, after: told(good) }
}

for (const [name, loss] of Object.entries(losses).slice(0, Number(most)))
  for (const dtype of ['i32', 'u8'] as const)
    for (const compiled of [false, true])
      console.log(JSON.stringify({ name: `${name} ${dtype} ${compiled}`, ...tries(loss, dtype, compiled) }))
process.exit(0)
