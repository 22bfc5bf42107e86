/**
 * Attributes of texts of variable length, read by hand: the HDF5 library believes their lengths (4 GB of memory for a
 * damaged byte) and places (reads beyond its memory). Every text lies in a global heap, whose pieces are checked here.
 * Not here: attributes of numbers and of texts of fixed length (the library reads them).
 * Source: HDF5 File Format Specification 3.0, III.E (global heap), IV.A.2.m (attribute message).
 */
import { ByteReader } from './byteReader.js'
import { headerMessage, type HeaderMessage } from './hdf5Headers.js'

/** One text in the file: 4 bytes of length, 8 of its heap's address, 4 of its number there. */
const elementBytes = 16
const gcol = 0x4c4f4347 // "GCOL"

/** The value of the attribute `name` as bytes, or undefined where it does not stand in the object's header. */
export function attributeBytes(
  bytes: Uint8Array,
  messages: readonly HeaderMessage[],
  name: string,
  where: string,
): Uint8Array | undefined {
  for (const { type, at, size } of messages) {
    if (type !== headerMessage.attribute) continue
    const reader: ByteReader = new ByteReader(bytes.subarray(0, at + size), where, at)
    const version = reader.u8()
    reader.u8()
    const sizes = [reader.u16(), reader.u16(), reader.u16()] // name, datatype, dataspace
    if (version === 3) reader.u8() // character set of the name
    const [nameBytes = 0, ...others] = version === 1 ? sizes.map((part) => Math.ceil(part / 8) * 8) : sizes
    const own = reader.take(nameBytes)
    const end = own.indexOf(0)
    if (new TextDecoder().decode(end < 0 ? own : own.subarray(0, end)) !== name) continue
    for (const part of others) reader.take(part)
    return reader.take(reader.left)
  }
  return undefined
}

/** Objects of the heaps of one file, each heap walked once. */
export class GlobalHeaps {
  readonly #bytes: Uint8Array
  readonly #heaps = new Map<number, ReadonlyMap<number, Uint8Array>>()

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** The `count` texts that `value` refers to. `spend` is told of their bytes before they are taken. */
  texts(value: Uint8Array, count: number, where: string, spend: (bytes: number) => void): string[] {
    const reader: ByteReader = new ByteReader(value, where)
    return Array.from({ length: count }, () => {
      const element: ByteReader = new ByteReader(reader.take(elementBytes), where)
      const [length, address, index] = [element.u32(), element.u64(), element.u32()]
      spend(length)
      if (length === 0) return ''
      const object = this.#heap(address, where).get(index)
      if (object === undefined) return element.fail(`damaged: its text ${index} is missing`)
      return new ByteReader(object, where).text(length).replace(/\0.*$/s, '')
    })
  }

  #heap(address: number, where: string): ReadonlyMap<number, Uint8Array> {
    const known = this.#heaps.get(address)
    if (known !== undefined) return known
    const reader: ByteReader = new ByteReader(this.#bytes, where, address)
    if (address > this.#bytes.length || reader.u32() !== gcol) reader.fail('damaged: its texts are missing')
    reader.take(4) // version, reserved
    const heap: ByteReader = new ByteReader(reader.take(Math.max(0, reader.u64() - elementBytes)), where)
    const objects = new Map<number, Uint8Array>()
    while (heap.left >= elementBytes) {
      const index = heap.u16()
      heap.take(6) // references, reserved
      const size = heap.u64()
      if (index === 0) break // free space
      objects.set(index, heap.take(size))
      heap.take(Math.min(heap.left, (8 - (size % 8)) % 8))
    }
    this.#heaps.set(address, objects)
    return objects
  }
}
