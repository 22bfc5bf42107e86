/** `lenet tune`: what it says and keeps, what it refuses, and that a training does not mind. Whether it finds anything is left to the machine. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { tuningPath } from '../../src/device/index.node.js'
import { eventsOf, folder, lenet } from './run.js'

const args = ['tune', '--device', 'wasm', '--threads', '1', '--batch-size', '8']

interface File {
  readonly format: string
  readonly choices: Readonly<Record<string, string>>
}

/** The one file in the home's folder, if there is one. */
function kept(home: string): { path: string; file: File } | null {
  const at = join(home, 'tuning')
  const [name, ...more] = existsSync(at) ? readdirSync(at) : []
  assert.deepEqual(more, [])
  return name === undefined
    ? null
    : { path: join(at, name), file: JSON.parse(readFileSync(join(at, name), 'utf8')) as File }
}

test('tells what is better, and keeps just that', async () => {
  const home = folder()
  const { code, stdout, stderr } = await lenet([...args, '--json'], { env: { LENET_HOME: home } })
  assert.deepEqual([code, stderr], [0, ''])
  const events = eventsOf(stdout)
  const [done, changes] = [events.at(-1), events.slice(0, -1)]
  assert.deepEqual(
    [done?.['event'], done?.['device'], done?.['threads'], done?.['changes']],
    ['done', 'wasm', 1, changes.length],
  )
  const found = kept(home)
  assert.equal(done?.['saved'] ?? null, found?.path ?? null)
  for (const change of changes) {
    assert.equal(change['event'], 'tune')
    assert.ok(Number(change['usAfter']) < 0.98 * Number(change['usBefore']))
    assert.notEqual(change['now'], change['was'])
  }
  if (!found) return
  const wanted = changes.map((change) => [`wasm 4/8 ${String(change['choice'])}`, change['now']])
  assert.deepEqual(Object.fromEntries(wanted), found.file.choices)
})

test('says plainly how it went; a damaged file is told and replaced only by better', async () => {
  const home = folder()
  mkdirSync(join(home, 'tuning'))
  process.env['LENET_HOME'] = home
  const path = tuningPath()
  writeFileSync(path, '{')
  const { code, stdout, stderr } = await lenet(args)
  assert.equal(code, 0)
  assert.equal(
    stderr,
    `lenet: what lenet tune wrote to ${path} is not used: it is no JSON; run lenet tune again, or remove the file\n`,
  )
  assert.match(stdout, /^lenet, batch 8, on device wasm, 1 thread\n/)
  assert.match(stdout, /measuring \d+ choices\n/)
  assert.match(stdout, /\n(kept in .*\.json: used from the next start on|nothing was kept)\n$/)
  assert.match(stdout, /nothing better was found: \d+ choices stay as they are|whole step/)
  if (stdout.endsWith('nothing was kept\n')) assert.equal(readFileSync(path, 'utf8'), '{')
  else assert.ok(kept(home))
})

test('a user of the interpreter, an unknown net or device is told', async () => {
  for (const [words, code, message] of [
    ['tune --device interp', 2, /the interpreter has nothing to tune/],
    ['tune --device cuda', 2, /--device cuda: there are auto, native, wasm and interp/],
    ['tune --model vgg', 2, /--model vgg: there is no such net/],
    ['tune --batch-size 0', 2, /a whole number of 1 or more/],
  ] as const) {
    const ended = await lenet(words.split(' '))
    assert.deepEqual([ended.code, ended.stdout], [code, ''])
    assert.match(ended.stderr, message)
  }
})
