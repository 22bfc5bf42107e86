/**
 * Where a node's values are: on a backend, on the host, or gone.
 * Not here: running plans (plans.ts), how values lie on a backend (device), or what people hold (tensor.ts).
 */
import { foreignTensorError, LenetError, sizeOf, type HostArray } from '../base/index.js'
import { valuesIn, type Backend, type Buf, type Holder, type Place } from '../device/index.js'
import { createNode, isOwn, type HostStorage, type Node, type NodeType, type Storage } from '../graph/index.js'
import { clock } from './clock.js'

/** A value on a backend: from byte `at` of a buffer on. */
export class Stored implements Storage, Place, Holder {
  readonly kind = 'device'
  readonly backend: Backend
  readonly buf: Buf
  readonly at: number
  /** See `hold`. */
  #heldUntil = 0

  constructor(backend: Backend, buf: Buf, at = 0) {
    this.backend = backend
    this.buf = buf
    this.at = at
  }

  get isHolding(): boolean {
    return this.#heldUntil >= clock.now
  }

  holdUntil(time: number): void {
    if (this.#heldUntil === 0) this.buf.hold(this)
    this.#heldUntil = Math.max(this.#heldUntil, time)
  }
}

/** The leaf that was overwritten by an optimizer's step: only what was computed before may show it. */
export class Stale implements Storage {
  readonly kind = 'device'
}

export const isHost = (storage: Storage): storage is HostStorage => storage.kind === 'host'

/**
 * The backend of the values met so far, `before`, and of this node's if it has some there.
 * @throws LenetError where these are two
 */
export function backendWith(before: Backend | null, { op, shape, storage }: Node): Backend | null {
  if (!(storage instanceof Stored) || storage.backend === before) return before
  if (!before) return storage.backend
  throw new LenetError(
    `all values of a computation must lie on one device: ${op} [${shape.join(', ')}] lies on '${storage.backend.name}', others on '${before.name}'; make a tensor of its numbers, tensor(x.toArray()), to take it there`,
  )
}

/** Whether what a run left has been overwritten, or made room for others. */
export const isLost = ({ storage }: Node): boolean => storage instanceof Stored && !storage.buf.kept

/** Whether a later run of its plan may take the value away. */
export const mayGo = ({ storage }: Node): boolean => storage instanceof Stored && !storage.buf.stays

/**
 * Lets a result outlive further runs of its plan up to a time of `clock`: the batch or step of now by default. Costs a copy
 * at the next run in that time, and nothing else.
 */
export function hold({ storage }: Node, until = clock.now): void {
  if (storage instanceof Stored && !storage.buf.stays && storage.buf.kept) storage.holdUntil(until)
}

/** A node's values: on the host or on a backend. Throws where they are gone. */
export function placeOf(node: Node): HostStorage | Stored {
  const { storage } = node
  if (storage && isHost(storage)) return storage
  if (storage instanceof Stored) {
    if (storage.buf.kept) return storage
    throw new LenetError(
      `the result of ${node.op} [${node.shape.join(', ')}] was not kept: a later batch has taken its place, or needed its memory. Call .realize() on it, or read it, before the next batch`,
    )
  }
  if (storage instanceof Stale)
    throw new LenetError(
      'this was built on parameters that optimizer.step() has changed since; read it, or call .realize() on it, before the step',
    )
  if (!isOwn(node)) throw foreignTensorError(`the result of ${node.op}`, node.kind.copy)
  throw new Error(`${node.op} has no values on the device`)
}

export const bytesIn = ({ shape, dtype }: NodeType): number => sizeOf(shape) * (dtype === 'u8' ? 1 : 4)

/** Whether the values of a node that has some can be read at once. */
export const isReadable = ({ storage }: Node): boolean =>
  !(storage instanceof Stored) || storage.backend.readSync !== undefined

/** The name of the device that has a node's values. */
export const deviceOf = ({ storage }: Node): string => (storage instanceof Stored ? storage.backend.name : 'host')

/**
 * A node's values, row-major: those of a host leaf themselves, else a copy. Throws where they are gone.
 * @param instead the method of tensors that reads where this cannot
 */
export function valuesOf(node: Node, instead = 'toTypedArrayAsync'): HostArray {
  const found = placeOf(node)
  if (isHost(found)) return found.data
  const { backend } = found
  if (!backend.readSync)
    throw new LenetError(`device '${backend.name}' gives values only later: write await tensor.${instead}()`)
  return valuesIn(node.dtype, backend.readSync(found, bytesIn(node)))
}

/** A copy from any backend: as they are now, whatever runs until they are there. */
export async function valuesLater(node: Node): Promise<HostArray> {
  const found = placeOf(node)
  if (isHost(found)) return found.data.slice()
  return valuesIn(node.dtype, await found.backend.read(found, bytesIn(node)))
}

/** Puts values on a backend; they are copied. */
export function put(backend: Backend, data: HostArray): Stored {
  const buf = backend.alloc(data.byteLength)
  backend.write(buf, 0, data)
  return new Stored(backend, buf)
}

/** A leaf over values that are there. */
export function leafOver(type: NodeType, storage: Storage, requiresGrad: boolean): Node {
  const leaf = createNode('leaf', {}, [], type, requiresGrad)
  leaf.storage = storage
  return leaf
}
