/**
 * NumPy arrays, dtypes and scalars out of a pickle: the allow-list of NumPy's globals (1.x and 2.x, protocols 0–5).
 * Not here: object arrays, structured dtypes, subclasses: refused.
 * Source: numpy's array.__reduce__, dtype.__reduce__ and their __setstate__ as they write them.
 */
import { LenetError, isArrayOf } from '../base/index.js'
import { latin1Bytes } from './byteReader.js'
import { describePickle, PickleCallable, PickleOpaque, type PickleValue, type SpendBytes } from './pickleTypes.js'
import { columnMajorStrides, gather } from './strided.js'

/** A dtype, by NumPy's array-protocol text: `|u1`, `<f4`, `>i8`. */
class NumpyDtype extends PickleOpaque {
  order: string
  /** Kind and bytes per item: `u1`, `f4`. */
  readonly code: string
  readonly itemSize: number

  constructor(order: string, code: string) {
    super()
    this.order = order
    this.code = code
    this.itemSize = Number(code.slice(1))
  }

  get what(): string {
    return this.order + this.code
  }
}

/** An array: `shape`, and `data` in C order, `product(shape) × item size` bytes, a view of the file where it can be. */
export class NumpyArray extends PickleOpaque {
  dtype = '|u1'
  shape: readonly number[] = [0]
  data: Uint8Array = new Uint8Array(0)

  get what(): string {
    return `a numpy array ${this.dtype} [${this.shape.join(', ')}]`
  }
}

const codes = new Set(['b1', 'i1', 'i2', 'i4', 'i8', 'u1', 'u2', 'u4', 'u8', 'f2', 'f4', 'f8'])

function bad(what: string, value: PickleValue | undefined): never {
  throw new LenetError(`damaged or unknown numpy pickle: ${describePickle(value)} where ${what} is expected`)
}

/** Bytes, or Python 2's text of bytes. */
function bytesOf(value: PickleValue | undefined, spend: SpendBytes): Uint8Array {
  if (typeof value === 'string') spend(value.length)
  const bytes = typeof value === 'string' ? latin1Bytes(value) : value
  return isArrayOf('Uint8Array', bytes) ? bytes : bad('bytes', value)
}

function shapeOf(value: PickleValue | undefined): number[] {
  if (!Array.isArray(value) || value.length > 32) bad('a shape', value)
  return value.map((size) =>
    typeof size === 'number' && Number.isSafeInteger(size) && size >= 0 ? size : bad('a size', size),
  )
}

function makeDtype([text]: readonly PickleValue[]): NumpyDtype {
  if (typeof text !== 'string') bad('a dtype', text)
  const [, order, code] = /^([<>=|]?)(\w+)$/.exec(text) ?? []
  if (code === undefined || !codes.has(code)) bad('a numeric dtype', text)
  return new NumpyDtype(code.endsWith('1') ? '|' : order === '>' ? '>' : '<', code)
}

/** State: (version, byte order, subarray, names, fields, item size, alignment, flags). */
function buildDtype(made: PickleValue, state: PickleValue): void {
  if (!(made instanceof NumpyDtype) || !Array.isArray(state)) bad("a dtype's state", state)
  const order = state[1]
  if (state.slice(2, 5).some((part) => part !== null && part !== undefined)) bad('a plain dtype', state)
  if (made.itemSize > 1) made.order = order === '>' ? '>' : '<'
}

/** Fills `array`, which is empty before. */
function fill(
  array: NumpyArray,
  dtype: PickleValue | undefined,
  size: PickleValue | undefined,
  fortran: boolean,
  raw: PickleValue | undefined,
  spend: SpendBytes,
): NumpyArray {
  if (!(dtype instanceof NumpyDtype)) bad('a dtype', dtype)
  const shape = shapeOf(size)
  const data = bytesOf(raw, spend)
  const expected = shape.reduce((product, n) => product * n, dtype.itemSize)
  if (data.length !== expected) {
    throw new LenetError(
      `damaged numpy pickle: an array ${dtype.what} [${shape.join(', ')}] needs ${expected} bytes and has ${data.length}`,
    )
  }
  array.dtype = dtype.what
  array.shape = shape
  if (fortran) spend(data.length)
  array.data = fortran ? gather(data, dtype.itemSize, 0, shape, columnMajorStrides(shape)) : data
  return array
}

