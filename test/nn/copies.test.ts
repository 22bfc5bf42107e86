/** Two copies of the library in one program: what is of the other works by its values, or is refused in one line. */
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { version } from '../../src/base/index.js'
import * as A from '../../src/index.js'
import * as AK from '../../src/keras/index.node.js'

const root = join(import.meta.dirname, '..', '..', '..')
const folder = mkdtempSync(join(tmpdir(), 'lenet-copies-'))
after(() => rmSync(folder, { recursive: true }))
cpSync(join(root, 'dist', 'src'), join(folder, 'dist', 'src'), { recursive: true })
cpSync(join(root, 'package.json'), join(folder, 'package.json'))
symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction')

const load = async <T>(file: string): Promise<T> =>
  (await import(pathToFileURL(join(folder, 'dist', 'src', file)).href)) as T
const B = await load<typeof A>('index.js')
const BK = await load<typeof AK>('keras/index.node.js')

const { nn, torch } = A
const refused = { name: 'LenetError', message: new RegExp(`of another copy of lenet \\(${version} at .*lenet-copies-`) }

/** As a dependency's layer comes: its type is ours. */
const ofB = (size: number): A.Layer => new B.nn.Linear(size, size)

class Mixed extends nn.Module {
  other = ofB(4)
  fc = new nn.Linear(4, 4)
  forward(x: A.Tensor): A.Tensor {
    return this.fc(this.other(x))
  }
}

class Held extends nn.Module {
  weight: A.Tensor = new B.nn.Parameter(B.torch.ones([4]))
  forward(x: A.Tensor): A.Tensor {
    return x.mul(this.weight)
  }
}

test('the version that is shown is that of package.json', () => {
  const { version: packed } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  assert.equal(version, packed)
})

test('a layer or parameter of the other copy is refused, never left untrained', () => {
  for (const net of [new Mixed(), new Held()])
    for (const use of [
      () => new A.optim.Adam(net.parameters()),
      () => net(torch.ones([1, 4])),
      () => net.stateDict(),
      () => net.eval(),
    ])
      assert.throws(use, refused)
  assert.throws(() => new nn.Sequential(new nn.ReLU(), ofB(2)), refused)
  assert.throws(() => [...new nn.ModuleList([ofB(2)]).parameters()], refused)
  assert.throws(() => new A.optim.Adam(ofB(2).parameters()), refused)
  assert.throws(() => new A.optim.SGD([{ params: ofB(2).parameters() }], { lr: 1 }), refused)
})

test('files: a net of the other copy is refused before anything is written, its state can be taken', async () => {
  const [own, other] = [new nn.Linear(4, 4), new B.nn.Linear(4, 4)]
  const path = join(folder, 'net.pth')
  await assert.rejects(A.saveModel(other, path), refused)
  await assert.rejects(A.saveModel(new Mixed(), path), refused)
  await assert.rejects(A.saveModel(BK.sequential([BK.layers.dense(3)]), join(folder, 'net.keras')), refused)
  assert.ok(!existsSync(path))
  own.loadStateDict(other.stateDict())
  assert.deepEqual(own.weight.toArray(), other.weight.toArray())
  A.save(other.stateDict(), path)
  assert.deepEqual([...(A.load(path) as Map<string, A.Tensor>).keys()], ['weight', 'bias'])
})

test('tensors of the other copy: values come over, computations do not', () => {
  const leaf = B.torch.ones([2])
  const computed = leaf.add(1)
  assert.deepEqual(torch.ones([2]).add(leaf).toArray(), [2, 2])
  assert.deepEqual(torch.tensor(computed as never).toArray(), [2, 2])
  assert.deepEqual(torch.zeros([2]).copy_(computed).toArray(), [2, 2])
  assert.throws(() => torch.ones([2]).add(computed), refused)
  assert.throws(() => torch.tensor(1).add(B.torch.ones([3]).sum()), refused)
  assert.throws(() => torch.ones([2]).mul(B.torch.ones([2], { requiresGrad: true })), refused)
  assert.throws(() => new nn.Linear(2, 2)(computed), refused)
  const data = new A.TensorDataset(computed.view(2, 1), B.torch.zeros([2]))
  assert.deepEqual(
    Array.from(new A.DataLoader(data, { batchSize: 2 }), ([x]) => x.toArray()),
    [[[2], [2]]],
  )
})

test('noGrad of one copy holds for the other', () => {
  const net = new B.nn.Linear(2, 2)
  assert.equal(A.noGrad(() => net(B.torch.ones([1, 2]))).requiresGrad, false)
  assert.equal(net(B.torch.ones([1, 2])).requiresGrad, true)
})

test('a compiled step in which the other copy trains is run each time', () => {
  const net = new B.nn.Linear(2, 1)
  const optimizer = new B.optim.SGD(net.parameters(), { lr: 0.125 })
  const step = A.compileStep((x: A.Tensor) => {
    optimizer.zeroGrad()
    net(x).sum().backward()
    optimizer.step()
    return [x.add(1)]
  })
  const first = net.bias?.item() ?? 0
  for (let i = 0; i < 8; i++) step(torch.ones([1, 2]))
  assert.ok(Math.abs((net.bias?.item() ?? 0) - (first - 1)) < 1e-6)
  assert.throws(() => A.compileStep((x: A.Tensor) => [ofB(2)(x)])(torch.ones([1, 2])), refused)
  assert.throws(() => A.compileInference(ofB(2), { inputShape: [2] })(Float32Array.of(1, 2)), refused)
})

test("Keras's idiom: tensors of the other copy are data, its layers and optimizers are refused", async () => {
  const model = AK.sequential([AK.layers.dense(1, { inputShape: [2] })])
  model.compile({ optimizer: 'sgd', loss: 'mse' })
  const x = BK.tensor([[1], [2]]).add(BK.tensor([[1, 2]]))
  const { history } = await model.fit(x, BK.tensor([[1], [2]]), { verbose: 0 })
  assert.ok(Number.isFinite(history['loss']?.[0]))
  assert.throws(() => AK.sequential([BK.layers.dense(1)]), refused)
  assert.throws(() => model.compile({ optimizer: BK.optimizers.adam(), loss: 'mse' }), refused)
  assert.throws(() => model.compile({ optimizer: 'sgd', loss: BK.losses.meanSquaredError() }), refused)
  const input = BK.Input({ shape: [2] })
  assert.throws(() => AK.layers.dense(1).apply(input), refused)
  assert.throws(() => AK.model({ inputs: input, outputs: input }), refused)
})
