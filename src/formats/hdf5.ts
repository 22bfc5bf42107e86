/**
 * HDF5 files by h5wasm, which is loaded when the first such file is touched: 4 MB that nobody else needs. Files live in
 * its memory filesystem only, so a link to another file finds nothing, and none is followed anyway.
 * Before a value is read, its size is checked against the file's: an HDF5 file of 2 kB can announce 4 TB.
 * Not here: what Keras puts into these files (kerasH5.ts, kerasWeightsH5.ts), writing (hdf5Writer.ts).
 */
import type * as H5wasm from 'h5wasm'
import { LenetError, isArrayOf, messageOf } from '../base/index.js'
import { latin1Bytes } from './byteReader.js'
import { headerMessage, headerMessages, type HeaderMessage } from './hdf5Headers.js'
import { numbersFault } from './hdf5Numbers.js'
import { attributeBytes, GlobalHeaps } from './hdf5Texts.js'
import type { NetTensor } from './net.js'
import { shownName } from './shownName.js'
import { widenBfloat16, widenHalves } from './torchTensors.js'

type Library = typeof H5wasm
type Module = Awaited<Library['ready']>

export interface Hdf5Library {
  readonly h5: Library
  readonly module: Module
}

let library: Promise<Hdf5Library> | undefined

/** The library; reads that fail throw (else they give zeros without a word). */
export function hdf5(): Promise<Hdf5Library> {
  library ??= loadLibrary().catch((error: unknown) => {
    library = undefined
    throw error
  })
  return library
}

async function loadLibrary(): Promise<Hdf5Library> {
  const h5 = await import('h5wasm')
  const module = await h5.ready
  module.activate_throwing_error_handler()
  return { h5, module }
}

const signature = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]

const hasSignature = (bytes: Uint8Array, at: number): boolean => signature.every((byte, i) => bytes[at + i] === byte)

/** True where the bytes begin as HDF5 files do that have no user block. */
export const looksLikeHdf5 = (bytes: Uint8Array): boolean => hasSignature(bytes, 0)

/**
 * True also of files that begin with a user block of 512, 1024 … bytes of anything. Asked last: files that hold others as
 * they are (zip, safetensors, ONNX) may have a signature there too.
 */
export const mayBeHdf5 = (bytes: Uint8Array): boolean => signatureAt(bytes) !== undefined

function signatureAt(bytes: Uint8Array): number | undefined {
  for (let at = 0; at + 8 <= bytes.length; at = at === 0 ? 512 : at * 2) {
    if (hasSignature(bytes, at)) return at
  }
  return undefined
}

/** What a file may announce beyond its own size: weights hardly compress. */
const freeBytes = 2 ** 22
const mostExpansion = 16
const mostChunks = 100_000
const mostNames = 20_000
/** What one dataset takes of a file at least; links may make the same one many. */
const leastObject = 256
/** Filters that the library has: deflate, shuffle, fletcher32, szip, nbit, scale-offset. */
const mostFilter = 6

/**
 * Opens a file in memory, lets `use` read it, and closes it whatever happens. `where` names it in errors, all of which
 * are LenetErrors of one line.
 */
export async function withHdf5<T>(bytes: Uint8Array, where: string, use: (file: Hdf5File) => T): Promise<T> {
  const begin = signatureAt(bytes)
  if (begin === undefined) throw new LenetError(`${where}: no HDF5 file (its signature is missing)`)
  const own = bytes.subarray(begin) // addresses count from the signature
  const library = await hdf5()
  const path = `/read-${counter++}.h5`
  library.module.FS.writeFile(path, own)
  let file: H5wasm.File | undefined
  try {
    file = guarded(where, () => new library.h5.File(path, 'r'))
    return use(new Hdf5File(file, library, own, where))
  } finally {
    closeQuietly(file)
    library.module.FS.unlink(path)
  }
}

let counter = 0

