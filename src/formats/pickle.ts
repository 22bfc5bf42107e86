/**
 * A restricted pickle machine: protocols 0–5, the opcodes that PyTorch and NumPy write. It runs nothing: a global is
 * looked up in the caller's allow-list and every other one is refused by name. Memory and time are bounded by the
 * bytes given and by the limits below.
 * Not here: the allow-lists (numpyPickle.ts, torchPickle.ts) and pickle writing (pickleWriter.ts).
 * Source: Python's Lib/pickle.py and Lib/pickletools.py, which define the opcodes.
 */
import { LenetError, isMap, isSet } from '../base/index.js'
import { ByteReader, latin1Text } from './byteReader.js'
import { floatLine, intLine, longOf, stringLine, unicodeLine } from './pickleText.js'
import { describePickle, PickleCallable, type PickleValue } from './pickleTypes.js'

export interface UnpickleOptions {
  /** Answers BINPERSID and PERSID; without it a persistent id is refused. */
  persistentLoad?: (id: PickleValue) => PickleValue
  /** Deepest nesting of the result, and of unfinished containers. Default 100. */
  maxDepth?: number
  /** Most memo entries. Default 1,000,000. */
  maxMemo?: number
  /** Most opcodes run; one that makes a container counts as eight. Default 2,000,000. */
  maxItems?: number
  /** Names the file in errors. Default "pickle". */
  where?: string
  /** What to do about a refused global: ends the error's text. */
  advice?: string
}

export type PickleResolve = (module: string, name: string) => PickleCallable | undefined

/** Python 2 strings have no encoding: up to this many bytes they are taken as text (latin1), above as data. */
const longestByteText = 65536
const longestInteger = 256

class Machine {
  readonly in: ByteReader
  readonly resolve: PickleResolve
  readonly persistentLoad: UnpickleOptions['persistentLoad']
  readonly advice: string | undefined
  readonly maxDepth: number
  readonly maxMemo: number
  readonly memo = new Map<number, PickleValue>()
  readonly madeBy = new WeakMap<object, PickleCallable>()
  stack: PickleValue[] = []
  readonly marks: PickleValue[][] = []
  itemsLeft: number
  bytesLeft: number

  constructor(bytes: Uint8Array, resolve: PickleResolve, options: UnpickleOptions) {
    this.in = new ByteReader(bytes, options.where ?? 'pickle')
    this.resolve = resolve
    this.persistentLoad = options.persistentLoad
    this.advice = options.advice
    this.maxDepth = options.maxDepth ?? 100
    this.maxMemo = options.maxMemo ?? 1_000_000
    this.itemsLeft = options.maxItems ?? 2_000_000
    this.bytesLeft = 2 ** 24 + 4 * bytes.length
  }

  push(value: PickleValue): void {
    this.stack.push(value)
  }

  /** Pushes something that needs memory of its own. */
  pushNew(value: PickleValue): void {
    this.spend(7)
    this.stack.push(value)
  }

  /** One value may be given to callables many times, so what they copy of it is counted. */
  readonly spendBytes = (bytes: number): void => {
    this.bytesLeft -= bytes
    if (this.bytesLeft < 0) this.in.fail('refused: the pickle is small and unfolds to far more than it holds')
  }

  spend(cost: number): void {
    this.itemsLeft -= cost
    if (this.itemsLeft < 0) this.in.fail('refused: the pickle holds too many values')
  }

  /** Pushes what was read as text, or says which text could not be read. */
  pushParsed(value: PickleValue | undefined, line: string): void {
    if (value === undefined) this.in.fail(`damaged pickle: unreadable text ${JSON.stringify(line.slice(0, 40))}`)
    this.push(value)
  }

  pop(): PickleValue {
    const value = this.stack.pop()
    if (value === undefined) this.in.fail(`damaged pickle: value missing before byte ${this.in.at}`)
    return value
  }

