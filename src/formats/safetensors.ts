/**
 * safetensors: a JSON header and the tensors' bytes. Read strictly, as the library itself does: every byte of the data
 * belongs to exactly one tensor. Written with the library's own order, alignment and spelling.
 * Not here: dtypes that nets of this kind do not use (8-bit floats, unsigned 16–64 bits, complex): refused by name.
 * Source: the format's specification and safetensors/src/tensor.rs.
 */
import { LenetError, isMap } from '../base/index.js'
import { ByteReader } from './byteReader.js'
import { parseJson, type JsonValue } from './json.js'
import { pthDtypes, type PthDtype, type PthTensor, type WritableTensor } from './pthTypes.js'
import { shownName } from './shownName.js'
import { rowMajorStrides } from './strided.js'
import { fileDtype, tensorBytes } from './tensorBytes.js'
import { Budget, denseArray } from './torchTensors.js'

/** The file's names for dtypes, in the order in which the library lays them out. */
const dtypeNames = [
  ['I64', 'i64'],
  ['F64', 'f64'],
  ['F32', 'f32'],
  ['I32', 'i32'],
  ['BF16', 'bf16'],
  ['F16', 'f16'],
  ['I16', 'i16'],
  ['I8', 'i8'],
  ['U8', 'u8'],
  ['BOOL', 'bool'],
] as const satisfies readonly (readonly [string, PthDtype])[]
const dtypes: ReadonlyMap<string, PthDtype> = new Map(dtypeNames)
const ranks = dtypeNames.map(([, dtype]): PthDtype => dtype)
/** 8 MiB of header describe some 80,000 tensors. */
const longestHeader = 8 * 2 ** 20
const metadataKey = '__metadata__'

export interface SafetensorsFile {
  readonly name: string
  /** In the order of the header. f16 and bf16 come widened in a Float32Array. */
  readonly tensors: Map<string, PthTensor>
  /** `__metadata__`: texts by name; empty where the file has none. */
  readonly metadata: Map<string, string>
}

interface Entry {
  readonly key: string
  readonly dtype: PthDtype
  readonly shape: number[]
  readonly begin: number
  readonly end: number
}

/**
 * Reads a safetensors file. `name` is the file's name, for errors. Tensors are views of `bytes` where alignment allows.
 * Throws LenetError with file, tensor and reason on gaps, overlaps, wrong sizes, keys given twice and unknown dtypes.
 */
export function readSafetensors(bytes: Uint8Array, name: string): SafetensorsFile {
  const { header, data } = splitFile(bytes, name)
  const metadata = metadataOf(header.get(metadataKey), name)
  const entries = [...header].filter(([key]) => key !== metadataKey).map(([key, value]) => entryOf(key, value, name))
  checkLayout(entries, data.length, name)
  const budget = new Budget(64 * 2 ** 20 + 4 * bytes.length)
  const tensors = entries.map(({ key, dtype, shape, begin, end }) => {
    const view = { bytes: data.subarray(begin, end), dtype, bigEndian: false, offset: 0, shape }
    const items = denseArray({ ...view, strides: rowMajorStrides(shape) }, tensorName(name, key), budget)
    return [key, { dtype, shape, data: items }] as const
  })
  return { name, tensors: new Map(tensors), metadata }
}

function splitFile(bytes: Uint8Array, name: string): { header: Map<string, JsonValue>; data: Uint8Array } {
  const reader: ByteReader = new ByteReader(bytes, name)
  if (reader.left < 8) reader.fail(`not a safetensors file: it has ${reader.left} bytes, at least 10 are expected`)
  const length = reader.u64()
  if (length > longestHeader) reader.fail(`refused: its header has ${length} bytes, at most ${longestHeader} are read`)
  const text = reader.text(length)
  if (!text.startsWith('{')) reader.fail('not a safetensors file: its header does not begin with {')
  const header = parseJson(text, `${name}, header`)
  if (!isMap(header)) return reader.fail('not a safetensors file: its header is no JSON object')
  return { header, data: reader.take(reader.left) }
}

function tensorName(name: string, key: string): string {
  return `${name}: ${shownName(key)}`
}

function metadataOf(value: JsonValue | undefined, name: string): Map<string, string> {
  if (value === undefined || value === null) return new Map() // MLX writes null
  if (!isMap(value)) throw new LenetError(`${name}: ${metadataKey} is no JSON object`)
  return new Map(
    [...value].map(([key, text]) => {
      if (typeof text === 'string') return [key, text]
      throw new LenetError(`${tensorName(name, `${metadataKey}.${key}`)}: a text is expected`)
    }),
  )
}

function sizesOf(value: JsonValue | undefined): number[] | undefined {
  if (!Array.isArray(value)) return undefined
  const sizes = value.filter((size): size is number => Number.isSafeInteger(size) && Number(size) >= 0)
  return sizes.length === value.length ? sizes : undefined
}

