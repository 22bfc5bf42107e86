/** Nets as data run as modules, and modules become nets as data: both against a plain runner in float64. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { netFromKeras, readKeras, readOnnx, type NetFile } from '../../src/formats/index.js'
import { LeNet, LeNet1 } from '../../src/models/index.js'
import { F, nn, netOfModule, GraphModule } from '../../src/nn/index.js'
import { cat, fromArray, manualSeed, noGrad, rand, type Tensor } from '../../src/tensor/index.js'
import { everyOperation } from '../formats/everyOperation.js'
import { kerasFixtures } from '../formats/kerasFixtures.js'
import { runNet } from '../formats/runNet.js'

const count = 2

function pictures(shape: readonly number[]): Float32Array {
  const size = shape.reduce((product, side) => product * side, count)
  return Float32Array.from({ length: size }, (_, i) => Math.sin(i * 0.7) + ((i * 31) % 17) / 17 - 0.5)
}

function outputs(net: (x: Tensor) => Tensor, shape: readonly number[]): number[] {
  const x = fromArray(pictures(shape), [count, ...shape], 'f32')
  return [...noGrad(() => net(x)).toTypedArray()]
}

function judged(net: NetFile, shape: readonly number[]): number[] {
  const all = pictures(shape)
  const size = all.length / count
  return Array.from({ length: count }, (_, i) => [...runNet(net, all.subarray(i * size, (i + 1) * size))]).flat()
}

function assertNear(found: readonly number[], expected: readonly number[], within = 1e-5): void {
  assert.equal(found.length, expected.length)
  const size = Math.max(1, ...expected.map(Math.abs))
  const worst = Math.max(...expected.map((value, i) => Math.abs(value - (found[i] ?? Number.NaN))))
  assert.ok(worst / size < within, `values differ by ${worst} of ${size}`)
}

const sizeOf = (net: NetFile): number[] => (net.inputs[0]?.shape ?? []).map((size) => size ?? 8)

function assertRuns(net: NetFile): void {
  const module = new GraphModule(net)
  module.eval()
  assertNear(outputs(module, sizeOf(net)), judged(net, sizeOf(net)))
}

describe('a net as data runs as a module', () => {
  test('every operation', () => assertRuns(everyOperation().net))

  test('files of PyTorch, ONNX', () => {
    const path = new URL('../../../test/formats/fixtures/onnx.json', import.meta.url)
    const cases: Readonly<Record<string, { file: string; external: Record<string, string> }>> = JSON.parse(
      readFileSync(path, 'utf8'),
    )
    for (const [name, { file, external }] of Object.entries(cases)) {
      const bytes = (base64: string | undefined): Uint8Array => Buffer.from(base64 ?? '', 'base64')
      assertRuns(readOnnx(bytes(file), name, (beside) => bytes(external[beside])))
    }
  })

  test('files of Keras', async () => {
    for (const [name, bytes] of kerasFixtures()) {
      if (!/^[a-z0-9]+\.(keras|h5)$/.test(name)) continue
      assertRuns(netFromKeras(await readKeras(bytes, name), name))
    }
  })

  test('its parameters have the names of the file, and are trained', () => {
    manualSeed(0)
    const module = new GraphModule(netOfModule(new LeNet(3, 10), [3, 32, 32]))
    assert.deepEqual([...module.stateDict().keys()], [...new LeNet(3, 10).stateDict().keys()])
    const loss = F.crossEntropy(
      module(fromArray(pictures([3, 32, 32]), [count, 3, 32, 32], 'f32')),
      fromArray(Int32Array.of(1, 2), [2], 'i32'),
    )
    loss.backward()
    assert.ok([...module.parameters()].every(({ grad }) => grad !== null))
  })

  test('running statistics follow as those of nn.BatchNorm2d do', () => {
    const layer = new nn.Sequential(new nn.BatchNorm2d(2, { momentum: 0.3 }))
    const module = new GraphModule(netOfModule(layer, [2, 3, 3]))
    for (const net of [layer, module])
      net
        .train()(fromArray(pictures([2, 3, 3]), [count, 2, 3, 3], 'f32'))
        .toTypedArray()
    for (const name of ['0.running_mean', '0.running_var'])
      assertNear(
        [...(module.stateDict().get(name)?.toTypedArray() ?? [])],
        [...(layer.stateDict().get(name)?.toTypedArray() ?? [])],
      )
  })
})

class Residual extends nn.Module {
  conv1 = new nn.Conv2d(3, 6, 3, { padding: 1, bias: false })
  bn1 = new nn.BatchNorm2d(6)
  conv2 = new nn.Conv2d(6, 6, 3, { padding: 2, dilation: 2, groups: 3 })
  norm = new nn.LayerNorm(12)
  fc = new nn.Linear(12, 5)

  forward(x: Tensor): Tensor {
    const a = F.relu(this.bn1(this.conv1(x)))
    const b = F.avgPool2d(F.gelu(this.conv2(a)).add(a), 2, { padding: 1, countIncludePad: false })
    const c = cat([F.silu(b), F.hardSwish(b)], 1)
    const pooled = F.adaptiveAvgPool2d(F.leakyRelu(c, 0.2), 1).flatten(1)
    return F.logSoftmax(this.fc(F.elu(this.norm(pooled), 0.7)), 1)
  }
}

class Moved extends nn.Module {
  conv = new nn.Conv2d(3, 4, [3, 2], { stride: [2, 1] })
  fc = new nn.Linear(140, 3)

  forward(x: Tensor): Tensor {
    const a = F.maxPool2d(F.tanh(this.conv(F.pad(x.mul(2).sub(1), [1, 0, 0, 2], 0.5))), [2, 2], {
      stride: 1,
      padding: 1,
    })
    return F.softmax(this.fc(F.dropout(a.permute(0, 2, 3, 1).flatten(1), 0.5, this.training)), 1)
  }
}

function assertTraced(module: nn.Module & ((x: Tensor) => Tensor), shape: readonly number[]): NetFile {
  module.eval()
  const net = netOfModule(module, shape)
  assertNear(judged(net, shape), outputs(module, shape))
  const again = netOfModule(new GraphModule(net), shape)
  assert.deepEqual(judged(again, shape), judged(net, shape))
  return net
}

/** [3, 9, 8] → [3]. */
class Parts extends nn.Module {
  conv = new nn.Conv2d(3, 6, 3, { padding: 1 })
  six = new nn.ReLU6()
  max = new nn.MaxPool2d(2, { ceilMode: true })
  avg = new nn.AvgPool2d(3, { stride: 2, padding: 1, ceilMode: true, countIncludePad: false })
  counted = new nn.AvgPool2d(3, { stride: 2, padding: 1, ceilMode: true })
  fc = new nn.Linear(2 * 6 * 3 + 6, 5)
  forward(input: Tensor): Tensor {
    const x = this.six(this.conv(input))
    const inner = x.narrow(1, 0, 3).narrow(2, 1, 7).narrow(3, 2, 6).clamp(-0.25, 0.5) // [3, 7, 6]
    const other = F.hardtanh(F.pad(x.narrow(1, 3, 3), [-2, 0, -1, -1]), -0.5, 0.75)
    const y = this.max(inner.sub(other)) // [3, 4, 3]
    const [a, b] = [this.avg(y), this.counted(y)] // [3, 3, 2]
    const most = cat([F.flatten(y.amax([2, 3], true)), y.amax([2, 3])], 1)
    return this.fc(cat([a.flatten(1), b.flatten(1), most], 1)).narrow(1, 1, 3)
  }
}

