/** A compiled step: the bits of the step itself, whatever changes between the calls. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DataLoader, TensorDataset } from '../../src/data/index.js'
import { Generator, LenetError } from '../../src/base/index.js'
import { LeNet, LeNet1 } from '../../src/models/index.js'
import { F, nn, optim } from '../../src/nn/index.js'
import {
  allPlans,
  compileStep,
  fromArray,
  manualSeed,
  noGrad,
  setDevice,
  tensor,
  type Tensor,
} from '../../src/tensor/index.js'
import { evaluateNet, type Net } from '../../src/train/index.js'
import { Mixed, pictures } from './mixedNet.js'

// Without a faster tier on the way, which would need a step's graph at a moment that nobody can foretell.
setDevice('wasm')

type AnyNet = nn.Module & ((x: Tensor) => Tensor)
type AnyOptimizer = optim.Optimizer<{ lr: number }>

interface Case {
  readonly net: () => AnyNet
  readonly optimizer: (net: AnyNet) => AnyOptimizer
  readonly set: ReturnType<typeof pictures>
  readonly batchSize: number
  readonly steps: number
  /** Called before each step. */
  readonly between?: (net: AnyNet, optimizer: AnyOptimizer, step: number) => unknown
}

interface Outcome {
  readonly losses: number[]
  readonly correct: number[]
  readonly gradients: (number[] | null)[]
  readonly state: [string, number[]][]
  readonly optimizer: unknown[]
  /** How often the step's JavaScript ran. */
  readonly calls: number
}

/** The same training with and without compileStep. */
async function train(given: Case, isCompiled: boolean): Promise<Outcome> {
  manualSeed(5)
  const net = given.net()
  const optimizer = given.optimizer(net)
  const criterion = new nn.CrossEntropyLoss()
  const [losses, corrects]: number[][] = [[], []]
  let calls = 0
  const body = (inputs: Tensor, labels: Tensor): [Tensor, Tensor] => {
    calls++
    const outputs = net(inputs)
    const loss = criterion(outputs, labels)
    const correct = outputs.max(1).indices.eq(labels).sum()
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return [loss, correct]
  }
  const step = isCompiled ? compileStep(body) : body
  for (let done = 0; done < given.steps;)
    for (const [inputs, labels] of new DataLoader(given.set, { batchSize: given.batchSize, shuffle: true })) {
      await given.between?.(net, optimizer, done)
      const [loss, correct] = step(inputs, labels)
      losses?.push(loss.item())
      corrects?.push(correct.item())
      if (++done === given.steps) break
    }
  const state = [...net.stateDict()].map(([name, x]): [string, number[]] => [name, [...x.toTypedArray()]])
  const saved = [...optimizer.stateDict().state].flatMap(([i, entry]) =>
    Object.entries(entry).map(([name, x]) => [i, name, [...x.toTypedArray()]]),
  )
  const gradients = [...net.parameters()].map(({ grad }) => grad && [...grad.toTypedArray()])
  return { losses: losses ?? [], correct: corrects ?? [], gradients, state, optimizer: saved, calls }
}

/** Compares, and returns how often the compiled step's JavaScript ran. */
async function sameBits(given: Case): Promise<number> {
  const { calls: all, ...expected } = await train(given, false)
  const { calls, ...found } = await train(given, true)
  assert.equal(all, given.steps)
  assert.deepEqual(found, expected)
  assert.ok(expected.losses.every(Number.isFinite))
  return calls
}

const adam = (net: AnyNet): AnyOptimizer => new optim.Adam(net.parameters(), { lr: 0.01 })

/** 100 pictures in batches of 16: six whole batches and one of 4 in an epoch. */
const small = { set: pictures(100, 16), batchSize: 16, steps: 60 } as const
const mixed: Case = { ...small, net: () => new Mixed(), optimizer: adam }

