/**
 * Reads PyTorch's files (.pth, .pt, .ckpt): zip files since 1.6 and the older plain ones, without running anything of them.
 * Not here: TorchScript programs, whole pickled modules, sparse, quantised and complex tensors: refused by name.
 * Source: torch/serialization.py (_save, _legacy_save, _load, _legacy_load).
 */
import { LenetError, isArrayOf, isMap, isSet } from '../base/index.js'
import { ByteReader, latin1Text, plainBytes } from './byteReader.js'
import { NumpyArray } from './numpyPickle.js'
import { unpickle } from './pickle.js'
import { describePickle, PickleCallable, type PickleValue } from './pickleTypes.js'
import { type PthDtype, type PthFile, type PthTensor, type PthValue, type PthArray } from './pthTypes.js'
import { shownName } from './shownName.js'
import { findStateDict } from './stateDict.js'
import { storageLoader, torchGlobals, TorchStorage, TorchTensor } from './torchPickle.js'
import { Budget, denseArray, type StridedBytes } from './torchTensors.js'
import { rowMajorStrides } from './strided.js'
import { looksLikeZip, ZipArchive } from './zip.js'

const advice = 'Save net.state_dict() or a dict of plain values and tensors, not the net itself'
const legacyMagic = 0x1950a86a20f9469cfc6cn
const longestPickle = 64 * 2 ** 20
/** Charged for each value of a checkpoint, so that values shared many times do not unfold without end. */
const valueCost = 128

/** Where tensors find their bytes: PyTorch's two containers answer these. */
interface Container {
  readonly root: PickleValue
  readonly bigEndian: boolean
  readonly warnings: readonly string[]
  bytesOf(storage: TorchStorage): Uint8Array
}

/**
 * Reads a PyTorch file. `name` is the file's name, for errors. Throws LenetError, with file, part, expected and found,
 * on anything damaged, unknown or hostile. Memory: besides `bytes`, at most 64 MiB + 8 × their length.
 */
export function readPth(bytes: Uint8Array, name: string): PthFile {
  const budget = new Budget(64 * 2 ** 20 + 8 * bytes.length)
  const container = looksLikeZip(bytes) ? openZip(bytes, name, budget) : openLegacy(plainBytes(bytes), name)
  const whole = new Plain(container, name, budget).value(container.root, '')
  const tensors = findStateDict(whole) ?? new Map<string, PthTensor>()
  return { name, tensors, warnings: [...container.warnings], whole }
}

function unpickleTorch(
  bytes: Uint8Array,
  where: string,
  storages: Map<string, TorchStorage>,
): { value: PickleValue; end: number } {
  return unpickle(bytes, torchGlobals, { where, advice, persistentLoad: storageLoader(storages) })
}

/** The one folder of the zip file that holds a data.pkl. */
function topFolder(archive: ZipArchive, name: string): string {
  const folders = [...archive.members.keys()].flatMap((path) => /^([^/]+)\/data\.pkl$/.exec(path)?.slice(1, 2) ?? [])
  const [folder, ...others] = folders
  if (folder === undefined || others.length > 0) {
    throw new LenetError(`${name}: not a PyTorch file: a zip file with ${folders.length} data.pkl, and one is expected`)
  }
  if (archive.members.has(`${folder}/constants.pkl`)) {
    throw new LenetError(`${name}: refused: it is a TorchScript program, not weights. ${advice}`)
  }
  return folder
}

function isBigEndian(archive: ZipArchive, member: string, name: string): boolean {
  if (!archive.members.has(member)) return false
  const order = latin1Text(archive.read(member, 64))
  if (order !== 'little' && order !== 'big') {
    throw new LenetError(`${name}: ${shownName(member)} says ${JSON.stringify(order)}; 'little' or 'big' is expected`)
  }
  return order === 'big'
}

