/** A net as a function from pictures to classes: the same numbers as a data set gives, nothing compiled twice. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Generator } from '../src/base/index.js'
import { encodePng } from '../src/data/index.node.js'
import { classifier, DataLoader, ImageDataset, LeNet, manualSeed, noGrad, transforms } from '../src/index.js'
import { allPlans } from '../src/tensor/index.js'

const count = 5
const bytes = 3 * 32 * 32
const generator = new Generator(3)
const pixels = Uint8Array.from({ length: count * bytes }, () => generator.randomU32() & 255)

/** Picture i as a PNG file. */
function png(i: number): Promise<Uint8Array> {
  const planes = pixels.subarray(i * bytes, (i + 1) * bytes)
  return encodePng(
    Uint8Array.from({ length: bytes }, (_, k) => planes[(k % 3) * 1024 + Math.floor(k / 3)] ?? 0),
    32,
    32,
  )
}
const files = await Promise.all(Array.from({ length: count }, (_, i) => png(i)))

manualSeed(1)
const net = new LeNet(3, 10)

/** As `evaluate` sees them. */
function expected(): Float32Array {
  const images = { pixels, labels: new Uint8Array(count), count, channels: 3, height: 32, width: 32, classes: [] }
  const transform = transforms.compose([transforms.toTensor(), transforms.normalize([0.5], [0.5])])
  const [batch] = new DataLoader(new ImageDataset(images, { transform }), { batchSize: count })
  assert.ok(batch)
  return noGrad(() => net(batch.inputs).softmax(1)).toTypedArray() as Float32Array
}

test('probabilities are those that a data set of the same pictures gives, to the bit', async () => {
  const told = await classifier(net, { top: 10 })(files)
  const all = expected()
  told.forEach((top, i) => {
    const row = new Float32Array(10)
    for (const { index, probability } of top) row[index] = probability
    assert.deepEqual(row, all.slice(i * 10, (i + 1) * 10))
  })
})

test('one picture gives one list; names, top; the best first', async () => {
  const classes = Array.from('abcdefghij')
  const classify = classifier(net, { classes, top: 2 })
  const [first] = files
  assert.ok(first)
  const told = await classify(first)
  assert.equal(told.length, 2)
  assert.ok((told[0]?.probability ?? 0) >= (told[1]?.probability ?? 1))
  assert.equal(told[0]?.class, classes[told[0]?.index ?? 0])
  assert.deepEqual(await classify([first]), [told])
  assert.deepEqual(await classify([]), [])
})

test('the mode of the net stays as it was; batches of any size run one plan', async () => {
  const classify = classifier(net)
  await classify(files)
  const plans = allPlans().length
  for (const n of [1, 2, 4, 1]) assert.equal((await classify(files.slice(0, n))).length, n)
  assert.equal(allPlans().length, plans)
  assert.equal(net.training, true)
  net.eval()
  await classify(files)
  assert.equal(net.training, false)
})

test('two at the same time do not disturb each other', async () => {
  const classify = classifier(net)
  const alone = await classify(files)
  const [a, b] = await Promise.all([classify(files), Promise.all(files.map((file) => classify(file)))])
  assert.deepEqual([a, b], [alone, alone])
})

test('options that do not fit, and what is no picture, are told', async () => {
  assert.throws(() => classifier(net, { mean: [0, 0] }), /mean has 2 values, the net's pictures have 3 channels/)
  assert.throws(() => classifier(net, { size: 0 }), /size 0/)
  await assert.rejects(
    classifier(net)(new TextEncoder().encode('hello')),
    /^LenetError: the bytes given cannot be read as/,
  )
  await assert.rejects(classifier(net, { size: 40 })(files), /fc1 .*expects 400 input features/)
})