/** State: (version, shape, dtype, Fortran order, bytes). */
function buildArray(made: PickleValue, state: PickleValue, spend: SpendBytes): void {
  if (!(made instanceof NumpyArray) || !Array.isArray(state) || state.length !== 5) bad("an array's state", state)
  fill(made, state[2], state[1], state[3] === true || state[3] === 1, state[4], spend)
}

/** Protocol 5: (buffer, dtype, shape, order). */
function fromBuffer([raw, dtype, shape, order]: readonly PickleValue[], spend: SpendBytes): NumpyArray {
  return fill(new NumpyArray(), dtype, shape, order === 'F', raw, spend)
}

/** A scalar as a number (64-bit integers beyond 2^53 as bigint): (dtype, bytes). */
function makeScalar([dtype, raw]: readonly PickleValue[], spend: SpendBytes): PickleValue {
  const { data } = fill(new NumpyArray(), dtype, [], false, raw, spend)
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const { code, order } = dtype instanceof NumpyDtype ? dtype : bad('a dtype', dtype)
  const little = order !== '>'
  const wide = (value: bigint): number | bigint =>
    BigInt(Number(value)) === value && Number.isSafeInteger(Number(value)) ? Number(value) : value
  const readers: Readonly<Record<string, () => PickleValue>> = {
    b1: () => view.getUint8(0) !== 0,
    i1: () => view.getInt8(0),
    u1: () => view.getUint8(0),
    i2: () => view.getInt16(0, little),
    u2: () => view.getUint16(0, little),
    i4: () => view.getInt32(0, little),
    u4: () => view.getUint32(0, little),
    i8: () => wide(view.getBigInt64(0, little)),
    u8: () => wide(view.getBigUint64(0, little)),
    f4: () => view.getFloat32(0, little),
    f8: () => view.getFloat64(0, little),
  }
  return readers[code]?.() ?? bad('a scalar of a known dtype', dtype)
}

/** `_codecs.encode(text, 'latin1')`: how Python 3 writes bytes in protocols 0–2. */
function encode([text, encoding]: readonly PickleValue[], spend: SpendBytes): Uint8Array {
  if (encoding !== 'latin1' && encoding !== 'latin-1') bad("the encoding 'latin1'", encoding)
  return bytesOf(text, spend)
}

/** `bytes()`: how Python 3 writes empty bytes in protocols 0–2. */
function noBytes(args: readonly PickleValue[]): Uint8Array {
  return args.length === 0 ? new Uint8Array(0) : bad('no argument of bytes()', args[0])
}

const reconstruct = new PickleCallable('numpy.core.multiarray._reconstruct', () => new NumpyArray(), buildArray)
const globals: ReadonlyMap<string, PickleCallable> = new Map(
  [
    new PickleCallable('numpy.ndarray'),
    new PickleCallable('numpy.dtype', makeDtype, buildDtype),
    new PickleCallable('_codecs.encode', encode),
    new PickleCallable('__builtin__.bytes', noBytes),
    ...['numpy.core', 'numpy._core'].flatMap((core) => [
      new PickleCallable(`${core}.multiarray._reconstruct`, reconstruct.call, reconstruct.build),
      new PickleCallable(`${core}.multiarray.scalar`, makeScalar),
      new PickleCallable(`${core}.numeric._frombuffer`, fromBuffer),
    ]),
  ].map((callable) => [callable.what, callable]),
)

/** The allow-list for `unpickle`: NumPy arrays come out as NumpyArray, scalars as numbers, Python 3 bytes as Uint8Array. */
export function numpyGlobals(module: string, name: string): PickleCallable | undefined {
  return globals.get(`${module}.${name}`)
}
