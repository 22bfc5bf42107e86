/**
 * The compile worker: looks for a compiler, then turns C functions into libraries: those that are not in the cache, in files
 * of several, as many compilers side by side as there are cores.
 * What it finds goes to the main thread as messages, and a count in shared memory says that there is one, because the main
 * thread may be in a loop that never yields. Not here: that thread's side (service).
 */
import { mkdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'
import { type MessagePort, workerData } from 'node:worker_threads'
import { messageOf } from '../../../base/index.js'
import { splitWords } from '../../../base/programs.node.js'
import { abi, fileOf } from '../../../compiler/index.js'
import { cacheSize, findEntry, keyOf, listingOf, prune, remove, storeEntry, temporaryFolderOf } from './cache.node.js'
import { intoFiles, type Part } from './files.js'
import { type CacheFolder, openCacheFolder } from './folder.node.js'
import { type KoffiLibrary, loadCaller, openLibrary } from './library.node.js'
import { firstLine, type Gate, type Outcome, runCompiler } from './process.node.js'
import { PROCESSOR_SOURCE, readProcessor, type Words } from './processor.node.js'
import { type Candidate, compileLimitMs, findToolchain, probeLimitMs, type Toolchain } from './toolchain.node.js'
import {
  type BuildFailure,
  type Built,
  type BuiltPart,
  CELL,
  type Job,
  MOST_COMPILERS,
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

/** The main thread sets `closed` first and reads the group then; here it is the other way round, so one sees the other. */
function gateOf(cell: number): Gate {
  const running = (group: number): void => {
    Atomics.store(shared, cell, group)
    Atomics.notify(shared, cell)
  }
  const enter = (): boolean => {
    running(STARTING)
    if (Atomics.load(shared, CELL.closed) === 0) return true
    running(0)
    return false
  }
  return { enter, running, leave: () => running(0) }
}

const compilers = Math.min(availableParallelism(), MOST_COMPILERS)
/** Of compilers that may be started now, and who waits for one. */
const gates = Array.from({ length: compilers }, (_, i) => gateOf(CELL.groups + i))
const waiting: ((gate: Gate) => void)[] = []

async function withGate<T>(work: (gate: Gate) => Promise<T>): Promise<T> {
  const gate = gates.pop() ?? (await new Promise<Gate>((resolve) => waiting.push(resolve)))
  try {
    return await work(gate)
  } finally {
    const next = waiting.shift()
    if (next) next(gate)
    else gates.push(gate)
  }
}

async function open(): Promise<Workshop | NoToolchain> {
  try {
    inNativeCode(() => loadCaller(options.caller))
  } catch (error) {
    return { reason: `native calls are not possible here: ${firstLine(messageOf(error))}` }
  }
  const { platform, arch } = process
  const toolchain = await withGate((gate) => findToolchain(env, gate, { platform, arch, ask: ask(gate) }))
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
const ask =
  (gate: Gate) =>
  async ({ path, prefix }: Candidate): Promise<Words | string> => {
    if (words) return words
    const flags = ['-O0', ...(process.platform === 'win32' ? [] : ['-fPIC']), ...splitWords(env['LENET_CFLAGS'] ?? '')]
    const key = keyOf([abi, process.arch, path, ...prefix, ...flags, PROCESSOR_SOURCE])
    const limitMs = probeLimitMs(env)
    try {
      const folder = cacheFolder()
      const maker = { path, prefix, flags, limitMs, gate }
      const known = finder(folder.path)({ key, name: 'lenet_processor' })
      const library = known ?? (await makeLibrary(maker, folder, PROCESSOR_SOURCE, [key]))
      if (typeof library !== 'string') return `it makes no library that can be used here: ${library.error}`
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

/** A compiler, how it may be started, and how long it may take. */
interface Maker extends Pick<Toolchain, 'path' | 'prefix' | 'flags'> {
  readonly limitMs: number
  readonly gate: Gate
}

let files = 0

/** @returns the path of a new library, which is an entry of each key */
async function makeLibrary(
  maker: Maker,
  folder: CacheFolder,
  source: string,
  keys: readonly string[],
): Promise<string | BuildFailure> {
  const work = temporaryFolderOf(folder.path, token, files++)
  try {
    mkdirSync(work, { mode: 0o700 })
    const output = join(work, 'kernels.so')
    const problem = problemOf(await runOn(maker, source, work, output), maker)
    if (problem !== undefined) return { error: problem }
    const path = storeEntry(folder.path, keys, output)
    const opened = opens(path)
    return 'error' in opened ? opened : path
  } catch (error) {
    return { error: `nothing can be compiled in ${folder.path}: ${messageOf(error)}` }
  } finally {
    remove(work)
  }
}

/** The source comes by standard input; all temporary files lie in the work folder. */
function runOn(
  { path, prefix, flags, limitMs, gate }: Maker,
  input: string,
  work: string,
  output: string,
): Promise<Outcome> {
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

/** Functions that are being compiled, by their keys: what several builds want is made once. */
const making = new Map<string, Promise<string | BuildFailure>>()

function make({ toolchain, folder }: Workshop, parts: readonly Part[]): Promise<string | BuildFailure> {
  const [first] = parts
  const source = fileOf(first?.head ?? '', parts)
  const keys = parts.map(({ key }) => key)
  const made = withGate((gate) =>
    makeLibrary({ ...toolchain, limitMs: compileLimitMs(env), gate }, folder, source, keys),
  )
  for (const key of keys) making.set(key, made)
  void made.then(() => keys.forEach((key) => making.delete(key)))
  return made
}

/**
 * Finds functions among the entries of a folder as it is now. An entry can be sound and yet of no use here: another system's,
 * or made for a library that is gone, or another function's.
 */
function finder(folder: string): (part: Pick<Part, 'key' | 'name'>) => string | undefined {
  const listing = listingOf(folder)
  const open = new Map<string, KoffiLibrary | null>()
  const libraryAt = (path: string): KoffiLibrary | null => {
    const opened = opens(path)
    return 'error' in opened ? null : opened.library
  }
  return ({ key, name }) =>
    findEntry(listing, key, (path) => {
      const library = open.get(path) ?? libraryAt(path)
      open.set(path, library)
      return library !== null && inNativeCode(() => hasFunction(library, name))
    })
}

function hasFunction(library: KoffiLibrary, name: string): boolean {
  try {
    return Boolean(library.symbol(name))
  } catch {
    return false
  }
}

/** The key says all that decides what a text becomes, so that equal functions of all nets are one entry. */
function partOf({ identity }: Toolchain, head: string, text: string): Part {
  const key = keyOf([abi, identity, head, text])
  return { key, name: `k_${key.slice(0, 32)}`, head, text }
}

async function build(workshop: Workshop, { sources }: Job): Promise<Built | BuildFailure> {
  const { toolchain, folder } = workshop
  const parts = sources.map(({ head, parts: texts }) => texts.map((text) => partOf(toolchain, head, text)))
  const all = new Map(parts.flat().map((part) => [part.key, part]))
  const find = finder(folder.path)
  const paths = new Map<string, string | BuildFailure>()
  for (const [key, part] of all) if (!making.has(key)) paths.set(key, find(part) ?? '')
  const missing = [...all.values()].filter(({ key }) => paths.get(key) === '')
  for (const file of intoFiles(missing, compilers)) void make(workshop, file)
  const underWay = [...all.keys()].map((key) => [key, making.get(key)] as const)
  for (const [key, made] of underWay) if (made) paths.set(key, await made)
  for (const found of paths.values())
    if (typeof found !== 'string') return { error: `'${toolchain.command}' cannot compile the kernels: ${found.error}` }
  if (missing.length > 0) prune(folder.path, options.maximumBytes, new Set(all.keys()))
  const pathOf = ({ key, name }: Part): BuiltPart => ({ path: String(paths.get(key)), name })
  return { parts: parts.map((list) => list.map(pathOf)), cached: missing.length === 0 }
}

function serve(workshop: Workshop): void {
  port.on('message', async (job: Job) => {
    const result = await build(workshop, job).catch((error: unknown) => ({ error: messageOf(error) }))
    tell({ kind: 'built', id: job.id, result })
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
