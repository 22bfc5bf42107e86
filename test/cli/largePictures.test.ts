/** Nets for large pictures: all at once their values would take GiB, so they are checked and run in pieces. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { encodePng } from '../../src/data/index.node.js'
import { F, manualSeed, nn, saveModel, type Tensor } from '../../src/index.js'
import { loadModel } from '../../src/files/model.node.js'
import { LeNet } from '../../src/models/index.js'
import { picturesAtOnce } from '../../src/nn/index.js'
import { eventsOf, folder, lenet } from './run.js'

const at = folder()
const side = 640

/** 13 MB a value and picture. */
class Wide extends nn.Module {
  convs = new nn.ModuleList(Array.from({ length: 3 }, (_, i) => new nn.Conv2d(i === 0 ? 3 : 8, 8, 1)))
  fc = new nn.Linear(8 * 10 * 10, 2)
  readonly #layers = [...this.convs] as nn.Conv2d[]

  forward(x: Tensor): Tensor {
    const y = this.#layers.reduce((value, conv) => F.relu(conv(value)), x)
    return this.fc(F.maxPool2d(y, 64).flatten(1))
  }
}

manualSeed(1)
await saveModel(new Wide(), join(at, 'wide.onnx'), { inputShape: [3, side, side], classes: ['dark', 'light'] })
for (const [name, shade] of [
  ['dark', 20],
  ['light', 220],
] as const) {
  mkdirSync(join(at, 'shades', name), { recursive: true })
  for (let i = 0; i < 5; i++)
    writeFileSync(
      join(at, 'shades', name, `${i}.png`),
      await encodePng(new Uint8Array(side * side * 3).fill(shade), side, side),
    )
}

test('pictures at once: what fits in memory, and no more than are asked for', async () => {
  const { net } = await loadModel(join(at, 'wide.onnx'))
  const count = picturesAtOnce(net, [3, side, side], 64)
  assert.equal(count, 2)
  assert.equal(picturesAtOnce(net, [3, 64, 64], 256), 256) // it does not take them, and says so when it is called
  assert.equal(picturesAtOnce(new LeNet(3, 10), [3, 32, 32], 256), 256)
})

test('lenet convert and predict', async () => {
  const converted = await lenet(['convert', 'wide.onnx', 'wide.keras', '--json'], { cwd: at })
  assert.equal(converted.code, 0, converted.stderr)
  const [done] = eventsOf(converted.stdout)
  assert.equal(done?.['pictures'], 64)
  assert.ok(Number(done?.['maxDifference']) < 1e-5)
  const predicted = await lenet(['predict', 'wide.keras', 'shades/dark', 'shades/light', '--json'], { cwd: at })
  assert.equal(predicted.code, 0, predicted.stderr)
  assert.equal(eventsOf(predicted.stdout).at(-1)?.['count'], 10)
})

test('lenet convert in little memory', async () => {
  const args = ['convert', 'wide.onnx', 'small.keras', '--json', '--memory-limit']
  const converted = await lenet([...args, '64'], { cwd: at })
  assert.equal(converted.code, 0, converted.stderr)
  const refused = await lenet([...args, '5000'], { cwd: at })
  assert.equal(refused.code, 2)
  assert.match(refused.stderr, /--memory-limit 5000: at most 4095 MiB/)
})
