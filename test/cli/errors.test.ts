/** Wrong usage and bad files: one clear line on stderr, the right exit code, no stack. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { delimiter, join } from 'node:path'
import { describe, test } from 'node:test'
import { encodePng } from '../../src/data/index.node.js'
import { writePth, writeZip } from '../../src/formats/index.js'
import { LeNet } from '../../src/models/index.js'
import { save } from '../../src/nn/save.node.js'
import { eventsOf, folder, lenet, main, type Ended } from './run.js'

function assertError({ code, stdout, stderr }: Ended, expected: number, pattern: RegExp): void {
  assert.equal(code, expected, stderr)
  assert.match(stderr, pattern)
  assert.match(stderr, /^lenet: [^\n]+\n$/, 'one line')
  assert.doesNotMatch(stderr, /\n\s+at /)
  assert.equal(stdout, '')
}

const usage: readonly (readonly [string, RegExp])[] = [
  ['foo', /unknown command 'foo'/],
  ['trian', /unknown command 'trian' \(Did you mean train\?\)/],
  ['train more', /too many arguments/],
  ['train --model constructor', /there is no such net/],
  ['train --optimizer toString', /there are adam, adamw and sgd/],
  ['train --seed -1', /--seed.*whole number/],
  ['train --batch-size 1.5', /--batch-size.*whole number/],
  ['summary lenet7', /there is no such net/],
  ['summary lenet --idiom jax', /there are torch and keras/],
  ['data imagenet', /imagenet: .*can be fetched/],
  ['evaluate x.pth --device cuda', /--device cuda: there are auto, native, wasm and interp/],
  ['predict x.pth y.png --device cuda', /--device cuda: there are auto, native, wasm and interp/],
  ['train --foo', /unknown option '--foo'/],
  ['train --model lenet7', /--model lenet7: there is no such net; use lenet, lenet1/],
  ['train --device gpu', /--device gpu: there are auto, native, wasm/],
  ['train --idiom jax', /--idiom jax: there are torch and keras/],
  ...['0', '-1', '1.5', 'abc', '1e3', '0x2', '99999999999999999999', ''].map(
    (n) => [`train --threads=${n}`, /--threads <n>' argument '.*' is invalid.* whole number of 1 or more/] as const,
  ),
  ['evaluate x.pth --threads 0', /--threads.* whole number of 1 or more/],
  ['predict x.pth y.png --threads two', /--threads.* whole number of 1 or more/],
  ['train --optimizer lion', /there are adam, adamw and sgd/],
  ['train --epochs 0', /--epochs.*whole number/],
  ['train --epochs 1e3', /--epochs.*whole number/],
  ['train --seed 0x3', /--seed.*whole number of 0 or more/],
  [`train --data ${main}`, /--data .*main\.js: it is no folder/],
  ['train --model package.json', /package\.json: there is no such net/],
  ['samples --out cats.jpg', /cats\.jpg: give a name that ends in \.png/],
  ['train --lr nan', /--lr.*above 0/],
  ['train --data ./pictures', /no such data set or folder/],
  ['evaluate', /missing required argument 'file'/],
  ['evaluate x.pth --split val', /there are train and test/],
  ['predict', /missing required argument 'file'/],
  ['convert a.pth b.docx', /b\.docx: there is no format of that name; the endings are \.pth, \.safetensors/],
  ['evaluate a.pth --normalize half', /--normalize half: there are torch, keras, none, and MEAN\/STD/],
  ['compare --epochs 0', /--epochs.*whole number/],
  ['compare --device gpu', /--device gpu: there are auto/],
  ['bench --net vgg', /--net vgg: there are lenet, lenet1/],
  ['bench --part speed', /--part speed: there are train/],
  ['bench --rounds 0', /--rounds.*whole number/],
  ['web', /web is not built yet/],
]

describe('wrong usage ends with exit code 2', () => {
  for (const [line, pattern] of usage) test(line, async () => assertError(await lenet(line.split(' ')), 2, pattern))
  test('no command', async () => assertError(await lenet([]), 2, /give a command; lenet --help lists them/))
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

const whole = readFileSync(good)
const cut = (share: number): Uint8Array => whole.subarray(0, Math.floor(whole.length * share))
/** The list of names and shapes is partly zeros. */
function overwritten(): Uint8Array {
  const bytes = Uint8Array.from(whole)
  return bytes.fill(0, 300, 400)
}

