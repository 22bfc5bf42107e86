/**
 * What `lenet doctor` says of the cached data (whole, in part, not there), of native code (with reasons), and of the
 * training steps that it runs.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isWell, triedText, tryDevice } from '../../src/cli/doctorDevices.js'
import { deviceInfo } from '../../src/device/index.js'
import { permission } from '../nodeFlags.js'
import { folder, lenet } from './run.js'

/** A cache with so many files of the right length (sparse), and one that is too short. */
function cacheWith(count: number): string {
  const home = folder()
  const data = join(home, 'cifar10')
  mkdirSync(data)
  const names = ['test_batch', ...[1, 2, 3, 4, 5].map((i) => `data_batch_${i}`)]
  for (const [i, name] of names.entries()) {
    const path = join(data, `${name}.bin`)
    writeFileSync(path, '')
    truncateSync(path, i < count ? 30_730_000 : 1000)
  }
  return home
}

async function told(home: string): Promise<{ text: string; cifar10: unknown }> {
  // without a compiler: these tests are about data
  const env = { LENET_HOME: home, ...(process.platform === 'win32' ? {} : { PATH: barePath(), CC: '' }) }
  const [plain, json] = await Promise.all([lenet(['doctor'], { env }), lenet(['doctor', '--json'], { env })])
  assert.deepEqual([plain.code, json.code, plain.stderr, json.stderr], [0, 0, '', ''])
  return { text: plain.stdout, cifar10: (JSON.parse(json.stdout) as { cifar10: unknown }).cifar10 }
}

test('a whole cache is named', async () => {
  const home = cacheWith(6)
  const { text, cifar10 } = await told(home)
  assert.equal(cifar10, join(home, 'cifar10'))
  assert.ok(text.includes(join(home, 'cifar10')))
})

test('a cache in part is not taken for the data', async () => {
  const { text, cifar10 } = await told(cacheWith(2))
  assert.equal(cifar10, null)
  assert.match(text, /incomplete, 2 of 6 files in .*: lenet data cifar10/)
})

test('no cache, or what is no folder', async () => {
  const file = join(folder(), 'file')
  writeFileSync(file, '')
  for (const home of [folder(), file]) {
    const { text, cifar10 } = await told(home)
    assert.equal(cifar10, null)
    assert.match(text, /not fetched yet: lenet data cifar10/)
  }
})

/** A PATH with nothing in it but node. */
function barePath(): string {
  const bin = folder()
  symlinkSync(process.execPath, join(bin, 'node'))
  return bin
}

interface Told {
  readonly device: string
  readonly threads: number
  readonly steps: readonly { readonly device: string; readonly runs: boolean; readonly sameBits?: boolean }[]
  readonly native: { readonly reason?: string; readonly version?: string; readonly notices?: readonly string[] }
}

async function doctor(env: Readonly<Record<string, string>>): Promise<{ text: string; json: Told }> {
  const [plain, json] = await Promise.all([lenet(['doctor'], { env }), lenet(['doctor', '--json'], { env })])
  assert.deepEqual([plain.code, json.code, plain.stderr, json.stderr], [0, 0, '', ''])
  return { text: plain.stdout, json: JSON.parse(json.stdout) as Told }
}

test(
  'without a compiler: the reason, and what is used instead',
  { skip: process.platform === 'win32' && 'a PATH of links' },
  async () => {
    const { text, json } = await doctor({ PATH: barePath(), CC: '', LENET_HOME: folder() })
    assert.match(json.native.reason ?? '', /no C compiler was found/)
    assert.equal(json.device, 'wasm')
    assert.match(text, /^native code +no: no C compiler was found/m)
    assert.match(text, /^--device auto +WebAssembly \(there is no native code\)$/m)
  },
)

test('with one: what it is, for which vectors, and where kernels are kept', async (t) => {
  const home = folder()
  const { text, json } = await doctor({ LENET_HOME: home })
  if (json.native.reason !== undefined) return t.skip(`no native code here: ${json.native.reason}`)
  assert.match(text, /^native code +yes: (gcc|clang|zig|\S+) /m)
  assert.match(text, /^ {2}vectors +(4|8|16) float32 lanes/m)
  assert.ok(text.includes(join(home, 'native')))
  if (json.device === 'native') assert.match(text, /^--device auto +begins in WebAssembly, goes on in native code/m)
})

