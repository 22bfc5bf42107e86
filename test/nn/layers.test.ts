/** Layers and functions of nn: what they make of numbers, in a net, in both modes; wrong arguments. Their mathematics: test/graph. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { F, nn, optim } from '../../src/nn/index.js'
import { compileStep, manualSeed, ones, rand, tensor, zeros, type Tensor } from '../../src/tensor/index.js'

function near(found: Tensor, expected: readonly number[], tolerance = 1e-5): void {
  const values = [...found.toTypedArray()]
  assert.equal(values.length, expected.length)
  expected.forEach((value, i) => assert.ok(Math.abs((values[i] ?? NaN) - value) <= tolerance, `${values} ${expected}`))
}

describe('activations', () => {
  const x = tensor([-4, -1, 0, 1, 4])
  // torch 2.15
  const layers: readonly (readonly [nn.Module & ((x: Tensor) => Tensor), readonly number[]])[] = [
    [new nn.LeakyReLU(0.1), [-0.4, -0.1, 0, 1, 4]],
    [new nn.ELU(2), [-1.963369, -1.264241, 0, 1, 4]],
    [new nn.SiLU(), [-0.071945, -0.268941, 0, 0.731059, 3.928055]],
    [new nn.GELU(), [-0.000127, -0.158655, 0, 0.841345, 3.999873]],
    [new nn.Hardswish(), [0, -0.333333, 0, 0.666667, 4]],
    [new nn.Hardsigmoid(), [0, 0.333333, 0.5, 0.666667, 1]],
    [new nn.ReLU6(), [0, 0, 0, 1, 4]],
    [new nn.Softplus(), [0.01815, 0.313262, 0.693147, 1.313262, 4.01815]],
  ]
  for (const [layer, expected] of layers) test(String(layer), () => near(layer(x), expected))
})

test('pad counts from the last dimension, and cuts where it is below 0', () => {
  const x = tensor([
    [1, 2],
    [3, 4],
  ])
  assert.deepEqual(F.pad(x, [1, 0], 9).toArray(), [
    [9, 1, 2],
    [9, 3, 4],
  ])
  assert.deepEqual(F.pad(x, [-1, 1, 0, 1]).toArray(), [
    [2, 0],
    [4, 0],
    [0, 0],
  ])
  assert.deepEqual(new nn.ZeroPad2d([1, 0, 0, 2])(zeros([2, 3, 4, 5])).shape, [2, 3, 6, 6])
  assert.throws(() => F.pad(x, [1]), /pad: expects whole numbers \[before, after\] for up to 2 dimensions, got \[1\]/)
})

test('dropout2d drops whole channels', () => {
  manualSeed(3)
  const layer = new nn.Dropout2d(0.5)
  const found = layer(ones([20, 8, 3, 2])).toTypedArray()
  const planes = Array.from({ length: 160 }, (_, i) => found.subarray(i * 6, i * 6 + 6))
  for (const plane of planes) assert.ok(plane.every((v) => v === plane[0]) && [0, 2].includes(plane[0] ?? 1))
  const kept = planes.filter((plane) => plane[0] === 2).length
  assert.ok(kept > 50 && kept < 110, `${kept} of 160`)
  layer.eval()
  assert.ok(
    layer(ones([1, 2, 2, 2]))
      .toTypedArray()
      .every((v) => v === 1),
  )
})

test('layerNorm and groupNorm: mean 0 and variance 1 of each part, then factors and summands', () => {
  const x = rand([4, 6, 2, 3])
  const rows = new nn.LayerNorm([6, 2, 3])(x).view(4, -1)
  near(rows.mean(1), [0, 0, 0, 0])
  near(rows.square().mean(1), [1, 1, 1, 1], 1e-3)
  const layer = new nn.GroupNorm(3, 6)
  near(layer(x).view(4, 3, -1).mean(2), Array<number>(12).fill(0))
  layer.bias?.copy_([1, 1, 2, 2, 3, 3])
  near(layer(x).view(4, 3, -1).mean(2), [1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3])
  assert.throws(() => new nn.GroupNorm(4, 6), /6 channels do not fall into 4 equal groups/)
  assert.throws(() => F.layerNorm(x, [2, 2]), /the last dimensions of \[4, 6, 2, 3\] must be \[2, 2\]/)
})

test('instance norms: each channel of each picture by itself, the same in evaluation', () => {
  const x = rand([4, 6, 2, 3])
  const layer = new nn.InstanceNorm2d(6)
  near(layer(x).view(24, -1).mean(1), Array<number>(24).fill(0))
  assert.deepEqual(layer.eval()(x).toArray(), F.groupNorm(x, 6).toArray())
  assert.deepEqual([...layer.stateDict().keys()], [])
  const affine = new nn.InstanceNorm1d(6, { affine: true })
  assert.deepEqual([...affine.stateDict().keys()], ['weight', 'bias'])
  affine.bias?.copy_([1, 2, 3, 4, 5, 6])
  near(affine(x.view(4, 6, 6)).mean([0, 2]), [1, 2, 3, 4, 5, 6])
  assert.throws(
    () => layer(rand([4, 5, 2, 3])),
    /InstanceNorm2d.*: expects an input of 4 dimensions and 6 channels, got/,
  )
  assert.throws(
    () => new nn.InstanceNorm2d(3)(rand([2, 3, 1, 1])),
    /expects more than 1 value for each channel of a picture in training/,
  )
})

test('a channel that is the same everywhere is normalised to 0, also by runs of channels', () => {
  const x = ones([3, 6, 5, 5]).mul(1000.25)
  for (const groups of [1, 2, 3, 6])
    assert.ok(
      F.groupNorm(x, groups)
        .toTypedArray()
        .every((v) => v === 0),
    )
})

test('batch norm without a momentum: running statistics are the mean of all batches', () => {
  const layer = new nn.BatchNorm2d(2, { momentum: null })
  const batches = [rand([4, 2, 3, 3]), rand([4, 2, 3, 3]), rand([4, 2, 3, 3])]
  const sums = [0, 0]
  batches.forEach((x, i) => {
    layer(x).realize()
    x.mean([0, 2, 3])
      .toTypedArray()
      .forEach((mean, c) => (sums[c]! += mean))
    near(
      layer.runningMean,
      sums.map((sum) => sum / (i + 1)),
    )
  })
  assert.equal(layer.numBatchesTracked.item(), 3)
  assert.match(String(layer), /momentum=None/)
  assert.throws(() => new nn.BatchNorm2d(2, { momentum: 1.5 }), /BatchNorm2d: momentum must be from 0 to 1, or null/)
})

test('a criterion keeps its weights as PyTorch does, and refuses what makes no sense', () => {
  const weight = tensor([1, 2, 0.5])
  const criterion = new nn.CrossEntropyLoss({ weight, labelSmoothing: 0.1 })
  assert.deepEqual([...criterion.stateDict().keys()], ['weight'])
  const labels = tensor([0, 2, 1], { dtype: 'i32' })
  const logits = tensor([
    [1, 2, 3],
    [0.5, 0, -1],
    [2, 0, 1],
  ])
  // torch 2.15
  near(criterion(logits, labels), [2.272758])
  near(F.crossEntropy(logits, labels, { weight, reduction: 'none' }), [2.407606, 1.052065, 4.815212])
  assert.throws(() => new nn.CrossEntropyLoss({ labelSmoothing: 2 }), /labelSmoothing must be from 0 to 1, got 2/)
  assert.throws(() => F.crossEntropy(logits, labels, { weight: tensor([1, 1]) }), /a weight for each of the 3 classes/)
  assert.throws(
    () => F.mseLoss(zeros([4, 1]), zeros([4])),
    /expects a target of shape \[4, 1\], as the input, got \[4\]/,
  )
  assert.throws(
    () => F.crossEntropy(logits, tensor([0, 9, 1], { dtype: 'i32' }), { ignoreIndex: -1 }),
    /label 9 of picture 1/,
  )
  const typo: object = { beta: 2 }
  assert.throws(() => new nn.MSELoss(typo), /MSELoss: there is no option beta/)
})

test('ignored labels in a compiled step: other labels each time, wrong ones found', () => {
  const net = new nn.Linear(3, 4)
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
  const step = compileStep((x: Tensor, labels: Tensor) => {
    const loss = F.crossEntropy(net(x), labels, { ignoreIndex: -1 })
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return [loss]
  })
  const labels = (...list: number[]): Tensor => tensor(list, { dtype: 'i32' })
  const x = rand([3, 3])
  for (const list of [
    [0, 1, -1],
    [3, -1, -1],
    [2, 2, 1],
    [0, -1, 3],
    [1, 1, 1],
  ]) {
    const alone = list.flatMap((label, i) =>
      label < 0 ? [] : [F.crossEntropy(net(x.slice(i, i + 1)), labels(label)).item()],
    )
    const [loss] = step(x, labels(...list))
    assert.ok(Math.abs((loss?.item() ?? NaN) - alone.reduce((a, b) => a + b, 0) / alone.length) < 1e-5)
  }
  assert.throws(() => step(x, labels(0, 4, -1)), /label 4 of picture 1/)
})

test('Sequential: names, parts, more layers', () => {
  const net = new nn.Sequential({ first: new nn.Linear(2, 3), act: new nn.SiLU() })
  assert.deepEqual([...net.stateDict().keys()], ['first.weight', 'first.bias'])
  assert.throws(() => net.append(new nn.ReLU()), /append: the layers have names of their own/)
  const numbered = new nn.Sequential(new nn.Linear(2, 3), new nn.SiLU()).append(new nn.Linear(3, 1))
  assert.deepEqual([...numbered.stateDict().keys()].at(-1), '2.bias')
  assert.equal(String(numbered.at(-1)), 'Linear(in_features=3, out_features=1, bias=True)')
  assert.deepEqual(numbered(rand([5, 2])).shape, [5, 1])
  assert.throws(() => new nn.Sequential({ forward: new nn.ReLU() }), /a layer cannot be named forward/)
})

test('a window that cannot be is told where the layer is made', () => {
  assert.throws(() => new nn.MaxPool2d(0), /MaxPool2d: kernel height must be a whole number of 1 or more, got 0/)
  assert.throws(
    () => new nn.AvgPool2d(3, { padding: 2 }),
    /AvgPool2d: padding 2 must be at most half the kernel size 3/,
  )
  assert.throws(() => new nn.AdaptiveAvgPool2d(0), /AdaptiveAvgPool2d: output height must be a whole number/)
})
