/** safetensors, npy and npz: files of the libraries themselves, their bytes again, and hostile ones. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { LenetError } from '../../src/base/errors.js'
import {
  readNpy,
  readNpz,
  readSafetensors,
  writeNpy,
  writeNpz,
  writeSafetensors,
  type PthDtype,
  type WritableTensor,
} from '../../src/formats/index.js'
import { base64Fixtures, pick } from './helpers.js'
import { hostileTensorFiles } from './hostileTensors.js'
import { assertRefused } from './refusal.js'

const files = base64Fixtures('tensors.json')
const readers: Readonly<Record<string, (bytes: Uint8Array, name: string) => unknown>> = {
  safetensors: readSafetensors,
  npy: readNpy,
  npz: readNpz,
}

test('a file of the safetensors library is read, every dtype', () => {
  const { tensors, metadata } = readSafetensors(pick(files, 'every.safetensors'), 'every')
  const seen = (key: string): unknown[] => {
    const found = tensors.get(key)
    return found === undefined ? [] : [found.dtype, found.shape, [...found.data]]
  }
  assert.deepEqual(seen('conv1.bias'), ['f32', [2], [-0.75, -0.5]])
  assert.deepEqual(seen('half'), ['f16', [5], [65504, 2 ** -24, -(2 ** -14), -0.0999755859375, Infinity]])
  assert.deepEqual(seen('bf16').slice(0, 2), ['bf16', [3]])
  assert.equal(tensors.get('bf16')?.data[0], 2 ** -133)
  assert.deepEqual(seen('double'), ['f64', [3], [-0.75, -0.5, -0.25]])
  assert.deepEqual(seen('long'), ['i64', [2], [-(2n ** 62n), 3n]])
  assert.deepEqual(seen('int'), ['i32', [2], [-(2 ** 31), 5]])
  assert.deepEqual(seen('short'), ['i16', [2], [-32768, 5]])
  assert.deepEqual(seen('char'), ['i8', [3], [-128, 5, 1]])
  assert.deepEqual(seen('byte'), ['u8', [3], [255, 5, 1]])
  assert.deepEqual(seen('flag'), ['bool', [3], [1, 0, 1]])
  assert.deepEqual(seen('scalar'), ['f32', [], [0.5]])
  assert.deepEqual(seen('empty'), ['f32', [0, 3], []])
  assert.deepEqual(seen('__proto__'), ['f32', [1], [-0.75]])
  assert.deepEqual([...metadata], [['format', 'pt']])
  assert.equal(tensors.size, 16)
})

test('what is written has the bytes of the safetensors library', () => {
  for (const name of ['every', 'none', 'notes']) {
    const bytes = pick(files, `${name}.safetensors`)
    const { tensors, metadata } = readSafetensors(bytes, name)
    const turned = [...tensors].reverse() // the order given does not matter
    assert.deepEqual(writeSafetensors(turned, metadata), bytes, name)
  }
})

test('safetensors: a wrong number of items, a name twice, the metadata name are refused when written', () => {
  const w: WritableTensor = { shape: [2], data: new Float32Array(3) }
  assert.throws(() => writeSafetensors([['w', w]]), /^LenetError: w: a tensor \[2\] needs 2 items and is given 3$/)
  const v = { shape: [3], data: w.data }
  assert.throws(
    () =>
      writeSafetensors([
        ['v', v],
        ['v', v],
      ]),
    LenetError,
  )
  assert.throws(() => writeSafetensors([['__metadata__', v]]), LenetError)
})

test('float32 is rounded to half precision to nearest, ties to even, and read back exactly', () => {
  const cases: [PthDtype, number[], number[]][] = [
    [
      'f16',
      [2049, 2051, 65519, 65520, 2 ** -25, 2 ** -25 * 1.001, -(2 ** -26)],
      [2048, 2052, 65504, Infinity, 0, 2 ** -24, -0],
    ],
    ['bf16', [257, 259, 3.4e38, -0, 3.39e38], [256, 260, Infinity, -0, 3.3895313892515355e38]],
  ]
  for (const [dtype, given, expected] of cases) {
    const bytes = writeSafetensors([['w', { shape: [given.length], data: Float32Array.from(given), dtype }]])
    const { tensors } = readSafetensors(bytes, 'f')
    assert.deepEqual([...(tensors.get('w')?.data ?? [])], expected.map(Math.fround))
  }
})

test('half precision: every value is kept by reading and writing', () => {
  for (const dtype of ['F16', 'BF16']) {
    const header = `{"w":{"dtype":"${dtype}","shape":[65536],"data_offsets":[0,131072]}}`.padEnd(80)
    const bytes = new Uint8Array(8 + 80 + 131072)
    bytes[0] = 80
    bytes.set(new TextEncoder().encode(header), 8)
    bytes.set(new Uint8Array(Uint16Array.from({ length: 65536 }, (_, i) => i).buffer), 88)
    const again = readSafetensors(writeSafetensors(readSafetensors(bytes, 'f').tensors), 'f').tensors.get('w')
    const before = readSafetensors(bytes, 'f').tensors.get('w')?.data ?? []
    assert.ok(before.length === 65536 && before.every((value, i) => Object.is(value, again?.data[i])))
  }
})

test('npy: the versions, dtypes and orders of NumPy are read', () => {
  const six = [0, 1, 2, 3, 4, 5]
  const expected: [string, PthDtype][] = [
    ['f4', 'f32'],
    ['f8', 'f64'],
    ['f2', 'f16'],
    ['u1', 'u8'],
    ['fortran', 'f32'],
    ['big', 'i32'],
    ['version2', 'f32'],
    ['version3', 'f32'],
  ]
  for (const [name, dtype] of expected) {
    const found = readNpy(pick(files, `${name}.npy`), name)
    assert.deepEqual([found.dtype, found.shape, [...found.data]], [dtype, [2, 3], six], name)
  }
  assert.deepEqual([...readNpy(pick(files, 'i8.npy'), 'i8').data], six.map(BigInt))
  assert.deepEqual([...readNpy(pick(files, 'b1.npy'), 'b1').data], [0, 0, 0, 1, 1, 1])
  assert.deepEqual(readNpy(pick(files, 'scalar.npy'), 'scalar').shape, [])
})

test('npy: what is written has the bytes of numpy.save', () => {
  for (const name of ['f4', 'f8', 'f2', 'i8', 'u1', 'b1', 'scalar', 'list', 'empty', 'large_axis']) {
    const bytes = pick(files, `${name}.npy`)
    assert.deepEqual(writeNpy(readNpy(bytes, name)), bytes, name)
  }
})

test('npy: objects, fields, texts and complex numbers are refused by name', () => {
  const reasons = { object: /pickle/, fields: /structured/, text: /'<U1'/, complex: /'<c8'/ }
  for (const [name, reason] of Object.entries(reasons)) {
    assertRefused(() => readNpy(pick(files, `${name}.npy`), name), name, reason)
  }
})

test('npz: stored and packed ones are read, and ours are read again', () => {
  for (const name of ['stored', 'packed']) {
    const arrays = readNpz(pick(files, `${name}.npz`), name)
    assert.deepEqual([...arrays.keys()], ['x', 'y'])
    assert.deepEqual([...(arrays.get('x')?.data ?? [])], [0, 1, 2, 3, 4, 5])
    assert.deepEqual(readNpz(writeNpz(arrays), 'again'), arrays)
  }
})

for (const { name, bytes, reason } of hostileTensorFiles) {
  test(`refused: ${name}`, () => {
    const read = readers[name.split('.').at(-1) ?? '']
    assert.ok(read)
    assertRefused(() => read(bytes, name), name, reason)
  })
}

test('a damaged file gives a file or one error of ours, whatever byte is changed', () => {
  const whole = fc.constantFrom('every.safetensors', 'f4.npy', 'packed.npz')
  fc.assert(
    fc.property(whole, fc.nat(), fc.nat(255), fc.boolean(), (name, at, value, cut) => {
      const bytes = pick(files, name).slice(0, cut ? at % pick(files, name).length : undefined)
      bytes[at % Math.max(bytes.length, 1)] = value
      try {
        readers[name.split('.').at(-1) ?? '']?.(bytes, name)
      } catch (error) {
        assert.ok(error instanceof LenetError && !error.message.includes('\n'), String(error))
      }
    }),
    { numRuns: 500 },
  )
})

test('safetensors: notes that are null, as MLX writes them, are none', () => {
  const header = '{"__metadata__":null,"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
  const bytes = new Uint8Array(8 + header.length + 4)
  new DataView(bytes.buffer).setUint32(0, header.length, true)
  bytes.set(new TextEncoder().encode(header), 8)
  const { tensors, metadata } = readSafetensors(bytes, 'mlx.safetensors')
  assert.deepEqual([[...metadata], [...tensors.keys()]], [[], ['w']])
})

test('npz: a member whose checksum does not match is refused, as NumPy refuses it', () => {
  const bytes = pick(files, 'stored.npz').slice()
  const at = Buffer.from(bytes).indexOf('NUMPY') + 127 // within the first array's numbers
  bytes[at] = (bytes[at] ?? 0) ^ 1
  assert.throws(() => readNpz(bytes, 'flipped.npz'), /the checksum of .* does not match: the file is damaged/)
})
