/** Modules: calling, finding parts, printing as PyTorch, errors that name the layer, modes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { LeNet, LeNet1 } from '../../src/models/index.js'
import { F, nn, optim } from '../../src/nn/index.js'
import { manualSeed, rand, tensor, zeros, type Tensor } from '../../src/tensor/index.js'

test('console.log(net) prints what PyTorch prints', () => {
  assert.equal(
    inspect(new LeNet(3, 10)),
    `LeNet(
  (conv1): Conv2d(3, 6, kernel_size=(5, 5), stride=(1, 1))
  (conv2): Conv2d(6, 16, kernel_size=(5, 5), stride=(1, 1))
  (fc1): Linear(in_features=400, out_features=120, bias=True)
  (fc2): Linear(in_features=120, out_features=84, bias=True)
  (fc3): Linear(in_features=84, out_features=10, bias=True)
)`,
  )
  assert.match(String(new LeNet1()), /^LeNet1\(\n {2}\(conv1\): Conv2d\(1, 32, kernel_size=\(3, 3\)/)
})

// Each line is what torch 2.15 printed for the same layer.
const layers: readonly (readonly [() => nn.Module, string])[] = [
  [
    () => new nn.Conv2d(3, 6, 5, { stride: [2, 1], padding: 1, bias: false }),
    'Conv2d(3, 6, kernel_size=(5, 5), stride=(2, 1), padding=(1, 1), bias=False)',
  ],
  [() => new nn.Conv2d(4, 8, 3, { padding: 'same' }), 'Conv2d(4, 8, kernel_size=(3, 3), stride=(1, 1), padding=same)'],
  [
    () => new nn.Conv2d(4, 8, [3, 1], { stride: 2, padding: [1, 0], dilation: [1, 2], groups: 2, bias: false }),
    'Conv2d(4, 8, kernel_size=(3, 1), stride=(2, 2), padding=(1, 0), dilation=(1, 2), groups=2, bias=False)',
  ],
  [() => new nn.Linear(3, 4, { bias: false }), 'Linear(in_features=3, out_features=4, bias=False)'],
  [() => new nn.MaxPool2d(2), 'MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)'],
  [
    () => new nn.MaxPool2d([3, 2], { stride: [1, 2], padding: 1 }),
    'MaxPool2d(kernel_size=(3, 2), stride=(1, 2), padding=1, dilation=1, ceil_mode=False)',
  ],
  [() => new nn.AvgPool2d(2), 'AvgPool2d(kernel_size=2, stride=2, padding=0)'],
  [() => new nn.AvgPool2d([2, 3], { padding: 1 }), 'AvgPool2d(kernel_size=(2, 3), stride=(2, 3), padding=1)'],
  [
    () => new nn.BatchNorm2d(6),
    'BatchNorm2d(6, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)',
  ],
  [() => new nn.Dropout(0.3), 'Dropout(p=0.3, inplace=False)'],
  [() => new nn.Flatten(), 'Flatten(start_dim=1, end_dim=-1)'],
  [() => new nn.Softmax(1), 'Softmax(dim=1)'],
  [() => new nn.LogSoftmax({ dim: -1 }), 'LogSoftmax(dim=-1)'],
  [() => new nn.ReLU(), 'ReLU()'],
  [() => new nn.Tanh(), 'Tanh()'],
  [() => new nn.Sigmoid(), 'Sigmoid()'],
  [() => new nn.Identity(), 'Identity()'],
  [() => new nn.CrossEntropyLoss(), 'CrossEntropyLoss()'],
  [() => new nn.Sequential(), 'Sequential()'],
  [() => new nn.LeakyReLU(), 'LeakyReLU(negative_slope=0.01)'],
  [() => new nn.ELU(0.5), 'ELU(alpha=0.5)'],
  [() => new nn.SELU(), 'SELU()'],
  [() => new nn.SiLU(), 'SiLU()'],
  [() => new nn.GELU(), "GELU(approximate='none')"],
  [() => new nn.GELU({ approximate: 'tanh' }), "GELU(approximate='tanh')"],
  [() => new nn.Softplus(), 'Softplus(beta=1.0, threshold=20.0)'],
  [() => new nn.Mish(), 'Mish()'],
  [() => new nn.Softsign(), 'Softsign()'],
  [() => new nn.Hardtanh(), 'Hardtanh(min_val=-1.0, max_val=1.0)'],
  [() => new nn.ReLU6(), 'ReLU6()'],
  [() => new nn.Hardsigmoid(), 'Hardsigmoid()'],
  [() => new nn.Hardswish(), 'Hardswish()'],
  [() => new nn.Dropout2d(0.3), 'Dropout2d(p=0.3, inplace=False)'],
  [() => new nn.LayerNorm(6), 'LayerNorm((6,), eps=1e-05, elementwise_affine=True, bias=True)'],
  [
    () => new nn.LayerNorm([2, 3], { eps: 1e-3, bias: false }),
    'LayerNorm((2, 3), eps=0.001, elementwise_affine=True, bias=False)',
  ],
  [
    () => new nn.LayerNorm(4, { elementwiseAffine: false }),
    'LayerNorm((4,), eps=1e-05, elementwise_affine=False, bias=False)',
  ],
  [() => new nn.GroupNorm(2, 6), 'GroupNorm(2, 6, eps=1e-05, affine=True, bias=True)'],
  [() => new nn.GroupNorm(3, 6, { affine: false }), 'GroupNorm(3, 6, eps=1e-05, affine=False, bias=False)'],
  [() => new nn.AdaptiveAvgPool2d(1), 'AdaptiveAvgPool2d(output_size=1)'],
  [() => new nn.AdaptiveAvgPool2d([2, null]), 'AdaptiveAvgPool2d(output_size=(2, None))'],
  [() => new nn.ZeroPad2d(1), 'ZeroPad2d((1, 1, 1, 1))'],
  [() => new nn.ConstantPad2d([1, 0, 0, 0], -1), 'ConstantPad2d(padding=(1, 0, 0, 0), value=-1)'],
  [() => new nn.NLLLoss(), 'NLLLoss()'],
  [() => new nn.MSELoss(), 'MSELoss()'],
  [() => new nn.L1Loss(), 'L1Loss()'],
  [() => new nn.SmoothL1Loss(), 'SmoothL1Loss()'],
  [() => new nn.HuberLoss(), 'HuberLoss()'],
  [() => new nn.BCELoss(), 'BCELoss()'],
  [() => new nn.BCEWithLogitsLoss(), 'BCEWithLogitsLoss()'],
  [
    () => new nn.Sequential({ conv1: new nn.Linear(1, 2), act: new nn.ReLU() }),
    'Sequential(\n  (conv1): Linear(in_features=1, out_features=2, bias=True)\n  (act): ReLU()\n)',
  ],
  [
    () => new nn.Sequential(new nn.Linear(1, 2), new nn.Sequential(new nn.ReLU(), new nn.Tanh())),
    'Sequential(\n  (0): Linear(in_features=1, out_features=2, bias=True)\n  (1): Sequential(\n    (0): ReLU()\n    (1): Tanh()\n  )\n)',
  ],
]
test('every layer prints as in PyTorch', () => {
  for (const [make, text] of layers) assert.equal(String(make()), text)
})

class Branches extends nn.Module {
  override readonly name = 'an attribute'
  override readonly length = 3
  readonly features = new nn.Sequential(new nn.Conv2d(1, 2, 3), new nn.ReLU())
  readonly fullyConnected = new nn.Linear(8, 2)
  readonly scale = new nn.Parameter(tensor([2, 2]))
  readonly plain = tensor([1])
  forward(x: Tensor): Tensor {
    return this.fullyConnected(F.flatten(this.features(x))).mul(this.scale)
  }
}

test('parts are found in the order of definition, under PyTorch names', () => {
  const net = new Branches()
  assert.equal(net.name, 'an attribute')
  assert.equal(net.length, 3)
  assert.deepEqual(
    [...net.namedParameters()].map(([name, { shape }]) => `${name} ${shape.join('×')}`),
    [
      'scale 2',
      'features.0.weight 2×1×3×3',
      'features.0.bias 2',
      'fully_connected.weight 2×8',
      'fully_connected.bias 2',
    ],
  )
  assert.deepEqual(
    [...net.namedModules()].map(([name]) => name),
    ['', 'features', 'features.0', 'features.1', 'fully_connected'],
  )
  assert.deepEqual([...net.children()].length, 2)
  assert.equal(typeof net, 'function')
  assert.ok(net instanceof nn.Module)
  assert.deepEqual([...net(zeros([4, 1, 4, 4])).shape], [4, 2])
})

test('a shape error names the layer', () => {
  const net = new Branches()
  assert.throws(() => net(zeros([4, 3, 4, 4])), {
    name: 'LenetError',
    message:
      'features.0 (Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1))): conv2d: weight [2, 1, 3, 3] expects 1 input channel, got input [4, 3, 4, 4]',
  })
  assert.throws(
    () => net(zeros([4, 1, 5, 5])),
    /^LenetError: fully_connected \(Linear\(in_features=8, out_features=2, bias=True\)\): linear: .*\[4, 18\]/,
  )
  assert.throws(() => new LeNet(3)(zeros([2, 3, 28, 28])), /^LenetError: fc1 \(Linear.* got input \[2, 256\]/)
  assert.throws(() => new LeNet(3)(zeros([2, 3, 4, 4])), /^LenetError: conv1 /)
  class Own extends nn.Module {
    forward(x: Tensor): Tensor {
      return x.view(3, 3)
    }
  }
  assert.throws(() => new Own()(zeros([2])), /^LenetError: Own\(\): reshape: \[2\] has 2 values/)
})

test('a wrong option is told where the layer is made', () => {
  const options: object = { paddingMode: 'reflect' }
  assert.throws(() => new nn.Conv2d(2, 2, 3, options), /Conv2d: there is no option paddingMode; there are stride/)
  assert.throws(
    () => new nn.Conv2d(2, 3, 3, { groups: 2 }),
    /2 input channels and 3 output channels do not fall into 2/,
  )
  assert.throws(() => new nn.Conv2d(2, 2, 3, { padding: 'same', stride: 2 }), /'same' is not supported for strided/)
  assert.throws(() => new nn.Conv2d(2, 0, 3), /Conv2d: outChannels must be a whole number of 1 or more, got 0/)
  assert.throws(() => new nn.Conv2d(2, 2, 3, { padding: -1 }), /vertical padding must be a whole number of 0 or more/)
  assert.throws(() => new nn.Dropout(2), /from 0 to 1, got 2/)
})

test('train() and eval() reach every module; apply() goes inside out', () => {
  const net = new Branches().eval()
  assert.ok([...net.modules()].every(({ training }) => !training))
  net.train()
  assert.ok([...net.modules()].every(({ training }) => training))
  const names: string[] = []
  net.apply((module) => names.push(module.constructor.name))
  assert.deepEqual(names, ['Conv2d', 'ReLU', 'Sequential', 'Linear', 'Branches'])
})

test('dropout: scaled in training, nothing in evaluation, repeatable with a seed', () => {
  const layer = new nn.Dropout(0.25)
  const x = tensor(new Float32Array(4000).fill(1))
  manualSeed(1)
  const first = Array.from(layer(x).toTypedArray())
  const second = Array.from(layer(x).toTypedArray())
  manualSeed(1)
  assert.deepEqual(Array.from(layer(x).toTypedArray()), first)
  assert.notDeepEqual(first, second)
  const kept = first.filter((value) => value !== 0)
  assert.ok(kept.every((value) => value === Math.fround(4 / 3)))
  assert.ok(Math.abs(kept.length / 4000 - 0.75) < 0.03)
  assert.deepEqual(layer.eval()(x).toTypedArray(), x.toTypedArray())
})

test('dropout takes nothing from the generator of weights and batches', () => {
  manualSeed(4)
  const expected = rand([3]).toArray()
  manualSeed(4)
  new nn.Dropout(0.5)(zeros([10])).realize()
  assert.deepEqual(rand([3]).toArray(), expected)
})

test('batch norm: running statistics follow, and evaluation uses them', () => {
  const layer = new nn.BatchNorm1d(2)
  const x = tensor([
    [1, 10],
    [3, 30],
    [5, 20],
  ])
  const y = layer(x)
  assert.deepEqual(Array.from(layer.runningMean.toTypedArray()), [0.3, 2].map(Math.fround))
  const variance = Array.from(layer.runningVar.toTypedArray())
  assert.ok(Math.abs((variance[0] ?? 0) - 1.3) < 1e-6 && Math.abs((variance[1] ?? 0) - 10.9) < 1e-5)
  assert.equal(layer.numBatchesTracked.item(), 1)
  assert.ok(Math.abs(y.sum().item()) < 1e-5)
  layer(x)
  layer(x)
  assert.ok(Math.abs((layer.runningMean.toTypedArray()[0] ?? 0) - 3 * (1 - 0.9 ** 3)) < 1e-6)
  layer.eval()
  const mean = layer.runningMean.toTypedArray()
  const deviation = layer.runningVar.toTypedArray().map((v) => Math.sqrt(v + 1e-5))
  const expected = (1 - (mean[0] ?? 0)) / (deviation[0] ?? 1)
  assert.ok(Math.abs((layer(x).toTypedArray()[0] ?? 0) - expected) < 1e-5)
  assert.throws(() => layer(zeros([2])), /BatchNorm1d\(2, .*: expects an input of 2 or 3 dimensions, got \[2\]/)
})

test('batch norm trains with a step: statistics are written with it', () => {
  const net = new nn.Sequential(new nn.Linear(2, 3), new nn.BatchNorm1d(3), new nn.Linear(3, 2))
  const optimizer = new optim.Adam(net.parameters(), { lr: 0.01 })
  const x = rand([6, 2])
  const labels = tensor([0, 1, 0, 1, 0, 1], { dtype: 'i32' })
  const losses = Array.from({ length: 30 }, () => {
    const loss = F.crossEntropy(net(x), labels)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss.item()
  })
  assert.ok((losses.at(-1) ?? 9) < (losses[0] ?? 0))
  assert.equal(net.stateDict().get('1.num_batches_tracked')?.item(), 30)
  assert.ok(net.stateDict().get('1.running_mean')?.toTypedArray().every(Number.isFinite))
})
