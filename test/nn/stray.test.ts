/** Layers that a net uses and does not find: told at the first step, never left untrained; and what is no such case. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { saveModel } from '../../src/files/model.node.js'
import * as keras from '../../src/keras/index.js'
import { compileInference, F, nn, optim } from '../../src/nn/index.js'
import { compileStep, noGrad, ones, randn, tensor, type Tensor } from '../../src/tensor/index.js'

const folder = mkdtempSync(join(tmpdir(), 'lenet-stray-'))
after(() => rmSync(folder, { recursive: true }))

const x = randn([2, 3])
const sgd = (parameters: Iterable<Tensor>): optim.SGD => new optim.SGD(parameters, { lr: 0.01 })

/** A few steps on a loss, by default the net's squared output. */
function train(net: nn.Layer, optimizer = sgd(net.parameters()), loss = () => net(x).square().sum()): void {
  for (let i = 0; i < 4; i++) {
    optimizer.zeroGrad()
    loss().backward()
    optimizer.step()
  }
}

class Two extends nn.Module {
  a = new nn.Linear(3, 3)
  b = new nn.Linear(3, 2)
  forward(input: Tensor): Tensor {
    return this.b(this.a(input))
  }
}

/** A net with a head, behind what `body` does. */
class Headed extends nn.Module {
  #body: (input: Tensor) => Tensor
  head = new nn.Linear(3, 2)
  constructor(body: (input: Tensor) => Tensor) {
    super()
    this.#body = body
  }
  forward(input: Tensor): Tensor {
    return this.head(this.#body(input))
  }
}

class Private extends nn.Module {
  #hidden = new nn.Linear(3, 3)
  fc = new nn.Linear(3, 2)
  forward(input: Tensor): Tensor {
    return this.fc(this.#hidden(input))
  }
}

class Listed extends nn.Module {
  list = [new nn.Linear(3, 3)]
  fc = new nn.Linear(3, 2)
  forward(input: Tensor): Tensor {
    return this.fc(this.list.reduce((value, layer) => layer(value), input))
  }
}

const untrained = (what: RegExp) => ({ name: 'LenetError', message: what })
const linear = (name: string) =>
  untrained(new RegExp(`^${name} uses Linear\\(in_features=3, out_features=3, bias=True\\), but does not find it`))

test('a layer in a private field, a list, a Map, a closure or made on the way is told at the first step', () => {
  const map = new Map([['a', new nn.Linear(3, 3)]])
  let late: nn.Linear | undefined
  assert.throws(() => train(new Private()), linear('Private'))
  assert.throws(() => train(new Listed()), linear('Listed'))
  assert.throws(() => train(new Headed((input) => map.get('a')?.(input) ?? input)), linear('Headed'))
  assert.throws(() => train(new Headed((input) => (late ??= new nn.Linear(3, 3))(input))), linear('Headed'))
  assert.throws(() => train(new nn.Sequential(new Private(), new nn.Linear(2, 1))), linear('Sequential'))
  const weight = new nn.Parameter(ones([3]))
  assert.throws(() => train(new Headed((input) => input.mul(weight))), untrained(/^Headed uses a Parameter \[3\], but/))
  train(new Two()) // nothing of the refused steps is left
})

test('also in a compiled step, and when the loss was read before the step', () => {
  const net = new Private()
  const optimizer = sgd(net.parameters())
  const before = net.fc.weight.toArray()
  const step = (read: boolean) => (input: Tensor) => {
    const loss = net(input).sum()
    optimizer.zeroGrad()
    loss.backward()
    if (read) loss.item()
    optimizer.step()
    return [loss]
  }
  assert.throws(() => compileStep(step(false))(x), linear('Private'))
  assert.throws(() => step(true)(x), linear('Private'))
  assert.deepEqual(net.fc.weight.toArray(), before)
})

test('no false alarm: what is frozen, detached, shared, given, or trained by another optimizer', () => {
  const frozen = new nn.Linear(3, 3).requiresGrad_(false)
  const teacher = new nn.Linear(3, 3)
  const shared = new Two()
  const other = new nn.Linear(3, 3)
  const two = new Two()
  train(new Headed((input) => frozen(input)))
  train(new Headed((input) => input.sub(noGrad(() => teacher(input)))))
  train(new Headed((input) => input.sub(teacher(input).detach())))
  train(Object.assign(new Headed((input) => shared.a(input)), { shared }))
  const helped = new Headed((input) => other(input))
  train(helped, sgd([...helped.parameters(), ...other.parameters()]))
  train(two, sgd(two.b.parameters()))
  const input = new nn.Parameter(x)
  train(two, sgd(two.parameters()), () => two(input).sum())
  assert.ok(input.grad)
  train(two, sgd(two.parameters()), () => teacher(F.pad(two(x), [0, 1])).sum())
  const perceptual = new nn.Linear(2, 2)
  class Perceptual extends nn.Module {
    #features = perceptual
    forward(output: Tensor): Tensor {
      return this.#features(output).square().sum()
    }
  }
  const criterion = new Perceptual()
  train(two, sgd(two.parameters()), () => criterion(two(x)))
})

test('eval() that does not reach a layer is told where its mode counts', () => {
  const drop = new nn.Dropout(0.5)
  const net = new Headed((input) => drop(input))
  const told = untrained(/^Headed is in eval mode, but not Dropout\(p=0.5, inplace=False\), which it uses/)
  net(x)
  net.eval()
  assert.throws(() => net(x), told)
  assert.throws(() => compileInference(net, { inputShape: [3] })(Float32Array.of(1, 2, 3)), told)
  drop.eval()
  assert.deepEqual(net(x).toArray(), net.head(x).toArray())
  const monteCarlo = Object.assign(new Headed((input) => drop(input)), { drop }).eval()
  drop.train()
  monteCarlo(x)
})

test('saveModel refuses a net of which a part would be lost, in every format', async () => {
  for (const ending of ['pth', 'safetensors', 'npz', 'onnx', 'h5', 'keras']) {
    const path = join(folder, `net.${ending}`)
    await assert.rejects(saveModel(new Private(), path, { inputShape: [3] }), linear('Private'))
    assert.ok(!existsSync(path))
  }
  const norm = new nn.BatchNorm1d(3, { affine: false })
  const net = new Headed((input) => norm(input))
  await assert.rejects(saveModel(net, join(folder, 'a.pth'), { inputShape: [3] }), untrained(/eval\(\) does not find/))
  const frozen = new nn.Linear(3, 3).requiresGrad_(false)
  await saveModel(new Headed((input) => frozen(input)), join(folder, 'b.pth'), { inputShape: [3] })
})

const warnings: string[] = []
const { warn } = console
console.warn = (line: string) => void warnings.push(line)
after(() => (console.warn = warn))

test('a net that was seen calling what it does not find: its state says so once, saveModel refuses it', async () => {
  const called = (net: nn.Layer): nn.Layer => {
    net(x)
    return net
  }
  const layers = [new nn.Linear(3, 3), new nn.Linear(3, 2)]
  class Hidden extends nn.Module {
    forward(input: Tensor): Tensor {
      return layers.reduce((value, layer) => layer(value), input)
    }
  }
  const path = join(folder, 'c.pth')
  for (const net of [new Private(), new Hidden(), new Listed()]) {
    warnings.length = 0
    called(net).stateDict()
    net.stateDict()
    assert.deepEqual(
      warnings.map((line) => line.split(',')[0]),
      [`lenet: stateDict: ${net.constructor.name} uses Linear(in_features=3`],
    )
    await assert.rejects(saveModel(net, path), linear(net.constructor.name))
    assert.ok(!existsSync(path))
  }
  assert.throws(() => sgd(new Hidden().parameters()), untrained(/got no parameters to train \(a net finds layers that/))
})

test('also where the optimizer has the hidden layer, and where it has statistics only', async () => {
  const other = new nn.Linear(3, 3)
  const helped = new Headed((input) => other(input))
  train(helped, sgd([...helped.parameters(), ...other.parameters()]))
  await assert.rejects(saveModel(helped, join(folder, 'd.pth')), linear('Headed'))
  const norm = new nn.BatchNorm1d(3, { affine: false })
  const normed = new Headed((input) => norm(input))
  train(normed)
  await assert.rejects(saveModel(normed, join(folder, 'e.pth')), untrained(/^Headed uses BatchNorm1d/))
})

test('no false alarm in what a net gives as its state', () => {
  const teacher = new nn.Linear(3, 3)
  const taught = new Headed((input) => input.sub(teacher(input).detach()))
  const beside = new Headed((input) => input.sub(noGrad(() => teacher(input))))
  const extra = new nn.Linear(2, 2)
  class Extended extends nn.Module {
    fc = new nn.Linear(3, 2)
    forward(input: Tensor, last: nn.Layer): Tensor {
      return last(this.fc(input))
    }
  }
  const extended = new Extended()
  warnings.length = 0
  train(taught)
  taught(x)
  beside(x)
  train(extended as unknown as nn.Layer, sgd(extended.parameters()), () => extended(x, extra).square().sum())
  for (const net of [taught, beside, extended]) net.stateDict()
  assert.deepEqual(warnings, [])
})

test("a layer of one's own in Keras's idiom tells all that it trains", async () => {
  class Inner extends keras.Layer {
    readonly #linear = new nn.Linear(3, 2)
    protected setUp() {
      return { output: { sizes: [2], flatOf: null } }
    }
    call(input: Tensor): Tensor {
      return this.#linear(input)
    }
    protected ownConfig() {
      return {}
    }
  }
  const model = new keras.Sequential([keras.layers.dense(3, { inputShape: [3] }), new Inner()])
  model.compile({ optimizer: 'sgd', loss: 'mse' })
  new nn.Linear(3, 1)(x).sum().backward() // a gradient of something else, which nobody steps with
  await assert.rejects(
    model.fit(x, randn([2, 2]), { verbose: 0 }),
    untrained(/^the model uses a Parameter \[2, 3\] that no/),
  )
})

test("call, apply and bind are a function's; apply of one function is PyTorch's", () => {
  const net = new Two()
  const expected = net(x).toArray()
  const functions = net as unknown as (input: Tensor) => Tensor
  assert.deepEqual(functions.call(undefined, x).toArray(), expected)
  assert.deepEqual(functions.bind(undefined)(x).toArray(), expected)
  assert.deepEqual((net.apply(undefined, [x]) as Tensor).toArray(), expected)
  assert.deepEqual(Reflect.apply(functions, undefined, [x]).toArray(), expected)
  const seen: string[] = []
  assert.equal(
    net.apply((module) => seen.push(module.constructor.name)),
    net,
  )
  assert.deepEqual(seen, ['Linear', 'Linear', 'Two'])
  assert.throws(() => net.apply(undefined as never), { name: 'UsageError', message: /^Two.apply: expects a function/ })
  assert.deepEqual(Object.keys(net), ['a', 'b'])
  assert.throws(() => functions.call(undefined, tensor([[1]])), /^LenetError: a \(Linear/)
})