  top(): PickleValue {
    const value = this.stack.at(-1)
    if (value === undefined) this.in.fail(`damaged pickle: value missing before byte ${this.in.at}`)
    return value
  }

  mark(): void {
    if (this.marks.length >= this.maxDepth) this.in.fail(`refused: the pickle nests deeper than ${this.maxDepth}`)
    this.marks.push(this.stack)
    this.stack = []
  }

  /** The values since the last MARK, which they end. */
  sinceMark(): PickleValue[] {
    const values = this.stack
    const outer = this.marks.pop()
    if (outer === undefined) this.in.fail(`damaged pickle: MARK missing before byte ${this.in.at}`)
    this.stack = outer
    return values
  }

  /** The last `count` values, as a tuple. */
  tuple(count: number): void {
    if (this.stack.length < count) this.in.fail(`damaged pickle: value missing before byte ${this.in.at}`)
    this.pushNew(this.stack.splice(this.stack.length - count, count))
  }

  put(index: number): void {
    this.memo.set(index, this.top())
    if (this.memo.size > this.maxMemo) this.in.fail(`refused: the pickle remembers more than ${this.maxMemo} values`)
  }

  get(index: number): void {
    const value = this.memo.get(index)
    if (value === undefined) this.in.fail(`damaged pickle: memo ${index} was never set`)
    this.push(value)
  }

  memoLine(): number {
    const line = this.in.line(20)
    if (!/^\d{1,10}$/.test(line)) this.in.fail(`damaged pickle: memo index ${JSON.stringify(line)}`)
    return Number(line)
  }

  append(values: readonly PickleValue[]): void {
    const list = this.top()
    if (!Array.isArray(list)) this.in.fail(`damaged pickle: ${describePickle(list)} where a list is expected`)
    for (const value of values) list.push(value)
  }

  setItems(values: readonly PickleValue[]): void {
    const dict = this.top()
    if (!isMap(dict)) this.in.fail(`damaged pickle: ${describePickle(dict)} where a dict is expected`)
    if (values.length % 2 === 1) this.in.fail('damaged pickle: a dict entry has a key and no value')
    for (let i = 0; i < values.length; i += 2) dict.set(values[i] ?? null, values[i + 1] ?? null)
  }

  addItems(values: readonly PickleValue[]): void {
    const set = this.top()
    if (!isSet(set)) this.in.fail(`damaged pickle: ${describePickle(set)} where a set is expected`)
    for (const value of values) set.add(value)
  }

  global(module: string, name: string): void {
    this.push(this.resolve(module, name) ?? this.refuse(module, name))
  }

  refuse(module: string, name: string): never {
    const global = JSON.stringify(`${module}.${name}`.slice(0, 120))
    const advice = this.advice === undefined ? '' : `. ${this.advice}`
    return this.in.fail(
      `refused: it asks for Python's ${global}, which such a file may not hold; nothing was run${advice}`,
    )
  }

  stackGlobal(): void {
    const name = this.pop()
    const module = this.pop()
    if (typeof name !== 'string' || typeof module !== 'string') this.in.fail('damaged pickle: a global without a name')
    this.global(module, name)
  }

  /** Puts the file's name before what a callable has to say. */
  guarded<T>(run: () => T): T {
    try {
      return run()
    } catch (error) {
      if (error instanceof LenetError && !error.message.startsWith(this.in.where)) this.in.fail(error.message)
      throw error
    }
  }

  call(): void {
    const args = this.pop()
    const callable = this.pop()
    if (!(callable instanceof PickleCallable) || callable.call === undefined) {
      this.in.fail(`refused: it calls ${describePickle(callable)}`)
    }
    if (!Array.isArray(args)) this.in.fail(`damaged pickle: ${describePickle(args)} where arguments are expected`)
    const call = callable.call
    const made = this.guarded(() => call(args, this.spendBytes))
    if (typeof made === 'object' && made !== null) this.madeBy.set(made, callable)
    this.pushNew(made)
  }

