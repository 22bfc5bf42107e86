/**
 * How numbers lie in an HDF5 dataset, which can be any arrangement of bits: the library hands out the bytes as if they were
 * the usual ones. Floats of IEEE 754 and whole numbers that fill their bytes are known; the byte order may be either.
 * Not here: reading them (hdf5.ts).
 * Source: HDF5 File Format Specification 3.0, IV.A.2.d (datatype message), IV.A.2 (shared messages).
 */
import { ByteReader } from './byteReader.js'
import { headerMessage, headerMessages, type HeaderMessage } from './hdf5Headers.js'

/** By size in bytes: exponent's place and bits, fraction's place and bits; the exponent's bias. */
const ieee: Readonly<Record<number, string>> = {
  2: '10 5 0 10 15',
  4: '23 8 0 23 127',
  8: '52 11 0 52 1023',
}

/** Where the body of the datatype message stands, also where several datasets share one. */
function datatypeAt(bytes: Uint8Array, messages: readonly HeaderMessage[], where: string): number | undefined {
  const own = messages.find(({ type }) => type === headerMessage.datatype)
  if (own?.shared !== true) return own?.at
  const reader: ByteReader = new ByteReader(bytes, where, own.at)
  const version = reader.u8()
  reader.take(version === 1 ? 7 : 1)
  const there = headerMessages(bytes, reader.u64(), where).find(({ type }) => type === headerMessage.datatype)
  return there?.shared === false ? there.at : undefined
}

/** What is odd about the numbers of the dataset with this header; undefined where nothing is. */
export function numbersFault(bytes: Uint8Array, messages: readonly HeaderMessage[], where: string): string | undefined {
  const at = datatypeAt(bytes, messages, where)
  if (at === undefined) return 'keeps its type in a way that is not known here'
  const reader: ByteReader = new ByteReader(bytes, where, at)
  const kind = reader.u8() & 15
  const [order, sign] = [reader.u8(), reader.u8()]
  reader.u8()
  const size = reader.u32()
  const fills = reader.u16() === 0 && reader.u16() === size * 8
  if (kind === 0) return fills ? undefined : 'holds whole numbers that do not fill their bytes'
  const parts = [reader.u8(), reader.u8(), reader.u8(), reader.u8(), reader.u32()].join(' ')
  const isUsual = (order & 0x70) === 0x20 && sign === size * 8 - 1 && parts === ieee[size]
  return fills && isUsual
    ? undefined
    : 'holds floats of an unusual kind; those of 16, 32 and 64 bits of IEEE 754 are known'
}
