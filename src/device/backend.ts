/**
 * The seam between tensors and what computes them: memory as buffers, graphs as plans. To everybody else a buffer's values
 * are bytes, row-major in logical order; how they lie, when they move, and on how many threads, is the backend's own affair.
 * Not here: any backend (a folder each: cpu/), which one computes (tensor/current.ts), or when a graph is computed (tensor/).
 */
import { LenetError, type DType, type HostArray } from '../base/index.js'
import type { Node } from '../graph/index.js'

/** What computes; 'native' is C code compiled on this machine. */
export type TierName = 'native' | 'wasm' | 'interp'

/** Whether native code runs, may still come, or will not; `notices` say why not. */
export type NativeState = 'ready' | 'pending' | 'none'

/** Who may want a buffer's values later. */
export interface Holder {
  readonly isHolding: boolean
}

/** Values that a backend holds, as long as somebody holds this object. */
export interface Buf {
  /** They never go: `kept` is always true. */
  readonly stays: boolean
  /** False where they are gone: what a plan left may be overwritten by its next run, or make room for others. */
  readonly kept: boolean
  /** Before they go they are saved, if `by` is holding then. */
  hold(by: Holder): void
}

/** A value in a buffer: it begins at byte `at`. */
export interface Place {
  readonly buf: Buf
  readonly at: number
}

/** A value that a plan reads: of the host, row-major; or of this backend. */
export type Input = HostArray | Place

/** A node of the graph has a value when its plan has run. */
export interface Result {
  /** Its place in the order. */
  readonly index: number
  /** It is that node's companion that has the value. */
  readonly companion: boolean
}

/** A graph to be computed: inputs before users, and what is wanted of it. */
export interface Graph {
  readonly order: readonly Node[]
  readonly targets: readonly Node[]
}

/** A compiled graph, for every graph of its structure and every size of the batch. */
export interface Plan {
  /** Places in the order of the values that a run is given. */
  readonly inputs: readonly number[]
  /** Another list once faster code computes others. */
  readonly results: readonly Result[]
  /** What it takes besides values: a measure, no more. */
  readonly bytes: number
  /** Whether it is what `Backend.plan` would make of these targets and a batch of n. */
  suits(targets: readonly Node[], n: number): boolean
  /** The pictures of a batch of n that one run should compute, where the batch can be cut. */
  piece(n: number): number
  /** Whether the next run must be given the graph. */
  needsGraph(n: number): boolean
  /**
   * Computes everything from `inputs` (as many as in the list); leaves that the graph assigns are written in place. Whatever
   * earlier runs left and nobody holds may be gone, also where this one fails; but where an input is gone nothing has changed.
   * @param n pictures of the batch
   */
  run(inputs: readonly Input[], n: number, graph?: Graph): void
  /** The value of `results[i]` as the last run left it. */
  result(i: number): Buf
  /** It is run no more. What it left goes, unless it is held. */
  drop(): void
}

/** What people are told of a backend. */
export interface BackendState {
  readonly threads: number
  readonly native: NativeState
  /** What is not as it could be, and why. Grows while it works. */
  readonly notices: readonly string[]
}

/** What values take of memory, in bytes. */
export interface MemoryUsage {
  /** Values may take so much at most. */
  readonly limit: number
  /** In use now. */
  readonly used: number
  /** Taken from the system: never less than was used at a time. */
  readonly reserved: number
  /** What plans (compiled graphs) left to be read, and their tables. */
  readonly plans: number
  /** What plans share for values that nobody reads afterwards. */
  readonly arena: number
  /** Parameters, optimizers' states, and other tensors that lie on the device. */
  readonly tensors: number
  /** Data sets that are read where they lie. */
  readonly data: number
}

export interface Backend {
  /** As people know the device. */
  readonly name: string
  /** What computed last; before: what will begin. */
  readonly tier: TierName
  /** A buffer for leaves, whatever stands in it. */
  alloc(bytes: number): Buf
  /** Memory that JavaScript sees too, to be filled in place. Only where there is such memory. */
  map?(bytes: number): { readonly buf: Buf; readonly bytes: Uint8Array }
  /** `data` is copied. */
  write(buf: Buf, at: number, data: HostArray): void
  copy(from: Place, to: Place, bytes: number): void
  /** So many bytes as they are now, in an array of their own. Rejects where the computation that gives them failed. */
  read(from: Place, bytes: number): Promise<Uint8Array>
  /** The same at once. Only where that can be had. */
  readSync?(from: Place, bytes: number): Uint8Array
  /**
   * Whether what a batch of n ends in (sums, say) should be computed in a run of its own, after what that is made of.
   * Default: no.
   */
  endsApart?(graph: Graph, n: number): boolean
  /** @param n pictures of the batch that is to be computed first */
  plan(graph: Graph, n: number): Plan
  state(): BackendState
  usage(): MemoryUsage
  /** Ends what works in the background. Values stay, and what is computed next starts it anew. */
  close(): Promise<void>
}

const mib = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`

/** There is no room for so many bytes. */
export class OutOfMemory extends LenetError {
  readonly bytes: number
  /** Bytes that are in use. */
  readonly used: number
  constructor(bytes: number, used: number, limit: number) {
    super(
      `no memory for ${mib(bytes)} more: ${mib(used)} of at most ${mib(limit)} are in use; ` +
        'use a smaller batch, a smaller net or fewer pictures at once',
    )
    this.bytes = bytes
    this.used = used
  }
}

/** Whether an error says that there is no room. */
export const isShortage = (error: unknown): boolean =>
  error instanceof OutOfMemory || (error instanceof LenetError && error.cause instanceof OutOfMemory)

/** Bytes as values of a type, where they lie. */
export function valuesIn(dtype: DType, { buffer, byteOffset, byteLength }: Uint8Array): HostArray {
  if (dtype === 'f32') return new Float32Array(buffer, byteOffset, byteLength / 4)
  return dtype === 'i32'
    ? new Int32Array(buffer, byteOffset, byteLength / 4)
    : new Uint8Array(buffer, byteOffset, byteLength)
}

export const bytesOf = ({ buffer, byteOffset, byteLength }: HostArray): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength)
