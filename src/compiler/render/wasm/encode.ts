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

export function s32(value: number): Bytes {
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

/** Kernels have up to some hundred thousand bytes: appended one by one, as spreading them would overflow the stack. */
export function append(to: Bytes, bytes: readonly number[]): void {
  for (const byte of bytes) to.push(byte)
}

/** A name as the format has it; our names are ASCII. */
export function text(name: string): Bytes {
  return [...u32(name.length), ...Array.from(name, (letter) => letter.charCodeAt(0) & 127)]
}

export function sized(bytes: readonly number[]): Bytes {
  const out = u32(bytes.length)
  append(out, bytes)
  return out
}

export function vector(items: readonly (readonly number[])[]): Bytes {
  const out = u32(items.length)
  for (const item of items) append(out, item)
  return out
}

export function section(id: number, content: readonly number[]): Bytes {
  const out: Bytes = [id]
  append(out, sized(content))
  return out
}

export const I32 = 0x7f
export const V128 = 0x7b
const SIMD = 0xfd

/** Alignment is a hint only: every access is told to be aligned to 4 bytes at least (1 for bytes). */
const memory = (align: number, offset: number): Bytes => [align, ...u32(offset)]
const simd = (opcode: number): Bytes => [SIMD, ...u32(opcode)]

export const get = (local: number): Bytes => [0x20, ...u32(local)]
export const set = (local: number): Bytes => [0x21, ...u32(local)]
export const tee = (local: number): Bytes => [0x22, ...u32(local)]
export const call = (func: number): Bytes => [0x10, ...u32(func)]
export const i32Const = (value: number): Bytes => [0x41, ...s32(value)]
export const branchIf = (depth: number): Bytes => [0x0d, ...u32(depth)]
export const LOOP: Bytes = [0x03, 0x40]
export const IF: Bytes = [0x04, 0x40]
export const ELSE: Bytes = [0x05]
export const END: Bytes = [0x0b]
export const SELECT: Bytes = [0x1b]

export const i32Load = (offset: number): Bytes => [0x28, ...memory(2, offset)]
export const i32Load8u = (offset: number): Bytes => [0x2d, ...memory(0, offset)]
export const i32Store = (offset: number): Bytes => [0x36, ...memory(2, offset)]
export const v128Load = (offset: number): Bytes => [SIMD, 0, ...memory(2, offset)]
export const v128Store = (offset: number): Bytes => [SIMD, 0x0b, ...memory(2, offset)]
export const loadSplat32 = (offset: number): Bytes => [SIMD, 9, ...memory(2, offset)]
export const loadZero32 = (offset: number): Bytes => [SIMD, 0x5c, ...memory(2, offset)]
export const loadLane32 = (offset: number, lane: number): Bytes => [SIMD, 0x56, ...memory(2, offset), lane]
export const storeLane32 = (offset: number, lane: number): Bytes => [SIMD, 0x5a, ...memory(2, offset), lane]

/** A constant vector of four 32-bit words. */
export function v128Const(words: readonly [number, number, number, number]): Bytes {
  const view = new DataView(new ArrayBuffer(16))
  words.forEach((word, i) => view.setInt32(4 * i, word, true))
  return [SIMD, 0x0c, ...new Uint8Array(view.buffer)]
}

/** Words of two vectors: 0…3 of the first, 4…7 of the second. */
export function shuffle32(words: readonly [number, number, number, number]): Bytes {
  return [SIMD, 0x0d, ...words.flatMap((w) => [4 * w, 4 * w + 1, 4 * w + 2, 4 * w + 3])]
}

export const i32 = {
  eqz: [0x45],
  eq: [0x46],
  ltS: [0x48],
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