describe('the bits of the step itself', () => {
  test('LeNet, with a short last batch', async () => {
    const calls = await sameBits({
      net: () => new LeNet(3, 4),
      optimizer: adam,
      set: pictures(44, 32),
      batchSize: 8,
      steps: 30,
    })
    assert.ok(calls <= 12, `ran ${calls} times`)
  })

  test('LeNet1, small', async () => {
    const given = { net: () => new LeNet1(3, 4), optimizer: adam, set: pictures(18, 32), batchSize: 4, steps: 15 }
    assert.ok((await sameBits(given)) < 15)
  })

  const optimizers: Readonly<Record<string, (net: AnyNet) => AnyOptimizer>> = {
    SGD: (net) => new optim.SGD(net.parameters(), { lr: 0.01 }),
    'SGD with momentum and decay': (net) =>
      new optim.SGD(net.parameters(), { lr: 0.01, momentum: 0.9, dampening: 0.1, weightDecay: 0.01 }),
    Adam: (net) => new optim.Adam(net.parameters(), { lr: 0.01 }),
    'Adam with decay and AMSGrad': (net) =>
      new optim.Adam(net.parameters(), { lr: 0.01, weightDecay: 0.01, amsgrad: true }),
    AdamW: (net) => new optim.AdamW(net.parameters(), { lr: 0.01 }),
    'two groups': (net) => {
      const [first, ...rest] = net.parameters()
      return new optim.SGD([{ params: first ? [first] : [] }, { params: rest, momentum: 0.5 }], { lr: 0.01 })
    },
  }
  for (const [name, optimizer] of Object.entries(optimizers))
    test(`batch norm, dropout, stride and padding; ${name}`, async () => {
      const calls = await sameBits({ ...mixed, optimizer })
      assert.ok(calls <= 16, `ran ${calls} times`)
    })

  test('more steps than are trusted at a time', async () => {
    const calls = await sameBits({ ...mixed, steps: 260 })
    assert.ok(calls > 10 && calls <= 18, `ran ${calls} times`)
  })
})

describe('what changes between the steps', () => {
  const changing = (between: Case['between'], steps = 60): Promise<number> =>
    sameBits({ ...mixed, steps, ...(between && { between }) })

  test('the learning rate', async () => {
    const calls = await changing((_net, optimizer, step) => {
      for (const group of optimizer.paramGroups) group.lr = 0.01 / (1 + step / 10)
    })
    assert.ok(calls <= 16, `ran ${calls} times`)
  })

  test('another option', async () => {
    await changing((_net, optimizer, step) => {
      for (const group of optimizer.paramGroups) Object.assign(group, { weightDecay: step >= 31 ? 0.1 : 0 })
    })
  })

  test('modes: dropout and batch norm follow', async () => {
    await changing((net, _optimizer, step) => net.train(step < 31))
    await changing((net, _optimizer, step) => {
      if (net instanceof Mixed) net.drop.training = step % 40 < 33
    })
  })

  test('an evaluation in between', async () => {
    const validation = pictures(20, 16, 8)
    const calls = await changing((net, _optimizer, step) =>
      step % 20 === 19 ? evaluateNet(net as Net, validation) : 0,
    )
    assert.ok(calls <= 20, `ran ${calls} times`)
  })

  test('frozen and thawed layers', async () => {
    await changing((net, _optimizer, step) => {
      if (net instanceof Mixed) net.fc1.requiresGrad_(step < 28 || step > 40)
    })
  })

  test('loaded parameters and states, values written into parameters', async () => {
    let saved: Record<string, Tensor> = {}
    await changing((net, optimizer, step) => {
      if (step === 30) {
        saved = Object.fromEntries([...net.stateDict()].map(([name, x]) => [name, x.detach().clone()]))
        optimizer.loadStateDict(optimizer.stateDict())
      }
      if (step === 44) net.loadStateDict(saved)
      if (step === 50 && net instanceof Mixed) net.fc2.bias?.copy_([1, 2, 3, 4])
    })
  })

  test('gradients that are already there', async () => {
    let random = new Generator(1)
    const given: Case = {
      ...mixed,
      between: (net, _optimizer, step) => {
        if (step === 0) random = new Generator(1)
        if (step === 33) net.zeroGrad()
        if (step === 40)
          net(fromArray(random.uniform(new Float32Array(16 * 768)), [16, 3, 16, 16], 'f32'))
            .sum()
            .backward()
      },
    }
    await sameBits(given)
  })

  test('a second optimizer, which moves the parameters', async () => {
    await changing((net, _optimizer, step) => {
      if (step !== 30) return
      const other = new optim.SGD(net.parameters(), { lr: 0.1 })
      net(fromArray(new Float32Array(2 * 768).fill(0.5), [2, 3, 16, 16], 'f32'))
        .square()
        .sum()
        .backward()
      other.step()
    })
  })
})

