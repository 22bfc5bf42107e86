/** Models between formats: all pairs in memory, real files of other programs, and `lenet convert` as a process. */
import assert from 'node:assert/strict'
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, test } from 'node:test'
import { encodePng } from '../../src/data/index.node.js'
import {
  encodeModel,
  formats,
  readModelFrom,
  type Encoded,
  type FormatName,
  type ModelFile,
  type Source,
} from '../../src/files/index.js'
import { saysOfFile, targetOf } from '../../src/files/model.node.js'
import { netTensors, readPth, type NetFile, type NetTensor } from '../../src/formats/index.js'
import { LeNet, LeNet1 } from '../../src/models/index.js'
import { F, GraphModule, netOfModule, nn } from '../../src/nn/index.js'
import { save } from '../../src/nn/save.node.js'
import { fromArray, manualSeed, noGrad, type Tensor } from '../../src/tensor/index.js'
import { kerasFixtures, kerasLogits } from '../formats/kerasFixtures.js'
import { eventsOf, folder, lenet } from './run.js'

const names: Readonly<Record<FormatName, string>> = {
  pth: 'x.pth',
  safetensors: 'x.safetensors',
  npz: 'x.npz',
  onnx: 'x.onnx',
  keras: 'x.keras',
  h5: 'x.h5',
  weights: 'x.weights.h5',
  tfjs: 'x/model.json',
}
const all = Object.keys(names) as FormatName[]
const graphs = all.filter((name) => !formats[name].bare)

function sourceOf(files: Encoded, path: string): Source {
  const bytes = files.get(path) ?? assert.fail(`${path} is missing`)
  const beside = (name: string): Uint8Array =>
    [...files].find(([at]) => basename(at) === name)?.[1] ?? assert.fail(`${name} is missing`)
  return { path, bytes, beside }
}

async function through(net: NetFile, format: FormatName): Promise<ModelFile> {
  const target = targetOf(names[format])
  return readModelFrom(sourceOf(await encodeModel(net, target, 'the net'), target.path))
}

function outputsOf(net: (x: Tensor) => Tensor, shape: readonly number[]): Float32Array {
  const size = shape.reduce((product, side) => product * side, 8)
  const values = Float32Array.from({ length: size }, (_, i) => Math.sin(i * 0.37) * 1.7)
  return Float32Array.from(noGrad(() => net(fromArray(values, [8, ...shape], 'f32'))).toTypedArray())
}

function assertSame(found: Float32Array, expected: Float32Array, what: string, within = 1e-5): void {
  assert.equal(found.length, expected.length, what)
  const worst = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - (found[i] ?? Number.NaN))), 0)
  assert.ok(worst <= within, `${what}: logits differ by ${worst}`)
}

class Residual extends nn.Module {
  conv1 = new nn.Conv2d(3, 8, 3, { padding: 1, stride: 2, bias: false })
  bn1 = new nn.BatchNorm2d(8)
  conv2 = new nn.Conv2d(8, 8, 3, { padding: 'same' })
  bn2 = new nn.BatchNorm2d(8, { eps: 1e-3 })
  fc1 = new nn.Linear(8 * 3 * 2, 7)
  fc2 = new nn.Linear(7, 4)

  forward(x: Tensor): Tensor {
    const a = F.relu(this.bn1(this.conv1(x)))
    const b = F.relu(this.bn2(this.conv2(a)).add(a))
    const c = F.avgPool2d(F.maxPool2d(b, 3, { stride: 1, padding: 1 }), 2)
    return this.fc2(F.tanh(this.fc1(c.flatten(1))))
  }
}

/** As after some training: statistics are no zeros and ones. */
function trained(net: Residual): Residual {
  for (const bn of [net.bn1, net.bn2]) {
    bn.runningMean.copy_(Array.from({ length: 8 }, (_, i) => 0.1 * i - 0.3))
    bn.runningVar.copy_(Array.from({ length: 8 }, (_, i) => 0.5 + 0.1 * i))
  }
  return net.eval()
}

