/**
 * What a pickle may hold here, and what an allow-list hands to the machine.
 * Not here: the machine (pickle.ts), and which globals a format allows (numpyPickle.ts, torchPickle.ts).
 */
import { isArrayOf, isMap, isSet } from '../base/index.js'

/** Base of every value that an allow-listed callable makes: a tensor reference, a numpy array, a dtype. */
export abstract class PickleOpaque {
  /** What errors call it. */
  abstract readonly what: string
}

/** Called with the bytes that a callable is about to make: throws where a small pickle would make too much of them. */
export type SpendBytes = (bytes: number) => void

/**
 * A global that the allow-list knows. It is our own function under a Python name: nothing of the file is ever run.
 * `call` serves REDUCE and NEWOBJ; `build` serves BUILD: it sets the state of what `call` made, in place.
 * One without `call` is a mere name (a dtype, a class given as an argument).
 */
export class PickleCallable extends PickleOpaque {
  readonly what: string
  readonly call: ((args: readonly PickleValue[], spend: SpendBytes) => PickleValue) | undefined
  readonly build: ((made: PickleValue, state: PickleValue, spend: SpendBytes) => void) | undefined

  constructor(what: string, call?: PickleCallable['call'], build?: PickleCallable['build']) {
    super()
    this.what = what
    this.call = call
    this.build = build
  }
}

/** A dict that carries attributes, such as a state_dict with its `_metadata`. The entries are the Map's own. */
export class PickleDict extends Map<PickleValue, PickleValue> {
  attributes: PickleValue | undefined = undefined
}

/**
 * Lists and tuples are arrays, dicts are Maps (so a `__proto__` key is only a key), sets are Sets, bytes are
 * Uint8Arrays that view the file. Integers beyond 2^53 are bigints.
 */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | Set<PickleValue>
  | PickleOpaque

/** What a value is, for errors. */
export function describePickle(value: PickleValue | undefined): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'None'
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (isMap(value)) return `a dict of ${value.size}`
  if (isSet(value)) return `a set of ${value.size}`
  if (isArrayOf('Uint8Array', value)) return `${value.length} bytes`
  if (value instanceof PickleOpaque) return value.what
  if (typeof value === 'string')
    return value.length > 60 ? `a text of ${value.length} characters` : JSON.stringify(value)
  return String(value)
}
