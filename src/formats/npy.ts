/**
 * NumPy's npy files (versions 1 to 3) and npz files, which are zip files of them. Nothing of a file is run: arrays of
 * Python objects, which are pickles, are refused.
 * Not here: structured, text, complex and unsigned 16–64-bit dtypes: refused by name.
 * Source: numpy.lib.format's documentation.
 */
import { LenetError } from '../base/index.js'
import { ByteReader, latin1Text } from './byteReader.js'
import { pthDtypes, type PthDtype, type PthTensor, type WritableTensor } from './pthTypes.js'
import { shownName } from './shownName.js'
import { columnMajorStrides, rowMajorStrides } from './strided.js'
import { tensorBytes, fileDtype } from './tensorBytes.js'
import { Budget, denseArray } from './torchTensors.js'
import { ZipArchive } from './zip.js'
import { writeZip } from './zipWriter.js'

const codes = [
  ['f4', 'f32'],
  ['f8', 'f64'],
  ['f2', 'f16'],
  ['i8', 'i64'],
  ['i4', 'i32'],
  ['i2', 'i16'],
  ['i1', 'i8'],
  ['u1', 'u8'],
  ['b1', 'bool'],
] as const satisfies readonly (readonly [string, PthDtype])[]
const dtypes: ReadonlyMap<string, PthDtype> = new Map(codes)
const magic = '\x93NUMPY'
const longestHeader = 64 * 1024
const alignment = 64

interface Header {
  readonly dtype: PthDtype
  readonly bigEndian: boolean
  readonly fortran: boolean
  readonly shape: number[]
}

/** One entry of the header, a Python dict as NumPy prints it. */
const entryPattern = /^\s*'(descr|fortran_order|shape)'\s*:\s*('[^']*'|True|False|\((?:[0-9\s,]|L)*\)|\[)/

function headerEntries(text: string, reader: ByteReader): Map<string, string> {
  const entries = new Map<string, string>()
  let rest = text.trim()
  if (!rest.startsWith('{') || !rest.endsWith('}')) reader.fail('damaged: its header is no dict')
  rest = rest.slice(1, -1)
  while (rest.trim() !== '') {
    const [whole, key, value] = entryPattern.exec(rest) ?? []
    if (whole === undefined || key === undefined || value === undefined) {
      return reader.fail(`damaged: its header says ${JSON.stringify(rest.trim().slice(0, 60))}`)
    }
    if (value === '[') reader.fail('refused: a structured array; save its fields one by one')
    if (entries.has(key)) reader.fail(`damaged: its header has '${key}' twice`)
    entries.set(key, value)
    rest = rest.slice(whole.length).replace(/^\s*,/, '')
  }
  return entries
}

function dtypeOf(value: string | undefined, reader: ByteReader): { dtype: PthDtype; bigEndian: boolean } {
  const [, order, code = ''] = /^'([<>|=]?)(.*)'$/.exec(value ?? '') ?? reader.fail('damaged: its header has no dtype')
  if (code.startsWith('O')) reader.fail('refused: an array of Python objects is a pickle; save it as numbers')
  const dtype = dtypes.get(code)
  if (dtype === undefined)
    reader.fail(`its dtype is ${shownName(value?.slice(0, 40) ?? '')}; known: ${[...dtypes.keys()].join(', ')}`)
  return { dtype, bigEndian: order === '>' }
}

function shapeOf(value: string | undefined, reader: ByteReader): number[] {
  const [, inner] = /^\((.*)\)$/s.exec(value ?? '') ?? reader.fail('damaged: its header has no shape')
  const parts = (inner ?? '').split(',').map((part) => part.trim().replace(/L$/, ''))
  if (parts.at(-1) === '') parts.pop()
  const sizes = parts.map((part) => (/^[0-9]+$/.test(part) ? Number(part) : Number.NaN))
  if (sizes.length > 32 || !sizes.every((size) => Number.isSafeInteger(size))) {
    reader.fail(`damaged: its shape is ${JSON.stringify(value?.slice(0, 60))}`)
  }
  return sizes
}

