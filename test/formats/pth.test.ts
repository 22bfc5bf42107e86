/** Files by PyTorch's own torch.save (fixtures/make_pth.py): each tensor is ramp(n) = (0 … n-1 minus 3) / 4 or said otherwise. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LenetError } from '../../src/base/errors.js'
import {
  asFloat32,
  isPthTensor,
  readPth,
  selectStateDict,
  type PthFile,
  type PthValue,
} from '../../src/formats/index.js'
import { base64Fixtures, pick } from './helpers.js'

const files = base64Fixtures('pth.json')
const read = (name: string): PthFile => readPth(pick(files, name), `${name}.pth`)
const ramp = (count: number): number[] => Array.from({ length: count }, (_, i) => (i - 3) / 4)

function numbers(file: PthFile, key: string): number[] {
  const tensor = file.tensors.get(key)
  assert.ok(tensor, `${key} is missing`)
  return [...asFloat32(tensor)]
}

function at(value: PthValue, ...path: (string | number)[]): PthValue {
  let found: PthValue | undefined = value
  for (const key of path) {
    assert.ok(found instanceof Map || Array.isArray(found), `no ${path.join('.')}`)
    found = found instanceof Map ? found.get(key) : found[Number(key)]
  }
  assert.ok(found !== undefined, `no ${path.join('.')}`)
  return found
}

const netShapes: readonly [string, number[]][] = [
  ['conv1.weight', [2, 1, 3, 3]],
  ['conv1.bias', [2]],
  ['bn.weight', [2]],
  ['bn.bias', [2]],
  ['bn.running_mean', [2]],
  ['bn.running_var', [2]],
  ['bn.num_batches_tracked', []],
  ['fc1.weight', [3, 2]],
  ['fc1.bias', [3]],
]

function isNet(file: PthFile): void {
  assert.deepEqual(
    [...file.tensors].map(([name, { shape }]) => [name, shape]),
    netShapes,
  )
  assert.deepEqual(numbers(file, 'conv1.weight'), ramp(18))
  assert.deepEqual(numbers(file, 'fc1.weight'), ramp(6))
  assert.equal(file.tensors.get('bn.num_batches_tracked')?.dtype, 'i64')
  assert.deepEqual(file.warnings, [])
}

for (const name of [
  'zip',
  'legacy',
  'protocol3',
  'protocol4',
  'protocol5',
  'deflated',
  'parallel',
  'averaged',
  'compiled',
  'lightning',
]) {
  test(`a state dict: ${name}`, () => isNet(read(name)))
}

test('the bytes may lie anywhere in memory', () => {
  const bytes = pick(files, 'zip')
  const shifted = new Uint8Array(bytes.length + 1)
  shifted.set(bytes, 1)
  isNet(readPth(shifted.subarray(1), 'shifted.pth'))
})

test("Node's Buffers are read and not changed, wherever they lie", () => {
  for (const name of ['zip', 'legacy', 'views_legacy', 'big']) {
    const bytes = Buffer.alloc(pick(files, name).length + 1)
    bytes.set(pick(files, name), 1)
    const { tensors } = readPth(bytes.subarray(1), name)
    assert.deepEqual(tensors, read(name).tensors)
    for (const { data } of tensors.values()) assert.ok(!Buffer.isBuffer(data))
    assert.deepEqual(new Uint8Array(bytes.subarray(1)), pick(files, name))
  }
})

test("PyTorch's negative bit changes the sign", () => {
  const file = read('negated')
  assert.deepEqual(numbers(file, 'plain'), ramp(3))
  assert.deepEqual(numbers(file, 'other'), ramp(3))
})

test('a prefix that not every name has stays', () => {
  const names = [...read('mixed').tensors.keys()]
  assert.equal(names.length, 10)
  assert.ok(names.includes('module.extra') && names.includes('conv1.weight'))
})

for (const form of ['zip', 'legacy']) {
  test(`floats of every width, ${form}`, () => {
    const file = read(`floats_${form}`)
    assert.deepEqual(
      [...file.tensors.values()].map(({ dtype }) => dtype),
      ['f16', 'bf16', 'f64'],
    )
    for (const name of ['float16', 'bfloat16', 'float64']) assert.deepEqual(numbers(file, name), ramp(6))
    assert.ok(file.tensors.get('float64')?.data instanceof Float64Array)
  })

  test(`integers and booleans, ${form}`, () => {
    const file = read(`integers_${form}`)
    assert.deepEqual(
      [...file.tensors.values()].map(({ dtype }) => dtype),
      ['u8', 'i8', 'i16', 'i32', 'i64', 'bool'],
    )
    for (const name of ['uint8', 'int8', 'int16', 'int32']) assert.deepEqual(numbers(file, name), [0, 1, 100])
    assert.deepEqual([...(file.tensors.get('int64')?.data ?? [])], [-(2n ** 62n), 1n, 100n])
    assert.deepEqual(numbers(file, 'int64'), [-(2 ** 62), 1, 100])
    assert.deepEqual(numbers(file, 'bool'), [0, 1, 1])
  })

  test(`views: shared storages, strides, zero strides, ${form}`, () => {
    const file = read(`views_${form}`)
    const base = ramp(24)
    const item = (...indices: number[]): number[] => indices.map((i) => base[i] ?? NaN)
    const [four, six] = [
      [0, 1, 2, 3],
      [0, 1, 2, 3, 4, 5],
    ]
    assert.deepEqual(numbers(file, 'base'), base)
    assert.deepEqual(numbers(file, 'tied'), base)
    assert.deepEqual(numbers(file, 'row'), base.slice(6, 12))
    assert.deepEqual(numbers(file, 'column'), item(2, 8, 14, 20))
    assert.deepEqual(file.tensors.get('transposed')?.shape, [6, 4])
    assert.deepEqual(numbers(file, 'transposed'), item(...six.flatMap((c) => four.map((r) => r * 6 + c))))
    assert.deepEqual(file.tensors.get('permuted')?.shape, [6, 2, 2])
    assert.deepEqual(numbers(file, 'permuted'), numbers(file, 'transposed'))
    assert.deepEqual(numbers(file, 'step'), item(1, 4, 13, 16))
    assert.deepEqual(numbers(file, 'zero_stride'), [-0.75, -0.75, -0.75, -0.5, -0.5, -0.5])
    assert.deepEqual([file.tensors.get('scalar')?.shape, numbers(file, 'scalar')], [[], [2.5]])
    assert.deepEqual([file.tensors.get('empty')?.shape, numbers(file, 'empty')], [[0, 3], []])
    assert.deepEqual(numbers(file, 'channels_last'), ramp(12))
  })
}

test('the extremes of float16 and bfloat16', () => {
  const file = read('specials')
  assert.deepEqual(numbers(file, 'half'), [65504, 2 ** -24, -(2 ** -14), Infinity, NaN])
  const [tiny, large, ...rest] = numbers(file, 'bf16')
  assert.deepEqual([tiny, ...rest], [2 ** -133, -Infinity, NaN])
  assert.ok(large !== undefined && Math.abs(large + 3e38) < 2e36)
})

test('big-endian files, cuda locations, Parameters, tensors with attributes', () => {
  assert.deepEqual(numbers(read('big'), 'w'), ramp(6))
  assert.deepEqual(numbers(read('cuda'), 'w'), ramp(2))
  const file = read('parameters')
  assert.deepEqual([numbers(file, 'w'), numbers(file, 'tagged'), numbers(file, 'marked')], [ramp(4), ramp(2), ramp(3)])
})

test('wrong checksums, which PyTorch may write, are a warning', () => {
  const file = read('no_crc')
  assert.deepEqual(numbers(file, 'w'), ramp(2))
  assert.ok(file.warnings.length > 0)
  assert.match(file.warnings[0] ?? '', /no_crc\.pth: the checksum of .* does not match/)
})

for (const name of ['checkpoint', 'checkpoint_legacy']) {
  test(`a full checkpoint with Adam's state: ${name}`, () => {
    const file = read(name)
    isNet(file)
    const { whole } = file
    assert.equal(at(whole, 'epoch'), 7)
    assert.equal(at(whole, 'best'), 0.625)
    assert.deepEqual(at(whole, 'size'), [1, 28, 28])
    assert.equal(at(whole, 'device'), 'cuda:0')
    assert.equal(at(whole, 'dtype'), 'torch.float16')
    assert.deepEqual(at(whole, 'milestones'), new Map([[3, 2], [9, 1]])) // prettier-ignore
    assert.deepEqual(at(whole, 'classes'), ['cat'])
    assert.deepEqual(at(whole, 'args', 'flags'), [true, null])
    assert.deepEqual([at(whole, 'args', 'name'), at(whole, 'args', 'seed')], ['été', -1])
    assert.equal(at(whole, 'args', 'big'), 2n ** 70n)
    assert.equal(at(whole, 'optimizer', 'param_groups', 0, 'lr'), 1e-3)
    assert.deepEqual(at(whole, 'optimizer', 'param_groups', 0, 'betas'), [0.9, 0.999])
    const average = at(whole, 'optimizer', 'state', 4, 'exp_avg')
    assert.ok(isPthTensor(average))
    assert.deepEqual(
      [...asFloat32(average)],
      ramp(6).map((x) => x + 4),
    )
    const step = at(whole, 'optimizer', 'state', 0, 'step')
    assert.ok(isPthTensor(step))
    assert.deepEqual([...asFloat32(step)], [2])
    const curve = at(whole, 'curve')
    assert.deepEqual(curve, { dtype: 'f32', shape: [1, 2], data: new Float32Array([1.5, 2.5]) })
  })
}

test('selectStateDict prefers the dict and the names that the net expects', () => {
  const expected = netShapes.map(([name]) => name)
  assert.deepEqual([...selectStateDict(read('lightning'), expected).keys()], expected)
  const asWrapped = expected.map((name) => `model.${name}`)
  assert.deepEqual([...selectStateDict(read('lightning'), asWrapped).keys()], asWrapped)
  const wrapped = expected.map((name) => `module.${name}`)
  assert.deepEqual([...selectStateDict(read('parallel'), wrapped).keys()], wrapped)
  assert.throws(
    () => selectStateDict(read('tensor')),
    /tensor\.pth: no state dict found: the file holds a single tensor/,
  )
  assert.equal(read('tensor').tensors.size, 0)
})

const refusals: Readonly<Record<string, RegExp>> = {
  refused_module:
    /refused_module\.pth, data\.pkl: refused: .*"__main__\.Net".*nothing was run.*Save net\.state_dict\(\)/,
  refused_complex: /"torch\.ComplexFloatStorage"/,
  refused_uint16: /uint16/i,
  refused_sparse: /"torch\._utils\._rebuild_sparse_tensor"/,
  refused_quantized: /"torch\._utils\._rebuild_qtensor"|QInt8Storage/,
  refused_script: /TorchScript/,
}
for (const [name, message] of Object.entries(refusals)) {
  test(`refused by name: ${name}`, () => {
    assert.throws(
      () => read(name),
      (error: unknown) => error instanceof LenetError && (assert.match(error.message, message), true),
    )
  })
}