  build(): void {
    const state = this.pop()
    const made = this.pop()
    const callable = typeof made === 'object' && made !== null ? this.madeBy.get(made) : undefined
    if (callable?.build === undefined) this.in.fail(`refused: it sets the state of ${describePickle(made)}`)
    const build = callable.build
    this.guarded(() => build(made, state, this.spendBytes))
    this.push(made)
  }

  persistent(id: PickleValue): void {
    if (this.persistentLoad === undefined) this.in.fail('refused: it refers to data outside of the pickle')
    const load = this.persistentLoad
    this.pushNew(this.guarded(() => load(id)))
  }

  byteString(count: number): void {
    const bytes = this.in.take(count)
    this.push(count <= longestByteText ? latin1Text(bytes) : bytes)
  }

  long(count: number): void {
    if (count > longestInteger) this.in.fail(`refused: an integer of ${count} bytes`)
    this.push(longOf(this.in.take(count)))
  }

  protocol(): void {
    const version = this.in.u8()
    if (version > 5) this.in.fail(`pickle protocol ${version} is not known; 0 to 5 are`)
  }
}

/** One row per opcode; what is not here is refused. */
const opcodes: Readonly<Record<string, (m: Machine) => void>> = {
  '\x80': (m) => m.protocol(),
  '\x95': (m) => void m.in.u64(), // FRAME: a hint for readers of streams
  '(': (m) => m.mark(),
  '0': (m) => (m.stack.length > 0 ? void m.stack.pop() : void m.sinceMark()),
  '1': (m) => void m.sinceMark(),
  '2': (m) => m.push(m.top()),
  N: (m) => m.push(null),
  '\x88': (m) => m.push(true),
  '\x89': (m) => m.push(false),
  I: (m) => line(m, intLine),
  L: (m) => line(m, intLine),
  F: (m) => line(m, floatLine),
  S: (m) => line(m, stringLine),
  V: (m) => line(m, unicodeLine),
  J: (m) => m.push(m.in.i32()),
  K: (m) => m.push(m.in.u8()),
  M: (m) => m.push(m.in.u16()),
  '\x8a': (m) => m.long(m.in.u8()),
  '\x8b': (m) => m.long(m.in.u32()),
  G: (m) => m.push(m.in.f64BigEndian()),
  T: (m) => m.byteString(m.in.u32()),
  U: (m) => m.byteString(m.in.u8()),
  B: (m) => m.push(m.in.take(m.in.u32())),
  C: (m) => m.push(m.in.take(m.in.u8())),
  '\x8e': (m) => m.push(m.in.take(m.in.u64())),
  '\x96': (m) => m.push(m.in.take(m.in.u64())),
  X: (m) => m.push(m.in.text(m.in.u32())),
  '\x8c': (m) => m.push(m.in.text(m.in.u8())),
  '\x8d': (m) => m.push(m.in.text(m.in.u64())),
  ']': (m) => m.pushNew([]),
  a: (m) => m.append([m.pop()]),
  e: (m) => m.append(m.sinceMark()),
  l: (m) => m.pushNew(m.sinceMark()),
  ')': (m) => m.pushNew([]),
  t: (m) => m.pushNew(m.sinceMark()),
  '\x85': (m) => m.tuple(1),
  '\x86': (m) => m.tuple(2),
  '\x87': (m) => m.tuple(3),
  '}': (m) => m.pushNew(new Map()),
  d: (m) => dict(m),
  s: (m) => m.setItems([m.pop(), m.pop()].reverse()),
  u: (m) => m.setItems(m.sinceMark()),
  '\x8f': (m) => m.pushNew(new Set()),
  '\x90': (m) => m.addItems(m.sinceMark()),
  '\x91': (m) => m.pushNew(new Set(m.sinceMark())),
  g: (m) => m.get(m.memoLine()),
  h: (m) => m.get(m.in.u8()),
  j: (m) => m.get(m.in.u32()),
  p: (m) => m.put(m.memoLine()),
  q: (m) => m.put(m.in.u8()),
  r: (m) => m.put(m.in.u32()),
  '\x94': (m) => m.put(m.memo.size),
  c: (m) => m.global(m.in.line(), m.in.line()),
  '\x93': (m) => m.stackGlobal(),
  R: (m) => m.call(),
  '\x81': (m) => m.call(), // NEWOBJ: the same call, of a class
  b: (m) => m.build(),
  P: (m) => m.persistent(m.in.line()),
  Q: (m) => m.persistent(m.pop()),
  i: (m) => m.refuse(m.in.line(), m.in.line()), // INST: an import and a call in one
}

