/**
 * The native compiler as the main thread sees it: begins builds and looks whether they are done, without the event loop,
 * because the loop that trains may never yield. All work is done in a worker.
 * Not here: what is compiled (compiler/render/c) and how it is called (library).
 */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { cacheHome } from '../../base/fs.node.js'
import { remove, removeTemporaries } from './cache.node.js'
import { CALLERS } from './library.node.js'
import { killGroup } from './process.node.js'
import {
  type BuildFailure,
  type Built,
  CELL,
  type Job,
  type NoToolchain,
  STARTING,
  type ToolchainInfo,
  type WorkerMessage,
  type WorkerOptions,
} from './types.js'

export interface NativeOptions {
  /** CC, LENET_CFLAGS, LENET_CC_TIMEOUT and PATH are read from it. Default: the process's. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Of compiled kernels. Default: `native` in the project's cache folder. */
  readonly folder?: string
  /** The cache's limit. Default 256 MiB. */
  readonly maximumBytes?: number
  /** Of the compiler: 0 (as we: beside a team on all cores it is done soon) to 19 (only when nobody wants the processor). Default 0. */
  readonly niceness?: number
  /** Modules that make native calls; the first installed one is used. Default koffi's. */
  readonly callers?: readonly string[]
}

export interface NativeService {
  /** undefined while a compiler is still being looked for; then what was found. Never blocks. */
  poll(): ToolchainInfo | NoToolchain | undefined
  /** Blocks this thread until something was found or nothing can be. Bounded. */
  wait(): ToolchainInfo | NoToolchain
  /** Begins to compile in the background, or finds it in the cache. Builds run one after the other. */
  build(source: string): NativeBuild
  /** Ends the worker and a compiler that runs. What was built stays loadable, but for a private folder's. */
  close(): void
}

interface NativeBuild {
  /** undefined while it is compiled. Never blocks. */
  poll(): Built | BuildFailure | undefined
  /** Blocks this thread until it is done; LENET_CC_TIMEOUT bounds it. */
  wait(): Built | BuildFailure
}

/** A worker that lives counts every second, even on a busy machine. */
const SILENCE_MS = 30_000
/** Making a process takes a millisecond. */
const START_MS = 500

/** Starts the worker; returns at once. For the main thread, one for a process. Never throws. */
export function startNativeService(options: NativeOptions = {}): NativeService {
  const { env = process.env, folder = join(cacheHome(), 'native') } = options
  return new Service({
    env: { ...env },
    folder,
    maximumBytes: options.maximumBytes ?? 2 ** 28,
    niceness: options.niceness ?? 0,
    callers: options.callers ?? CALLERS,
    token: randomUUID(),
    shared: new Int32Array(new SharedArrayBuffer(4 * Object.keys(CELL).length)),
  })
}

/** Open ones: they share one listener of the process's end. */
const services = new Set<Service>()

function closeAll(): void {
  for (const service of services) service.close()
}

class Service implements NativeService {
  readonly #options: WorkerOptions
  readonly #port: MessagePort
  readonly #results = new Map<number, Built | BuildFailure>()
  #worker: Worker | undefined
  #toolchain: ToolchainInfo | NoToolchain | undefined
  /** Why no more messages will come. */
  #ended: string | undefined
  #builds = 0

  constructor(options: WorkerOptions) {
    this.#options = options
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    try {
      this.#worker = this.#start(port2)
    } catch (error) {
      this.#ended = `the compile worker cannot start: ${String(error)}`
    }
    if (services.size === 0) process.on('exit', closeAll)
    services.add(this)
  }

  #start(port: MessagePort): Worker {
    const worker = new Worker(new URL('./worker.node.js', import.meta.url), {
      workerData: { options: this.#options, port },
      transferList: [port],
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 8 },
    })
    worker.on('error', (error) => (this.#ended ??= `the compile worker failed: ${error.message}`))
    worker.unref()
    return worker
  }

  poll(): ToolchainInfo | NoToolchain | undefined {
    this.#receive()
    return this.#toolchain ?? (this.#ended === undefined ? undefined : { reason: this.#ended })
  }

  wait(): ToolchainInfo | NoToolchain {
    return this.#waitFor(() => this.poll())
  }

  build(source: string): NativeBuild {
    const id = this.#builds++
    const job: Job = { id, source }
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port, not a window
    if (this.#ended === undefined) this.#port.postMessage(job)
    const poll = (): Built | BuildFailure | undefined => {
      this.#receive()
      return this.#results.get(id) ?? (this.#ended === undefined ? undefined : { error: this.#ended })
    }
    return { poll, wait: () => this.#waitFor(poll) }
  }

  close(): void {
    if (!services.delete(this)) return
    if (services.size === 0) process.off('exit', closeAll)
    const { shared, token } = this.#options
    Atomics.store(shared, CELL.closed, 1)
    // the worker leaves native code before it is ended
    while (Atomics.load(shared, CELL.inside) === 1)
      if (Atomics.wait(shared, CELL.inside, 1, 2000) === 'timed-out') break
    killGroup(groupOf(shared))
    this.#receive()
    this.#ended ??= 'the compile worker was closed'
    this.#port.close()
    void this.#worker?.terminate()
    const cache = this.#toolchain !== undefined && 'cache' in this.#toolchain ? this.#toolchain.cache : undefined
    if (cache?.isPrivate === true) remove(cache.folder)
    else if (cache !== undefined) removeTemporaries(cache.folder, token)
  }

  #receive(): void {
    for (;;) {
      const received: { message: WorkerMessage } | undefined = receiveMessageOnPort(this.#port)
      if (received === undefined) return
      const { message } = received
      if (message.kind === 'toolchain') this.#toolchain = message.result
      else this.#results.set(message.id, message.result)
    }
  }

  /** Sleeps until `poll` gives something; a worker that gives no sign of life is given up. */
  #waitFor<T>(poll: () => T | undefined): T {
    const { shared } = this.#options
    for (;;) {
      const seen = Atomics.load(shared, CELL.messages)
      const beat = Atomics.load(shared, CELL.beat)
      const found = poll()
      if (found !== undefined) return found
      const woken = Atomics.wait(shared, CELL.messages, seen, SILENCE_MS)
      if (woken === 'timed-out' && Atomics.load(shared, CELL.beat) === beat) {
        this.#ended ??= 'the compile worker gives no answer'
      }
    }
  }
}

/** Of the compiler that runs or is just being started; 0 where there is none. */
function groupOf(shared: Int32Array): number {
  Atomics.wait(shared, CELL.group, STARTING, START_MS)
  return Atomics.exchange(shared, CELL.group, 0)
}
