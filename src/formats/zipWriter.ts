/**
 * Writes zip files as PyTorch writes them: members stored, their data aligned to 64 bytes. The bytes depend on the
 * members alone (fixed time, no platform).
 * Not here: compression, zip64 (so a file stays below 4 GiB); which members a .pth needs (pthWriter.ts).
 * Source: PyTorch's caffe2/serialize/inline_container.cc (getPadding); PKWARE's APPNOTE.TXT.
 */
import { LenetError } from '../base/index.js'
import { crc32 } from './crc32.js'

const alignment = 64
/** 1980-01-01, the first day that zip knows. */
const fixedDate = 0x21
const nameIsUtf8 = 0x800
const encoder = new TextEncoder()

interface Placed {
  name: Uint8Array
  data: Uint8Array
  crc: number
  headerAt: number
  padding: number
}

/** Where each member's header begins, and how many bytes of padding bring its data to a multiple of 64. */
function place(members: Iterable<readonly [string, Uint8Array]>): { placed: Placed[]; end: number } {
  const placed: Placed[] = []
  let end = 0
  for (const [text, data] of members) {
    const name = encoder.encode(text)
    const unpadded = end + 30 + name.length + 4
    const padding = (alignment - (unpadded % alignment)) % alignment
    placed.push({ name, data, crc: crc32(data), headerAt: end, padding })
    end = unpadded + padding + data.length
  }
  return { placed, end }
}

/** Fills `out` from the front with little-endian numbers and bytes. */
class ByteWriter {
  readonly out: Uint8Array
  readonly #view: DataView
  at = 0

  constructor(size: number) {
    this.out = new Uint8Array(size)
    this.#view = new DataView(this.out.buffer)
  }

  u16(...values: number[]): this {
    for (const value of values) this.#view.setUint16(this.#step(2), value, true)
    return this
  }

  u32(...values: number[]): this {
    for (const value of values) this.#view.setUint32(this.#step(4), value, true)
    return this
  }

  bytes(bytes: Uint8Array): this {
    this.out.set(bytes, this.#step(bytes.length))
    return this
  }

  /** `count` bytes of `Z`, as PyTorch pads. */
  pad(count: number): this {
    const from = this.#step(count)
    this.out.fill(0x5a, from, from + count)
    return this
  }

  #step(count: number): number {
    this.at += count
    return this.at - count
  }
}

function localHeader(out: ByteWriter, { name, data, crc, padding }: Placed): void {
  out.u32(0x04034b50).u16(20, nameIsUtf8, 0, 0, fixedDate).u32(crc, data.length, data.length)
  out.u16(name.length, padding + 4).bytes(name)
  out.u16(0x4246, padding).pad(padding) // "FB", PyTorch's padding field
}

function centralHeader(out: ByteWriter, { name, data, crc, headerAt }: Placed): void {
  out.u32(0x02014b50).u16(20, 20, nameIsUtf8, 0, 0, fixedDate).u32(crc, data.length, data.length)
  out.u16(name.length, 0, 0, 0, 0).u32(0, headerAt).bytes(name)
}

/**
 * A zip file of these members, in this order, stored. Names are the caller's own and are not checked.
 * Throws LenetError above 4 GiB or 65,534 members, where zip64 would be needed.
 */
export function writeZip(members: Iterable<readonly [name: string, data: Uint8Array]>): Uint8Array {
  const { placed, end } = place(members)
  const directorySize = placed.reduce((sum, { name }) => sum + 46 + name.length, 0)
  const size = end + directorySize + 22
  if (size > 0xfffffffe || placed.length > 0xfffe) {
    throw new LenetError(
      `a file of ${size} bytes in ${placed.length} parts cannot be written; below 4 GiB and 65,535 parts it can`,
    )
  }
  const out = new ByteWriter(size)
  for (const member of placed) {
    localHeader(out, member)
    out.bytes(member.data)
  }
  for (const member of placed) centralHeader(out, member)
  out.u32(0x06054b50).u16(0, 0, placed.length, placed.length).u32(directorySize, end).u16(0)
  return out.out
}
