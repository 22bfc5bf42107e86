/** Files by real Keras 3 and tf_keras 2 (fixtures/make_keras.py): what they hold, what becomes of them, what we write. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LenetError } from '../../src/base/errors.js'
import {
  flattenInOrder,
  kerasFromNet,
  netFromKeras,
  netTensors,
  readKeras,
  readKerasWeights,
  readLooseWeights,
  weightsOf,
  writeKeras,
  writeKerasH5,
  writeKerasWeights,
  type KerasFile,
  type NetFile,
  type NetNode,
} from '../../src/formats/index.js'
import { pick } from './helpers.js'
import { kerasFixtures, kerasLogits, logitDifference } from './kerasFixtures.js'
import { runNet } from './runNet.js'

const files = kerasFixtures()
const logits = kerasLogits()
const read = (name: string): Promise<KerasFile> => readKeras(pick(files, name), name)

function wanted(name: string): readonly number[] {
  const found = logits.get(name)
  assert.ok(found, `no logits of ${name}`)
  return found
}

/** Optimizers and weights of two files are the same, number by number. */
function assertSame(got: KerasFile, from: KerasFile): void {
  assert.deepEqual(got.weights, from.weights)
  assert.deepEqual(got.optimizer?.slots, from.optimizer?.slots)
  assert.equal(got.optimizer?.iterations, from.optimizer?.iterations)
  assert.equal(got.optimizer?.learningRate, from.optimizer?.learningRate)
}

for (const name of ['keras3', 'keras2', 'graph3', 'graph2']) {
  for (const end of ['keras', 'h5']) {
    test(`${name}.${end}: the net gives Keras's logits, in both orders, and so do the files we write`, async () => {
      const file = await read(`${name}.${end}`)
      assert.deepEqual(file.warnings, [])
      const net = netFromKeras(file)
      const turned = flattenInOrder(net, 'chw')
      for (const one of [net, turned]) assert.ok(logitDifference(one, wanted(name)) < 1e-6)
      const back = kerasFromNet(turned)
      assert.deepEqual(back.weights, file.weights)
      assert.equal(back.model.className, file.model.className)
      assert.deepEqual(
        back.model.layers.map((layer) => layer.name),
        file.model.layers.map((layer) => layer.name),
      )
      for (const bytes of [
        await writeKeras(file),
        await writeKerasH5(file),
        await writeKeras(back),
        await writeKerasH5(back),
      ]) {
        const again = await readKeras(bytes, 'again')
        assert.deepEqual(
          again.model.layers.map((layer) => [layer.className, layer.name, layer.inbound]),
          file.model.layers.map((layer) => [layer.className, layer.name, layer.inbound]),
        )
        assertSame(again, file)
        assert.ok(logitDifference(netFromKeras(again), wanted(name)) < 1e-6)
      }
    })
  }
}

test('layer names, classes and what they compute survive', async () => {
  const { model } = await read('keras3.keras')
  const names = ['conv1', 'pool1', 'conv2', 'bn', 'flatten', 'fc1', 'fc2']
  assert.deepEqual(
    model.layers.slice(1).map(({ name }) => name),
    names,
  )
  const net = netFromKeras(await read('keras3.h5'))
  assert.deepEqual(
    net.nodes.map(({ name, op }) => `${name}:${op}`),
    [
      'conv1:conv2d',
      'conv1.activation:relu',
      'pool1:maxPool2d',
      'conv2:conv2d',
      'bn:batchNorm',
      'flatten:flatten',
      'fc1:linear',
      'fc1.activation:relu',
      'fc2:linear',
    ],
  )
  const conv2 = net.nodes.find(({ name }) => name === 'conv2')
  assert.ok(conv2?.op === 'conv2d')
  assert.deepEqual(conv2.padding, { top: 1, bottom: 1, left: 0, right: 1 }) // 'same' of 4 × 3 → 2 × 3
  const bn = net.nodes.find(({ name }) => name === 'bn')
  assert.ok(bn?.op === 'batchNorm' && bn.momentum === 0.01 && bn.eps === 1e-3)
})

