/** `loadModel` and `saveModel`: every format, from each kind of model, with what belongs to it. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { encodePng } from '../../src/data/index.node.js'
import { classifier, F, LeNet, LeNet1, loadModel, nn, noGrad, optim, saveModel, torch } from '../../src/index.js'
import type { ModelFile, Tensor } from '../../src/index.js'
import { layers, losses, sequential } from '../../src/keras/index.node.js'
import * as keras from '../../src/keras/index.node.js'

const at = mkdtempSync(join(tmpdir(), 'lenet-files-'))
after(() => rmSync(at, { recursive: true, force: true }))
const file = (name: string): string => join(at, name)

const endings = ['x.pth', 'x.safetensors', 'x.npz', 'x.onnx', 'x.keras', 'x.h5', 'x.weights.h5', 'tfjs']
const classes = ['cat', 'dog', 'fish']

function pictures(shape: readonly number[]): Tensor {
  const size = shape.reduce((product, side) => product * side, 4)
  const values = Float32Array.from({ length: size }, (_, i) => Math.sin(i * 0.37))
  return torch.tensor(values, { shape: [4, ...shape] })
}

const outputs = (net: (x: Tensor) => Tensor, x: Tensor): number[] => Array.from(noGrad(() => net(x)).toTypedArray())

function assertNear(found: readonly number[], expected: readonly number[], what: string, within = 1e-5): void {
  assert.equal(found.length, expected.length, what)
  found.forEach((value, i) => assert.ok(Math.abs(value - (expected[i] ?? NaN)) <= within, `${what}: ${i}`))
}

/** No net of ours, and with a part that makes it no chain. */
class Own extends nn.Module {
  conv = new nn.Conv2d(1, 4, 3, { padding: 1 })
  fc = new nn.Linear(4 * 6 * 6, 3)

  forward(x: Tensor): Tensor {
    const a = F.relu(this.conv(x))
    return this.fc(F.maxPool2d(a.add(a), 2).flatten(1))
  }
}

/** A short and a long branch: Keras has its layers in another order, and they are defined in a third one. */
class Branched extends nn.Module {
  fc = new nn.Linear(4 * 16 * 16, 3)
  short = new nn.Conv2d(4, 4, 3, { padding: 1 })
  deep2 = new nn.Conv2d(4, 4, 3, { padding: 1 })
  deep1 = new nn.Conv2d(4, 4, 3, { padding: 1 })
  stem = new nn.Conv2d(3, 4, 3, { padding: 1 })

  forward(x: Tensor): Tensor {
    const y = F.relu(this.stem(x))
    const short = this.short(y)
    return this.fc(F.maxPool2d(short.add(this.deep2(F.relu(this.deep1(y)))), 2).flatten(1))
  }
}

