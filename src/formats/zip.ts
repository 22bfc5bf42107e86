/**
 * A strict zip reader: members stored or deflated, zip64, data descriptors. Local and central headers must agree,
 * members may not overlap, sizes are checked against the bytes that are there, and nothing inflates past its declared
 * size. A wrong CRC is only a warning, since PyTorch does not check it and can be told to write none.
 * Not here: extraction to disk, encryption, several disks; writing (zipWriter.ts).
 * Source: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3–4.5.
 */
import { Inflate } from 'fflate'
import { isError } from '../base/index.js'
import { ByteReader, latin1Text, plainBytes } from './byteReader.js'
import { crc32 } from './crc32.js'
import { shownName } from './shownName.js'

export interface ZipMember {
  readonly name: string
  /** Bytes when unpacked. */
  readonly size: number
  readonly packedSize: number
  readonly deflated: boolean
  readonly crc: number
  /** Where its local header begins. */
  readonly headerAt: number
  readonly flags: number
}

const signatures = { local: 0x04034b50, central: 0x02014b50, end: 0x06054b50, end64: 0x06064b50, locator64: 0x07064b50 }
const endSize = 22
const most32 = 0xffffffff
const mostMembers = 200_000
/** No deflate stream unpacks to more than this many times its size. */
const deflateLimit = 1032

/** True where the bytes begin as a zip file does. */
export function looksLikeZip(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true) === signatures.local
}

/** An opened zip file: members by name, read one at a time. `warnings` grows as members are read. */
export class ZipArchive {
  readonly members: ReadonlyMap<string, ZipMember>
  readonly warnings: string[] = []
  readonly #bytes: Uint8Array
  readonly #where: string

