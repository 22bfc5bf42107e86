/** What `lenet doctor` says of parts that another C library needs other programs for; a tree without koffi still trains. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { cLibrary, partRows } from '../../src/cli/systemParts.js'
import { deviceInfo } from '../../src/device/index.js'
import { frozenShort } from '../conformance/frozenBits.js'
import type { Learnt } from '../conformance/longTraining.js'
import { folder } from './run.js'

test('what is installed here loads', () => {
  const rows = partRows()
  if (process.platform === 'linux') assert.match(cLibrary() ?? '', /^(?:glibc \d+\.\d+|musl)$/)
  assert.deepEqual(rows.slice(-2), [
    ['pictures', 'yes (sharp)'],
    ['plots as PNG', 'yes (@resvg/resvg-js)'],
  ])
})

test('a part of another C library, and one that lacks the library of C++', () => {
  // as sharp 0.35 and resvg 2.6 say it on musl
  const says: Readonly<Record<string, string>> = {
    sharp: 'Could not load the "sharp" module using the linuxmusl-x64 runtime\nPossible solutions:',
    '@resvg/resvg-js': 'Error loading shared library libgcc_s.so.1: No such file or directory (needed by resvgjs.node)',
  }
  const rows = partRows((name) => {
    throw new Error(says[name])
  }, 'musl')
  assert.deepEqual(rows[0], ['C library', 'musl'])
  const install = `npm install --os=${process.platform} --cpu=${process.arch} --libc=musl sharp`
  assert.deepEqual(rows[1], [
    'pictures',
    `no: Could not load the "sharp" module using the linuxmusl-x64 runtime (${install})`,
  ])
  assert.match(rows[2]?.[1] ?? '', /^no: Error loading shared library libgcc_s.*\(apk add libstdc\+\+\)$/)
})

/** Ours, compiled, beside all that it depends on but what makes native calls. */
function treeWithoutCalls(): string {
  const root = fileURLToPath(new URL('../../../', import.meta.url))
  const at = folder()
  for (const name of ['package.json', 'dist']) cpSync(join(root, name), join(at, name), { recursive: true })
  mkdirSync(join(at, 'node_modules'))
  for (const name of readdirSync(join(root, 'node_modules')))
    if (!['koffi', '@koromix'].includes(name) && !name.startsWith('.'))
      symlinkSync(join(root, 'node_modules', name), join(at, 'node_modules', name), 'junction')
  return at
}

test('without koffi and without a compiler training goes on in WebAssembly, and the reason is told', () => {
  const at = treeWithoutCalls()
  const env = { ...process.env, LENET_HOME: join(at, 'home'), PATH: at, CC: '' }
  const run = (name: string, ...args: string[]): string => {
    const command = [join(at, 'dist', 'test', 'conformance', name), ...args]
    const { stdout, stderr, status } = spawnSync(process.execPath, command, { env, encoding: 'utf8' })
    assert.equal(status, 0, stderr)
    return stdout
  }
  const training = { device: 'auto', threads: 2, batch: 8, steps: 2, nets: ['lenet'] }
  const learnt = JSON.parse(run('longTraining.js', JSON.stringify(training))) as Learnt
  assert.equal(learnt.tier, 'wasm')
  if (deviceInfo().fusedMultiplyAdd) assert.equal(learnt.digest, frozenShort.lenet)
  const { native } = JSON.parse(run('machineFacts.js')) as { native: { reason?: string } }
  assert.match(native.reason ?? '', /^native calls are not possible here: .*koffi/)
})
