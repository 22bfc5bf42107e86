/**
 * Kinds of nodes: operation, attributes and type, interned. A loop makes the same few hundred kinds at every step, so a
 * kind is found again by numbers: nothing is inferred or checked twice.
 * Not here: how a type follows (infer.ts), nodes themselves (node.ts).
 */
import { expectDType, thisCopy, type DType, type Shape } from '../base/index.js'
import type { Layout, NodeType } from './node.js'
import type { OpName } from './ops.js'

export interface Kind {
  /** The copy of lenet whose numbers these are. */
  readonly copy: typeof thisCopy
  readonly type: NodeType
  /** The same for all kinds that differ in the batch's size only: what plans are found by. */
  readonly signature: number
  /** Different for each kind. */
  readonly number: number
}

/** The sequence of numbers that is being looked up. */
const words: number[] = []
let count = 0
let hash = 0

function begin(): void {
  count = 0
  hash = 0
}

function put(word: number): void {
  words[count++] = word
  hash = (Math.imul(hash ^ word, 0x01000193) + (hash >>> 15)) | 0
}

interface Entry<V> {
  readonly words: Int32Array
  readonly value: V
  readonly next: Entry<V> | undefined
}

/** Values by the sequence that was put last. */
class WordMap<V> {
  readonly #heads = new Map<number, Entry<V>>()
  #size = 0

  readonly #most: number

  /** Forgets everything rather than hold more than `most`: shapes without end must not fill the memory. */
  constructor(most = Infinity) {
    this.#most = most
  }

  get(): V | undefined {
    for (let entry = this.#heads.get(hash); entry; entry = entry.next) if (isPut(entry.words)) return entry.value
    return undefined
  }

  set(value: V): V {
    if (this.#size++ >= this.#most) {
      this.#heads.clear()
      this.#size = 1
    }
    this.#heads.set(hash, { words: Int32Array.from(words.slice(0, count)), value, next: this.#heads.get(hash) })
    return value
  }
}

function isPut(known: Int32Array): boolean {
  if (known.length !== count) return false
  for (let i = 0; i < count; i++) if (known[i] !== words[i]) return false
  return true
}

const opCodes = new Map<OpName, number>()
const dtypeCodes: Readonly<Record<DType, number>> = { f32: 0, i32: 1, u8: 2 }
const layoutCodes: Readonly<Record<Layout, number>> = { plain: 0, batch: 1, rows: 2, groups: 3 }

function putDType(dtype: DType): void {
  const code = dtypeCodes[dtype]
  if (code === undefined) expectDType('tensor', dtype) // taken for 0 it would be f32's, for all that come after
  put(code)
}

function putOp(op: OpName): void {
  let code = opCodes.get(op)
  if (code === undefined) opCodes.set(op, (code = opCodes.size))
  put(code)
}

const halves = new Int32Array(2)
const double = new Float64Array(halves.buffer)
const SPLIT = -0x80000000

/** A number as one word, or as a mark and its halves. */
function putNumber(value: number): void {
  if ((value | 0) === value && value !== SPLIT && !Object.is(value, -0)) return put(value)
  double[0] = value
  put(SPLIT)
  put(halves[0] ?? 0)
  put(halves[1] ?? 0)
}

type Attr = number | boolean | DType | readonly number[]

function putAttrs(attrs: object): void {
  for (const name in attrs) {
    const value = (attrs as Readonly<Record<string, Attr>>)[name] ?? 0
    if (typeof value === 'number') putNumber(value)
    else if (typeof value === 'boolean') put(Number(value))
    else if (typeof value === 'string') putDType(value)
    else putList(value, 0)
  }
}

function putList(list: Shape, from: number): void {
  put(list.length)
  for (let i = from; i < list.length; i++) putNumber(list[i] ?? 0)
}

function putType(op: OpName, attrs: object, inputs: number, { shape, dtype, layout }: NodeType, from: number): void {
  begin()
  putOp(op)
  putDType(dtype)
  put(layoutCodes[layout])
  put(inputs)
  putList(shape, from)
  putAttrs(attrs)
}

const MOST = 20_000
const kinds = new WordMap<Kind>(MOST)
const followed = new WordMap<Kind>(MOST)
const signatures = new WordMap<number>()
let numbers = 0
let lastSignature = 0

/** The kind of `op` with so many inputs and a type that is known. */
export function kindOf(op: OpName, attrs: object, inputs: number, type: NodeType): Kind {
  putType(op, attrs, inputs, type, 0)
  return kinds.get() ?? newKind(op, attrs, inputs, type)
}

function newKind(op: OpName, attrs: object, inputs: number, type: NodeType): Kind {
  putType(op, attrs, inputs, type, type.layout === 'plain' ? 0 : 1)
  const signature = signatures.get() ?? signatures.set(++lastSignature)
  const { dtype, layout } = type
  const shape = Object.freeze([...type.shape]) // nodes share it: whoever gave it may change his own
  putType(op, attrs, inputs, type, 0)
  return kinds.set({ copy: thisCopy, type: { shape, dtype, layout }, signature, number: ++numbers })
}

type Inputs = readonly { readonly kind: Kind }[]

function putFollowing(op: OpName, attrs: object, inputs: Inputs): void {
  begin()
  putOp(op)
  putAttrs(attrs)
  for (let i = 0; i < inputs.length; i++) put(inputs[i]?.kind.number ?? 0)
}

/** The kind that follows from inputs of these kinds; undefined the first time, when its type must be inferred. */
export function kindFollowing(op: OpName, attrs: object, inputs: Inputs): Kind | undefined {
  putFollowing(op, attrs, inputs)
  return followed.get()
}

/** Remembers that `kindFollowing` of these is a kind of this type. */
export function follow(op: OpName, attrs: object, inputs: Inputs, type: NodeType): Kind {
  const kind = kindOf(op, attrs, inputs.length, type)
  putFollowing(op, attrs, inputs)
  return followed.set(kind)
}