describe('every format to every other', () => {
  for (const [name, make] of Object.entries({ lenet: LeNet, lenet1: LeNet1 })) {
    test(name, async () => {
      manualSeed(3)
      const module = new make(3, 10)
      const expected = outputsOf(module, [3, 32, 32])
      const net = netOfModule(module, [3, 32, 32])
      for (const first of all) {
        const middle = await through(net, first)
        assert.equal(middle.name, name, first)
        assertSame(outputsOf(middle.net, [3, 32, 32]), expected, first)
        for (const second of all) {
          const last = await through(middle.netFile(), second)
          assert.equal(last.name, name, `${first} to ${second}`)
          assertSame(outputsOf(last.net, [3, 32, 32]), expected, `${first} to ${second}`)
        }
      }
    })
  }

  test('a residual net with batch norms, strides and padding, of those that hold a graph', async () => {
    manualSeed(4)
    const module = trained(new Residual())
    const expected = outputsOf(module, [3, 12, 8])
    const net = netOfModule(module, [3, 12, 8])
    for (const first of graphs) {
      const middle = await through(net, first)
      assertSame(outputsOf(middle.net.eval(), [3, 12, 8]), expected, first)
      for (const second of graphs) {
        const last = await through(middle.netFile(), second)
        assertSame(outputsOf(last.net.eval(), [3, 12, 8]), expected, `${first} to ${second}`)
      }
    }
  })

  test('preprocessing and class names travel, but for arrays alone', async () => {
    const preprocessing = { scale: 1 / 255, mean: [0.4, 0.5, 0.6], std: [0.2, 0.3, 0.25] }
    const classes = Array.from({ length: 10 }, (_, i) => `class ${i}`)
    const net = { ...netOfModule(new LeNet(3, 10), [3, 32, 32]), preprocessing, classes }
    for (const format of all.filter((name) => name !== 'npz')) {
      const read = await through(net, format)
      assert.deepEqual(
        [read.preprocessing, read.ownPreprocessing, read.classes],
        [preprocessing, true, classes],
        format,
      )
    }
  })

  test('a family has its own preprocessing; a net that scales bytes itself wants bytes', async () => {
    const net = netOfModule(new LeNet(3, 10), [3, 32, 32])
    for (const format of all) {
      const { preprocessing } = await through(net, format)
      assert.deepEqual(preprocessing.mean, [formats[format].family === 'keras' ? 0 : 0.5], format)
    }
    const rescaling = {
      name: 'r',
      op: 'rescaling',
      scale: [1 / 255],
      offset: [0],
      inputs: ['input'],
      weights: new Map(),
    } as const
    const [first, ...rest] = net.nodes
    const own = { ...net, nodes: [rescaling, { ...(first ?? assert.fail()), inputs: ['r'] }, ...rest] }
    assert.equal((await through(own, 'keras')).preprocessing.scale, 1)
  })

  test('an optimizer in mid-training stays the same between files of Keras, bit for bit', async () => {
    for (const name of ['keras3.keras', 'sgd.keras', 'rmsprop.keras', 'adagrad.keras', 'adamw.keras']) {
      const bytes = kerasFixtures().get(name) ?? assert.fail(name)
      const net = (await readModelFrom(sourceOf(new Map([[name, bytes]]), name))).netFile()
      const { optimizer } = net
      assert.ok(optimizer, name)
      for (const format of ['keras', 'h5'] as const) {
        const again = (await through(net, format)).netFile().optimizer
        assert.equal(again?.step, optimizer.step)
        assert.deepEqual(again.state, optimizer.state, `${name} to ${format}`)
      }
    }
  })
})

test('an optimizer of PyTorch goes to Keras and comes back, bit for bit', async () => {
  manualSeed(6)
  const bare = netOfModule(new LeNet(3, 10), [3, 32, 32])
  const slot = ({ shape, data }: NetTensor, factor: number): NetTensor => ({
    shape,
    data: data.map((value) => Math.abs(value * factor)),
  })
  const state = new Map(
    [...netTensors(bare)].map(([name, tensor]) => [
      name,
      new Map([
        ['exp_avg', slot(tensor, 0.5)],
        ['exp_avg_sq', slot(tensor, 0.25)],
      ]),
    ]),
  )
  const net: NetFile = { ...bare, optimizer: { name: 'adam', step: 7, settings: { lr: 0.5, eps: 0.125 }, state } }
  for (const format of ['keras', 'h5'] as const) {
    const there = (await through(net, format)).netFile()
    const back = (await through(there, 'pth')).netFile()
    assert.equal(back.optimizer?.step, 7)
    assert.deepEqual([back.optimizer.settings.lr, back.optimizer.settings.eps], [0.5, 0.125])
    assert.deepEqual(back.optimizer.state, state, format)
  }
})