describe('saveModel and loadModel', () => {
  test('LeNet as every format, with names and preprocessing', async () => {
    torch.manualSeed(1)
    const net = new LeNet(3, 3)
    const x = pictures([3, 32, 32])
    for (const name of endings) {
      await saveModel(net, file(name), name === 'x.npz' ? {} : { classes })
      const model = await loadModel(file(name))
      assertNear(outputs(model.net, x), outputs(net, x), name)
      assert.equal(model.name, 'lenet', name)
      assert.deepEqual(model.classes, name === 'x.npz' ? undefined : classes, name)
      assert.deepEqual(model.preprocessing, { scale: 1 / 255, mean: [0.5], std: [0.5] }, name)
    }
  })

  test('a model that was loaded trains, and is saved as it is then', async () => {
    const labels = torch.tensor([0, 1, 2, 0], { dtype: 'i32' })
    const x = pictures([3, 32, 32])
    for (const name of endings) {
      const { net, ...rest } = await loadModel(file(name))
      const optimizer = new optim.Adam(net.parameters(), { lr: 1e-3 })
      const lossesOf = Array.from({ length: 8 }, () => {
        const loss = F.crossEntropy(net(x), labels)
        optimizer.zeroGrad()
        loss.backward()
        optimizer.step()
        return loss.item()
      })
      assert.ok((lossesOf.at(-1) ?? NaN) < (lossesOf[0] ?? NaN) - 0.05, `${name}: ${lossesOf.join(' ')}`)
      const trained: ModelFile = { net, ...rest }
      for (const next of ['y.keras', 'y.pth']) {
        await saveModel(trained, file(next))
        const again = await loadModel(file(next))
        assertNear(outputs(again.net, x), outputs(net, x), `${name} to ${next}`)
        assert.deepEqual(again.classes, rest.classes, `${name} to ${next}`)
      }
    }
  })

  test('a net of one’s own: its state dict needs the net, files of graphs do not', async () => {
    torch.manualSeed(2)
    const net = new Own()
    const x = pictures([1, 12, 12])
    await saveModel(net, file('own.pth'), { classes, preprocessing: 'keras' })
    await saveModel(net, file('own.onnx'), { inputShape: [1, 12, 12], preprocessing: 'none' })
    await assert.rejects(loadModel(file('own.pth')), /own\.pth holds none of the nets lenet and lenet1.*option model/)
    const empty = new Own()
    const model = await loadModel(file('own.pth'), { model: empty })
    assert.equal(model.net, empty)
    assert.deepEqual(model.preprocessing, { scale: 1 / 255, mean: [0], std: [1] })
    assert.deepEqual(outputs(empty, x), outputs(net, x))
    const graph = await loadModel(file('own.onnx'))
    assertNear(outputs(graph.net, x), outputs(net, x), 'own.onnx')
    assert.deepEqual([graph.preprocessing.scale, graph.inputShape], [1, [1, 12, 12]])
    const other = new Own()
    assert.equal((await loadModel(file('own.onnx'), { model: other })).net, other)
    assertNear(outputs(other, x), outputs(net, x), 'own.onnx into a net')
    assertNear(
      outputs((await loadModel(file('own.pth'), { model: file('own.onnx') })).net, x),
      outputs(net, x),
      'by file',
    )
    await assert.rejects(loadModel(file('own.onnx'), { model: new LeNet1(1, 3) }), /another net than the LeNet1/)
    await assert.rejects(loadModel(file('own.pth'), { model: 'vgg' }), /vgg is neither lenet or lenet1 nor a file/)
  })

  test('a net with branches goes through every format and back into its class, its parameters in their order', async () => {
    torch.manualSeed(5)
    const net = new Branched()
    const x = pictures([3, 32, 32])
    for (const name of endings) {
      await saveModel(net, file(name), { inputShape: [3, 32, 32] })
      const again = new Branched()
      await loadModel(file(name), { model: again })
      assertNear(outputs(again, x), outputs(net, x), name)
    }
    for (const name of ['x.onnx', 'x.keras', 'x.h5', 'tfjs']) {
      await saveModel(await loadModel(file(name)), file('back.pth'))
      const keys = [...(torch.load(file('back.pth')) as Map<string, Tensor>).keys()]
      assert.deepEqual(keys, [...net.stateDict().keys()], name)
    }
  })

  test('a model of Keras: its own files keep the optimizer, others get the net', async () => {
    keras.utils.setRandomSeed(3)
    const model = sequential([
      layers.conv2d(4, 3, { activation: 'relu', inputShape: [8, 8, 2] }),
      layers.maxPooling2d(),
      layers.flatten(),
      layers.dense(3),
    ])
    model.compile({ optimizer: 'adam', loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }) })
    const x = pictures([2, 8, 8])
    const hwc = x.permute(0, 2, 3, 1)
    await model.fit(hwc, torch.tensor([0, 1, 2, 0]), { epochs: 1, verbose: 0 })
    const wanted = Array.from((await model.predict(hwc, { verbose: 0 })).toTypedArray())
    for (const name of ['k.keras', 'k.h5', 'k.onnx', 'k-tfjs']) {
      await saveModel(model, file(name), { classes })
      const read = await loadModel(file(name))
      assertNear(outputs(read.net, x), wanted, name)
      assert.deepEqual(read.classes, classes, name)
      assert.deepEqual(read.preprocessing, { scale: 1 / 255, mean: [0], std: [1] }, name)
    }
    const again = await keras.loadModel(file('k.keras'))
    assert.equal(again.optimizer?.iterations, 1)
  })

  test('classifier takes names, size and normalisation of a file', async () => {
    torch.manualSeed(4)
    const net = new Own()
    await saveModel(net, file('names.onnx'), { classes, inputShape: [1, 12, 12], preprocessing: 'keras' })
    const picture = await encodePng(
      Uint8Array.from({ length: 12 * 12 * 3 }, (_, i) => 10 * Math.floor(i / 36)),
      12,
      12,
    )
    const told = await classifier(await loadModel(file('names.onnx')))(picture)
    const wanted = await classifier(net, { classes, size: 12, mean: [0], std: [1] })(picture)
    assert.deepEqual(
      told.map(({ class: name }) => name),
      wanted.map(({ class: name }) => name),
    )
    assertNear(
      told.map(({ probability }) => probability),
      wanted.map(({ probability }) => probability),
      'probabilities',
    )
  })

  test('what cannot be is refused, and nothing is left', async () => {
    const net = new Own()
    await assert.rejects(saveModel(net, file('z.png')), /z\.png: there is no format of that name/)
    await assert.rejects(saveModel(net, file('z.npz'), { classes }), /\.npz has no place for class names/)
    await assert.rejects(
      saveModel(net, file('z.keras'), { inputShape: [3, 9, 9] }),
      /z\.keras is not written: Own, called with an input of \[3, 9, 9\] .*conv2d/,
    )
    await assert.rejects(saveModel(net, join(file('x.pth'), 'z.pth')), /cannot write .*x\.pth/)
    await assert.rejects(loadModel(file('none.pth')), /cannot read .*none\.pth: there is no such file/)
    writeFileSync(file('empty.onnx'), '')
    await assert.rejects(loadModel(file('empty.onnx')), /empty\.onnx: the file is empty/)
    assert.deepEqual(
      readdirSync(at).filter((name) => name.startsWith('z')),
      [],
    )
  })
})

test('a large file that is no model is not read as a whole', async () => {
  writeFileSync(file('zeros.pth'), '')
  truncateSync(file('zeros.pth'), 2 ** 30) // sparse: it takes no room
  const before = process.resourceUsage().maxRSS
  await assert.rejects(loadModel(file('zeros.pth')), /zeros\.pth: no model file that is known here/)
  assert.ok((process.resourceUsage().maxRSS - before) / 1024 < 200, 'it was read')
})