function line(m: Machine, parse: (line: string) => PickleValue | undefined): void {
  const text = m.in.line()
  m.pushParsed(parse(text), text)
}

function dict(m: Machine): void {
  const values = m.sinceMark()
  m.pushNew(new Map())
  m.setItems(values)
}

const handlers = Array.from({ length: 256 }, (_, code) => opcodes[String.fromCharCode(code)])

/**
 * Reads one pickle at the start of `bytes`.
 * `resolve` is the allow-list. Returns the value and `end`, the offset after STOP.
 * Throws LenetError: damaged or truncated pickle, a global that `resolve` does not know (named), a limit passed, a value that contains itself.
 */
export function unpickle(
  bytes: Uint8Array,
  resolve: PickleResolve,
  options: UnpickleOptions = {},
): { value: PickleValue; end: number } {
  const m: Machine = new Machine(bytes, resolve, options)
  for (;;) {
    const code = m.in.u8()
    m.spend(1)
    if (code === 46) break // STOP
    const run = handlers[code]
    if (run === undefined) m.in.fail(`refused: pickle opcode 0x${code.toString(16)} at byte ${m.in.at - 1}`)
    run(m)
  }
  const value = m.pop()
  const fault = nestingFault(value, m.maxDepth)
  if (fault !== undefined) m.in.fail(fault)
  return { value, end: m.in.at }
}

type Container = PickleValue[] | Map<PickleValue, PickleValue> | Set<PickleValue>

function isContainer(value: PickleValue): value is Container {
  return Array.isArray(value) || isMap(value) || isSet(value)
}

function* childrenOf(value: Container): Generator<PickleValue> {
  if (!isMap(value)) yield* value
  else for (const [key, item] of value) yield* [key, item]
}

/** A container that is being walked, and the height of what was seen below it. */
interface Visit {
  value: Container
  rest: Generator<PickleValue>
  height: number
}

/** Walks the value without recursion; says where it nests too deep or contains itself, so that readers may recurse. */
function nestingFault(root: PickleValue, maxDepth: number): string | undefined {
  const heights = new Map<Container, number>()
  const open = new Set<PickleValue>()
  const path: Visit[] = []
  const enter = (value: Container): void => {
    open.add(value)
    path.push({ value, rest: childrenOf(value), height: 0 })
  }
  if (isContainer(root)) enter(root)
  for (let visit = path.at(-1); visit !== undefined; visit = path.at(-1)) {
    if (path.length > maxDepth || visit.height >= maxDepth) return `refused: the pickle nests deeper than ${maxDepth}`
    const next = visit.rest.next()
    if (next.done === true) leave(path, open, heights)
    else if (open.has(next.value)) return 'refused: a value in the pickle contains itself'
    else if (isContainer(next.value)) {
      const known = heights.get(next.value)
      if (known === undefined) enter(next.value)
      else visit.height = Math.max(visit.height, known)
    }
  }
  return undefined
}

/** Ends the last visit and tells its height to the container around it. */
function leave(path: Visit[], open: Set<PickleValue>, heights: Map<Container, number>): void {
  const visit = path.pop()
  if (visit === undefined) return
  open.delete(visit.value)
  heights.set(visit.value, visit.height + 1)
  const outer = path.at(-1)
  if (outer !== undefined) outer.height = Math.max(outer.height, visit.height + 1)
}