test('files of Keras give the logits of Keras, and those without a model take it from another file', async () => {
  const at = folder()
  const found = kerasFixtures()
  for (const [model, wanted] of kerasLogits()) {
    for (const ending of ['keras', 'h5']) {
      const name = `${model}.${ending}`
      const read = await readModelFrom(sourceOf(new Map([[name, found.get(name) ?? assert.fail(name)]]), name))
      const shape = read.inputShape.map(Number)
      const [channels = 1, height = 1, width = 1] = shape
      const pixels = height * width
      const x = Float32Array.from({ length: 2 * channels * pixels }, (_, i) => {
        const [n, c, p] = [Math.floor(i / (channels * pixels)), Math.floor(i / pixels) % channels, i % pixels]
        return ((37 * (n * channels * pixels + p * channels + c)) % 101) / 101
      })
      const whole = new GraphModule(read.netFile()).eval()
      const logits = noGrad(() => whole(fromArray(x, [2, ...shape], 'f32'))).toTypedArray()
      assertSame(Float32Array.from(logits), Float32Array.from(wanted), name)
    }
    const bytes = found.get(`${model}.weights.h5`)
    if (bytes === undefined) continue
    const config = join(at, `${model}.keras`)
    writeFileSync(config, found.get(`${model}.keras`) ?? assert.fail())
    const path = `${model}.weights.h5`
    const bare = await readModelFrom(sourceOf(new Map([[path, bytes]]), path), await saysOfFile(config))
    const whole = await readModelFrom(sourceOf(new Map([[config, readFileSync(config)]]), config))
    assert.deepEqual([...netTensors(bare.netFile()).values()], [...netTensors(whole.netFile()).values()], path)
  }
})

