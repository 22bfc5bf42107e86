/** C sources become libraries: built, kept, found again, refused when damaged; called from main and workers; never hanging. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { describe, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { abi } from '../../src/compiler/index.js'
import { loadLibrary } from '../../src/device/cpu/native/library.node.js'
import type { BuiltPart } from '../../src/device/cpu/native/types.js'
import {
  built,
  countLines,
  endless,
  infoOf,
  kernelsIn,
  oneSource,
  program,
  scratch,
  serviceFor,
  sourceOf,
  wasEnded,
  whyNoCompiler,
  withEnv,
  wrapper,
} from './nativeTools.js'

const skip = whyNoCompiler()
const urlOf = (name: string): string =>
  JSON.stringify(new URL(`../../src/device/cpu/native/${name}`, import.meta.url).href)
const SERVICE = urlOf('service.node.js')
const LIBRARY = urlOf('library.node.js')

describe('native builds', { skip }, () => {
  test('a loop that never yields sees the toolchain, then the library, and calls it', (t) => {
    const service = serviceFor(t, join(scratch(t), 'native'))
    let info
    while ((info = service.poll()) === undefined);
    assert.ok(!('reason' in info))
    assert.ok([4, 8, 16].includes(info.lanes))
    assert.match(info.version, /^(?:gcc|clang) \d/)
    const build = service.build(sourceOf())
    let result
    while ((result = build.poll()) === undefined);
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 8, shared: true })
    const library = loadLibrary(built(result), program, memory)
    assert.ok(!('error' in library))
    assert.equal(library.step(64, 1, 3, 7), 307)
    assert.deepEqual([...new Float32Array(memory.buffer, 64, 2)], [0, 1.5])
    memory.grow(4)
    library.kernel(4 * 65536 + 9, 77)
    assert.equal(new Uint8Array(memory.buffer)[4 * 65536 + 9], 77)
  })

  test('the second build, in the same service and in another, finds the first and runs no compiler', (t) => {
    const folder = scratch(t)
    const log = join(folder, 'log')
    const env = withEnv({ CC: wrapper(join(folder, 'counting cc'), `echo run >> '${log}'`) })
    const first = serviceFor(t, join(folder, 'native'), { env })
    assert.equal(infoOf(first).command, join(folder, 'counting cc'))
    const one = built(first.build(sourceOf()).wait())
    assert.equal(one.cached, false)
    assert.deepEqual(built(first.build(sourceOf()).wait()), { ...one, cached: true })
    const second = serviceFor(t, join(folder, 'native'), { env })
    assert.equal(infoOf(second).cache.entries, 2)
    assert.deepEqual(built(second.build(sourceOf()).wait()), { ...one, cached: true })
    assert.equal(countLines(log), 1)
    built(second.build(sourceOf('int other(void) { return 1; }')).wait())
    const flagged = serviceFor(t, join(folder, 'native'), { env: { ...env, LENET_CFLAGS: '-DX=1' } })
    assert.equal(built(flagged.build(sourceOf()).wait()).cached, false)
    assert.equal(countLines(log), 3)
    assert.deepEqual(
      readdirSync(join(folder, 'native')).filter((name) => !name.endsWith('.so')),
      [],
    )
  })

  test('a damaged entry, a cut one and one that others can write are built anew', (t) => {
    const folder = join(scratch(t), 'native')
    const build = (): ReturnType<typeof built> => built(serviceFor(t, folder).build(sourceOf()).wait())
    const load = (part: BuiltPart): object => loadLibrary(part, program, new WebAssembly.Memory({ initial: 1 }))
    let part = build()
    let { path } = part
    const bytes = readFileSync(path)
    // A new file each time: this process has the old one mapped.
    const replace = (other: Uint8Array): void => {
      rmSync(path)
      writeFileSync(path, other, { mode: 0o700 })
    }
    const damages = [
      () => replace(bytes.with(bytes.length >> 1, (bytes[bytes.length >> 1] ?? 0) ^ 1)),
      () => replace(bytes.subarray(0, 1000)),
      () => chmodSync(path, 0o777),
    ]
    for (const damage of damages) {
      damage()
      assert.ok('error' in load(part))
      const again = build()
      assert.equal(again.cached, false)
      assert.ok('step' in load(again))
      // zig's files are never twice the same, and their sum is in the name.
      part = again
      path = part.path
    }
    assert.equal(build().cached, true)
  })

  test(
    'an entry of another user is built anew',
    { skip: process.getuid?.() !== 0 && 'only root can give files away' },
    (t) => {
      const folder = join(scratch(t), 'native')
      const { path } = built(serviceFor(t, folder).build(sourceOf()).wait())
      chownSync(path, 12345, 12345)
      assert.match(errorOf(path), /belongs to another user/)
      assert.equal(built(serviceFor(t, folder).build(sourceOf()).wait()).cached, false)
    },
  )

  test('a foreign library under the name of an entry is never loaded', (t) => {
    const folder = scratch(t)
    const mark = join(folder, 'it-ran')
    const hostile = sourceOf(
      `__attribute__((constructor)) static void f(void) { FILE *f = fopen("${mark}", "w"); if (f) fclose(f); }`,
    )
    const evil = built(serviceFor(t, join(folder, 'other')).build(hostile).wait())
    assert.ok(existsSync(mark), 'the library does something when it is loaded')
    rmSync(mark)
    const { path } = built(serviceFor(t, join(folder, 'native')).build(sourceOf()).wait())
    rmSync(path)
    copyFileSync(evil.path, path)
    chmodSync(path, 0o700)
    assert.match(errorOf(path), /its bytes are not those that were written/)
    const plain = join(folder, 'native', 'evil.so')
    copyFileSync(evil.path, plain)
    assert.match(errorOf(plain), /its name is not one of the cache/)
    assert.equal(built(serviceFor(t, join(folder, 'native')).build(sourceOf()).wait()).cached, false)
    assert.ok(!existsSync(mark))
  })

  test('a library of another version, or that lacks a function, is an error', (t) => {
    const service = serviceFor(t, join(scratch(t), 'native'))
    const old = service.build(sourceOf('', abi - 1)).wait()
    assert.match('error' in old ? old.error : '', new RegExp(`of version ${abi - 1}, not ${abi}`))
    const part = built(service.build(oneSource(`const unsigned lenet_abi = ${abi};`)).wait())
    assert.match(errorOf(part.path, part.name), new RegExp(part.name))
  })

  test('main and a worker call one library on one memory', async (t) => {
    const part = built(
      serviceFor(t, join(scratch(t), 'native'))
        .build(sourceOf())
        .wait(),
    )
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 2, shared: true })
    const library = loadLibrary(part, program, memory)
    assert.ok('step' in library)
    const workers = [1, 2].map(
      (tid) => new Worker(new URL('./nativeCaller.js', import.meta.url), { workerData: { part, memory, tid } }),
    )
    const answers = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0]))
    assert.deepEqual(answers, [205, 205])
    assert.equal(library.step(64, 0, 2, 5), 205)
    assert.deepEqual([...new Float32Array(memory.buffer, 64, 3)], [1.5, 1.5, 1.5])
  })

  test('two processes that build the same at the same time both get a sound library', async (t) => {
    const folder = join(scratch(t), 'native')
    const code = `const { startNativeService } = await import(${SERVICE})
      const { loadLibrary } = await import(${LIBRARY})
      const result = startNativeService({ folder: ${JSON.stringify(folder)} }).build(${JSON.stringify(sourceOf())}).wait()
      const library = loadLibrary(result.parts[0][0], new Uint8Array(8), new WebAssembly.Memory({ initial: 1 }))
      console.log(library.step(64, 0, 4, 2))`
    const outputs = await Promise.all([run(code), run(code)])
    assert.deepEqual(outputs, ['402\n', '402\n'])
    const names = kernelsIn(folder)
    assert.ok(names.length >= 1 && names.every((name) => name.endsWith('.so')), names.join())
    assert.equal(new Set(names.map((name) => basename(name).slice(0, 64))).size, 1)
  })
})

describe('compilers that misbehave', { skip }, () => {
  test('one that fails gives its first line', (t) => {
    const folder = scratch(t)
    const env = withEnv({ CC: wrapper(join(folder, 'bad'), `echo 'no more licences' >&2; echo second >&2; exit 3`) })
    const result = serviceFor(t, join(folder, 'native'), { env }).build(sourceOf()).wait()
    assert.deepEqual(result, {
      error: `'${join(folder, 'bad')}' cannot compile the kernels: it ended with code 3: no more licences`,
    })
    const own = serviceFor(t, join(folder, 'native'), { env: withEnv({}) })
      .build(oneSource('int f( {'))
      .wait()
    assert.match('error' in own ? own.error : '', /it ended with code 1: .*error:/)
    assert.deepEqual(kernelsIn(join(folder, 'native')), [])
  })

  test('one that ends well but writes nothing is an error', (t) => {
    const folder = scratch(t)
    const env = withEnv({ CC: wrapper(join(folder, 'idle'), 'exit 0') })
    const result = serviceFor(t, join(folder, 'native'), { env }).build(sourceOf()).wait()
    assert.match('error' in result ? result.error : '', /ENOENT/)
  })

  test('one that hangs is ended with its children after LENET_CC_TIMEOUT', (t) => {
    const folder = scratch(t)
    const pids = join(folder, 'pids')
    const CC = wrapper(join(folder, 'slow'), endless(pids))
    const service = serviceFor(t, join(folder, 'native'), { env: withEnv({ CC, LENET_CC_TIMEOUT: '5' }) })
    const result = service.build(sourceOf()).wait()
    assert.match('error' in result ? result.error : '', /it was not done after 5 s/)
    assert.equal(wasEnded(pids), true)
    assert.deepEqual(kernelsIn(join(folder, 'native')), [])
  })

  test('the compiler runs at the priority asked for', (t) => {
    const folder = scratch(t)
    const log = join(folder, 'nice')
    const before = Number(spawnSync('nice').stdout.toString())
    // It is set when the program has begun already: waited for, a minute at most.
    const wait = 'for i in $(seq 600); do [ $(nice) -ge 10 ] && break; sleep 0.1; done'
    const env = withEnv({ CC: wrapper(join(folder, 'cc'), `${wait}; nice > '${log}'`) })
    built(serviceFor(t, join(folder, 'native'), { env, niceness: 10 }).build(sourceOf()).wait())
    assert.equal(Number(readFileSync(log, 'utf8')), Math.max(before, 10))
  })

  for (const end of ['', 'process.exit(0)', 'setTimeout(() => { throw new Error() })']) {
    test(`a process that ends (${end || 'by itself'}) meanwhile hangs on nothing and leaves nothing`, async (t) => {
      const folder = scratch(t)
      const pids = join(folder, 'pids')
      const env = withEnv({ CC: wrapper(join(folder, 'slow'), endless(pids)) })
      const code = `const { startNativeService } = await import(${SERVICE})
        const { existsSync } = await import('node:fs')
        const service = startNativeService({ folder: ${JSON.stringify(join(folder, 'native'))}, env: ${JSON.stringify(env)} })
        service.build([{ head: '', parts: ['int f(void);'] }])
        while (!existsSync(${JSON.stringify(pids)}));
        ${end}`
      await run(code)
      assert.equal(wasEnded(pids), true)
      assert.deepEqual(kernelsIn(join(folder, 'native')), [])
    })
  }

  test('after close, builds are errors and wait does not hang', (t) => {
    const service = serviceFor(t, join(scratch(t), 'native'))
    const pending = service.build(sourceOf())
    service.close()
    assert.ok('error' in pending.wait() || 'path' in pending.wait())
    assert.deepEqual(service.build(oneSource('')).wait(), { error: 'the compile worker was closed' })
  })
})

test('a folder above that vanished is an error, not a crash', { skip }, (t) => {
  const folder = scratch(t)
  const service = serviceFor(t, join(folder, 'native'))
  infoOf(service)
  rmSync(join(folder, 'native'), { recursive: true })
  const result = service.build(sourceOf()).wait()
  assert.match('error' in result ? result.error : '', /cannot compile the kernels: .*ENOENT/)
  mkdirSync(join(folder, 'native'), { mode: 0o700 })
  built(service.build(sourceOf()).wait())
})

function errorOf(path: string, name = ''): string {
  const library = loadLibrary({ path, name }, program, new WebAssembly.Memory({ initial: 1 }))
  return 'error' in library ? library.error : 'it was loaded'
}

async function run(code: string): Promise<string> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'ignore'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  await once(child, 'close')
  return output
}
