/** One training a folder: a second is refused by name, and a lock whose holder is gone stops nobody. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { encodePng } from '../../src/data/index.node.js'
import { holdFolder } from '../../src/cli/runLock.js'
import { folder, lenet, main } from './run.js'

const at = folder()
const lockIn = (name: string): string => join(at, name, 'lenet.lock')
const lockText = (name: string): string => readFileSync(lockIn(name), 'utf8')

for (const [name, byte] of [
  ['dark', 20],
  ['light', 220],
] as const)
  for (let i = 0; i < 10; i++) {
    mkdirSync(join(at, 'data', name), { recursive: true })
    const rgb = new Uint8Array(3 * 32 * 32).fill(byte + i)
    writeFileSync(join(at, 'data', name, `${i}.png`), await encodePng(rgb, 32, 32))
  }

const words = (out: string, ...more: string[]): string[] => {
  return ['train', '--data', 'data', '--batch-size', '8', '--device', 'wasm', '--threads', '1', '--out', out, ...more]
}

/** A training without end, once it says that it trains. */
async function training(out: string, ...more: string[]): Promise<ChildProcess> {
  const args = [main, ...words(out, '--epochs', '1000000', '--json', ...more)]
  const child = spawn(process.execPath, args, { cwd: at, stdio: ['ignore', 'pipe', 'inherit'] })
  for await (const _ of child.stdout.iterator({ destroyOnReturn: false })) break
  child.stdout.resume()
  return child
}

const ended = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => child.on('exit', (code) => resolve(code)))