/** A damaged file may not even close; what went wrong before that is what counts. */
function closeQuietly(file: H5wasm.File | undefined): void {
  try {
    file?.close()
  } catch {
    // its error came up while reading
  }
}

/** The library's errors as one line with the file's name. */
function guarded<T>(where: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof LenetError) throw error
    throw new LenetError(`${where}: truncated, damaged or not readable (${shownName(deepest(error))})`)
  }
}

/** The last and innermost line of the library's report: `#006: …H5Fsuper.c line 577 in H5F__super_read(): truncated file`. */
function deepest(error: unknown): string {
  const text = messageOf(error)
  const reasons = [...text.matchAll(/ in \w+\(\): (.*)/g)].map(([, reason]) => reason ?? '')
  return reasons.at(-1) ?? text.split('\n')[0] ?? ''
}

/** An open file: values by path, each checked before it is read. Only inside `withHdf5`. */
export class Hdf5File {
  readonly where: string
  readonly #file: H5wasm.File
  readonly #library: Hdf5Library
  readonly #bytes: Uint8Array
  readonly #keys = new Map<string, ReadonlySet<string>>()
  readonly #heaps: GlobalHeaps
  #announced = 0
  #visits = 0

  constructor(file: H5wasm.File, library: Hdf5Library, bytes: Uint8Array, where: string) {
    this.#file = file
    this.#library = library
    this.#bytes = bytes
    this.where = where
    this.#heaps = new GlobalHeaps(bytes)
  }

  fail(part: string, message: string): never {
    throw new LenetError(`${this.where}, ${shownName(part === '' ? '/' : part)}: ${message}`)
  }

