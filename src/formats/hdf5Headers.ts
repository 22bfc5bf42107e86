/**
 * The messages in an HDF5 object's header, walked by hand for what h5wasm does not tell: whether a dataset's values lie
 * in other files, where its modification time stands, where an attribute's value lies.
 * Not here: the messages' meaning beyond that; everything else about HDF5 is the library's.
 * Source: HDF5 File Format Specification 3.0, IV.A.1 (versions 1 and 2 of object headers).
 */
import { ByteReader } from './byteReader.js'

export const headerMessage = {
  datatype: 0x03,
  externalFiles: 0x07,
  attribute: 0x0c,
  continuation: 0x10,
  modificationTime: 0x12,
} as const

export interface HeaderMessage {
  readonly type: number
  /** Where its body begins, and how long it is. */
  readonly at: number
  readonly size: number
  /** It stands in another object's header; here is only its address. */
  readonly shared: boolean
}

const mostBlocks = 1000
const ohdr = 0x5244484f // "OHDR"
const ochk = 0x4b48434f // "OCHK"

/** All messages of the object header at `address` (from the file's signature). Throws LenetError where the header is damaged. */
export function headerMessages(bytes: Uint8Array, address: number, where: string): HeaderMessage[] {
  const reader: ByteReader = new ByteReader(bytes, where, address)
  return reader.u32() === ohdr ? version2(bytes, address, where) : version1(bytes, address, where)
}

interface Block {
  at: number
  end: number
}

/** A continuation message names another block: offset and length, 8 bytes each. */
function continued(bytes: Uint8Array, message: HeaderMessage, where: string): Block {
  const reader: ByteReader = new ByteReader(bytes, where, message.at)
  const [at, length] = [reader.u64(), reader.u64()]
  return { at, end: at + length }
}

function version1(bytes: Uint8Array, address: number, where: string): HeaderMessage[] {
  const head: ByteReader = new ByteReader(bytes, where, address)
  if (head.u8() !== 1) head.fail(`damaged: no object header at byte ${address}`)
  head.take(7) // reserved, number of messages, references
  const blocks: Block[] = [{ at: address + 16, end: address + 16 + head.u32() }]
  return walk(bytes, blocks, where, (reader) => {
    const [type, size, flags] = [reader.u16(), reader.u16(), reader.u8()]
    reader.take(3) // reserved
    return { type, size, flags }
  })
}

function version2(bytes: Uint8Array, address: number, where: string): HeaderMessage[] {
  const head: ByteReader = new ByteReader(bytes, where, address + 4)
  if (head.u8() !== 2) head.fail(`damaged: no object header at byte ${address}`)
  const flags = head.u8()
  if (flags & 0x20) head.take(16) // times
  if (flags & 0x10) head.take(4) // limits of attributes
  const width = flags & 3
  const size = [head.u8.bind(head), head.u16.bind(head), head.u32.bind(head), head.u64.bind(head)][width]?.() ?? 0
  const ordered = (flags & 4) !== 0
  return walk(bytes, [{ at: head.at, end: head.at + size }], where, (reader) => {
    const [type, length, own] = [reader.u8(), reader.u16(), reader.u8()]
    if (ordered) reader.take(2)
    return { type, size: length, flags: own }
  })
}

function walk(
  bytes: Uint8Array,
  blocks: Block[],
  where: string,
  readHead: (reader: ByteReader) => { type: number; size: number; flags: number },
): HeaderMessage[] {
  const messages: HeaderMessage[] = []
  for (const block of blocks) {
    const opening: ByteReader = new ByteReader(bytes, where, block.at)
    const skipped = opening.left >= 4 && opening.u32() === ochk ? 4 : 0
    const reader: ByteReader = new ByteReader(bytes.subarray(0, block.end), where, block.at + skipped)
    while (reader.left >= 8) {
      const { type, size, flags } = readHead(reader)
      if (size > reader.left) break // a gap at a block's end
      const message = { type, size, at: reader.at, shared: (flags & 2) !== 0 }
      reader.take(size)
      messages.push(message)
      if (type === headerMessage.continuation) blocks.push(continued(bytes, message, where))
      if (blocks.length > mostBlocks) reader.fail('refused: an object header in more than 1000 pieces')
    }
  }
  return messages
}