describe('a module becomes a net as data', () => {
  test('LeNet and LeNet1, with their names', () => {
    manualSeed(0)
    const net = assertTraced(new LeNet(3, 10), [3, 32, 32])
    assert.deepEqual(
      net.nodes.map(({ name }) => name),
      [
        'conv1',
        'conv1.activation',
        'maxPool2d',
        'conv2',
        'conv2.activation',
        'maxPool2d_1',
        'flatten',
        'fc1',
        'fc1.activation',
        'fc2',
        'fc2.activation',
        'fc3',
      ],
    )
    assertTraced(new LeNet1(1, 7), [1, 32, 32])
  })

  test('a residual net with norms, activations and pools', () => {
    manualSeed(1)
    const net = assertTraced(new Residual(), [3, 8, 8])
    assert.deepEqual(
      net.nodes.map(({ op }) => op),
      [
        'conv2d',
        'batchNorm',
        'relu',
        'conv2d',
        'gelu',
        'add',
        'avgPool2d',
        'silu',
        'hardSwish',
        'concat',
        'leakyRelu',
        'globalAvgPool2d',
        'flatten',
        'layerNorm',
        'elu',
        'linear',
        'logSoftmax',
      ],
    )
  })

  test('strides, padding of other values, rescaling, a picture read as HWC', () => {
    manualSeed(2)
    const net = assertTraced(new Moved(), [3, 8, 6])
    assert.ok(net.nodes.some((node) => node.op === 'flatten' && node.order === 'hwc'))
  })

  test('parts, limits, ceil mode, the largest of a picture', () => {
    manualSeed(6)
    const net = assertTraced(new Parts(), [3, 9, 8])
    const ops = net.nodes.map(({ op }) => op)
    assert.equal(
      ops.filter((op) => op !== 'rescaling' && op !== 'concat').join(' '),
      'conv2d clamp slice slice slice clamp clamp slice slice slice clamp add maxPool2d avgPool2d flatten pad avgPool2d ' +
        'flatten globalMaxPool2d flatten globalMaxPool2d linear slice',
    )
    const limits = net.nodes.flatMap((node) => (node.op === 'clamp' ? [[node.min, node.max]] : []))
    assert.deepEqual(limits, [
      [0, 6],
      [-0.25, null],
      [null, 0.5],
      [-0.5, 0.75],
    ])
  })

  test('layers of dropout stay, modes and random numbers are as before', () => {
    manualSeed(3)
    const net = new nn.Sequential(new nn.Linear(4, 3), new nn.Dropout(0.3), new nn.ReLU(), new nn.Linear(3, 2))
    const expected = (manualSeed(5), rand([2]).toTypedArray())
    manualSeed(5)
    const found = netOfModule(net, [4])
    assert.deepEqual(rand([2]).toTypedArray(), expected)
    assert.ok([...net.modules()].every(({ training }) => training))
    assert.deepEqual(
      found.nodes.map((node) => [node.name, node.op === 'dropout' ? node.p : node.op]),
      [
        ['0', 'linear'],
        ['dropout', 0.3],
        ['relu', 'relu'],
        ['3', 'linear'],
      ],
    )
  })

  test('what files do not know is named', () => {
    const odd = new nn.Sequential(new nn.Linear(4, 4))
    class Odd extends nn.Module {
      fc = odd
      forward(x: Tensor): Tensor {
        return this.fc(x).sub(this.fc(x).exp())
      }
    }
    assert.throws(() => netOfModule(new Odd(), [4]), /Odd: .*(sub|exp|fc)/)
  })
})

test("its text names nodes in PyTorch's words, what they read where it is not the line before, and their sizes", () => {
  const lines = String(new GraphModule(netOfModule(new LeNet(3, 10), [3, 32, 32]))).split('\n')
  assert.equal(lines[1], '  (conv1): Conv2d(3, 6, kernel_size=(5, 5), stride=(1, 1)) → [6, 28, 28]')
  assert.equal(lines[3], '  (maxPool2d): MaxPool2d(kernel_size=(2, 2), stride=(2, 2)) → [6, 14, 14]')
  assert.equal(lines.at(-2), '  (fc3): Linear(in_features=84, out_features=10, bias=True) → [10]')
  const all = String(new GraphModule(everyOperation().net))
  assert.match(all, /\(sum\): add of s1, s2, s3 → \[6, 8, 5\]/)
  assert.match(
    all,
    /\(block\.conv\): Conv2d\(3, 6, .*padding=\(0, 1, 1, 2\), dilation=\(2, 1\), groups=3, bias=False\)/,
  )
})
