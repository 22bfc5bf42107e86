/**
 * Bytes of a WebAssembly module: LEB128 numbers, instructions, sections.
 * Only what the kernels need; not a general assembler. Source: the WebAssembly core specification, chapter 5.
 */
export type Bytes = number[]

export function u32(value: number): Bytes {
  const out: Bytes = []
  let rest = value >>> 0
  do {
    const byte = rest & 127
    rest >>>= 7
    out.push(rest === 0 ? byte : byte | 128)
  } while (rest !== 0)
  return out
}

function s32(value: number): Bytes {
  const out: Bytes = []
  for (let rest = value | 0; ;) {
    const byte = rest & 127
    rest >>= 7
    if ((rest === 0 && (byte & 64) === 0) || (rest === -1 && (byte & 64) !== 0)) {
      out.push(byte)
      return out
    }
    out.push(byte | 128)
  }
}

/** Kernels have up to some hundred thousand bytes: `concat` moves them at once. */
export function join(parts: readonly (readonly number[])[]): Bytes {
  return new Array<number>().concat(...parts)
}

/** A name as the format has it; our names are ASCII. */
export function text(name: string): Bytes {
  return [...u32(name.length), ...Array.from(name, (letter) => letter.charCodeAt(0) & 127)]
}

export function sized(bytes: readonly number[]): Bytes {
  return join([u32(bytes.length), bytes])
}

export function vector(items: readonly (readonly number[])[]): Bytes {
  return join([u32(items.length), ...items])
}

export function section(id: number, content: readonly number[]): Bytes {
  return join([[id], u32(content.length), content])
}

/** The section of functions, in parts that nobody has to copy: a step's is by far the longest. */
export function codeSection(code: readonly Bytes[]): Bytes[] {
  const count = u32(code.length)
  const parts = code.flatMap((one) => [u32(one.length), one])
  const length = parts.reduce((sum, part) => sum + part.length, count.length)
  return [[10], u32(length), count, ...parts]
}

/** All parts, one behind the other. */
export function assemble(parts: readonly Bytes[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

export const I32 = 0x7f
export const V128 = 0x7b
const SIMD = 0xfd
const simd = (opcode: number): Bytes => [SIMD, ...u32(opcode)]

/** Four 32-bit words. */
export type Words = readonly [number, number, number, number]
const words = new DataView(new ArrayBuffer(16))

/**
 * Instructions, written one after the other. Alignments are hints only: every access is told to be aligned to 4 bytes
 * (1 for bytes).
 */
export class Code {
  readonly bytes: Bytes = []

  op(opcode: readonly number[]): void {
    for (const byte of opcode) this.bytes.push(byte)
  }

  get(local: number): void {
    this.#with(0x20, local)
  }

  set(local: number): void {
    this.#with(0x21, local)
  }

  tee(local: number): void {
    this.#with(0x22, local)
  }

  call(func: number): void {
    this.#with(0x10, func)
  }

  branch(depth: number): void {
    this.#with(0x0c, depth)
  }

  branchIf(depth: number): void {
    this.#with(0x0d, depth)
  }

  i32Const(value: number): void {
    this.bytes.push(0x41)
    this.op(s32(value))
  }

  i64Const(value: number): void {
    this.bytes.push(0x42)
    this.op(s32(value))
  }

  v128Const(value: Words): void {
    value.forEach((word, i) => words.setInt32(4 * i, word, true))
    this.bytes.push(SIMD, 0x0c)
    for (let i = 0; i < 16; i++) this.bytes.push(words.getUint8(i))
  }

  /** A block that begins with `start` (LOOP, IF) and nests `body`. */
  block(start: readonly number[], body: () => void): void {
    this.op(start)
    body()
    this.op(END)
  }

  /** A load or store of four bytes or a vector. */
  access(opcode: readonly number[], offset: number): void {
    this.op(opcode)
    this.bytes.push(2)
    this.#number(offset)
  }

  loadByte(offset: number): void {
    this.bytes.push(0x2d, 0)
    this.#number(offset)
  }

  /** Four bytes to or from one lane: LOAD_LANE, STORE_LANE. */
  lane(opcode: readonly number[], offset: number, lane: number): void {
    this.access(opcode, offset)
    this.bytes.push(lane)
  }

  /** Picks words of two vectors: 0…3 of the first, 4…7 of the second. */
  shuffle(picks: Words): void {
    this.bytes.push(SIMD, 0x0d)
    for (const pick of picks) this.bytes.push(4 * pick, 4 * pick + 1, 4 * pick + 2, 4 * pick + 3)
  }

  #with(opcode: number, value: number): void {
    this.bytes.push(opcode)
    this.#number(value)
  }

  #number(value: number): void {
    if (value < 128) this.bytes.push(value)
    else this.op(u32(value))
  }
}