function readHeader(reader: ByteReader): Header {
  if (reader.left < 10 || latin1Text(reader.take(6)) !== magic)
    reader.fail('not an npy file: it does not begin with \\x93NUMPY')
  const [major, minor] = [reader.u8(), reader.u8()]
  if (major < 1 || major > 3 || minor !== 0) reader.fail(`version ${major}.${minor} of npy; 1.0 to 3.0 are known`)
  const length = major === 1 ? reader.u16() : reader.u32()
  if (length > longestHeader) reader.fail(`refused: its header has ${length} bytes, at most ${longestHeader} are read`)
  const entries = headerEntries(major === 3 ? reader.text(length) : latin1Text(reader.take(length)), reader)
  const order = entries.get('fortran_order')
  if (order !== 'True' && order !== 'False') reader.fail("damaged: its header has no 'fortran_order'")
  return {
    ...dtypeOf(entries.get('descr'), reader),
    fortran: order === 'True',
    shape: shapeOf(entries.get('shape'), reader),
  }
}

function readWith(bytes: Uint8Array, name: string, budget: Budget): PthTensor {
  const reader: ByteReader = new ByteReader(bytes, name)
  const { dtype, bigEndian, fortran, shape } = readHeader(reader)
  const data = reader.take(reader.left)
  const needed = shape.reduce((product, size) => product * size, pthDtypes[dtype].bytes)
  if (needed !== data.length) {
    reader.fail(`damaged: an array ${dtype} [${shape.join(', ')}] needs ${needed} bytes and has ${data.length}`)
  }
  const strides = fortran ? columnMajorStrides(shape) : rowMajorStrides(shape)
  return { dtype, shape, data: denseArray({ bytes: data, dtype, bigEndian, offset: 0, shape, strides }, name, budget) }
}

/**
 * The array of an npy file, in C order whatever the file's; float16 comes widened. `name` is the file's, for errors.
 * Throws LenetError with the reason on anything damaged, and on dtypes that are not plain numbers.
 */
export function readNpy(bytes: Uint8Array, name: string): PthTensor {
  return readWith(bytes, name, new Budget(64 * 2 ** 20 + 4 * bytes.length))
}

/**
 * The arrays of an npz file by name, without `.npy`. Members that are no npy files are refused.
 * Memory: besides `bytes`, at most 64 MiB + 8 × their length.
 */
export function readNpz(bytes: Uint8Array, name: string): Map<string, PthTensor> {
  const archive = new ZipArchive(bytes, name)
  const budget = new Budget(64 * 2 ** 20 + 8 * bytes.length)
  const arrays = new Map<string, PthTensor>()
  for (const { name: member, size, deflated } of archive.members.values()) {
    const where = `${name}, ${shownName(member)}`
    if (!member.endsWith('.npy')) throw new LenetError(`${where}: not an npz file: its members end in .npy`)
    if (deflated) budget.spend(size, where)
    const bytes = archive.read(member)
    const [warning] = archive.warnings
    if (warning !== undefined) throw new LenetError(`${warning}: the file is damaged`) // as NumPy
    arrays.set(member.slice(0, -4), readWith(bytes, where, budget))
  }
  return arrays
}

/** A tuple as Python prints it: (), (3,), (3, 4). */
function tupleText(shape: readonly number[]): string {
  return shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`
}

/** A tensor as an npy file, version 1.0, C order, byte for byte what `numpy.save` writes. bf16 becomes float32. */
export function writeNpy(tensor: WritableTensor): Uint8Array {
  const dtype = fileDtype(tensor) === 'bf16' ? 'f32' : fileDtype(tensor)
  const data = tensorBytes({ ...tensor, dtype }, 'npy')
  const [code] = codes.find(([, known]) => known === dtype) ?? ['f4']
  const descr = `${pthDtypes[dtype].bytes === 1 ? '|' : '<'}${code}`
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tupleText(tensor.shape)}, }`
  // NumPy leaves room for the first axis to grow to 21 digits.
  const room = tensor.shape.length > 0 ? 21 - String(tensor.shape[0]).length : 0
  const unpadded = 10 + text.length + room + 1
  const size = Math.ceil(unpadded / alignment) * alignment
  const out = new Uint8Array(size + data.length)
  out.set([...magic].map((character) => character.charCodeAt(0)))
  out.set([1, 0, (size - 10) & 255, (size - 10) >> 8], 6)
  out.fill(0x20, 10, size - 1)
  out.set(new TextEncoder().encode(text), 10)
  out[size - 1] = 10
  out.set(data, size)
  return out
}

/** Tensors as an npz file that `numpy.load` opens. Names get `.npy`; same tensors, same bytes. */
export function writeNpz(tensors: Iterable<readonly [string, WritableTensor]>): Uint8Array {
  return writeZip([...tensors].map(([name, tensor]) => [`${name}.npy`, writeNpy(tensor)] as const))
}
