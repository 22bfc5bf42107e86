/** Where something is missing or not allowed, one line says so and the next best way is taken. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { allowAddons, permission } from '../nodeFlags.js'
import { withEnv } from './nativeTools.js'

const home = realpathSync(mkdtempSync(join(tmpdir(), 'lenet-fallbacks-')))
after(() => rmSync(home, { recursive: true, force: true }))

const root = fileURLToPath(new URL('../../../', import.meta.url))
const sourceOf = (path: string): string => JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href)

interface Told {
  readonly out: string
  /** Lines of warnings, without those of Node's own about the switches. */
  readonly warnings: readonly string[]
}

function run(flags: readonly string[], statements: string): Told {
  const source = `
const { device, ops, randn, setDevice, tensor } = await import(${sourceOf('tensor/index.js')})
const values = () => tensor([1, 2, 3]).mul(2).add(1).toArray().join()
${statements}`
  const args = [...flags, '--input-type=module', '-e', source]
  const env = withEnv({ LENET_HOME: home, CC: join(home, 'none'), PATH: home })
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8', env })
  assert.equal(status, 0, stderr)
  const warnings = stderr
    .split('\n')
    .flatMap((line) => /Warning: (?<told>lenet: .*)$/.exec(line)?.groups?.['told'] ?? [])
  return { out: stdout.trim(), warnings }
}

const slowly = 'the interpreter computes, which is slow, until there is native code'

describe('no WebAssembly that can be used', () => {
  test('--jitless: the interpreter goes on', () => {
    const { out, warnings } = run(['--jitless'], `console.log(values(), device().name, device().threads)`)
    assert.equal(out, '3,5,7 interp 1')
    assert.deepEqual(warnings, [`lenet: there is no WebAssembly here (--jitless?): ${slowly}`])
  })

  test('--jitless: memory grows, and what lies there stays', () => {
    const { out } = run(
      ['--jitless'],
      `const small = tensor([1, 2, 3]).add(0).realize()
      const large = randn([3_000_000]).realize()
      console.log(small.toArray().join(), large.toTypedArray().some((x) => x !== 0))`,
    )
    assert.equal(out, '1,2,3 true')
  })

  test("--jitless: device 'wasm' is refused in one line", () => {
    const { out } = run(
      ['--jitless'],
      `try { setDevice('wasm') } catch (error) { console.log(error.name, error.message) }`,
    )
    assert.equal(
      out,
      "LenetError there is no WebAssembly here (--jitless?), which device 'wasm' needs: use device 'auto', 'interp' or a newer engine",
    )
  })

  test('an engine without SIMD: the interpreter goes on', () => {
    const { out, warnings } = run([], `WebAssembly.validate = () => false; console.log(values(), device().name)`)
    assert.equal(out, '3,5,7 interp')
    assert.deepEqual(warnings, [`lenet: WebAssembly has no SIMD here: ${slowly}`])
  })
})

describe('a process that may read its own folder only', () => {
  const flags = [permission, `--allow-fs-read=${root}`]
  const team = `setDevice('wasm', { threads: 2 }); const first = randn([64, 1024]); const second = randn([1024, 64])
    for (let i = 0; i < 3; i++) { first.matmul(second).realize(); await new Promise((resolve) => setTimeout(resolve, 20)) }
    console.log(values(), device().threads)`

  test('computes, without the choices of lenet tune', () => {
    const { out, warnings } = run([...flags, '--allow-worker'], team)
    assert.equal(out, '3,5,7 2')
    assert.deepEqual(warnings, [])
  })

  test('without --allow-worker: one thread, and one line', () => {
    const { out, warnings } = run(flags, team)
    assert.equal(out, '3,5,7 1')
    assert.match(
      warnings.join('\n'),
      /^lenet: worker threads cannot be started \(Access to this API .*\): one thread computes$/,
    )
  })

  test('no compiler runs that the process may not run', () => {
    const { out } = run(
      [...flags, '--allow-worker'],
      `try { setDevice('native'); values() } catch (error) { console.log(error.message) }`,
    )
    // whether reading a folder counts as reading is not the same in all versions
    const allowed = out.replace(' --allow-fs-read=*', '')
    assert.equal(
      allowed,
      `device 'native' cannot be had: Node's --permission allows no native code without ` +
        `${[...allowAddons, '--allow-child-process'].join(' ')} --allow-fs-write=${join(home, 'native')}; use device 'auto' or 'wasm'`,
    )
  })

  test('its threads may not do more either', () => {
    const { out } = run(
      [...flags, '--allow-worker'],
      `const { MessageChannel } = await import('node:worker_threads')
      const { startThread } = await import(${sourceOf('device/cpu/thread.node.js')})
      const code = 'try { require("fs").readdirSync("/") } catch (error) { require("worker_threads").workerData.port.postMessage(error.code) }'
      const { port1, port2 } = new MessageChannel()
      port1.once('message', (told) => console.log(told))
      startThread(code, {}, port2)`,
    )
    assert.equal(out, 'ERR_ACCESS_DENIED')
  })

  test('a file that may not be read says what to allow', () => {
    const { out } = run(
      flags,
      `const { isThere, readWholeFile } = await import(${sourceOf('base/fs.node.js')})
      try { readWholeFile('/elsewhere/net.pth') } catch (error) { console.log(isThere('/elsewhere'), error.message) }`,
    )
    assert.equal(
      out,
      'false cannot read /elsewhere/net.pth: Node runs with --permission and may not: allow it by --allow-fs-read and --allow-fs-write',
    )
  })
})
