/**
 * The values of ONNX's tensors: raw bytes, numbers in fields, or a file beside the model. What is asked of the file
 * system goes through `ExternalFiles`, by plain names only.
 * Not here: the messages (model.ts); text, complex, 4- and 8-bit-float and unsigned 16–64-bit tensors: refused by name.
 * Source: onnx/onnx.proto (TensorProto), ONNX's ExternalData.md.
 */
import { LenetError } from '../../base/index.js'
import { shownName } from '../shownName.js'
import { pthDtypes, type PthDtype, type PthTensor } from '../pthTypes.js'
import { rowMajorStrides } from '../strided.js'
import { Budget, denseArray } from '../torchTensors.js'
import type { OnnxTensor } from './model.js'

/**
 * The bytes of a file in the model's own folder, by its plain name. Throws LenetError where there is none, and where it has
 * more than `most` bytes.
 */
export type ExternalFiles = (name: string, most: number) => Uint8Array

/** TensorProto.DataType by number. */
export const onnxTypes: readonly string[] = [
  'undefined',
  'float',
  'uint8',
  'int8',
  'uint16',
  'int16',
  'int32',
  'int64',
  'string',
  'bool',
  'float16',
  'double',
  'uint32',
  'uint64',
  'complex64',
  'complex128',
  'bfloat16',
  'float8e4m3fn',
  'float8e4m3fnuz',
  'float8e5m2',
  'float8e5m2fnuz',
  'uint4',
  'int4',
  'float4e2m1',
]
const dtypes: Readonly<Record<string, PthDtype>> = {
  float: 'f32',
  uint8: 'u8',
  int8: 'i8',
  int16: 'i16',
  int32: 'i32',
  int64: 'i64',
  bool: 'bool',
  float16: 'f16',
  double: 'f64',
  bfloat16: 'bf16',
}
const mostFiles = 64

/** Names that mean a file in the same folder wherever they are used. */
export function isPlainName(name: string): boolean {
  return name !== '' && name.length <= 255 && !/[/\\:\x00-\x1f\x7f]|^\.{1,2}$/.test(name)
}

/** Turns tensors of one file into arrays, each once. */
export class TensorReader {
  readonly #name: string
  readonly #files: ExternalFiles | undefined
  readonly #budget: Budget
  readonly #largest: number
  readonly #opened = new Map<string, Uint8Array>()
  readonly #read = new Map<OnnxTensor, PthTensor>()

  /** `wanted`: bytes that the model's tensors can want of other files, which may hold those of other models too. */
  constructor(name: string, size: number, files: ExternalFiles | undefined, wanted = 0) {
    this.#name = name
    this.#files = files
    this.#budget = new Budget(64 * 2 ** 20 + 4 * size)
    this.#largest = 64 * 2 ** 20 + 16 * (size + wanted)
  }

  /** Takes memory for what is made of the file's tensors. */
  spend(bytes: number, where: string): void {
    this.#budget.spend(bytes, where)
  }

  /** The tensor in C order; f16 and bf16 come widened. */
  read(tensor: OnnxTensor): PthTensor {
    const known = this.#read.get(tensor)
    if (known !== undefined) return known
    const where = `${this.#name}, tensor ${shownName(tensor.name)}`
    const type = onnxTypes[tensor.type] ?? String(tensor.type)
    const dtype = dtypes[type]
    if (dtype === undefined)
      throw new LenetError(`${where}: its type is ${type}; known: ${Object.keys(dtypes).join(', ')}`)
    const shape = [...tensor.dims]
    const needed = shape.reduce((product, size) => product * size, pthDtypes[dtype].bytes)
    const bytes = this.#bytes(tensor, dtype, needed, where)
    if (bytes.length !== needed) {
      throw new LenetError(`${where}: ${type} [${shape.join(', ')}] needs ${needed} bytes and has ${bytes.length}`)
    }
    const view = { bytes, dtype, bigEndian: false, offset: 0, shape, strides: rowMajorStrides(shape) }
    const made = { dtype, shape, data: denseArray(view, where, this.#budget) }
    this.#read.set(tensor, made)
    return made
  }

  #bytes(tensor: OnnxTensor, dtype: PthDtype, needed: number, where: string): Uint8Array {
    const { raw, floats, doubles, ints, external } = tensor
    const ways = [raw, floats[0], doubles[0], ints[0], external].filter((way) => way !== undefined).length
    if (ways > 1) throw new LenetError(`${where}: refused: it holds its data in ${ways} ways`)
    if (external !== undefined) return this.#external(external, needed, where)
    if (raw !== undefined) return raw
    if (dtype === 'f32') return this.#joined(floats, where)
    if (dtype === 'f64') return this.#joined(doubles, where)
    return this.#fromInts(tensor, dtype, needed, where)
  }

  #joined(parts: readonly Uint8Array[], where: string): Uint8Array {
    const size = parts.reduce((sum, part) => sum + part.length, 0)
    this.#budget.spend(size, where)
    const out = new Uint8Array(size)
    let at = 0
    for (const part of parts) {
      out.set(part, at)
      at += part.length
    }
    return out
  }

  /** int32_data and int64_data: one number an item; of half-precision floats the bits. */
  #fromInts({ ints }: OnnxTensor, dtype: PthDtype, needed: number, where: string): Uint8Array {
    const size = pthDtypes[dtype].bytes
    this.#budget.spend(needed * 4, where)
    const out = new Uint8Array(needed)
    const view = new DataView(out.buffer)
    let at = 0
    for (const field of ints) {
      for (const value of field.longs(needed / size)) {
        if (at >= needed) throw new LenetError(`${where}: it has more numbers than its shape`)
        if (size === 8) view.setBigInt64(at, value, true)
        else if (size === 4) view.setInt32(at, Number(BigInt.asIntN(32, value)), true)
        else if (size === 2) view.setUint16(at, Number(BigInt.asUintN(16, value)), true)
        else view.setUint8(at, Number(BigInt.asUintN(8, value)))
        at += size
      }
    }
    return out.subarray(0, at)
  }

  #external(entry: ReadonlyMap<string, string>, needed: number, where: string): Uint8Array {
    const location = entry.get('location') ?? ''
    if (!isPlainName(location)) {
      const shown = JSON.stringify(location.slice(0, 100))
      throw new LenetError(`${where}: refused: its data is in ${shown}; only a file in the model's own folder is read`)
    }
    const offset = countOf(entry.get('offset') ?? '0', 'offset', where)
    const length = countOf(entry.get('length') ?? String(needed), 'length', where)
    if (length !== needed)
      throw new LenetError(`${where}: its shape needs ${needed} bytes, its external data has ${length}`)
    const bytes = this.#open(location, where)
    if (offset + length > bytes.length) {
      throw new LenetError(
        `${where}: ${location} has ${bytes.length} bytes; bytes ${offset} to ${offset + length} are asked for`,
      )
    }
    return bytes.subarray(offset, offset + length)
  }

  #open(location: string, where: string): Uint8Array {
    const known = this.#opened.get(location)
    if (known !== undefined) return known
    if (this.#files === undefined) {
      throw new LenetError(`${where}: its data is in the file ${location}, which was not given with the model`)
    }
    if (this.#opened.size >= mostFiles) throw new LenetError(`${where}: refused: data in more than ${mostFiles} files`)
    const bytes = this.#files(location, this.#largest)
    this.#opened.set(location, bytes)
    return bytes
  }
}

function countOf(text: string, what: string, where: string): number {
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(value))
    throw new LenetError(`${where}: its ${what} is ${JSON.stringify(text.slice(0, 40))}`)
  return value
}
