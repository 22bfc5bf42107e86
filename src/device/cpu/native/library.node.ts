/**
 * Loads compiled libraries and calls a program's step on our memory, by koffi. For the main thread and for workers alike.
 * Not here: where libraries come from (service).
 */
import { statSync } from 'node:fs'
import nodeModule from 'node:module'
import { isAbsolute } from 'node:path'
import { messageOf } from '../../../base/index.js'
import { abi } from '../../../compiler/index.js'
import { entryProblem } from './cache.node.js'
import type { LinearMemory } from '../memory.js'
import type { BuildFailure, BuiltPart } from './types.js'

/** A program that can be called; see compiler/render/c. Addresses are byte offsets in the memory. */
export interface NativeLibrary {
  /** Runs the whole step as thread `tid` of `nth`; `team` is the address of the team's barriers. @returns what the C function returns */
  step(table: number, tid: number, nth: number, team: number): number
  /** Runs one kernel on this thread. */
  kernel(table: number, index: number): void
  /** Of the file. */
  readonly bytes: number
  /** Unloads it. Nothing of it may be called afterwards. */
  close(): void
}

/** The part of koffi in use. */
interface Koffi {
  load(path: string): KoffiLibrary
  decode(value: unknown, type: string): unknown
  address(value: unknown): bigint
  proto(result: string, parameters: readonly string[]): unknown
  pointer(type: unknown): unknown
  register(callback: () => number, type: unknown): unknown
}

export interface KoffiLibrary {
  func(definition: string): (...args: readonly unknown[]) => unknown
  symbol(name: string): unknown
  unload(): void
}

/**
 * Modules that make native calls, the first installed one is used: koffi's binary for this platform, a package without
 * the install script that package managers stop and warn of; else koffi itself, installed by hand.
 */
const callers: readonly string[] = [`@koromix/koffi-${process.platform}-${process.arch}`, 'koffi']

/**
 * Where the module that makes native calls lies: looked for from here and, since a bundler may have put this into a file
 * that lies elsewhere, from the program. Where there is none, the names that were looked for: whoever loads it then says
 * so. (The whole module is imported because webpack puts something of its own into the place of a `createRequire` that it
 * sees.)
 */
export function callerPath(names = callers): string {
  for (const name of names)
    for (const from of [import.meta.url as string | undefined, process.argv[1]]) {
      try {
        if (from !== undefined) return nodeModule.createRequire(from).resolve(name)
      } catch {
        // not to be found from there
      }
    }
  return names.join(', no ')
}

/**
 * The module that makes native calls. CommonJS, so that a loop that never yields can load it.
 * @param path of callerPath
 * @throws where it is not installed or its binary does not load
 */
export function loadCaller(path: string): Koffi {
  if (!isAbsolute(path)) throw new Error(`there is no ${path}: run npm install koffi`)
  const caller: Koffi = nodeModule.createRequire(path)(path)
  return caller
}

/**
 * Loads the library that has the step. Its sum is checked again before the system sees the file.
 * @param part the step's of a NativeBuild
 * @param program what the step follows, of packProgram
 * @param memory the device's memory, shared or not; its growth is noticed
 * @param caller of callerPath
 * @param look asked by this thread in a long wait whether a member of the team is gone: not 0
 * @returns the functions, or why there are none
 */
export function loadLibrary(
  { path, name }: BuiltPart,
  program: Uint8Array,
  memory: LinearMemory,
  caller = callerPath(),
  look?: () => number,
): NativeLibrary | BuildFailure {
  const opened = openLibrary(path, () => loadCaller(caller))
  if ('error' in opened) return opened
  try {
    const pointer = look ? lookPointer(loadCaller(caller), look) : null
    return bind(opened.library, { path, name }, program, memory, pointer)
  } catch (error) {
    return { error: `compiled kernels cannot be called: ${messageOf(error)}` }
  }
}

const pointers = new WeakMap<() => number, unknown>()

/** The function as C calls it, for good: one for each device. */
function lookPointer(koffi: Koffi, look: () => number): unknown {
  const known = pointers.get(look)
  if (known) return known
  const made = koffi.register(look, koffi.pointer(koffi.proto('int32_t', [])))
  pointers.set(look, made)
  return made
}

/** What has code that somebody may call by its address: it stays loaded. */
const loaded = new Map<string, KoffiLibrary>()

/**
 * The addresses of functions, each library loaded once and checked as above. They are the same in all threads.
 * @returns in the order of the parts; or why there are none
 */
export function loadFunctions(parts: readonly BuiltPart[], caller = callerPath()): readonly bigint[] | BuildFailure {
  const libraries = new Map<string, KoffiLibrary>()
  for (const path of new Set(parts.map((part) => part.path))) {
    const opened = openLibrary(path, () => loadCaller(caller))
    if ('error' in opened) return opened
    libraries.set(path, opened.library)
    loaded.set(path, opened.library)
  }
  try {
    const koffi = loadCaller(caller)
    return parts.map(({ path, name }) => koffi.address(libraries.get(path)?.symbol(name)))
  } catch (error) {
    return { error: `compiled kernels cannot be called: ${messageOf(error)}` }
  }
}

/** Checks and opens a library. @param caller makes native calls */
export function openLibrary(path: string, caller: () => Koffi): { library: KoffiLibrary } | BuildFailure {
  const problem = entryProblem(path)
  if (problem !== undefined) return { error: `compiled kernels ${path} are not loaded: ${problem}` }
  try {
    const koffi = caller()
    const library = koffi.load(path)
    const found = koffi.decode(library.symbol('lenet_abi'), 'uint32_t')
    if (found === abi) return { library }
    return { error: `compiled kernels ${path} are not loaded: they are of version ${String(found)}, not ${abi}` }
  } catch (error) {
    return { error: `compiled kernels ${path} cannot be loaded: ${messageOf(error)}` }
  }
}

function bind(
  library: KoffiLibrary,
  { path, name }: BuiltPart,
  program: Uint8Array,
  memory: LinearMemory,
  look: unknown,
): NativeLibrary {
  const step = library.func(
    `int32_t ${name}(uint8_t *program, uint8_t *memory, uint32_t table, uint32_t tid, uint32_t nth, uint32_t team, void *look)`,
  )
  const kernel = library.func('void lenet_kernel(uint8_t *program, uint8_t *memory, uint32_t table, uint32_t index)')
  let bytes = new Uint8Array(memory.buffer)
  // A memory that grew has a new buffer; the old one of an unshared memory is empty.
  const base = (): Uint8Array => (bytes.buffer === memory.buffer ? bytes : (bytes = new Uint8Array(memory.buffer)))
  return {
    step: (table, tid, nth, team) => Number(step(program, base(), table, tid, nth, team, look)),
    kernel: (table, index) => void kernel(program, base(), table, index),
    bytes: statSync(path).size,
    close: () => library.unload(),
  }
}
