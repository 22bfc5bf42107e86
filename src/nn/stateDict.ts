/**
 * State dicts: a module's parameters and buffers by name, out of it and into it. Not here: files (save.node.ts).
 */
import { LenetError, sameShape, showShape, isMap } from '../base/index.js'
import { shownName } from '../formats/index.js'
import { flushWrites, ownTensor, Tensor } from '../tensor/index.js'
import type { Module } from './module.js'

/** Full name → tensor, in the order of definition: 'conv1.weight', … */
export type StateDict = Map<string, Tensor>

export interface LoadOptions {
  /** Every key must be there, and no other; default true. */
  readonly strict?: boolean
}

export interface LoadResult {
  readonly missingKeys: string[]
  readonly unexpectedKeys: string[]
}

/** See `Module.stateDict`. A shared tensor stands under each of its names, as in PyTorch. */
export function stateDict(module: Module): StateDict {
  flushWrites()
  const result: StateDict = new Map()
  const add = (part: Module, prefix: string): void => {
    for (const [name, tensor] of part.ownTensors()) {
      if (result.has(prefix + name)) throw twoOfOneName(prefix + name)
      result.set(prefix + name, tensor)
    }
    for (const [name, child] of part.namedChildren()) add(child, `${prefix}${name}.`)
  }
  add(module, '')
  return result
}

const twoOfOneName = (name: string): LenetError =>
  new LenetError(`stateDict: two attributes would be ${name} (in files convA is conv_a): give one of them another name`)

function notAStateDict(what: string): LenetError {
  return new LenetError(
    `loadStateDict: expects a state dict (a Map or object of names and tensors), got ${what}; give what net.stateDict() or load() returned`,
  )
}

function entriesOf(state: unknown): Map<string, Tensor> {
  if (typeof state !== 'object' || state === null || state instanceof Tensor || Array.isArray(state)) {
    throw notAStateDict(state instanceof Tensor ? 'a tensor' : state === null ? 'null' : typeof state)
  }
  const entries: [unknown, unknown][] = isMap(state) ? [...state] : Object.entries(state)
  const tensors = entries.flatMap(([name, value]): [string, Tensor][] => {
    const found = ownTensor(value)
    return found ? [[name as string, found]] : []
  })
  if (tensors.length < entries.length) {
    const names = entries.map(([name]) => String(name)).slice(0, 6)
    throw notAStateDict(
      `one with other values: ${names.join(', ')}; if it is a checkpoint, give the part that holds the tensors`,
    )
  }
  return new Map(tensors)
}

/** At most a few names; nobody reads sixty. */
function listed(keys: readonly string[]): string {
  const shown = keys
    .slice(0, keys.length <= 6 ? 6 : 5)
    .map(shownName)
    .join(', ')
  return keys.length <= 6 ? shown : `${shown} and ${keys.length - 5} more`
}

function checkKeys(what: string, { missingKeys, unexpectedKeys }: LoadResult): void {
  const parts = [
    ...(missingKeys.length > 0 ? [`missing ${listed(missingKeys)}`] : []),
    ...(unexpectedKeys.length > 0 ? [`unexpected ${listed(unexpectedKeys)}`] : []),
  ]
  if (parts.length > 0) {
    throw new LenetError(
      `${what}.loadStateDict: the keys do not fit: ${parts.join('; ')}; load it into the net it was saved from, or take what fits with { strict: false }`,
    )
  }
}

function checkShape(what: string, key: string, expected: Tensor, found: Tensor): void {
  if (sameShape(expected.shape, found.shape)) return
  throw new LenetError(
    `${what}.loadStateDict: ${key}: expected shape ${showShape(expected.shape)}, found ${showShape(found.shape)}`,
  )
}

/** See `Module.loadStateDict`. */
export function loadStateDict(module: Module, state: unknown, { strict = true }: LoadOptions = {}): LoadResult {
  const given = entriesOf(state)
  const own = stateDict(module)
  const what = module.constructor.name
  const result: LoadResult = {
    missingKeys: [...own.keys()].filter((key) => !given.has(key)),
    unexpectedKeys: [...given.keys()].filter((key) => !own.has(key)),
  }
  if (strict) checkKeys(what, result)
  const pairs = [...own].flatMap(([key, target]) => {
    const source = given.get(key)
    if (source) checkShape(what, key, target, source)
    return source && source !== target ? [{ target, values: source.toTypedArray() }] : []
  })
  for (const { target, values } of pairs) target.copy_(values)
  return result
}
