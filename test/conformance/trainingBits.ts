/**
 * Prints the bits of a short training on one device, one JSON line a number: node trainingBits.js wasm|interp NET.
 * Not a test: training.test.ts runs it, since a process has one device.
 */
import { createHash } from 'node:crypto'
import type { DeviceName } from '../../src/device/index.js'
import { LeNet, LeNet1 } from '../../src/models/index.js'
import { nn, optim } from '../../src/nn/index.js'
import { manualSeed, tensor } from '../../src/tensor/index.js'
import { setDevice } from '../../src/tensor/current.js'
import { frozenBatch } from '../oracle/frozenBatch.js'

const [name, net] = process.argv.slice(2)
setDevice(name as DeviceName)
manualSeed(1)
const model = net === 'lenet1' ? new LeNet1(3, 10) : new LeNet(3, 10)
const optimizer = new optim.Adam(model.parameters(), { lr: 1e-3 })
const criterion = new nn.CrossEntropyLoss()
const { pixels, labels } = frozenBatch()

/** A step on pictures `from` … `to` - 1 of the frozen batch. */
function step(from: number, to: number): number {
  const picked = pixels.slice(from * 3072, to * 3072)
  const inputs = tensor(picked, { shape: [to - from, 3, 32, 32] })
    .float()
    .div(255)
    .sub(0.5)
    .div(0.5)
  const loss = criterion(model(inputs), tensor(labels.slice(from, to)))
  optimizer.zeroGrad()
  loss.backward()
  optimizer.step()
  return loss.item()
}

for (const loss of [step(0, 8), step(8, 13)]) console.log(JSON.stringify(loss))
for (const parameter of model.parameters()) {
  const hash = createHash('sha256').update(new Uint8Array(parameter.toTypedArray().slice().buffer))
  console.log(JSON.stringify(hash.digest('hex')))
}
