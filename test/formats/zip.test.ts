/** The zip reader on honest files of every kind it knows, on lying ones, and the writer. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unzipSync } from 'fflate'
import { LenetError } from '../../src/base/errors.js'
import { writeZip, ZipArchive } from '../../src/formats/index.js'
import { bytesOf } from './helpers.js'
import { deflatedZeros, rawZip, type RawMember } from './rawZip.js'

const hello = bytesOf('hello hello hello hello')
const honest: readonly RawMember[] = [
  { name: 'a/stored', data: hello },
  { name: 'a/deflated', data: hello, deflate: true },
  { name: 'a/', data: new Uint8Array(0) },
  { name: 'a/described', data: hello, deflate: true, descriptor: true },
  { name: 'a/wide', data: hello, zip64: true },
  { name: 'a/empty', data: new Uint8Array(0), deflate: true },
]

for (const zip64 of [false, true]) {
  test(`stored, deflated, data descriptors, zip64 fields; zip64 end records: ${zip64}`, () => {
    const archive = new ZipArchive(rawZip(honest, { zip64 }), 'x.zip')
    assert.deepEqual([...archive.members.keys()], ['a/stored', 'a/deflated', 'a/described', 'a/wide', 'a/empty'])
    for (const name of ['a/stored', 'a/deflated', 'a/described', 'a/wide']) assert.deepEqual(archive.read(name), hello)
    assert.equal(archive.read('a/empty').length, 0)
    assert.deepEqual(archive.warnings, [])
  })
}

test('large data inflates whole', () => {
  const data = Uint8Array.from({ length: 300_000 }, (_, i) => (i * i) >> 3)
  const archive = new ZipArchive(rawZip([{ name: 'a', data, deflate: true }]), 'x.zip')
  assert.deepEqual(archive.read('a'), data)
})

test('a wrong checksum warns and names the member', () => {
  const archive = new ZipArchive(rawZip([{ name: 'a', data: hello, crc: 1 }]), 'x.zip')
  assert.deepEqual(archive.read('a'), hello)
  assert.deepEqual(archive.warnings, ['x.zip: the checksum of a does not match'])
})

function refuses(bytes: Uint8Array, message: RegExp): void {
  const readAll = (): void => {
    const archive = new ZipArchive(bytes, 'x.zip')
    for (const name of archive.members.keys()) archive.read(name)
  }
  assert.throws(readAll, (error: unknown) => {
    assert.ok(error instanceof LenetError, String(error))
    assert.match(error.message, message)
    return error.message.startsWith('x.zip')
  })
}
const one = (changes: Partial<RawMember>): Uint8Array => rawZip([{ name: 'a', data: hello, ...changes }])

test('names that point elsewhere, links and doubles are refused', () => {
  for (const name of ['../a', 'a/../../b', '/etc/passwd', 'C:/a', 'a\\b', 'a\0b', './a', '']) {
    refuses(one({ name }), /a member is called/)
  }
  refuses(one({ attributes: 0xa1ff0000 }), /is a link/)
  refuses(rawZip([{ name: 'a', data: hello }, { name: 'a', data: hello }]), /twice/) // prettier-ignore
})

test('headers that disagree are refused', () => {
  refuses(one({ localName: 'b' }), /two headers .* disagree/)
  refuses(one({ localSize: 3 }), /two headers .* disagree/)
  refuses(one({ headerAt: 5 }), /its header is missing/)
  refuses(one({ size: 5 }), /two sizes/)
  refuses(rawZip(honest, { count: 9 }), /truncated|no member's header/)
})

test('what is not known is refused: encryption, other methods', () => {
  refuses(one({ flags: 1 }), /encrypted/)
  refuses(one({ method: 93 }), /method 93/)
})

test('lying sizes and bombs are refused', () => {
  refuses(one({ deflate: true, size: 5 }), /more than the 5 bytes/)
  refuses(one({ deflate: true, size: 50 }), /unpacks to 23 bytes and announces 50/)
  refuses(one({ deflate: true, size: 100_000 }), /bytes unpack to 100000/)
  refuses(one({ packedSize: 1000, size: 1000 }), /1000 bytes are announced/)
  refuses(one({ method: 8 }), /does not unpack/)
  refuses(one({ method: 8, packed: deflatedZeros(64), size: 100 }), /more than the 100 bytes/)
})

test('members that share bytes are refused', () => {
  refuses(rawZip([{ name: 'a', data: hello }, { name: 'a', data: hello, headerAt: 0 }]), /twice/) // prettier-ignore
  const inner = rawZip([{ name: 'b', data: hello }]).subarray(0, 31 + hello.length)
  const members = [{ name: 'a', data: inner }, { name: 'b', data: hello, headerAt: 31 }] // prettier-ignore
  refuses(rawZip(members), /"b" overlaps/)
})

test('a file cut anywhere is refused', () => {
  const bytes = rawZip(honest)
  for (let length = 0; length < bytes.length; length++) refuses(bytes.subarray(0, length), /truncated|damaged/)
})

test('what is written, another reader reads', () => {
  const bytes = writeZip([['a/x', hello], ['a/é', new Uint8Array(0)]]) // prettier-ignore
  assert.deepEqual(unzipSync(bytes), { 'a/x': hello, 'a/é': new Uint8Array(0) })
  assert.deepEqual(new ZipArchive(bytes, 'x.zip').read('a/x'), hello)
})
