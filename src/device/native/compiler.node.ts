/**
 * The compile worker: looks for a compiler, then turns C sources into libraries, one after the other.
 * What it finds goes to the main thread as messages, and a count in shared memory says that there is one, because the main
 * thread may be in a loop that never yields. Not here: that thread's side (service).
 */
import { mkdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type MessagePort, workerData } from 'node:worker_threads'
import { messageOf } from '../../base/index.js'
import { splitWords } from '../../base/programs.node.js'
import { cacheSize, findEntry, keyOf, prune, remove, storeEntry, temporaryFolderOf } from './cache.node.js'
import { type CacheFolder, openCacheFolder } from './folder.node.js'
import { loadCaller, openLibrary } from './library.node.js'
import { firstLine, type Gate, type Outcome, runCompiler } from './process.node.js'
import { PROCESSOR_SOURCE, readProcessor, type Words } from './processor.node.js'
import { type Candidate, compileLimitMs, findToolchain, probeLimitMs, type Toolchain } from './toolchain.node.js'
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
    inNativeCode(() => loadCaller(options.caller))
  } catch (error) {
    return { reason: `native calls are not possible here: ${firstLine(messageOf(error))}` }
  }
  const { platform, arch } = process
  const toolchain = await findToolchain(env, gate, { platform, arch, ask })
  try {
    if (!('reason' in toolchain)) return { toolchain, folder: cacheFolder() }
    if (opened?.isPrivate === true) remove(opened.path)
    return toolchain
  } catch (error) {
    return { reason: messageOf(error) }
  }
}

let opened: CacheFolder | undefined

function cacheFolder(): CacheFolder {
  try {
    return (opened ??= openCacheFolder(options.folder))
  } catch (error) {
    throw new Error(`no folder for compiled kernels can be made: ${messageOf(error)}`, { cause: error })
  }
}

let words: Words | undefined

/** The processor is asked by this process: a program that it starts may see another one. */
async function ask({ path, prefix }: Candidate): Promise<Words | string> {
  if (words) return words
  const flags = ['-O0', ...(process.platform === 'win32' ? [] : ['-fPIC']), ...splitWords(env['LENET_CFLAGS'] ?? '')]
  const key = keyOf([NATIVE_ABI, process.arch, path, ...prefix, ...flags, PROCESSOR_SOURCE])
  const limitMs = probeLimitMs(env)
  try {
    const made = await compile({ path, prefix, flags, limitMs }, cacheFolder(), key, {
      id: -1,
      source: PROCESSOR_SOURCE,
    })
    if ('error' in made) return `it makes no library that can be used here: ${made.error}`
    const { path: library } = made
    inNativeCode(() => {
      const found = openLibrary(library, caller)
      if ('error' in found) throw new Error(found.error)
      words = readProcessor(found.library)
    })
    return words ?? ''
  } catch (error) {
    return messageOf(error)
  }
}

function infoOf({ toolchain, folder }: Workshop): ToolchainInfo {
  const { identity: _, notices, ...rest } = toolchain
  const cache = { folder: folder.path, isPrivate: folder.isPrivate, ...cacheSize(folder.path) }
  return { ...rest, cache, notices: folder.notice === undefined ? notices : [...notices, folder.notice] }
}

function findBuilt(folder: CacheFolder, key: string): Built | undefined {
  const path = findEntry(folder.path, key)
  // An entry can be sound and yet of no use here: another system's, or made for a library that is gone.
  if (path === undefined || 'error' in opens(path)) return undefined
  return { path, cached: true }
}

const caller = (): ReturnType<typeof loadCaller> => loadCaller(options.caller)

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

/** A compiler, and how long it may take. */
interface Maker extends Pick<Toolchain, 'path' | 'prefix' | 'flags'> {
  readonly limitMs: number
}

async function compile(
  maker: Maker,
  folder: CacheFolder,
  key: string,
  { id, source }: Job,
): Promise<Built | BuildFailure> {
  const found = findBuilt(folder, key)
  if (found !== undefined) return found
  const work = temporaryFolderOf(folder.path, token, id)
  try {
    mkdirSync(work, { mode: 0o700 })
    const output = join(work, 'kernels.so')
    const problem = problemOf(await runOn(maker, source, work, output), maker)
    return problem === undefined ? keep(folder, key, output) : { error: problem }
  } catch (error) {
    return { error: `nothing can be compiled in ${folder.path}: ${messageOf(error)}` }
  } finally {
    remove(work)
  }
}

/** The source comes by standard input; all temporary files lie in the work folder. */
function runOn({ path, prefix, flags, limitMs }: Maker, input: string, work: string, output: string): Promise<Outcome> {
  return runCompiler({
    path,
    args: [...prefix, ...flags, '-shared', '-x', 'c', '-', '-o', basename(output), ...LIBRARIES],
    input,
    env: { ...env, TMPDIR: work, TEMP: work, TMP: work },
    folder: work,
    limitMs,
    niceness,
    gate,
  })
}

function problemOf(outcome: Outcome, { limitMs }: Maker): string | undefined {
  if (outcome.kind === 'late') return `it was not done after ${limitMs / 1000} s (LENET_CC_TIMEOUT sets the limit)`
  if (outcome.kind === 'failed') return outcome.message
  return outcome.code === 0 ? undefined : `it ended with code ${outcome.code}: ${firstLine(outcome.stderr)}`
}

function keep(folder: CacheFolder, key: string, output: string): Built | BuildFailure {
  const path = storeEntry(folder.path, key, output)
  prune(folder.path, options.maximumBytes, path)
  const opened = opens(path)
  return 'error' in opened ? opened : { path, cached: false }
}

async function compileKernels({ toolchain, folder }: Workshop, key: string, job: Job): Promise<Built | BuildFailure> {
  const made = await compile({ ...toolchain, limitMs: compileLimitMs(env) }, folder, key, job)
  return 'error' in made ? { error: `'${toolchain.command}' cannot compile the kernels: ${made.error}` } : made
}

/** Cached ones are told at once; the others wait for their turn, since two compilers would slow the training. */
function serve(workshop: Workshop): void {
  let last: Promise<unknown> = Promise.resolve()
  port.on('message', (job: Job) => {
    const key = keyOf([NATIVE_ABI, workshop.toolchain.identity, job.source])
    const found = findBuilt(workshop.folder, key)
    const tellBuilt = (result: Built | BuildFailure): void => tell({ kind: 'built', id: job.id, result })
    if (found !== undefined) tellBuilt(found)
    else last = last.then(async () => tellBuilt(await compileKernels(workshop, key, job)))
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

void main()
