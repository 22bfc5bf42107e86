/**
 * TensorBoard's event files: records with checksums, each a protobuf Event with scalars. Written as they come, so that
 * TensorBoard can read along. Sources: tensorflow/core/lib/io/record_writer.h, tensorflow/core/util/event.proto.
 */
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileError } from '../../base/fs.node.js'

const table = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1
  return c
})

/** CRC-32C (Castagnoli). */
function crc32c(bytes: Uint8Array): number {
  let c = 0xffffffff
  for (const byte of bytes) c = (c >>> 8) ^ (table[(c ^ byte) & 255] ?? 0)
  return (c ^ 0xffffffff) >>> 0
}

/** A checksum of data that holds checksums is masked. */
const maskedCrc = (bytes: Uint8Array): number => {
  const crc = crc32c(bytes)
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}

/** Length, its checksum, the data, its checksum. */
function record(data: Uint8Array): Uint8Array {
  const out = new Uint8Array(data.length + 16)
  const view = new DataView(out.buffer)
  view.setBigUint64(0, BigInt(data.length), true)
  view.setUint32(8, maskedCrc(out.subarray(0, 8)), true)
  out.set(data, 12)
  view.setUint32(12 + data.length, maskedCrc(data), true)
  return out
}

const joined = (parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]))

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  return Uint8Array.from([...bytes, rest])
}

/** A field: its number and wire type, then its bytes (with their length where it is a text or message). */
const field = (number: number, wire: 0 | 1 | 2 | 5, bytes: Uint8Array): Uint8Array =>
  joined([varint(number * 8 + wire), ...(wire === 2 ? [varint(bytes.length)] : []), bytes])

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const double = (value: number): Uint8Array => new Uint8Array(Float64Array.of(value).buffer)
const float = (value: number): Uint8Array => new Uint8Array(Float32Array.of(value).buffer)

/** Event { wall_time = 1, file_version = 3 }. */
const versionEvent = (seconds: number): Uint8Array =>
  joined([field(1, 1, double(seconds)), field(3, 2, text('brain.Event:2'))])

/** Event { wall_time = 1, step = 2, summary = 5 { value = 1 { tag = 1, simple_value = 2 } } }. */
function scalarEvent(seconds: number, step: number, tag: string, value: number): Uint8Array {
  const one = joined([field(1, 2, text(tag)), field(2, 5, float(value))])
  return joined([field(1, 1, double(seconds)), field(2, 0, varint(step)), field(5, 2, field(1, 2, one))])
}

let files = 0

/** A new file in a folder, which is made. Throws LenetError where it cannot be written. */
export class EventFile {
  readonly #path: string

  constructor(folder: string, seconds = Date.now() / 1000) {
    const name = `events.out.tfevents.${Math.floor(seconds)}.lenet.${process.pid}.${files++}.v2`
    this.#path = join(folder, name)
    this.#try(() => {
      mkdirSync(folder, { recursive: true })
      writeFileSync(this.#path, record(versionEvent(seconds)))
    })
  }

  scalar(tag: string, value: number, step: number, seconds = Date.now() / 1000): void {
    this.#try(() => appendFileSync(this.#path, record(scalarEvent(seconds, step, tag, value))))
  }

  #try(body: () => void): void {
    try {
      body()
    } catch (error) {
      throw fileError(error, this.#path)
    }
  }
}
