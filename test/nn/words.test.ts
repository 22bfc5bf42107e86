/** Calls in PyTorch's own words: what is taken gives PyTorch 2.15's numbers, what is not is refused by name. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { classifier, F, nn, optim, tensor, torch, type Tensor } from '../../src/index.js'

const { full, ones, where, zeros } = torch

const x = ones([1, 3, 16, 16])
const anything = (value: unknown): never => value as never

describe('refused by name', () => {
  const cases: Readonly<Record<string, readonly [() => unknown, RegExp]>> = {
    'options by place': [
      () => new nn.Conv2d(3, 6, 5, anything(1)),
      /Conv2d: options are given by name, \{ stride: … \}/,
    ],
    'a stride by place': [() => new nn.MaxPool2d(3, anything(2)), /MaxPool2d: options are given by name/],
    'a stride by place in F': [() => F.maxPool2d(x, 3, anything(2)), /maxPool2d: options are given by name/],
    'a bias by place': [() => new nn.Linear(3, 2, anything(false)), /Linear: options are given by name, \{ bias: … \}/],
    'no kernel size': [() => new nn.Conv2d(3, 2, anything(undefined)), /Conv2d: kernelSize must be a number/],
    'Python’s spelling': [
      () => F.crossEntropy(ones([1, 2]), tensor([0], { dtype: 'i32' }), anything({ label_smoothing: 0.5 })),
      /crossEntropy: there is no option label_smoothing/,
    ],
    'a dilation of pooling': [
      () => F.maxPool2d(x, 3, anything({ dilation: 2 })),
      /maxPool2d: there is no option dilation/,
    ],
    'a misspelt option': [
      () => F.conv2d(x, ones([1, 3, 3, 3]), null, anything({ pading: 1 })),
      /conv2d: there is no option pading; there are stride, padding, dilation, groups/,
    ],
    'a divisor of pooling': [() => F.avgPool2d(x, 2, anything({ divisorOverride: 3 })), /no option divisorOverride/],
    'another reduction': [
      () => F.mseLoss(x, x, anything({ reduction: 'Sum' })),
      /reduction must be 'mean' or 'sum' or 'none', got 'Sum'/,
    ],
    'another approximation': [
      () => F.gelu(x, anything({ approximate: 'TANH' })),
      /approximate must be 'none' or 'tanh'/,
    ],
    'another way to pad': [() => F.pad(x, [1, 1], anything('reflect')), /pad: value must be a number, got 'reflect'/],
    'a slope by name': [
      () => new nn.LeakyReLU(anything({ negativeSlope: 0.2 })),
      /LeakyReLU: negativeSlope must be a number/,
    ],
    'bounds the wrong way round': [() => F.hardtanh(x, 1, -1), /hardtanh: minVal cannot be above maxVal/],
    'no value to fill with': [() => full([2], anything(undefined)), /value must be a number, got undefined/],
    'sizes one by one': [() => zeros(anything(3)), /the shape is a list, \[2, 3\]/],
    'a text as a number': [() => tensor(anything(['a'])), /tensor: expects numbers, got "a"/],
    'null as an operand': [() => x.add(anything(null)), /arithmetic takes a tensor or a number, got null/],
    'a list as an operand': [() => x.mul(anything([1])), /got a list: tensor\(\[…\]\) makes one of it/],
    'a boolean as an operand': [() => where(x, anything(true), 0), /arithmetic takes a tensor or a number, got true/],
    'a bound that is null': [() => x.clamp(anything(null), 1), /clamp: min must be a number/],
    'a tensor to train': [
      () => new optim.SGD(anything(ones([1], { requiresGrad: true }))),
      /expects a list of parameters/,
    ],
    'nothing to train': [() => new optim.Adam(anything(null)), /Adam: expects a list of parameters/],
    'names of parameters': [() => new optim.SGD(anything([['w', ones([1])]])), /item 0 of the list is neither/],
    'no dimension': [() => new nn.Softmax(anything(undefined)), /Softmax: say along which dimension/],
    'class weights in a list': [() => new nn.CrossEntropyLoss({ weight: anything([1, 2]) }), /weights are a tensor/],
    'labels as f32': [() => F.oneHot(ones([2]), 3), /oneHot: labels are whole numbers/],
  }
  for (const [name, [make, message]] of Object.entries(cases))
    test(name, () => {
      assert.throws(make, message)
    })
})

describe('taken', () => {
  const close = (found: Tensor, wanted: readonly number[], tolerance = 1e-5): void => {
    const values = Array.from(found.toTypedArray())
    assert.equal(values.length, wanted.length)
    values.forEach((value, i) => {
      const right = wanted[i] ?? NaN
      assert.ok(
        Object.is(value, right) || Math.abs(value - right) <= tolerance * Math.max(1, Math.abs(right)),
        `${values}`,
      )
    })
  }

  test('lists where PyTorch takes them', () => {
    const y = tensor([[1, 2]])
    assert.deepEqual(y.permute([1, 0]).shape, [2, 1])
    assert.deepEqual(y.expand([2, 2]).shape, [2, 2])
    assert.deepEqual(F.conv2d(x, ones([2, 3, 3, 3]), null, { padding: anything([1]) }).shape, [1, 2, 16, 16])
    close(tensor([0, 1, 2, 3, 4]).narrow(0, -2, 1), [3])
    assert.throws(
      () => F.conv2d(x, ones([2, 3, 3, 3]), null, { padding: anything([1, 1, 1]) }),
      /\[vertical, horizontal\]/,
    )
    const one = new optim.SGD([{ params: ones([1], { requiresGrad: true }) }], { lr: 1 })
    assert.equal(one.paramGroups[0]?.params.length, 1)
  })

  test('one-hot rows of any shape, and of as many classes as there are', () => {
    const labels = tensor(new Int32Array([0, 2, 1, 1]), { shape: [2, 2] })
    assert.deepEqual(F.oneHot(labels, 4).shape, [2, 2, 4])
    assert.deepEqual(F.oneHot(labels).shape, [2, 2, 3])
    close(F.oneHot(tensor(1, { dtype: 'i32' }), 3), [0, 1, 0])
  })

  test('class weights of probabilities lie over dimension 1', () => {
    const logits = tensor([
      [
        [0.1, 0.2, 0.3],
        [1, 2, 3],
        [0.5, 0.1, -1],
      ],
    ])
    const target = tensor(
      Float32Array.from({ length: 9 }, (_, i) => i * 0.3),
      { shape: [1, 3, 3] },
    ).softmax(1)
    const weight = tensor([1, 2, 5])
    close(F.crossEntropy(logits, target, { weight }), [8.3134], 1e-4)
    close(F.crossEntropy(logits, target, { weight, labelSmoothing: 0.2 }), [7.6695], 1e-4)
    close(F.crossEntropy(logits, target), [1.8983], 1e-4)
  })

  test('powers and their gradients', () => {
    const cases: readonly (readonly [values: number[], exponent: number, power: number[], slope: number[]])[] = [
      [[-2], 9, [-512], [2304]],
      [[-1], 10, [1], [-10]],
      [[-2], -9, [-1 / 512], [-9 / 1024]],
      [[0, 4], 1.5, [0, 8], [0, 3]],
      [[0, 4], 2.5, [0, 32], [0, 20]],
      [[0, 1], 10, [0, 1], [0, 10]],
      [[0, 4], 1.7, [0, 10.556063], [0, 4.4863269]],
      [[0, 4], 0.3, [0, 1.5157166], [Infinity, 0.11367874]],
      [[-1.1], 65, [-490.37073], [28976.453]],
      [[0, Infinity], -2, [Infinity, 0], [-Infinity, -0]],
    ]
    for (const [values, exponent, power, slope] of cases) {
      const at = tensor(values, { requiresGrad: true })
      const result = at.pow(exponent)
      close(result, power)
      result.sum().backward()
      if (at.grad) close(at.grad, slope, 2e-5)
    }
  })

  test('powers that are tensors', () => {
    const base = tensor([2, -2, -2, 0, 0, -8], { requiresGrad: true })
    const power = tensor([0.5, 3, 2, 2, 0, 0.5])
    const result = base.pow(power)
    close(result, [Math.SQRT2, -8, 4, 0, 1, NaN])
    result.narrow(0, 0, 5).sum().backward()
    if (base.grad) close(base.grad.narrow(0, 0, 4), [0.35355338, 12, -4, 0])
  })

  test('schedulers one after the other begin from the first rate', () => {
    const optimizer = new optim.SGD([ones([1], { requiresGrad: true })], { lr: 0.1 })
    const { ExponentialLR, LambdaLR, MultiStepLR, ReduceLROnPlateau } = optim.lrScheduler
    const decay = new ExponentialLR(optimizer, 0.9)
    for (let i = 0; i < 10; i++) decay.step()
    assert.deepEqual(new LambdaLR(optimizer, () => 1).getLastLr(), [0.1])
    const [rate = 0] = new MultiStepLR(optimizer, [0, 10]).getLastLr()
    assert.ok(Math.abs(rate - 0.01) < 1e-9)
    const plateau = new ReduceLROnPlateau(optimizer, { minLr: [0.005], patience: 0 })
    for (const loss of [1, 2, 3]) plateau.step(loss)
    assert.equal(optimizer.paramGroups[0]?.lr, 0.005)
    assert.throws(() => new ReduceLROnPlateau(optimizer, { minLr: [0, 0] }), /minLr must be a number, or 1/)
  })

  test('the state of another optimizer is refused; a step count may be an int', () => {
    const parameter = (): Tensor[] => [ones([2], { requiresGrad: true })]
    const sgd = new optim.SGD(parameter(), { lr: 0.5, momentum: 0.9 })
    const adam = new optim.Adam(parameter())
    assert.throws(
      () => adam.loadStateDict(sgd.stateDict()),
      /Adam\.loadStateDict: the state has momentum, which is another/,
    )
    assert.throws(
      () => sgd.loadStateDict(adam.stateDict()),
      /SGD\.loadStateDict: the state has betas, which is another/,
    )
    assert.equal(adam.paramGroups[0]?.lr, 1e-3)
    const entry = new Map<string, unknown>([['step', 5], ['exp_avg', zeros([2])], ['exp_avg_sq', zeros([2])]]) // prettier-ignore
    adam.loadStateDict({ state: new Map([[0, entry]]), param_groups: adam.stateDict().param_groups })
    assert.equal(adam.stateDict().state.get(0)?.['step']?.item(), 5)
  })
})

describe('the first hour', () => {
  test('a list of labels, and lists of modules and parameters', () => {
    assert.throws(
      () => F.crossEntropy(ones([2, 3]), anything([0, 1])),
      /target must be a tensor, such as tensor\(\[0, 1\]/,
    )
    const net = new nn.Sequential(new nn.Linear(3, 2), new nn.ReLU())
    assert.equal(net.parameters().length, 2)
    assert.equal(
      net.parameters().reduce((sum, parameter) => sum + parameter.numel(), 0),
      8,
    )
    assert.deepEqual(
      net.namedModules().map(([name]) => name),
      ['', '0', '1'],
    )
    assert.equal(net.children().length, 2)
    assert.deepEqual([net.buffers(), net.namedBuffers()], [[], []])
  })

  test('a classifier of a promise', () => {
    assert.throws(() => classifier(anything(Promise.resolve(null))), /classifier\(await loadModel\(path\)\)/)
  })
})
