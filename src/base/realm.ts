/**
 * What a value is, whichever realm made it. Test runners give each test file globals of its own (node:vm), and what Node
 * throws and gives there is of the outer realm: `instanceof` says no to its errors, arrays and maps.
 * Not here: our own classes, which `instanceof` tells well.
 */

interface Arrays {
  readonly Float32Array: Float32Array
  readonly Float64Array: Float64Array
  readonly BigInt64Array: BigInt64Array
  readonly BigUint64Array: BigUint64Array
  readonly Int32Array: Int32Array
  readonly Uint32Array: Uint32Array
  readonly Int16Array: Int16Array
  readonly Uint16Array: Uint16Array
  readonly Int8Array: Int8Array
  readonly Uint8Array: Uint8Array
}

/** Whether a value is a typed array of this kind; a Buffer is a Uint8Array. */
export const isArrayOf = <K extends keyof Arrays>(kind: K, value: unknown): value is Arrays[K] =>
  ArrayBuffer.isView(value) && (value as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] === kind

const isTagged = (tag: string, value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.prototype.toString.call(value) === `[object ${tag}]`

export const isMap = (value: unknown): value is Map<unknown, unknown> => isTagged('Map', value)

export const isSet = (value: unknown): value is Set<unknown> => isTagged('Set', value)

/** A promise, or what can be waited for like one. */
export const isPromise = (value: unknown): value is Promise<unknown> =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'

/** `{}` as it is written, not an instance of some class. */
export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/** Whether a value is an error, of this name if one is given. */
export const isError = (value: unknown, name?: string): value is Error =>
  typeof value === 'object' &&
  value !== null &&
  'message' in value &&
  typeof value.message === 'string' &&
  'name' in value &&
  (name === undefined || value.name === name)

/** An error's message; whatever else was thrown, as text. */
export const messageOf = (error: unknown): string => (isError(error) ? error.message : String(error))

/** The `code` of an error of Node's, 'ENOENT' say. */
export const codeOf = (error: unknown): string | undefined =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined
