/** Optimizers and schedulers step by step against PyTorch and Keras (test/oracle/optim.json), and going on from a state. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { optim } from '../../src/nn/index.js'
import { tensor, type Tensor } from '../../src/tensor/index.js'
import { readOracle } from '../oracle/cases.js'

type Options = Readonly<Record<string, number | boolean | string>>

interface OptimizerCase {
  readonly name: 'RMSprop' | 'Adagrad' | 'AdamW'
  readonly options: Options
  readonly steps: readonly (readonly number[])[]
  readonly state: Readonly<Record<string, readonly number[]>> | null
}

type SchedulerName = 'StepLR' | 'MultiStepLR' | 'ExponentialLR' | 'CosineAnnealingLR' | 'ReduceLROnPlateau'

interface Oracle {
  readonly start: number[]
  readonly gradients: readonly number[][]
  readonly metrics: readonly number[]
  readonly optimizers: readonly OptimizerCase[]
  readonly schedulers: readonly {
    readonly name: SchedulerName
    readonly arguments: readonly unknown[]
    readonly rates: readonly number[]
  }[]
}

const oracle = readOracle('optim.json') as Oracle

function near(found: ArrayLike<number>, expected: readonly number[], tolerance: number, what: string): void {
  assert.equal(found.length, expected.length, what)
  expected.forEach((value, i) => {
    const far = Math.abs((found[i] ?? Number.NaN) - value)
    assert.ok(far <= tolerance * Math.max(1, Math.abs(value)), `${what}: ${found[i]}, expected ${value}`)
  })
}

const { Adagrad, AdamW, RMSprop } = optim
const makers = { Adagrad, AdamW, RMSprop }
const make = ({ name, options }: OptimizerCase, w: Tensor) => new makers[name]([w], options)

/** One step with the gradient that is given. */
function step(optimizer: ReturnType<typeof make>, w: Tensor, gradient: number[]): void {
  optimizer.zeroGrad()
  w.mul(tensor(gradient)).sum().backward()
  optimizer.step()
}

describe('eight steps as PyTorch and Keras', () => {
  for (const entry of oracle.optimizers)
    test(`${entry.name} ${JSON.stringify(entry.options)}`, () => {
      const w = tensor(oracle.start, { requiresGrad: true })
      const optimizer = make(entry, w)
      entry.steps.forEach((expected, i) => {
        step(optimizer, w, oracle.gradients[i]!)
        near(w.toTypedArray(), expected, 2e-6, `step ${i}`)
      })
      const state = optimizer.stateDict().state.get(0) ?? {}
      for (const [name, expected] of Object.entries(entry.state ?? {}))
        near(state[name]!.toTypedArray(), expected, 2e-6, name)
      if (entry.state) assert.deepEqual(Object.keys(state).sort(), Object.keys(entry.state).sort())
    })
})

describe('four steps, a saved state, and four more are eight steps', () => {
  for (const entry of oracle.optimizers)
    test(`${entry.name} ${JSON.stringify(entry.options)}`, () => {
      const first = tensor(oracle.start, { requiresGrad: true })
      const optimizer = make(entry, first)
      for (const gradient of oracle.gradients.slice(0, 4)) step(optimizer, first, gradient)
      const w = tensor([...first.toTypedArray()], { requiresGrad: true })
      const again = make({ ...entry, options: {} }, w)
      again.loadStateDict(optimizer.stateDict())
      for (const gradient of oracle.gradients.slice(4)) {
        step(optimizer, first, gradient)
        step(again, w, gradient)
      }
      assert.deepEqual(w.toArray(), first.toArray())
    })
})

/** A scheduler by name; the oracle's arguments are those of its constructor. */
function schedulerOf(name: SchedulerName, optimizer: optim.SGD, list: readonly unknown[]) {
  const [first, second] = list
  const { lrScheduler } = optim
  if (name === 'ReduceLROnPlateau')
    return new lrScheduler.ReduceLROnPlateau(optimizer, first as optim.lrScheduler.PlateauOptions)
  if (name === 'MultiStepLR') return new lrScheduler.MultiStepLR(optimizer, first as number[], second as number)
  const { StepLR, ExponentialLR, CosineAnnealingLR } = lrScheduler
  if (name === 'ExponentialLR') return new ExponentialLR(optimizer, first as number)
  if (name === 'StepLR') return new StepLR(optimizer, first as number, second as number)
  return new CosineAnnealingLR(optimizer, first as number, second as number | undefined)
}

describe('learning rates as PyTorch', () => {
  for (const entry of oracle.schedulers)
    test(`${entry.name} ${JSON.stringify(entry.arguments)}`, () => {
      const made = () => {
        const optimizer = new optim.SGD([tensor([1], { requiresGrad: true })], { lr: 0.4 })
        return { optimizer, scheduler: schedulerOf(entry.name, optimizer, entry.arguments) }
      }
      let { optimizer, scheduler } = made()
      entry.rates.forEach((rate, i) => {
        if (i === 6) {
          const [old, state] = [optimizer, scheduler.stateDict()]
          ;({ optimizer, scheduler } = made())
          optimizer.loadStateDict(old.stateDict())
          scheduler.loadStateDict(state)
        }
        scheduler.step(oracle.metrics[i]!)
        near(scheduler.getLastLr(), [rate], 1e-9, `step ${i}`)
      })
    })

  test('LambdaLR takes a function of the steps done', () => {
    const optimizer = new optim.SGD([tensor([1], { requiresGrad: true })], { lr: 0.4 })
    const scheduler = new optim.lrScheduler.LambdaLR(optimizer, (epoch) => (epoch + 1) / 4)
    assert.deepEqual(scheduler.getLastLr(), [0.1])
    scheduler.step()
    assert.deepEqual(scheduler.getLastLr(), [0.2])
  })
})

test('wrong options are told', () => {
  const w = tensor([1], { requiresGrad: true })
  assert.throws(() => new optim.RMSprop([w], { alpha: -1 }), /RMSprop: alpha must be 0 or more, got -1/)
  const other: object = { formula: 'jax' }
  assert.throws(() => new optim.Adagrad([w], other), /Adagrad: formula must be 'torch' or 'keras', got 'jax'/)
  const optimizer = new optim.SGD([w])
  assert.throws(
    () => new optim.lrScheduler.StepLR(optimizer, 0),
    /StepLR: stepSize must be a whole number of 1 or more/,
  )
  assert.throws(() => new optim.lrScheduler.ReduceLROnPlateau(optimizer, { factor: 1 }), /factor must be in \[0, 1\)/)
  const scheduler = new optim.lrScheduler.ExponentialLR(optimizer, 0.5)
  assert.throws(
    () => scheduler.loadStateDict({ base_lrs: [1, 2], last_epoch: 0 }),
    /expected rates of 1 parameter groups, found 2/,
  )
})

test('very small sums of squares become 0', () => {
  const w = tensor([1], { requiresGrad: true })
  const optimizer = new optim.RMSprop([w], { alpha: 0.5 })
  for (let i = 0; i < 4; i++) step(optimizer, w, [i === 0 ? 2e-19 : 0])
  assert.equal(optimizer.stateDict().state.get(0)?.['square_avg']?.item(), 0)
})
