/** The command line on the real CIFAR-10: events, files, interruption, a user's net. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { describe, test } from 'node:test'
import { decodePicture, fetchCifar10 } from '../../src/data/index.node.js'
import { eventsOf, folder, lenet, whyNoCifar10, type Ended } from './run.js'

const small = ['--limit-train', '1600', '--limit-test', '200', '--epochs', '2', '--json']
const skip = await whyNoCifar10()

const bytes = (path: string): Buffer => readFileSync(path)
const model = (at: string): string => join(at, 'torch_lenet.pth')

async function train(...args: string[]): Promise<{ at: string; ended: Ended; events: Record<string, unknown>[] }> {
  const at = folder()
  const ended = await lenet(['train', ...small, '--out', at, ...args])
  return { at, ended, events: eventsOf(ended.stdout) }
}

/** One small run that several tests look at; what they do to its folder leaves its files as they are. */
let firstRun: ReturnType<typeof train> | undefined
const trained = (): ReturnType<typeof train> => (firstRun ??= train())

describe('lenet train on CIFAR-10', { skip }, () => {
  test('tells its events, one a line, and nothing else', async () => {
    const at = folder()
    const args = ['--limit-train', '16000', '--limit-test', '300', '--epochs', '1', '--out', at, '--json', '--validate']
    const { code, stdout, stderr } = await lenet(['train', ...args, '--device', 'wasm', '--threads', '1'])
    assert.equal(code, 0, stderr)
    assert.equal(stderr, '')
    const [log, epoch, done, ...more] = eventsOf(stdout)
    assert.deepEqual(more, [])
    assert.deepEqual([log?.['event'], log?.['epoch'], log?.['batch']], ['log', 1, 500])
    assert.deepEqual([epoch?.['event'], epoch?.['epoch']], ['epoch', 1])
    // 500 batches are the whole epoch here: the means are the same
    assert.ok(Math.abs(Number(log?.['loss']) - Number(epoch?.['loss'])) < 1e-9)
    assert.equal(log?.['accuracy'], epoch?.['accuracy'])
    assert.equal(epoch?.['valAccuracy'], done?.['testAccuracy'])
    for (const name of ['trainAccuracy', 'testAccuracy', 'seconds', 'medianStepMs', 'threads'])
      assert.equal(typeof done?.[name], 'number', name)
    assert.ok(Number(done?.['trainAccuracy']) > 0.3 && Number(done?.['trainAccuracy']) < 1)
    assert.deepEqual([done?.['device'], done?.['threads']], ['wasm', 1])
    assert.equal(done?.['model'], model(at))
    assert.ok(isAbsolute(String(done?.['model'])))
  })

  test('the same seed gives the same file, another seed another', async () => {
    const [a, b, c] = await Promise.all([train('--seed', '5'), train('--seed', '5'), train('--seed', '6')])
    assert.deepEqual(bytes(model(a.at)), bytes(model(b.at)))
    assert.notDeepEqual(bytes(model(a.at)), bytes(model(c.at)))
  })

  test('native code, WebAssembly and any number of threads give the same file', async (t) => {
    const { native } = JSON.parse((await lenet(['doctor', '--json'])).stdout) as { native: { reason?: string } }
    if (native.reason !== undefined) return t.skip(`no native code here: ${native.reason}`)
    const [a, b] = await Promise.all([train('--device', 'native', '--threads', '1'), train('--device', 'wasm')])
    const done = a.events.at(-1)
    assert.deepEqual([a.ended.code, done?.['device'], done?.['threads']], [0, 'native', 1])
    assert.equal(b.events.at(-1)?.['threads'], availableParallelism())
    assert.deepEqual(bytes(model(a.at)), bytes(model(b.at)))
  })

  test('without a compiler: one notice, and training goes on', async (t) => {
    if (process.platform === 'win32') return t.skip('a PATH of links')
    const { folder: data } = await fetchCifar10({ warn: () => {} })
    // long enough for the compiler to be looked for
    const env = { PATH: folder(), CC: '' }
    const args = [
      '--limit-train',
      '24000',
      '--limit-test',
      '200',
      '--epochs',
      '1',
      '--data-dir',
      data,
      '--out',
      folder(),
    ]
    const plain = await lenet(['train', ...args], { env })
    assert.equal(plain.code, 0)
    assert.match(plain.stderr, /^lenet: no native code: no C compiler was found[^\n]*; WebAssembly goes on$/m)
    assert.match(plain.stdout, / on device wasm, /)
    const { code, stdout, stderr } = await lenet(['train', ...args, '--json'], { env })
    assert.deepEqual([code, stderr], [0, ''])
    assert.equal(eventsOf(stdout).filter(({ event }) => event === 'notice').length, 1)
  })

  test('evaluate finds the accuracy that training told', async () => {
    const { at, events } = await trained()
    const done = events.at(-1)
    const { stdout } = await lenet(['evaluate', model(at), '--limit-test', '200', '--json'])
    const [found] = eventsOf(stdout)
    assert.deepEqual(
      [found?.['event'], found?.['testAccuracy'], found?.['count']],
      ['done', done?.['testAccuracy'], 200],
    )
    const again = await lenet(['evaluate', join(at, 'checkpoint.pth'), '--limit-test', '200', '--json'])
    assert.equal(eventsOf(again.stdout)[0]?.['testAccuracy'], done?.['testAccuracy'])
  })

  const limits = ['--limit-train', '8000', '--limit-test', '200', '--epochs', '2', '--batch-size', '8', '--json']
  let uninterrupted: Promise<{ at: string; ended: Ended }> | undefined
  const whole = async (): Promise<{ at: string; ended: Ended }> => {
    const at = folder()
    return { at, ended: await lenet(['train', ...limits, '--out', at]) }
  }
  for (const [signal, code, after] of [
    ['SIGINT', 130, '"batch":500'],
    ['SIGTERM', 143, '"event":"epoch"'],
  ] as const)
    test(`${signal} saves and says how to go on; the resumed run ends with the same bits`, async () => {
      const full = (uninterrupted ??= whole())
      const at = folder()
      const kill = { after, signal }
      const stopped = await lenet(['train', ...limits, '--out', at], { kill })
      assert.equal(stopped.code, code)
      const checkpoint = join(at, 'checkpoint.pth')
      const message = `lenet: stopped; the weights so far are in ${checkpoint}; go on with: lenet `
      assert.ok(stopped.stderr.startsWith(message), stopped.stderr)
      assert.equal(existsSync(model(at)), false)
      const words = stopped.stderr.slice(message.length).trimEnd().split(' ')
      assert.deepEqual(words, ['train', ...limits, '--resume', at])
      const resumed = await lenet(words)
      assert.equal(resumed.code, 0, resumed.stderr)
      const { at: other, ended } = await full
      assert.deepEqual(bytes(model(at)), bytes(model(other)))
      assert.deepEqual(bytes(checkpoint), bytes(join(other, 'checkpoint.pth')))
      assert.deepEqual(bytes(join(at, 'curves.svg')), bytes(join(other, 'curves.svg')), 'of all epochs')
      const last = (text: string): unknown[] =>
        eventsOf(text)
          .filter((e) => e['event'] === 'log')
          .slice(-2)
      assert.deepEqual(last(resumed.stdout), last(ended.stdout))
    })

  test('a signal during the evaluation leaves the model, and says where it is', async () => {
    const at = folder()
    const args = ['train', '--limit-train', '9600', '--epochs', '1', '--out', at, '--json']
    const { code, stdout, stderr } = await lenet(args, { kill: { after: '"event":"epoch"', signal: 'SIGINT' } })
    assert.equal(code, 130)
    assert.doesNotMatch(stdout, /"done"/)
    assert.match(stderr, /^lenet: stopped before the evaluation's end: the model is [^\n]*torch_lenet\.pth\n$/)
    const { code: found } = await lenet(['summary', model(at)])
    assert.equal(found, 0)
  })

  test('resuming a run that was done evaluates it again', async () => {
    const { at, events } = await trained()
    const again = await lenet(['train', ...small, '--resume', at])
    assert.equal(again.code, 0, again.stderr)
    const [done, ...more] = eventsOf(again.stdout)
    assert.deepEqual(more, [])
    assert.equal(done?.['testAccuracy'], events.at(-1)?.['testAccuracy'])
  })

  test('resuming with other flags, or from nothing, is refused', async () => {
    const { at } = await trained()
    const other = await lenet(['train', ...small, '--resume', at, '--lr', '0.5'])
    assert.equal(other.code, 2)
    assert.match(other.stderr, /was made with --lr 0\.001, not 0\.5; give the same flags/)
    const nothing = await lenet(['train', ...small, '--resume', folder()])
    assert.equal(nothing.code, 1)
    assert.match(nothing.stderr, /checkpoint\.pth/)
  })

  test('a loss that is no number stops the training and keeps the last good checkpoint', async () => {
    const { at } = await trained()
    const [before, checkpoint] = [bytes(model(at)), bytes(join(at, 'checkpoint.pth'))]
    const { code, stderr } = await lenet(['train', ...small, '--out', at, '--optimizer', 'sgd', '--lr', '1e30'])
    assert.equal(code, 1)
    assert.match(stderr, /^lenet: the loss is (NaN|Infinity) at epoch 1, batch \d+: .*--lr\n$/)
    assert.deepEqual([bytes(model(at)), bytes(join(at, 'checkpoint.pth'))], [before, checkpoint])
  })

  test('a folder that cannot be written is named', async () => {
    const at = join(folder(), 'file')
    writeFileSync(at, '')
    const { code, stderr } = await lenet(['train', ...small, '--out', join(at, 'runs')])
    assert.equal(code, 1)
    assert.match(stderr, /^lenet: [^\n]*file\/runs[^\n]*\n$/)
  })

  test("a user's net trains; a shape error in it names the layer", async () => {
    const at = folder()
    const net = (size: number): string => `import { F, nn, type Tensor } from 'lenet'
export default class Mine extends nn.Module {
  conv: nn.Conv2d
  fc: nn.Linear
  constructor(channels: number, classes: number) {
    super()
    this.conv = new nn.Conv2d(channels, 4, 3, { stride: 2, padding: 1 })
    this.fc = new nn.Linear(${size}, classes)
  }
  forward(x: Tensor): Tensor {
    return this.fc(F.maxPool2d(F.relu(this.conv(x)), 2).flatten(1))
  }
}
`
    writeFileSync(join(at, 'good.ts'), net(256))
    writeFileSync(join(at, 'bad.ts'), net(100))
    const good = await lenet(['train', '--model', join(at, 'good.ts'), ...small, '--out', at])
    assert.equal(good.code, 0, good.stderr)
    assert.equal(eventsOf(good.stdout).at(-1)?.['model'], join(at, 'torch_good.pth'))
    const bad = await lenet(['train', '--model', join(at, 'bad.ts'), ...small, '--out', at])
    assert.equal(bad.code, 1)
    assert.match(bad.stderr, /fc \(Linear\(in_features=100.*256/)
  })

  test('samples writes a picture that shows something, and names it', async () => {
    const at = join(folder(), 'new', 'pictures.png')
    const { code, stdout, stderr } = await lenet(['samples', '--out', at, '--json'])
    assert.deepEqual([code, stderr], [0, ''])
    assert.deepEqual(eventsOf(stdout), [{ event: 'done', picture: at }])
    const pixels = await decodePicture(at, { width: 816, height: 108, channels: 3 })
    assert.ok(new Set(pixels).size > 100)
    const refused = await lenet(['samples', '--out', folder(), '--json'])
    assert.deepEqual([refused.code, refused.stdout], [1, ''])
    assert.match(refused.stderr, /^lenet: cannot write [^\n]+: it is a folder[^\n]*\n$/)
    const told = await lenet(['samples', '--out', at])
    assert.match(told.stdout, /torch\.Size\(\[8, 3, 32, 32\]\)/)
    assert.match(told.stdout, /( +(plane|car|bird|cat|deer|dog|frog|horse|ship|truck)){8}\n/)
  })

  test('start shows samples, net, parameters and results', async () => {
    const at = folder()
    const { code, stdout } = await lenet(['start', ...small.slice(0, -1), '--out', at])
    assert.equal(code, 0)
    for (const task of [
      'get the data',
      'show sample pictures',
      'create the model',
      'show the parameters',
      'train the model',
      'save and load the model',
      'evaluate the model',
    ])
      assert.match(
        stdout,
        new RegExp(`INFO: start ${task}\\n[^]*INFO: finish ${task} \\[elapsed time: \\d+\\.\\d\\d seconds\\]`),
      )
    assert.match(stdout, /\n10\ntorch\.Size\(\[6, 3, 5, 5\]\)\ntorch\.Size\(\[6\]\)\n/)
    assert.match(stdout, /Train Accuracy: \d+\.\d%, Test Accuracy: \d+\.\d%/)
    const size = { width: 816, height: 108, channels: 3 } as const
    const pixels = await decodePicture(join(at, 'samples.png'), size)
    assert.ok(new Set(pixels).size > 100, 'the picture shows something')
  })
})