test('a second training into the folder is refused in both idioms and by compare; the end of the first frees it', async () => {
  const first = await training('out')
  const since = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`
  const expected = new RegExp(
    `^lenet: out is in use by a training that is not done \\(process ${first.pid}, since ${since}\\): give another folder with --out, or wait for its end\n$`,
  )
  for (const args of [
    words('out'),
    words('out', '--idiom', 'keras'),
    ['train', '--data', 'data', '--resume', 'out'],
    ['compare', '--data', 'data', '--out', 'out'],
  ]) {
    const { code, stdout, stderr } = await lenet(args, { cwd: at })
    assert.deepEqual([code, stdout], [1, ''], stderr)
    assert.match(stderr, expected)
  }
  const end = ended(first)
  first.kill('SIGTERM')
  assert.equal(await end, 143)
  assert.deepEqual(readdirSync(join(at, 'out')), ['checkpoint.pth'])
})

test('after kill -9 the next training takes the folder over', async () => {
  const first = await training('killed', '--idiom', 'keras')
  const end = ended(first)
  first.kill('SIGKILL')
  await end
  assert.ok(existsSync(lockIn('killed')))
  const { code, stderr } = await lenet(words('killed', '--idiom', 'keras', '--epochs', '1'), { cwd: at })
  assert.equal(code, 0, stderr)
  assert.ok(!readdirSync(join(at, 'killed')).some((name) => name.includes('lock') || name.includes('.tmp')))
})

test('a run that ends before it wrote anything leaves no folder', async () => {
  mkdirSync(join(at, 'empty'))
  const { code } = await lenet(['train', '--data', 'empty', '--out', 'a/b'], { cwd: at })
  assert.equal(code, 1)
  assert.ok(!existsSync(join(at, 'a')))
})

/** A lock as another process left it, silent for so many seconds. */
function leave(name: string, change: object, silent: number): void {
  mkdirSync(join(at, name))
  const release = holdFolder(join(at, name))
  const own = JSON.parse(lockText(name)) as object
  release()
  writeFileSync(lockIn(name), JSON.stringify({ ...own, token: 'another', ...change }))
  const then = Date.now() / 1000 - silent
  utimesSync(lockIn(name), then, then)
}

const far = { place: 'another boot', host: 'elsewhere' }
const stale: Readonly<Record<string, readonly [change: object, silent: number]>> = {
  'the pid is of no process': [{ pid: 2 ** 22 + 1 }, 0],
  'the machine or container is another, and silent for long': [far, 61],
}
const held: Readonly<Record<string, readonly [change: object, silent: number, told: RegExp]>> = {
  'the process is there, however long it is silent': [{}, 3600, /\(process \d+, since/],
  'the machine or container is another, and was heard': [far, 30, /on elsewhere, since .*; if it has ended, remove /],
}

if (process.platform === 'linux') {
  Object.assign(stale, { 'the pid was given to another process': [{ began: '1' }, 0] })
}

for (const [what, [change, silent]] of Object.entries(stale))
  test(`taken over: ${what}`, () => {
    leave(what, change, silent)
    const release = holdFolder(join(at, what))
    assert.match(lockText(what), new RegExp(`"pid":${process.pid},"host":"${hostname()}"`))
    release()
    assert.deepEqual(readdirSync(join(at, what)), [])
  })

for (const [what, [change, silent, told]] of Object.entries(held))
  test(`refused: ${what}`, () => {
    leave(what, change, silent)
    const before = lockText(what)
    assert.throws(() => holdFolder(join(at, what)), { name: 'LenetError', message: told })
    assert.equal(lockText(what), before)
  })

test('what is no lock of ours counts as one while it is new, and is taken over when it is old', () => {
  mkdirSync(join(at, 'strange'))
  writeFileSync(lockIn('strange'), '')
  assert.throws(() => holdFolder(join(at, 'strange')), /in use by a training that is not done \(another one\)/)
  utimesSync(lockIn('strange'), 1, 1)
  holdFolder(join(at, 'strange'))()
  assert.deepEqual(readdirSync(join(at, 'strange')), [])
})

test('a lock that somebody else holds by now is left alone', () => {
  mkdirSync(join(at, 'lost'))
  const release = holdFolder(join(at, 'lost'))
  writeFileSync(lockIn('lost'), '{"pid":1,"token":"theirs"}')
  release()
  assert.equal(lockText('lost'), '{"pid":1,"token":"theirs"}')
})

test('of many that find a dead lock at once, one gets it', async () => {
  leave('race', { pid: 2 ** 22 + 1 }, 0)
  const module = fileURLToPath(new URL('../../src/cli/runLock.js', import.meta.url))
  const code = `import { holdFolder } from ${JSON.stringify(module)}
    process.stdin.once('data', () => {
      try { holdFolder(${JSON.stringify(join(at, 'race'))}); console.log('held') } catch { console.log('refused') }
    })`
  const children = Array.from({ length: 6 }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['pipe', 'pipe', 'inherit'] }),
  )
  await sleep(500) // all are ready, or nearly: the outcome is the same
  for (const child of children) child.stdin.write('go\n')
  const answers = await Promise.all(
    children.map(async (child) => {
      for await (const text of child.stdout.iterator({ destroyOnReturn: false })) return String(text).trim()
      return 'nothing'
    }),
  )
  for (const child of children) child.stdin.end()
  assert.deepEqual(answers.sort(), ['held', ...Array<string>(5).fill('refused')])
})

test('what is no lock of ours is told at once, and stays', { skip: process.platform === 'win32' && 'links' }, () => {
  const cases: [string, RegExp, (path: string) => void][] = [
    ['nowhere', /lenet\.lock is a link; remove it/, (path) => symlinkSync(join(at, 'gone'), path)],
    ['circle', /lenet\.lock is a link; remove it/, (path) => symlinkSync(path, path)],
    ['folder', /lenet\.lock is a folder; remove it/, (path) => mkdirSync(path)],
  ]
  for (const [name, message, make] of cases) {
    mkdirSync(join(at, name))
    make(join(at, name, 'lenet.lock'))
    assert.throws(() => holdFolder(join(at, name)), { name: 'LenetError', message })
    assert.deepEqual(readdirSync(join(at, name)), ['lenet.lock'])
  }
})
