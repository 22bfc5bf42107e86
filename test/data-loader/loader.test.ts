/** Batches: PyTorch's order for the same seed, transforms, labels, grids. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { Generator } from '../../src/base/index.js'
import {
  DataLoader,
  ImageDataset,
  makeGrid,
  TensorDataset,
  transforms,
  type Batch,
  type DataLoaderOptions,
  type Dataset,
  type ImageSet,
} from '../../src/data/index.js'
import type { HostStorage, Node } from '../../src/graph/index.js'
import { LeNet, LeNet1 } from '../../src/models/index.js'
import { arange, defaultGenerator, manualSeed, tensor } from '../../src/tensor/index.js'
import { initOracle } from '../oracle/cases.js'

const nets = { lenet: LeNet, lenet1: LeNet1 }

/** A data set of `length` rows that notes which ones it is asked for. */
class Recorder implements Dataset {
  readonly length: number
  readonly indices: number[] = []
  constructor(length: number) {
    this.length = length
  }
  rows(index: Node): Batch {
    this.indices.push(...(index.storage as HostStorage).data)
    const empty = tensor([])
    return Object.assign([empty, empty] as const, { inputs: empty, labels: empty })
  }
}

/** Indices of one pass. */
function passOf(length: number, options: DataLoaderOptions): number[] {
  const dataset = new Recorder(length)
  for (const batch of new DataLoader(dataset, options)) assert.equal(batch.length, 2)
  return dataset.indices
}

for (const init of initOracle().nets.filter(({ seed }) => seed === 1)) {
  test(`${init.net}: three epochs of 50,000 pictures come in PyTorch's order`, () => {
    manualSeed(init.seed)
    void new nets[init.net](3, 10)
    for (const epoch of init.epochs) {
      const order = passOf(50_000, { batchSize: 32, shuffle: true })
      assert.deepEqual(order.slice(0, 64), [...epoch.first])
      const bytes = new Uint8Array(Uint32Array.from(order).buffer)
      assert.equal(createHash('sha256').update(bytes).digest('hex'), epoch.sha256)
    }
  })
}

test('a generator of its own leaves the default one alone', () => {
  manualSeed(5)
  const before = defaultGenerator.getState()
  const options = { batchSize: 3, shuffle: true }
  const first = passOf(10, { ...options, generator: new Generator(1) })
  const second = passOf(10, { ...options, generator: new Generator(1) })
  assert.deepEqual(first, second)
  assert.deepEqual(
    first.toSorted((a, b) => a - b),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  )
  assert.deepEqual(defaultGenerator.getState(), before)
})

test('an unshuffled loader draws its base seed too, and keeps the order', () => {
  manualSeed(5)
  const expected = defaultGenerator.clone()
  expected.random64()
  assert.deepEqual(passOf(5, { batchSize: 2 }), [0, 1, 2, 3, 4])
  assert.equal(defaultGenerator.randomU32(), expected.randomU32())
})

test('dropLast leaves out the batch that is not full', () => {
  const dataset = new TensorDataset(arange(10), arange(10))
  const loader = new DataLoader(dataset, { batchSize: 4, dropLast: true })
  assert.equal(loader.length, 2)
  assert.equal([...loader].length, 2)
  assert.equal(new DataLoader(dataset, { batchSize: 4 }).length, 3)
})

test('wrong options are told', () => {
  const dataset = new TensorDataset(arange(4), arange(4))
  assert.throws(() => new DataLoader(dataset, { batchSize: 0 }), /batchSize must be a whole number of 1 or more, got 0/)
  const typo: object = { batch_size: 32 }
  assert.throws(() => new DataLoader(dataset, typo), /no option batch_size; there are batchSize/)
  assert.throws(() => new TensorDataset(arange(4), arange(3)), /\[4\] and labels \[3\] must have as many rows/)
})

/** Pixel p of picture n is (n · 50 + p) mod 256. */
function smallSet(channels = 3): ImageSet {
  const [count, height, width] = [5, 2, 3]
  const size = channels * height * width
  const pixels = Uint8Array.from({ length: count * size }, (_, i) => (Math.floor(i / size) * 50 + (i % size)) % 256)
  return {
    pixels,
    labels: Uint8Array.of(3, 1, 4, 1, 0),
    count,
    channels,
    height,
    width,
    classes: ['a', 'b', 'c', 'd', 'e'],
  }
}

