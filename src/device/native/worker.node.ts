/**
 * The compile worker: looks for a compiler, then turns C sources into libraries, one after the other.
 * What it finds goes to the main thread as messages, and a count in shared memory says that there is one, because the main
 * thread may be in a loop that never yields. Not here: that thread's side (service).
 */
import { mkdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type MessagePort, workerData } from 'node:worker_threads'
import { cacheSize, findEntry, keyOf, prune, remove, storeEntry, temporaryFolderOf } from './cache.node.js'
import { type CacheFolder, openCacheFolder } from './folder.node.js'
import { loadCaller, openLibrary } from './library.node.js'
import { firstLine, type Gate, messageOf, type Outcome, runCompiler } from './process.node.js'
import { compileLimitMs, findToolchain, type Toolchain } from './toolchain.node.js'
import {
  type BuildFailure,
  type Built,
  CELL,
  type Job,
  NATIVE_ABI,
  type NoToolchain,
  STARTING,
  type ToolchainInfo,
  type WorkerMessage,
  type WorkerOptions,
} from './types.js'

const { options, port }: { options: WorkerOptions; port: MessagePort } = workerData
const { env, shared, token, niceness } = options

interface Workshop {
  readonly toolchain: Toolchain
  readonly folder: CacheFolder
}

const BEAT_MS = 1000
/** What math functions need that have no instruction. */
const LIBRARIES = process.platform === 'win32' ? [] : ['-lm']

function tell(message: WorkerMessage): void {
  port.postMessage(message)
  Atomics.add(shared, CELL.messages, 1)
  Atomics.notify(shared, CELL.messages)
}

function setGroup(group: number): void {
  Atomics.store(shared, CELL.group, group)
  Atomics.notify(shared, CELL.group)
}

/** The main thread sets `closed` first and reads the group then; here it is the other way round, so one sees the other. */
const gate: Gate = {
  enter: () => {
    setGroup(STARTING)
    if (Atomics.load(shared, CELL.closed) === 0) return true
    setGroup(0)
    return false
  },
  running: setGroup,
  leave: () => setGroup(0),
}

async function open(): Promise<Workshop | NoToolchain> {
  try {
    inNativeCode(() => loadCaller(options.callers))
  } catch (error) {
    return { reason: `native calls are not possible here: ${firstLine(messageOf(error))}` }
  }
  const toolchain = await findToolchain(env, gate)
  if ('reason' in toolchain) return toolchain
  try {
    return { toolchain, folder: openCacheFolder(options.folder) }
  } catch (error) {
    return { reason: `no folder for compiled kernels can be made: ${messageOf(error)}` }
  }
}

function infoOf({ toolchain, folder }: Workshop): ToolchainInfo {
  const { identity: _, notices, ...rest } = toolchain
  const cache = { folder: folder.path, isPrivate: folder.isPrivate, ...cacheSize(folder.path) }
  return { ...rest, cache, notices: folder.notice === undefined ? notices : [...notices, folder.notice] }
}

function findBuilt({ folder }: Workshop, key: string): Built | undefined {
  const path = findEntry(folder.path, key)
  // An entry can be sound and yet of no use here: another system's, or made for a library that is gone.
  if (path === undefined || 'error' in opens(path)) return undefined
  return { path, cached: true }
}

const caller = (): ReturnType<typeof loadCaller> => loadCaller(options.callers)

const opens = (path: string): ReturnType<typeof openLibrary> => inNativeCode(() => openLibrary(path, caller))

/** Whoever ends this thread waits meanwhile; once it is to end, nothing is begun. */
function inNativeCode<T>(load: () => T): T {
  const { shared } = options
  Atomics.store(shared, CELL.inside, 1)
  try {
    if (Atomics.load(shared, CELL.closed) === 1) throw new Error('the process ends')
    return load()
  } finally {
    Atomics.store(shared, CELL.inside, 0)
    Atomics.notify(shared, CELL.inside)
  }
}

async function compile(workshop: Workshop, key: string, { id, source }: Job): Promise<Built | BuildFailure> {
  const found = findBuilt(workshop, key)
  if (found !== undefined) return found
  const work = temporaryFolderOf(workshop.folder.path, token, id)
  try {
    mkdirSync(work, { mode: 0o700 })
    const output = join(work, 'kernels.so')
    const problem = problemOf(await runOn(workshop, source, work, output), workshop.toolchain)
    return problem === undefined ? keep(workshop, key, output) : { error: problem }
  } catch (error) {
    return { error: `kernels cannot be compiled in ${workshop.folder.path}: ${messageOf(error)}` }
  } finally {
    remove(work)
  }
}

/**
 * The source comes by standard input; all temporary files lie in the work folder, and the output goes there by a name
 * without one: compilers of Windows do not take every letter.
 */
function runOn({ toolchain }: Workshop, input: string, work: string, output: string): Promise<Outcome> {
  const { path, prefix, flags } = toolchain
  return runCompiler({
    path,
    args: [...prefix, ...flags, '-shared', '-x', 'c', '-', '-o', basename(output), ...LIBRARIES],
    input,
    env: { ...env, TMPDIR: work, TEMP: work, TMP: work },
    folder: work,
    limitMs: compileLimitMs(env),
    niceness,
    gate,
  })
}

function problemOf(outcome: Outcome, { command }: Toolchain): string | undefined {
  const begin = `'${command}' cannot compile the kernels:`
  if (outcome.kind === 'late') {
    return `${begin} it was not done after ${compileLimitMs(env) / 1000} s (LENET_CC_TIMEOUT sets the limit)`
  }
  if (outcome.kind === 'failed') return `${begin} ${outcome.message}`
  if (outcome.code === 0) return undefined
  return `${begin} it ended with code ${outcome.code}: ${firstLine(outcome.stderr)}`
}

function keep({ folder }: Workshop, key: string, output: string): Built | BuildFailure {
  const path = storeEntry(folder.path, key, output)
  prune(folder.path, options.maximumBytes, path)
  const opened = opens(path)
  return 'error' in opened ? opened : { path, cached: false }
}

/** Cached ones are told at once; the others wait for their turn, since two compilers would slow the training. */
function serve(workshop: Workshop): void {
  let last: Promise<unknown> = Promise.resolve()
  port.on('message', (job: Job) => {
    const key = keyOf([NATIVE_ABI, workshop.toolchain.identity, job.source])
    const found = findBuilt(workshop, key)
    if (found !== undefined) tell({ kind: 'built', id: job.id, result: found })
    else last = last.then(async () => tell({ kind: 'built', id: job.id, result: await compile(workshop, key, job) }))
  })
}

function refuse(reason: string): void {
  port.on('message', ({ id }: Job) => tell({ kind: 'built', id, result: { error: reason } }))
}

async function main(): Promise<void> {
  setInterval(() => void Atomics.add(shared, CELL.beat, 1), BEAT_MS)
  const workshop = await open()
  tell({ kind: 'toolchain', result: 'reason' in workshop ? workshop : infoOf(workshop) })
  if ('reason' in workshop) refuse(workshop.reason)
  else serve(workshop)
}

await main()
