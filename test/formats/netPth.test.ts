/** Nets as PyTorch's files: state dicts with their buffers, optimizers by number, and back. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  netParameters,
  netStateDict,
  optimizerFromTorch,
  optimizerToTorch,
  readOnnx,
  readPth,
  withParameterOrder,
  writeNetPth,
  writeOnnx,
  writePthObject,
  type PthValue,
} from '../../src/formats/index.js'
import { filesBeside } from '../../src/formats/filesBeside.node.js'
import type { NetFile, NetOptimizer } from '../../src/formats/net.js'
import { everyOperation } from './everyOperation.js'
import { base64Fixtures, pick } from './helpers.js'

const parameters = [
  ['conv1.weight', [2, 1, 3, 3]],
  ['conv1.bias', [2]],
  ['bn.weight', [2]],
  ['bn.bias', [2]],
  ['fc1.weight', [3, 2]],
  ['fc1.bias', [3]],
] as const

function read(whole: PthValue, of: readonly (readonly [string, readonly number[]])[]): NetOptimizer {
  const found = optimizerFromTorch(whole, of, 'c.pth')
  return typeof found === 'object' ? found : assert.fail(found)
}

test("PyTorch's Adam is read out of its checkpoint by parameter", () => {
  for (const name of ['checkpoint', 'checkpoint_legacy']) {
    const { whole } = readPth(pick(base64Fixtures('pth.json'), name), name)
    const found = read(whole, parameters)
    assert.equal(found.name, 'adam')
    assert.equal(found.step, 2)
    assert.deepEqual(found.settings, { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, amsgrad: false })
    assert.deepEqual(
      [...found.state.keys()],
      parameters.map(([key]) => key),
    )
    const mean = found.state.get('fc1.weight')?.get('exp_avg')
    assert.deepEqual(
      [...(mean?.data ?? [])],
      [0, 1, 2, 3, 4, 5].map((i) => (i - 3) / 4 + 4),
    )
  }
})

test('an optimizer of another net is left out with a sentence', () => {
  const { whole } = readPth(pick(base64Fixtures('pth.json'), 'checkpoint'), 'c.pth')
  const left = (of: typeof parameters | readonly (readonly [string, readonly number[]])[]): string => {
    const told = optimizerFromTorch(whole, of, 'c.pth')
    return typeof told === 'string' ? told : assert.fail()
  }
  assert.equal(left(parameters.slice(1)), "c.pth: the optimizer's state is not read: it has 6 parameters, the net 5")
  const turned = parameters.map(([name, shape]) => [name, shape.toReversed()] as const)
  assert.match(left(turned), /it has 6 parameters, the net 6, and their shapes do not tell which is whose$/)
})

test('an optimizer of some parameters: by their names, by their shapes where these tell, and written as it was', () => {
  const { whole } = readPth(pick(base64Fixtures('pth.json'), 'checkpoint'), 'c.pth')
  const more = [['conv0.weight', [2, 1, 3, 3]], ...parameters.slice(1), ['fc2.weight', [4, 3]]] as const
  assert.deepEqual(
    read(whole, more).parameters,
    more.slice(0, 6).map(([name]) => name),
  )
  const besides = [...parameters.slice(0, 2), ['bn0.bias', [2]], ...parameters.slice(2)] as const
  assert.deepEqual(
    read(whole, besides).parameters,
    parameters.map(([name]) => name),
    'layers are taken whole',
  )
  const twice = [...parameters.slice(0, 2), ['bn0.weight', [2]], ['bn0.bias', [2]], ...parameters.slice(2)] as const
  assert.match(String(optimizerFromTorch(whole, twice, 'c.pth')), /its? has 6 parameters, the net 8, and their shapes/)

  const optimizer = whole instanceof Map ? whole.get('optimizer') : undefined
  const [group] =
    optimizer instanceof Map && Array.isArray(optimizer.get('param_groups'))
      ? [optimizer.get('param_groups')].flat()
      : []
  const names = parameters.map(([name]) => `module.${name}`)
  if (!(group instanceof Map)) return assert.fail()
  group.set('param_names', names)
  const found = read(whole, twice)
  assert.deepEqual(
    found.parameters,
    parameters.map(([name]) => name),
  )
  assert.deepEqual(read(whole, parameters).parameters, undefined)

  const { whole: again } = readPth(writePthObject({ optimizer: optimizerToTorch(found, twice) }), 'again.pth')
  assert.deepEqual(read(again, parameters).state, found.state)
  assert.match(String(optimizerFromTorch(again, twice, 'again.pth')), /6 parameters, the net 8/)
})

test("parameters are numbered in their module's order", () => {
  const { net } = everyOperation()
  const names = netParameters(net).map(([name]) => name)
  const order = [
    ...names.filter((name) => name.startsWith('rows')),
    ...names.filter((name) => !name.startsWith('rows')),
  ]
  assert.notDeepEqual(order, names)
  const moved = withParameterOrder(net, ['other', ...order])
  assert.deepEqual(
    netParameters(moved).map(([name]) => name),
    order,
  )
  assert.deepEqual([...netStateDict(moved)].toSorted(), [...netStateDict(net)].toSorted())
  assert.equal(withParameterOrder(net, names).parameterOrder, undefined)
  const again = readOnnx(writeOnnx(moved), 'again.onnx')
  assert.deepEqual(
    netParameters(again).map(([name]) => name),
    order,
  )
})

const slot = (...shape: number[]): { shape: number[]; data: Float32Array } => {
  return { shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i / 8) }
}
const optimizers: readonly NetOptimizer[] = [
  {
    name: 'adamw',
    step: 7,
    settings: { lr: 0.01, beta1: 0.8, beta2: 0.99, eps: 1e-7, weightDecay: 0.1, amsgrad: true },
    state: new Map([
      [
        'fc.bias',
        new Map([
          ['exp_avg', slot(12)],
          ['exp_avg_sq', slot(12)],
          ['max_exp_avg_sq', slot(12)],
        ]),
      ],
    ]),
  },
  {
    name: 'sgd',
    step: 0,
    settings: { lr: 0.1, weightDecay: 0, momentum: 0.9, nesterov: true },
    state: new Map([['bn.bias', new Map([['momentum_buffer', slot(6)]])]]),
  },
  {
    name: 'rmsprop',
    step: 3,
    settings: { lr: 0.1, alpha: 0.9, eps: 1e-6, weightDecay: 0, momentum: 0.5, centered: true },
    state: new Map([
      [
        'ln2.bias',
        new Map([
          ['square_avg', slot(2)],
          ['momentum_buffer', slot(2)],
          ['grad_avg', slot(2)],
        ]),
      ],
    ]),
  },
  {
    name: 'adagrad',
    step: 3,
    settings: { lr: 0.1, eps: 1e-9, weightDecay: 0.5 },
    state: new Map([['fc.weight', new Map([['sum', slot(12, 192)]])]]),
  },
]

test('every optimizer is written with its net and read again', () => {
  const { net } = everyOperation()
  for (const optimizer of optimizers) {
    const { whole, tensors } = readPth(writeNetPth({ ...net, optimizer }), 'net.pth')
    assert.deepEqual([...tensors.keys()], [...netStateDict(net).keys()])
    assert.deepEqual(optimizerFromTorch(whole, netParameters(net), 'net.pth'), optimizer)
  }
})

test('a state dict has the names and order of PyTorch, with the count of batches', () => {
  const { net } = everyOperation()
  const names = [...netStateDict(net).keys()]
  assert.deepEqual(names.slice(0, 5), [
    'block.conv.weight',
    'bn.bias',
    'bn.running_mean',
    'bn.running_var',
    'bn.num_batches_tracked',
  ])
  assert.ok(netParameters(net).every(([name]) => !name.includes('running') && !name.includes('tracked')))
  const file = readPth(writeNetPth(net), 'net.pth')
  assert.equal(optimizerFromTorch(file.whole, netParameters(net), 'net.pth'), undefined)
})

test('state of a parameter that the net does not have, or of another shape, is not written', () => {
  const [optimizer] = optimizers
  assert.ok(optimizer)
  assert.throws(() => optimizerToTorch(optimizer, [['w', [2]]]), /the net has no parameter fc\.bias/)
  assert.throws(
    () => optimizerToTorch(optimizer, [['fc.bias', [3]]]),
    /exp_avg of fc\.bias is \[12\], the parameter \[3\]/,
  )
})

test('checkpoints without a known optimizer give none', () => {
  const net: NetFile = { inputs: [], nodes: [], outputs: [] }
  for (const optimizer of [
    null,
    {},
    { state: {}, param_groups: [] },
    { state: {}, param_groups: [{ rho: 1, params: [] }] },
  ]) {
    const { whole } = readPth(writePthObject({ optimizer }), 'net.pth')
    assert.equal(optimizerFromTorch(whole, netParameters(net), 'net.pth'), undefined)
  }
})

test('files beside a model are opened by plain names only, and no links', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'lenet-beside-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'w.bin'), Uint8Array.of(1, 2, 3))
  const read = filesBeside(join(folder, 'net.onnx'))
  assert.deepEqual([...read('w.bin')], [1, 2, 3])
  assert.throws(() => read('w.bin', 2), /^LenetError: .*w\.bin: refused: it has 3 bytes, at most 2 are expected/)
  for (const name of ['../w.bin', '/etc/hosts', '..', '.', '', 'a/b', 'a\\b', 'C:w', 'a\0', 'a\nb']) {
    assert.throws(() => read(name), /^LenetError: .*refused: it asks for the file/)
  }
  assert.throws(
    () => read('missing.bin'),
    /^LenetError: .*net\.onnx: cannot read .*missing\.bin: there is no such file/,
  )
  symlinkSync('/etc/hosts', join(folder, 'link.bin'))
  for (const how of [read, filesBeside(join(folder, 'net.onnx'), 0)])
    assert.throws(() => how('link.bin'), /^LenetError: .*net\.onnx: .*link\.bin: refused: it is a link/)
  assert.throws(() => filesBeside(join(folder, '..', 'x'))(folder.split('/').at(-1) ?? ''), /^LenetError: /)
})
