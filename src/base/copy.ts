/**
 * Which copy of lenet made a thing. A program can hold two (a nested dependency, npm link, jest.resetModules()): the
 * classes of one are strangers to the other, so `instanceof` alone would drop a layer without a word.
 * Not here: where that is looked at (tensor, nn, keras).
 */
import { LenetError } from './errors.js'

/** The package's version; a test compares it with package.json. */
export const version = '0.1.0'

interface Copy {
  readonly version: string
  readonly place: string
}

/** What a marked thing is to another copy, which cannot know its class. */
export type MarkedKind = 'tensor' | 'parameter' | 'buffer' | 'module' | 'Keras object'

interface Mark {
  readonly copy: Copy
  readonly kind: MarkedKind
}

const { url = 'a bundle' } = import.meta as { readonly url?: string }

/** An object of its own for each copy: told apart by identity, shown by version and place. */
export const thisCopy: Copy = {
  version,
  place: decodeURI(url.replace(/^file:\/\//, '').replace(/\/dist\/src\/base\/copy\.[jt]s$/, '')),
}

const key = Symbol.for('lenet.copy')

/** Marks all instances of a class as this copy's. */
export function markCopy({ prototype }: { readonly prototype: object }, kind: MarkedKind): void {
  const value: Mark = { copy: thisCopy, kind }
  Object.defineProperty(prototype, key, { value })
}

/** What the value is to the other copy of lenet that made it; undefined for what is ours, or nobody's. */
export function foreignKind(value: unknown): MarkedKind | undefined {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return undefined
  const mark = (value as { readonly [key]?: Mark })[key]
  return mark && mark.copy !== thisCopy ? mark.kind : undefined
}

const tensorKinds: ReadonlySet<MarkedKind | undefined> = new Set(['tensor', 'parameter', 'buffer'])

export const isForeignTensor = (value: unknown): boolean => tensorKinds.has(foreignKind(value))

/** Throws where another copy made the value. `what` begins the message. */
export function refuseForeign(what: string, value: unknown): void {
  const kind = foreignKind(value)
  if (kind) throw foreignError(`${what} is a ${kind}`, (value as { readonly [key]: Mark })[key].copy)
}

const shown = (copy: Copy): string => `${copy.version} at ${copy.place}`

function foreignError(what: string, copy: Copy, remedy = ''): LenetError {
  const twice = copy.version === version && copy.place === thisCopy.place
  const places = twice ? `${shown(copy)} is loaded twice` : `${shown(copy)}; this one is ${shown(thisCopy)}`
  return new LenetError(
    `${what} of another copy of lenet (${places}); let the program load one alone (\`npm ls lenet\` shows them)${remedy}`,
  )
}

/** The error for a computed tensor of another copy: its graph is known there alone. */
export const foreignTensorError = (what: string, copy: Copy): LenetError =>
  foreignError(what, copy, ', or hand over values: tensor(x)')

/** What all copies in a program share. */
interface Shared {
  /** See graph/gradMode.ts: `noGrad` of one copy is meant for all. */
  gradEnabled: boolean
  /** Runs of plans, by whatever copy. */
  runs: number
}

const sharedKey = Symbol.for('lenet.shared')

export const shared: Shared = ((globalThis as { [sharedKey]?: Shared })[sharedKey] ??= { gradEnabled: true, runs: 0 })