test('without turning the first Dense after Flatten the logits would be others', async () => {
  const net = netFromKeras(await read('keras3.keras'))
  const relabelled: NetFile = {
    ...net,
    nodes: net.nodes.map((node): NetNode => (node.op === 'flatten' ? { ...node, order: 'chw' } : node)),
  }
  assert.ok(logitDifference(relabelled, wanted('keras3')) > 1e-2)
})

for (const name of ['gzip', 'double', 'split', 'userblock', 'latest', 'half', 'halfBig']) {
  test(`${name}.h5, unusual but legal, is read right`, async () => {
    const most = name.startsWith('half') ? 1e-3 : 1e-6 // half precision rounds the weights themselves
    assert.ok(logitDifference(netFromKeras(await read(`${name}.h5`)), wanted('keras3')) < most)
  })
}

for (const [name, slots] of [
  ['keras3', ['momentum', 'velocity']],
  ['sgd', ['momentum']],
  ['rmsprop', ['velocity', 'momentum', 'average_gradient']],
  ['adagrad', ['accumulator']],
  ['adamw', ['momentum', 'velocity', 'velocity_hat']],
] as const) {
  test(`the state of ${name}'s optimizer goes through every file and through PyTorch's terms`, async () => {
    const file = await read(`${name}.keras`)
    assert.deepEqual([...(file.optimizer?.slots.keys() ?? [])], slots)
    assert.equal(file.optimizer?.iterations, 3)
    const forKeras2 = await writeKerasH5(file, { optimizerFor: 'keras2' })
    for (const bytes of [await writeKeras(file), await writeKerasH5(file), forKeras2])
      assertSame(await readKeras(bytes, 'again'), file)
    const back = kerasFromNet(flattenInOrder(netFromKeras(file), 'chw'))
    assert.equal(back.optimizer?.className, file.optimizer?.className)
    for (const slot of slots) {
      for (const [layer, variables] of file.optimizer?.slots.get(slot) ?? []) {
        for (const [variable, { data }] of variables) {
          const got: Float32Array =
            back.optimizer?.slots.get(slot)?.get(layer)?.get(variable)?.data ?? new Float32Array()
          assert.equal(got.length, data.length)
          got.forEach((value, i) => assert.ok(Math.abs(value - (data[i] ?? 0)) <= 1e-6 * Math.abs(value)))
        }
      }
    }
  })
}

test("SGD's momentum is PyTorch's buffer times the learning rate, with the other sign", async () => {
  const file = await read('sgd.keras')
  const buffer = netFromKeras(file).optimizer?.state.get('fc2.bias')?.get('momentum_buffer')?.data
  const velocity = file.optimizer?.slots.get('momentum')?.get('fc2')?.get('bias')?.data
  const rate = file.optimizer?.learningRate ?? Number.NaN
  assert.ok(buffer && velocity)
  velocity.forEach((value, i) => assert.ok(Math.abs(value + rate * (buffer[i] ?? 0)) < 1e-9))
})

test('weights alone, in both layouts, fit a model of the same shape', async () => {
  const { model, weights, compile } = await read('keras3.keras')
  const own = await readKerasWeights(pick(files, 'keras3.weights.h5'), 'keras3.weights.h5', model, compile)
  assert.deepEqual(own.weights, weights)
  assert.equal(own.optimizer?.iterations, 3)
  const two = await read('keras2.h5')
  const root = await readKerasWeights(pick(files, 'keras2.weights.h5'), 'keras2.weights.h5', two.model)
  assert.deepEqual(root.weights, two.weights)
  const written = await writeKerasWeights(model, weights)
  assert.deepEqual((await readKerasWeights(written, 'written', model)).weights, weights)
  assert.deepEqual(
    weightsOf(two.model, await readLooseWeights(pick(files, 'keras2.h5'), 'keras2.h5'), 'keras2.h5'),
    two.weights,
  )
})

