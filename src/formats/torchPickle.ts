/**
 * PyTorch's globals in a pickle: the allow-list of what a state_dict or a checkpoint of plain values needs. Tensors
 * come out as references into storages; no memory is made for them here.
 * Not here: sparse, quantised, complex and nested tensors, whole pickled modules: refused by name.
 * Source: torch/_utils.py (_rebuild_*), torch/serialization.py (persistent_id), torch/_weights_only_unpickler.py.
 */
import { LenetError, isMap } from '../base/index.js'
import { numpyGlobals } from './numpyPickle.js'
import {
  describePickle,
  PickleCallable,
  PickleDict,
  PickleOpaque,
  type PickleValue,
  type SpendBytes,
} from './pickleTypes.js'
import { pthDtypeNames, pthDtypes, type PthDtype } from './pthTypes.js'

/** A storage class or a dtype, as a global. An untyped storage has no dtype and counts bytes. */
class TorchType extends PickleCallable {
  readonly dtype: PthDtype | undefined

  constructor(what: string, dtype: PthDtype | undefined) {
    super(what)
    this.dtype = dtype
  }
}

/** A run of `count` items in the file under `key`. */
export class TorchStorage extends PickleOpaque {
  readonly key: string
  readonly dtype: PthDtype | undefined
  readonly count: number

  constructor(key: string, dtype: PthDtype | undefined, count: number) {
    super()
    this.key = key
    this.dtype = dtype
    this.count = count
  }

  get what(): string {
    return `storage ${JSON.stringify(this.key)}`
  }

  get itemBytes(): number {
    return this.dtype === undefined ? 1 : pthDtypes[this.dtype].bytes
  }
}

/** A view of a storage, as the file says it; not yet checked against the storage. Offset and strides count items. */
export class TorchTensor extends PickleOpaque {
  readonly storage: TorchStorage
  readonly dtype: PthDtype
  readonly offset: number
  readonly shape: readonly number[]
  readonly strides: readonly number[]
  /** PyTorch's negative bit: the values are those of the storage with the other sign. */
  readonly isNegated: boolean

  constructor(
    storage: TorchStorage,
    dtype: PthDtype,
    offset: number,
    shape: readonly number[],
    strides: readonly number[],
    isNegated = false,
  ) {
    super()
    this.storage = storage
    this.dtype = dtype
    this.offset = offset
    this.shape = shape
    this.strides = strides
    this.isNegated = isNegated
  }

  get what(): string {
    return `a tensor [${this.shape.join(', ')}]`
  }
}

function bad(what: string, value: PickleValue | undefined): never {
  throw new LenetError(`damaged or unknown PyTorch pickle: ${describePickle(value)} where ${what} is expected`)
}

function countOf(value: PickleValue | undefined, what: string): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : bad(what, value)
}

function countsOf(value: PickleValue | undefined, what: string): number[] {
  if (!Array.isArray(value) || value.length > 32) bad(what, value)
  return value.map((item) => countOf(item, what))
}

/** @param notes PyTorch's math bits: { 'neg': True } */
function makeTensor(parts: readonly PickleValue[], dtype: PthDtype | undefined, notes?: PickleValue): TorchTensor {
  const [storage, offset, size, stride] = parts
  if (!(storage instanceof TorchStorage)) bad('a storage', storage)
  const shape = countsOf(size, "a tensor's size")
  const strides = countsOf(stride, "a tensor's stride (0 or more)")
  if (shape.length !== strides.length) bad('as many strides as sizes', stride)
  const itemType = dtype ?? storage.dtype ?? bad('a typed storage', storage)
  const isNegated = isMap(notes) && notes.get('neg') === true
  return new TorchTensor(storage, itemType, countOf(offset, "a tensor's offset"), shape, strides, isNegated)
}

/** Arguments: (storage, offset, size, stride, requires_grad, hooks[, notes]). */
const rebuildV2 = (args: readonly PickleValue[]): TorchTensor => makeTensor(args, undefined, args[6])

/** Arguments: (storage, offset, size, stride, requires_grad, hooks, dtype[, notes]). */
function rebuildV3(args: readonly PickleValue[]): TorchTensor {
  const type = args[6]
  const dtype = type instanceof TorchType && type.dtype !== undefined ? type.dtype : bad('a dtype', type)
  return makeTensor(args, dtype, args[7])
}

/** A Parameter is its tensor. Arguments: (tensor, requires_grad, hooks[, state]). */
function rebuildParameter([tensor]: readonly PickleValue[]): TorchTensor {
  return tensor instanceof TorchTensor ? tensor : bad('a tensor', tensor)
}

const plainTensorTypes = new Set(['torch.Tensor', 'torch.nn.parameter.Parameter'])

/** A tensor with Python attributes, which are left out. Arguments: (function, type, its arguments, attributes). */
function rebuildFromType([rebuild, type, args]: readonly PickleValue[], spend: SpendBytes): PickleValue {
  if (!(rebuild instanceof PickleCallable) || !rebuilds.has(rebuild.what)) bad('a rebuild function', rebuild)
  if (!(type instanceof PickleCallable) || !plainTensorTypes.has(type.what)) bad('the type torch.Tensor', type)
  if (!Array.isArray(args) || rebuild.call === undefined) bad('arguments', args)
  return rebuild.call(args, spend)
}

