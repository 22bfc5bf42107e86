/**
 * A program of somebody who installed the package: trains in both idioms on made-up pictures, saves, loads, classifies a
 * picture. It prints the digest of what was trained and predicted. Run and type-checked by scripts/test-install.mjs, in
 * projects outside this one: it imports the package by name and nothing else but node's modules.
 * Arguments: the device.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32, deflateSync } from 'node:zlib'
import { classifier, F, loadModel, nn, optim, saveModel, setDevice, torch, type Tensor } from 'lenet'
import { layers, losses, models } from 'lenet/keras'

class Net extends nn.Module {
  conv = new nn.Conv2d(3, 6, 5)
  fc = new nn.Linear(6 * 14 * 14, 2)
  override forward(x: Tensor): Tensor {
    x = F.maxPool2d(F.relu(this.conv(x)), 2)
    return this.fc(x.view(x.size(0), -1))
  }
}

const hash = createHash('sha256')

/** Of the file's format: length, type, data, and a sum over the latter two. */
function pngChunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(data.length + 12)
  bytes.writeUInt32BE(data.length)
  bytes.write(type, 4, 'latin1')
  bytes.set(data, 8)
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length)
  return bytes
}

/** 32×32 RGB, each row after its filter byte. */
function png(red: number): Uint8Array {
  const header = Buffer.from([0, 0, 0, 32, 0, 0, 0, 32, 8, 2, 0, 0, 0])
  const rows = Buffer.alloc(32 * 97, red)
  for (let y = 0; y < 32; y++) rows[y * 97] = 0
  const signature = Buffer.from('89504e470d0a1a0a', 'hex')
  return Buffer.concat([
    signature,
    pngChunk('IHDR', header),
    pngChunk('IDAT', deflateSync(rows)),
    pngChunk('IEND', new Uint8Array()),
  ])
}

/** Dark pictures are of class 0, bright ones of class 1. */
function pictures(shape: number[]): { x: Tensor; y: Tensor } {
  const labels = Array.from({ length: 32 }, (_, i) => i % 2)
  const bright = torch.tensor(labels).view(32, 1, 1, 1).mul(1.6)
  return { x: torch.rand(shape).mul(0.2).add(bright).sub(0.9), y: torch.tensor(labels, { dtype: 'i32' }) }
}

async function torchIdiom(folder: string): Promise<void> {
  const net = new Net()
  const optimizer = new optim.Adam(net.parameters(), { lr: 1e-3 })
  const criterion = new nn.CrossEntropyLoss()
  const { x, y } = pictures([32, 3, 32, 32])
  const told: number[] = []
  for (let step = 0; step < 30; step++) {
    const loss = criterion(net(x), y)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    told.push(loss.item())
  }
  assert.ok(told[29]! < told[0]! / 4, `the loss went from ${told[0]} to ${told[29]}`)
  const path = join(folder, 'net.pth')
  await saveModel(net, path)
  writeFileSync(join(folder, 'bright.png'), png(250))
  const classify = classifier(await loadModel(path, { model: new Net() }), { classes: ['dark', 'bright'] })
  const [bright, dark] = await classify([join(folder, 'bright.png'), png(5)])
  assert.deepEqual([bright?.[0]?.class, dark?.[0]?.class], ['bright', 'dark'])
  hash.update(JSON.stringify([told, bright, dark]))
}

async function kerasIdiom(folder: string): Promise<void> {
  const model = models.sequential([
    layers.conv2d(4, 3, { activation: 'relu', inputShape: [32, 32, 3] }),
    layers.maxPooling2d(2),
    layers.flatten(),
    layers.dense(2),
  ])
  const loss = losses.sparseCategoricalCrossentropy({ fromLogits: true })
  model.compile({ optimizer: 'adam', loss, metrics: ['accuracy'] })
  const { x, y } = pictures([32, 32, 32, 3])
  const { history } = await model.fit(x, y, { epochs: 8, batchSize: 8, verbose: 0 })
  assert.equal(history['accuracy']?.at(-1), 1)
  const quiet = { verbose: 0 } as const
  const path = join(folder, 'net.keras')
  await model.save(path)
  const again = await models.loadModel(path)
  const [before, after] = [(await model.predict(x, quiet)).toArray(), (await again.predict(x, quiet)).toArray()]
  assert.deepEqual(after, before)
  hash.update(JSON.stringify([history, after]))
}

const device = process.argv[2]
assert.ok(device === 'wasm' || device === 'native', 'usage: consumer.js wasm|native')
setDevice(device)
torch.manualSeed(1)
const folder = mkdtempSync(join(tmpdir(), 'lenet consumer é '))
try {
  await torchIdiom(folder)
  await kerasIdiom(folder)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
console.log(hash.digest('hex'))
