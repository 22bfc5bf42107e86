/** Makes zip files for tests, honest ones and such as lie: every field of a member can be set. */
import { constants, deflateRawSync } from 'node:zlib'
import { crc32 } from '../../src/formats/crc32.js'

export interface RawMember {
  name: string
  data: Uint8Array
  deflate?: boolean
  /** The packed bytes, instead of what `data` gives. */
  packed?: Uint8Array
  size?: number
  packedSize?: number
  crc?: number
  method?: number
  flags?: number
  attributes?: number
  headerAt?: number
  localName?: string
  localSize?: number
  /** A data descriptor follows, and the local header says nothing. */
  descriptor?: boolean
  /** Sizes and offset go to a zip64 field. */
  zip64?: boolean
}

const u16 = (...values: number[]): Buffer => Buffer.from(Uint16Array.from(values).buffer)
const u32 = (...values: number[]): Buffer => Buffer.from(Uint32Array.from(values).buffer)
const u64 = (...values: number[]): Buffer => Buffer.from(BigUint64Array.from(values, BigInt).buffer)
const most = 0xffffffff

function fields(member: RawMember): {
  packed: Uint8Array
  crc: number
  sizes: number[]
  method: number
  flags: number
} {
  const packed = member.packed ?? (member.deflate === true ? deflateRawSync(member.data) : member.data)
  const sizes = [member.packedSize ?? packed.length, member.size ?? member.data.length]
  const method = member.method ?? (member.deflate === true ? 8 : 0)
  const flags = (member.flags ?? 0) | (member.descriptor === true ? 8 : 0)
  return { packed, crc: member.crc ?? crc32(member.data), sizes, method, flags }
}

function local(member: RawMember): Buffer {
  const { packed, crc, sizes, method, flags } = fields(member)
  const [packedSize = 0, size = 0] = [sizes[0], member.localSize ?? sizes[1]]
  const name = Buffer.from(member.localName ?? member.name, 'latin1')
  const extra = member.zip64 === true ? Buffer.concat([u16(1, 16), u64(size, packedSize)]) : Buffer.alloc(0)
  const written =
    member.descriptor === true ? [0, 0, 0] : member.zip64 === true ? [crc, most, most] : [crc, packedSize, size]
  const head = [
    u32(0x04034b50),
    u16(20, flags, method, 0, 0x21),
    u32(...written),
    u16(name.length, extra.length),
    name,
    extra,
  ]
  const tail = member.descriptor === true ? [u32(0x08074b50, crc, packedSize, size)] : []
  return Buffer.concat([...head, packed, ...tail])
}

function central(member: RawMember, headerAt: number): Buffer {
  const { crc, sizes, method, flags } = fields(member)
  const [packedSize = 0, size = 0] = sizes
  const name = Buffer.from(member.name, 'latin1')
  const wide = member.zip64 === true
  const extra = wide ? Buffer.concat([u16(1, 24), u64(size, packedSize, headerAt)]) : Buffer.alloc(0)
  const numbers = wide ? [crc, most, most] : [crc, packedSize, size]
  const head = [
    u32(0x02014b50),
    u16(0x031e, 20, flags, method, 0, 0x21),
    u32(...numbers),
    u16(name.length, extra.length, 0, 0, 0),
  ]
  return Buffer.concat([...head, u32(member.attributes ?? 0, wide ? most : headerAt), name, extra])
}

/** The zip file. `count` lies about the number of members; `zip64` adds the zip64 end records. */
export function rawZip(members: readonly RawMember[], options: { count?: number; zip64?: boolean } = {}): Uint8Array {
  const parts: Buffer[] = []
  const offsets: number[] = []
  let at = 0
  for (const member of members) {
    const part = local(member)
    offsets.push(at)
    parts.push(part)
    at += part.length
  }
  const directory = Buffer.concat(members.map((member, i) => central(member, member.headerAt ?? offsets[i] ?? 0)))
  const count = options.count ?? members.length
  const end64 = [u32(0x06064b50), u64(44), u16(45, 45), u32(0, 0), u64(count, count, directory.length, at)]
  const locator = [u32(0x07064b50, 0), u64(at + directory.length), u32(1)]
  const end = [u32(0x06054b50), u16(0, 0)]
  if (options.zip64 === true) end.unshift(...end64, ...locator)
  end.push(
    options.zip64 === true
      ? Buffer.concat([u16(0xffff, 0xffff), u32(most, most), u16(0)])
      : Buffer.concat([u16(count, count), u32(directory.length, at), u16(0)]),
  )
  return new Uint8Array(Buffer.concat([...parts, directory, ...end]))
}

/** A deflate stream of `megabytes` MiB of zeros, about a thousandth as long, made without making the zeros. */
export function deflatedZeros(megabytes: number): Uint8Array {
  const block = deflateRawSync(Buffer.alloc(2 ** 20), { finishFlush: constants.Z_FULL_FLUSH, level: 9 })
  return new Uint8Array(Buffer.concat([...Array.from({ length: megabytes }, () => block), Buffer.from([3, 0])]))
}
