/**
 * The order of layers and groups of weights in Keras's files of nets with branches: that of real Keras
 * (fixtures/make_keras_orders.py), whatever the order in which the layers are told.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { Generator } from '../../src/base/index.js'
import { withHdf5 } from '../../src/formats/hdf5.js'
import {
  inKerasOrder,
  kerasFromNet,
  kerasLayer,
  netFromKeras,
  readKeras,
  readKerasWeights,
  writeKeras,
  writeKerasH5,
  writeKerasWeights,
  type JsonObject,
  type KerasClass,
  type KerasFile,
  type KerasModel,
  type NetFile,
  type NetTensor,
} from '../../src/formats/index.js'
import { JsonPlace } from '../../src/formats/kerasJson.js'
import { runNet } from './runNet.js'

interface Graph {
  readonly layers: readonly (readonly [name: string, className: KerasClass, inbound: readonly string[]])[]
  /** Of Keras's `model.layers`. */
  readonly order: readonly string[]
  /** Of a .weights.h5: layer → group. */
  readonly groups: Readonly<Record<string, string>>
}

const url = new URL('../../../test/formats/fixtures/keras_orders.json', import.meta.url)
const graphs: readonly Graph[] = JSON.parse(readFileSync(url, 'utf8'))

const configs: { readonly [C in KerasClass]?: JsonObject } = {
  InputLayer: { batch_shape: [null, 3] },
  Dense: { units: 3 },
  Activation: { activation: 'relu' },
}

/** Another order in which each layer comes after what it reads. */
function shuffled<T extends Graph['layers'][number]>(layers: readonly T[], random: Generator): T[] {
  const [left, done] = [[...layers], [] as T[]]
  while (left.length > 0) {
    const ready = left.filter(([, , inbound]) => inbound.every((name) => done.some(([other]) => other === name)))
    const next = ready[Math.floor((random.uniform(new Float32Array(1))[0] ?? 0) * ready.length)]
    assert.ok(next)
    done.push(next)
    left.splice(left.indexOf(next), 1)
  }
  return done
}

function modelOf(layers: Graph['layers']): KerasModel {
  const made = layers.map(([name, className, inbound]) =>
    kerasLayer(className, name, new JsonPlace(configs[className] ?? {}, name), inbound, true),
  )
  const output = layers.find(([name]) => layers.every(([, , inbound]) => !inbound.includes(name)))
  return { className: 'Functional', name: 'graph', layers: made, inputs: ['x'], outputs: [output?.[0] ?? ''] }
}

/** Weights that are different for each layer. */
function fileOf(model: KerasModel, random: Generator): KerasFile {
  const tensor = (shape: readonly number[]): NetTensor => {
    const data = random.uniform(new Float32Array(shape.reduce((product, size) => product * size, 1)))
    return { shape, data: data.map((value) => value - 0.5) }
  }
  const dense = new Map<string, number>()
  for (const { name, className, inbound } of model.layers) {
    if (className !== 'Dense') continue
    const joined = model.layers.find((layer) => layer.name === inbound[0] && layer.className === 'Concatenate')
    dense.set(name, 3 * (joined?.inbound.length ?? 1))
  }
  const weights = [...dense].map(([name, size]) => {
    const variables: [string, NetTensor][] = [
      ['kernel', tensor([size, 3])],
      ['bias', tensor([3])],
    ]
    return [name, new Map(variables)] as const
  })
  return { model, weights: new Map(weights) }
}

const names = ({ layers }: KerasModel): string[] => layers.map(({ name }) => name)

const outputsOf = (net: NetFile): number[] => [...runNet(net, Float32Array.of(0.3, -0.7, 1.1))]

describe('the order of layers in nets with branches', () => {
  test("is Keras's, in whatever order they are told", () => {
    const random: Generator = new Generator(3)
    for (const { layers, order } of graphs) {
      for (let i = 0; i < 4; i++)
        assert.deepEqual(names(inKerasOrder(modelOf(shuffled(layers, random)))), order, JSON.stringify(layers))
    }
  })

  test("files have it, and Keras's groups of weights", async () => {
    const random: Generator = new Generator(4)
    for (const { layers, order, groups } of graphs.filter((_, i) => i % 4 === 0)) {
      const net = netFromKeras(fileOf(modelOf(shuffled(layers, random)), random))
      const file = kerasFromNet(net)
      assert.deepEqual(names(file.model), order)
      const alone = await writeKerasWeights(file.model, file.weights)
      await withHdf5(alone, 'the weights', (read) => {
        for (const [layer, group] of Object.entries(groups))
          assert.deepEqual(read.texts(`layers/${group}/vars`, 'name'), [layer])
      })
      const h5 = await writeKerasH5(file)
      await withHdf5(h5, 'the file', (read) => assert.deepEqual(read.texts('model_weights', 'layer_names'), order))
      for (const bytes of [await writeKeras(file), h5])
        assert.deepEqual(outputsOf(netFromKeras(await readKeras(bytes, 'the file'))), outputsOf(net))
    }
  })

  test('a file is read by the order that Keras builds of its config, and not by that of its list of layers', async () => {
    const random: Generator = new Generator(5)
    for (const { layers, order } of graphs
      .filter(({ order: keras, layers: made }) => String(made.map(([name]) => name)) !== String(keras))
      .slice(0, 6)) {
      const file = fileOf(inKerasOrder(modelOf(layers)), random)
      const asMade = modelOf(layers)
      const bytes = await writeKerasWeights(file.model, file.weights)
      const read = await readKerasWeights(bytes, 'the weights', asMade)
      assert.deepEqual(read.weights, file.weights, String(order))
    }
  })

  test('a writer that keeps its own order is found out', async () => {
    let found = 0
    for (const { layers } of graphs.slice(0, 12)) {
      const file = fileOf(modelOf(layers), new Generator(6))
      if (String(names(file.model)) === String(names(inKerasOrder(file.model)))) continue
      const wrong = await writeKeras(file)
      found += await readKeras(wrong, 'the file').then(
        () => 0,
        (error: unknown) => {
          assert.match(String(error), /says that it is the layer \w+; the model's config has \w+ there/)
          return 1
        },
      )
    }
    assert.ok(found > 2, `${found} were refused`)
  })

  test('layers that no output depends on are no part of the model; inputs are', () => {
    const { layers } = modelOf([
      ['x', 'InputLayer', []],
      ['unused', 'InputLayer', []],
      ['dead', 'Dense', ['x']],
      ['end', 'Dense', ['x']],
    ])
    const model: KerasModel = { className: 'Functional', name: 'm', layers, inputs: ['unused', 'x'], outputs: ['end'] }
    assert.deepEqual(names(inKerasOrder(model)), ['x', 'unused', 'end'])
    assert.deepEqual(inKerasOrder(model).inputs, ['unused', 'x'])
  })
})