function openZip(bytes: Uint8Array, name: string, budget: Budget): Container {
  const archive = new ZipArchive(bytes, name)
  const folder = topFolder(archive, name)
  const storages = new Map<string, TorchStorage>()
  const bigEndian = isBigEndian(archive, `${folder}/byteorder`, name)
  const pickled = archive.read(`${folder}/data.pkl`, longestPickle)
  const { value: root } = unpickleTorch(pickled, `${name}, data.pkl`, storages)
  const read = new Map<string, Uint8Array>()
  const bytesOf = (storage: TorchStorage): Uint8Array => {
    const known = read.get(storage.key)
    if (known !== undefined) return known
    const data = readRecord(archive, `${folder}/data/${storage.key}`, storage, name, budget)
    read.set(storage.key, data)
    return data
  }
  return { root, bigEndian, warnings: archive.warnings, bytesOf }
}

/** A storage's bytes; its size is checked before anything is unpacked. */
function readRecord(
  archive: ZipArchive,
  path: string,
  storage: TorchStorage,
  name: string,
  budget: Budget,
): Uint8Array {
  const expected = storage.count * storage.itemBytes
  const member = archive.members.get(path)
  if (member === undefined)
    throw new LenetError(`${name}: ${shownName(path)} is missing; it should hold ${expected} bytes`)
  if (member.size !== expected) {
    throw new LenetError(
      `${name}: ${shownName(path)} holds ${member.size} bytes; ${storage.count} items need ${expected}`,
    )
  }
  if (member.deflated) budget.spend(member.size, `${name}, ${shownName(path)}`)
  return archive.read(path, expected)
}

/** What a file that is no PyTorch file seems to be, for its error. */
function guessKind(bytes: Uint8Array): string {
  const head = latin1Text(bytes.subarray(0, 64))
  if (bytes.length === 0) return 'it is empty'
  if (head.startsWith('\x89HDF')) return 'it is an HDF5 file, as Keras writes'
  if (head.startsWith('\x1f\x8b')) return 'it is packed by gzip'
  if (/^\s*<(!doctype|html|\?xml)/i.test(head)) return 'it is a web page'
  if (head.startsWith('version https://git-lfs')) return 'it is a Git LFS pointer, not the file itself'
  return `it begins with ${JSON.stringify(head.slice(0, 8))}`
}

/** The older format: magic number, protocol, system, object, storage keys as pickles in a row; then the storages. */
function openLegacy(bytes: Uint8Array, name: string): Container {
  const storages = new Map<string, TorchStorage>()
  if (bytes[0] !== 0x80) throw new LenetError(`${name}: not a PyTorch file: ${guessKind(bytes)}`)
  let at = 0
  const next = (what: string): PickleValue => {
    const { value, end } = unpickleTorch(bytes.subarray(at), `${name}, ${what}`, storages)
    at += end
    return value
  }
  if (next('magic number') !== legacyMagic)
    throw new LenetError(`${name}: not a PyTorch file: a pickle of something else`)
  const protocol = next('protocol version')
  if (protocol !== 1001) throw new LenetError(`${name}: its protocol is ${describePickle(protocol)}; 1001 is known`)
  const system = next('system information')
  const root = next('object')
  const keys = next('storage keys')
  const read = readLegacyStorages(new ByteReader(bytes, name, at), keys, storages)
  const bytesOf = (storage: TorchStorage): Uint8Array => {
    const data = read.get(storage.key)
    if (data === undefined) throw new LenetError(`${name}: ${storage.what} is missing`)
    return data
  }
  return { root, bigEndian: isMap(system) && system.get('little_endian') === false, warnings: [], bytesOf }
}

/** After the pickles, in the order of `keys`: an item count of 64 bits and the items. */
function readLegacyStorages(
  reader: ByteReader,
  keys: PickleValue,
  storages: ReadonlyMap<string, TorchStorage>,
): Map<string, Uint8Array> {
  const read = new Map<string, Uint8Array>()
  if (!Array.isArray(keys)) return read
  for (const key of keys) {
    const storage = typeof key === 'string' ? storages.get(key) : undefined
    if (storage === undefined)
      throw new LenetError(`${reader.where}: a storage ${describePickle(key)} that no tensor uses`)
    const count = reader.u64()
    if (count !== storage.count) {
      throw new LenetError(`${reader.where}: ${storage.what} holds ${count} items; ${storage.count} are expected`)
    }
    read.set(storage.key, reader.take(count * storage.itemBytes))
  }
  return read
}

