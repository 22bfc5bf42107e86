/** What writePth and writePthObject write comes back equal, is byte-stable and laid out as PyTorch lays it out. PyTorch's own answer: python/check_pth.py. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { LenetError } from '../../src/base/errors.js'
import {
  readPth,
  selectStateDict,
  writePth,
  writePthObject,
  ZipArchive,
  type PthValue,
  type WritablePthValue,
  type WritableTensor,
} from '../../src/formats/index.js'
import { sampleCheckpoint, sampleTensors } from './python/samples.js'

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

test('a state dict comes back with its order, shapes, dtypes and bits', () => {
  const file = readPth(writePth(sampleTensors()), 'x.pth')
  assert.deepEqual([...file.tensors.keys()], [...sampleTensors().keys()])
  for (const [name, { shape, data }] of sampleTensors()) {
    const read = file.tensors.get(name)
    assert.deepEqual(read?.shape, shape)
    assert.deepEqual(read?.data, data)
  }
  assert.equal(file.tensors.get('flags')?.dtype, 'bool')
  assert.deepEqual(file.warnings, [])
})

test('the same tensors give the same bytes, on every machine', () => {
  assert.equal(sha256(writePth(sampleTensors())), sha256(writePth(sampleTensors())))
  assert.equal(sha256(writePth([['w', { shape: [2], data: new Float32Array([1, 2]) }]])), frozenSum)
})
const frozenSum = '4854e55abc9a64b91e8d2ab37d446973369936398f1e48f0b1980ff1ddf596e2'

test('every storage begins at a multiple of 64 bytes', () => {
  const bytes = writePth(sampleTensors())
  const archive = new ZipArchive(bytes, 'x.pth')
  const storages = [...archive.members.keys()].filter((name) => name.includes('/data/'))
  assert.equal(storages.length, sampleTensors().size)
  for (const name of storages) assert.equal(archive.read(name).byteOffset % 64, 0)
})

test('a checkpoint of plain values and tensors comes back', () => {
  const file = readPth(writePthObject(sampleCheckpoint()), 'x.pth')
  const { whole } = file
  assert.ok(whole instanceof Map)
  assert.equal(whole.get('epoch'), 7)
  assert.equal(whole.get('big'), 2n ** 70n)
  assert.deepEqual(whole.get('list'), [
    1,
    -1,
    255,
    256,
    -(2 ** 31),
    2 ** 31,
    2 ** 53 - 1,
    -(2 ** 53 - 1),
    0.1,
    'é😀',
    null,
    true,
    false,
    [],
  ])
  const optimizer = whole.get('optimizer')
  assert.ok(optimizer instanceof Map)
  assert.deepEqual(optimizer.get('state'), new Map([[0, new Map([['step', { dtype: 'f32', shape: [], data: new Float32Array([2]) }]])]])) // prettier-ignore
  assert.deepEqual([...selectStateDict(file).keys()], [...sampleTensors().keys()])
})

test('an array used twice is written once', () => {
  const data = new Float32Array(1000)
  const once = writePth([['a', { shape: [1000], data }]])
  const twice = writePth([
    ['a', { shape: [1000], data }],
    ['b', { shape: [10, 100], data }],
  ])
  assert.ok(twice.length < once.length + 400)
  assert.deepEqual(readPth(twice, 'x.pth').tensors.get('b')?.shape, [10, 100])
})

test('a tensor whose items do not fill its shape is refused by name', () => {
  const wrong = [['fc1.bias', { shape: [3], data: new Float32Array(2) }]] as const
  assert.throws(
    () => writePth(wrong),
    (error: unknown) =>
      error instanceof LenetError && /fc1\.bias.*\[3\] needs 3 items and is given 2/.test(error.message),
  )
})

/** The value as reading gives it: objects as Maps. */
function asRead(value: WritablePthValue): PthValue {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(asRead)
  return new Map(Object.entries(value).map(([key, item]) => [key, asRead(item)]))
}

test('any nested plain value comes back', () => {
  const leaf = fc.oneof(
    fc.integer(),
    fc.double(),
    fc.string({ unit: 'grapheme' }),
    fc.boolean(),
    fc.constant(null),
    fc.maxSafeInteger(),
  )
  const { tree } = fc.letrec<{ tree: WritablePthValue }>((tie) => ({
    tree: fc.oneof({ maxDepth: 4 }, leaf, fc.array(tie('tree')), fc.dictionary(fc.string(), tie('tree'))),
  }))
  fc.assert(
    fc.property(tree, (value) => assert.deepEqual(readPth(writePthObject(value), 'x.pth').whole, asRead(value))),
    { numRuns: 300, seed: 1 },
  )
})

test('any float32 bits come back', () => {
  const tensor = fc.float32Array({ maxLength: 50 }).map((data): WritableTensor => ({ shape: [data.length], data }))
  fc.assert(
    fc.property(tensor, (value) => {
      assert.deepEqual(readPth(writePth([['w', value]]), 'x.pth').tensors.get('w')?.data, value.data)
    }),
    { numRuns: 100, seed: 1 },
  )
})
