/**
 * What people are told of the device that computes, and of its memory. Not here: choosing and ending it (current.ts).
 */
import type { MemoryUsage, NativeState, TierName } from '../device/index.js'
import { backend, closeDevice } from './current.js'

// older engines have no such symbols, nor have the globals that test runners make on Node 20
const dispose: typeof Symbol.dispose = Symbol.dispose ?? Symbol.for('Symbol.dispose')
const asyncDispose: typeof Symbol.asyncDispose = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')

/** The device as it was when it was asked for. `await using` ends its threads: see `closeDevice`. */
export class DeviceInUse {
  /** What computed last: C compiled on this machine, WebAssembly, or the loop IR's interpreter. Before: what will begin. */
  readonly kind: TierName
  /** Threads that share a step, the one that calls counted. */
  readonly threads: number
  /** Whether native code is 'ready', 'pending' (it may come: a compiler is looked for, or works) or there is 'none'. */
  readonly native: NativeState
  /** Lines that say what is not as it could be, and why. */
  readonly notices: readonly string[]

  constructor() {
    const { threads, native, notices } = backend().state()
    this.kind = backend().tier
    this.threads = threads
    this.native = native
    this.notices = [...notices]
  }

  [dispose](): void {
    void closeDevice()
  }

  [asyncDispose](): Promise<void> {
    return closeDevice()
  }
}

/**
 * What computes now, with how many threads, and what is not as it could be. Asking starts nothing, and the device can still be
 * chosen afterwards (`setDevice`).
 */
export const deviceInUse = (): DeviceInUse => new DeviceInUse()

/**
 * What lenet's values take of memory, in bytes. What was not used for long leaves this memory by itself: tensors of nets that
 * are gone, results that nobody can read.
 */
export const memoryUsage = (): MemoryUsage => backend().usage()