/** An access to memory that no other thread sees half done. */
const atomic = (opcode: number): Bytes => [0xfe, opcode]
/** For `access`; the address is a multiple of 4. */
export const NOTIFY: Bytes = atomic(0x00)
export const WAIT32: Bytes = atomic(0x01)
export const ATOMIC_LOAD: Bytes = atomic(0x10)
export const ATOMIC_STORE: Bytes = atomic(0x17)
export const ATOMIC_ADD: Bytes = atomic(0x1e)

export const LOOP: Bytes = [0x03, 0x40]
export const IF: Bytes = [0x04, 0x40]
export const ELSE: Bytes = [0x05]
export const END: Bytes = [0x0b]
export const RETURN: Bytes = [0x0f]
export const DROP: Bytes = [0x1a]
export const SELECT: Bytes = [0x1b]
/** For `access`. */
export const I32_LOAD: Bytes = [0x28]
export const I32_STORE: Bytes = [0x36]
export const V128_LOAD: Bytes = [SIMD, 0x00]
export const V128_STORE: Bytes = [SIMD, 0x0b]
export const LOAD_SPLAT: Bytes = [SIMD, 0x09]
export const LOAD_ZERO: Bytes = [SIMD, 0x5c]
/** For `lane`. */
export const LOAD_LANE: Bytes = [SIMD, 0x56]
export const STORE_LANE: Bytes = [SIMD, 0x5a]

export const i32 = {
  eqz: [0x45],
  eq: [0x46],
  ne: [0x47],
  ltS: [0x48],
  ltU: [0x49],
  gtS: [0x4a],
  add: [0x6a],
  sub: [0x6b],
  mul: [0x6c],
  divU: [0x6e],
  and: [0x71],
  or: [0x72],
  xor: [0x73],
  shl: [0x74],
  shrS: [0x75],
  shrU: [0x76],
} as const satisfies Record<string, Bytes>

export const i64 = { extendU: [0xad], mul: [0x7e], divU: [0x80], wrap: [0xa7] } as const satisfies Record<string, Bytes>

export const v128 = { and: simd(0x4e), or: simd(0x50), xor: simd(0x51), select: simd(0x52) }

export const i32x4 = {
  splat: simd(0x11),
  eq: simd(0x37),
  ltS: simd(0x39),
  shl: simd(0xab),
  shrS: simd(0xac),
  shrU: simd(0xad),
  add: simd(0xae),
  sub: simd(0xb1),
  mul: simd(0xb5),
  minS: simd(0xb6),
  truncSat: simd(0xf8),
}

export const f32x4 = {
  eq: simd(0x41),
  ne: simd(0x42),
  lt: simd(0x43),
  le: simd(0x45),
  nearest: simd(0x6a),
  abs: simd(0xe0),
  neg: simd(0xe1),
  sqrt: simd(0xe3),
  add: simd(0xe4),
  sub: simd(0xe5),
  mul: simd(0xe6),
  div: simd(0xe7),
  pmin: simd(0xea),
  pmax: simd(0xeb),
  convert: simd(0xfa),
  relaxedMadd: simd(0x105),
}
