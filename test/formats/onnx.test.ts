/** ONNX: files of PyTorch's exporters and others give the logits that onnxruntime gave; what we write is read again. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { LenetError } from '../../src/base/errors.js'
import { readOnnx, writeOnnx } from '../../src/formats/index.js'
import type { NetFile } from '../../src/formats/net.js'
import { everyOperation } from './everyOperation.js'
import { runNet } from './runNet.js'

interface Case {
  readonly file: string
  readonly external: Readonly<Record<string, string>>
  readonly pictures: readonly string[]
  readonly logits: readonly (readonly number[])[]
  readonly channelsLast?: boolean
}

const bytes = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, 'base64'))
const path = new URL('../../../test/formats/fixtures/onnx.json', import.meta.url)
const cases: Readonly<Record<string, Case>> = JSON.parse(readFileSync(path, 'utf8'))

function read(name: string, { file, external }: Case): NetFile {
  return readOnnx(bytes(file), `${name}.onnx`, (wanted) => bytes(external[wanted] ?? assert.fail(`opens ${wanted}`)))
}

/** A file's picture as CHW. */
function picture(base64: string, channelsLast: boolean): Float32Array {
  const data = new Float32Array(bytes(base64).buffer)
  const plane = data.length / 3
  return channelsLast ? data.map((_, i) => data[(i % plane) * 3 + Math.floor(i / plane)] ?? 0) : data
}

function assertLogits(net: NetFile, { pictures, logits, channelsLast = false }: Case, within: number): void {
  pictures.forEach((base64, i) => {
    const found = runNet(net, picture(base64, channelsLast))
    const expected = logits[i] ?? []
    assert.equal(found.length, expected.length)
    const worst = Math.max(...expected.map((value, at) => Math.abs(value - (found[at] ?? Number.NaN))))
    const size = Math.max(1, ...expected.map(Math.abs))
    assert.ok(worst / size < within, `logits differ by ${worst}`)
  })
}

for (const [name, given] of Object.entries(cases)) {
  test(`${name}: the logits are onnxruntime's`, () => assertLogits(read(name, given), given, 1e-5))

  test(`${name}: what we write of it is read again as the same net`, () => {
    const net = read(name, given)
    const again = readOnnx(writeOnnx(net), 'again.onnx')
    assertLogits(again, given, 1e-5)
    assert.deepEqual(writeOnnx(again), writeOnnx(net))
  })
}

test('names are those of the modules, nodes those of the net', () => {
  for (const name of ['lenet_script', 'lenet_dynamo', 'lenet_unfolded']) {
    const { nodes, inputs } = read(name, cases[name] ?? assert.fail())
    assert.deepEqual(
      nodes.map((node) => node.name),
      ['conv1', 'relu', 'maxPool2d', 'conv2', 'relu_1', 'maxPool2d_1', 'flatten', 'fc1', 'relu_2', 'fc2'],
    )
    assert.deepEqual(inputs[0]?.shape, [3, 16, 16])
  }
  const weighted = read('resnet_kept', cases['resnet_kept'] ?? assert.fail()).nodes.filter(
    ({ weights }) => weights.size > 0,
  )
  assert.deepEqual(
    weighted.map((node) => node.name),
    ['features.0', 'features.1', 'features.3.conv', 'features.3.bn', 'features.4.conv', 'features.4.bn', 'fc'],
  )
})

test('activations that exporters spell out are found', () => {
  for (const [name, approximate] of [
    ['zoo_script_17', 'none'],
    ['zoo_script_tanh', 'tanh'],
    ['zoo_dynamo_18', 'none'],
  ] as const) {
    const { nodes } = read(name, cases[name] ?? assert.fail())
    const found = nodes.flatMap((node) => (node.op === 'gelu' ? [node.approximate] : []))
    assert.deepEqual(found, [approximate], name)
    for (const op of ['silu', 'hardSwish'])
      assert.ok(
        nodes.some((node) => node.op === op),
        `${name}: ${op}`,
      )
  }
})