  /** `where` names the file in errors. Throws LenetError where the file is damaged or plays tricks. */
  constructor(bytes: Uint8Array, where: string) {
    const directory = findEnd(bytes, where)
    this.members = readDirectory(bytes, directory, where)
    this.#where = where
    this.#bytes = plainBytes(bytes).subarray(0, directory.at)
    refuseOverlaps(this.members, this.#bytes, where)
  }

  /** A member's bytes: a view where it is stored, at most `limit` bytes. Throws LenetError; a wrong CRC only warns. */
  read(name: string, limit = 2 ** 31): Uint8Array {
    const reader: ByteReader = new ByteReader(this.#bytes, `${this.#where}, member ${shownName(name)}`)
    const member = this.members.get(name)
    if (member === undefined) reader.fail('missing in the zip file')
    if (member.size > limit) reader.fail(`refused: it unpacks to ${member.size} bytes, at most ${limit} are expected`)
    const packed = packedBytes(this.#bytes, member, this.#where)
    const data = member.deflated ? inflateExactly(packed, member.size, reader) : packed
    if (crc32(data) !== member.crc)
      this.warnings.push(`${this.#where}: the checksum of ${shownName(name)} does not match`)
    return data
  }
}

interface Directory {
  count: number
  at: number
  size: number
}

/** Finds the end record: the last one whose comment ends where the file ends. */
function findEnd(bytes: Uint8Array, where: string): Directory {
  const reader: ByteReader = new ByteReader(bytes, where)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = bytes.length - endSize; at >= 0 && at >= bytes.length - endSize - 65535; at--) {
    if (view.getUint32(at, true) !== signatures.end) continue
    if (at + endSize + view.getUint16(at + 20, true) !== bytes.length) continue
    return readEnd(bytes, where, at)
  }
  return reader.fail('truncated or damaged: the end of the zip file is missing')
}

function readEnd(bytes: Uint8Array, where: string, endAt: number): Directory {
  const end: ByteReader = new ByteReader(bytes, where, endAt + 4)
  const disks = end.u16() + end.u16()
  const [countHere, count, size, at] = [end.u16(), end.u16(), end.u32(), end.u32()]
  if (disks !== 0 && disks !== 0x1fffe) end.fail('refused: a zip file in several parts')
  const directory = end64(bytes, where, endAt) ?? { count, size, at }
  if (countHere !== count) end.fail('damaged: the zip file counts its members in two ways')
  const agree = (narrow: number, wide: number, most: number): boolean => narrow === wide || narrow === most
  if (
    !agree(count, directory.count, 0xffff) ||
    !agree(at, directory.at, most32) ||
    !agree(size, directory.size, most32)
  ) {
    end.fail('damaged: the two end records of the zip file disagree')
  }
  if (directory.at + directory.size > endAt)
    end.fail('truncated or damaged: the list of members is outside of the file')
  return directory
}

/** The zip64 end record, where there is one. */
function end64(bytes: Uint8Array, where: string, endAt: number): Directory | undefined {
  if (endAt < 20) return undefined
  const locator: ByteReader = new ByteReader(bytes, where, endAt - 20)
  if (locator.u32() !== signatures.locator64) return undefined
  locator.u32()
  const at = locator.u64()
  if (at > endAt - 20) locator.fail('damaged: the zip64 end record is outside of the file')
  const end: ByteReader = new ByteReader(bytes, where, at)
  if (end.u32() !== signatures.end64) end.fail('damaged: the zip64 end record is missing')
  end.take(20) // its own size, versions, disks
  const [countHere, count, size, directoryAt] = [end.u64(), end.u64(), end.u64(), end.u64()]
  if (countHere !== count) end.fail('damaged: the zip file counts its members in two ways')
  return { count, size, at: directoryAt }
}

function readDirectory(bytes: Uint8Array, { count, at, size }: Directory, where: string): Map<string, ZipMember> {
  const reader: ByteReader = new ByteReader(bytes.subarray(0, at + size), where, at)
  const members = new Map<string, ZipMember>()
  if (count > mostMembers) reader.fail(`refused: a zip file of ${count} members`)
  for (let i = 0; i < count; i++) {
    const member = readCentral(reader)
    if (member.name.endsWith('/') && member.size === 0) continue // a folder
    if (members.has(member.name))
      reader.fail(`refused: the zip file holds ${JSON.stringify(shownName(member.name))} twice`)
    members.set(member.name, member)
  }
  return members
}

function readCentral(reader: ByteReader): ZipMember {
  if (reader.u32() !== signatures.central) reader.fail(`damaged: no member's header at byte ${reader.at - 4}`)
  const madeBy = reader.u16()
  reader.u16()
  const [flags, method] = [reader.u16(), reader.u16()]
  reader.u32() // time and date
  const crc = reader.u32()
  const sizes = { packed: reader.u32(), size: reader.u32(), headerAt: 0 }
  const [nameLength, extraLength, commentLength, disk] = [reader.u16(), reader.u16(), reader.u16(), reader.u16()]
  reader.u16()
  const attributes = reader.u32()
  sizes.headerAt = reader.u32()
  const name = memberName(reader.take(nameLength), (flags & 0x800) !== 0, reader)
  const extra = reader.take(extraLength)
  reader.take(commentLength)
  if (disk !== 0 && disk !== 0xffff) reader.fail('refused: a zip file in several parts')
  if (madeBy >> 8 === 3 && attributes >>> 28 === 0xa)
    reader.fail(`refused: ${JSON.stringify(shownName(name))} is a link`)
  widen(extra, sizes, reader.where)
  checkMethod(reader, name, method, flags, sizes)
  return {
    name,
    size: sizes.size,
    packedSize: sizes.packed,
    deflated: method === 8,
    crc,
    headerAt: sizes.headerAt,
    flags,
  }
}

function checkMethod(
  reader: ByteReader,
  name: string,
  method: number,
  flags: number,
  { size, packed }: { size: number; packed: number },
): void {
  const member = JSON.stringify(shownName(name))
  if (flags & 0x2041) reader.fail(`refused: ${member} is encrypted`)
  if (method !== 0 && method !== 8) reader.fail(`refused: ${member} is packed by method ${method}; 0 and 8 are known`)
  if (method === 0 && size !== packed)
    reader.fail(`damaged: ${member} is stored, but has two sizes (${size}, ${packed})`)
  if (size > packed * deflateLimit) reader.fail(`refused: ${member} says that ${packed} bytes unpack to ${size}`)
}

/** Replaces sizes that do not fit 32 bits by those of the zip64 extra field, in the field's order. */
function widen(extra: Uint8Array, sizes: { size: number; packed: number; headerAt: number }, where: string): void {
  const reader: ByteReader = new ByteReader(extra, where)
  while (reader.left >= 4) {
    const [id, length] = [reader.u16(), reader.u16()]
    const field: ByteReader = new ByteReader(reader.take(length), where)
    if (id !== 1) continue
    if (sizes.size === most32) sizes.size = field.u64()
    if (sizes.packed === most32) sizes.packed = field.u64()
    if (sizes.headerAt === most32) sizes.headerAt = field.u64()
    return
  }
}

/** A plain relative path. Anything that could name another place is refused, though nothing is ever extracted. */
function memberName(bytes: Uint8Array, isUtf8: boolean, reader: ByteReader): string {
  const name = isUtf8 ? new ByteReader(bytes, reader.where).text(bytes.length) : latin1Text(bytes)
  const parts = name.split('/')
  if (name === '' || /[\\\0]|^\/|^[a-z]:/i.test(name) || parts.includes('..') || parts.includes('.')) {
    reader.fail(`refused: a member is called ${JSON.stringify(name.slice(0, 100))}`)
  }
  return name
}

/** Checks the local header against the directory's and returns the packed bytes, a view. */
function packedBytes(bytes: Uint8Array, member: ZipMember, where: string): Uint8Array {
  const reader: ByteReader = new ByteReader(bytes, `${where}, member ${shownName(member.name)}`, member.headerAt)
  if (reader.u32() !== signatures.local) reader.fail('damaged: its header is missing')
  reader.u16()
  const [flags, method] = [reader.u16(), reader.u16()]
  reader.u32()
  const crc = reader.u32()
  const sizes = { packed: reader.u32(), size: reader.u32(), headerAt: 0 }
  const [nameLength, extraLength] = [reader.u16(), reader.u16()]
  const name = memberName(reader.take(nameLength), (flags & 0x800) !== 0, reader)
  widen(reader.take(extraLength), sizes, where)
  const later = (flags & 8) !== 0 && crc === 0 && sizes.packed === 0 && sizes.size === 0 // in a data descriptor
  const same = crc === member.crc && sizes.packed === member.packedSize && sizes.size === member.size
  if (name !== member.name || method !== (member.deflated ? 8 : 0) || flags !== member.flags || !(later || same)) {
    reader.fail('damaged: its two headers in the zip file disagree')
  }
  return reader.take(member.packedSize)
}

/** Members that share bytes are how small files unpack to huge ones. */
function refuseOverlaps(members: ReadonlyMap<string, ZipMember>, bytes: Uint8Array, where: string): void {
  const reader: ByteReader = new ByteReader(bytes, where)
  let end = 0
  for (const member of [...members.values()].sort((a, b) => a.headerAt - b.headerAt)) {
    if (member.headerAt < end) reader.fail(`refused: ${JSON.stringify(member.name)} overlaps another member`)
    const packed = packedBytes(bytes, member, where)
    end = packed.byteOffset - bytes.byteOffset + packed.length
  }
}

/** Inflates in pieces, so that a lying stream is stopped as soon as it passes `size`. */
function inflateExactly(packed: Uint8Array, size: number, reader: ByteReader): Uint8Array {
  const out = new Uint8Array(size)
  let filled = 0
  const inflate = new Inflate((chunk) => {
    if (filled + chunk.length > size) reader.fail(`refused: it unpacks to more than the ${size} bytes it announces`)
    out.set(chunk, filled)
    filled += chunk.length
  })
  try {
    for (let at = 0; at < packed.length; at += 4096)
      inflate.push(packed.subarray(at, at + 4096), at + 4096 >= packed.length)
  } catch (error) {
    if (isError(error) && 'code' in error) reader.fail(`damaged: it does not unpack (${error.message})`)
    throw error
  }
  if (filled !== size) reader.fail(`truncated or damaged: it unpacks to ${filled} bytes and announces ${size}`)
  return out
}
