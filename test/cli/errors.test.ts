/** Wrong usage and bad files: one clear line on stderr, the right exit code, no stack. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { encodePng } from '../../src/data/index.node.js'
import { writePth, writeZip } from '../../src/formats/index.js'
import { LeNet } from '../../src/models/index.js'
import { save } from '../../src/nn/save.node.js'
import { eventsOf, folder, lenet, type Ended } from './run.js'

function assertError({ code, stdout, stderr }: Ended, expected: number, pattern: RegExp): void {
  assert.equal(code, expected, stderr)
  assert.match(stderr, pattern)
  assert.match(stderr, /^lenet: [^\n]+\n$/, 'one line')
  assert.doesNotMatch(stderr, /\n\s+at /)
  assert.equal(stdout, '')
}

const usage: readonly (readonly [string, RegExp])[] = [
  ['foo', /unknown command 'foo'/],
  ['train --foo', /unknown option '--foo'/],
  ['train --model lenet7', /--model lenet7: there is no such net; use lenet, lenet1/],
  ['train --device gpu', /--device gpu: there are auto, native, wasm/],
  ['train --device native', /native is not built yet/],
  ['train --idiom keras', /keras is not built yet/],
  ['train --idiom jax', /--idiom jax: there are torch and keras/],
  ['train --threads 2', /more than one thread is not built yet/],
  ['train --threads 0', /--threads 0/],
  ['train --optimizer lion', /there are adam, adamw and sgd/],
  ['train --epochs 0', /--epochs.*whole number/],
  ['train --lr nan', /--lr.*above 0/],
  ['train --data mnist', /mnist is not built yet/],
  ['train --data ./pictures', /no such data set or folder/],
  ['evaluate', /missing required argument 'file'/],
  ['evaluate x.pth --split val', /there are train and test/],
  ['predict a.pth b.png', /predict is not built yet/],
  ['convert a b', /convert is not built yet/],
  ['compare', /compare is not built yet/],
  ['bench', /bench is not built yet/],
  ['web', /web is not built yet/],
]

describe('wrong usage ends with exit code 2', () => {
  for (const [line, pattern] of usage) test(line, async () => assertError(await lenet(line.split(' ')), 2, pattern))
})

const at = folder()
const file = (name: string, bytes: Uint8Array | string): string => {
  writeFileSync(join(at, name), bytes)
  return join(at, name)
}
const state = new LeNet(3, 10).stateDict()
const good = join(at, 'good.pth')
save(state, good)

/** A .pth of the net with one tensor of another shape. */
function misshapen(): Uint8Array {
  const entries = [...state].map(([name, x]) => {
    const data = x.toTypedArray() as Float32Array
    return [name, name === 'fc2.weight' ? { shape: [120, 84], data } : { shape: x.shape, data }] as const
  })
  return writePth(entries)
}

/** A pickle that asks for os.system. */
const malicious = new TextEncoder().encode("cos\nsystem\n(S'echo harm'\ntR.")
const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const trojan = writeZip([
  ['evil/data.pkl', malicious],
  ['evil/version', text('3\n')],
])

const files: readonly (readonly [string, () => string[], RegExp])[] = [
  ['missing', () => ['evaluate', join(at, 'none.pth')], /none\.pth/],
  ['empty', () => ['evaluate', file('empty.pth', '')], /empty\.pth/],
  ['not a .pth', () => ['evaluate', file('text.pth', 'hello, I am no net at all')], /text\.pth/],
  ['a pickle that runs a command', () => ['evaluate', file('evil.pth', trojan)], /evil\.pth.*os\.system/],
  [
    'a tensor of the wrong shape',
    () => ['evaluate', file('shape.pth', misshapen())],
    /fc2\.weight: expected shape \[84, 120\], found \[120, 84\]/,
  ],
  ['a model that contradicts the file', () => ['evaluate', good, '--model', 'lenet1'], /holds a lenet.*not the lenet1/],
  [
    'names of no net',
    () => ['evaluate', file('other.pth', writePth([['w', { shape: [1], data: Float32Array.of(1) }]]))],
    /none of the nets lenet and lenet1.*--model/,
  ],
  ['a net file that is not there', () => ['train', '--model', './none.ts'], /none\.ts: there is no such file/],
  [
    'a net file without a net',
    () => ['train', '--model', file('empty.ts', 'export const x = 1')],
    /extends nn\.Module/,
  ],
  [
    'a net file with a mistake',
    () => ['train', '--model', file('bad.ts', 'export default class {')],
    /bad\.ts: it cannot be loaded/,
  ],
]

describe('bad files end with exit code 1', () => {
  for (const [name, args, pattern] of files) test(name, async () => assertError(await lenet(args()), 1, pattern))
})

test('LENET_DEBUG=1 shows where', async () => {
  const { stderr } = await lenet(['evaluate', join(at, 'none.pth')], { env: { LENET_DEBUG: '1' } })
  assert.match(stderr, /\n\s+at /)
})

test('--help lists every command and ends well', async () => {
  const { code, stdout } = await lenet(['--help'])
  assert.equal(code, 0)
  for (const name of [
    'start',
    'train',
    'evaluate',
    'predict',
    'summary',
    'samples',
    'convert',
    'data',
    'compare',
    'bench',
    'doctor',
    'web',
  ])
    assert.match(stdout, new RegExp(`^  ${name} `, 'm'))
})

test('doctor tells what will be used', async () => {
  const { code, stdout } = await lenet(['doctor', '--json'])
  assert.equal(code, 0)
  const found = JSON.parse(stdout) as Record<string, unknown>
  assert.equal(found['device'], 'wasm')
  assert.equal(found['node'], process.version)
})

test('summary prints nets as PyTorch does, and counts parameters', async () => {
  const byName = await lenet(['summary', 'lenet'])
  assert.match(byName.stdout, /\(conv2\): Conv2d\(6, 16, kernel_size=\(5, 5\), stride=\(1, 1\)\)/)
  assert.match(byName.stdout, /62,006/)
  const byFile = await lenet(['summary', good, '--json'])
  assert.equal((JSON.parse(byFile.stdout) as { total: number }).total, 62006)
})

test('a folder of pictures trains; a net of other classes is not evaluated on it', async () => {
  const dir = folder()
  for (const [name, shade] of [
    ['dark', 30],
    ['light', 200],
  ] as const) {
    mkdirSync(join(dir, name))
    for (let i = 0; i < 40; i++)
      writeFileSync(join(dir, name, `${i}.png`), await encodePng(new Uint8Array(32 * 32 * 3).fill(shade + i), 32, 32))
  }
  const out = folder()
  const trained = await lenet(['train', '--data', dir, '--epochs', '10', '--out', out, '--json'])
  assert.equal(trained.code, 0, trained.stderr)
  assert.equal(eventsOf(trained.stdout).at(-1)?.['testAccuracy'], 1)
  assertError(
    await lenet(['evaluate', good, '--data', dir, '--json']),
    1,
    /tells 10 classes apart, the data has 2: dark, light/,
  )
})
