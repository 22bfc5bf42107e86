/** `lenet train --idiom keras` on the real CIFAR-10: events, files, curves, interruption, a user's net. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { decodePicture, pictureSize } from '../../src/data/index.node.js'
import { loadModel } from '../../src/keras/index.node.js'
import { eventsOf, folder, lenet, whyNoCifar10, type Ended } from './run.js'

const skip = await whyNoCifar10()
const keras = ['train', '--idiom', 'keras', '--device', 'wasm', '--threads', '1']
const small = ['--limit-train', '1600', '--limit-test', '200', '--epochs', '2', '--json']
const bytes = (path: string): Buffer => readFileSync(path)
const model = (at: string): string => join(at, 'tf_lenet.h5')

async function train(...args: string[]): Promise<{ at: string; ended: Ended; events: Record<string, unknown>[] }> {
  const at = folder()
  const ended = await lenet([...keras, ...small, '--out', at, ...args])
  assert.equal(ended.code, 0, ended.stderr)
  return { at, ended, events: eventsOf(ended.stdout) }
}

describe('lenet train --idiom keras on CIFAR-10', { skip }, () => {
  test('tells its events, validates each epoch, and saves what Keras opens', async () => {
    const at = folder()
    const args = [...keras, '--limit-train', '4800', '--limit-test', '200', '--epochs', '1', '--batch-size', '8']
    const { code, stdout, stderr } = await lenet([...args, '--json', '--out', at])
    assert.deepEqual([code, stderr], [0, ''])
    const [log, epoch, done, ...more] = eventsOf(stdout)
    assert.deepEqual(more, [])
    assert.deepEqual([log?.['event'], log?.['epoch'], log?.['batch']], ['log', 1, 500])
    assert.ok(Number(log?.['loss']) > 1 && Number(log?.['loss']) < 2.4)
    assert.deepEqual([epoch?.['event'], epoch?.['epoch']], ['epoch', 1])
    assert.equal(epoch?.['valAccuracy'], done?.['testAccuracy'])
    assert.equal(typeof epoch?.['valLoss'], 'number')
    for (const name of ['trainAccuracy', 'seconds', 'medianStepMs']) assert.ok(Number(done?.[name]) > 0, name)
    assert.deepEqual([done?.['device'], done?.['threads'], done?.['model']], ['wasm', 1, model(at)])
    const saved = await loadModel(model(at))
    assert.equal(saved.countParams(), 62_006)
    assert.equal(saved.optimizer?.iterations, 600)
  })

  test("without --json: the article's lines, and pictures of the curves", async () => {
    const at = folder()
    const args = ['--limit-train', '320', '--limit-test', '64', '--epochs', '2', '--out', at]
    const { code, stdout, stderr } = await lenet([...keras, ...args])
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^\(320, 32, 32, 3\) \(320, 1\) \(64, 32, 32, 3\) \(64, 1\)$/m)
    assert.match(stdout, /^Model: "sequential"$/m)
    assert.match(stdout, /^Epoch 2\/2\n10\/10 ━{20} [^\n]*accuracy: 0\.\d{4} - loss: [^\n]*val_accuracy: /m)
    assert.match(stdout, /^Train Accuracy: [\d.]+%, Test Accuracy: [\d.]+%$/m)
    assert.ok(stdout.includes(`curves: ${join(at, 'curves.png')}`))
    assert.match(readFileSync(join(at, 'curves.svg'), 'utf8'), /^<svg[\s\S]*tf_lenet, 2 epochs[\s\S]*>Accuracy</)
    const png = bytes(join(at, 'curves.png'))
    assert.deepEqual(await pictureSize(png, 'curves.png'), { width: 1920, height: 760 })
    const pixels = await decodePicture(png, { width: 1920, height: 760, channels: 3 })
    assert.ok(pixels.filter((value) => value < 100).length > 5000, 'there are letters')
  })

  test('the same seed gives the same file, another seed another', async () => {
    const [a, b, c] = await Promise.all([train('--seed', '5'), train('--seed', '5'), train('--seed', '6')])
    assert.deepEqual(bytes(model(a.at)), bytes(model(b.at)))
    assert.notDeepEqual(bytes(model(a.at)), bytes(model(c.at)))
  })

  test("optimizers have Keras' defaults; LeNet1 has its own file", async () => {
    const { events, at } = await train('--model', 'lenet1', '--optimizer', 'sgd', '--epochs', '1')
    const path = join(at, 'tf_lenet1.h5')
    assert.equal(events.at(-1)?.['model'], path)
    const saved = await loadModel(path)
    assert.deepEqual([saved.optimizer?.className, saved.optimizer?.learningRate], ['SGD', Math.fround(0.01)])
  })

  test('Ctrl-C saves and says how to go on; the resumed run ends with the same bits', async () => {
    const at = folder()
    const limits = ['--limit-train', '8000', '--limit-test', '100', '--epochs', '2', '--batch-size', '8', '--json']
    const full = folder()
    const whole = await lenet([...keras, ...limits, '--out', full])
    const kill = { after: '"event":"epoch"', signal: 'SIGINT' } as const
    const stopped = await lenet([...keras, ...limits, '--out', at], { kill })
    assert.equal(stopped.code, 130)
    assert.equal(existsSync(model(at)), false)
    const [, command = ''] = stopped.stderr.split('go on with: lenet ')
    assert.ok(stopped.stderr.startsWith(`lenet: stopped; the weights so far are in ${join(at, 'checkpoint.pth')}; `))
    const resumed = await lenet(command.trim().split(' '))
    assert.equal(resumed.code, 0, resumed.stderr)
    assert.deepEqual(bytes(model(at)), bytes(model(full)))
    for (const name of ['checkpoint.pth', 'curves.svg'])
      assert.deepEqual(bytes(join(at, name)), bytes(join(full, name)))
    const last = (text: string): unknown => eventsOf(text).findLast((e) => e['event'] === 'log')
    assert.deepEqual(last(resumed.stdout), last(whole.stdout))
    const other = await lenet(['train', ...limits, '--resume', at])
    assert.equal(other.code, 2)
    assert.match(other.stderr, /was made with --idiom keras, not torch/)
  })

  test("a user's function trains; what gives no model is refused", async () => {
    const at = folder()
    const net = (body: string): string => `import { layers, sequential } from 'lenet/keras'
export default (channels: number, classes: number) => ${body}
`
    const good = `sequential([layers.conv2d(4, 5, { strides: 4, inputShape: [32, 32, channels] }), layers.flatten(), layers.dense(classes)])`
    writeFileSync(join(at, 'mine.ts'), net(good))
    writeFileSync(join(at, 'bad.ts'), net('channels + classes'))
    const { at: out } = await train('--model', join(at, 'mine.ts'), '--epochs', '1')
    assert.ok(existsSync(join(out, 'tf_mine.h5')))
    const bad = await lenet([...keras, '--model', join(at, 'bad.ts'), ...small, '--out', folder()])
    assert.equal(bad.code, 1)
    assert.match(bad.stderr, /^lenet: --model [^\n]*bad\.ts: its function must give a model of lenet\/keras[^\n]*\n$/)
  })
})
