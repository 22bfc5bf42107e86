/** `lenet compare` on a few pictures of the real CIFAR-10, and the weights that go from one idiom to the other. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { giveWeights } from '../../src/cli/compareRuns.js'
import { LeNet, LeNet1, lenet1Keras, lenetKeras } from '../../src/models/index.js'
import { manualSeed, rand } from '../../src/tensor/index.js'
import { eventsOf, folder, lenet, whyNoCifar10 } from './run.js'

test("a model in Keras' idiom with PyTorch's weights gives PyTorch's logits", async () => {
  manualSeed(3)
  const pairs = [
    [new LeNet(3, 10), lenetKeras(3, 10)],
    [new LeNet1(3, 10), lenet1Keras(3, 10)],
  ] as const
  for (const [net, model] of pairs) {
    giveWeights(model, net)
    const x = rand([2, 3, 32, 32]).realize()
    const found = await model.predict(x.permute(0, 2, 3, 1).realize(), { verbose: 0 })
    const wanted = net(x).toTypedArray()
    found.toTypedArray().forEach((value, i) => assert.ok(Math.abs(value - (wanted[i] ?? NaN)) < 1e-6))
  }
})

const args = ['compare', '--epochs', '1', '--limit-train', '320', '--limit-test', '64', '--device', 'wasm']

describe('lenet compare on CIFAR-10', { skip: await whyNoCifar10() }, () => {
  test('ten trainings, a table, a JSON file and a picture', async () => {
    const at = folder()
    const { code, stdout, stderr } = await lenet([...args, '--out', at])
    assert.equal(code, 0, stderr)
    assert.equal(stdout.match(/INFO: \d+\/10 lenet/g)?.length, 10)
    assert.match(stdout, /about \d+s left$/m)
    assert.match(stdout, /^net +idiom +first weights .*the article \(GPU\)$/m)
    assert.match(stdout, /Which default explains which difference/)
    assert.match(stdout, /Adam beside SGD/)
    for (const name of ['compare.json', 'compare.png', 'compare.svg']) assert.ok(existsSync(join(at, name)), name)
    const { runs } = JSON.parse(readFileSync(join(at, 'compare.json'), 'utf8')) as {
      runs: { idiom: string; like: string[]; parameters: number; firstLoss: number }[]
    }
    assert.deepEqual(new Set(runs.map(({ parameters }) => parameters)), new Set([62_006, 122_570]))
    const all = runs.find(({ like }) => like.length === 4)
    const [torch, keras] = runs
    const loss = (run = all): number => run?.firstLoss ?? NaN
    assert.ok(Math.abs(loss(all) - loss(torch)) < 1e-5, 'the idioms differ in these four defaults and in nothing else')
    assert.ok(Math.abs(loss(keras) - loss(torch)) > 1e-4)
  })

  test('with --json: events with the name of their training; the same seed gives the same figures', async () => {
    const [a, b] = await Promise.all([0, 1].map(() => lenet([...args, '--out', folder(), '--json', '--seed', '4'])))
    const accuracies = (text = ''): unknown[] =>
      eventsOf(text)
        .filter(({ event }) => event === 'run')
        .map(({ run, trainAccuracy, testAccuracy }) => [run, trainAccuracy, testAccuracy])
    const events = eventsOf(a?.stdout ?? '')
    assert.equal(a?.stderr, '')
    assert.deepEqual(
      [events[0]?.['event'], events[0]?.['run'], events.at(-1)?.['event']],
      ['epoch', 'lenet torch', 'done'],
    )
    assert.equal(accuracies(a?.stdout).length, 10)
    assert.deepEqual(accuracies(a?.stdout), accuracies(b?.stdout))
  })

  test('Ctrl-C ends it and leaves nothing', async () => {
    const at = folder()
    const kill = { after: '"event":"run"', signal: 'SIGINT' } as const
    const { code, stderr } = await lenet([...args, '--limit-train', '6400', '--out', at, '--json'], { kill })
    assert.equal(code, 130)
    assert.match(
      stderr,
      /^lenet: stopped before the comparison's end: \d of 10 trainings were done, nothing is written\n$/,
    )
    assert.equal(existsSync(join(at, 'compare.json')), false)
  })
})
