/**
 * Writes the pickles of PyTorch's files, protocol 2: plain values, dicts and tensors. Same value, same bytes.
 * Not here: the zip file around them (pthWriter.ts).
 * Source: Python's Lib/pickletools.py for opcodes; torch/_utils.py for the tensors' form.
 */
import { LenetError, isArrayOf, isMap } from '../base/index.js'
import { pthDtypes, type PthDtype, type WritablePthValue, type WritableTensor } from './pthTypes.js'
import { rowMajorStrides } from './strided.js'

const encoder = new TextEncoder()

/** Fits Python's BININT opcodes. */
function isSmall(value: number): boolean {
  return value >= -(2 ** 31) && value < 2 ** 31
}

/** The dtype that a tensor is written with. */
function writtenDtype({ data, dtype }: WritableTensor): PthDtype {
  if (isArrayOf('Float32Array', data)) return 'f32'
  if (isArrayOf('Float64Array', data)) return 'f64'
  if (isArrayOf('BigInt64Array', data)) return 'i64'
  if (isArrayOf('Int32Array', data)) return 'i32'
  if (isArrayOf('Int16Array', data)) return 'i16'
  if (isArrayOf('Int8Array', data)) return 'i8'
  return dtype === 'bool' ? 'bool' : 'u8'
}

function isWritableTensor(value: WritablePthValue): value is WritableTensor {
  return typeof value === 'object' && value !== null && 'data' in value && ArrayBuffer.isView(value.data)
}

/** Collects a pickle's bytes and, in order, the storages it refers to (keys "0", "1", …; an array used twice is one). */
export class PickleWriter {
  readonly storages: WritableTensor['data'][] = []
  readonly #parts: Uint8Array[] = []
  readonly #keys = new Map<WritableTensor['data'], number>()

  constructor() {
    this.#raw('\x80\x02')
  }

  /** Ends the pickle and returns it. */
  end(): Uint8Array {
    this.#raw('.')
    const out = new Uint8Array(this.#parts.reduce((sum, part) => sum + part.length, 0))
    let at = 0
    for (const part of this.#parts) {
      out.set(part, at)
      at += part.length
    }
    return out
  }

  /** Opcodes, given as characters below 256. */
  #raw(codes: string): void {
    this.#parts.push(Uint8Array.from(codes, (code) => code.charCodeAt(0)))
  }

  /** Any value; `path` names it in errors. */
  value(value: WritablePthValue, path: string): void {
    if (value === null) this.#raw('N')
    else if (typeof value === 'boolean') this.#raw(value ? '\x88' : '\x89')
    else if (typeof value === 'number') this.#number(value)
    else if (typeof value === 'bigint') this.#long(value)
    else if (typeof value === 'string') this.#text(value)
    else if (isWritableTensor(value)) this.#tensor(value, path)
    else if (Array.isArray(value)) this.#list(value, path)
    else
      this.#dict(isMap(value) ? (value as ReadonlyMap<string | number, WritablePthValue>) : Object.entries(value), path)
  }

  /** An OrderedDict of tensors, as `net.state_dict()` is. */
  stateDict(tensors: Iterable<readonly [string, WritableTensor]>): void {
    this.#raw('ccollections\nOrderedDict\n)R(')
    for (const [name, tensor] of tensors) {
      this.#text(name)
      this.#tensor(tensor, name)
    }
    this.#raw('u')
  }

  #list(values: readonly WritablePthValue[], path: string): void {
    this.#raw('](')
    values.forEach((value, i) => this.value(value, `${path}[${i}]`))
    this.#raw('e')
  }

  #dict(entries: Iterable<readonly [string | number, WritablePthValue]>, path: string): void {
    this.#raw('}(')
    for (const [key, value] of entries) {
      this.value(key, path)
      this.value(value, path === '' ? String(key) : `${path}.${key}`)
    }
    this.#raw('u')
  }

  /** Whole numbers become Python ints, others floats. */
  #number(value: number): void {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) return this.#float(value)
    if (!isSmall(value)) return this.#long(BigInt(value))
    if (value >= 0 && value < 256) return this.#raw(`K${String.fromCharCode(value)}`)
    const bytes = new Uint8Array(5)
    bytes[0] = 0x4a
    new DataView(bytes.buffer).setInt32(1, value, true)
    this.#parts.push(bytes)
  }

  #float(value: number): void {
    const bytes = new Uint8Array(9)
    bytes[0] = 0x47
    new DataView(bytes.buffer).setFloat64(1, value, false)
    this.#parts.push(bytes)
  }

  /** LONG1: little-endian two's complement, in as few bytes as hold it. */
  #long(value: bigint): void {
    let count = 1
    while (BigInt.asIntN(8 * count, value) !== value) count++
    if (count > 255) throw new LenetError('an integer of more than 255 bytes cannot be written')
    const bytes = new Uint8Array(2 + count)
    bytes[0] = 0x8a
    bytes[1] = count
    for (let i = 0; i < count; i++) bytes[2 + i] = Number(BigInt.asUintN(8, value >> BigInt(8 * i)))
    this.#parts.push(bytes)
  }

  #text(text: string): void {
    const utf8 = encoder.encode(text)
    const head = new Uint8Array(5)
    head[0] = 0x58
    new DataView(head.buffer).setUint32(1, utf8.length, true)
    this.#parts.push(head, utf8)
  }

  #tuple(values: readonly number[]): void {
    this.#raw('(')
    for (const value of values) this.#number(value)
    this.#raw('t')
  }

  /** `_rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())`. */
  #tensor(tensor: WritableTensor, path: string): void {
    const { data, shape } = tensor
    const count = shape.reduce((product, size) => product * size, 1)
    if (count !== data.length) {
      throw new LenetError(`${path}: a tensor [${shape.join(', ')}] needs ${count} items and is given ${data.length}`)
    }
    this.#raw('ctorch._utils\n_rebuild_tensor_v2\n((')
    this.#text('storage')
    this.#raw(`ctorch\n${pthDtypes[writtenDtype(tensor)].storage}\n`)
    this.#text(String(this.#keyOf(data)))
    this.#text('cpu')
    this.#number(data.length)
    this.#raw('tQK\0')
    this.#tuple(shape)
    this.#tuple(rowMajorStrides(shape))
    this.#raw('\x89ccollections\nOrderedDict\n)RtR')
  }

  #keyOf(data: WritableTensor['data']): number {
    const known = this.#keys.get(data)
    if (known !== undefined) return known
    this.#keys.set(data, this.storages.length)
    return this.storages.push(data) - 1
  }
}
