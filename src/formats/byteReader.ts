/**
 * A cursor over bytes that never reads past their end: every length is checked against what is really there.
 * Not here: what the bytes mean.
 */
import { LenetError } from '../base/index.js'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The same bytes as a plain Uint8Array: `slice` of Node's Buffer, which is one too, would not copy. */
export function plainBytes({ buffer, byteOffset, byteLength }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

/** Bytes as text, one character a byte (TextDecoder's "latin1" is windows-1252 and would change 0x80–0x9f). */
export function latin1Text(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192))
  return text
}

/** The bytes of a text whose characters are all below 256, or undefined where one is not. */
export function latin1Bytes(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 255) return undefined
    bytes[i] = code
  }
  return bytes
}

/** Reads little-endian numbers, runs of bytes and lines. `where` names the file (and the part of it) in errors. */
export class ByteReader {
  readonly bytes: Uint8Array
  readonly where: string
  readonly #view: DataView
  #at: number

  constructor(bytes: Uint8Array, where: string, at = 0) {
    this.bytes = plainBytes(bytes)
    this.where = where
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#at = at
  }

  /** Offset of the next byte. */
  get at(): number {
    return this.#at
  }

  get left(): number {
    return this.bytes.length - this.#at
  }

  fail(message: string): never {
    throw new LenetError(`${this.where}: ${message}`)
  }

  /** Steps over `count` bytes and returns where they began; throws where fewer are left. */
  #skip(count: number): number {
    const from = this.#at
    if (count > this.bytes.length - from) {
      this.fail(`truncated or damaged: ${count} bytes are announced at byte ${from}, but only ${this.left} follow`)
    }
    this.#at = from + count
    return from
  }

  u8(): number {
    return this.#view.getUint8(this.#skip(1))
  }

  u16(): number {
    return this.#view.getUint16(this.#skip(2), true)
  }

  u32(): number {
    return this.#view.getUint32(this.#skip(4), true)
  }

  i32(): number {
    return this.#view.getInt32(this.#skip(4), true)
  }

  /** A 64-bit count. One above 2^53 cannot be a length of anything and is refused. */
  u64(): number {
    const value = this.#view.getBigUint64(this.#skip(8), true)
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) this.fail(`impossible 64-bit length ${value} at byte ${this.#at - 8}`)
    return Number(value)
  }

  /** A big-endian float64, as pickle writes them. */
  f64BigEndian(): number {
    return this.#view.getFloat64(this.#skip(8), false)
  }

  /** The next `count` bytes, a view and not a copy. */
  take(count: number): Uint8Array {
    const from = this.#skip(count)
    return this.bytes.subarray(from, from + count)
  }

  /** The next `count` bytes as UTF-8. */
  text(count: number): string {
    const bytes = this.take(count)
    try {
      return utf8.decode(bytes)
    } catch {
      return this.fail(`${count} bytes before byte ${this.#at} should be UTF-8 text and are not`)
    }
  }

  /** The text up to the next newline, which is stepped over. At most `limit` bytes. */
  line(limit = 1 << 20): string {
    const end = this.bytes.indexOf(10, this.#at)
    if (end < 0 || end - this.#at > limit) this.fail(`truncated or damaged: no line end after byte ${this.#at}`)
    const text = latin1Text(this.take(end - this.#at))
    this.#at = end + 1
    return text
  }
}