/** About what an entry of a Map or Set takes. */
const entryBytes = 64

function isPair(value: PickleValue): value is [PickleValue, PickleValue] {
  return Array.isArray(value) && value.length === 2
}

/** `OrderedDict()`, `OrderedDict(pairs)` or `Counter(dict)`. */
function makeOrderedDict([items]: readonly PickleValue[], spend: SpendBytes): PickleDict {
  if (items === undefined) return new PickleDict()
  if (isMap(items)) {
    spend(items.size * entryBytes)
    return new PickleDict(items)
  }
  if (Array.isArray(items)) spend(items.length * entryBytes)
  if (!Array.isArray(items) || !items.every(isPair)) bad('pairs', items)
  return new PickleDict(items)
}

/** Attributes such as `_metadata` are kept apart from the entries. */
function buildDict(made: PickleValue, state: PickleValue): void {
  if (!(made instanceof PickleDict) || !isMap(state)) bad('attributes of a dict', state)
  made.attributes = state
}

function makeSize([sizes]: readonly PickleValue[]): PickleValue {
  return countsOf(sizes ?? [], 'a size')
}

/** `torch.device('cuda', 0)` as the text `cuda:0`. */
function makeDevice(args: readonly PickleValue[]): PickleValue {
  if (args.length > 2) bad('a device', `${args.length} arguments`)
  return args
    .map((part) => (typeof part === 'string' || typeof part === 'number' ? String(part) : bad('a device', part)))
    .join(':')
}

function makeSet([items]: readonly PickleValue[], spend: SpendBytes): PickleValue {
  if (!Array.isArray(items)) bad('the items of a set', items)
  spend(items.length * entryBytes)
  return new Set(items)
}

const rebuilders = [
  new PickleCallable('torch._utils._rebuild_tensor', (args) => makeTensor(args, undefined)),
  new PickleCallable('torch._utils._rebuild_tensor_v2', rebuildV2),
  new PickleCallable('torch._utils._rebuild_tensor_v3', rebuildV3),
  new PickleCallable('torch._utils._rebuild_parameter', rebuildParameter),
  new PickleCallable('torch._utils._rebuild_parameter_with_state', rebuildParameter),
]
const rebuilds: ReadonlySet<string> = new Set(rebuilders.map((callable) => callable.what))

const types = pthDtypeNames.flatMap((dtype) => {
  const { torch, storage } = pthDtypes[dtype]
  const storages = [`torch.${storage}`, `torch.cuda.${storage}`, `torch.storage.${storage}`]
  return [`torch.${torch}`, ...storages].map((what) => new TorchType(what, dtype))
})
const untyped = ['torch.UntypedStorage', 'torch.storage.UntypedStorage'].map((what) => new TorchType(what, undefined))

const globals: ReadonlyMap<string, PickleCallable> = new Map(
  [
    ...rebuilders,
    ...types,
    ...untyped,
    new PickleCallable('torch._tensor._rebuild_from_type_v2', rebuildFromType),
    new PickleCallable('torch.Tensor'),
    new PickleCallable('torch.nn.parameter.Parameter'),
    new PickleCallable('torch.Size', makeSize),
    new PickleCallable('torch.device', makeDevice),
    new PickleCallable('collections.OrderedDict', makeOrderedDict, buildDict),
    new PickleCallable('collections.Counter', makeOrderedDict),
    new PickleCallable('builtins.set', makeSet),
    new PickleCallable('__builtin__.set', makeSet),
  ].map((callable) => [callable.what, callable]),
)

/** The allow-list for `unpickle` of PyTorch's files; NumPy's is part of it, for the numbers that NumPy leaves in checkpoints. */
export function torchGlobals(module: string, name: string): PickleCallable | undefined {
  return globals.get(`${module}.${name}`) ?? numpyGlobals(module, name)
}

/**
 * Makes the answer to persistent ids, `('storage', type, key, location, count[, view])`, and collects the storages in
 * `storages`. The location (`cpu`, `cuda:0`) is of no interest: bytes are bytes.
 */
export function storageLoader(storages: Map<string, TorchStorage>): (id: PickleValue) => TorchStorage {
  return (id) => {
    if (!Array.isArray(id) || id[0] !== 'storage') bad('a storage', id)
    const [, type, key, , size, view] = id
    if (!(type instanceof TorchType)) bad('a storage type', type)
    if (typeof key !== 'string') bad("a storage's key", key)
    if (view !== undefined && view !== null) bad('a storage that is no view of another (PyTorch before 0.4)', view)
    const storage = new TorchStorage(key, type.dtype, countOf(size, "a storage's item count"))
    const known = storages.get(key)
    if (known === undefined) storages.set(key, storage)
    else if (known.dtype !== storage.dtype || known.count !== storage.count) bad('the same storage as before', storage)
    return known ?? storage
  }
}
