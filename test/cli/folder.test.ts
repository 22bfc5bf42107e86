/** A folder of pictures, from training to a converted file: the names of the classes go all the way, in both idioms. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { encodePng } from '../../src/data/index.node.js'
import { readPth } from '../../src/formats/index.js'
import { eventsOf, folder, lenet } from './run.js'

const at = folder()
const file = (name: string): string => join(at, name)

/** Red and blue pictures that differ a little. */
for (const [name, channel] of [
  ['blue', 2],
  ['red', 0],
] as const)
  for (let i = 0; i < 20; i++) {
    const rgb = Uint8Array.from({ length: 3 * 32 * 32 }, (_, k) => (k % 3 === channel ? 200 + i : (k * i) % 40))
    mkdirSync(file(`colours/${name}`), { recursive: true })
    writeFileSync(file(`colours/${name}/${i}.png`), await encodePng(rgb, 32, 32))
  }

/** Class names by pictures, and where they come from. */
async function predicted(model: string): Promise<unknown[]> {
  const { code, stdout, stderr } = await lenet(['predict', model, 'colours/red/3.png', 'colours/blue', '--json'], {
    cwd: at,
  })
  assert.equal(code, 0, stderr)
  const events = eventsOf(stdout)
  const best = events.flatMap(({ event, top }) =>
    event === 'prediction' ? [(top as { class: string }[])[0]?.class] : [],
  )
  assert.deepEqual([best.length, events.at(-1)?.['classes']], [21, model])
  return [...new Set(best)]
}

for (const [idiom, model] of [
  ['torch', 'torch_lenet.pth'],
  ['keras', 'tf_lenet.h5'],
] as const)
  test(`${idiom}: lenet train --data FOLDER, then predict and convert without other flags`, async () => {
    const args = ['--data', 'colours', '--epochs', '8', '--batch-size', '8', '--lr', '0.003', '--device', 'wasm']
    const { code, stderr } = await lenet(['train', '--idiom', idiom, ...args, '--out', idiom], { cwd: at })
    assert.equal(code, 0, stderr)
    assert.deepEqual(await predicted(join(idiom, model)), ['red', 'blue'])
    for (const next of [`${idiom}.onnx`, `${idiom}.keras`]) {
      const converted = await lenet(['convert', join(idiom, model), next], { cwd: at })
      assert.equal(converted.code, 0, converted.stderr)
      assert.deepEqual(await predicted(next), ['red', 'blue'], next)
    }
  })

