/**
 * The native compiler as the main thread sees it: begins builds and looks whether they are done, without the event loop,
 * because the loop that trains may never yield. All work is done in a worker.
 * Not here: what is compiled (compiler/render/c) and how it is called (library).
 */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { MessageChannel, type MessagePort, receiveMessageOnPort, type Worker } from 'node:worker_threads'
import { cacheHome } from '../../../base/fs.node.js'
import { messageOf } from '../../../base/index.js'
import type { CSource } from '../../../compiler/index.js'
import { share, shared as sharedOf } from '../shared.node.js'
import { startThread } from '../thread.node.js'
import { compilerCode } from '../workerCode.js'
import { remove, removeTemporaries } from './cache.node.js'
import { callerPath } from './library.node.js'
import { killGroup } from './process.node.js'
import {
  type BuildFailure,
  type Built,
  CELL,
  type Job,
  MOST_COMPILERS,
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
  /** Begins to compile in the background what is not in the cache, on as many cores as there are. */
  build(sources: readonly CSource[]): NativeBuild
  /** Somebody has stopped it. */
  readonly isStopped: boolean
  /** Ends the worker and the compilers that run. What was built stays loadable. */
  stop(): Promise<void>
  /** The same, and what is in a private folder goes too. */
  close(): Promise<void>
}

export interface NativeBuild {
  /** undefined while it is compiled. Never blocks. */
  poll(): Built | BuildFailure | undefined
  /** Blocks this thread until it is done; LENET_CC_TIMEOUT bounds it. */
  wait(): Built | BuildFailure
}

/** A worker that lives counts every second, even on a busy machine. */
const SILENCE_MS = 30_000
/** Making a process takes a millisecond. */
const START_MS = 500

/** What is known of a compile worker: plain values, for all copies of the library that use it. */
interface ServiceState {
  readonly options: WorkerOptions
  readonly port: MessagePort
  readonly results: Map<number, Built | BuildFailure>
  worker?: Worker
  toolchain?: ToolchainInfo | NoToolchain
  /** Why no more messages will come. */
  ended?: string
  builds: number
}

/** Starts a worker; returns at once. Never throws. */
export function startNativeService(options: NativeOptions = {}): NativeService {
  return new Service(startState(options))
}

/** The service that all copies of the library in this thread share, as long as their settings are the same. */
export function sharedNativeService(): NativeService {
  const folder = join(cacheHome(), 'native')
  const { PATH, CC, LENET_CFLAGS, LENET_CC_TIMEOUT } = process.env
  const name = `compiler ${JSON.stringify([folder, PATH, CC, LENET_CFLAGS, LENET_CC_TIMEOUT])}`
  const running = sharedOf<ServiceState>(name)
  if (running && !isStopped(running)) return new Service(running)
  const state = startState({ folder })
  share(name, state)
  return new Service(state)
}

function startState(options: NativeOptions): ServiceState {
  const { env = process.env, folder = join(cacheHome(), 'native') } = options
  const { port1, port2 } = new MessageChannel()
  const state: ServiceState = {
    options: {
      env: { ...env },
      folder,
      maximumBytes: options.maximumBytes ?? 2 ** 28,
      niceness: options.niceness ?? 0,
      caller: callerPath(options.callers),
      token: randomUUID(),
      shared: new Int32Array(new SharedArrayBuffer(4 * (CELL.groups + MOST_COMPILERS))),
    },
    port: port1,
    results: new Map(),
    builds: 0,
  }
  const refused = permissionProblem(folder)
  if (refused !== undefined) state.ended = refused
  else startWorker(state, port2)
  if (states.size === 0) process.on('exit', closeAll)
  states.add(state)
  return state
}

/** What a compiler takes under Node's --permission: it is looked for in PATH, and who can write above the folder too. */
function permissionProblem(folder: string): string | undefined {
  const { permission } = process as { permission?: { has(scope: string, path?: string): boolean } }
  if (!permission) return undefined
  const needs = [
    ['--allow-worker', permission.has('worker')],
    ['--allow-addons', permission.has('addon') || !process.allowedNodeEnvironmentFlags.has('--allow-addons')],
    ['--allow-child-process', permission.has('child')],
    ['--allow-fs-read=*', permission.has('fs.read')],
    [`--allow-fs-write=${folder}`, permission.has('fs.write', folder)],
  ] as const
  const missing = needs.filter(([, isAllowed]) => !isAllowed).map(([flag]) => flag)
  return missing.length > 0 ? `Node's --permission allows no native code without ${missing.join(' ')}` : undefined
}

