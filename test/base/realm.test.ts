/** Values of another realm, as a test runner's globals and Node's errors are to each other, are told for what they are. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { runInNewContext } from 'node:vm'
import { codeOf, isArrayOf, isError, isMap, isPlainObject, isPromise, isSet, messageOf } from '../../src/base/index.js'

const other = (text: string): unknown => runInNewContext(text)

test('typed arrays by their kind; a Buffer is bytes, a DataView and a list are not', () => {
  for (const kind of ['Float32Array', 'Float64Array', 'Int32Array', 'Uint8Array', 'BigInt64Array'] as const) {
    assert.ok(isArrayOf(kind, other(`new ${kind}(2)`)))
    assert.ok(!isArrayOf(kind, other('new Uint16Array(2)')))
  }
  assert.ok(isArrayOf('Uint8Array', Buffer.from('a')))
  for (const none of ['new DataView(new ArrayBuffer(4))', '[1]', 'null', '({ [Symbol.toStringTag]: "Uint8Array" })'])
    assert.ok(!isArrayOf('Uint8Array', other(none)))
})

test('maps, sets, promises and plain objects', () => {
  assert.ok(isMap(other('new Map()')) && isMap(other('new (class extends Map {})()')) && !isMap(other('new Set()')))
  assert.ok(isSet(other('new Set()')) && !isSet(other('new Map()')) && !isSet(null))
  assert.ok(isPromise(other('(async () => 1)()')) && !isPromise(other('() => 1')))
  assert.ok(isPlainObject(other('({ a: 1 })')) && isPlainObject(other('Object.create(null)')))
  for (const none of ['[]', 'new Map()', 'new (class A {})()', 'null', '"text"', '() => 1'])
    assert.ok(!isPlainObject(other(none)), none)
})

test('errors: message, code and name; whatever else was thrown, as text', () => {
  assert.equal(messageOf(other('new RangeError("too much")')), 'too much')
  assert.equal(messageOf(other('new (class E extends Error {})("own")')), 'own')
  assert.ok(isError(other('new RangeError("too much")'), 'RangeError'))
  assert.ok(!isError(other('new RangeError("too much")'), 'SyntaxError'))
  assert.equal(messageOf(new DOMException('aborted')), 'aborted')
  for (const [thrown, told] of [
    ['"text"', 'text'],
    ['undefined', 'undefined'],
    ['({})', '[object Object]'],
  ] as const)
    assert.equal(messageOf(other(thrown)), told)
  assert.equal(codeOf(other('Object.assign(new Error("no"), { code: "ENOENT" })')), 'ENOENT')
  assert.equal(codeOf(other('Object.assign(new Error("no"), { code: 5 })')), undefined)
})

test('in a realm of its own, files are written into folders that are there, and a missing file says so', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lenet-realm-'))
  const source = `
const { importInRealm } = await import(${JSON.stringify(new URL('ownRealm.js', import.meta.url).href)})
const fs = await importInRealm(${JSON.stringify(new URL('../../src/base/fs.node.js', import.meta.url).href)})
await fs.writeFileAtomic(process.argv[1] + '/a', new Uint8Array([97]))
fs.writeFileAtomicSync(process.argv[1] + '/b', Buffer.from('b'))
await fs.writeFileAtomic(process.argv[1] + '/c', Buffer.from('c'))
try { fs.readWholeFile('no such file') } catch (error) { console.log(error instanceof Error, error.message) }`
  const args = ['--no-warnings', '--experimental-vm-modules', '--input-type=module', '-e', source, folder]
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  const written = ['a', 'b', 'c'].map(
    (name) => existsSync(join(folder, name)) && readFileSync(join(folder, name), 'utf8'),
  )
  rmSync(folder, { recursive: true, force: true })
  assert.deepEqual(written, ['a', 'b', 'c'], stderr)
  // its errors are of its own realm, so that the outer one's `instanceof` does not know them
  assert.equal(stdout, 'false cannot read no such file: there is no such file\n')
})