test('channels last is told at flatten, and a separate bias joins its layer', () => {
  const { inputs, nodes } = read('channels_last', cases['channels_last'] ?? assert.fail())
  assert.deepEqual(inputs[0]?.shape, [3, 8, 8])
  assert.deepEqual(
    nodes.map((node) => node.op),
    ['rescaling', 'conv2d', 'relu', 'maxPool2d', 'rescaling', 'flatten', 'linear'],
  )
  assert.ok(nodes.some((node) => node.op === 'flatten' && node.order === 'hwc'))
  for (const node of nodes)
    if (node.op === 'conv2d' || node.op === 'linear') assert.ok(node.bias && node.weights.has('bias'))
})

test('a net of every operation is written and read again: names, settings, weights, values', () => {
  const { net, count } = everyOperation()
  const again = readOnnx(writeOnnx(net), 'again.onnx')
  const picture = Float32Array.from({ length: count }, (_, i) => Math.sin(i))
  const [before, after] = [runNet(net, picture), runNet(again, picture)]
  before.forEach((value, i) => assert.ok(Math.abs(value - (after[i] ?? 9)) < 1e-6, `${value} ${after[i]}`))
  const kept = again.nodes.filter(({ name }) => !name.startsWith('lenet::'))
  const expected = net.nodes.filter(({ op }) => op !== 'augmentation')
  assert.deepEqual(
    kept.map(({ name }) => name),
    expected.map(({ name }) => name),
  )
  for (const node of expected) {
    const found = kept.find(({ name }) => name === node.name)
    const { inputs, ...settings } = found ?? assert.fail()
    if (node.op === 'mul' || inputs.includes('r2')) continue // written as two, and behind the augmentation
    assert.deepEqual({ ...settings, inputs }, node)
  }
  assert.deepEqual([again.classes, again.preprocessing], [net.classes, net.preprocessing])
  assert.deepEqual(writeOnnx(net), writeOnnx(net))
})

test('runs of channels that are normalised are written as exporters do, and compute the same', () => {
  const values = (seed: number, count: number): Float32Array =>
    Float32Array.from({ length: count }, (_, i) => Math.sin(seed + 3 * i))
  for (const keys of [['weight', 'bias'], ['weight'], ['bias'], []])
    for (const shape of [[6, 4, 3], [6]]) {
      const weights = new Map(keys.map((key, i) => [key, { shape: [6], data: values(i, 6) }]))
      const node = { name: 'gn', op: 'groupNorm', groups: 2, eps: 1e-3, inputs: ['x'], weights } as const
      const net: NetFile = { inputs: [{ name: 'x', shape }], nodes: [node], outputs: ['gn'] }
      const again = readOnnx(writeOnnx(net), 'again.onnx')
      const x = values(
        9,
        shape.reduce((a, b) => a * b, 1),
      )
      const [before, after] = [runNet(net, x), runNet(again, x)]
      assert.equal(after.length, before.length)
      before.forEach((value, i) => assert.ok(Math.abs(value - (after[i] ?? 9)) < 1e-6, `${value} ${after[i]}`))
    }
})

test('sizes that are open, and weights that do not fit, are refused when written', () => {
  const { net } = everyOperation()
  const open: NetFile = { ...net, inputs: [{ name: 'x', shape: [3, null, null] }], nodes: [], outputs: ['x'] }
  assert.throws(() => writeOnnx(open), /^LenetError: the net, x: its shape \[3, any, any\] is open/)
  const other: NetFile = { ...net, inputs: [{ name: 'x', shape: [2, 8, 8] }] }
  assert.throws(() => writeOnnx(other), LenetError)
})

test('external data is asked for by its plain name only, once', () => {
  const given = cases['lenet_dynamo'] ?? assert.fail()
  const opened: string[] = []
  readOnnx(bytes(given.file), 'net.onnx', (name, most) => {
    opened.push(name)
    assert.ok(most < 2 ** 28, `${most} bytes`)
    return bytes(given.external[name] ?? '')
  })
  assert.deepEqual(opened, ['net.onnx.data'])
  assert.throws(() => readOnnx(bytes(given.file), 'net.onnx'), /net\.onnx\.data, which was not given/)
  assert.throws(() => readOnnx(bytes(given.file), 'net.onnx', () => new Uint8Array(10)), /net\.onnx\.data has 10 bytes/)
})