const numpyDtypes: Readonly<Record<string, PthDtype>> = {
  f4: 'f32',
  f8: 'f64',
  f2: 'f16',
  i8: 'i64',
  i4: 'i32',
  i2: 'i16',
  i1: 'i8',
  u1: 'u8',
  b1: 'bool',
}

/** Turns pickled values into plain ones. The pickle machine has made sure that they nest little and hold no cycle. */
const negated = (data: PthArray): PthArray =>
  isArrayOf('BigInt64Array', data) ? data.map((value) => -value) : data.map((value) => -value)

class Plain {
  readonly container: Container
  readonly name: string
  readonly budget: Budget
  readonly tensors = new Map<TorchTensor, PthTensor>()

  constructor(container: Container, name: string, budget: Budget) {
    this.container = container
    this.name = name
    this.budget = budget
  }

  /** `path` is the key as Python would write it with dots, for errors. */
  value(value: PickleValue, path: string): PthValue {
    this.budget.spend(valueCost, this.where(path))
    if (isMap(value)) return this.dict(value, path)
    if (isSet(value)) return this.value([...value], path)
    if (Array.isArray(value)) return value.map((item, i) => this.value(item, `${path}[${i}]`))
    if (value instanceof TorchTensor) return this.tensor(value, path)
    if (value instanceof TorchStorage) return this.storage(value, path)
    if (value instanceof NumpyArray) return this.numpy(value, path)
    if (isArrayOf('Uint8Array', value)) return { dtype: 'u8', shape: [value.length], data: value }
    if (value instanceof PickleCallable) return value.what // a dtype, for instance
    if (typeof value === 'object' && value !== null)
      throw new LenetError(`${this.where(path)}: ${value.what} is not known here`)
    return value
  }

  where(path: string): string {
    return path === '' ? this.name : `${this.name}: ${path}`
  }

  dict(dict: Map<PickleValue, PickleValue>, path: string): Map<string | number, PthValue> {
    const plain = new Map<string | number, PthValue>()
    for (const [key, value] of dict) {
      if (typeof key !== 'string' && typeof key !== 'number') {
        throw new LenetError(
          `${this.where(path)}: a dict's key is ${describePickle(key)}; text or a number is expected`,
        )
      }
      const shown = shownName(String(key))
      plain.set(key, this.value(value, path === '' ? shown : `${path}.${shown}`))
    }
    return plain
  }

  tensor(tensor: TorchTensor, path: string): PthTensor {
    const known = this.tensors.get(tensor)
    if (known !== undefined) return known
    const { dtype, offset, shape, strides, storage } = tensor
    const bytes = this.container.bytesOf(storage)
    const found = this.dense({ bytes, dtype, bigEndian: this.container.bigEndian, offset, shape, strides }, path)
    const made = tensor.isNegated ? { ...found, data: negated(found.data) } : found
    this.tensors.set(tensor, made)
    return made
  }

  storage(storage: TorchStorage, path: string): PthTensor {
    const dtype = storage.dtype ?? 'u8'
    return this.tensor(new TorchTensor(storage, dtype, 0, [storage.count], [1]), path)
  }

  numpy({ dtype, shape, data }: NumpyArray, path: string): PthTensor {
    const known = numpyDtypes[dtype.slice(1)]
    if (known === undefined) throw new LenetError(`${this.where(path)}: a numpy array of ${dtype} is not known here`)
    const strides = rowMajorStrides(shape)
    return this.dense({ bytes: data, dtype: known, bigEndian: dtype.startsWith('>'), offset: 0, shape, strides }, path)
  }

  dense(view: StridedBytes, path: string): PthTensor {
    return { dtype: view.dtype, shape: [...view.shape], data: denseArray(view, this.where(path), this.budget) }
  }
}