function startWorker(state: ServiceState, port: MessagePort): void {
  try {
    const limits = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 8 }
    const worker = startThread(compilerCode, { options: state.options }, port, limits)
    worker.on('error', (error) => (state.ended ??= `the compile worker failed: ${messageOf(error)}`))
    state.worker = worker
  } catch (error) {
    state.ended = `the compile worker cannot start: ${messageOf(error)}`
  }
}

/** Those whose folders are still to be looked after: they share one listener of the process's end. */
const states = new Set<ServiceState>()

function closeAll(): void {
  for (const state of states) close(state)
}

const isStopped = ({ options }: ServiceState): boolean => Atomics.load(options.shared, CELL.closed) === 1

function stop(state: ServiceState): Promise<unknown> {
  if (isStopped(state)) return Promise.resolve()
  const { shared, token } = state.options
  Atomics.store(shared, CELL.closed, 1)
  // the worker leaves native code before it is ended
  while (Atomics.load(shared, CELL.inside) === 1) if (Atomics.wait(shared, CELL.inside, 1, 2000) === 'timed-out') break
  for (let i = 0; i < MOST_COMPILERS; i++) killGroup(groupOf(shared, CELL.groups + i))
  receive(state)
  state.ended ??= 'the compile worker was closed'
  state.port.close()
  const ended = state.worker?.terminate() ?? Promise.resolve()
  const { toolchain } = state
  if (toolchain && 'cache' in toolchain && !toolchain.cache.isPrivate) removeTemporaries(toolchain.cache.folder, token)
  return ended
}

function close(state: ServiceState): Promise<unknown> {
  const ended = stop(state)
  if (states.delete(state) && states.size === 0) process.off('exit', closeAll)
  const { toolchain } = state
  if (toolchain && 'cache' in toolchain && toolchain.cache.isPrivate) remove(toolchain.cache.folder)
  return ended
}

function receive(state: ServiceState): void {
  for (;;) {
    const received: { message: WorkerMessage } | undefined = receiveMessageOnPort(state.port)
    if (received === undefined) return
    const { message } = received
    if (message.kind === 'toolchain') state.toolchain = message.result
    else state.results.set(message.id, message.result)
  }
}

/** A compile worker as one copy of the library sees it. */
class Service implements NativeService {
  readonly #state: ServiceState

  constructor(state: ServiceState) {
    this.#state = state
  }

  poll(): ToolchainInfo | NoToolchain | undefined {
    receive(this.#state)
    const { toolchain, ended } = this.#state
    return toolchain ?? (ended === undefined ? undefined : { reason: ended })
  }

  wait(): ToolchainInfo | NoToolchain {
    return this.#waitFor(() => this.poll())
  }

  build(sources: readonly CSource[]): NativeBuild {
    const state = this.#state
    const id = state.builds++
    const job: Job = { id, sources }
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port, not a window
    if (state.ended === undefined) state.port.postMessage(job)
    const poll = (): Built | BuildFailure | undefined => {
      receive(state)
      return state.results.get(id) ?? (state.ended === undefined ? undefined : { error: state.ended })
    }
    return { poll, wait: () => this.#waitFor(poll) }
  }

  get isStopped(): boolean {
    return isStopped(this.#state)
  }

  async stop(): Promise<void> {
    await stop(this.#state)
  }

  async close(): Promise<void> {
    await close(this.#state)
  }

  /** Sleeps until `poll` gives something; a worker that gives no sign of life is given up. */
  #waitFor<T>(poll: () => T | undefined): T {
    const { shared } = this.#state.options
    for (;;) {
      const seen = Atomics.load(shared, CELL.messages)
      const beat = Atomics.load(shared, CELL.beat)
      const found = poll()
      if (found !== undefined) return found
      const woken = Atomics.wait(shared, CELL.messages, seen, SILENCE_MS)
      if (woken === 'timed-out' && Atomics.load(shared, CELL.beat) === beat) {
        this.#state.ended ??= 'the compile worker gives no answer'
      }
    }
  }
}

/** Of the compiler that runs or is just being started; 0 where there is none. */
function groupOf(shared: Int32Array, cell: number): number {
  Atomics.wait(shared, cell, STARTING, START_MS)
  return Atomics.exchange(shared, cell, 0)
}
