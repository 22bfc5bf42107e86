/**
 * Two training steps of a small net on the device that is the first argument, and one line of JSON with what was learnt:
 * `lenet doctor` runs it as a process of its own for each device, so that an engine that stops the process is told too.
 * Not here: what the answer means (doctorDevices.ts).
 */
import { createHash } from 'node:crypto'
import { messageOf } from '../base/index.js'
import { nn, optim } from '../nn/index.js'
import { device, manualSeed, rand, setDevice, tensor, type TierName } from '../tensor/index.js'
import type { StepAnswer } from './doctorDevices.js'

/** A convolution, a norm, a pool and a linear layer: every kind of kernel of a training. */
function makeNet(): nn.Sequential {
  const first = [new nn.Conv2d(3, 8, 3, { padding: 1 }), new nn.BatchNorm2d(8), new nn.ReLU(), new nn.MaxPool2d(2)]
  const second = [new nn.Conv2d(8, 16, 3), new nn.ReLU(), new nn.MaxPool2d(2)]
  return new nn.Sequential(...first, ...second, new nn.Flatten(), new nn.Linear(16 * 2 * 2, 10))
}

async function learn(): Promise<StepAnswer> {
  manualSeed(1)
  const net = makeNet()
  const optimizer = new optim.Adam(net.parameters())
  const criterion = new nn.CrossEntropyLoss()
  const pictures = rand([16, 3, 12, 12])
  const labels = tensor(Int32Array.from({ length: 16 }, (_, i) => i % 10))
  for (let step = 0; step < 2; step++) {
    const loss = criterion(net(pictures), labels)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    await device().ready() // the second step is the whole team's
  }
  const hash = createHash('sha256')
  for (const parameter of net.parameters()) hash.update(parameter.toTypedArray())
  return { digest: hash.digest('hex').slice(0, 32), threads: device().threads }
}

try {
  setDevice(process.argv[2] as TierName)
  console.log(JSON.stringify(await learn()))
} catch (error) {
  console.log(JSON.stringify({ error: messageOf(error) }))
}
process.exit(0)
