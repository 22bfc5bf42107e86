/**
 * Protocol buffers' wire format, read and written: fields of varints, fixed numbers and bytes. Every length is checked
 * against the bytes that are there; the number of fields of a file is capped.
 * Not here: which field means what (model.ts); groups, which ONNX never had: refused.
 * Source: protobuf.dev/programming-guides/encoding.
 */
import { LenetError } from '../../base/index.js'
import { ByteReader } from '../byteReader.js'
import { shownName } from '../shownName.js'

const utf8 = new TextDecoder('utf-8', { fatal: true })
const mostFields = 400_000

/** Where in which file we are, and how many fields the file may still have. */
export class ProtoScope {
  readonly where: string
  #left = { fields: mostFields }

  constructor(where: string) {
    this.where = where
  }

  /** The scope of a part; the count goes on. */
  part(name: string): ProtoScope {
    const scope = new ProtoScope(`${this.where}, ${shownName(name)}`)
    scope.#left = this.#left
    return scope
  }

  spend(): void {
    if (--this.#left.fields < 0) this.fail(`refused: more than ${mostFields} fields`)
  }

  fail(reason: string): never {
    throw new LenetError(`${this.where}: ${reason}`)
  }
}

/** One field of a message, by its number. What it holds is checked when it is asked for. */
export class ProtoField {
  readonly number: number
  readonly #wire: number
  readonly #scope: ProtoScope
  /** Varints, as unsigned 64 bits. */
  readonly #varint: bigint
  readonly #bytes: Uint8Array

  constructor(number: number, wire: number, varint: bigint, bytes: Uint8Array, scope: ProtoScope) {
    this.number = number
    this.#wire = wire
    this.#varint = varint
    this.#bytes = bytes
    this.#scope = scope
  }

  #expect(wire: number): void {
    if (this.#wire !== wire) this.#scope.fail(`damaged: field ${this.number} has wire type ${this.#wire}, not ${wire}`)
  }

  bytes(): Uint8Array {
    this.#expect(2)
    return this.#bytes
  }

  text(): string {
    this.#expect(2)
    try {
      return utf8.decode(this.#bytes)
    } catch {
      return this.#scope.fail(`damaged: field ${this.number} should be UTF-8 text and is not`)
    }
  }

  /** A signed 64-bit number. */
  long(): bigint {
    this.#expect(0)
    return BigInt.asIntN(64, this.#varint)
  }

  /** A whole number within ±2^53. */
  int(): number {
    const value = this.long()
    const number = Number(value)
    if (!Number.isSafeInteger(number)) this.#scope.fail(`damaged: field ${this.number} is ${value}`)
    return number
  }

  float(): number {
    this.#expect(5)
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset).getFloat32(0, true)
  }

  /** Signed 64-bit numbers, packed or one. At most `most`. */
  longs(most: number): bigint[] {
    if (this.#wire === 0) return [this.long()]
    this.#expect(2)
    const reader: ByteReader = new ByteReader(this.#bytes, this.#scope.where)
    const values: bigint[] = []
    while (reader.left > 0) {
      if (values.length >= most) this.#scope.fail(`refused: field ${this.number} has more than ${most} numbers`)
      values.push(BigInt.asIntN(64, readVarint(reader)))
    }
    return values
  }

  /** Packed numbers of `size` bytes each, or one of them, as bytes. */
  packed(size: 4 | 8): Uint8Array {
    if (this.#wire !== (size === 4 ? 5 : 1)) this.#expect(2)
    if (this.#bytes.length % size !== 0) this.#scope.fail(`damaged: field ${this.number} ends within a number`)
    return this.#bytes
  }
}

function readVarint(reader: ByteReader): bigint {
  let [low, high] = [0, 0n] // the first 49 bits, the others
  for (let i = 0; i < 10; i++) {
    const byte = reader.u8()
    if (i < 7) low += (byte & 127) * 2 ** (7 * i)
    else high |= BigInt(byte & 127) << BigInt(7 * i)
    if (byte < 128) return BigInt.asUintN(64, high | BigInt(low))
  }
  return reader.fail(`damaged: a number of more than ten bytes before byte ${reader.at}`)
}

const noBytes = new Uint8Array(0)

/** The fields of a message in their order. Throws LenetError where the bytes are no message. */
export function* protoFields(bytes: Uint8Array, scope: ProtoScope): Generator<ProtoField> {
  const reader: ByteReader = new ByteReader(bytes, scope.where)
  while (reader.left > 0) {
    scope.spend()
    const tag = Number(readVarint(reader))
    const [number, wire] = [Math.floor(tag / 8), tag % 8]
    if (number < 1 || number > 0x1fffffff) reader.fail(`damaged: no field begins before byte ${reader.at}`)
    if (wire === 0) yield new ProtoField(number, wire, readVarint(reader), noBytes, scope)
    else {
      const length = wire === 1 ? 8 : wire === 5 ? 4 : wire === 2 ? Number(readVarint(reader)) : undefined
      if (length === undefined) reader.fail(`damaged: field ${number} has wire type ${wire}`)
      yield new ProtoField(number, wire, 0n, reader.take(length), scope)
    }
  }
}

const encoder = new TextEncoder()

/** Builds one message. Fields are written in the order of the calls; `bytes()` gives the message. */
export class ProtoWriter {
  readonly #parts: Uint8Array[] = []
  #size = 0

  #push(part: Uint8Array): this {
    this.#parts.push(part)
    this.#size += part.length
    return this
  }

  #varint(value: number | bigint): this {
    let rest = BigInt.asUintN(64, BigInt(value))
    const out: number[] = []
    while (rest > 127n) {
      out.push(Number(rest & 127n) | 128)
      rest >>= 7n
    }
    return this.#push(Uint8Array.of(...out, Number(rest)))
  }

  int(field: number, value: number | bigint): this {
    return this.#varint(field * 8).#varint(value)
  }

  float(field: number, value: number): this {
    return this.#varint(field * 8 + 5).#push(new Uint8Array(Float32Array.of(value).buffer))
  }

  blob(field: number, bytes: Uint8Array): this {
    return this.#varint(field * 8 + 2)
      .#varint(bytes.length)
      .#push(bytes)
  }

  text(field: number, text: string): this {
    return this.blob(field, encoder.encode(text))
  }

  message(field: number, message: ProtoWriter): this {
    this.#varint(field * 8 + 2).#varint(message.#size)
    for (const part of message.#parts) this.#push(part)
    return this
  }

  bytes(): Uint8Array {
    const out = new Uint8Array(this.#size)
    let at = 0
    for (const part of this.#parts) {
      out.set(part, at)
      at += part.length
    }
    return out
  }
}