  #guard<T>(part: string, read: () => T): T {
    return guarded(`${this.where}, ${shownName(part === '' ? '/' : part)}`, read)
  }

  /** Whether something stands at `path`. No link is followed; one on the way is refused. */
  has(path: string): boolean {
    return this.#kind(path) !== undefined
  }

  /** Names in the group at `path`, as HDF5 orders them. */
  names(path: string): string[] {
    if (this.#kind(path) !== 'group') this.fail(path, this.has(path) ? 'should be a group' : 'is missing')
    return [...this.#keysOf(path)]
  }

  /** The texts of a group's attribute, one or several; undefined where it is missing. */
  texts(path: string, name: string): string[] | undefined {
    if (this.#kind(path) !== 'group') this.fail(path, this.has(path) ? 'should be a group' : 'is missing')
    return this.#texts(path, name)
  }

  #texts(path: string, name: string): string[] | undefined {
    const { h5, module } = this.#library
    const id = this.#file.file_id
    this.#visit(path)
    const names = this.#guard(path, () => module.get_attribute_names(id, absolute(path)))
    if (!names.includes(name)) return undefined
    const part = `${path === '' ? '/' : path}, attribute ${name}`
    const { metadata } = this.#guard(part, () => new h5.Attribute(id, absolute(path), name))
    if (metadata.shape === null || metadata.total_size === 0) return []
    if (metadata.type !== module.H5T_class_t.H5T_STRING.value) return this.fail(part, 'should hold texts')
    if (metadata.total_size > mostNames) this.fail(part, `refused: it has ${metadata.total_size} items`)
    this.#spend(metadata.total_size * metadata.size, part)
    if (metadata.vlen) return this.#looseTexts(path, name, metadata.total_size)
    const value: unknown = this.#guard(part, () => new h5.Attribute(id, absolute(path), name).value)
    const items: readonly unknown[] = Array.isArray(value) ? value : [value]
    return items.map((item) => (typeof item === 'string' ? asUtf8(item) : this.fail(part, 'should hold texts')))
  }

  /** Texts of variable length, which the library is not trusted with. */
  #looseTexts(path: string, name: string, count: number): string[] {
    const part = `${this.where}, ${shownName(path)}, attribute ${name}`
    const value = attributeBytes(this.#bytes, this.#messages(path), name, part)
    if (value === undefined) return this.fail(path, `its attribute ${name} is kept in a way that is not known here`)
    return this.#heaps.texts(value, count, part, (bytes) => this.#spend(bytes, part))
  }

  #messages(path: string): HeaderMessage[] {
    const { h5 } = this.#library
    const group = new h5.Group(this.#file.file_id, absolute(path)) // a dataset's reference is made the same way
    const reference = this.#guard(path, () => group.create_reference().ref_data)
    return headerMessages(this.#bytes, objectAddress(reference), `${this.where}, ${shownName(path)}`)
  }

  /** The numbers at `path` as float32: f64 and integers rounded, f16 and Keras's bfloat16 widened. Throws LenetError. */
  tensor(path: string): NetTensor {
    this.#visit(path)
    const { metadata } = this.#dataset(path)
    const { shape, size, type, total_size: count } = metadata
    const { H5T_class_t: kinds } = this.#library.module
    if (shape === null) return this.fail(path, 'is empty')
    // Keras stores bfloat16 as bytes without a type, and says so beside them
    const isBfloat = type === kinds.H5T_OPAQUE.value && size === 2 && this.#texts(path, 'dtype')?.[0] === 'bfloat16'
    if (type !== kinds.H5T_INTEGER.value && type !== kinds.H5T_FLOAT.value && !isBfloat)
      this.fail(path, 'should hold numbers')
    this.#spend(count * Math.max(size, 4), path)
    this.#refuseUnreadable(path, isBfloat)
    if (count === 0) return { shape, data: new Float32Array(0) }
    if (isBfloat) return { shape, data: widenBfloat16(this.#halves(path, count)) }
    if (type === kinds.H5T_FLOAT.value && size === 2) return { shape, data: widenHalves(this.#halves(path, count)) }
    const { h5 } = this.#library
    const value: unknown = this.#guard(path, () => new h5.Dataset(this.#file.file_id, absolute(path)).value)
    return { shape, data: asFloats(value) ?? this.fail(path, 'should hold numbers') }
  }

  /** Floats of 16 bits, which the library has not, as it has them in memory: little-endian whatever the file's order. */
  #halves(path: string, count: number): Uint16Array {
    const { module } = this.#library
    const pointer = module._malloc(count * 2)
    try {
      const id = this.#file.file_id
      this.#guard(path, () => module.get_dataset_data(id, absolute(path), null, null, null, BigInt(pointer)))
      return new Uint16Array(module.HEAPU8.slice(pointer, pointer + count * 2).buffer)
    } finally {
      module._free(pointer)
    }
  }

  /** Called for each object and attribute that is read: lists of names, and links, could make few bytes a day's work. */
  #visit(part: string): void {
    const most = 1000 + this.#bytes.length / leastObject
    if (++this.#visits > most)
      this.fail(part, `refused: more than ${Math.floor(most)} things are read of so small a file`)
  }

  #spend(bytes: number, part: string): void {
    this.#announced += bytes
    if (bytes >= 0 && this.#announced <= freeBytes + mostExpansion * this.#bytes.length) return
    this.fail(part, `refused: it announces ${bytes} bytes, in a file of ${this.#bytes.length}`)
  }

  #keysOf(path: string): ReadonlySet<string> {
    const known = this.#keys.get(path)
    if (known !== undefined) return known
    const { module } = this.#library
    const keys = new Set(this.#guard(path, () => module.get_names(this.#file.file_id, absolute(path), false)))
    this.#keys.set(path, keys)
    return keys
  }

  /** What stands at `path`, looked up link by link. */
  #kind(path: string): 'group' | 'dataset' | undefined {
    let [at, kind]: [string, 'group' | 'dataset'] = ['', 'group']
    for (const part of path.split('/')) {
      if (part === '') continue
      if (part === '.' || part === '..') this.fail(path, 'refused: no plain path')
      if (kind !== 'group' || !this.#keysOf(at).has(part)) return undefined
      at = at === '' ? part : `${at}/${part}`
      kind = this.#linked(at)
    }
    return kind
  }

  /** A link's end. Links to other places and files are refused: Keras writes none, and refuses them too. */
  #linked(path: string): 'group' | 'dataset' {
    const { module } = this.#library
    const id = this.#file.file_id
    const target: unknown = this.#guard(path, () => module.get_symbolic_link(id, absolute(path)))
    if (typeof target === 'string') this.fail(path, `refused: a link to ${shownName(target)}`)
    const { filename } = this.#guard(path, () => module.get_external_link(id, absolute(path)))
    if (filename !== undefined) this.fail(path, `refused: a link to the file ${shownName(filename)}`)
    const type = this.#guard(path, () => module.get_type(id, absolute(path)))
    if (type === module.H5G_GROUP) return 'group'
    return type === module.H5G_DATASET ? 'dataset' : this.fail(path, 'is neither a group nor a dataset')
  }

  #dataset(path: string): { metadata: H5wasm.Metadata } {
    const kind = this.#kind(path)
    if (kind !== 'dataset') this.fail(path, kind === undefined ? 'is missing' : 'should be a dataset')
    const { module } = this.#library
    const metadata = this.#guard(path, () => module.get_dataset_metadata(this.#file.file_id, absolute(path)))
    if (metadata.virtual_sources !== undefined) this.fail(path, 'refused: its values lie in other places')
    const { chunks, shape } = metadata
    const pieces = (shape ?? []).map((size, i) => Math.ceil(size / Math.max(chunks?.[i] ?? size, 1)))
    if (chunks !== null && pieces.reduce((product, count) => product * count, 1) > mostChunks) {
      this.fail(path, `refused: it comes in more than ${mostChunks} pieces`)
    }
    return { metadata }
  }

  /** Values in other files, packed in ways that the library does not know, or numbers of a kind that it misreads. */
  #refuseUnreadable(path: string, isBfloat: boolean): void {
    const { module } = this.#library
    const id = this.#file.file_id
    for (const { id: filter, name } of this.#guard(path, () => module.get_dataset_filters(id, absolute(path)))) {
      const what = filter === 32000 ? 'LZF' : shownName(name === '' ? `filter ${filter}` : name)
      if (filter > mostFilter)
        this.fail(path, `is packed by ${what}, which is not known here; save it with gzip or unpacked`)
    }
    const messages = this.#messages(path)
    if (messages.some(({ type }) => type === headerMessage.externalFiles))
      this.fail(path, 'refused: its values lie in another file')
    const fault = isBfloat ? undefined : numbersFault(this.#bytes, messages, `${this.where}, ${shownName(path)}`)
    if (fault !== undefined) this.fail(path, fault)
  }
}

const absolute = (path: string): string => (path.startsWith('/') ? path : `/${path}`)

/** Where an object reference points to: the object's header. */
export function objectAddress(reference: Iterable<number>): number {
  return Number(new DataView(Uint8Array.from(reference).buffer).getBigUint64(0, true))
}

/** Texts marked as ASCII may hold UTF-8, and come as one character a byte. */
function asUtf8(text: string): string {
  const bytes = /[\x80-\xff]/.test(text) ? latin1Bytes(text) : undefined
  if (bytes === undefined) return text
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return text
  }
}

function asFloats(value: unknown): Float32Array | undefined {
  if (isArrayOf('Float32Array', value)) return value
  if (typeof value === 'number') return Float32Array.of(value)
  if (typeof value === 'bigint') return Float32Array.of(Number(value))
  if (isArrayOf('BigInt64Array', value) || isArrayOf('BigUint64Array', value)) return Float32Array.from(value, Number)
  if (isArrayOf('Float64Array', value) || isArrayOf('Int32Array', value) || isArrayOf('Uint32Array', value))
    return Float32Array.from(value)
  if (isArrayOf('Int16Array', value) || isArrayOf('Uint16Array', value)) return Float32Array.from(value)
  return isArrayOf('Int8Array', value) || isArrayOf('Uint8Array', value) ? Float32Array.from(value) : undefined
}