test('pictures become floats, normalised channel by channel', () => {
  const [mean, std] = [
    [0.5, 0.25, 0.125],
    [0.5, 0.2, 0.1],
  ]
  const transform = transforms.compose([transforms.toTensor(), transforms.normalize({ mean, std })])
  const dataset = new ImageDataset(smallSet(), { transform })
  const [first] = new DataLoader(dataset, { batchSize: 4 })
  assert.ok(first)
  const { inputs, labels } = first
  assert.deepEqual([...inputs.shape], [4, 3, 2, 3])
  assert.deepEqual([...labels.toTypedArray()], [3, 1, 4, 1])
  const f = Math.fround
  const expected = dataset.images.pixels.slice(0, 4 * 18).reduce<number[]>((all, pixel, i) => {
    const c = Math.floor((i % 18) / 6)
    return [...all, f(f(f(pixel / 255) - f(mean[c] ?? 0)) / f(std[c] ?? 1))]
  }, [])
  assert.deepEqual([...inputs.toTypedArray()], expected)
})

test('equal constants for all channels give the same values; get() takes one picture', () => {
  const transform = transforms.compose([
    transforms.toTensor(),
    transforms.normalize({ mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] }),
  ])
  const dataset = new ImageDataset(smallSet(), { transform })
  const { image, label } = dataset.get(2)
  assert.equal(label, 4)
  assert.deepEqual([...image.shape], [3, 2, 3])
  assert.equal(image.toTypedArray()[0], Math.fround((Math.fround(100 / 255) - 0.5) / 0.5))
  assert.throws(() => dataset.get(5), /there is no picture 5: the data set has 5/)
})

test('the last, smaller batch and destructuring', () => {
  const loader = new DataLoader(new ImageDataset(smallSet()), { batchSize: 4 })
  const sizes: number[] = []
  for (const [inputs, labels] of loader) {
    assert.equal(inputs.size(0), labels.size(0))
    sizes.push(labels.size(0))
  }
  assert.deepEqual(sizes, [4, 1])
})

test('a transform that cannot be is told', () => {
  const normalize = transforms.normalize({ mean: [0.5], std: [0.5] })
  assert.throws(() => new ImageDataset(smallSet(), { transform: normalize }), /toTensor\(\) must come first/)
  const two = transforms.compose([transforms.toTensor(), transforms.normalize({ mean: [0, 1], std: [1, 1] })])
  assert.throws(
    () => new ImageDataset(smallSet(), { transform: two }),
    /has 2 means and deviations, the pictures have 3/,
  )
})

test('TensorDataset gives rows of both tensors', () => {
  const inputs = tensor([
    [0, 1],
    [2, 3],
    [4, 5],
  ])
  const [, second] = new DataLoader(new TensorDataset(inputs, tensor([7, 8, 9], { dtype: 'i32' })), { batchSize: 2 })
  assert.deepEqual(second?.inputs.toArray(), [[4, 5]])
  assert.deepEqual(second?.labels.toArray(), [9])
})

test('makeGrid lays pictures side by side', () => {
  const images = tensor(
    Float32Array.from({ length: 3 * 4 }, (_, i) => i + 1),
    { shape: [3, 1, 2, 2] },
  )
  const grid = makeGrid(images, { nrow: 2, padding: 1 })
  assert.deepEqual([...grid.shape], [3, 7, 7])
  const [red, green] = grid.toArray() as number[][][]
  assert.deepEqual(red, [
    [0, 0, 0, 0, 0, 0, 0],
    [0, 1, 2, 0, 5, 6, 0],
    [0, 3, 4, 0, 7, 8, 0],
    [0, 0, 0, 0, 0, 0, 0],
    [0, 9, 10, 0, 0, 0, 0],
    [0, 11, 12, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0, 0],
  ])
  assert.deepEqual(green, red)
  assert.throws(() => makeGrid(tensor([1, 2])), /expects pictures \[N, 1 or 3, H, W\], got \[2\]/)
})
