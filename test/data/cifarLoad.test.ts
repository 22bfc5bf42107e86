/** CIFAR-10 as an ImageSet in memory: the small set, and the real one through the product's own fetch. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { LenetError, UsageError } from '../../src/base/index.js'
import { loadCifar10In } from '../../src/data/cifar10.node.js'
import { fetchCifar10, loadCifar10 } from '../../src/data/index.node.js'
import { cifar10Classes, cifar10ShortClasses } from '../../src/data/index.js'
import { binaryFiles, emptyWorld, labelsOf, makeSet, pixelsOf, quiet, temporaryFolder, writeFiles } from './helpers.js'

const set = makeSet()

function worldWith(t: TestContext) {
  const folder = temporaryFolder(t)
  writeFiles(join(folder, 'cache', 'cifar10'), binaryFiles(set))
  return emptyWorld(folder, set)
}

test('the training set is the five batches in order, the test set the sixth', async (t) => {
  const world = worldWith(t)
  const train = await loadCifar10In(world, { train: true, ...quiet() })
  assert.deepEqual(
    { ...train, pixels: train.pixels.length, labels: train.labels.length },
    { pixels: 125 * 3072, labels: 125, count: 125, channels: 3, height: 32, width: 32, classes: cifar10Classes },
  )
  assert.deepEqual([...train.labels.subarray(100)], labelsOf(set.data_batch_5))
  assert.deepEqual(train.pixels.subarray(25 * 3072, 50 * 3072), pixelsOf(set.data_batch_2))
  const test = await loadCifar10In(world, { train: false, ...quiet() })
  assert.deepEqual(test.pixels, pixelsOf(set.test_batch))
  assert.deepEqual([...test.labels], labelsOf(set.test_batch))
})

test('limit takes the first pictures, across batches; too many are all', async (t) => {
  const world = worldWith(t)
  const some = await loadCifar10In(world, { train: true, limit: 30, ...quiet() })
  assert.equal(some.count, 30)
  assert.deepEqual(some.pixels.subarray(25 * 3072), pixelsOf(set.data_batch_2).subarray(0, 5 * 3072))
  assert.equal((await loadCifar10In(world, { train: false, limit: 1000, ...quiet() })).count, 25)
  for (const limit of [0, -1, 1.5, Number.NaN]) {
    await assert.rejects(loadCifar10In(world, { train: true, limit, ...quiet() }), UsageError)
  }
})

test('the pixels go straight into shared memory when it is given', async (t) => {
  const world = worldWith(t)
  const shared = new SharedArrayBuffer(100 + 25 * 3072)
  const into = (bytes: number): Uint8Array => new Uint8Array(shared, 100, bytes)
  const { pixels } = await loadCifar10In(world, { train: false, into, ...quiet() })
  assert.equal(pixels.buffer, shared)
  assert.deepEqual(Uint8Array.from(pixels), pixelsOf(set.test_batch))
})

test('the two lists of class names name the same classes', () => {
  assert.equal(cifar10Classes.join(' '), 'airplane automobile bird cat deer dog frog horse ship truck')
  assert.equal(cifar10ShortClasses.join(' '), 'plane car bird cat deer dog frog horse ship truck')
})

test("the real CIFAR-10, by the product's own fetch, has the official sums", async (t) => {
  const reached = await fetchCifar10({ warn: () => {} }).catch((error: unknown) => {
    if (error instanceof LenetError && error.message.includes('could not be fetched')) return error
    throw error
  })
  if (reached instanceof LenetError) return t.skip(`offline: ${reached.message}`)
  const { pixels, labels, count } = await loadCifar10({ train: false })
  const records = Buffer.alloc(count * 3073)
  for (let i = 0; i < count; i++) {
    records[i * 3073] = labels[i] ?? 0
    records.set(pixels.subarray(i * 3072, (i + 1) * 3072), i * 3073 + 1)
  }
  const sum = createHash('sha256').update(records).digest('hex')
  assert.equal(sum, '8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b')
  const perClass = Array.from({ length: 10 }, (_, label) => labels.reduce((n, l) => n + Number(l === label), 0))
  assert.deepEqual(perClass, new Array(10).fill(1000))
})