describe('lenet convert', () => {
  const at = folder()
  const file = (name: string): string => join(at, name)
  manualSeed(5)
  save(new LeNet(3, 2).stateDict(), file('net.pth'))

  const failed = async (args: readonly string[], code: number, pattern: RegExp): Promise<void> => {
    const before = readdirSync(at).toSorted()
    const ended = await lenet(args, { cwd: at })
    assert.equal(ended.code, code, ended.stderr)
    assert.match(ended.stderr, pattern)
    assert.match(ended.stderr, /^lenet: [^\n]+\n$/, 'one line')
    assert.deepEqual(readdirSync(at).toSorted(), before, 'nothing is left behind')
  }

  test('to Keras and back gives the same bytes; what was checked is told', async () => {
    const there = await lenet(['convert', file('net.pth'), file('net.h5'), '--json'])
    const [done] = eventsOf(there.stdout)
    assert.equal(there.code, 0, there.stderr)
    assert.deepEqual(
      [done?.['event'], done?.['net'], done?.['parameters'], done?.['model']],
      ['done', 'lenet', 61326, file('net.h5')],
    )
    assert.ok(Number(done?.['maxDifference']) < 1e-5)
    const back = await lenet(['convert', file('net.h5'), file('back.pth')])
    assert.match(back.stdout, /logits of 64 pictures: max difference \S+e-\d/)
    assert.deepEqual(readFileSync(file('back.pth')), readFileSync(file('net.pth')))
  })

  test('a TensorFlow.js folder, and a content that its name does not tell', async () => {
    assert.equal((await lenet(['convert', file('net.pth'), file('web')])).code, 0)
    assert.deepEqual(readdirSync(file('web')).toSorted(), ['group1-shard1of1.bin', 'model.json'])
    writeFileSync(file('renamed.bin'), readFileSync(file('net.pth')))
    const { stdout } = await lenet(['convert', file('renamed.bin'), file('n.onnx'), '--json'])
    assert.equal(eventsOf(stdout)[0]?.['from'], 'pth')
  })

  test('evaluate and predict find the same with files of every family', async () => {
    const pixels = (seed: number): Uint8Array =>
      Uint8Array.from({ length: 32 * 32 * 3 }, (_, i) => (i * seed + (i >> 5) * 7) % 256)
    for (const split of ['train', 'test'])
      for (const [label, name] of ['cat', 'dog'].entries()) {
        mkdirSync(file(`data/${split}/${name}`), { recursive: true })
        for (let i = 0; i < 3; i++)
          writeFileSync(file(`data/${split}/${name}/${i}.png`), await encodePng(pixels(3 + label + 2 * i), 32, 32))
      }
    const results: unknown[] = []
    for (const out of ['net.pth', 'e.h5', 'e.safetensors', 'e.onnx', 'e.tfjs/model.json']) {
      if (out !== 'net.pth') assert.equal((await lenet(['convert', file('net.pth'), file(out)])).code, 0)
      const { stdout, stderr } = await lenet(['evaluate', file(out), '--data', file('data'), '--json'])
      const { testLoss, testAccuracy } = eventsOf(stdout).at(-1) ?? assert.fail(stderr)
      results.push([Number(testLoss).toFixed(5), testAccuracy])
    }
    assert.equal(new Set(results.map((result) => JSON.stringify(result))).size, 1, JSON.stringify(results))
    const other = await lenet(['evaluate', file('e.h5'), '--data', file('data'), '--normalize', 'keras', '--json'])
    assert.notEqual(Number(eventsOf(other.stdout).at(-1)?.['testLoss']).toFixed(5), (results[0] as string[])[0])
    const predicted = await Promise.all(
      ['net.pth', 'e.h5'].map(async (name) => {
        const { stdout } = await lenet(['predict', file(name), file('data/test/cat/0.png'), '--json'])
        const [best] = (eventsOf(stdout)[0]?.['top'] ?? []) as { class: string; probability: number }[]
        return [best?.class, best?.probability.toFixed(4)]
      }),
    )
    assert.deepEqual(predicted[0], predicted[1])
  })

  test('an optimizer is kept where it has a place, and else told to be dropped', async () => {
    writeFileSync(file('k.keras'), kerasFixtures().get('keras3.keras') ?? assert.fail())
    const [kept] = eventsOf((await lenet(['convert', file('k.keras'), file('k.h5'), '--json'])).stdout)
    assert.equal(kept?.['optimizer'], 'kept')
    const bare = await lenet(['convert', file('k.keras'), file('k.pth')])
    assert.match(bare.stdout, /optimizer: adam after 3 steps, dropped: .*--optimizer/)
    const whole = await lenet(['convert', file('k.keras'), file('k2.pth'), '--optimizer', '--json'])
    assert.equal(eventsOf(whole.stdout)[0]?.['optimizer'], 'kept')
    const { whole: held } = readPth(readFileSync(file('k2.pth')), 'k2.pth')
    assert.deepEqual(held instanceof Map ? [...held.keys()] : held, ['model', 'optimizer'])
    const back = await lenet(['convert', file('k2.pth'), file('k3.keras'), '--model', file('k.keras'), '--json'])
    assert.equal(eventsOf(back.stdout)[0]?.['optimizer'], 'kept', back.stderr)
  })

  test('what cannot be is one line, and writes nothing', async () => {
    await failed(
      ['convert', file('net.pth'), file('a.docx')],
      2,
      /a\.docx: there is no format of that name; the endings are .*\.onnx/,
    )
    await failed(['convert', file('net.pth'), file('net.pth')], 2, /IN and OUT are the same file/)
    linkSync(file('net.pth'), file('other-name.pth')) // as Net.pth is where names have no case
    await failed(['convert', file('net.pth'), file('other-name.pth')], 2, /IN and OUT are the same file/)
    await failed(['convert', file('none.pth'), file('a.h5')], 1, /none\.pth: there is no such file/)
    await failed(['convert', file('net.pth'), file('a.h5'), '--model', 'lenet1'], 1, /holds a lenet.*not the lenet1/)
    writeFileSync(file('k.keras'), kerasFixtures().get('keras3.keras') ?? assert.fail())
    await failed(
      ['convert', file('k.keras'), file('a.h5'), '--model', 'lenet'],
      1,
      /k\.keras holds another net than the lenet that it is said to be: it takes inputs of \[3, 9, 8\]/,
    )
    writeFileSync(file('cut.h5'), readFileSync(file('net.pth')).subarray(0, 5000))
    await failed(['convert', file('cut.h5'), file('a.onnx')], 1, /cut\.h5/)
    writeFileSync(file('words.onnx'), 'hello, I am no net at all')
    await failed(['convert', file('words.onnx'), file('a.pth')], 1, /words\.onnx/)
    writeFileSync(file('words'), 'hello')
    await failed(['convert', file('words'), file('a.pth')], 1, /words: no model file that is known here/)
    await failed(
      ['convert', file('net.h5'), file('a.keras'), '--model', 'lenet1'],
      1,
      /operations with the weights .*; lenet1 has/,
    )
    assert.equal(existsSync(file('a.h5')), false)
  })
})