function entryOf(key: string, value: JsonValue, name: string): Entry {
  const where = tensorName(name, key)
  if (!isMap(value)) throw new LenetError(`${where}: its header entry is no JSON object`)
  const dtypeName = value.get('dtype')
  const dtype = typeof dtypeName === 'string' ? dtypes.get(dtypeName) : undefined
  if (dtype === undefined) {
    throw new LenetError(
      `${where}: dtype ${JSON.stringify(dtypeName)?.slice(0, 40)}; known: ${[...dtypes.keys()].join(', ')}`,
    )
  }
  const shape = sizesOf(value.get('shape'))
  const [begin, end, ...rest] = sizesOf(value.get('data_offsets')) ?? []
  if (shape === undefined || shape.length > 32) throw new LenetError(`${where}: its shape is no list of sizes`)
  if (begin === undefined || end === undefined || rest.length > 0 || end < begin) {
    throw new LenetError(`${where}: its data_offsets are not two rising numbers`)
  }
  const needed = shape.reduce((product, size) => product * size, pthDtypes[dtype].bytes)
  if (needed !== end - begin) {
    throw new LenetError(
      `${where}: ${dtypeName} [${shape.join(', ')}] needs ${needed} bytes, its offsets give ${end - begin}`,
    )
  }
  return { key, dtype, shape, begin, end }
}

/** Tensors must follow each other without gap or overlap from the first byte to the last. */
function checkLayout(entries: readonly Entry[], length: number, name: string): void {
  let at = 0
  for (const { key, begin, end } of entries.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== at) {
      const what = begin > at ? 'a gap before it' : 'it overlaps another tensor'
      throw new LenetError(`${tensorName(name, key)}: refused: ${what}: it begins at ${begin}, ${at} is expected`)
    }
    if (end > length) {
      throw new LenetError(
        `${tensorName(name, key)}: truncated: it ends at byte ${end} of the data, which has ${length}`,
      )
    }
    at = end
  }
  if (at !== length) throw new LenetError(`${name}: refused: ${length - at} bytes at its end belong to no tensor`)
}

function checkNames(keys: readonly string[]): void {
  const seen = new Set<string>()
  for (const key of keys) {
    if (key === metadataKey) throw new LenetError(`a tensor cannot be called ${metadataKey} in a safetensors file`)
    if (seen.has(key)) throw new LenetError(`${key}: two tensors have this name`)
    seen.add(key)
  }
}

/** Compares by code points, as UTF-8's bytes do. */
function byName(a: string, b: string): number {
  const [left, right] = [[...a], [...b]]
  const at = left.findIndex((character, i) => character !== right[i])
  if (at < 0) return left.length - right.length
  return (left[at]?.codePointAt(0) ?? 0) - (right[at]?.codePointAt(0) ?? -1)
}

/**
 * Tensors as a safetensors file: the bytes that the library's own `save` writes for them. `dtype: 'f16'` or `'bf16'`
 * rounds a Float32Array. Metadata's names are sorted. Throws LenetError where shape and data differ.
 */
export function writeSafetensors(
  tensors: Iterable<readonly [string, WritableTensor]>,
  metadata: Iterable<readonly [string, string]> = [],
): Uint8Array {
  const list = [...tensors].map(([key, tensor]) => ({ key, tensor, rank: ranks.indexOf(fileDtype(tensor)) }))
  checkNames(list.map(({ key }) => key))
  list.sort((a, b) => a.rank - b.rank || byName(a.key, b.key))
  const notes = [...metadata].toSorted(([a], [b]) => byName(a, b))
  const fields =
    notes.length > 0 ? [`"${metadataKey}":${objectText(notes.map(([k, v]) => [k, JSON.stringify(v)]))}`] : []
  const parts: Uint8Array[] = []
  let at = 0
  for (const { key, tensor, rank } of list) {
    const bytes = tensorBytes(tensor, key)
    const entry = { dtype: dtypeNames[rank]?.[0], shape: tensor.shape, data_offsets: [at, at + bytes.length] }
    fields.push(`${JSON.stringify(key)}:${JSON.stringify(entry)}`)
    parts.push(bytes)
    at += bytes.length
  }
  return joined(`{${fields.join(',')}}`, parts, at)
}

function objectText(members: readonly (readonly [string, string])[]): string {
  return `{${members.map(([key, text]) => `${JSON.stringify(key)}:${text}`).join(',')}}`
}

/** The header is filled with spaces to a multiple of 8 bytes, so that the data is aligned. */
function joined(header: string, parts: readonly Uint8Array[], length: number): Uint8Array {
  const text = new TextEncoder().encode(header)
  const padded = Math.ceil(text.length / 8) * 8
  const out = new Uint8Array(8 + padded + length)
  new DataView(out.buffer).setBigUint64(0, BigInt(padded), true)
  out.fill(0x20, 8, 8 + padded)
  out.set(text, 8)
  let at = 8 + padded
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}