test('a second run says what it replaces, one that goes on does not', async () => {
  const args = [
    'train',
    '--data',
    'colours',
    '--epochs',
    '1',
    '--batch-size',
    '8',
    '--device',
    'wasm',
    '--out',
    'again',
  ]
  const run = (...more: string[]) => lenet([...args, ...more], { cwd: at })
  const first = await run()
  assert.doesNotMatch(first.stdout, /replaces/, first.stderr)
  const second = await run('--validate')
  const line = /INFO: replaces again\/torch_lenet\.pth of \d\d:\d\d \(1 epoch, \d+\.\d % in training\)\n/
  assert.match(second.stdout, line)
  assert.equal(second.stdout.match(/replaces/g)?.length, 1)
  assert.match((await run()).stdout, /replaces again\/torch_lenet\.pth of [^(]*\(1 epoch, \d+\.\d % test\)/)
  rmSync(file('again/torch_lenet.pth'))
  assert.match((await run()).stdout, /replaces again\/checkpoint\.pth of .*; --resume goes on with it instead/)
  assert.doesNotMatch((await lenet([...args.slice(0, -2), '--resume', 'again'], { cwd: at })).stdout, /replaces/)
  assert.ok(eventsOf((await run('--json')).stdout).every(({ event }) => event === 'epoch' || event === 'done'))
})

test('the .pth is a bare state dict all the same', () => {
  const { whole } = readPth(readFileSync(file('torch/torch_lenet.pth')), 'torch_lenet.pth')
  assert.ok(whole instanceof Map)
  assert.deepEqual(
    [...whole.keys()],
    ['conv1', 'conv2', 'fc1', 'fc2', 'fc3'].flatMap((layer) => [`${layer}.weight`, `${layer}.bias`]),
  )
})

const epochLine =
  /^epoch (\d+)\/2: loss: (\d+\.\d{3}), accuracy: (\d+\.\d)(?:, validation loss: (\d+\.\d{3}), validation accuracy: (\d+\.\d))? \[\d+\.\d\d seconds\]$/gm

/** A training of two epochs: its lines, and the events of the same with --json. */
async function told(...more: string[]): Promise<{ stdout: string; events: Record<string, unknown>[] }> {
  const args = ['train', '--epochs', '2', '--device', 'wasm', '--out', 'told', ...more]
  const { code, stdout, stderr } = await lenet(args, { cwd: at })
  assert.equal(code, 0, stderr)
  return { stdout, events: eventsOf((await lenet([...args, '--json'], { cwd: at })).stdout) }
}

test('a line an epoch, with the figures of the events', async () => {
  for (const validate of [[], ['--validate']]) {
    const { stdout, events } = await told('--data', 'colours', '--batch-size', '8', ...validate)
    const percent = (share: unknown): string => (100 * Number(share)).toFixed(1)
    const expected = events.flatMap(({ event, epoch, loss, accuracy, valLoss, valAccuracy }) => {
      if (event !== 'epoch') return []
      const validated =
        validate.length > 0 ? [Number(valLoss).toFixed(3), percent(valAccuracy)] : [undefined, undefined]
      return [[String(epoch), Number(loss).toFixed(3), percent(accuracy), ...validated]]
    })
    assert.equal(expected.length, 2)
    assert.deepEqual(
      Array.from(stdout.matchAll(epochLine), ([, ...figures]) => figures),
      expected,
    )
  }
})

test("an epoch of 500 batches and more has the article's lines alone, and with --validate its own too", async () => {
  for (const [name, byte] of [
    ['dark', 30],
    ['light', 200],
  ] as const) {
    const png = await encodePng(new Uint8Array(3 * 32 * 32).fill(byte), 32, 32)
    mkdirSync(file(`many/${name}`), { recursive: true })
    for (let i = 0; i < 320; i++) writeFileSync(file(`many/${name}/${i}.png`), png)
  }
  const log = /^\[[12], {3}500\] loss: \d\.\d{3}, accuracy: \d+\.\d$/gm
  for (const [more, lines] of [
    [[], 0],
    [['--validate'], 2],
  ] as const) {
    const { stdout } = await told('--data', 'many', '--batch-size', '1', ...more)
    assert.equal(stdout.match(log)?.length, 2)
    assert.equal([...stdout.matchAll(epochLine)].length, lines)
  }
})

/** Nets that take MiB a picture. */
const nets = {
  torch: `import { nn } from '${fileURLToPath(new URL('../../src/index.js', import.meta.url))}'
export class Wide extends nn.Sequential {
  constructor(channels: number, classes: number) {
    super(new nn.Conv2d(channels, 256, 3, { padding: 1 }), new nn.BatchNorm2d(256), new nn.ReLU(),
      new nn.Conv2d(256, 256, 3, { padding: 1 }), new nn.AdaptiveAvgPool2d(1), new nn.Flatten(), new nn.Linear(256, classes))
  }
}`,
  keras: `import { layers, sequential } from '${fileURLToPath(new URL('../../src/keras/index.node.js', import.meta.url))}'
export const wide = (channels: number, classes: number) => sequential([layers.inputLayer({ shape: [32, 32, channels] }),
  layers.conv2d(256, 3, { padding: 'same' }), layers.batchNormalization(), layers.conv2d(256, 3, { padding: 'same' }),
  layers.globalAveragePooling2d(), layers.dense(classes)])`,
}

for (const [idiom, text] of Object.entries(nets))
  test(`${idiom}: a net too large for the memory ends with one line, which says what takes the room and what fits`, async () => {
    const net = `wide_${idiom}.ts`
    writeFileSync(file(net), text)
    const args = [
      '--data',
      'colours',
      '--batch-size',
      '40',
      '--device',
      'wasm',
      '--memory-limit',
      '64',
      '--out',
      'wide',
    ]
    const { code, stderr } = await lenet(['train', '--idiom', idiom, '--model', net, ...args], { cwd: at })
    assert.equal(code, 1, stderr)
    const last = stderr.trimEnd().split('\n').at(-1) ?? ''
    assert.match(
      last,
      /^lenet: no memory for a batch of 32: its values take \d+ MiB at a time, and of 64 MiB \d+ MiB can be had\. The largest are .*\(\d+ MiB\).* A batch of \d+ fits$/,
    )
    assert.doesNotMatch(stderr, /\n\s+at /)
  })