describe('steps that are not repeated', () => {
  /** Results of so many calls, compiled or not. */
  function results(make: () => (x: Tensor) => readonly Tensor[], isCompiled: boolean, count = 20): number[][] {
    manualSeed(3)
    const body = make()
    const step = isCompiled ? compileStep(body) : body
    return Array.from({ length: count }, (_, i) => {
      const x = fromArray(Float32Array.of(i, 1, 2), [3], 'f32')
      return step(x).flatMap((y) => [...y.toTypedArray()])
    })
  }
  const same = (make: () => (x: Tensor) => readonly Tensor[]): void =>
    assert.deepEqual(results(make, true), results(make, false))

  test('they look at values, count, accumulate gradients, or draw numbers', () => {
    same(() => (x) => [x.mul(x.sum().item())])
    same(() => (x) => [x.mul(2), x.mul(x.toTypedArray()[0] ?? 0)])
    same(() => {
      let calls = 0
      return (x) => [x.mul(++calls)]
    })
    same(() => {
      const random = new Generator(4)
      return (x) => [x.add(fromArray(random.uniform(new Float32Array(3)), [3], 'f32'))]
    })
    same(() => {
      const w = tensor([1, 2, 3], { requiresGrad: true })
      const optimizer = new optim.SGD([w], { lr: 0.1 })
      return (x) => {
        const loss = w.mul(x).sum()
        loss.backward()
        optimizer.step()
        return [loss, w.detach()]
      }
    })
    same(() => {
      let total = tensor(0)
      return (x) => {
        total = total.add(x.sum())
        return [total]
      }
    })
    same(() => (x) => [x, tensor([4])])
  })

  test('arguments that are results of the step itself', () => {
    const chain = (isCompiled: boolean): number[] => {
      const body = (x: Tensor): [Tensor] => [x.mul(1.5).add(1)]
      const step = isCompiled ? compileStep(body) : body
      let x: Tensor = fromArray(new Float32Array(100).fill(1), [100], 'f32')
      for (let i = 0; i < 12; i++) x = step(x)[0]
      return [...x.toTypedArray()]
    }
    assert.deepEqual(chain(true), chain(false))
  })

  test('an error passes, and the next call is right', () => {
    let fail = false
    const step = compileStep((x: Tensor) => {
      if (fail) throw new LenetError('not this time')
      return [x.add(1)]
    })
    const at = (value: number): number => step(tensor([value]))[0].item()
    for (let i = 0; i < 3; i++) assert.equal(at(i), i + 1)
    fail = true
    assert.throws(() => at(3), LenetError)
    fail = false
    for (let i = 0; i < 9; i++) assert.equal(at(i), i + 1)
  })
})

test('inference, with batches of several sizes; results of earlier calls keep their values', () => {
  manualSeed(1)
  const net = new Mixed().eval()
  let calls = 0
  const predict = compileStep((x: Tensor) => {
    calls++
    return [noGrad(() => net(x).softmax(1))]
  })
  const random = new Generator(2)
  const kept: [Tensor, number[]][] = []
  for (let i = 0; i < 40; i++) {
    const n = 1 + (i % 3)
    const x = fromArray(random.uniform(new Float32Array(n * 768)), [n, 3, 16, 16], 'f32')
    const expected = [...noGrad(() => net(x).softmax(1)).toTypedArray()]
    const [found] = predict(x)
    assert.deepEqual([...found.toTypedArray()], expected)
    kept.push([found, expected])
  }
  assert.ok(calls <= 15, `ran ${calls} times`)
  for (const [found, expected] of kept.slice(-1)) assert.deepEqual([...found.toTypedArray()], expected)
})

test('wrong labels of a batch are told, also when the step is repeated', () => {
  manualSeed(1)
  const net = new nn.Linear(3, 2)
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
  const step = compileStep((x: Tensor, labels: Tensor) => {
    const loss = F.crossEntropy(net(x), labels)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return [loss]
  })
  const x = (): Tensor => tensor([[1, 2, 3]])
  for (let i = 0; i < 10; i++) step(x(), tensor([i & 1], { dtype: 'i32' }))
  assert.throws(() => step(x(), tensor([2], { dtype: 'i32' })), /label 2 of picture 0/)
  assert.ok(Number.isFinite(step(x(), tensor([1], { dtype: 'i32' }))[0].item()))
})

test('graphs on old parameters end with a repeated step too', () => {
  manualSeed(1)
  const set = new TensorDataset(fromArray(new Float32Array(96).fill(1), [32, 3], 'f32'), tensor(new Int32Array(32)))
  const net = new nn.Linear(3, 2)
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 })
  const step = compileStep((x: Tensor, labels: Tensor) => {
    const loss = F.crossEntropy(net(x), labels)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return [loss]
  })
  let last: Tensor | null = null
  for (const [x, labels] of new DataLoader(set, { batchSize: 2 })) {
    const doubled = net.weight.mul(2)
    last = step(x, labels)[0]
    assert.throws(() => doubled.toTypedArray(), /optimizer\.step/)
  }
  assert.ok(Number.isFinite(last?.item()))
  assert.throws(() => last?.backward(), LenetError)
})

test('one plan serves the step and its repetitions', () => {
  manualSeed(1)
  const weight = tensor([3, 4, 5, 6, 7, 8, 9], { requiresGrad: true })
  const optimizer = new optim.SGD([weight], { lr: 0.1 })
  const step = compileStep((x: Tensor) => {
    const loss = weight.mul(x).square().sum()
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return [loss]
  })
  step(tensor([1, 1, 1, 1, 1, 1, 1]))
  const plans = allPlans().length
  for (let i = 0; i < 20; i++) step(tensor([1, 1, 1, i, 1, 1, 1])) // [7]
  assert.equal(allPlans().length, plans)
})