test('weights for another model are refused with both sides', async () => {
  const { model } = await read('graph3.keras')
  const load = (): Promise<unknown> => readKerasWeights(pick(files, 'keras3.weights.h5'), 'w.h5', model)
  await assert.rejects(load, /w\.h5, layers\/\w+/)
  const { model: chain } = await read('keras3.keras')
  const layers = chain.layers.map((layer) =>
    layer.className === 'Dense' ? { ...layer, config: { ...layer.config, units: 9 } } : layer,
  )
  const wider = { ...chain, layers }
  await assert.rejects(
    readKerasWeights(pick(files, 'keras2.weights.h5'), 'w.h5', wider),
    /kernel in the file is \[30, 6\].*\[30, 9\]/,
  )
  await assert.rejects(writeKeras({ model: wider, weights: (await read('keras3.keras')).weights }), LenetError)
})

test('the same model gives the same bytes', async () => {
  const file = await read('keras3.keras')
  const [keras, h5] = [await writeKeras(file), await writeKerasH5(file)]
  await new Promise((resolve) => setTimeout(resolve, 1100)) // HDF5 counts seconds
  assert.deepEqual(await writeKeras(file), keras)
  assert.deepEqual(await writeKerasH5(file), h5)
})

test('a net of PyTorch: padding that Keras has no word for, groups, max-pool behind relu', async () => {
  const weight = (shape: readonly number[], step: number): { shape: readonly number[]; data: Float32Array } => {
    const count = shape.reduce((product, size) => product * size, 1)
    return { shape, data: Float32Array.from({ length: count }, (_, i) => ((i * step) % 17) / 17 - 0.5) }
  }
  const around = { top: 1, bottom: 1, left: 1, right: 1 }
  const conv = {
    op: 'conv2d',
    kernelSize: [3, 3],
    stride: [2, 2],
    padding: around,
    dilation: [1, 1],
    bias: false,
  } as const
  const none: NetNode['weights'] = new Map()
  const net: NetFile = {
    inputs: [{ name: 'input', shape: [4, 8, 8] }],
    nodes: [
      {
        ...conv,
        outChannels: 8,
        groups: 4,
        name: 'features.0',
        inputs: ['input'],
        weights: new Map([['weight', weight([8, 1, 3, 3], 5)]]),
      },
      {
        ...conv,
        outChannels: 6,
        groups: 2,
        name: 'features.1',
        inputs: ['features.0'],
        weights: new Map([['weight', weight([6, 4, 3, 3], 7)]]),
      },
      { op: 'relu', name: 'relu', inputs: ['features.1'], weights: none },
      {
        op: 'maxPool2d',
        kernelSize: [3, 3],
        stride: [1, 1],
        padding: { top: 0, bottom: 2, left: 2, right: 0 },
        name: 'pool',
        inputs: ['relu'],
        weights: none,
      },
      { op: 'flatten', order: 'chw', name: 'flat', inputs: ['pool'], weights: none },
      {
        op: 'batchNorm',
        eps: 1e-5,
        momentum: 0.1,
        name: 'norm',
        inputs: ['flat'],
        weights: new Map([
          ['running_mean', weight([24], 3)],
          ['running_var', { shape: [24], data: new Float32Array(24).fill(2) }],
        ]),
      },
      {
        op: 'linear',
        outFeatures: 3,
        bias: true,
        name: 'fc',
        inputs: ['norm'],
        weights: new Map([
          ['weight', weight([3, 24], 11)],
          ['bias', weight([3], 4)],
        ]),
      },
    ],
    outputs: ['fc'],
  }
  const file = kerasFromNet(net)
  assert.deepEqual(
    file.model.layers.map(({ className }) => className),
    'InputLayer ZeroPadding2D DepthwiseConv2D ZeroPadding2D Conv2D ReLU'
      .concat(' ZeroPadding2D MaxPooling2D Flatten BatchNormalization Dense')
      .split(' '),
  )
  const back = flattenInOrder(netFromKeras(await readKeras(await writeKerasH5(file), 'x.h5')), 'chw')
  assert.deepEqual(netTensors(back), netTensors(net))
  const picture = Float32Array.from({ length: 256 }, (_, i) => ((i * 37) % 101) / 101)
  const [one, two] = [runNet(net, picture), runNet(back, picture)]
  one.forEach((value, i) => assert.ok(Math.abs(value - (two[i] ?? 0)) < 1e-6))
})