test('a CC that cannot be used is told', { skip: process.platform === 'win32' && 'a PATH of links' }, async () => {
  const { json } = await doctor({ CC: 'no-such-compiler', LENET_HOME: folder() })
  const told = [json.native.reason ?? '', ...(json.native.notices ?? [])].join('; ')
  assert.match(told, /CC='no-such-compiler'/)
})

test('--device native with a CC that does not work ends with what it printed, though there is another', async (t) => {
  if (process.platform === 'win32') return t.skip('a script')
  const at = folder()
  const CC = join(at, 'my-cc')
  writeFileSync(CC, '#!/bin/sh\necho "no licence today" >&2\nexit 9\n', { mode: 0o755 })
  const env = { CC, LENET_HOME: at }
  const { code, stdout, stderr } = await lenet(['train', '--device', 'native', '--out', join(at, 'out')], { env })
  assert.deepEqual([code, stdout], [1, ''])
  assert.match(
    stderr,
    /^lenet: device 'native' cannot be had: [^\n]*CC='[^\n]*my-cc'[^\n]*code 9: no licence today[^\n]*\n$/,
  )
  assert.equal(existsSync(join(at, 'out')), false)
  const { text } = await doctor(env)
  assert.match(text, /CC='[^\n]*my-cc'[^\n]*no licence today/)
})

test('--device native without a compiler ends with the reason, before anything is done', async (t) => {
  if (process.platform === 'win32') return t.skip('a PATH of links')
  const out = join(folder(), 'out')
  const env = { PATH: barePath(), CC: '', LENET_HOME: folder() }
  for (const command of [
    ['train', '--out', out],
    ['evaluate', 'x.pth'],
    ['predict', 'x.pth', 'y.png'],
  ]) {
    const { code, stdout, stderr } = await lenet([...command, '--device', 'native'], { env })
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /^lenet: device 'native' cannot be had: no C compiler was found[^\n]*\n$/)
  }
  assert.equal(existsSync(out), false)
})

test('a training step is run on every device that is there, with the bits of every machine', async () => {
  const { text, json } = await doctor({ LENET_HOME: folder() })
  const compiled = json.native.reason === undefined ? ['native'] : []
  assert.deepEqual(
    json.steps.map(({ device }) => device),
    [...compiled, 'wasm', 'interp'],
  )
  const fused = deviceInfo().fusedMultiplyAdd
  for (const { device, runs, sameBits } of json.steps) {
    assert.equal(runs, true, device)
    assert.equal(sameBits, fused || device !== 'wasm', device)
    assert.match(text, new RegExp(`^--device ${device} +a training step runs, by `, 'm'))
  }
})

/** What is said of a device whose step is such a program. */
async function toldOf(program: string, fused = true): Promise<string> {
  const path = join(folder(), 'step.mjs')
  writeFileSync(path, program)
  const tried = await tryDevice('wasm', { program: path })
  assert.equal(isWell(tried, fused), !triedText(tried, fused).startsWith('FAILS'))
  return triedText(tried, fused)
}

test('an engine that stops the process, an error, and wrong bits are told', async () => {
  const stopped = "process.kill(process.pid, 'SIGKILL'); setTimeout(() => {}, 60000)"
  if (process.platform !== 'win32')
    assert.equal(await toldOf(stopped), 'FAILS: its process was stopped in the middle of a step, by SIGKILL')
  assert.equal(await toldOf('process.exit(7)'), 'FAILS: its process was stopped in the middle of a step, with code 7')
  assert.equal(await toldOf("console.log(JSON.stringify({ error: 'no\\nmemory' }))"), 'FAILS: no memory')
  const other = "console.log(JSON.stringify({ digest: '00', threads: 1 }))"
  assert.match(await toldOf(other), /^FAILS: a training step runs, by one thread, and learns other bits/)
  assert.match(await toldOf(other, false), /^a training step runs, .* for want of fused multiply-add$/)
})

test('a process that may start no other says that steps were not tried', async () => {
  const home = folder()
  const node = ['--no-warnings', permission, '--allow-fs-read=*', `--allow-fs-write=${home}`]
  const { code, stdout, stderr } = await lenet(['doctor'], { env: { LENET_HOME: home }, node })
  assert.deepEqual([code, stderr], [0, ''])
  assert.match(stdout, /^native code +no: Node's --permission allows no native code without --allow-worker /m)
  assert.match(stdout, /^--device wasm +not tried: Node runs with --permission .*\(--allow-child-process\)$/m)
})
