/** Folders of pictures: classes, split, sizes, and what is wrong with a folder. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { DataLoader } from '../../src/data/index.js'
import { datasets, encodePng, loadImageFolder } from '../../src/data/index.node.js'
import { utils } from '../../src/keras/index.node.js'

/** Grey pictures of one brightness each: `counts` by class folder. */
async function folder(
  counts: Readonly<Record<string, number>>,
  at = mkdtempSync(join(tmpdir(), 'lenet-pictures-')),
): Promise<string> {
  for (const [i, [name, count]] of Object.entries(counts).entries()) {
    mkdirSync(join(at, name), { recursive: true })
    for (let n = 0; n < count; n++) {
      const png = await encodePng(new Uint8Array(40 * 50 * 3).fill(60 * i + n), 40, 50)
      writeFileSync(join(at, name, `${n}.png`), png)
    }
  }
  return at
}

test('classes are folder names in order; every fifth picture is for testing, none for both', async () => {
  const dir = await folder({ cat: 7, ant: 8 })
  writeFileSync(join(dir, 'cat', 'notes.txt'), 'no picture')
  const [train, testing] = [await loadImageFolder({ dir, train: true }), await loadImageFolder({ dir, train: false })]
  assert.deepEqual(train.classes, ['ant', 'cat'])
  assert.deepEqual([train.count, testing.count], [12, 3])
  assert.deepEqual([train.channels, train.height, train.width, train.pixels.length], [3, 32, 32, 12 * 3072])
  const brightness = [train, testing].flatMap((set) =>
    Array.from({ length: set.count }, (_, i) => set.pixels[i * 3072] ?? 0),
  )
  assert.deepEqual(
    brightness.toSorted((a, b) => a - b),
    [0, 1, 2, 3, 4, 5, 6, 60, 61, 62, 63, 64, 65, 66, 67],
  )
  train.labels.forEach((label, i) => assert.equal(label, (train.pixels[i * 3072] ?? 0) >= 60 ? 0 : 1))
})

test('train/ and test/ are taken as they are', async () => {
  const at = await folder({ 'train/a': 3, 'train/b': 2 })
  await folder({ 'test/a': 1, 'test/b': 1 }, at)
  const sets = await Promise.all([true, false].map((train) => loadImageFolder({ dir: at, train })))
  assert.deepEqual(
    sets.map(({ count }) => count),
    [5, 2],
  )
})

test('what is wrong with a folder is named', async () => {
  await assert.rejects(loadImageFolder({ dir: '/none/such', train: true }), /\/none\/such/)
  await assert.rejects(
    loadImageFolder({ dir: await folder({ a: 2 }), train: true }),
    /a folder for each class.*found 1/,
  )
  await assert.rejects(loadImageFolder({ dir: await folder({ a: 0, b: 0 }), train: true }), /there are no pictures/)
  const odd = await folder({ 'train/a': 1, 'train/b': 1, 'test/c': 1 })
  await assert.rejects(loadImageFolder({ dir: odd, train: true }), /there is no class c in/)
  const broken = await folder({ a: 5, b: 5 })
  writeFileSync(join(broken, 'a', 'broken.jpg'), 'not a jpeg')
  await assert.rejects(
    Promise.all([true, false].map((train) => loadImageFolder({ dir: broken, train }))),
    /broken\.jpg cannot be read as a picture/,
  )
})

test("as data sets of both idioms: PyTorch's of floats in CHW, Keras's of bytes in HWC", async () => {
  const dir = await folder({ ant: 5, cat: 5 })
  const train = await datasets.imageFolder(dir, { size: 8 })
  assert.deepEqual([train.length, train.classes], [8, ['ant', 'cat']])
  assert.equal((await datasets.imageFolder(dir, { train: false, limit: 1 })).length, 1)
  const [[inputs, labels] = []] = [...new DataLoader(train, { batchSize: 8 })]
  assert.deepEqual([inputs?.shape, labels?.shape], [[8, 3, 8, 8], [8]])

  const { train: all, validation, classNames } = await utils.imageDatasetFromDirectory(dir, { imageSize: 8 })
  assert.deepEqual(classNames, ['ant', 'cat'])
  assert.deepEqual(
    [...all, ...validation].map(({ shape }) => shape),
    [
      [8, 8, 8, 3],
      [8, 1],
      [2, 8, 8, 3],
      [2, 1],
    ],
  )
  const [picture, label] = [inputs?.toTypedArray() ?? [], all[1].toTypedArray()[0] ?? NaN]
  assert.equal(Math.round((picture[0] ?? NaN) * 255), all[0].toTypedArray()[0])
  assert.equal(label, labels?.toTypedArray()[0])
})