const files: readonly (readonly [string, () => string[], RegExp])[] = [
  ['missing', () => ['evaluate', join(at, 'none.pth')], /none\.pth/],
  ['empty', () => ['evaluate', file('empty.pth', '')], /empty\.pth/],
  ['cut in the middle', () => ['evaluate', file('half.pth', cut(0.5))], /half\.pth/],
  ['cut at the end', () => ['evaluate', file('most.pth', cut(0.999))], /most\.pth/],
  ['overwritten in its middle part', () => ['evaluate', file('over.pth', overwritten())], /over\.pth/],
  ['a folder', () => ['evaluate', at], /it is a folder/],
  ['summary of a missing file', () => ['summary', join(at, 'none.pth')], /none\.pth: there is no such file/],
  ['summary of no .pth', () => ['summary', file('words', 'hello')], /words/],
  ['a folder without checkpoint', () => ['train', '--resume', at], /--resume .*: there is no checkpoint\.pth/],
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

test('--version is that of the package', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  for (const flag of ['--version', '-v'])
    assert.deepEqual(await lenet([flag]), { code: 0, stdout: `${version}\n`, stderr: '' })
})

test('more threads than cores: one notice, and all cores', async () => {
  const cores = availableParallelism()
  const told = `--threads 10000: only ${cores} cores here: using ${cores}`
  const plain = await lenet(['evaluate', join(at, 'none.pth'), '--threads', '10000'])
  assert.equal(plain.stderr.split('\n')[0], `lenet: ${told}`)
  const json = await lenet(['evaluate', join(at, 'none.pth'), '--threads', '10000', '--json'])
  assert.deepEqual(eventsOf(json.stdout), [{ event: 'notice', message: told }])
  assert.match(json.stderr, /^lenet: [^\n]*none\.pth[^\n]*\n$/)
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
  assert.ok(['native', 'wasm'].includes(String(found['device'])))
  assert.equal(found['node'], process.version)
})

test('summary prints nets as PyTorch does, and counts parameters', async () => {
  const byName = await lenet(['summary', 'lenet'])
  assert.match(byName.stdout, /\(conv2\): Conv2d\(6, 16, kernel_size=\(5, 5\), stride=\(1, 1\)\)/)
  assert.match(byName.stdout, /62,006/)
  const byFile = await lenet(['summary', good, '--json'])
  assert.equal((JSON.parse(byFile.stdout) as { total: number }).total, 62006)
})

test('summary tells of each net; of a file with any name', async () => {
  const lenet1 = await lenet(['summary', 'lenet1', '--json'])
  const { parameters } = JSON.parse(lenet1.stdout) as { parameters: { name: string; shape: number[] }[] }
  assert.equal(parameters[0]?.name, 'conv1.weight')
  const renamed = await lenet(['summary', file('weights', whole), '--json'])
  assert.equal((JSON.parse(renamed.stdout) as { total: number }).total, 62006)
})

test('a reader that goes away is no error', async () => {
  const child = spawn(process.execPath, [main, 'summary', 'lenet'], { stdio: ['ignore', 'pipe', 'pipe'] })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.stdout.destroy()
  const code = await new Promise((resolve) => child.on('close', resolve))
  assert.deepEqual([code, stderr], [0, ''])
})

/** An `npm` that comes back long after the test has given up, and nothing in any cache. */
function slowNetwork(): Record<string, string> {
  const bin = folder()
  writeFileSync(join(bin, 'npm'), '#!/bin/sh\nexec sleep 1000\n', { mode: 0o755 })
  const home = folder()
  return { PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}`, HOME: home, USERPROFILE: home, LENET_HOME: home }
}

for (const [signal, expected] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  test(
    `${signal} while data is fetched ends at once`,
    { skip: process.platform === 'win32' && 'no signals', timeout: 300_000 },
    async () => {
      const out = join(folder(), 'out')
      const env = slowNetwork()
      const running = lenet(['train', '--out', out], { env, kill: { after: 'start get the data', signal } })
      const { code, stderr } = await running
      assert.equal(code, expected)
      assert.match(stderr, /lenet: stopped before the training: nothing is changed\n$/)
      assert.equal(existsSync(out), false)
    },
  )

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
